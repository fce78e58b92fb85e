"""What is looked at once more when the turn of a pull comes: room, the limit of the disk, who may be asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.core.downloads.hubs import MIB, weights
from tests.core.downloads.recorded import replays
from tests.core.models.pulls.support import MANIFEST, core_with, ollama, registry
from tests.hub import Hub, Repository
from tests.servers import hangs
from venom_tui.core.core import Core
from venom_tui.core.errors import GuardRefused, NeedsYes, NoSpace, Offline
from venom_tui.core.models.pulls import fetching, previews
from venom_tui.core.models.pulls.unfinished import UnfinishedPull
from venom_tui.core.operations.runner import Terms
from venom_tui.core.types.operation import Operation, OperationState

S = OperationState
GIB = 1024**3
REFUSES: dict[str, Any] = {"VENOM_KEEP_FREE_DISK": "900TiB", "VENOM_POLICY_DISK": "refuse"}
ASKS: dict[str, Any] = {"VENOM_KEEP_FREE_DISK": "900TiB", "VENOM_POLICY_DISK": "ask"}


@pytest.fixture
def small() -> Repository:
    return Repository("org/a", {"a-Q4_0.gguf": weights(4 * MIB)})


async def stopped(core: Core, hub: Hub, *, pause: bool = False) -> Operation:
    """Begin a pull, and stop it in the middle."""
    hub.faults.rate = MIB
    pull = await core.models.pull("org/a")
    async for now in core.operations.follow(pull.id):
        if (now.bytes_done or 0) > MIB // 2:
            break
    ended = await (core.operations.pause if pause else core.operations.cancel)(pull.id)
    hub.faults.rate = 0
    return ended


async def test_a_retry_and_a_resumption_obey_the_limit_too(tmp_path: Path, small: Repository) -> None:
    with Hub(small) as hub:
        async with core_with(tmp_path, hub=hub) as (core, _):
            paused = await stopped(core, hub, pause=True)
        async with core_with(tmp_path, hub=hub, **REFUSES) as (core, _):
            resumed = await core.operations.resume(paused.id)
            ended = await core.operations.wait(resumed.id)
            assert (ended.state, ended.error_code) == (S.FAILED, "guard_refused")
            assert "are to be kept" in ended.error
            again = await core.operations.wait((await core.operations.retry(paused.id)).id)
            assert (again.state, again.error_code) == (S.FAILED, "guard_refused")
            with pytest.raises(GuardRefused):
                await core.models.pull("org/a")
            forced = await core.models.pull("org/a", force=True)
            assert (await core.operations.wait(forced.id)).state is S.SUCCEEDED


async def test_what_was_said_yes_to_is_not_asked_again(tmp_path: Path, small: Repository) -> None:
    with Hub(small) as hub:
        async with core_with(tmp_path, hub=hub) as (core, _):
            paused = await stopped(core, hub, pause=True)
        async with core_with(tmp_path, hub=hub, **ASKS) as (core, _):
            with pytest.raises(NeedsYes):
                await core.models.pull("org/a")
            hub.faults.rate = MIB
            same = await core.models.pull("org/a", yes=True)
            assert same.id == paused.id
            async for now in core.operations.follow(same.id):
                if now.state is S.RUNNING and (now.bytes_done or 0) > MIB:
                    break
            await core.operations.cancel(same.id)
            hub.faults.rate = 0
            again = await core.operations.retry(same.id)
            assert (await core.operations.wait(again.id)).state is S.SUCCEEDED


async def test_asking_for_what_runs_is_no_new_pull(tmp_path: Path, small: Repository) -> None:
    with Hub(small) as hub:
        hub.faults.rate = MIB
        async with core_with(tmp_path, hub=hub, **ASKS) as (core, _):
            first = await core.models.pull("org/a", yes=True)
            assert (await core.models.pull("org/a")).id == first.id, "it was said yes to"
            found = await core.models.preview_pull("org/a")
            assert found.others_bytes == 0, "it is no other one"
            await core.operations.cancel(first.id)


async def test_other_pulls_take_of_the_same_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repositories = [Repository(f"org/{name}", {f"{name}-Q4_0.gguf": weights(6 * MIB, seed)}) for name, seed in
                    (("a", 1), ("b", 2))]  # fmt: skip
    with Hub(*repositories) as hub:
        async with core_with(tmp_path, hub=hub) as (core, _):
            monkeypatch.setattr(previews, "free_bytes", lambda _folder: 9 * MIB)
            hub.faults.rate = MIB
            first = await core.models.pull("org/a")
            found = await core.models.preview_pull("org/b")
            assert 0 < found.others_bytes <= 6 * MIB and found.short_bytes > 0
            assert any("Other pulls still fetch " in text and text.endswith(" MiB there.") for text in found.warnings)
            with pytest.raises(NoSpace):
                await core.models.pull("org/b", preview=found)
            await core.operations.pause(first.id)
            assert (await core.models.preview_pull("org/b")).others_bytes == 0, "what is paused fetches nothing"


async def test_queued_pulls_of_an_ollama_do_not_overflow_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = tmp_path / "models" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"sha256-{'e' * 64}").write_bytes(b"weights")
    monkeypatch.setattr(previews, "free_bytes", lambda _folder: 3 * GIB)
    with Hub() as hub:
        registry(hub)
        layers = [{**MANIFEST["layers"][0], "digest": f"sha256:{'9' * 64}", "size": GIB}]  # type: ignore[index]
        registry(hub, "library/other", manifest={**MANIFEST, "layers": layers})
        fake = ollama(replays("ok", speed=8.0), modelfile=f"FROM {blobs}/sha256-{'e' * 64}\n")
        async with core_with(tmp_path, hub=hub, ollama=fake) as (core, server):
            assert server is not None

            def free(_folder: str) -> int:
                """The first one fills the disk."""
                return GIB // 2 if any(one.target == "POST /api/pull" for one in server.asked) else 3 * GIB

            monkeypatch.setattr(fetching, "free_bytes", free)
            first, second = await core.models.pull("big"), await core.models.pull("other")
            assert (await core.operations.wait(first.id)).state is S.SUCCEEDED
            ended = await core.operations.wait(second.id)
            assert (ended.state, ended.error_code) == (S.FAILED, "no_space"), ended.error
            assert len([one for one in server.asked if one.target == "POST /api/pull"]) == 1
            # What was written before the layers were known is begun as it was.
            (_, terms) = next(one for one in await core.operations.unfinished("pull") if one[0].id == second.id)
            arguments = {key: value for key, value in terms.arguments.items() if key != "digests"}
            old = replace(terms, arguments=arguments, claim="old")
            begun = await core.operations.submit("pull", "other", old, provider="ollama")
            assert (await core.operations.wait(begun.id)).state is S.SUCCEEDED


async def test_layers_that_both_need_are_fetched_once(tmp_path: Path) -> None:
    blobs = tmp_path / "models" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"sha256-{'e' * 64}").write_bytes(b"weights")
    with Hub() as hub:
        registry(hub)
        registry(hub, "library/big", "7b")
        fake = ollama(hangs, modelfile=f"FROM {blobs}/sha256-{'e' * 64}\n")
        async with core_with(tmp_path, hub=hub, ollama=fake) as (core, _):
            await core.models.pull("big")
            assert (await core.models.preview_pull("big:7b")).others_bytes == 0


@pytest.mark.parametrize("key", ["VENOM_OFFLINE", "HF_HUB_OFFLINE"])
async def test_what_is_gone_on_with_asks_nobody_offline(tmp_path: Path, small: Repository, key: str) -> None:
    with Hub(small) as hub:
        async with core_with(tmp_path, hub=hub) as (core, _):
            paused = await stopped(core, hub, pause=True)
        hub.asked.clear()
        values: dict[str, Any] = {key: "1"}
        async with core_with(tmp_path, hub=hub, **values) as (core, _):
            for again in (core.operations.resume, core.operations.retry):
                ended = await core.operations.wait((await again(paused.id)).id)
                assert (ended.state, ended.error_code) == (S.FAILED, "offline") and key in ended.error
        assert not hub.asked_for("*")


async def test_an_ollama_is_told_to_fetch_nothing_from_outside_while_offline(tmp_path: Path) -> None:
    with Hub() as hub:
        registry(hub)
        fake = ollama(hangs)
        async with core_with(tmp_path, hub=hub, ollama=fake) as (core, _):
            paused = await core.models.pull("big")
            await core.operations.pause(paused.id)
        async with core_with(tmp_path, hub=hub, ollama=fake, VENOM_OFFLINE="1") as (core, server):
            assert server is not None
            with pytest.raises(Offline, match=r"The registry registry\.ollama\.ai is not asked"):
                await core.models.pull("big")
            ended = await core.operations.wait((await core.operations.resume(paused.id)).id)
            assert (ended.state, ended.error_code) == (S.FAILED, "offline")
            assert not [one for one in server.asked if one.target == "POST /api/pull"]
            own = await core.models.preview_pull("localhost:5000/library/big")
            assert own.provider == "ollama", "a registry of the own network is asked"


@pytest.mark.parametrize(("done", "left"), [(0, 40), (20, 20), (40, 0)])
def test_what_a_server_tells_of_a_folder_that_we_may_not_look_into(tmp_path: Path, done: int, left: int) -> None:
    mine = {"provider": "ollama", "folder": str(tmp_path), "digests": [["sha256:" + "1" * 64, GIB]]}
    terms = Terms("", "", mine | {"digests": [["sha256:" + "2" * 64, 40 * GIB]]})
    other = Operation("1", "pull", "big", S.RUNNING, bytes_done=done * GIB, bytes_total=40 * GIB)
    assert fetching.others_bytes([UnfinishedPull(other, terms)], mine) == left * GIB
    elsewhere = replace(other, host="box2")
    assert fetching.others_bytes([UnfinishedPull(elsewhere, terms)], mine) == 0, "it is the disk of another machine"
