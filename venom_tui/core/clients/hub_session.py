"""Calls of huggingface_hub, made ours: in threads, within a time and a size, their failures told as everywhere else.

The library retries for half a minute, reads answers of any size, waits for ever and prints warnings on the terminal.
Calls inside `bounded` end at their time, at a size, or when they are given up, and nothing is asked twice.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from venom_tui.core.errors import BadAnswer, Interrupted, RuntimeTimeout, VenomError
from venom_tui.core.sanitize import sanitize_line

T = TypeVar("T")


@dataclass(slots=True)
class Bounds:
    """The limits of one call."""

    who: str
    ends_at: float
    given_up: threading.Event = field(default_factory=threading.Event)

    def check(self) -> float:
        """Return the seconds that are left.

        Raises:
            RuntimeTimeout: none are.
            Interrupted: nobody waits any more.
        """
        if self.given_up.is_set():
            raise Interrupted("Nobody waits for this answer any more.")
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise RuntimeTimeout(f"{self.who} did not answer in time.", hint="Try again in a moment.")
        return left


BOUNDS: ContextVar[Bounds | None] = ContextVar("bounds of a call to the hub", default=None)
_installed = threading.Lock()
_is_installed = False


async def in_thread(who: str, work: Callable[[], T], *, timeout_s: float) -> T:
    """Run a call of the library in a thread of its own, within bounds; it hinders no end of the program.

    Raises:
        RuntimeFailure: what the hub did or said.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    bounds = Bounds(who, time.monotonic() + timeout_s)

    def finish(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # it is the result where there is no error
        else:
            future.set_exception(error)

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            with bounded(bounds):
                result = work()
        except Exception as failure:  # noqa: BLE001 (it belongs to whoever waits)
            error = failure
        try:
            loop.call_soon_threadsafe(finish, result, error)
        except RuntimeError:
            pass  # the loop is closed: nobody waits

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="hub", daemon=True).start()
    try:
        async with asyncio.timeout(timeout_s + 1):
            return await future
    except TimeoutError:
        raise RuntimeTimeout(f"{who} did not answer in time.", hint="Try again in a moment.") from None
    finally:
        bounds.given_up.set()


@contextmanager
def bounded(bounds: Bounds) -> Iterator[None]:
    """Let the library's calls inside the block keep these bounds, and tell its failures as ours."""
    install()
    token = BOUNDS.set(bounds)
    try:
        yield
    except VenomError:
        raise
    except (ValueError, TypeError, AttributeError, RecursionError, LookupError) as error:
        raise BadAnswer(
            f"{bounds.who} answered in a shape that is not known.",
            server_message=sanitize_line(f"{type(error).__name__}: {error}", 200),
        ) from error
    except Exception as error:
        from venom_tui.core.clients.hub_transport import translated

        failure = translated(bounds, error)
        if failure is None:
            raise
        raise failure from error
    finally:
        BOUNDS.reset(token)


def install() -> None:
    """Give the library our connection, once a process; imports it."""
    global _is_installed  # one library, one connection
    with _installed:
        if _is_installed:
            return
        collects = gc.isenabled()
        gc.disable()  # a finalizer that imports something in the middle of an import makes that fail
        try:
            import httpx2
            from huggingface_hub import constants, set_client_factory

            from venom_tui.core.clients.hub_transport import TRANSPORT
        finally:
            if collects:
                gc.enable()
        # With its first call it would ask the usual hub, whoever is meant, about what it may run under.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        # It writes warnings to stderr, which is the screen.
        logger = logging.getLogger("huggingface_hub")
        logger.handlers.clear()
        logger.propagate = True
        set_client_factory(
            lambda: httpx2.Client(transport=TRANSPORT, follow_redirects=True, timeout=httpx2.Timeout(30.0))
        )
        _is_installed = True
