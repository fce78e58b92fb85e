"""Work that waits, run beside the screen: whatever fails in it is said, and never lost."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.worker import Worker

from venom_tui.core.errors import VenomError
from venom_tui.ui.terminal.screen import is_there

if TYPE_CHECKING:
    from venom_tui.ui.bridge import CoreHost

_log = logging.getLogger(__name__)


def start(
    owner: DOMNode, work: Callable[[], Awaitable[object]], *, group: str, exclusive: bool = False
) -> Worker[None]:
    """Run `work` in a worker of `owner`, which ends with it; `exclusive` cancels what the group runs already.

    A VenomError is told where the application tells failures; anything else is a defect: it goes to the log, and the
    user is told that there was one. A dialog that was closed meanwhile misses its widgets: that is none.
    """

    async def guarded() -> None:
        try:
            await work()
        except VenomError as failure:
            _complain(owner, failure)
        except Exception as defect:  # noqa: BLE001 (said and logged; the screen goes on)
            if isinstance(defect, NoMatches) and not is_there(owner):
                return  # there is nothing left to show the answer in
            _log.exception("%s of %s failed", group, type(owner).__name__)
            _complain(
                owner,
                VenomError(
                    f"venom-tui made a mistake ({type(defect).__name__}).",
                    hint="The log in the data directory has the details.",
                ),
            )

    # The function and not its coroutine: one that is cancelled before it began would never be awaited.
    return owner.run_worker(guarded, group=group, exclusive=exclusive, exit_on_error=False)


def start_when_idle(owner: DOMNode, work: Callable[[], Awaitable[object]], *, group: str) -> None:
    """Run `work` as `start` does, unless the group runs something already: for timers, whose work may take longer."""
    if not any(one.node is owner and one.group == group and not one.is_finished for one in owner.workers):
        start(owner, work, group=group)


def _complain(owner: DOMNode, failure: VenomError) -> None:
    cast("CoreHost", owner.app).complain(failure)
