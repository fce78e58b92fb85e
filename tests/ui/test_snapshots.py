"""Each section as it looks: in a small and in a large terminal, without colours, and on a light background.

`make snapshots` accepts what was meant to change. Nothing of the machine or of the moment is in the pictures: figures
and versions are given, the clock stands, and a text of the same length stands for paths and ports.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, tzinfo
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from rich.style import Style
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.strip import Strip

from tests.core.store.support import Clock, elsewhere, ended, open_store, trace_of
from tests.ollama import FakeOllama
from tests.openai import vllm
from tests.servers import serving
from tests.ui.screens.catalog.support import three_models
from tests.ui.screens.guard.support import GIB, HIDDEN, LOST, MODEL, NOW, OURS, THEIRS, Figures, gpu
from tests.ui.screens.guard.support import snapshot as look_at
from tests.ui.screens.operations.support import write
from tests.ui.shown import Shown, open_app
from venom_tui.core.runtimes.figures import Figures as Looks
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.settings import load_settings
from venom_tui.core.types.device import GuardSnapshot
from venom_tui.core.types.operation import Operation, OperationState
from venom_tui.core.types.runtime import RuntimeFigures
from venom_tui.core.types.session import Timings, Usage
from venom_tui.ui.screens.chat.screen import ChatScreen

SMALL, LARGE = (80, 24), (200, 60)
READY = {
    "chat": ("Why does a TUI", "they need no mouse", "~1.2k of 32k context"),
    "catalog": ("Models ─ 5", "loaded", "── Qwen2.5-7B-Instruct ──", "268M", "8.0B", "7.6B", "135M", "chat template"),
    "operations": ("History 4", "40 %"),
    "guard": ("Host ·", "qwen3:14b @ ollama"),
    "runtimes": ("serves big-model", "1 model, none loaded", "state ready", "does not tell it"),
}
"""Section -> what stands on it when it is complete."""
READY_LARGE = {"chat": ("Names for a cat", "by the model", "128.0/512.0")}
"""Section -> what stands on it besides where there is room."""
KEYS = {"catalog": ("G", "k"), "runtimes": ("down",)}
"""Section -> the keys that are pressed before its picture is taken."""
KEPT = dict.fromkeys(("SESSION_TTL_DAYS", "TRACE_TTL_DAYS", "OPERATION_TTL_DAYS"), "0")
"""What is old by the clock of the tests stays."""
S = OperationState


class Picture(SingleFileSnapshotExtension):
    """A file of text for each picture."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    def serialize(self, data: Any, **_: Any) -> str:
        return str(data)


