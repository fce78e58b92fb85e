"""Order, selection and title of what the catalog lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.screens.catalog.support import GIB, row
from venom_tui.core.types.fit import FitBadge, Verdict
from venom_tui.ui.screens.catalog.listing import Listing
from venom_tui.ui.screens.catalog.order import SORTS, in_order
from venom_tui.ui.screens.catalog.row import Row, abilities, order_of, parameters_of, renewed

TOOLS, CHAT = ("completion", "tools"), ("completion",)
ROWS = [
    row("b2", size_bytes=3 * GIB, parameter_size="8.0B", quantization="Q8_0", context_length=2048, architecture="z",
        capabilities=TOOLS),
    row("b10", size_bytes=1 * GIB, parameter_size="135M", quantization="Q4_0", context_length=4096, loaded=True),
    row("A1", size_bytes=None, loaded=None),
    row("c", size_bytes=2 * GIB, parameter_size="1T", quantization="Q10", context_length=1024, architecture="a1",
        capabilities=CHAT),
]  # fmt: skip


def listing() -> Listing:
    made = Listing()
    made.take(renewed([one.model for one in ROWS], {}))
    return made


def names(made: Listing) -> str:
    return " ".join(one.model.name for one in made.rows)


def test_it_begins_by_name_with_numbers_as_numbers() -> None:
    assert names(listing()) == "A1 b2 b10 c"


@pytest.mark.parametrize(
    ("column", "upwards", "downwards"),
    [
        ("name", "A1 b2 b10 c", "c b10 b2 A1"),
        ("params", "b10 b2 c A1", "c b2 b10 A1"),
        ("quant", "b10 b2 c A1", "c b2 b10 A1"),
        ("size", "b10 c b2 A1", "b2 c b10 A1"),
        ("context", "c b2 b10 A1", "b10 b2 c A1"),
        ("arch", "c b2 A1 b10", "b2 c A1 b10"),
        ("can", "c b2 A1 b10", "b2 c A1 b10"),
        ("where", "A1 b2 b10 c", "A1 b2 b10 c"),
        ("loaded", "b10 b2 c A1", "b2 c b10 A1"),
    ],
)
def test_each_column_sorts_in_both_directions_with_the_unknown_last(column: str, upwards: str, downwards: str) -> None:
    made = listing()
    while made.sort.column != column:
        made.sort_by_next()
    assert names(made) == upwards
    before = made.order()
    made.turn()
    assert names(made) == downwards
    assert made.order() != before and column in made.order()


FITS = {
    ("embedded", "b2"): FitBadge(Verdict.DOES_NOT_FIT),
    ("embedded", "b10"): FitBadge(Verdict.FITS, loaded=True),
    ("embedded", "c"): FitBadge(Verdict.FITS_AFTER_EVICTION, evicts=("b10",)),
}


def test_it_is_sorted_by_whether_models_fit_as_that_becomes_known() -> None:
    made = listing()
    assert not made.by_fit
    while made.sort.column != "fit":
        made.sort_by_next()
    assert made.by_fit and names(made) == "A1 b2 b10 c"
    assert made.take_fits(FITS)
    assert names(made) == "b10 c b2 A1"
    assert not made.take_fits(FITS), "nothing changed"
    made.turn()
    assert names(made) == "b2 c b10 A1"
    made.take(renewed([one.model for one in ROWS], made.known or {}))
    assert names(made) == "b2 c b10 A1", "what was judged is kept with the row"


def test_it_is_filtered_by_whether_models_fit_as_that_becomes_known() -> None:
    made = listing()
    assert not made.take_fits({("embedded", "c"): FitBadge(Verdict.FITS)}), "the order goes by something else"
    made.filter_by("fit:fits")
    assert made.by_fit and names(made) == "c"
    assert made.take_fits(FITS)
    assert names(made) == "b10"
    made.filter_by("!fit:fits")
    assert names(made) == "A1 b2 c"
    made.filter_by("b")
    assert not made.by_fit


def test_the_sort_key_comes_round_to_the_first_column() -> None:
    made = listing()
    made.turn()
    for _ in SORTS:
        made.sort_by_next()
    assert (made.sort, made.reverse) == (SORTS[0], False)


def test_the_title_tells_what_is_listed() -> None:
    made = Listing()
    assert made.title() == "Models"
    made.take(renewed([one.model for one in ROWS], {}))
    assert made.title() == "Models ─ 4"
    made.filter_by("  b   !10 ")
    assert made.title() == "Models ─ 1 of 4 ─ filter: b !10"
    made.toggle("embedded c")
    made.toggle("embedded b2")
    assert made.title() == "Models ─ 1 of 4 ─ filter: b !10 ─ 2 selected"
    made.filter_by("\u202e[/x]")
    assert made.title() == "Models ─ 0 of 4 ─ filter: [/x] ─ 2 selected"


def test_the_selection_holds_for_rows_that_are_filtered_away_and_not_for_those_that_are_gone() -> None:
    made = listing()
    made.toggle("embedded c")
    made.toggle("embedded b10")
    made.filter_by("b2")
    assert [one.model.name for one in made.chosen] == ["b10", "c"]
    made.take(renewed([ROWS[0].model, ROWS[1].model], made.known or {}))
    assert [one.model.name for one in made.chosen] == ["b10"]
    made.toggle("embedded b10")
    assert made.chosen == []


def test_rows_of_models_that_did_not_change_are_not_worked_out_again() -> None:
    first = renewed([one.model for one in ROWS], {})
    known = {one.key: one for one in first}
    changed = row("b2", size_bytes=4 * GIB)
    second = renewed([changed.model, *(one.model for one in ROWS[1:])], known)
    assert [one is known[one.key] for one in second] == [True, False, True, True]


@pytest.mark.parametrize(
    ("text", "number"),
    [("135M", 135e6), ("8.0B", 8e9), ("596.05M", 596.05e6), ("1t", 1e12), ("360K", 360e3), (" 7 b ", 7e9)]
    + [(text, None) for text in ("8x7B", "", None, "B", "seven", "8", "-1B", "1e9B")],
)
def test_numbers_of_parameters_are_read_or_unknown(text: str | None, number: float | None) -> None:
    assert parameters_of(text) == number


def test_what_a_model_can_do_is_named_and_never_guessed() -> None:
    def can(**facts: object) -> str:
        return abilities(row(**facts).model)  # type: ignore[arg-type]  # keywords of one dataclass

    assert can(capabilities=("completion", "tools", "thinking")) == "tools think"
    assert can(capabilities=("completion",)) == "chat"
    assert can(capabilities=("embedding",)) == "embed"
    assert can(capabilities=("completion", "vision", "insert")) == "see insert"
    assert can(capabilities=()) == "-"
    assert can(capabilities=None) == "?"
    assert can(capabilities=None, has_chat_template=True) == "?"
    assert can(capabilities=None, has_chat_template=False) == "base"


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_two_names_can_be_compared(one: str, other: str) -> None:
    assert (order_of(one) < order_of(other)) + (order_of(other) < order_of(one)) + (
        order_of(one) == order_of(other)
    ) == 1


@given(
    st.lists(
        st.builds(
            row,
            st.text(max_size=5),
            size_bytes=st.none() | st.integers(0, 9),
            quantization=st.none() | st.sampled_from(["Q4", "Q8"]),
            loaded=st.none() | st.booleans(),
        ),
        max_size=9,
    ),
    st.sampled_from(SORTS),
)
def test_an_order_loses_nothing_and_reversing_it_moves_the_known_only(rows: list[Row], sort: object) -> None:
    assert sort in SORTS
    order = SORTS[SORTS.index(sort)]
    up, down = in_order(rows, order, reverse=False), in_order(rows, order, reverse=True)
    known = sum(order.value(one) is not None for one in rows)
    assert sorted(map(id, up)) == sorted(map(id, down)) == sorted(map(id, rows))
    assert [order.value(one) for one in up[:known]] == [order.value(one) for one in down[:known]][::-1]
    assert list(map(id, up[known:])) == list(map(id, down[known:]))
