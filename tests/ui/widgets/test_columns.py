"""Lines of columns: what a cell says, and how it is styled, stands where its column is."""

from __future__ import annotations

from textual.content import Content

from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out

COLUMNS = (Column("", 2), Column("", 6, right=True), Column("", 5))
SHOWN = fit_columns(COLUMNS, 17)


def test_cells_are_cut_and_aligned() -> None:
    assert lay_out([Content("a"), Content("12"), Content("longer")], COLUMNS, SHOWN).plain == "a       12  long…"
    assert lay_out(["a", "12", "longer"], COLUMNS, SHOWN).plain == "a       12  long…"
    # A wide character takes two cells.
    line = lay_out([Content("日"), Content("日本"), Content("日本語")], COLUMNS, SHOWN)
    assert (line.plain, line.cell_length) == ("日    日本  日本…", 17)


def test_styles_stay_with_their_text() -> None:
    cells = [Content.styled("日", "red"), Content.assemble("1", ("2", "bold")), Content.styled("longer", "blue")]
    line = lay_out(cells, COLUMNS, SHOWN)
    assert [(line.plain[start:end], style) for start, end, style in line.spans] == [
        ("日", "red"), ("2", "bold"), ("long…", "blue"),
    ]  # fmt: skip
