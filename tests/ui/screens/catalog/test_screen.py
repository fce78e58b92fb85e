"""The catalog in the application: what is listed, how one moves, filters, sorts and selects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import model_file, squeezed, three_models
from venom_tui.core.events import ModelsChanged, OperationChanged
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.ui.screens.catalog.model_list import ModelList
from venom_tui.ui.screens.catalog.row import Row, renewed

SMOL = "smollm2-135m"
FOUR = ("gemma-3-270m", "llama-base", "Qwen2.5-7B-Instruct", SMOL)

pytestmark = pytest.mark.usefixtures("demonstration_model")


async def test_rows_tell_what_the_files_say(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        await shown.until(lambda: " fits " in shown.text and shown.text.count(" ? ") >= 3)
        lines = shown.lines
        assert lines[2].startswith("── Models ─ 4 ───") and lines[2].endswith("─ sorted by name, a to z ──")
        assert squeezed(lines[3]) == "name params quant size GiB context can fit where"
        assert squeezed(lines[4]) == "○ gemma-3-270m 268M Q8_0 0.3 8k chat ? embedded"
        assert squeezed(lines[5]) == "○ llama-base 8.0B Q4_K_M 4.6 128k base ? embedded"
        assert squeezed(lines[6]) == "▸○ Qwen2.5-7B-Instruct 7.6B Q5_K_M 5.1 32k chat ? embedded"
        assert squeezed(lines[7]) == f"○ {SMOL} 135M Q4_1 0.1 8k chat fits embedded"
        assert "enter chat  i details  p pull  u (un)load  f fit  d remove  / filter  o more  s sort" in lines[-1]


async def test_the_cursor_begins_on_the_active_model_and_the_details_follow_it(
    catalog: OpenCatalog, models_dir: Path
) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        active = await shown.core.models.active()
        assert active is not None and shown.cursor == active.name
        assert f"▸○ {active.name}" in shown.text
        await shown.press("g", "j")
        await shown.until(lambda: "── llama-base ──" in shown.text)
        assert "base model: continues text" in shown.text
        assert "131,072 tokens of context" in shown.text and "4,939,212,390 bytes · digest ?" in shown.text
        await shown.press("G")
        await shown.until(lambda: f"── {SMOL} ──" in shown.text)
        assert "digest sha256:" in shown.text and "often wrong" in shown.text


async def test_the_filter_acts_while_it_is_typed_and_stays_in_the_title(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        await shown.press("slash")
        await shown.type("size:<1G")
        assert shown.names == ["gemma-3-270m", SMOL]
        assert "Models ─ 2 of 4 ─ filter: size:<1G ──" in shown.text
        assert " / size:<1G" in shown.text and "enter to the list  esc clear" in shown.text
        await shown.type(" !demo")
        assert shown.names == ["gemma-3-270m"]
        await shown.press("enter")
        assert shown.screen.focused is shown.rows
        assert " / size:<1G" not in shown.text and "filter: size:<1G !demo" in shown.text
        await shown.press("slash")
        await shown.type(" foo:bar")
        assert "no key “foo”; try size, cap, quant or is" in shown.text
        await shown.press("enter")
        assert "no key “foo”" in shown.text, "it is said as long as the filter stands"
        await shown.press("escape")
        assert shown.names == list(FOUR)
        assert "Models ─ 4 ───" in shown.text and "no key" not in shown.text
        assert shown.app.screen is shown.screen


FILTERS = (
    ("name:base", ("llama-base",)),
    ("runtime:embedded", FOUR),
    ("provider:demo", (SMOL,)),
    ("quant:q5_k_m", ("Qwen2.5-7B-Instruct",)),
    ("arch:gemma3", ("gemma-3-270m",)),
    ("cap:chat", ("gemma-3-270m", "Qwen2.5-7B-Instruct", SMOL)),
    ("size:>=500M", ("llama-base", "Qwen2.5-7B-Instruct")),
    ("params:<=8.0B", ("gemma-3-270m", "llama-base", "Qwen2.5-7B-Instruct", SMOL)),
    ("params:>=8B", ("llama-base",)),
    ("context:>=32k", ("llama-base", "Qwen2.5-7B-Instruct")),
    ("loaded:yes", ()),
    ("loaded:no", FOUR),
    ("is:broken", ()),
    ("is:base", ("llama-base",)),
    ("!is:base !cap:?", ("gemma-3-270m", "Qwen2.5-7B-Instruct", SMOL)),
)


async def test_each_key_of_the_filter(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        await shown.press("slash")
        for text, expected in FILTERS:
            shown.screen.query_one(Input).value = text
            await shown.until_names(*expected)
            await shown.until(lambda: f"filter: {text} ─" in shown.text)  # noqa: B023 (called at once)
            assert ("No model matches. Esc shows all again." in shown.text) is not bool(expected)


async def test_esc_clears_filter_then_selection_then_goes_back(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        await shown.press("g", "space", "slash")
        await shown.type("qwen")
        await shown.press("escape")
        assert shown.names == list(FOUR) and shown.screen.focused is shown.rows
        assert "1 selected" in shown.text
        await shown.press("slash", "q", "enter", "escape")
        assert shown.names == list(FOUR) and "1 selected" in shown.text
        await shown.press("escape")
        assert "selected" not in shown.text and shown.app.screen is shown.screen
        await shown.press("escape")
        await shown.until(lambda: shown.app.screen is shown.app.section_screen("chat"))


async def test_the_cursor_stays_on_its_model(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        await shown.press("g", "j", "j")
        assert shown.cursor == "Qwen2.5-7B-Instruct"
        await shown.press("s", "s", "s")
        assert "sorted by size, smallest first" in shown.text
        assert (shown.cursor, shown.names[-1]) == ("Qwen2.5-7B-Instruct", "Qwen2.5-7B-Instruct")
        await shown.press("S")
        assert (shown.cursor, shown.names[0]) == ("Qwen2.5-7B-Instruct", "Qwen2.5-7B-Instruct")
        model_file(models_dir / "aaa.gguf", size=9 * 1024**3)
        await shown.press("r")
        await shown.until(lambda: "aaa" in shown.names)
        assert shown.cursor == "Qwen2.5-7B-Instruct" and shown.names.index("Qwen2.5-7B-Instruct") == 1
        assert shown.notices == ["Looked again: 5 models."]
        await shown.press("slash")
        await shown.type("gemma")
        assert shown.cursor == "gemma-3-270m"
        await shown.press("escape")
        assert shown.cursor == "Qwen2.5-7B-Instruct", "it goes back where it was"
        await shown.press("slash", "a", "down", "escape")
        assert shown.cursor != "Qwen2.5-7B-Instruct", "unless it was moved"


async def test_space_selects_and_the_title_counts(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        await shown.press("g", "space", "j", "j", "space")
        assert "Models ─ 4 ─ 2 selected ──" in shown.text
        assert [line[0] for line in shown.lines[4:8]] == ["▌", " ", "▌", " "]
        await shown.press("space")
        assert "1 selected" in shown.text
        (models_dir / "gemma-3-270m.gguf").unlink()
        await shown.press("r")
        await shown.until(lambda: "── Models ─ 3 ───" in shown.text)


@pytest.mark.parametrize(
    ("columns", "head"),
    [(80, "name params quant size GiB fit where"), (60, "name size GiB fit where"), (40, "name where")],
)
async def test_a_narrow_terminal_keeps_names_and_places(
    catalog: OpenCatalog, models_dir: Path, columns: int, head: str
) -> None:
    model_file(models_dir / f"{'long-' * 15}name-Q4_K_M.gguf", context=4096)
    async with catalog(columns=columns, rows=24) as shown:
        await shown.until(lambda: len(shown.names) == 2)
        lines = shown.lines
        assert squeezed(lines[3]) == head
        assert "…" in lines[4] and "Q4_K_M " in lines[4] and lines[4].endswith("embedded")
        assert all(len(line) <= columns for line in lines)


async def test_a_wide_terminal_shows_all_columns_without_a_gap(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog(columns=160, rows=50) as shown:
        await shown.until_names(*FOUR)
        assert squeezed(shown.lines[3]) == "name params quant size GiB context arch can fit used where"
        assert len(shown.lines[4]) < 133


async def test_a_low_terminal_gives_its_lines_to_the_list(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog(rows=12) as shown:
        await shown.until_names(*FOUR)
        assert "── Qwen" not in shown.text and SMOL in shown.text


async def test_hostile_names_are_text(catalog: OpenCatalog, models_dir: Path) -> None:
    for name in ("x [", "x [/x]", "x[@click=app.quit]y[", "\u202egpj", "bold[b]x"):
        model_file(models_dir / f"{name}.gguf", architecture="[@click=app.quit]x[/]", size=100)
    model_file(models_dir / "y[@click=app.quit]x[" / "].gguf", architecture="\u202e[/x]")
    (models_dir / "z[b].gguf").write_bytes(b"no model")
    async with catalog(columns=160) as shown:
        await shown.until(lambda: len(shown.names) == 8)
        assert "bold[b]x" in shown.text and "\u202e" not in shown.text
        for _ in range(7):
            await shown.press("j", "space")
        await shown.press("g", "slash")
        await shown.type("[@click=app.quit]x[/")
        assert "filter: [@click=app.quit]x[/ ─ " in shown.text
        await shown.press("escape", "G")
        assert shown.app.is_running and "z[b]" in shown.text


@pytest.mark.usefixtures("_no_demonstration")
async def test_an_empty_folder_says_what_belongs_there(catalog: OpenCatalog, models_dir: Path) -> None:
    async with catalog() as shown:
        sentence = f"No model is here. GGUF files belong into {models_dir}; r looks again."
        # A path is broken where the row ends.
        await shown.until(lambda: "".join(sentence.split()) in "".join(shown.text.split()))
        await shown.press("enter", "c", "u", "space", "s", "S", "j", "G")
        assert shown.app.screen is shown.screen
        model_file(models_dir / "first.gguf")
        await shown.press("r")
        await shown.until_names("first")
        assert "No model is here" not in shown.text


async def test_a_broken_file_says_why(catalog: OpenCatalog, models_dir: Path) -> None:
    models_dir.mkdir(parents=True)
    (models_dir / "half.gguf").write_bytes(b"GGUF\x03\0\0\0")
    async with catalog() as shown:
        await shown.until_names("half", SMOL)
        await shown.press("g")
        await shown.until(lambda: "✕ cannot be used: it ends in the middle of its header" in shown.text)
        assert shown.lines[4].startswith(" ✕ half")
        await shown.press("enter")
        await shown.until(lambda: "half was not switched to" in shown.text)
        assert "it ends in the middle of its header" in shown.text and f"{SMOL} stays active" in shown.text
        await shown.press("escape")
        assert shown.app.screen is shown.screen, "one stays where one is"


async def test_a_model_that_is_being_loaded_has_its_sign(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        load = Operation("1", "load", "gemma-3-270m", OperationState.RUNNING, runtime="embedded")
        shown.core.events.emit(OperationChanged(load))
        await shown.until(lambda: " ◐ gemma-3-270m" in shown.text)
        pull = Operation("2", "pull", "llama-base", OperationState.RUNNING, runtime="embedded")
        shown.core.events.emit(OperationChanged(pull))
        shown.core.events.emit(OperationChanged(replace(load, state=OperationState.FAILED)))
        await shown.until(lambda: " ○ gemma-3-270m" in shown.text)
        assert " ○ llama-base" in shown.text


async def test_a_click_takes_the_row_that_is_seen_also_while_the_filter_is_typed(
    catalog: OpenCatalog, models_dir: Path
) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.until_names(*FOUR)
        await shown.press("slash")
        await shown.type("!qwen")
        await shown.pilot.click(ModelList, offset=(8, 2))
        await shown.until(lambda: shown.cursor == SMOL)
        assert shown.screen.focused is shown.rows and " / !qwen" in shown.text
        await shown.press("escape")
        assert shown.names == list(FOUR) and " / " not in shown.lines[3]
        await shown.pilot.click(ModelList, offset=(8, 2), times=2)
        await shown.until(lambda: shown.app.screen is shown.app.section_screen("chat"))


async def test_what_changes_while_the_catalog_is_hidden_is_read_when_it_is_shown(
    catalog: OpenCatalog, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with catalog() as shown:
        await shown.until_names(SMOL)
        reads: list[int] = []

        def counted(models: Sequence[ModelInfo], known: Mapping[str, Row]) -> list[Row]:
            reads.append(len(models))
            return renewed(models, known)

        monkeypatch.setattr("venom_tui.ui.screens.catalog.screen.renewed", counted)
        await shown.press("f2")
        three_models(models_dir)
        shown.core.events.emit(ModelsChanged())
        await shown.pilot.pause(0.3)
        assert 4 not in reads and shown.names == [SMOL]
        reads.clear()
        await shown.press("f3")
        await shown.until_names(*FOUR)
        assert reads[0] == 1, "what is known is shown before the files are looked at"
        await shown.pilot.pause(0.3)
        count = len(reads)
        shown.core.events.emit(ModelsChanged())
        await shown.until(lambda: len(reads) == count + 1)
