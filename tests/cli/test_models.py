"""Models, operations, runtimes and stop from the shell, with the real runtime where something is loaded."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest

from tests.core.hostile import MARKUP, SEQUENCES
from tests.gguf_files import CHAT, Writer, write_gguf
from venom_tui.core.types.model import ModelInfo

from .conftest import LONG, Cli, Command, wait_until

pytestmark = pytest.mark.usefixtures("demonstration_model")


def workers(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children(recursive=True) if "embedded_worker" in " ".join(child.cmdline())]


# ---------------------------------------------------------------------- with the real runtime


def test_activating_and_its_history(venom: Command, long_model: str) -> None:
    done = venom("models", "activate", long_model)
    assert (done.returncode, done.stdout) == (0, "long of runtime embedded answers from now on.\n")
    assert "loading long …" in done.stderr
    assert [model["name"] for model in venom.json("models", "list") if model["active"]] == [long_model]
    assert venom.json("route", "hello")["reason"] == "the last one used"
    load, switch = venom.json("operations", "list")
    assert set(switch) >= {
        *("id", "kind", "target", "runtime", "provider", "state", "bytes_done", "bytes_total", "error", "cause"),
        *("started_at", "finished_at"),
    }
    assert (switch["kind"], switch["target"], switch["state"]) in (
        ("switch", "long", "succeeded"),
        ("switch", "smollm2-135m → long", "succeeded"),
    )
    assert (load["kind"], load["target"], load["state"], load["cause"]) == ("load", "long", "succeeded", "switch")
    assert load["bytes_done"] == load["bytes_total"] > 50_000_000
    shown = venom.json("operations", "show", load["id"][:8])
    assert shown.pop("log")[-1].endswith(" succeeded")
    assert shown == load
    assert "succeeded" in venom("operations", "show", load["id"]).stdout
    refused = venom("operations", "clear", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]["code"]) == (1, "declined")
    assert venom.json("operations", "clear", "--yes") == {"removed": 2}
    assert venom.json("operations", "list") == []


def test_an_interrupted_activation_changes_nothing(venom: Command, long_model: str) -> None:
    before = venom.json("info")
    process = venom.start("models", "activate", long_model, "--json")
    parent = psutil.Process(process.pid)
    wait_until(lambda: bool(workers(parent)), "the load")
    children = workers(parent)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert not psutil.wait_procs(children, timeout=20)[1]
    values = {item["name"]: item["value"] for item in venom.json("info")["settings"]}
    assert values == {item["name"]: item["value"] for item in before["settings"]}
    assert {operation["state"] for operation in venom.json("operations", "list")} <= {"cancelled", "interrupted"}


def test_stop_leaves_what_belongs_to_a_living_one(venom: Command, long_model: str) -> None:
    process = venom.start("chat", LONG, "--model", long_model)
    assert process.stdout is not None
    process.stdout.read(5)
    (worker,) = workers(psutil.Process(process.pid))
    done = venom("stop", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    held = [found for found in report["held"] if found["pid"] == worker.pid]
    assert [(found["parent_pid"], found["orphan"]) for found in held] == [(process.pid, False)]
    assert report["stopped"] == []
    assert f"{worker.pid} belongs to venom-tui {process.pid} and ends with it" in venom("stop").stdout
    assert process.poll() is None
    assert worker.is_running()
    (session,) = venom.json("sessions", "list")
    assert session["streaming"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 130
    assert not psutil.wait_procs([worker], timeout=20)[1]


# ---------------------------------------------------------------------- without it


def test_unusable_files(cli: Cli, data_dir: Path) -> None:
    folder = data_dir / "models"
    folder.mkdir(parents=True)
    (folder / "page.gguf").write_text("<html>")
    found = cli("models", "activate", "page", "--json")
    assert (found.status, found.json["error"]["code"]) == (1, "load_failed")
    assert "it is no GGUF file" in found.err
    assert "unusable: it is no GGUF file" in cli("models", "list").out
    assert "unusable" in cli("models", "show", "page").out


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("models", "show", "gone"), 1, "model_not_found"),
        (("models", "activate", "gone"), 1, "model_not_found"),
        (("models", "activate", "../x"), 2, "usage"),
        (("models", "unload", "gone"), 1, "model_not_found"),
        (("models", "params", "gone", "seed=1"), 1, "model_not_found"),
        (("models", "params", "smollm2-135m", "seed=-1"), 2, "usage"),
        (("models", "params", "smollm2-135m", "colour=red"), 2, "usage"),
        (("models", "list", "--bogus"), 2, "usage"),
        (("operations", "show", "gone"), 1, "not_found"),
        (("operations", "list", "--limit", "-1"), 2, "usage"),
        (("runtimes", "nonsense"), 2, "usage"),
        (("route", "hello", "--model", "gone"), 1, "model_not_found"),
        (("route", " "), 2, "usage"),
        (("route", "hello", "--mode", "normal"), 2, "usage"),
        (("stop", "nonsense"), 2, "usage"),
        (("doctor", "--shallow"), 2, "usage"),
        (("guard", "nonsense"), 2, "usage"),
        (("--read-only", "models", "activate", "smollm2-135m"), 1, "read_only"),
        (("--read-only", "models", "params", "smollm2-135m", "seed=1"), 1, "read_only"),
        (("--read-only", "models", "unload", "smollm2-135m"), 1, "read_only"),
    ],
)
def test_failures_in_both_forms(cli: Cli, arguments: tuple[str, ...], status: int, code: str) -> None:
    plain, told = cli(*arguments), cli(*arguments, "--json")
    assert (plain.status, told.status) == (status, status)
    assert plain.out == ""
    assert plain.err.startswith("venom-tui: ")
    assert told.err == plain.err
    assert set(told.json["error"]) == {"code", "message", "hint", "server_message"}
    assert told.json["error"]["code"] == code
    assert told.json["error"]["message"] in plain.err


def test_hostile_files_and_names(cli: Cli, data_dir: Path) -> None:
    folder = data_dir / "models"
    folder.mkdir(parents=True)
    for number, text in enumerate((*SEQUENCES, *MARKUP)):
        name = text.replace("/", "").replace("\0", "")
        values = CHAT | {"general.architecture": text, "general.name": text, f"{text}.context_length": 5}
        (folder / f"{number}{name}.gguf").write_bytes(Writer().header(values))
    listed = cli("models", "list", "--json")
    models = listed.json
    assert len(models) == len(SEQUENCES) + len(MARKUP) + 1
    texts = [listed.out, cli("models", "list").out]
    for model in models[::6]:
        for arguments in (("show",), ("params", "seed=1")):
            found = cli("models", arguments[0], model["name"], *arguments[1:])
            assert found.status == 0, found.err
            texts.append(found.out)
    texts += [cli("models", "show", text).err for text in SEQUENCES[::3]]
    texts += [cli("models", "show", text, "--json").out for text in SEQUENCES[::3]]
    for text in texts:
        assert not [character for character in text if _acts(character)]
    assert "[x]" in texts[1], "markup is text"


def _acts(character: str) -> bool:
    number = ord(character)
    return (
        (number < 32 and character != "\n")
        or 127 <= number < 160
        or character in "\u202e\u2066\u200f\u061c\ufeff\u2028"
    )


def test_parameters_for_people(cli: Cli, data_dir: Path) -> None:
    write_gguf(data_dir / "models" / "tiny.gguf")
    found = cli("models", "params", "tiny", "stop=a\x1b[31m,\u202eb", "temperature=0")
    assert found.status == 0
    assert not [character for character in found.out if _acts(character)]
    assert cli("models", "params", "tiny", "--json").json["parameters"]["temperature"] == 0
    again = cli("models", "params", "tiny", "--unset", "temperature", "--unset", "stop", "--json").json
    assert set(again["parameters"].values()) == {None}


def test_runtimes(cli: Cli) -> None:
    found = cli("runtimes", "list", "--json").json
    assert {"id", "kind", "state", "endpoint", "version", "detail"} <= set(found[0])
    assert cli("runtimes", "list").out.startswith("ID")


def test_what_a_listing_says_of_a_model() -> None:
    """The fields that DESIGN.md names are fields of what the core returns."""
    assert set(ModelInfo.__slots__) >= {
        *("name", "runtime", "provider", "size_bytes", "digest", "parameter_size", "quantization", "context_length"),
        *("capabilities", "loaded", "vram_bytes", "active"),
    }


def test_what_does_not_answer_is_named_beside_the_list(venom: Command) -> None:
    done = venom("models", "list", "--json", OLLAMA_HOST="127.0.0.1:9")
    assert done.returncode == 0 and {model["runtime"] for model in json.loads(done.stdout)} == {"embedded"}
    assert done.stderr == "venom-tui: ollama at http://127.0.0.1:9 is left out: connection refused.\n"
    assert venom("models", "list", "--runtime", "embedded", OLLAMA_HOST="127.0.0.1:9").stderr == ""
