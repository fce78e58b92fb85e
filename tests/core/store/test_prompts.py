"""What was asked before, over all sessions."""

from __future__ import annotations

from tests.core.store.support import Store


async def test_prompts_of_all_sessions_newest_first_each_once(store: Store) -> None:
    for text in ("one", "two", "one", "three", "x" * 20_001):
        session = await store.sessions.create()
        await store.say(session.id, text, "an answer")
    await store.sessions.add_program_message(session.id, "an answer of our own")
    temporary = await store.sessions.create(temporary=True)
    await store.say(temporary.id, "a secret", "an answer")
    assert await store.sessions.prompts() == ["three", "one", "two"]
    assert await store.sessions.prompts(2) == ["three", "one"]
