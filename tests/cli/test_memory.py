"""Memory from the shell: loaded, kept, unloaded, refused with numbers, asked about, told what changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.test_catalog import Ollama
from tests.ollama import FakeOllama
from venom_tui.cli import model_memory, options
from venom_tui.core.errors import Declined, PlanChanged
from venom_tui.core.models.manager import ModelManager
from venom_tui.core.types.memory import MemoryPlan

from .conftest import Cli

ONE, TWO = "one:latest", "two:latest"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """An Ollama that runs beside the command."""
    fake = FakeOllama(models={ONE: {}, TWO: {}})
    with Ollama(fake) as server:
        monkeypatch.setenv("OLLAMA_HOST", server.url)
        yield fake


def asks(monkeypatch: pytest.MonkeyPatch, *answers: bool) -> list[str]:
    """Let somebody answer questions; return the list of what was asked."""
    asked: list[str] = []

    def confirm(question: str, *, yes: bool) -> None:
        asked.append(question)
        if not answers[len(asked) - 1]:
            raise Declined("Nothing was changed.")

    for module in (model_memory, options):
        monkeypatch.setattr(module, "somebody", lambda: True)
        monkeypatch.setattr(module, "confirm", confirm)
    return asked


def test_from_load_to_unload(cli: Cli, fake: FakeOllama) -> None:
    assert cli("models", "load", "one").out == f"{ONE} is loaded at runtime ollama.\n"
    assert cli("models", "load", "one", "--json").json["loaded"] is True
    assert fake.loads == [(ONE, 4096)], "the second time there was nothing to do"
    assert cli("models", "pin", "one").out == f"{ONE} stays loaded at runtime ollama.\n"
    assert cli("models", "pin", "one", "--json").json["pinned"] is True
    extended = cli("models", "extend", "one", "10m")
    assert extended.out.startswith(f"{ONE} leaves at ") and extended.out.endswith(" if nobody asks it.\n")
    assert cli("models", "extend", "one", "1h", "--json").json["pinned"] is False
    assert cli("models", "unpin", "one").status == 0
    freed = cli("models", "unload", "one", "--json").json
    assert (freed["name"], freed["loaded"], freed["expected_bytes"]) == (ONE, False, 209_505_483)
    assert fake.loaded == {}
    assert cli("models", "unload", "one").out == f"{ONE} was not loaded.\n"
    kinds = [one["kind"] for one in cli("operations", "list", "--json").json]
    assert sorted(kinds) == sorted(["load", "pin", "pin", "extend", "extend", "unpin", "unload"])


@pytest.mark.parametrize("verb", [("unload",), ("unpin",), ("extend",)])
def test_what_others_pinned(cli: Cli, fake: FakeOllama, verb: tuple[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fake.hold(ONE, forever=True)
    arguments = ("models", *verb, "one", *(["10m"] if verb == ("extend",) else []))
    refused = cli(*arguments, "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "declined")
    assert "is pinned by somebody else" in refused.err and "--yes" in refused.err
    asked = asks(monkeypatch, False, True)
    assert cli(*arguments).status == 1
    assert cli(*arguments).status == 0
    assert all("Go on?" in question for question in asked)
    assert not any(row["expires_at"].startswith("23") for row in fake.loaded.values())


def test_a_version_is_refused_as_its_model_is(cli: Cli, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("models", "versions", "register", "v1", "one", "--param", "context_length=1024").status == 0
    monkeypatch.setenv("VENOM_KEEP_FREE_RAM", "9TiB")
    for policy, code, option in (("refuse", "guard_refused", "--force"), ("ask", "declined", "--yes")):
        monkeypatch.setenv("VENOM_POLICY_RAM", policy)
        for verb in (("activate", "v1"), ("rollback",)):
            refused = cli("models", "versions", *verb, "--json")
            assert (refused.status, refused.json["error"]["code"]) == (1, code), verb
            assert "beside the 9216.0 GiB that are to be kept" in refused.err
            assert fake.loaded == {}
            assert cli("models", "versions", *verb, option).status == 0
            assert cli("models", "unload", "one").status == 0
    assert fake.loads == [(ONE, 1024), (ONE, 4096)] * 2


def test_a_limit_asks_refuses_and_is_overridden(cli: Cli, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENOM_KEEP_FREE_RAM", "9TiB")
    refused = cli("models", "activate", "one", "--json")
    assert (refused.status, refused.json["error"]["code"]) == (1, "declined")
    assert "beside the 9216.0 GiB that are to be kept" in refused.json["error"]["message"]
    assert refused.json["error"]["evicts"] == []
    shown = cli("models", "activate", "one")
    assert "needs " in shown.err and "limit   RAM: " in shown.err
    assert fake.loaded == {}
    assert cli("models", "activate", "one", "--yes").status == 0
    monkeypatch.setenv("VENOM_POLICY_RAM", "refuse")
    for arguments in ((), ("--yes",)):
        found = cli("models", "load", "two", *arguments, "--json")
        assert (found.status, found.json["error"]["code"]) == (1, "guard_refused")
    assert cli("models", "load", "two", "--force").status == 0
    assert set(fake.loaded) == {ONE, TWO}


def test_who_is_pushed_out_by_the_runtime_is_told(cli: Cli, fake: FakeOllama) -> None:
    fake.most = 1
    fake.hold(TWO, forever=True)
    done = cli("models", "load", "one", "--json")
    words = f"venom-tui: ollama itself unloaded {TWO} (loaded by others, pinned) when it loaded {ONE}."
    assert (done.status, done.json["loaded"], words in done.err) == (0, True, True)


def test_a_prompt_says_yes_where_it_may(cli: Cli, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.cli.chat.read_prompt", lambda prompt, **_: prompt)
    monkeypatch.setenv("VENOM_KEEP_FREE_RAM", "9TiB")
    prompt = ("chat", "Hello", "--model", "one", "--json")
    refused = cli(*prompt)
    assert (refused.status, refused.json["error"]["code"], fake.loaded) == (1, "declined", {})
    assert "one:latest is not loaded without a yes: one:latest needs " in refused.json["error"]["message"]
    assert f"`venom-tui models activate {ONE} --yes` or `venom-tui chat --yes`" in refused.err
    monkeypatch.setenv("VENOM_POLICY_RAM", "refuse")
    assert cli(*prompt, "--yes").json["error"]["code"] == "guard_refused"
    assert (cli(*prompt, "--force").status, set(fake.loaded)) == (0, {ONE})
    fake.loaded.clear()
    monkeypatch.setenv("VENOM_POLICY_RAM", "ask")
    assert (cli(*prompt, "--yes").status, set(fake.loaded)) == (0, {ONE})
    assert cli(*prompt).status == 0, "it is loaded"
    fake.loaded.clear()
    monkeypatch.setenv("VENOM_POLICY_RAM", "warn")
    warned = cli(*prompt)
    assert (warned.status, set(fake.loaded)) == (0, {ONE})
    assert f"venom-tui: {ONE} is loaded over a limit: RAM: " in warned.err


def test_somebody_is_asked(cli: Cli, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENOM_KEEP_FREE_RAM", "9TiB")
    asked = asks(monkeypatch, False, True)
    no = cli("models", "activate", "one")
    assert (no.status, fake.loaded) == (1, {})
    assert cli("models", "activate", "one").status == 0
    assert len(asked) == 2 and all("9216.0 GiB" in question for question in asked)


def test_what_changed_meanwhile(cli: Cli, fake: FakeOllama, monkeypatch: pytest.MonkeyPatch) -> None:
    carry_out = ModelManager.carry_out
    tries: list[MemoryPlan] = []

    async def changed_once(self: ModelManager, plan: MemoryPlan, **said: Any) -> tuple[str, ...]:
        tries.append(plan)
        if len(tries) % 2:
            failure = PlanChanged("one was not switched to: two answers now. Meanwhile: switch two succeeded.")
            failure.plan = plan
            raise failure
        return await carry_out(self, plan, **said)

    monkeypatch.setattr(ModelManager, "carry_out", changed_once)
    told = cli("models", "activate", "one", "--json")
    assert (told.status, told.json["error"]["code"]) == (1, "plan_changed")
    assert "Meanwhile: switch two succeeded." in told.json["error"]["message"]
    tries.clear()
    asked = asks(monkeypatch, True)
    done = cli("models", "activate", "one")
    assert done.status == 0 and "Meanwhile: switch two" in done.err
    assert asked == [f"Switch to {ONE} all the same?"]


def test_what_the_shell_cannot_hold(cli: Cli, demonstration_model: object) -> None:
    for verb in (("load",), ("pin",), ("unpin",), ("extend",)):
        found = cli("models", *verb, "smollm2-135m", *(["10m"] if verb == ("extend",) else []), "--json")
        assert (found.status, found.json["error"]["code"]) == (2, "usage")
        assert "the embedded llama.cpp ends with the command that started it" in found.json["error"]["message"]
