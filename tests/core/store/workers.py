"""Other venom-tui processes, as the tests need them: `workers.py WHAT FOLDER …`. Each tells in lines what it did."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from venom_tui.core.events import EventBus
from venom_tui.core.owner import Owner
from venom_tui.core.store.database import Database
from venom_tui.core.store.sessions import SessionStore
from venom_tui.core.types.session import MessageState


def say(text: str) -> None:
    print(text, flush=True)


async def add_sessions(sessions: SessionStore, name: str, count: str) -> None:
    """Add sessions, each with a turn."""
    for number in range(int(count)):
        session = await sessions.create(title=f"{name} {number}")
        _, answer = await sessions.begin_turn(session.id, f"{name} asks {number}", request_id=f"{name}-{number}")
        await sessions.finish(replace(answer, content=f"answer {number}", state=MessageState.COMPLETE), None)
    say("done")


async def stream(sessions: SessionStore) -> None:
    """Answer for ever; tell each committed prompt as `user SESSION TEXT`, each piece of text as `part TIME LENGTH`."""
    session = await sessions.create()
    for number in range(10**6):
        text = f"prompt {number} of {session.id}"
        _, answer = await sessions.begin_turn(session.id, text, request_id=f"{session.id}-{number}")
        say(f"user {session.id} {answer.id} {text}")
        for words in range(1, 60):
            answer = replace(answer, content="word " * words)
            sessions.partial(answer)
            say(f"part {time.time()} {words}")
            await asyncio.sleep(0.02)
        await sessions.finish(replace(answer, state=MessageState.COMPLETE), None)
        say(f"done {answer.id}")


async def hold(sessions: SessionStore) -> None:
    """Begin an answer, keep it until a line comes in, then end it."""
    session = await sessions.create(title="held")
    _, answer = await sessions.begin_turn(session.id, "a question", request_id="held")
    sessions.partial(replace(answer, content="so far"))
    await sessions.flush()
    say(f"{session.id} {answer.id}")
    await asyncio.to_thread(sys.stdin.readline)
    await sessions.finish(replace(answer, content="the end", state=MessageState.COMPLETE), None)
    say("ended")


async def main(what: str, folder: str, *arguments: str) -> None:
    database = await Database.open(Path(folder) / "venom.db", announce=say)
    sessions = SessionStore(database, EventBus(), Owner.current())
    await sessions.recover()
    works: dict[str, Callable[..., Awaitable[None]]] = {"add": add_sessions, "stream": stream, "hold": hold}
    await works[what](sessions, *arguments)
    await sessions.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
