"""The process that holds a model, by itself and when its parent is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.core.beside import Beside, all_gone, beside, put_model
from venom_tui.core.runtimes.leftovers import Worker, workers

MODULE = "venom_tui.core.runtimes.embedded_worker"
ENDED = (0, -signal.SIGALRM)
"""By itself, or by its own alarm where llama.cpp does not come to an end."""


async def held(process: Beside) -> list[psutil.Process]:
    found = process.children()
    assert [MODULE in " ".join(child.cmdline()) for child in found] == [True]
    return found


async def test_it_ends_with_a_parent_that_is_killed(tmp_path: Path, demonstration_model: Path) -> None:
    put_model(tmp_path, demonstration_model)
    async with beside(tmp_path, "once") as process:
        pid = int(await process.line("child"))
        children = await held(process)
        assert [child.pid for child in children] == [pid]
        await process.kill()
        assert await all_gone(children)


async def test_it_ends_with_a_parent_that_is_killed_while_it_loads(tmp_path: Path, demonstration_model: Path) -> None:
    put_model(tmp_path, demonstration_model)
    async with beside(tmp_path, "once") as process:
        await process.line("status loading")
        while not (children := process.children()):
            pass
        await process.kill()
        assert await all_gone(children)


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        yield process
        process.kill()


def configure(worker: subprocess.Popen[bytes], path: Path) -> None:
    assert worker.stdin is not None
    values = {"path": str(path), "alias": "a", "api_key": "key", "context": 256, "parallel": 1, "threads": 1}
    worker.stdin.write(json.dumps(values).encode() + b"\n")
    worker.stdin.flush()


def test_without_a_word_it_ends(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(20) == 0


@pytest.mark.parametrize("by", ["SIGTERM", "stdin"])
def test_it_ends_in_order(worker: subprocess.Popen[bytes], demonstration_model: Path, by: str) -> None:
    configure(worker, demonstration_model)
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stdout.readline().startswith(b'READY {"url": "http://127.0.0.1:')
    for number in (signal.SIGINT, signal.SIGHUP):
        worker.send_signal(number)
    if by == "stdin":
        worker.stdin.close()
    else:
        worker.terminate()
    assert worker.wait(20) in ENDED
    assert worker.stdout.read() == b""


def test_many_signals_at_once_end_it_all_the_same(worker: subprocess.Popen[bytes], demonstration_model: Path) -> None:
    """The death of its parent comes by a signal, by its end of the pipe, and by whoever clears up."""
    configure(worker, demonstration_model)
    assert worker.stdin is not None
    assert worker.stdout is not None
    assert worker.stdout.readline().startswith(b"READY")
    for _ in range(200):
        worker.send_signal(signal.SIGTERM)
    worker.stdin.close()
    assert worker.wait(20) in ENDED


def test_it_ends_though_it_answers_somebody_who_does_not_read(
    worker: subprocess.Popen[bytes], demonstration_model: Path
) -> None:
    configure(worker, demonstration_model)
    assert worker.stdout is not None
    url = json.loads(worker.stdout.readline().removeprefix(b"READY "))["url"]
    body = json.dumps({"prompt": "1 2 3", "n_predict": -1, "ignore_eos": True, "stream": True}).encode()
    head = f"POST /completion HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: {len(body)}\r\n\r\n"
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port))) as reader:
        reader.sendall(head.encode() + body)
        assert reader.recv(12) == b"HTTP/1.1 200"
        worker.terminate()
        assert worker.wait(20) in ENDED


NEVER_ENDS = """
import time

class CommonParams:
    def __getattr__(self, name):
        return CommonParams()

class Server:
    listening_address = "http://127.0.0.1:1"

    def __init__(self, params):
        pass

    def __del__(self):
        time.sleep(600)
"""


def test_it_ends_though_its_parent_is_killed_just_before_it_is_ready(tmp_path: Path) -> None:
    """What it says then breaks its pipe, and the llama.cpp of that moment was seen never to end."""
    (tmp_path / "xllamacpp.py").write_text(NEVER_ENDS)
    with subprocess.Popen(
        [sys.executable, "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        configure(process, tmp_path / "a.gguf")
        try:
            assert process.wait(30) == -signal.SIGALRM
        finally:
            process.kill()


def test_a_closed_stdin_ends_a_load(worker: subprocess.Popen[bytes], demonstration_model: Path) -> None:
    configure(worker, demonstration_model)
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(20) == 0


def test_one_whose_parent_is_another_program_is_an_orphan() -> None:
    """A shell stands for what adopts orphans: init, or a user's systemd."""
    code = "import sys; sys.stdout.write('here\\n'); sys.stdout.flush(); sys.stdin.read()"
    with subprocess.Popen(
        ["sh", "-c", f'exec 3<&0; "$0" -c "$1" {MODULE} <&3 & wait', sys.executable, code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        assert shell.stdout.readline() == b"here\n"
        (found,) = [worker for worker in workers() if worker.parent_pid == shell.pid]
        assert found == Worker(found.pid, shell.pid, orphan=True, memory_bytes=found.memory_bytes)
        assert found.memory_bytes
        shell.stdin.close()
    assert found.pid not in {worker.pid for worker in workers()}
