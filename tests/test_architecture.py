"""Rules of the house that no linter knows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STYLES = sorted((ROOT / "styles").glob("*.tcss"))
SOURCES = sorted(
    path for folder in ("venom_tui", "scripts", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")
)
_LINES = 400
_TEST_LINES = 500
_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}\b(?!\s*\{)|\brgba?\(|\bhsla?\(")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_OPEN_WORK = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + "X)\b")  # in two parts: this file is searched as well

_SHARED_SHEETS = frozenset({"app.tcss", "dialogs.tcss", "lists.tcss"})
"""Sheets of the application, of all dialogs, and of widgets that several screens use."""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_long_or_holds_open_work(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = _TEST_LINES if "tests" in path.parts else _LINES
    assert text.count("\n") <= limit, "split it: it has more than one reason to change"
    assert not _OPEN_WORK.search(text)


@pytest.mark.parametrize("sheet", STYLES, ids=lambda path: path.name)
def test_a_sheet_takes_its_colours_from_the_theme(sheet: Path) -> None:
    text = _COMMENT.sub("", sheet.read_text(encoding="utf-8"))
    # `#name` is a selector or the colour; a colour stands behind a property's colon.
    values = re.findall(r":\s*([^;{}]+);", text)
    assert [value for value in values if _COLOUR.search(value)] == []
    assert "!important" not in text


@pytest.mark.parametrize("sheet", [s for s in STYLES if s.name not in _SHARED_SHEETS], ids=lambda path: path.name)
def test_a_screens_sheet_is_nested_under_its_screen(sheet: Path) -> None:
    screen = "".join(part.capitalize() for part in sheet.stem.split("_")) + "Screen"
    for selector in top_level_selectors(sheet.read_text(encoding="utf-8")):
        for alternative in selector.split(","):
            assert alternative.strip().startswith(screen), f"{alternative.strip()} acts on every screen"


def top_level_selectors(text: str) -> list[str]:
    """Return what stands before each block that is in no other block."""
    found, depth, begin = [], 0, 0
    text = re.sub(r"^\s*\$[^;{]+;", "", _COMMENT.sub("", text), flags=re.MULTILINE)
    for position, character in enumerate(text):
        if character == "{":
            if depth == 0:
                found.append(" ".join(text[begin:position].split()))
            depth += 1
        elif character == "}":
            depth -= 1
            begin = position + 1 if depth == 0 else begin
    return found


def test_selectors_are_found() -> None:
    sheet = "/* a { } */\nA, B .c {\n  color: $x;\n  D { height: 1; }\n}\nE { }"
    assert top_level_selectors(sheet) == ["A, B .c", "E"]


def test_committed_files_name_no_place_of_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "*.lock", "*.json", "*.toml"], cwd=ROOT, capture_output=True, text=True)
    names = listed.stdout.split() or ["requirements.lock", "requirements-dev.lock", "scripts/download_sizes.json"]
    for name in names:
        assert "pypi" not in (ROOT / name).read_text(encoding="utf-8").lower()
        assert "--index" not in (ROOT / name).read_text(encoding="utf-8")
