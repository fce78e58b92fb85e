"""Which processes hold the loaded models, on trees of processes that are written down and on real ones."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from venom_tui.core.resources.owners import Owners, options_of
from venom_tui.core.resources.process_table import ProcessTable
from venom_tui.core.types.device import LoadedModel

BLOB = "/usr/share/ollama/.ollama/models/blobs/sha256-" + "ab" * 32
OTHER = "/usr/share/ollama/.ollama/models/blobs/sha256-" + "cd" * 32
QWEN = LoadedModel("qwen3:14b", "ollama", kind="ollama", endpoint="http://127.0.0.1:11434", weights=BLOB)
LLAMA = replace(QWEN, name="llama3.2:3b", weights=OTHER)


class Proc:
    """A /proc of a machine that is not here."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "net").mkdir(parents=True)
        self._sockets: list[str] = []
        self._listen()

    def process(self, pid: int, parent: int, *arguments: str, port: int | None = None, hidden: bool = False) -> None:
        folder = self.root / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "stat").write_text(
            f"{pid} (a (b) c) S {parent} 1 1 0 -1 {' '.join('0' for _ in range(13))} {pid}00 0"
        )
        (folder / "cmdline").write_bytes(b"\0".join(argument.encode() for argument in arguments) + b"\0")
        if port is not None:
            inode = 90_000 + pid
            self._sockets.append(
                f"  0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 {inode} 1 0"
            )
            self._listen()
            if not hidden:
                (folder / "fd" / "7").symlink_to(f"socket:[{inode}]")

    def end(self, pid: int) -> None:
        (self.root / str(pid) / "stat").unlink()

    def _listen(self) -> None:
        (self.root / "net/tcp").write_text("  sl  local_address\n" + "\n".join(self._sockets) + "\n")


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    made = Proc(tmp_path / "proc")
    made.process(1, 0, "/sbin/init")
    return made


def owners(proc: Proc, grace_s: float = 0.0) -> Owners:
    return Owners(ProcessTable(proc.root), grace_s)


def find(proc: Proc, *models: LoadedModel) -> list[tuple[tuple[int, ...], str, str]]:
    found = owners(proc).find(models, 0.0)
    return [(one.pids, one.reason, one.dead) for one in (found[m.runtime, m.name] for m in models)]


def ollama(proc: Proc, pid: int = 100, port: int = 11434, *, hidden: bool = False) -> None:
    proc.process(pid, 1, "/usr/bin/ollama", "serve", port=port, hidden=hidden)


def runner(proc: Proc, pid: int, parent: int, weights: str, *more: str) -> None:
    proc.process(pid, parent, "/usr/lib/ollama/llama-server", "--model", weights, "--port", "4000", *more)


# ---------------------------------------------------------------------- Ollama


def test_a_runner_is_known_by_the_weights_on_its_command_line(proc: Proc) -> None:
    ollama(proc)
    runner(proc, 101, 100, BLOB, "-np", "4", "--cache-type-k", "q8_0")
    runner(proc, 102, 100, OTHER)
    assert find(proc, QWEN, LLAMA) == [((101,), "", ""), ((102,), "", "")]
    found = owners(proc).find([QWEN, LLAMA], 0.0)
    assert options_of(found["ollama", "qwen3:14b"]) == ("q8_0", 4)
    assert options_of(found["ollama", "llama3.2:3b"]) == (None, None)


def test_the_engine_of_older_ones_and_paths_of_a_container(proc: Proc) -> None:
    ollama(proc)
    proc.process(
        101, 100, "ollama", "runner", "--ollama-engine", f"--model=/root/.ollama/models/blobs/{Path(BLOB).name}"
    )
    assert find(proc, QWEN) == [((101,), "", "")]


def test_the_same_weights_in_two_servers(proc: Proc) -> None:
    ollama(proc)
    ollama(proc, 200, 12000)
    runner(proc, 101, 100, BLOB)
    runner(proc, 201, 200, BLOB)
    assert find(proc, QWEN) == [((101,), "", "")]
    assert find(proc, replace(QWEN, endpoint="http://localhost:12000")) == [((201,), "", "")]


def test_it_is_not_guessed_which_of_two_is_meant(proc: Proc) -> None:
    ollama(proc, hidden=True)
    ollama(proc, 200, 12000, hidden=True)
    runner(proc, 101, 100, BLOB)
    assert find(proc, QWEN) == [((101,), "", "")], "one alone is it, whoever may see its server's files"
    runner(proc, 201, 200, BLOB)
    ((pids, reason, _),) = find(proc, QWEN)
    assert (pids, reason) == ((), "several processes of different servers hold these weights")


