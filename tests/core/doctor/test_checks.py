"""What the doctor finds, each check by itself."""

from __future__ import annotations

import http.server
import os
import socket
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.core.hostile import FORBIDDEN
from tests.core.support import settings_for
from tests.gguf_files import write_gguf
from venom_tui.core.doctor import examine, machine, models, places, servers, terminal
from venom_tui.core.doctor.check import Check, State
from venom_tui.core.errors import UsageError
from venom_tui.core.resources.nvml import NvmlSampler
from venom_tui.core.runtimes.leftovers import Worker
from venom_tui.core.settings import load_settings
from venom_tui.core.store.database import Database
from venom_tui.core.types.device import Gpu

OK, WARN, FAIL = State.OK, State.WARN, State.FAIL


def by_name(checks: Iterable[Check]) -> dict[str, Check]:
    found = {check.name: check for check in checks}
    for check in found.values():
        assert bool(check.next_step) == (check.state is not OK), check
    return found


# ---------------------------------------------------------------------- the machine


@pytest.mark.parametrize(
    ("version", "state"), [((3, 11, 0), OK), ((3, 13, 2), OK), ((3, 10, 9), FAIL), ((2, 7, 18), FAIL)]
)
def test_python(version: tuple[int, ...], state: State) -> None:
    assert by_name(machine.python(version))["python"].state is state


def test_settings(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / ".env").write_text("VENOM_FPS=5\nVENOM_TYPO=1\n")
    environ = {"VENOM_CONFIG_DIR": str(config), "VENOM_DATA_DIR": str(tmp_path / "data"), "VENOM_OTHER\x1b[31m": "1"}
    first, second = machine.settings(load_settings(environ=environ), environ, None)
    assert (first.state, first.found) == (OK, "set in: .env, environment")
    assert (second.state, second.found) == (WARN, "VENOM_OTHER, VENOM_TYPO means nothing to this version")
    (only,) = machine.settings(settings_for(tmp_path), {}, UsageError("It is wrong.", hint="Correct it so."))
    assert (only.state, only.found, only.next_step) == (FAIL, "It is wrong.", "Correct it so.")


@pytest.mark.parametrize(("threads", "state"), [(0, OK), (1, OK), (1024, WARN)])
def test_threads(tmp_path: Path, threads: int, state: State) -> None:
    found = by_name(machine.hardware(settings_for(tmp_path, VENOM_THREADS=threads)))
    assert found["cpu"].state is state
    assert found["memory"].state in (OK, WARN)


def test_gpus() -> None:
    gib = 1024**3
    one = Gpu(0, name="Card", memory_total_bytes=24 * gib)
    two = Gpu(1, unavailable={"power_w": "no", "name": "no"})
    found = by_name(machine.gpus(((one, two), {}), nvidia_present=True))
    assert (found["gpu 0"].found, found["gpu 1"].found) == (
        "Card, 24.0 GiB",
        "unknown, ?; it does not tell name, power_w",
    )
    nothing: tuple[tuple[Gpu, ...], dict[str, str]] = ((), {"gpus": "no NVIDIA driver is installed"})
    assert by_name(machine.gpus(nothing, nvidia_present=False))["gpu"].state is OK
    missing = by_name(machine.gpus(nothing, nvidia_present=True))["gpu"]
    assert (missing.state, "no NVIDIA driver is installed" in missing.found) == (WARN, True)


