"""What a start imports: the quick commands stay quick, and the heavy libraries wait until they are used."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("semantic_kernel", "mcp", "huggingface_hub", "openai", "fastapi", "uvicorn", "xllamacpp", "pydantic")
CLIENTS = ("httpx", "aiosqlite", "psutil", "pynvml")


def imported_by(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules that are there after some code ran in a Python of its own."""
    report = "import json, sys; print('\\n' + json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    wrapped = (
        f"import atexit, sys\nsys.argv[1:] = {list(arguments)!r}\natexit.register(lambda: exec({report!r}))\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", wrapped], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.skipif(importlib.util.find_spec("venom_tui.cli") is None, reason="needs venom_tui.cli")
def test_the_version_needs_next_to_nothing() -> None:
    modules = imported_by("from venom_tui.cli.main import main\nmain()", "--version")
    assert modules & {"textual", "rich", "asyncio", "sqlite3", *HEAVY, *CLIENTS} == set()


def test_the_core_knows_no_front_end() -> None:
    # httpx brings its own command line (click, rich) along where these are installed; what we import is asked here.
    modules = imported_by("sys.modules['httpx._main'] = None\nimport venom_tui.core.core")
    assert modules & {"textual", "rich", "click", *HEAVY} == set()


def test_the_screens_wait_for_the_core() -> None:
    modules = imported_by("import venom_tui.ui.bridge, venom_tui.ui.terminal.app")
    assert "textual" in modules
    assert modules & {*CLIENTS, *HEAVY, "click"} == set()


@pytest.mark.skipif(importlib.util.find_spec("venom_tui.ui.app") is None, reason="needs venom_tui.ui.app")
def test_the_application_imports_no_client_before_the_first_paint() -> None:
    modules = imported_by("import venom_tui.ui.app")
    assert modules & {*CLIENTS, *HEAVY} == set()


@pytest.mark.skipif(importlib.util.find_spec("venom_tui.ui.app") is None, reason="needs venom_tui.ui.app")
def test_what_the_core_tells_and_what_answers_need_come_after_the_first_paint() -> None:
    command = [sys.executable, "-c", "import sys, venom_tui.ui.app; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    late = ("venom_tui.core.events", "venom_tui.core.types", "venom_tui.ui.dialogs", "markdown_it", "pygments")
    assert [name for name in done.stdout.split() if name.startswith(late)] == []