def test_behind_the_proxy_of_a_container(proc: Proc) -> None:
    proc.process(50, 1, "/usr/bin/docker-proxy", "-host-port", "11434", port=11434)
    ((pids, reason, dead),) = find(proc, QWEN)
    assert (pids, dead) == ((), "")
    assert reason.startswith("docker-proxy listens on its port")
    proc.process(300, 1, "/bin/ollama", "serve")
    runner(proc, 301, 300, BLOB)
    assert find(proc, QWEN) == [((301,), "", "")]


def test_what_is_not_on_this_machine_has_no_process_here(proc: Proc) -> None:
    runner(proc, 101, 1, BLOB)
    for endpoint in ("http://192.0.2.7:11434", "https://ollama.example.com"):
        assert find(proc, replace(QWEN, endpoint=endpoint)) == [((), "it runs on another machine", "")]
    for endpoint in ("", "http://[::bad", "nonsense"):
        assert find(proc, replace(QWEN, endpoint=endpoint))[0][:2] == ((), "its address is not known")
    assert find(proc, replace(QWEN, weights=None))[0][1] == "its runtime does not tell where its weights are"


def test_dead_though_listed(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    ollama(proc)
    runner(proc, 101, 100, BLOB)
    now = [1000.0]
    monkeypatch.setattr("venom_tui.core.resources.owners.time.monotonic", lambda: now[0])
    looked = owners(proc, grace_s=12.0)
    assert looked.find([QWEN], 0.0)["ollama", "qwen3:14b"].pids == (101,)
    proc.end(101)
    found = looked.find([QWEN], 3600.0)["ollama", "qwen3:14b"]
    assert (found.pids, found.dead) == ((), ""), "its runtime may not have been asked since"
    assert "asked again" in found.reason
    now[0] += 13
    found = looked.find([QWEN], 0.0)["ollama", "qwen3:14b"]
    assert found.dead == "its server lists it, but none of its processes holds the weights"
    runner(proc, 102, 100, BLOB)
    assert looked.find([QWEN], 0.0)["ollama", "qwen3:14b"].pids == (102,)


def test_a_pid_that_is_given_again_is_another_process(proc: Proc) -> None:
    ollama(proc)
    runner(proc, 101, 100, BLOB)
    looked = owners(proc)
    looked.find([QWEN], 0.0)
    stat = proc.root / "101" / "stat"
    stat.write_text(stat.read_text().replace("10100 0", "77777 0"))
    (proc.root / "101" / "cmdline").write_bytes(b"vim\0")
    assert looked.find([QWEN], 3600.0)["ollama", "qwen3:14b"].pids == ()


# ---------------------------------------------------------------------- vLLM, llama.cpp, the embedded one

VLLM = LoadedModel("qwen", "vllm", kind="vllm", endpoint="http://127.0.0.1:8000", weights="Qwen/Qwen3-14B")
SERVER = LoadedModel(
    "smollm2", "llamacpp", kind="llamacpp", endpoint="http://127.0.0.1:8080", weights="/m/smollm2.gguf"
)


def test_vllm_with_its_engines(proc: Proc) -> None:
    proc.process(9, 1, "bash", "run_vllm.sh")
    proc.process(10, 9, "python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "Qwen/Qwen3-14B", port=8000)
    proc.process(11, 10, "VLLM::EngineCore")
    proc.process(12, 11, "VLLM::Worker_TP0")
    proc.process(13, 11, "VLLM::Worker_TP1")
    proc.process(20, 1, "VLLM::EngineCore")
    assert find(proc, VLLM) == [((10, 11, 12, 13), "", "")]


def test_vllm_with_several_servers_on_one_port(proc: Proc) -> None:
    proc.process(10, 1, "/venv/bin/python", "/venv/bin/vllm", "serve", "Qwen/Qwen3-14B")
    proc.process(11, 10, "VLLM::APIServer_0", port=8000)
    proc.process(12, 10, "VLLM::EngineCore")
    assert find(proc, VLLM) == [((10, 11, 12), "", "")]


def test_vllm_of_somebody_else_by_its_command_line(proc: Proc) -> None:
    proc.process(10, 1, "/venv/bin/python", "/venv/bin/vllm", "serve", "Qwen/Qwen3-14B", port=8000, hidden=True)
    proc.process(11, 10, "VLLM::EngineCore")
    assert find(proc, VLLM) == [((10, 11), "", "")]
    proc.process(20, 1, "/venv/bin/python", "/venv/bin/vllm", "serve", "Qwen/Qwen3-14B")
    assert find(proc, VLLM)[0][:2] == ((), "several servers hold these weights")


def test_a_tunnel_is_no_server(proc: Proc) -> None:
    proc.process(10, 1, "ssh", "-L", "8000:localhost:8000", "gpu-box", port=8000)
    assert find(proc, VLLM)[0][1].startswith("ssh listens on its port")


def test_llama_server_by_its_port(proc: Proc) -> None:
    proc.process(10, 1, "./llama-server", "-m", "/m/smollm2.gguf", "-np", "2", port=8080)
    proc.process(11, 1, "./llama-server", "-m", "/m/smollm2.gguf", "--port", "8081", port=8081)
    assert find(proc, SERVER) == [((10,), "", "")]
    assert options_of(owners(proc).find([SERVER], 0.0)["llamacpp", "smollm2"]) == (None, 2)


def test_llama_server_of_somebody_else(proc: Proc) -> None:
    proc.process(10, 1, "/opt/llama-server", "-m", "/elsewhere/smollm2.gguf", port=8080, hidden=True)
    assert find(proc, SERVER) == [((10,), "", "")]


def test_a_router_has_a_process_for_each_model(proc: Proc) -> None:
    proc.process(10, 1, "/opt/llama-server", "--models-dir", "/m", port=8080)
    assert find(proc, SERVER)[0][1] == "which of the router's processes holds it is not told"
    proc.process(11, 10, "/opt/llama-server", "--port", "9001", "--alias", "smollm2", "--model", "/m/smollm2.gguf")
    proc.process(12, 10, "/opt/llama-server", "--port", "9002", "--alias", "gemma", "--model", "/m/gemma.gguf")
    gemma = replace(SERVER, name="gemma", weights="/m/gemma.gguf")
    assert find(proc, SERVER, gemma) == [((11,), "", ""), ((12,), "", "")]


def test_the_embedded_one_is_known_by_its_pid(proc: Proc) -> None:
    proc.process(10, 1, sys.executable, "-m", "venom_tui.core.runtimes.embedded_worker")
    assert find(proc, LoadedModel("tiny", "embedded", kind="embedded", pid=10)) == [((10,), "", "")]
    assert find(proc, LoadedModel("tiny", "embedded", kind="embedded", pid=11))[0][1] == "its process is gone"


def test_workers_of_another_venom_tui_on_this_data_directory(proc: Proc, tmp_path: Path) -> None:
    for pid, folder in ((10, "/data"), (11, "/other")):
        proc.process(pid, 1, sys.executable, "-m", "venom_tui.core.runtimes.embedded_worker")
        (proc.root / str(pid) / "environ").write_bytes(b"HOME=/root\0VENOM_DATA_DIR=" + folder.encode() + b"\0")
        line = "7f0000000000-7f0000001000 r--s 00000000 08:01 4242".ljust(73) + "/models/qwen-q4.gguf\n"
        (proc.root / str(pid) / "maps").write_text(line)
    (found,) = owners(proc).elsewhere([], Path("/data"))
    assert (found.name, found.pid, found.weights, found.elsewhere) == ("qwen-q4", 10, "/models/qwen-q4.gguf", True)
    assert owners(proc).elsewhere([10], Path("/data")) == []


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    looked = Owners(ProcessTable(tmp_path / "nothing"), 0.0)
    found = looked.find([QWEN, VLLM, SERVER], 0.0)
    assert [one.pids for one in found.values()] == [(), (), ()]
    assert {one.reason for one in found.values()} == {
        "its process is not seen by this user: it is somebody else's, or in a container"
    }


# ---------------------------------------------------------------------- on this machine


@contextmanager
def listening(*arguments: str) -> Iterator[tuple[int, int]]:
    """Run a program that listens on a port of loopback; yield pid and port."""
    code = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    )
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


def test_a_real_process_that_listens() -> None:
    with listening("--model", "/m/x.gguf") as (pid, port):
        table = ProcessTable()
        table.refresh()
        entry = table.get(pid)
        assert entry is not None and entry.parent == os.getpid() and table.lives(entry)
        assert entry.value_of("--model") == "/m/x.gguf"
        assert table.listeners(port, [pid]) == table.listeners(port) == {pid}
        assert pid in {one.pid for one in table.below(os.getpid())}
        model = LoadedModel("x", "llamacpp", kind="llamacpp", endpoint=f"http://127.0.0.1:{port}")
        assert Owners().find([model], 0.0)["llamacpp", "x"].pids == (pid,)
    assert not table.lives(entry)
    with socket.create_server(("127.0.0.1", 0)) as ours:
        assert table.listeners(ours.getsockname()[1]) == {os.getpid()}
