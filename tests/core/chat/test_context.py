"""How full the context is, and which larger ones there are with what they cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.support import ask, ended, first_words, open_core
from tests.gguf_files import write_gguf
from tests.servers import DONE, head, piece, sends, sends_then_hangs, serving
from venom_tui.core.core import Core
from venom_tui.core.errors import ModelNotFound, SessionNotFound
from venom_tui.core.models.contexts import larger
from venom_tui.core.types.content import Attachment, AttachmentKind
from venom_tui.core.types.context import ContextChoice, ContextUse
from venom_tui.core.types.session import MessageState, SessionOptions

from .conftest import Answering
from .scripted_ollama import Ollama, chunk, done, ollama_core

KIB = 1024


def counted(prompt: int, completion: int) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return head() + piece("four") + piece(finish_reason="stop", usage=usage) + DONE


# ---------------------------------------------------------------------- how full it is


async def test_by_the_last_answers_count(tmp_path: Path) -> None:
    ollama = Ollama()
    ollama.answers = [[chunk("yes"), done(prompt_eval_count=n, eval_count=5)] for n in (100, 200)]
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create()
        assert await core.chat.context_of(session.id) == ContextUse(None, 512)
        await ask(core, session.id, "one")
        assert await core.chat.context_of(session.id) == ContextUse(105, 512)
        await ask(core, session.id, "two")
        assert await core.chat.context_of(session.id) == ContextUse(205, 512)
        await ask(core, session.id, "status")
        assert await core.chat.context_of(session.id) == ContextUse(205, 512), "no model is sent that"


async def test_what_was_not_counted_is_estimated(core: Core, answering: Answering) -> None:
    await answering(sends(counted(100, 20)), sends_then_hangs(head() + piece("y" * 40)))
    session = await core.sessions.create()
    await ask(core, session.id, "one")
    assert await core.chat.context_of(session.id) == ContextUse(120, None)
    notes = Attachment("notes.txt", AttachmentKind.TEXT, "text/plain", 400, "x" * 400)
    request_id = await core.chat.send(session.id, "x" * 40, attachments=[notes])
    await first_words(core, request_id)
    await core.chat.stop(request_id)
    assert (await ended(core, request_id)).message.usage.estimated
    assert await core.chat.context_of(session.id) == ContextUse(120 + (40 + 400 + 40) // 4, None, estimated=True)


async def test_another_model_counts_otherwise(core: Core, answering: Answering) -> None:
    write_gguf(core.settings.models_dir / "other.gguf")
    await answering(sends(counted(100, 20)))
    session = await core.sessions.create()
    await ended(core, await core.chat.send(session.id, "one", model="tiny"))
    assert await core.chat.context_of(session.id, model="tiny") == ContextUse(120, None)
    assert await core.chat.context_of(session.id, model="other") == ContextUse(120, None, estimated=True)


async def test_a_model_that_is_not_loaded(core: Core) -> None:
    session = await core.sessions.create(options=SessionOptions(context_length=4096))
    assert await core.chat.context_of(session.id) == ContextUse(None, 4096)
    assert await core.chat.context_of(session.id, model="nobody") == ContextUse(None, 4096)
    with pytest.raises(SessionNotFound):
        await core.chat.context_of("nowhere")


async def test_an_answer_far_back_is_not_looked_for(core: Core) -> None:
    session = await core.sessions.create()
    for number in range(30):
        _, answer = await core.sessions.begin_turn(session.id, f"{number}", request_id="r")
        await core.sessions.finish(replace(answer, content="yes", state=MessageState.COMPLETE), None)
    assert (await core.chat.context_of(session.id)).used_tokens is None


# ---------------------------------------------------------------------- larger ones


@pytest.mark.parametrize(
    ("now", "trained", "lengths"),
    [
        (4096, 32768, [8192, 16384, 32768]),
        (4096, 40960, [8192, 16384, 32768, 40960]),
        (5000, 8192, [8192]),
        (8192, 8192, []),
        (0, 2048, [2048]),
        (0, 8192, [2048, 4096, 8192]),
        (512, 1000, [1000]),
        (4096, None, [8192, 16384, 32768]),
        (0, None, [2048, 4096, 8192]),
    ],
)
def test_powers_of_two_up_to_what_it_was_trained_for(now: int, trained: int | None, lengths: list[int]) -> None:
    assert larger(now, trained) == lengths


@pytest.mark.parametrize("loaded", [True, False])
async def test_of_an_ollama(tmp_path: Path, loaded: bool) -> None:
    ollama = Ollama(context=4096, trained=16384, loaded=loaded)
    async with ollama_core(tmp_path, ollama) as core:
        session = await core.sessions.create(options=SessionOptions() if loaded else SessionOptions(4096))
        assert await core.chat.context_choices(session.id) == (
            ContextChoice(8192, True, loaded, 8192 * 128 * KIB),
            ContextChoice(16384, True, loaded, 16384 * 128 * KIB),
        )
        assert not any(target == "POST /api/generate" for target in ollama.asked), "nothing is loaded for a look"


async def test_of_a_file(core: Core) -> None:
    write_gguf(core.settings.models_dir / "tiny.gguf", llama__context_length=16384)
    session = await core.sessions.create(options=SessionOptions(4096))
    assert [(c.context_length, c.reloads, c.kv_bytes) for c in await core.chat.context_choices(session.id)] == [
        (8192, False, None),
        (16384, False, None),
    ]
    with pytest.raises(ModelNotFound):
        await core.chat.context_choices(session.id, model="nobody")


async def test_none_where_the_server_decides(tmp_path: Path) -> None:
    rows = b'{"data": [{"id": "tiny", "max_model_len": 512}]}'
    async with (
        serving(sends(head(kind="application/json") + rows)) as server,
        open_core(tmp_path, VLLM_ENDPOINT=server.url) as core,
    ):
        await core.runtimes.settled()
        session = await core.sessions.create()
        assert await core.chat.context_choices(session.id, model="tiny", runtime="vllm") == ()
        assert (await core.chat.context_of(session.id, model="tiny", runtime="vllm")).context_length == 512


async def test_a_real_model(tmp_path: Path, demonstration_model: Path) -> None:
    assert demonstration_model
    async with open_core(tmp_path, VENOM_CONTEXT=512) as core:
        session = await core.sessions.create()
        last = await ended(core, await core.chat.send(session.id, "What is the capital of France?"))
        assert last.context_length == 512
        usage = last.message.usage
        assert usage.prompt_tokens is not None
        assert usage.completion_tokens is not None
        use = await core.chat.context_of(session.id)
        assert use == ContextUse(usage.prompt_tokens + usage.completion_tokens, 512)
        choices = await core.chat.context_choices(session.id)
        # 30 layers, 3 heads of 64 for keys and values.
        assert [(c.context_length, c.fits_model, c.reloads) for c in choices] == [
            (2048, True, True),
            (4096, True, True),
            (8192, True, True),
        ]
        assert choices[0].kv_bytes == 2048 * 2 * 30 * 3 * 64 * 2
        last = await ended(core, await core.chat.regenerate(session.id, context_length=2048))
        assert (last.context_length, last.message.state) == (2048, MessageState.COMPLETE)
        assert (await core.chat.context_of(session.id)).context_length == 2048


async def test_a_stopped_answer_is_estimated(core: Core, answering: Answering) -> None:
    """It is not counted; what a session holds is not unknown for that."""
    await answering(sends_then_hangs(head(), piece("x" * 400)))
    session = await core.sessions.create()
    request = await core.chat.send(session.id, "y" * 40, model="tiny")
    await first_words(core, request)
    await core.chat.stop(request)
    await ended(core, request)
    use = await core.chat.context_of(session.id, model="tiny")
    assert (use.used_tokens, use.estimated) == (110, True)
