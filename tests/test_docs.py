"""The README and the pages of docs/ against what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts import docs
from venom_tui.ui.app.bindings import APP_BINDINGS
from venom_tui.ui.app.copying import FILE_NAME
from venom_tui.ui.terminal.clipboard import TERMINAL_LIMIT_BYTES

ROOT = Path(__file__).resolve().parents[1]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)\b", text, re.MULTILINE))
    assert named <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_into_the_checkout_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_readme_opens_with_the_two_commands() -> None:
    beginning = (ROOT / "README.md").read_text(encoding="utf-8")[:1200]
    assert "make run" in beginning and "make test" in beginning


def test_every_target_has_a_line_of_help() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    helped = set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))
    assert TARGETS - helped == {"setup-dev"}


@pytest.mark.parametrize("page", docs.pages(), ids=lambda path: path.name)
def test_what_is_made_from_the_program_is_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == docs.made(page), "run: make docs"


def test_every_dependency_is_explained() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = project.split("\ndependencies = [")[1].split("]")[0]
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for name in re.findall(r'"([a-z0-9-]+)', block):
        assert f"`{name}" in explained


def test_what_is_said_of_copying_and_the_mouse_is_so() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert f"{TERMINAL_LIMIT_BYTES:,} bytes" in text
    assert f"`{FILE_NAME}`" in text
    (key,) = [binding.key for binding in APP_BINDINGS if binding.id == "app.mouse"]
    assert f"{key.upper()} leaves the mouse to the terminal" in text
