"""`venom-tui chat` as a process, with the real embedded llama.cpp and the demonstration model."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from .conftest import LONG, Command, wait_until

PROGRAM = [sys.executable, "-m", "venom_tui"]
QUESTION = "What is the capital of France?"

pytestmark = pytest.mark.usefixtures("demonstration_model")


def test_the_object_of_an_answer(venom: Command) -> None:
    found = venom.json("chat", QUESTION)
    assert list(found) == [
        *("session_id", "request_id", "mode", "intent", "runtime", "model", "answer", "route", "timings", "usage"),
        "finish_reason",
    ]
    assert "Paris" in found["answer"]
    assert (found["mode"], found["intent"], found["runtime"], found["finish_reason"]) == (
        "direct",
        "chat",
        "embedded",
        "stop",
    )
    assert found["route"] == {"target": "local", "reason": "no other model is here"}
    timings, usage = found["timings"], found["usage"]
    assert 0 < timings["model_to_first_token_ms"] < timings["submit_to_first_token_ms"] < timings["total_ms"]
    assert usage["prompt_tokens"] > 5
    assert usage["completion_tokens"] > 3
    assert usage["tokens_per_second"] > 0

    again = venom.json("chat", "And of Germany?", "--session", found["session_id"][:8])
    assert again["session_id"] == found["session_id"]
    shown = venom.json("sessions", "show", found["session_id"])
    assert [message["role"] for message in shown["messages"]] == ["user", "assistant"] * 2
    assert again["usage"]["prompt_tokens"] > usage["prompt_tokens"], "the conversation goes along"


def test_the_prompt_is_argument_and_stdin_in_this_order(venom: Command) -> None:
    done = venom("chat", "Repeat the keyword.", "--system", "Be brief.", stdin="It is a bird.\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert done.stdout.endswith("\n")
    assert "\x1b" not in done.stdout
    assert done.stderr == "", "without a terminal nothing but the answer is said"
    role, state, text = venom.messages()[0]
    assert (role, state, text) == ("user", "complete", "Repeat the keyword.\n\nIt is a bird.")
    assert venom.messages()[1][2] == done.stdout.removesuffix("\n")


def test_nothing_is_written_when_nothing_is_to_be_saved(venom: Command) -> None:
    secret = "heliotrope"
    found = venom.json("chat", f"Say the word {secret}.", "--no-save")
    assert found["session_id"] is None
    assert found["answer"]
    assert venom.messages() == []
    for file in venom.data.rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_keeps_what_came(venom: Command, long_model: str, number: int) -> None:
    process = venom.start("chat", LONG, "--model", long_model)
    assert process.stdout is not None
    # Not through the buffer of the file: communicate() reads past it.
    seen = os.read(process.stdout.fileno(), 20).decode()
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    rest, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert err.startswith("venom-tui: The answer was interrupted.\n  What came is kept in session ")
    (_, _, prompt), (_, state, answer) = venom.messages()
    assert prompt == LONG
    assert state == "stopped"
    assert answer.startswith((seen + rest).removesuffix("\n"))
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_a_signal_is_an_error_in_json(venom: Command, long_model: str) -> None:
    process = venom.start("chat", LONG, "--model", long_model, "--json")
    wait_until(lambda: any(len(text) > 5 for role, _, text in venom.messages() if role == "assistant"), "an answer")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"


def test_a_kill_leaves_what_came_marked_interrupted(venom: Command, long_model: str) -> None:
    process = venom.start("chat", LONG, "--model", long_model)
    wait_until(lambda: any(len(text) > 5 for role, _, text in venom.messages() if role == "assistant"), "an answer")
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    out, _ = process.communicate(timeout=30)
    (session,) = venom.json("sessions", "list")
    shown = venom.json("sessions", "show", session["id"])
    user, answer = shown["messages"]
    assert (user["content"], user["state"]) == (LONG, "complete")
    assert answer["state"] == "interrupted"
    assert answer["content"]
    assert out.startswith(answer["content"]) or answer["content"].startswith(out)
    _, alive = psutil.wait_procs(children, timeout=15)
    assert not alive, "the embedded runtime ends with the one that started it"


def test_a_reader_that_goes_away_ends_it_silently(venom: Command, long_model: str) -> None:
    process = venom.start("chat", LONG, "--model", long_model)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(5)
    process.stdout.close()
    assert process.wait(30) == 1
    assert process.stderr.read() == ""
    assert venom.messages()[1][1] == "stopped"


def test_a_reader_that_stands_still_does_not_hold_up_the_end(venom: Command, long_model: str) -> None:
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b"x" * 65536)
        except BlockingIOError:
            pass
        os.set_blocking(writing, True)
        process = subprocess.Popen(
            [*PROGRAM, "chat", LONG, "--model", long_model],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            env=venom.environment(),
        )
        venom.processes.append(process)
        wait_until(lambda: any(len(text) > 5 for role, _, text in venom.messages() if role == "assistant"), "an answer")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 130, err
        assert venom.messages()[1][1] == "stopped"
    finally:
        os.close(reading)
        os.close(writing)


def test_a_time_limit(venom: Command, long_model: str) -> None:
    done = venom("chat", LONG, "--model", long_model, "--timeout", "4", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "runtime_timeout"
    assert "not complete within 4 s" in done.stderr
    assert venom.messages()[1][1] == "stopped"


def test_two_at_once_on_one_data_directory(venom: Command) -> None:
    both = [venom.start("chat", QUESTION, "--json") for _ in range(2)]
    answers = [process.communicate(timeout=90) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert all("Paris" in json.loads(out)["answer"] for out, _ in answers)
    assert [state for _, state, _ in venom.messages()] == ["complete"] * 4
    assert len(venom.json("sessions", "list")) == 2


def test_a_model_that_cannot_be_loaded_is_told_in_llama_cpps_words(venom: Command, demonstration_model: Path) -> None:
    folder = venom.data / "models"
    folder.mkdir(parents=True)
    with demonstration_model.open("rb") as file:
        (folder / "half.gguf").write_bytes(file.read(40_000_000))
    before = venom.json("models", "activate", "smollm2-135m")
    done = venom("models", "activate", "half", "--json")
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 1
    assert error["code"] == "load_failed"
    assert error["server_message"] in done.stderr
    assert error["server_message"]
    (active,) = [model for model in venom.json("models", "list") if model["active"]]
    assert active["name"] == before["name"] == "smollm2-135m"
    failed, *_ = venom.json("operations", "list")
    assert {"load", "switch"} >= {failed["kind"]}
    assert failed["state"] == "failed"


def test_files_are_closed_to_others(venom: Command) -> None:
    done = subprocess.run(
        ["sh", "-c", 'umask 022; exec "$@"', "sh", *PROGRAM, "chat", "help"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=venom.environment(),
        timeout=60,
        check=True,
    )
    assert b"venom-tui doctor" in done.stdout, "what is asked about venom-tui itself needs no model"
    modes = {path.name: path.stat().st_mode & 0o777 for path in [venom.data, *venom.data.rglob("*")]}
    assert {mode for name, mode in modes.items() if (venom.data / name).is_file()} == {0o600}
    assert modes["data"] == 0o700


def test_a_newer_database_is_refused_and_left_as_it_is(venom: Command) -> None:
    venom.json("sessions", "list")
    path = venom.data / "venom.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()
    before = path.read_bytes()
    done = venom("chat", QUESTION, "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "store_too_new"
    assert path.read_bytes() == before


def test_a_broken_database_is_put_aside_and_said(venom: Command) -> None:
    venom.data.mkdir()
    (venom.data / "venom.db").write_bytes(b"this is no database at all" * 1000)
    done = venom("sessions", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert "was damaged" in done.stderr
    assert [path for path in venom.data.iterdir() if "damaged" in path.name]
