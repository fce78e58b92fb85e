"""The language of the catalog's filter."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ui.screens.catalog.support import GIB, row
from venom_tui.core.types.fit import FitBadge, Verdict
from venom_tui.ui.screens.catalog.query import parse, words_of
from venom_tui.ui.screens.catalog.row import Row

QWEN = row(
    "qwen3:14b",
    runtime="ollama",
    provider="ollama",
    size_bytes=int(8.6 * GIB),
    parameter_size="14.8B",
    quantization="Q4_K_M",
    context_length=40_960,
    capabilities=("completion", "tools", "thinking"),
    architecture="qwen3",
    has_chat_template=True,
    loaded=True,
    active=True,
)
SMOL = row(
    "smollm2-135m",
    provider="demonstration",
    size_bytes=105 * 1024**2,
    parameter_size="135M",
    quantization="Q4_1",
    context_length=8192,
    capabilities=("completion",),
    architecture="llama",
    has_chat_template=True,
    demonstration=True,
)
BASE = row(
    "Llama 3.1/base-IQ4_XS",
    size_bytes=4 * GIB,
    parameter_size="8.0B",
    quantization="IQ4_XS",
    context_length=131_072,
    architecture="llama",
    has_chat_template=False,
)
BROKEN = row("half", size_bytes=12, loaded=None, error="it ends in the middle of its header")
ALL = (QWEN, SMOL, BASE, BROKEN)


def names(text: str, rows: Sequence[Row] = ALL) -> list[str]:
    return [chosen.model.name.split("/")[0].split(":")[0] for chosen in parse(text).choose(rows).rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["qwen3", "smollm2-135m", "Llama 3.1", "half"]),
        ("   ", ["qwen3", "smollm2-135m", "Llama 3.1", "half"]),
        ("QWEN", ["qwen3"]),
        ("llama q4_", ["smollm2-135m", "Llama 3.1"]),
        ("llama 4", ["smollm2-135m", "Llama 3.1"]),
        ("ollama", ["qwen3"]),
        ("embed demo", ["smollm2-135m"]),
        ("llama !base", ["smollm2-135m"]),
        ('"llama 3"', ["Llama 3.1"]),
        ('"llama 3', ["Llama 3.1"]),
        ('!"llama 3"', ["qwen3", "smollm2-135m", "half"]),
        ("qwen3:14b", ["qwen3"]),
        ("nothing-like-it", []),
        ("name:base", ["Llama 3.1"]),
        ('name:"3.1/b"', ["Llama 3.1"]),
        ("runtime:ollama", ["qwen3"]),
        ("!runtime:ollama", ["smollm2-135m", "Llama 3.1", "half"]),
        ("provider:demo", ["smollm2-135m"]),
        ("provider:local", ["Llama 3.1", "half"]),
        ("quant:q4", ["qwen3", "smollm2-135m"]),
        ("quant:iq4_xs", ["Llama 3.1"]),
        ("quant:?", ["half"]),
        ("arch:LLAMA", ["smollm2-135m", "Llama 3.1"]),
        ("cap:tools", ["qwen3"]),
        ("cap:think", ["qwen3"]),
        ("cap:completion", ["qwen3", "smollm2-135m"]),
        ("cap:?", ["Llama 3.1", "half"]),
        ("size:<8G", ["smollm2-135m", "Llama 3.1", "half"]),
        ("size:<4GiB", ["smollm2-135m", "half"]),
        ("size:<=4", ["smollm2-135m", "Llama 3.1", "half"]),
        ("size:>105M", ["qwen3", "Llama 3.1"]),
        ("size:>=105mb", ["qwen3", "smollm2-135m", "Llama 3.1"]),
        ("size:8.6", ["qwen3"]),
        ("size:=0.1G", ["smollm2-135m"]),
        ("!size:<8G", ["qwen3"]),
        ("params:<10B", ["smollm2-135m", "Llama 3.1"]),
        ("params:>=8", ["qwen3", "Llama 3.1"]),
        ("params:135m", ["smollm2-135m"]),
        ("params:15B", ["qwen3"]),
        ("params:?", ["half"]),
        ("context:>=32k", ["qwen3", "Llama 3.1"]),
        ("context:8192", ["smollm2-135m"]),
        ("context:40k", ["qwen3"]),
        ("context:<8192", []),
        ("loaded:yes", ["qwen3"]),
        ("loaded:n", ["smollm2-135m", "Llama 3.1"]),
        ("loaded:?", ["half"]),
        ("is:active", ["qwen3"]),
        ("is:loaded", ["qwen3"]),
        ("is:broken", ["half"]),
        ("is:usable", ["qwen3", "smollm2-135m", "Llama 3.1"]),
        ("is:demo", ["smollm2-135m"]),
        ("is:base", ["Llama 3.1"]),
        ("IS:BASE arch:llama SIZE:<8g", ["Llama 3.1"]),
    ],
)
def test_what_a_filter_leaves(text: str, expected: list[str]) -> None:
    assert names(text) == expected
    assert parse(text).choose(ALL).note == ""


@pytest.mark.parametrize(
    ("text", "left", "note"),
    [
        ("foo:bar", 4, "no key “foo”; try size, cap, quant or is"),
        ("foo:bar qwen", 1, "no key “foo”; try size, cap, quant or is"),
        ("size:big", 4, "size takes <8G, >=500M or 4.7"),
        ("size:", 4, "size takes <8G, >=500M or 4.7"),
        ("size:<8q", 4, "size takes <8G, >=500M or 4.7"),
        ("params:<<8", 4, "params takes <10B, >=135M or 7"),
        ("context:8g", 4, "context takes >=32k, <8192 or 128k"),
        ("loaded:maybe", 4, "loaded takes yes or no"),
        ("is:purple", 4, "is takes active, base, broken, demo, files, loaded, remote or usable"),
        ("runtime:vllm", 4, "no model has the runtime “vllm”"),
        ("provider:x", 4, "no model has the provider “x”"),
        ("arch:mamba llama", 2, "no model has the architecture “mamba”"),
        ("cap:fly", 4, "no model has the capability “fly”"),
        ("quant:" + "q" * 60, 4, "no model has the quantization “qqqqqqqqq…qqqqqqqqqq”"),
        ("quant:\u202e[/x]", 4, "no model has the quantization “[/x]”"),
    ],
)
def test_what_is_not_understood_is_said_and_left_out(text: str, left: int, note: str) -> None:
    chosen = parse(text).choose(ALL)
    assert (len(chosen.rows), chosen.note) == (left, note)


def test_a_word_with_a_colon_is_looked_for_before_it_is_called_wrong() -> None:
    rows = (row("coder:30b"), row("other"))
    assert names("coder:3", rows) == ["coder"]
    assert parse("coder:3").choose(rows).note == ""
    assert parse("coder:7").choose(rows).note.startswith("no key “coder”")


def test_what_is_still_being_typed_hides_nothing() -> None:
    for begun in ("!", '"', '!"', "quant:", "runtime:", "name:", "!cap:", "size:<", "is:", "loaded:"):
        assert len(parse(begun).choose(ALL).rows) == len(ALL), begun


def test_words_are_read_with_their_quotes() -> None:
    words = [(word.negated, word.key, word.value) for word in words_of(' a !b  c:d !e:"f g" "h i" !!j k"l :m 1:2 n: ')]
    assert words == [
        (False, "", "a"),
        (True, "", "b"),
        (False, "c", "d"),
        (True, "e", "f g"),
        (False, "", "h i"),
        (False, "", "j"),
        (False, "", 'k"l'),
        (False, "", ":m"),
        (False, "", "1:2"),
        (False, "n", ""),
    ]


# ---------------------------------------------------------------------- properties

_KEYS = ["name", "runtime", "provider", "quant", "arch", "cap", "size", "params", "context", "loaded", "is", "foo"]
_VALUES = ["<8G", ">=0.1g", "4.0", "?", "yes", "n", "active", "b", "q4", "llama", "ollama", "tools", "", '"x y"', "<"]
_tokens = (
    st.sampled_from(["qwen", "llama", "4", "k_m", "half", '"3.1/b"', "zzz"])
    | st.tuples(st.sampled_from(_KEYS), st.sampled_from(_VALUES)).map(":".join)
    | st.text(st.characters(exclude_characters=' "!', exclude_categories=["Z", "C"]), min_size=1, max_size=6)
)
_texts = st.text(max_size=40) | st.lists(_tokens | _tokens.map("!{}".format), max_size=5).map(" ".join)
_rows = st.lists(
    st.builds(
        row,
        st.text(max_size=12),
        runtime=st.sampled_from(["embedded", "ollama"]),
        size_bytes=st.none() | st.integers(0, 2**45),
        parameter_size=st.none() | st.sampled_from(["135M", "8.0B", "8x7B", "[/]"]),
        quantization=st.none() | st.sampled_from(["Q4_K_M", "F16"]),
        context_length=st.none() | st.integers(1, 2**21),
        capabilities=st.none() | st.lists(st.sampled_from(["completion", "tools", "vision"])).map(tuple),
        loaded=st.none() | st.booleans(),
        error=st.sampled_from(["", "broken"]),
    ),
    max_size=8,
)


@given(_texts, _rows)
def test_any_text_is_a_filter_and_chooses_some_of_the_rows_in_their_order(text: str, rows: list[Row]) -> None:
    chosen = parse(text).choose(rows)
    rest = iter(rows)
    assert all(any(one is other for other in rest) for one in chosen.rows)
    assert "\n" not in chosen.note and "\x1b" not in chosen.note and len(chosen.note) < 80


@given(_tokens, _rows)
def test_not_leaves_what_the_word_itself_does_not(token: str, rows: list[Row]) -> None:
    plain, negated = parse(token).choose(rows), parse(f"!{token}").choose(rows)
    assert plain.note == negated.note
    conditions = parse(token).conditions
    if plain.note or not conditions:
        assert len(plain.rows) == len(negated.rows) == len(rows)
    else:
        assert sorted(map(id, (*plain.rows, *negated.rows))) == sorted(map(id, rows))


@given(st.lists(_tokens, max_size=4), _rows)
def test_all_words_must_hold(tokens: list[str], rows: list[Row]) -> None:
    together = {id(one) for one in parse(" ".join(tokens)).choose(rows).rows}
    alone = [{id(one) for one in parse(token).choose(rows).rows} for token in tokens]
    assert together == set(map(id, rows)).intersection(*alone)


@given(st.integers(0, 2**45), st.integers(0, 99_999).map(lambda n: n / 100), st.sampled_from(["k", "M", "G", "T"]))
def test_sizes_are_compared_as_numbers(size: int, amount: float, unit: str) -> None:
    rows = [row(size_bytes=size)]
    limit = amount * {"k": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}[unit]
    holds = {sign: bool(names(f"size:{sign}{amount:.2f}{unit}", rows)) for sign in ("<", "<=", ">", ">=", "=")}
    assert holds["<"] is (size < limit) and holds[">"] is (size > limit)
    assert holds["<="] is not holds[">"] and holds[">="] is not holds["<"]
    if holds["="]:
        assert abs(size - limit) <= limit / amount * 0.0051 if amount else True


@given(st.text(min_size=1, max_size=8).filter(lambda text: '"' not in text and text.split()))
def test_a_quoted_text_finds_the_name_that_holds_it(text: str) -> None:
    rows = [row(f"a{text}b"), row("another")]
    assert rows[0] in parse(f'"{text}"').choose(rows).rows
    assert rows[0] in parse(f'name:"{text}"').choose(rows).rows


def test_whether_a_model_fits() -> None:
    judged = [
        row(verdict.value)._replace(fit=FitBadge(verdict, evicts=("x",) * (verdict is Verdict.FITS_AFTER_EVICTION)))
        for verdict in Verdict
    ]
    rows = [*judged, row("not asked yet")]
    for text, expected in {
        "fit:fits": ["fits"],
        "fit:e": ["fits_after_eviction"],
        "fit:partly": ["partly_on_cpu"],
        "fit:LARGE": ["does_not_fit"],
        "fit:unknown": ["unknown", "not asked yet"],
        "fit:?": ["unknown", "not asked yet"],
        "!fit:large !fit:?": ["fits", "fits_after_eviction", "partly_on_cpu"],
    }.items():
        assert parse(text).by_fit
        assert names(text, rows) == expected, text
    assert parse("fit:often").choose(rows).note == "fit takes fits, evicts, partly, large or unknown"
    assert not parse("size:<8G").by_fit
