"""`venom-tui doctor` and `info`: each thing that is wrong with its next step; secrets never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from venom_tui.cli.failures import error_kinds
from venom_tui.core.errors import VenomError
from venom_tui.core.settings import Key, keys, values

from .conftest import Cli, Command


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """A setting that holds a key."""
    key = Key("VENOM_TEST_KEY", "secret", None, "a key for a test")
    monkeypatch.setattr(values, "KEYS", (*keys.KEYS, key))
    monkeypatch.setitem(keys.BY_NAME, key.name, key)
    monkeypatch.setenv(key.name, "sk-very-secret")
    return "sk-very-secret"


def test_the_object(cli: Cli, data_dir: Path) -> None:
    found = cli("doctor", "--json")
    summary = found.json
    assert set(summary) == {"ok", "checks"}
    assert found.status == (0 if summary["ok"] else 1)
    for check in summary["checks"]:
        assert set(check) == {"name", "state", "found", "next_step"}
        assert check["state"] in ("ok", "warn", "fail")
        assert bool(check["next_step"]) == (check["state"] != "ok")
    names = {check["name"] for check in summary["checks"]}
    assert {
        "python",
        "settings",
        "data directory",
        "disk",
        "file system",
        "sqlite",
        "database",
        "cpu",
        "memory",
    } <= names
    assert {"embedded llama.cpp", "demonstration model", "model files", "processes", "terminal", "locale"} <= names
    assert not data_dir.exists(), "it looks and makes nothing"


def test_for_people(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "evil\x1b[31m\u202eterm")
    monkeypatch.setenv("VENOM_TYPO\x1b[31m", "x")
    text = cli("doctor").out
    assert "evilterm" in text
    assert "VENOM_TYPO means nothing to this version" in text
    assert not [character for character in text if ord(character) < 32 and character != "\n"]


def test_what_fails_is_exit_1_with_the_way_out(cli: Cli, data_dir: Path, config_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "venom.db").write_bytes(b"no database" * 1000)
    found = cli("doctor", "--json")
    assert (found.status, found.json["ok"]) == (1, False)
    (failed,) = [check for check in found.json["checks"] if check["state"] == "fail"]
    assert failed["name"] == "database"
    assert "put aside" in failed["next_step"]
    (config_dir / "config.toml").write_text("venom_threads = 'many'\n")
    found = cli("doctor", "--json")
    failures = {check["name"]: check["found"] for check in found.json["checks"] if check["state"] == "fail"}
    assert "VENOM_THREADS is 'many' in config.toml" in failures["settings"]
    assert "database" in failures, "the rest is looked at all the same, where the environment says"


@pytest.mark.usefixtures("demonstration_model")
def test_deep_asks_the_model(venom: Command) -> None:
    done = venom("doctor", "--deep", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["answer"]["state"] == "ok"
    assert "smollm2-135m began to answer after" in checks["answer"]["found"]
    assert venom.messages() == [], "it leaves no session"


# ---------------------------------------------------------------------- info


def test_secrets_are_masked(cli: Cli, secret: str) -> None:
    told = cli("info", "--json")
    (item,) = [item for item in told.json["settings"] if item["name"] == "VENOM_TEST_KEY"]
    assert (item["value"], item["source"]) == ("set", "environment")
    for found in (told, cli("info"), cli("doctor", "--json"), cli("doctor")):
        assert secret not in found.out + found.err


def test_a_wrong_secret_is_not_shown(cli: Cli, secret: str, config_dir: Path) -> None:
    (config_dir / "config.toml").write_text(f"venom_test_key = ['{secret}']\n")
    found = cli("info", "--json")
    assert found.status == 2
    assert secret not in found.out + found.err


def test_hostile_settings(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENOM_ACTIVE_MODEL", "evil\x1b]52;c;x\x07\u202emodel")
    found = cli("info")
    assert found.status == 0
    assert "evilmodel" in found.out
    assert not [character for character in found.out if ord(character) < 32 and character != "\n"]
    assert "\u202e" not in cli("info", "--json").out


# ---------------------------------------------------------------------- failures


def test_each_kind_of_failure_has_a_code_and_a_status_of_its_own() -> None:
    kinds = list(error_kinds())
    assert kinds[0] is VenomError
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert {kind.code for kind in kinds if kind.exit_code == 2} == {"usage", "ambiguous_model"}
    assert {kind.code for kind in kinds if kind.exit_code == 130} == {"interrupted"}
    assert {kind.exit_code for kind in kinds} == {1, 2, 130}
