from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .support import Store, open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory that is not there yet."""
    return tmp_path / "data"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[Store]:
    """An open, empty store."""
    async with open_store(folder) as opened:
        yield opened