def test_an_nvidia_card_is_found_on_the_bus(tmp_path: Path) -> None:
    for name, vendor, kind in (("a", "0x8086", "0x030000"), ("b", "0x10de", "0x040300"), ("c", "", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
        (tmp_path / name / "class").write_text(f"{kind}\n")
    assert not machine._nvidia_present(tmp_path)
    assert not machine._nvidia_present(tmp_path / "gone")
    (tmp_path / "b" / "class").write_text("0x030200\n")
    assert machine._nvidia_present(tmp_path)


def test_a_driver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def hang(*_: object, **__: object) -> object:
        free.wait(60)
        return (), {}

    monkeypatch.setattr(NvmlSampler, "sample", hang)
    monkeypatch.setattr(machine, "_NVML_WAIT_S", 0.05)
    assert machine._ask_driver() == ((), {"gpus": "the driver did not answer within 0.05 s"})
    free.set()


def test_processes() -> None:
    held, orphan = Worker(7, 6, False, 100), Worker(8, 1, True, 100)
    assert by_name(machine.processes([]))["processes"].found == "nothing left over"
    assert by_name(machine.processes([held]))["processes"].state is OK
    (found,) = machine.processes([held, orphan])
    assert (found.state, "8 goes on" in found.found, "kill 8" in found.next_step) == (WARN, True, True)


# ---------------------------------------------------------------------- places


async def test_places_that_are_well(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    found = by_name(places.checks(settings))
    assert (found["data directory"].found, found["database"].found) == (
        f"{tmp_path / 'data'} is made at the first start",
        "is made at the first start",
    )
    assert not (tmp_path / "data").exists()
    database = await Database.open(tmp_path / "data" / "venom.db", announce=print)
    await database.close()
    found = by_name(places.checks(settings))
    assert {check.state for check in found.values()} <= {OK, WARN}
    assert found["modes"].found == "only you can read it"
    assert found["database"].found.startswith("sound, ")
    (tmp_path / "data").chmod(0o755)
    (tmp_path / "data" / "venom.db").chmod(0o644)
    wide = by_name(places.checks(settings))["modes"]
    assert (wide.state, wide.found) == (WARN, "data, venom.db can be read by others")


def test_places_that_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(tmp_path)
    (tmp_path / "data").write_text("a file")
    found = by_name(places.checks(settings))
    assert (found["data directory"].state, "is no folder" in found["data directory"].found) == (FAIL, True)
    (tmp_path / "data").unlink()
    (tmp_path / "data").mkdir(mode=0o700)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert "is not writable" in by_name(places.checks(settings))["data directory"].found
    monkeypatch.setattr(places, "network_file_system", lambda _folder: "nfs4")
    found = by_name(places.checks(settings))
    assert "nfs4, a network file system" in found["file system"].found
    assert "VENOM_DATA_DIR" in found["file system"].next_step


@pytest.mark.parametrize(("free", "state"), [(10 * 1024**3, OK), (500 * 1024**2, WARN), (1024**2, FAIL)])
def test_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: State) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: SimpleNamespace(free=free))
    assert by_name(places.checks(settings_for(tmp_path)))["disk"].state is state


async def test_databases(tmp_path: Path) -> None:
    path = tmp_path / "data" / "venom.db"
    database = await Database.open(path, announce=print)
    await database.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    newer = by_name(places.checks(settings_for(tmp_path)))["database"]
    assert (newer.state, "written by a newer venom-tui (format 999" in newer.found) == (FAIL, True)
    path.write_bytes(b"nonsense" * 1000)
    before = path.read_bytes()
    broken = by_name(places.checks(settings_for(tmp_path)))["database"]
    assert (broken.state, "cannot be read" in broken.found) == (FAIL, True)
    assert path.read_bytes() == before


# ---------------------------------------------------------------------- models


def test_models(tmp_path: Path, demonstration_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(tmp_path)
    found = by_name(models.checks(settings))
    assert {check.state for check in found.values()} == {OK}
    assert "published" in found["demonstration model"].found
    write_gguf(settings.models_dir / "good.gguf")
    for number in range(5):
        (settings.models_dir / f"bad{number}\x1b[31m.gguf").write_bytes(b"<html>")
    checks = list(models.checks(settings))
    assert sum(check.name == "model file" for check in checks) == 3
    usable, more = [check.found for check in checks if check.name == "model files"]
    assert usable == f"1 usable in {settings.models_dir}"
    assert more == "2 more cannot be used"
    monkeypatch.setattr(models, "demonstration_file", lambda: None)
    assert by_name(models.checks(settings))["demonstration model"].state is WARN
    other = tmp_path / "other.gguf"
    other.write_bytes(b"other")
    monkeypatch.setattr(models, "demonstration_file", lambda: other)
    assert (
        "another file than the one that was published" in by_name(models.checks(settings))["demonstration model"].found
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert by_name(models.checks(settings))["embedded llama.cpp"].state is FAIL


# ---------------------------------------------------------------------- the terminal

GOOD = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}


@pytest.mark.parametrize(
    ("changes", "name", "state", "says"),
    [
        ({}, "terminal", OK, "TERM is xterm-256color"),
        ({"TERM": ""}, "terminal", WARN, "not set"),
        ({"TERM": "dumb"}, "terminal", WARN, "dumb"),
        ({"TERM": "screen", "TMUX": "x"}, "terminal", WARN, "few colours"),
        ({"TERM": "a\x1b[31mb"}, "terminal", OK, "TERM is ab"),
        ({}, "colours", OK, "16 million"),
        ({"COLORTERM": ""}, "colours", OK, "256"),
        ({"COLORTERM": "", "TERM": "xterm"}, "colours", WARN, "16 or fewer"),
        ({"NO_COLOR": "1"}, "colours", OK, "NO_COLOR"),
        ({}, "locale", OK, "LANG is C.UTF-8"),
        ({"LC_ALL": "C"}, "locale", WARN, "ASCII"),
        ({"LANG": ""}, "locale", WARN, "none is set"),
        ({"SSH_CONNECTION": "x"}, "ssh", OK, "over SSH"),
        ({"STY": "x"}, "screen", WARN, "GNU screen"),
    ],
)
def test_terminals(changes: dict[str, str], name: str, state: State, says: str) -> None:
    found = by_name(terminal.checks({**GOOD, **changes}, lambda _name: "on", (80, 24)))[name]
    assert (found.state, says in found.found) == (state, True), found


@pytest.mark.parametrize(("size", "state"), [((80, 24), OK), ((200, 60), OK), ((79, 24), WARN), ((80, 23), WARN)])
def test_sizes(size: tuple[int, int], state: State) -> None:
    assert by_name(terminal.checks(GOOD, None, size))["size"].state is state


@pytest.mark.parametrize(
    ("options", "states"),
    [
        ({}, {"tmux": WARN}),
        ({"set-clipboard": "on", "escape-time": "10"}, {"tmux clipboard": OK, "tmux escape": OK}),
        ({"set-clipboard": "external", "escape-time": "500"}, {"tmux clipboard": WARN, "tmux escape": WARN}),
        ({"set-clipboard": "evil\x1b[31m", "escape-time": "\x1b"}, {"tmux clipboard": WARN, "tmux escape": OK}),
    ],
)
def test_tmux(options: dict[str, str], states: dict[str, State]) -> None:
    found = by_name(terminal.checks({**GOOD, "TMUX": "x"}, options.get, (80, 24)))
    assert {name: found[name].state for name in states} == states
    assert not FORBIDDEN.search("".join(check.found for check in found.values()))


# ---------------------------------------------------------------------- servers


def test_servers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with http.server.HTTPServer(("127.0.0.1", 0), _OllamaThatIsThere) as there:
        threading.Thread(target=there.serve_forever, daemon=True).start()
        named = settings_for(
            tmp_path, OLLAMA_HOST=f"127.0.0.1:{there.server_port}", VLLM_ENDPOINT=f"http://127.0.0.1:{port}"
        )
        found = by_name(servers.checks(named))
        there.shutdown()
    assert found["runtime ollama"].state is OK and "0.33.0" in found["runtime ollama"].found
    assert found["runtime vllm"].state is WARN
    assert (
        f"vllm at http://127.0.0.1:{port} (named by VLLM_ENDPOINT, environment): connection refused"
        in found["runtime vllm"].found
    )
    assert list(servers.checks(settings_for(tmp_path))) == [], "none is named, and none is looked for"
    (wrong,) = servers.checks(settings_for(tmp_path, OLLAMA_HOST="nonsense::"))
    assert wrong.state is FAIL and "is no address" in wrong.found


class _OllamaThatIsThere(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"version": "0.33.0"}' if self.path == "/api/version" else b'{"models": []}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base class)
        pass


# ---------------------------------------------------------------------- all together


def test_all_checks_are_harmless(tmp_path: Path) -> None:
    environ = {"TERM": "\x1b]0;x\x07", "LANG": "\u202e", "VENOM_X\x9b31m": "1"}
    settings = settings_for(tmp_path / "a\x1b[31mb\u202e")
    found = examine(settings, environ)
    assert len(found) > 10
    assert not [check for check in found if FORBIDDEN.search(check.name + check.found + check.next_step)]