class _Standing(datetime):
    """A clock that stands."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # of the plain kind
        return NOW.astimezone(tz) if tz else NOW.replace(tzinfo=None)


def _steady_answers(patch: pytest.MonkeyPatch) -> None:
    """Let all servers seem to answer in the same time."""
    reachable = Runtime._reachable

    def soon(self: Runtime, *, latency_ms: float, **facts: object) -> None:
        reachable(self, latency_ms=5.0, **facts)

    patch.setattr(Runtime, "_reachable", soon)
    patch.setattr(Looks, "taken", lambda self: RuntimeFigures((5.0,) * 4, 4, 4, self.load))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder whose name is as long wherever and whenever the tests run."""
    folder = Path(tempfile.mkdtemp(prefix="venom-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the clock of the screens stand, and the machine be one that is not here."""
    for name in READY:
        import_module(f"venom_tui.ui.screens.{name}.screen")
    for name, module in list(sys.modules.items()):
        if name.startswith("venom_tui.ui.") and getattr(module, "datetime", None) is datetime:
            monkeypatch.setattr(module, "datetime", _Standing)
    monkeypatch.setattr("socket.gethostname", lambda: "gpu-07")
    monkeypatch.setattr("venom_tui.core.runtimes.embedded._package_version", lambda _: "2026.10")
    monkeypatch.setattr("venom_tui.core.models.files.demonstration_file", lambda: None)
    monkeypatch.setattr("venom_tui.core.core.Telemetry", lambda _settings, events, *_: Figures(events))
    _steady_answers(monkeypatch)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


async def _fill(data: Path) -> str:
    """Write what the sections show: models, operations, two sessions; return the newer session's id."""
    three_models(data / "models")
    await write(data, _operations(), elsewhere())
    async with open_store(data, clock=Clock(NOW - timedelta(days=2))) as store:
        older = await store.sessions.create(title="Names for a cat")
        await store.say(older.id, "Name a cat.", "Miau.")
        store.clock.forward(days=1, hours=23)
        session = await store.sessions.create(title="Why a TUI")
        _, begun = await store.sessions.begin_turn(session.id, "Why does a TUI help?", request_id="r")
        answer = ended(
            begun,
            "Because of **keys**:\n\n- they are *fast*\n- they need no mouse\n\n```python\nprint(1)\n```\n",
            thinking="It depends.",
            model="gemma-3-270m",
            runtime="embedded",
            finish_reason="stop",
            usage=Usage(20, 1234, 45.6),
            timings=Timings(250.0, 200.0, 3200.0, thinking_ms=1500.0),
        )
        await store.sessions.finish(answer, trace_of(answer))
        return session.id


def _operations() -> list[Operation]:
    """Return operations in all states, of a venom-tui on another machine."""

    def one(name: str, kind: str, state: OperationState, minutes: float, **facts: Any) -> Operation:
        begun = NOW - timedelta(minutes=minutes)
        times = {"created_at": begun, "started_at": None if state is S.QUEUED else begun}
        times["finished_at"] = begun + timedelta(seconds=4.1) if state.final else None
        return Operation(name, kind, name, state, **(times | facts))

    return [
        one("qwen3:8b", "pull", S.RUNNING, 2, runtime="ollama", bytes_done=2 * GIB, bytes_total=5 * GIB),
        one("qwen3:14b", "load", S.QUEUED, 1, runtime="ollama"),
        one("big", "load", S.FAILED, 60, error="no space left on device", hint="Free some.", runtime="embedded"),
        one("small", "load", S.SUCCEEDED, 120, runtime="embedded"),
        one("cut", "pull", S.INTERRUPTED, 60 * 30),
        one("no", "switch", S.CANCELLED, 60 * 60),
    ]


def _machine() -> GuardSnapshot:
    """Return a look at a machine with a GPU at work, one at rest and a lost one."""
    return look_at([gpu(processes=(OURS, THEIRS, HIDDEN)), gpu(1, utilization_percent=3), LOST], loaded=(MODEL,))


def _attributes(style: Style) -> str:
    names = ("bold", "dim", "italic", "underline", "strike", "reverse")
    return " ".join(name for name in names if getattr(style, name))


def _colours(style: Style) -> str:
    return " on ".join("-" if one is None else one.get_truecolor().hex for one in (style.color, style.bgcolor))


def _styles(strip: Strip, names: dict[str, str], *, colourless: bool) -> str:
    """Return the styles of a row: the name of each and how many cells have it; new ones get a name."""
    spans: list[tuple[str, int]] = []
    for segment in filter(None, strip):
        style = segment.style or Style()
        look = _attributes(style) if colourless else f"{_colours(style)} {_attributes(style)}".rstrip()
        name = names.setdefault(look, f"{chr(97 + len(names) % 26)}{chr(97 + len(names) // 26)}")
        cells = segment.cell_length
        if spans and spans[-1][0] == name:
            cells += spans.pop()[1]
        spans.append((name, cells))
    return " ".join(f"{name}{cells}" for name, cells in spans)


def _picture(shown: Shown, place: Path) -> str:
    """Return the screen: its rows of text, then their styles, equal rows together, and what each style is."""
    strips = shown.app.screen._compositor.render_strips()
    names: dict[str, str] = {}
    styles = [_styles(strip, names, colourless=shown.app.no_color) for strip in strips]
    text = shown.text.replace(str(place), re.sub(r"\w", "x", str(place)))
    text = re.sub(r"127\.0\.0\.1:\d{5}", "127.0.0.1:xxxxx", text)
    rows = [f"{row} x{len(list(same))}" for row, same in groupby(styles)]
    return "\n".join([text, "", *rows, "", *(f"{name} {look}" for look, name in names.items()), ""])


@asynccontextmanager
async def _opened(place: Path, section: str, size: tuple[int, int], **environ: str) -> AsyncIterator[Shown]:
    data, config = place / "data", place / "config"
    data.mkdir(mode=0o700)
    config.mkdir()
    session = await _fill(data)
    ollama, other = FakeOllama({"qwen3:14b": {}}), vllm("big-model", 32_768)
    async with serving(ollama) as first, serving(other) as second:
        given = {"VENOM_DATA_DIR": str(data), "VENOM_CONFIG_DIR": str(config), "VENOM_DISCOVERY": "0"}
        given |= {"OLLAMA_HOST": first.url, "VLLM_ENDPOINT": second.url, "VENOM_THREADS": "1", **KEPT, **environ}
        async with open_app(load_settings(environ=given), section, *size) as shown:
            figures, front = shown.core.guard, shown.app.section_screen(section)
            assert isinstance(figures, Figures)
            await shown.until_text("big-model @ vllm")  # by now events are heard
            figures.show(_machine())
            if isinstance(front, ChatScreen):
                await shown.until_text("Answering: ")
                front.open_session(session)
            yield shown


async def _settled(shown: Shown, place: Path) -> str:
    """Return the picture that stays as it is while all that was begun comes to its end."""
    before, same = "", 0
    while same < 5:
        await shown.pilot.pause(0.1)
        now = _picture(shown, place)
        before, same = now, same + 1 if now == before else 0
    return before


async def _look(place: Path, section: str, size: tuple[int, int], **environ: str) -> str:
    async with _opened(place, section, size, **environ) as shown:
        await shown.until_text("big-model @ vllm · VRAM 40.0/160.0 GiB")
        await shown.press(*KEYS.get(section, ()))
        for text in (*READY[section], *(READY_LARGE.get(section, ()) if size == LARGE else ())):
            await shown.until_text(text)
        return await _settled(shown, place)


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """What is stored, in a file for each picture."""
    return snapshot.use_extension(Picture)


pytestmark = pytest.mark.usefixtures("still")


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x60"])
@pytest.mark.parametrize("section", READY)
async def test_section(place: Path, picture: SnapshotAssertion, section: str, size: tuple[int, int]) -> None:
    assert await _look(place, section, size) == picture


@pytest.mark.parametrize("section", ["chat", "guard"])
async def test_without_colours(
    place: Path, picture: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch, section: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert await _look(place, section, SMALL) == picture


@pytest.mark.parametrize("section", ["chat", "guard"])
async def test_on_a_light_background(place: Path, picture: SnapshotAssertion, section: str) -> None:
    assert await _look(place, section, SMALL, VENOM_THEME="venom-light") == picture
