"""Which runtimes there are by the settings, and where their keys go: to their own server and nowhere else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.core.support import LIMIT_S, ended, open_core, settings_for
from tests.ollama import FakeOllama, says
from tests.openai import plain, vllm
from tests.servers import head, sends, serving
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.errors import UsageError
from venom_tui.core.runtimes.configured import configured
from venom_tui.core.runtimes.runtime import Runtime
from venom_tui.core.types.runtime import RuntimeState

KEY = "sk-s3cret"


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool()
    yield pool
    await pool.close()


def tables(folder: Path, text: str) -> None:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.toml").write_text(text)


def told(runtimes: list[Runtime]) -> list[tuple[str, str, str, str]]:
    return [(one.id, one.status().kind, one.endpoint, one.status().origin) for one in runtimes]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({}, []),
        ({"VENOM_DISCOVERY": "1"}, [("ollama", "ollama", "http://127.0.0.1:11434", "default")]),
        ({"OLLAMA_HOST": "0.0.0.0"}, [("ollama", "ollama", "http://127.0.0.1:11434", "OLLAMA_HOST, environment")]),
        (
            {"LLM_LOCAL_ENDPOINT": "http://gpu:11434/v1/"},
            [("ollama", "ollama", "http://gpu:11434", "LLM_LOCAL_ENDPOINT, environment")],
        ),
        (
            {"LLM_LOCAL_ENDPOINT": "http://gpu:1", "OLLAMA_HOST": "gpu:2", "VENOM_DISCOVERY": "1"},
            [("ollama", "ollama", "http://gpu:2", "OLLAMA_HOST, environment")],
        ),
        ({"VLLM_ENDPOINT": "gpu/v1"}, [("vllm", "vllm", "http://gpu:8000", "VLLM_ENDPOINT, environment")]),
    ],
)
async def test_those_of_the_settings(
    tmp_path: Path, pool: HttpPool, settings: dict[str, str], found: list[tuple[str, str, str, str]]
) -> None:
    assert told(configured(settings_for(tmp_path, **settings), pool)) == found


async def test_those_of_tables(tmp_path: Path, pool: HttpPool) -> None:
    tables(
        tmp_path,
        """
        [runtimes.second]
        url = "gpu-2"
        kind = "ollama"
        [runtimes.vllm]
        url = "https://gpu-3/vllm/v1"
        kind = "vllm"
        [runtimes.box]
        url = "gpu-4"
        """,
    )
    settings = settings_for(tmp_path, OLLAMA_HOST="gpu-1", VLLM_ENDPOINT="gpu-9:8000")
    assert told(configured(settings, pool)) == [
        ("ollama", "ollama", "http://gpu-1:11434", "OLLAMA_HOST, environment"),
        ("second", "ollama", "http://gpu-2:11434", "config.toml"),
        ("vllm", "vllm", "https://gpu-3:443/vllm", "config.toml"),
        ("box", "openai", "http://gpu-4:8000", "config.toml"),
    ]


@pytest.mark.parametrize(
    ("settings", "text", "sentence"),
    [
        ({"OLLAMA_HOST": "http://u:s3cret@gpu"}, "", "user name and a password"),
        ({"VLLM_ENDPOINT": "ftp://gpu"}, "", "is no address"),
        ({}, '[runtimes.box]\nurl = "http://u:s3cret@gpu"', "[runtimes.box]: An address with a user name"),
        ({}, '[runtimes.box]\nurl = "gpu:x"', "[runtimes.box]: 'gpu:x': 'x' is no port"),
        ({}, '[runtimes.box]\nurl = "gpu"\nkey_file = "/gone"', "key file /gone cannot be read"),
    ],
)
async def test_what_is_wrong_is_told(tmp_path: Path, settings: dict[str, str], text: str, sentence: str) -> None:
    tables(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        async with open_core(tmp_path, **settings):
            pass
    assert sentence in caught.value.message
    assert "s3cret" not in repr(caught.value.as_dict())


async def test_a_key_goes_to_its_server_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And it is told nowhere: not in a status, not in an error (though the server repeats it), not in the log."""
    monkeypatch.setenv("BOX_KEY", KEY)
    (tmp_path / "key").write_text("sk-oth3r\n")
    (tmp_path / "key").chmod(0o600)
    elsewhere, box, other, ollama = plain("stolen"), plain("a"), vllm(), FakeOllama()
    repeats = {"error": {"message": f"Incorrect API key provided: {KEY}."}}
    async with serving(elsewhere) as thief, serving(box) as a, serving(other) as b, serving(ollama) as c:
        tables(
            tmp_path,
            f'[runtimes.box]\nurl = "{a.url}"\nkey_env = "BOX_KEY"\n'
            f'[runtimes.other]\nurl = "{b.url}"\nkind = "vllm"\nkey_file = "{tmp_path}/key"\n'
            f'[runtimes.third]\nurl = "{c.url}"\nkind = "ollama"\n',
        )
        with caplog.at_level(logging.INFO):
            async with open_core(tmp_path) as core:
                assert await core.runtimes.settled(LIMIT_S)
                session = await core.sessions.create()
                said: list[object] = []
                for script in (
                    says(repeats, "401 Unauthorized"),
                    says(repeats, "400 Bad Request"),
                    says(repeats),
                    sends(head("307 Temporary Redirect", location=f"{thief.url}/v1/chat/completions?key={KEY}")),
                    sends(f"HTTP/1.1 200 {KEY}\x00\r\n\r\n".encode()),
                    sends(head() + f"data: {KEY}\n\n".encode()),
                ):
                    box.paths["POST /v1/chat/completions"] = script
                    turn = await ended(core, await core.chat.send(session.id, "x", model="a", runtime="box"))
                    assert turn.message.state == "failed"
                    said.append(turn)
                for name in ("GET /v1/models", "GET /version", "GET /health"):
                    box.paths[name] = sends(head("308 Permanent", location=f"{thief.url}/{KEY}"))
                await core.runtimes.look()
                assert core.runtimes.states()["box"] is RuntimeState.FAILED
                said += [await core.runtimes.statuses(), core.runtimes.runtime("box"), core.runtimes.runtime("other")]
                said += [vars(core.runtimes.runtime("box")), await core.sessions.messages(session.id)]
        assert thief.asked == []
        assert {asked.headers.get("authorization") for asked in a.asked} == {f"Bearer {KEY}"}
        assert {asked.headers.get("authorization") for asked in b.asked} == {"Bearer sk-oth3r"}
        assert {asked.headers.get("authorization") for asked in c.asked} == {None}
    assert KEY not in repr(said)
    assert KEY not in caplog.text
    assert KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("data/*") if path.is_file())
