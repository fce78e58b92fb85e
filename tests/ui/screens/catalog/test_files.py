"""Details, parameters, copies, removals and disks, from the catalog."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.widgets import Input

from tests.core.models.catalog import gguf
from tests.ollama import FakeOllama
from tests.servers import Exchange, Server, serving
from tests.ui.screens.catalog.conftest import OpenCatalog
from tests.ui.screens.catalog.support import Catalog, three_models
from venom_tui.core.models import disk
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.storage import Removal, RemovalItem
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.model_words import chosen_name, removal_lines

SMOL = "smollm2-135m"

pytestmark = pytest.mark.usefixtures("demonstration_model")


@pytest.fixture
def fake() -> FakeOllama:
    models: dict[str, dict[str, object]] = {"smollm2:135m": {}, "twin:135m": {}}
    return FakeOllama(models=models, twins={"twin:135m": "smollm2:135m"})


@pytest.fixture
async def ollama(fake: FakeOllama) -> AsyncIterator[Server]:
    async with serving(fake) as server:
        yield server


async def on(shown: Catalog, name: str) -> None:
    """Put the cursor on a model."""
    await shown.until(lambda: name in shown.names)
    key = next(key for key in shown.rows.keys if key.endswith(f" {name}"))
    shown.rows.set_cursor(key)
    await shown.pilot.pause()


# ---------------------------------------------------------------------- details


async def test_details_of_a_model_of_ollama(catalog: OpenCatalog, ollama: Server) -> None:
    async with catalog(OLLAMA_HOST=ollama.url, rows=50) as shown:
        await on(shown, "smollm2:135m")
        await shown.press("i")
        await shown.until(lambda: "apache-2.0" in shown.text)
        assert "same weights    twin:135m @ ollama" in shown.text and "nobody was asked" in shown.text
        assert "stop            <|im_start|>" in shown.text and "layers cannot be seen" in shown.text
        assert "esc close   e parameters   p pull   u update?   h sha256" in shown.text
        await shown.press("enter")
        assert shown.app.screen is shown.screen


async def test_a_low_terminal_keeps_the_keys_in_sight(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog(rows=20, columns=80) as shown:
        await on(shown, SMOL)
        await shown.press("i")
        await shown.until(lambda: "runtime         embedded" in shown.text)
        assert "esc close" in shown.text
        await shown.press("pagedown", "pagedown", "pagedown")
        await shown.until(lambda: "<|im_start|>" in shown.text)


async def test_the_digest_of_a_file_is_worked_out_on_a_key(
    catalog: OpenCatalog, models_dir: Path, tmp_path: Path
) -> None:
    models_dir.mkdir(parents=True)
    for name in ("one", "two"):
        (models_dir / f"{name}.gguf").write_bytes(gguf(tmp_path, 0))
    async with catalog(rows=40) as shown:
        await on(shown, "one")
        await shown.core.registry.work_out_digest("two")
        await shown.press("i")
        await shown.until(lambda: "weights         ?" in shown.text)
        await shown.press("h")
        await shown.until(lambda: "two @ embedded" in shown.text)


async def test_an_update_is_asked_for_on_a_key(catalog: OpenCatalog, ollama: Server) -> None:
    async with catalog(OLLAMA_HOST=ollama.url, VENOM_OFFLINE="1", rows=50) as shown:
        await on(shown, "twin:135m")
        await shown.press("i")
        await shown.until(lambda: "nobody was asked" in shown.text)
        await shown.press("u")
        await shown.until(lambda: any("venom-tui is offline" in notice for notice in shown.notices))


# ---------------------------------------------------------------------- parameters


async def test_parameters_are_changed_and_taken_back(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await on(shown, "gemma-3-270m")
        await shown.press("e")
        await shown.until(lambda: "temperature" in shown.text and "0 to 2" in shown.text)
        assert "256 to 8192" in shown.text, "no longer than it was trained for"
        await shown.press("enter")
        await shown.until(lambda: "temperature: 0 to 2" in shown.text)
        await shown.type("0.3")
        await shown.press("enter")
        await shown.until(lambda: "temperature      0.3" in shown.text)
        assert (await shown.core.models.parameters("gemma-3-270m", "embedded")).temperature == 0.3
        await shown.press("enter", "backspace", "backspace", "backspace")
        await shown.type("9")
        await shown.press("enter")
        await shown.until(lambda: any("must be a number from 0 to 2" in notice for notice in shown.notices))
        await shown.press("backspace")
        await shown.until(lambda: "temperature      0.3" not in shown.text)
        assert (await shown.core.models.parameters("gemma-3-270m", "embedded")).temperature is None
        await shown.press("j", "j")
        await shown.until(lambda: "number of likeliest tokens that are sampled from; 0 is all." in shown.text)
        for key in ("home", "down", "enter", "down", "j"):  # all at once: in their order
            shown.app.post_message(events.Key(key, {"enter": "\r", "j": "j"}.get(key)))
        await shown.until(lambda: isinstance(shown.app.screen, Ask))
        assert shown.app.screen.query_one("#box").border_title == "top_p: 0 to 1"
        await shown.until(lambda: shown.app.screen.query_one(Input).value.endswith("j"))
        await shown.press("escape")
        await shown.press("escape")
        assert shown.app.screen is shown.screen


# ---------------------------------------------------------------------- copy, remove


async def test_a_model_is_copied_under_a_new_name(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await on(shown, "gemma-3-270m")
        await shown.press("y")
        await shown.until(lambda: "Copy gemma-3-270m as" in shown.text)
        await shown.type("mine")
        await shown.press("enter")
        await shown.until(lambda: "mine" in shown.names)
        assert os.path.samefile(models_dir / "mine.gguf", models_dir / "gemma-3-270m.gguf")
        await shown.press("y")
        await shown.type("llama-base")
        await shown.press("enter")
        await shown.until(lambda: any("There is a model 'llama-base' already" in notice for notice in shown.notices))


async def test_several_models_are_copied_and_removed_at_once(
    catalog: OpenCatalog, models_dir: Path, tmp_path: Path
) -> None:
    models_dir.mkdir(parents=True)
    for name in ("a", "b"):
        (models_dir / f"{name}.gguf").write_bytes(gguf(tmp_path, 30_000))
    async with catalog() as shown:
        await shown.core.models.choose(SMOL)
        await on(shown, "a")
        await shown.press("space", "j", "space", "y")
        await shown.until(lambda: "Copy 2 models" in shown.text)
        await shown.press("enter")
        await shown.until(lambda: {"a-copy", "b-copy"} <= set(shown.names))
        await shown.press("d")
        await shown.until(lambda: "Remove 2 models" in shown.text)
        assert "a @ embedded · 32 KiB · frees 0 B · its bytes have another name" in shown.text
        assert "Frees 0 B" in shown.text
        await shown.press("y")
        await shown.until(lambda: "2 models are removed." in shown.notices)
        assert shown.names == ["a-copy", "b-copy", SMOL]


async def test_a_removal_asks_with_the_numbers_and_no_is_the_default(
    catalog: OpenCatalog, models_dir: Path, tmp_path: Path
) -> None:
    models_dir.mkdir(parents=True)
    (models_dir / "a.gguf").write_bytes(gguf(tmp_path, 300_000))
    async with catalog() as shown:
        await shown.core.models.choose(SMOL)
        await on(shown, "a")
        for no in ("n", "escape"):
            await shown.press("d")
            await shown.until(lambda: "Remove a" in shown.text)
            assert "Frees 296 KiB (303,104 bytes)" in shown.text and "gone for good" in shown.text
            await shown.press("enter")
            assert "Remove a" in shown.text, "enter says nothing"
            await shown.press(no)
            await shown.until(lambda: shown.app.screen is shown.screen)
        assert (models_dir / "a.gguf").exists()
        await shown.press("d")
        await shown.until(lambda: "Remove a" in shown.text)
        await shown.press("y")
        await shown.until(lambda: shown.names == [SMOL])
        assert shown.notices[-1] == "a is removed." and not (models_dir / "a.gguf").exists()
        await shown.press("d")
        await shown.until(lambda: len(shown.notices) > 1)
        assert "comes with venom-tui" in shown.notices[-1], "there is no other, so that it being active is no reason"


@pytest.mark.parametrize("away", ["f2", "slash"])
async def test_a_question_that_comes_late_takes_no_key_that_is_typed_elsewhere(
    catalog: OpenCatalog, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    models_dir.mkdir(parents=True)
    (models_dir / "a.gguf").write_bytes(gguf(tmp_path, 300_000))
    async with catalog() as shown:
        await shown.core.models.choose(SMOL)
        await on(shown, "a")
        plan, may_plan = shown.core.registry.plan_removal, asyncio.Event()

        async def late(*given: Any) -> Removal:
            await may_plan.wait()
            return await plan(*given)

        monkeypatch.setattr(shown.core.registry, "plan_removal", late)
        await shown.press("d", away)
        may_plan.set()
        await shown.until(
            lambda: shown.notices == ["a: nothing is removed without a yes. d in the catalog asks again."]
        )
        await shown.press("y")
        assert "Remove a" not in shown.text and (models_dir / "a.gguf").exists()
        await shown.press("f3" if away == "f2" else "escape")
        await on(shown, "a")
        await shown.press("d")
        await shown.until(lambda: "Remove a" in shown.text)


async def test_the_model_that_answers_stays(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog() as shown:
        await shown.core.models.choose("llama-base")
        await on(shown, "llama-base")
        await shown.press("d")
        await shown.until(lambda: shown.notices)
        assert "llama-base answers the next prompt, so it is not removed." in shown.notices[-1]
        assert shown.app.screen is shown.screen


async def test_read_only_changes_no_model(catalog: OpenCatalog, models_dir: Path) -> None:
    three_models(models_dir)
    async with catalog(read_only=True) as shown:
        await on(shown, "llama-base")
        for key in ("d", "y"):
            await shown.press(key)
            await shown.until(lambda: any("models stay" in notice for notice in shown.notices))
            assert shown.app.screen is shown.screen


async def test_weights_that_no_runtime_serves_say_so(catalog: OpenCatalog, tmp_path: Path) -> None:
    from tests.core.models.catalog import fill_cache
    from tests.hub import Repository

    fill_cache(tmp_path / "hf" / "hub", Repository("org/W", {"a.safetensors": b"x" * 900}))
    async with catalog(HF_HOME=str(tmp_path / "hf")) as shown:
        await on(shown, "org/W")
        await shown.press("enter")
        await shown.until(lambda: "no runtime here serves it" in shown.text and "vllm serve org/W" in shown.text)
        await shown.press("escape", "e")
        await shown.until(lambda: "nothing can be set" in shown.text)


# ---------------------------------------------------------------------- disks


async def test_disks_tell_what_is_left_over_and_clean_it(
    catalog: OpenCatalog, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models_dir.mkdir(parents=True)
    (models_dir / "a.gguf").write_bytes(gguf(tmp_path, 30_000))
    (models_dir / "left.gguf.part").write_bytes(b"x" * 200_000)
    async with catalog() as shown:
        await shown.press("D")
        await shown.until(lambda: "left.gguf.part" in shown.text)
        assert "within the last hour" in shown.text and "GGUF files" in shown.text
        await shown.press("x")
        await shown.until(lambda: any("nothing to clean" in notice for notice in shown.notices))
        monkeypatch.setattr(disk, "GRACE_S", -60.0)
        await shown.press("r")
        await shown.until(lambda: "within the last hour" not in shown.text and "left.gguf.part" in shown.text)
        await shown.press("x")
        await shown.until(lambda: "Clean GGUF files" in shown.text)
        assert "1 × partial download" in shown.text and "No model needs them" in shown.text
        await shown.press("y")
        await shown.until(lambda: "Nothing is left over here." in shown.text)
        assert not (models_dir / "left.gguf.part").exists() and (models_dir / "a.gguf").exists()


# ---------------------------------------------------------------------- runtimes that do not answer


async def test_a_runtime_that_does_not_answer_is_one_line(
    catalog: OpenCatalog, config_dir: Path, ollama: Server, fake: FakeOllama
) -> None:
    box = '[runtimes.box]\nurl = "http://127.0.0.1:9"\nkind = "vllm"\n'
    gone = f'[runtimes.gone]\nurl = "{ollama.url}"\nkind = "ollama"\n'
    (config_dir / "config.toml").write_text(box + gone)
    async with catalog() as shown:
        await shown.until(
            lambda: "✕ box at 127.0.0.1:9 is unreachable (never answered): connection refused" in shown.text
        )
        (line,) = [line for line in shown.lines if "box at" in line]
        assert line.endswith("r retries")
        await shown.until(lambda: "smollm2:135m" in shown.names)

        async def break_off(exchange: Exchange) -> None:
            exchange.reset()

        fake.instead |= {f"GET /api/{what}": break_off for what in ("version", "tags", "ps")}
        await shown.press("r")
        await shown.until(lambda: "gone at" in shown.text and "last answered" in shown.text)
        await shown.until(lambda: " ? twin:135m" in shown.text)  # its models are still known


@pytest.mark.parametrize(("own", "key"), [("", "r"), ("ctrl+g,r", "^g")])
async def test_its_line_names_the_right_key_while_the_filter_has_the_focus(
    catalog: OpenCatalog, config_dir: Path, own: str, key: str
) -> None:
    (config_dir / "config.toml").write_text('[runtimes.box]\nurl = "http://127.0.0.1:9"\nkind = "vllm"\n')
    if own:
        (config_dir / "keymap.toml").write_text(f'"catalog.refresh" = "{own}"\n')
    async with catalog() as shown:
        await shown.until(lambda: "box at" in shown.text)
        await shown.press("slash")
        shown.screen._stale = True
        await shown.screen._read(shown.core)
        await shown.pilot.pause()
        assert shown.line("box at").endswith(f" {key} retries")


# ---------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("pattern", "name", "runtime", "new"),
    [
        ("mine", "qwen3:14b", "ollama", "mine"),
        ("*-copy", "qwen3:14b", "ollama", "qwen3-copy:14b"),
        ("*:mine", "qwen3:14b", "ollama", "qwen3:mine"),
        ("old/*", "ns/qwen3:14b", "ollama", "old/ns/qwen3:14b"),
        ("*-copy", "tiny", "embedded", "tiny-copy"),
        ("*2", "a:b", "embedded", "a2"),
    ],
)
def test_the_name_of_a_copy(pattern: str, name: str, runtime: str, new: str) -> None:
    assert chosen_name(pattern, ModelInfo(name=name, runtime=runtime, provider="x")) == new


def test_what_a_removal_costs() -> None:
    item = RemovalItem("a:1b", "ollama", "ollama", 3 * 2**30, 2**20, ("twin:1b",), loaded=True)
    first, *_, total, last = removal_lines(Removal((item,), 2**20))
    assert first == "a:1b @ ollama · 3.0 GiB · frees 1 MiB · loaded: is unloaded first · its weights stay for twin:1b"
    assert total == "Frees 1 MiB (1,048,576 bytes); what others share stays." and last == "They are gone for good."
    unknown = removal_lines(Removal((item,) * 20, None, at_most_bytes=3 * 2**30))
    assert "and 8 more" in unknown and "Frees at most 3.0 GiB" in unknown[-2]
    both = removal_lines(Removal((item, item), 2**31))
    assert both[-2] == (
        "Frees 2.0 GiB (2,147,483,648 bytes) together: what they share goes with the last of them; "
        "what others share stays."
    )
