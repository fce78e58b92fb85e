"""A venom-tui without a screen, as the tests need one beside them: `python -m tests.core.chatter FOLDER [WHAT]`.

It tells in lines what it did: `child PID` once the model is loaded, `user ANSWER SESSION TEXT` for each prompt that is
committed, `part TIME TEXT` for the answer so far as JSON, `done ANSWER TEXT` for each answer that is.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from tests.core.support import COUNTING, open_core
from venom_tui.core.core import Core
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.turn import TurnDelta, TurnEnded, TurnRouted, TurnStarted, TurnStatus

SHORT = GenerationParameters(temperature=0.0, max_tokens=40)
LONG = GenerationParameters(temperature=0.0)


def say(*words: object) -> None:
    print(*words, flush=True)


async def turn(core: Core, session_id: str, text: str, parameters: GenerationParameters) -> None:
    request_id = await core.chat.send(session_id, text, model="long", parameters=parameters)
    so_far = ""
    async for event in core.chat.follow(request_id):
        match event:
            case TurnStarted(answer=answer, user=user):
                say("user", answer.id, session_id, user.content)
            case TurnStatus(text=words):
                say("status", words)
            case TurnDelta(text=words):
                if not so_far:
                    say("child", *[model.pid for model in core.runtimes.loaded()])
                so_far += words
                say("part", time.time(), json.dumps(so_far))
            case TurnEnded(message=message):
                say("done", message.id, message.state.value, json.dumps(message.content))
            case TurnRouted() | _:
                continue


async def chat(core: Core) -> None:
    """Chat for ever: short answers and long ones, in new sessions and old ones."""
    session = await core.sessions.create()
    for number in range(10**6):
        if number % 3 == 0:
            session = await core.sessions.create()
        await turn(core, session.id, f"{number}: {COUNTING}", LONG if number % 4 == 3 else SHORT)


async def once(core: Core) -> None:
    """Answer one prompt at length, and end when a line comes in."""
    session = await core.sessions.create(title="from beside")
    task = asyncio.create_task(turn(core, session.id, COUNTING, LONG))
    await asyncio.to_thread(sys.stdin.readline)
    running = core.chat.running(session.id)
    if running is not None:
        await core.chat.stop(running)
    await task
    say("sees", json.dumps(sorted(found.title for found in await core.sessions.list())))


async def main(folder: str, what: str = "chat") -> None:
    async with open_core(Path(folder), VENOM_CONTEXT=2048) as core:
        say("notices", len(core.database.notices))
        await {"chat": chat, "once": once}[what](core)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
