"""How rows and details are written, also of models whose names are hostile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.ui.screens.catalog.support import GIB, row, squeezed
from venom_tui.core.types.fit import FitBadge, Verdict
from venom_tui.ui.screens.catalog.detail import lines
from venom_tui.ui.screens.catalog.row import Row
from venom_tui.ui.screens.catalog.table import TableHead, context_cell, line, params_cell, size_cell
from venom_tui.ui.text import use_ascii
from venom_tui.ui.widgets.verdicts import who_leaves

MISTRAL = row(
    "mistral-small:24b-instruct-2501-q4_K_M",
    runtime="ollama",
    provider="ollama",
    size_bytes=int(13.3 * GIB),
    parameter_size="23.6B",
    quantization="Q4_K_M",
    context_length=32768,
    capabilities=("completion", "tools", "vision"),
    architecture="llama",
    digest="sha256:" + "ab" * 32,
)
HOSTILE = (
    "[/x]",
    "[@click=app.quit]x[/]",
    "\u202egpj.x",
    "a\x1b[31mb",
    "x\ny",
    "日本語モデル" * 9,
    "e\u0301" * 40,
    "[",
    "\\[",
)


def written(
    one: Row,
    width: int,
    *,
    selected: bool = False,
    busy: bool = False,
    longest: int | None = None,
    fit: FitBadge | None = None,
) -> str:
    longest = cell_len(one.model.name) if longest is None else longest
    return line(one, width, longest, selected=selected, busy=busy, fit=fit).plain


@pytest.fixture
def _ascii() -> Iterator[None]:
    use_ascii(True)
    yield
    use_ascii(False)


def test_a_wide_list_shows_all_columns() -> None:
    text = written(MISTRAL, 152, fit=FitBadge(Verdict.FITS_AFTER_EVICTION, evicts=("x",)))
    assert text.startswith(" ○ mistral-small:24b-instruct-2501-q4_K_M   23.6B  Q4_K_M        13.3      32k  llama  ")
    assert text.endswith("llama       tools see    ▲ evicts             -  ollama        ")


def test_columns_leave_by_worth_and_the_first_and_the_last_stay() -> None:
    fits = FitBadge(Verdict.FITS)
    assert squeezed(written(MISTRAL, 99, fit=fits)) == (
        "○ mistral-sma…2501-q4_K_M 23.6B Q4_K_M 13.3 32k tools see fits ollama"
    )
    assert squeezed(written(MISTRAL, 79, fit=fits)) == "○ mistral-smal…-2501-q4_K_M 23.6B Q4_K_M 13.3 fits ollama"
    assert squeezed(written(MISTRAL, 60, fit=fits)) == "○ mistral-sma…-2501-q4_K_M 13.3 fits ollama"
    assert squeezed(written(MISTRAL, 34)) == "○ mistral-sm…501-q4_K_M ollama"


def test_the_head_stands_over_the_columns() -> None:
    head = TableHead()
    for width in (99, 152):
        titles, cells = head.fit(width).plain, written(MISTRAL, width, longest=0)
        for title, cell in (("size GiB", "13.3"), ("context", "32k"), ("params", "23.6B")):
            assert titles.index(title) + len(title) == cells.index(cell) + len(cell)
        assert titles.index("quant") == cells.index("Q4_K_M")
        assert titles.index("where") == cells.index("ollama")
        assert titles.index("name") == 3


def test_signs_tell_the_state() -> None:
    assert written(row("a"), 80).startswith(" ○ a")
    assert written(row("a", loaded=True), 80).startswith(" ● a")
    assert written(row("a", loaded=None), 80).startswith(" ? a")
    assert written(row("a", error="broken"), 80).startswith(" ✕ a")
    assert written(row("a"), 80, busy=True).startswith(" ◐ a")
    assert written(row("a", loaded=True), 80, selected=True).startswith("▌● a")
    assert written(row("a", active=True), 80).startswith("▸○ a ")


def test_whether_it_fits_is_a_badge() -> None:
    for fit, words in (
        (None, ""),
        (FitBadge(Verdict.FITS), "fits"),
        (FitBadge(Verdict.FITS, loaded=True), "loaded"),
        (FitBadge(Verdict.FITS_AFTER_EVICTION, evicts=("x",)), "▲ evicts"),
        (FitBadge(Verdict.PARTLY_ON_CPU), "▲ partly"),
        (FitBadge(Verdict.DOES_NOT_FIT), "✕ too large"),
        (FitBadge(Verdict.UNKNOWN), "?"),
    ):
        assert squeezed(written(MISTRAL, 60, fit=fit)).partition(" 13.3 ")[2] == f"{words} ollama".strip()


@pytest.mark.usefixtures("_ascii")
def test_signs_have_an_ascii_form() -> None:
    text = written(row("a" * 90, loaded=True), 80, selected=True)
    assert text.startswith("|* aaa") and text.isascii()


def test_unknown_is_a_question_mark_and_never_nothing() -> None:
    assert squeezed(written(row("a"), 152)) == "○ a ? ? ? ? ? ? - embedded local"
    assert [size_cell(n) for n in (None, 0, 1, GIB // 20, GIB // 10, 3 * GIB)] == [
        "?", "0.0", "<0.1", "<0.1", "0.1", "3.0",
    ]  # fmt: skip
    assert [context_cell(n) for n in (None, 512, 2048, 40_960, 100_000, 1_048_576)] == [
        "?", "512", "2k", "40k", "98k", "1,024k",
    ]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("width", [20, 79, 139])
def test_a_hostile_name_is_text_in_its_column(name: str, width: int) -> None:
    one = row(name, architecture=name, quantization=name, parameter_size=name, runtime=name, provider=name)
    content = line(one, width, cell_len(name), selected=False, busy=False)
    assert content.cell_length <= max(width, 30)
    assert not any(c in content.plain for c in "\x1b\n\u202e")
    assert all("@" not in str(span.style) for span in content.spans)


@given(st.text(max_size=60), st.integers(30, 200), st.booleans())
def test_any_name_keeps_the_line_in_its_width(name: str, width: int, active: bool) -> None:
    one = row(name, active=active, parameter_size=name, architecture=name, digest=name, path=f"/{name}", error=name)
    assert line(one, width, cell_len(name), selected=True, busy=False).cell_length <= width
    for text in lines(one.model, name, width):
        assert text.cell_length <= width and "\n" not in text.plain


def test_a_model_of_a_remote_host_has_its_sign_and_no_size() -> None:
    remote = row("big:cloud", remote_host="https://ollama.com:443", size_bytes=None, parameter_size="116.8B")
    assert written(remote, 80).startswith(" ☁ big:cloud") and squeezed(written(remote, 139)).split()[4] == "-"
    assert "runs at https://ollama.com:443" in lines(remote.model, "", 120)[-1].plain


def test_files_that_no_runtime_serves_say_where_they_are() -> None:
    cached = row("org/x", runtime="", provider="huggingface")
    assert written(cached, 139).rstrip().endswith("hf cache")
    assert "no runtime here serves it" in lines(cached.model, "", 120)[1].plain


@pytest.mark.parametrize(
    ("text", "cell"),
    [("134.52M", "135M"), ("8.03B", "8.0B"), ("116.8B", "117B"), ("999.99M", "1.0B"), ("8x7B", "8x7B"), (None, "?")],
)
def test_parameters_fit_their_column(text: str | None, cell: str) -> None:
    assert params_cell(row("a", parameter_size=text).parameters, text) == cell and len(cell) <= 6


def test_when_a_model_was_used_last() -> None:
    used = row("a", last_used=datetime.now(UTC) - timedelta(hours=3))
    assert squeezed(written(used, 139)).split()[-3] == "h"


def test_details_tell_what_is_known() -> None:
    shown = [text.plain for text in lines(MISTRAL.model, "", 90)]
    assert shown == [
        "13.3 GiB · 23.6B parameters · Q4_K_M · 32,768 tokens of context · llama",
        "chat template ? · can tools see · provider ollama",
        "14,280,766,259 bytes · digest sha256:ababababababababababab…ababababababababababababababab",
    ]


def test_details_tell_who_must_leave() -> None:
    def told(*evicts: str, loaded: bool = False) -> str:
        leaves = who_leaves(FitBadge(Verdict.FITS_AFTER_EVICTION, evicts=evicts, loaded=loaded))
        return lines(MISTRAL.model, "", 200, leaves)[1].plain

    assert told("qwen3:8b") == "chat template ? · can tools see · fits after qwen3:8b leaves · provider ollama"
    assert "fits after a and b leave ·" in told("a", "b")
    assert "fits after a, b and 2 more leave ·" in told("a", "b", "c", "d")
    assert "fits after" not in told("a", loaded=True)
    assert who_leaves(None) == who_leaves(FitBadge(Verdict.FITS)) == ""
    for name in HOSTILE:
        text = told(name, name, name)
        assert not any(c in text for c in "\x1b\n\u202e") and "and 1 more leave" in text
        assert cell_len(who_leaves(FitBadge(Verdict.FITS_AFTER_EVICTION, evicts=(name,) * 3))) <= 100


def test_details_of_a_base_model_and_of_the_active_one() -> None:
    base = row("b", has_chat_template=False, path="/models/b.gguf", active=True, loaded=True, vram_bytes=3 * GIB)
    shown = [text.plain for text in lines(base.model, "the last one used", 120)]
    assert shown == [
        "? · ? parameters · quantization ? · context ? · architecture ?",
        "base model: continues text · loaded, 3.0 GiB of GPU memory · active: the last one used · provider local",
        "/models/b.gguf",
        "? bytes · digest ?",
    ]


def test_details_of_a_broken_file_begin_with_what_is_wrong() -> None:
    broken = row("b", error="it is no [/x] GGUF file", path="/a/" + "x" * 200 + "/end.gguf")
    shown = [text.plain for text in lines(broken.model, "", 80)]
    assert shown[0] == "✕ cannot be used: it is no [/x] GGUF file"
    assert shown[3].startswith("/a/xxx") and shown[3].endswith("/end.gguf") and len(shown[3]) == 80
