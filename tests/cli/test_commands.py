"""The commands that ask no model, in this process: what they print, and how they end."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest

from venom_tui.cli.main import asks_for_json, main
from venom_tui.core.core import Core
from venom_tui.core.settings import load_settings
from venom_tui.core.types.session import MessageState

from .conftest import Cli


@pytest.fixture
def session(data_dir: Path, config_dir: Path) -> str:
    """A session with one turn; its texts hold words to find and what could harm a terminal if it were not sanitized."""

    async def fill() -> str:
        async with Core(load_settings()) as core:
            session = await core.sessions.create(title="Herons \x1b]0;evil\x07and [b]others[/b]")
            user, answer = await core.sessions.begin_turn(session.id, "what do herons eat?", request_id="r1")
            done = replace(answer, content="Fish and frogs\x1b[31m\u202e.", state=MessageState.COMPLETE, model="tiny")
            await core.sessions.finish(done, None)
            assert user.seq == 1
            return session.id

    return asyncio.run(fill())


# ---------------------------------------------------------------------- usage


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nonsense",), "No such command 'nonsense'."),
        (("chat", "--bogus", "x"), "No such option '--bogus'."),
        (("chat", "x", "--mode", "odd"), "'odd' is not one of"),
        (("chat", "x", "--mode", "normal"), "Mode 'normal' is not built yet."),
        (("chat", "x", "--timeout", "0"), "0.0 is not in the range x>0."),
        (("chat", "x", "--session", "abcd", "--no-save"), "--no-save keeps nothing"),
        (("chat", "x", "--session", "abcd", "--system", "y"), "--system is for new sessions"),
        (("chat", "x", "--model", "../x"), "'../x' is no name of a model."),
        (("sessions", "list", "--limit", "0"), "0 is not in the range x>=1."),
        (("sessions", "search"), "Missing argument 'TEXT'."),
        (("models", "load", "smollm2-135m"), "ends with the command that started it"),
        (("models", "params", "smollm2-135m", "temperature"), "'temperature' is no change."),
        (
            ("models", "params", "smollm2-135m", "temperature=9"),
            "temperature is '9', but must be a number from 0 to 2.",
        ),
        (("models", "params", "smollm2-135m", "--unset", "colour"), "colour is no generation parameter."),
        (("route", "x", "--batch"), "Give either a prompt or --batch."),
        (("--screen", "guard", "info"), "--screen and --no-mouse are for the TUI"),
    ],
)
def test_wrong_usage_is_exit_2_in_both_forms(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    monkeypatch.setattr("venom_tui.cli.prompt._standard_input", lambda **_: "")
    plain = cli(*arguments)
    assert (plain.status, plain.out) == (2, "")
    assert sentence in plain.err
    told = cli(*arguments, "--json")
    assert told.status == 2
    assert list(told.json) == ["error"]
    assert set(told.json["error"]) == {"code", "message", "hint", "server_message"}
    assert sentence in told.json["error"]["message"]
    assert told.json["error"]["code"] == "usage"


@pytest.mark.parametrize("group", ["models", "sessions", "operations", "runtimes"])
def test_a_noun_alone_shows_what_there_is(cli: Cli, group: str) -> None:
    found = cli(group)
    assert found.status == 2
    assert "list" in found.err
    assert found.out == ""


@pytest.mark.parametrize("arguments", [("--help",), ("chat", "-h"), ("models", "params", "--help")])
def test_help_is_exit_0(cli: Cli, arguments: tuple[str, ...]) -> None:
    found = cli(*arguments)
    assert found.status == 0
    assert found.out.startswith("Usage: venom-tui")


def test_a_refused_turn_leaves_no_session(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.cli.prompt._standard_input", lambda **_: "")
    found = cli("chat", "hello", "--model", "not-here", "--json")
    assert (found.status, found.json["error"]["code"]) == (1, "model_not_found")
    found = cli("--read-only", "chat", "hello", "--json")
    assert (found.status, found.json["error"]["code"]) == (1, "read_only")
    assert cli("sessions", "list", "--json").json == []


def test_json_is_asked_for_before_two_dashes_only() -> None:
    assert asks_for_json(["chat", "x", "--json"])
    assert not asks_for_json(["chat", "--", "--json"])


def test_the_tui_without_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    found = cli()
    assert (found.status, found.out) == (2, "")
    assert "needs a terminal" in found.err
    assert "venom-tui chat" in found.err
    assert cli("--read-only").err == found.err
    monkeypatch.setattr(sys, "stdin", None)
    assert cli().status == 2


def test_a_bad_setting_is_one_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENOM_THREADS", "many")
    found = cli("sessions", "list", "--json")
    assert found.status == 2
    assert found.json["error"]["message"].startswith("VENOM_THREADS is 'many' in the environment")


def test_a_defect_is_told_without_a_trace_which_is_in_the_log(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    def broken(*_: object) -> object:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("venom_tui.core.info.collect", broken)
    found = cli("info", "--json")
    assert found.status == 1
    assert found.json["error"]["code"] == "error"
    assert "ZeroDivisionError" in found.err
    assert "Traceback" not in found.err
    log = data_dir / "logs" / "venom-tui.log"
    assert "of all things" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_an_interrupt_before_the_core_is_there(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr("venom_tui.core.info.collect", interrupted)
    found = cli("info", "--json")
    assert (found.status, found.json["error"]["code"]) == (130, "interrupted")


# ---------------------------------------------------------------------- sessions


def test_sessions_in_json(cli: Cli, session: str) -> None:
    (listed,) = cli("sessions", "list", "--json").json
    assert {
        "id",
        "title",
        "created_at",
        "updated_at",
        "message_count",
        "draft",
        "temporary",
        "system",
        "streaming",
        "options",
    } == set(listed)
    assert (listed["id"], listed["message_count"], listed["title"]) == (session, 2, "Herons and [b]others[/b]")
    shown = cli("sessions", "show", session[:6], "--json").json
    assert [(m["role"], m["content"], m["state"]) for m in shown["messages"]] == [
        ("user", "what do herons eat?", "complete"),
        ("assistant", "Fish and frogs\x1b[31m\u202e.", "complete"),
    ]
    assert not set("\x1b\u202e") & set(cli("sessions", "show", session, "--json").out), "escaped, not raw"
    (hit,) = cli("sessions", "search", "frogs", "--json").json
    assert (hit["session_id"], hit["role"]) == (session, "assistant")
    start, end = hit["matches"][0]
    assert hit["snippet"][start:end] == "frogs"
    assert cli("sessions", "search", 'frogs" OR (', "--json").status == 0


def test_sessions_for_people(cli: Cli, session: str) -> None:
    listed = cli("sessions", "list").out.splitlines()
    assert listed[0].split() == ["ID", "LAST", "CHANGED", "MESSAGES", "TITLE"]
    assert listed[1].startswith(session)
    assert listed[1].endswith("Herons and [b]others[/b]")
    shown = cli("sessions", "show", session).out
    assert "what do herons eat?" in shown
    assert "tiny" in shown
    assert "Fish and frogs." in shown
    assert "Fish and frogs." in cli("sessions", "search", "fish").out
    assert cli("sessions", "search", "unicorns").out == "Nothing was found.\n"
    assert not any("\x1b" in text for text in (*listed, shown))


def test_rename_export_delete(cli: Cli, session: str, tmp_path: Path) -> None:
    assert cli("sessions", "rename", session, "Waders", "--json").json["title"] == "Waders"
    assert cli("sessions", "export", session).out.startswith("# Waders\n")
    document = cli("sessions", "export", session, "--format", "json").json
    assert document["session"]["id"] == session
    target = tmp_path / "waders.json"
    assert cli("sessions", "export", session, "--output", str(target), "--json").json == {"path": str(target)}
    assert json.loads(target.read_text())["messages"][0]["content"] == "what do herons eat?"
    assert target.stat().st_mode & 0o777 == 0o600
    again = cli("sessions", "export", session, "--output", str(target))
    assert again.status == 2
    assert "exists already" in again.err

    declined = cli("sessions", "delete", session, "--json")
    assert (declined.status, declined.json["error"]["code"]) == (1, "declined")
    assert "2 messages" in declined.err
    assert len(cli("sessions", "list", "--json").json) == 1
    assert cli("sessions", "delete", session, session[:5], "--yes", "--json").json == {"deleted": [session]}
    assert cli("sessions", "list", "--json").json == []
    assert cli("sessions", "list").out == "There is no session yet.\n"
    assert cli("sessions", "show", session).status == 1


def test_an_unknown_id_deletes_nothing_of_the_others(cli: Cli, session: str) -> None:
    found = cli("sessions", "delete", session, "ffffffff", "--yes", "--json")
    assert (found.status, found.json["error"]["code"]) == (1, "session_not_found")
    assert len(cli("sessions", "list", "--json").json) == 1


@pytest.mark.parametrize(
    "arguments",
    [("sessions", "rename", "ID", "x"), ("sessions", "delete", "ID", "--yes"), ("operations", "clear", "--yes")],
)
def test_read_only_changes_nothing(cli: Cli, session: str, arguments: tuple[str, ...]) -> None:
    found = cli("--read-only", *(session if part == "ID" else part for part in arguments), "--json")
    assert (found.status, found.json["error"]["code"]) == (1, "read_only")
    assert cli("sessions", "list", "--json").json[0]["title"] == "Herons and [b]others[/b]"


# ---------------------------------------------------------------------- models, operations, runtimes, route


@pytest.mark.usefixtures("demonstration_model")
def test_models(cli: Cli, data_dir: Path) -> None:
    (data_dir / "models").mkdir(parents=True)
    (data_dir / "models" / "broken\x1b[31m.gguf").write_bytes(b"no model")
    broken, ours = cli("models", "list", "--json").json
    assert {
        *("name", "runtime", "provider", "size_bytes", "digest", "parameter_size", "quantization", "context_length"),
        *("capabilities", "loaded", "vram_bytes", "active"),
    } <= set(ours)
    assert (ours["name"], ours["runtime"], ours["active"], ours["loaded"]) == ("smollm2-135m", "embedded", True, False)
    assert ours["vram_bytes"] is None
    assert broken["error"]
    assert broken["path"].endswith("broken\x1b[31m.gguf"), "JSON keeps every character, escaped"
    table = cli("models", "list").out
    assert "unusable" in table
    assert "\x1b" not in table
    assert "demonstration" in table
    shown = cli("models", "show", "SMOLLM2-135m", "--json").json
    assert {name: shown[name] for name in ours} == ours
    assert "135M" in cli("models", "show", "smollm2-135m").out
    assert cli("models", "unload", "smollm2-135m", "--json").json["loaded"] is False


@pytest.mark.usefixtures("demonstration_model")
def test_parameters_are_saved_and_taken_back(cli: Cli) -> None:
    found = cli("models", "params", "smollm2-135m", "temperature=0.5", "stop=END,###", "--json").json
    assert (found["name"], found["runtime"]) == ("smollm2-135m", "embedded")
    assert found["parameters"]["temperature"] == 0.5
    assert found["parameters"]["stop"] == ["END", "###"]
    assert found["parameters"]["top_k"] is None
    found = cli("models", "params", "smollm2-135m", "--unset", "stop", "--json").json
    assert (found["parameters"]["temperature"], found["parameters"]["stop"]) == (0.5, None)
    assert "temperature     0.5" in cli("models", "params", "smollm2-135m").out


def test_an_empty_history(cli: Cli) -> None:
    assert cli("operations", "list", "--json").json == []
    assert cli("operations", "list").out == "There was no operation yet.\n"
    assert cli("operations", "clear", "--json").json == {"removed": 0}
    assert cli("operations", "show", "abcdef", "--json").json["error"]["code"] == "not_found"


def test_runtimes(cli: Cli) -> None:
    (found,) = cli("runtimes", "list", "--json").json
    assert (found["id"], found["kind"], found["state"]) == ("embedded", "embedded", "idle")
    assert "embedded" in cli("runtimes", "list").out


@pytest.mark.usefixtures("demonstration_model")
def test_route_sends_nothing(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cli("route", "why is the sky blue?", "--json").json
    assert list(found) == ["kind", "intent", "mode", "source", "target", "runtime", "model", "sensitive", "reason"]
    assert (found["kind"], found["target"], found["runtime"], found["model"]) == (
        "chat",
        "local",
        "embedded",
        "smollm2-135m",
    )
    static = cli("route", "what time is it?", "--json").json
    assert (static["kind"], static["intent"], static["target"], static["model"]) == ("static", "time", "local", None)
    monkeypatch.setattr(sys, "stdin", StringIO("help\n\nwhy?\n"))
    lines = cli("route", "--batch").out.splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["static", "chat"]
    assert cli("sessions", "list", "--json").json == []
    assert "reason" in cli("route", "hello").out


# ---------------------------------------------------------------------- info, stop


def test_info_names_each_value_and_its_source(cli: Cli, config_dir: Path, data_dir: Path) -> None:
    (config_dir / "config.toml").write_text("venom_fps = 7\n")
    cli("sessions", "list")
    db = sqlite3.connect(data_dir / "venom.db")
    db.execute("INSERT INTO settings (name, value) VALUES ('VENOM_THEME', 'ansi')")
    db.commit()
    db.close()
    found = cli("--read-only", "info", "--json").json
    assert found["paths"]["database"] == str(data_dir / "venom.db")
    settings = {item["name"]: (item["value"], item["source"]) for item in found["settings"]}
    assert settings["VENOM_FPS"] == (7, "config.toml")
    assert settings["VENOM_DATA_DIR"] == (str(data_dir), "environment")
    assert settings["VENOM_THEME"] == ("ansi", "store")
    assert settings["VENOM_READ_ONLY"] == (True, "flag")
    assert settings["VENOM_CONTEXT"] == (8192, "default")
    text = cli("info").out
    assert "VENOM_FPS" in text
    assert str(data_dir) in text


def test_info_makes_nothing_and_survives_a_broken_database(cli: Cli, data_dir: Path) -> None:
    assert cli("info", "--json").status == 0
    assert not data_dir.exists()
    data_dir.mkdir()
    (data_dir / "venom.db").write_bytes(b"nonsense" * 1000)
    found = cli("info", "--json")
    assert found.status == 0
    assert "not a database" in found.json["store_error"]
    assert "cannot be read" in found.err


def test_stop_with_nothing_to_stop(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.core.stop.workers", list)
    assert cli("stop").out == "Nothing to stop.\n"
    told = cli("stop", "--json").json
    assert told == {name: [] for name in ("stopped", "held", "left", "interrupted", "failed", "spared")}


def test_the_version_in_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    first = capsys.readouterr().out
    assert main(["-V"]) == 0
    assert capsys.readouterr().out == first
    assert first.startswith("venom-tui ")
