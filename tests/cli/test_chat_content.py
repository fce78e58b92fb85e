"""`venom-tui chat` with files, structured answers and a context of its own; what is said beside the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.core.chat.scripted_ollama import NAME, Ollama, chunk, done
from tests.servers import serving

from .conftest import Cli, Command

DEMONSTRATION = "smollm2-135m"


@asynccontextmanager
async def asking(ollama: Ollama) -> AsyncIterator[dict[str, str]]:
    """Run a scripted Ollama; yield the environment that leads to it."""
    async with serving(ollama) as server:
        yield {"OLLAMA_HOST": server.url, "VENOM_DISCOVERY": "0"}


# ---------------------------------------------------------------------- with the real model


@pytest.mark.usefixtures("demonstration_model")
def test_files_go_along(venom: Command, tmp_path: Path) -> None:
    for name, text in (("one.txt", "```\nThe keyword is heron.\n```\n"), ("two.md", "# More\n")):
        (tmp_path / name).write_text(text)
    files = ("--file", str(tmp_path / "one.txt"), "--file", str(tmp_path / "two.md"))
    found = venom.json("chat", "Repeat the keyword.", *files)
    assert found["usage"]["prompt_tokens"] > 40, "the model has read them"
    assert found["usage"]["estimated"] is False
    assert venom.messages()[0][2] == "Repeat the keyword."
    shown = venom.json("sessions", "show", found["session_id"])
    attached = shown["messages"][0]["attachments"]
    assert [(one["name"], one["size_bytes"], one["data"]) for one in attached] == [
        ("one.txt", 30, ""),
        ("two.md", 7, ""),
    ]
    assert "+ one.txt, 30 B" in venom("sessions", "show", found["session_id"]).stdout
    exported = json.loads(venom("sessions", "export", found["session_id"], "--format", "json").stdout)
    assert exported["messages"][0]["attachments"][1]["data"] == "# More\n"
    alone = venom("chat", *files)
    assert alone.returncode == 0, alone.stderr
    assert venom.json("sessions", "list")[0]["title"] == "one.txt"


@pytest.mark.usefixtures("demonstration_model")
def test_an_answer_fits_its_schema(venom: Command, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"capital": {"enum": ["Paris", "Rome"]}}, "required": ["capital"]}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    for given in (str(tmp_path / "schema.json"), json.dumps(schema)):
        found = venom.json("chat", "What is the capital of France?", "--schema", given)
        assert json.loads(found["answer"])["capital"] in ("Paris", "Rome")


@pytest.mark.usefixtures("demonstration_model")
def test_a_context_that_is_too_small(venom: Command) -> None:
    done_ = venom("chat", "many words " * 600, "--context", "512", "--json")
    assert done_.returncode == 1
    error = json.loads(done_.stdout)["error"]
    assert (error["code"], error["context_length"]) == ("context_overflow", 512)
    assert error["prompt_tokens"] > 1000
    assert f"it has {error['prompt_tokens']:,} tokens, the context 512" in error["message"]
    assert error["message"] in done_.stderr
    (session,) = venom.json("sessions", "list")
    assert session["options"]["context_length"] == 512, "from now on in this session"
    again = venom.json("chat", "What is the capital of France?", "--session", session["id"], "--leave-out-oldest")
    assert again["answer"]


# ---------------------------------------------------------------------- with a server that says what we want


async def test_notices_are_said_beside_the_answer(venom: Command) -> None:
    ollama = Ollama(answers=[[chunk("yes"), done(prompt_eval_count=258, eval_count=1)]])
    async with asking(ollama) as environ:
        words = ("chat", "word " * 2000, "--model", NAME, "--think", "high")
        found = await asyncio.to_thread(venom, *words, **environ)
        assert (found.returncode, found.stdout) == (0, "yes\n"), found.stderr
        before, after = found.stderr.splitlines()
        assert before == f"venom-tui: {NAME} cannot think before it answers."
        assert "cut the conversation without a word" in after
        found = await asyncio.to_thread(venom, *words, "--json", **environ)
        assert json.loads(found.stdout)["answer"] == "yes"
        assert found.stderr.splitlines() == [before, after]


async def test_calls_of_functions_are_said(venom: Command) -> None:
    call = {"function": {"name": "get_weather", "arguments": {"city": "Rome\x1b[31m"}}}
    ollama = Ollama(("completion", "tools"), answers=[[chunk(tool_calls=[call]), done()]])
    async with asking(ollama) as environ:
        found = await asyncio.to_thread(venom, "chat", "Weather?", "--model", NAME, **environ)
        assert (found.returncode, found.stdout.strip()) == (0, "")
        assert "the model calls for get_weather with" in found.stderr
        assert "nothing was run" in found.stderr
        assert "\x1b" not in found.stderr
        told = await asyncio.to_thread(venom, "chat", "Weather?", "--model", NAME, "--json", **environ)
        (one,) = json.loads(told.stdout)["tool_calls"]
        assert one["name"] == "get_weather"


async def test_what_is_asked_for_reaches_the_server(venom: Command, tmp_path: Path) -> None:
    picture = tmp_path / "cat.gif"
    picture.write_bytes(b"GIF89a rest")
    ollama = Ollama(("completion", "vision", "thinking"), loaded=False)
    async with asking(ollama) as environ:
        asked = ("--file", str(picture), "--schema", "json", "--think", "off", "--context", "4096", "--no-save")
        found = await asyncio.to_thread(venom, "chat", "What?", "--model", NAME, *asked, **environ)
        assert found.returncode == 0, found.stderr
    (chat,) = ollama.chats
    assert (chat["format"], chat["think"], chat["options"]) == ("json", False, {"num_ctx": 4096})
    assert chat["messages"][-1]["images"] == ["R0lGODlhIHJlc3Q="]


# ---------------------------------------------------------------------- what cannot be


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--file", "FOLDER"), "is a folder: only files can be attached."),
        (("--file", "nowhere.txt"), "nowhere.txt cannot be attached: No such file or directory."),
        (("--schema", "{"), "The schema is no JSON."),
        (("--schema", "nowhere.json"), "The schema nowhere.json cannot be read: No such file or directory."),
        (("--schema", "LIST"), "A schema is a JSON object."),
        (("--schema", "BYTES"), "is no UTF-8 text."),
        (("--context", "12"), "12 is not in the range x>=256."),
        (("--think", "much"), "'much' is not one of"),
    ],
)
def test_wrong_usage(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.setattr("venom_tui.cli.prompt._standard_input", lambda **_: "")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    places = {"FOLDER": tmp_path, "LIST": tmp_path / "list.json", "BYTES": tmp_path / "bytes.json"}
    found = cli("chat", "hello", *[str(places.get(one, one)) for one in arguments])
    assert found.status == 2
    assert words in found.err
    assert cli("sessions", "list", "--json").json == [], "nothing is left of it"
