from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.core.clients.wires import WIRES, Wire
from venom_tui.core.clients.http import HttpPool


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    """Connections of a test."""
    pool = HttpPool()
    yield pool
    await pool.close()


@pytest.fixture(params=WIRES, ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest) -> Wire:
    """Each of the wires on which models answer."""
    found: Wire = request.param
    return found
