"""Every recorded pull of a real Ollama, and what a recording cannot hold: stalls, cuts, a server that ends."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path

import pytest

from tests.core.downloads.recorded import (
    AT_ONCE,
    PULLS,
    TOTAL,
    Followed,
    lines_of,
    ollama_of,
    pulled,
    replays,
    until,
)
from tests.servers import Exchange, hangs, head, sends, sends_then_hangs
from venom_tui.core.downloads.ollama import OllamaPull, pull
from venom_tui.core.downloads.patience import Patience
from venom_tui.core.errors import (
    CutStream,
    DownloadFailed,
    ModelNotFound,
    NoSpace,
    RuntimeBusy,
    RuntimeRefused,
    RuntimeUnavailable,
    UsageError,
    VenomError,
)

STREAM = "application/x-ndjson"
QUICK = Patience(quiet_s=0.05, stalled_s=0.3, tries=2, first_wait_s=0.01, longest_wait_s=0.02)

WHOLE = ("ok", "already-there", "second-tag-shared-layers", "resumed", "two-callers-second-stays", "registry-cuts",
         "part-stalls")  # fmt: skip
FAILURES: dict[str, tuple[type[VenomError], str, str]] = {
    "missing": (ModelNotFound, "has no model library/big", "pull model manifest: file does not exist"),
    "blob-404": (DownloadFailed, "does not have a part", "file does not exist"),
    "digest-mismatch": (DownloadFailed, "was thrown away", "digest mismatch"),
    "http-without-insecure": (RuntimeRefused, "plain HTTP", "does not look like a TLS handshake"),
    "no-network": (RuntimeUnavailable, "cannot reach the registry", "no such host"),
    "refused": (RuntimeUnavailable, "cannot reach the registry", "connection refused"),
    "registry-429": (RuntimeBusy, "slow down", "TOOMANYREQUESTS"),
    "registry-500": (DownloadFailed, "The registry failed", "500: oops"),
    "unauthorized": (RuntimeRefused, "wants a login", "realm host"),
    "bad-name": (UsageError, "no name of a model", "invalid model name"),
    "empty-name": (UsageError, "no name of a model", "invalid model name"),
    "never-through": (DownloadFailed, "broke again and again", "max retries exceeded: unexpected EOF"),
    "disk-full": (NoSpace, "is full", "no space left on device"),
    "missing-nostream": (ModelNotFound, "has no model library/big", "file does not exist"),
}
CUT = ("cut-by-client", "two-callers-first-leaves")
NO_STREAM = ("nostream",)


def test_every_recording_has_its_test() -> None:
    assert {*WHOLE, *FAILURES, *CUT, *NO_STREAM} == set(PULLS)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("name", WHOLE)
async def test_what_ends_well(name: str, known: bool) -> None:
    followed = await pulled(replays(name), total=TOTAL if known else None, layers=4 if known else None)
    assert followed.failure is None
    heard = {line.get("digest"): line["total"] for _, line in lines_of(name) if "total" in line}
    total = TOTAL if known else sum(heard.values())
    assert (followed.now.bytes_done, followed.now.bytes_total, followed.now.share) == (total, total, 1.0)
    assert followed.never_steps_back()
    assert followed.progress.joined.is_set()
    before_the_end = [one.share or 0 for one in followed.seen if one.message != ""]
    assert known or max(before_the_end) <= 0.99, "more may come, as long as the whole is not known"


@pytest.mark.parametrize("name", FAILURES)
async def test_what_fails_says_why(name: str) -> None:
    kind, message, words = FAILURES[name]
    followed = await pulled(replays(name))
    assert type(followed.failure) is kind
    assert isinstance(followed.failure, VenomError)
    assert message in followed.failure.message and words in followed.failure.server_message
    assert followed.failure.hint
    assert followed.never_steps_back()


@pytest.mark.parametrize("name", CUT)
async def test_a_stream_without_success_is_a_failure(name: str) -> None:
    followed = await pulled(replays(name))
    assert isinstance(followed.failure, CutStream)
    assert followed.now.bytes_done == lines_of(name)[-1][1]["completed"]


async def test_an_answer_that_is_not_streamed_is_taken() -> None:
    followed = await pulled(replays("nostream"))
    assert followed.failure is None


async def test_small_layers_without_a_line_count_at_the_end() -> None:
    digests = PULLS["ok"]["digests"]
    heard = [line for _, line in lines_of("ok") if "total" in line]
    assert sum({line["digest"]: line["total"] for line in heard}.values()) < TOTAL and len(digests) < 4
    assert any("completed" not in line for line in heard), "what is 0 is left out"
    followed = await pulled(replays("ok"), total=TOTAL, layers=4)
    assert followed.now.bytes_done == TOTAL


async def test_steps_back_are_noted_and_not_shown() -> None:
    lines = [line.get("completed", 0) for _, line in lines_of("part-stalls") if line.get("total") == 260_000_000]
    assert any(a > b for a, b in itertools.pairwise(lines))
    followed = await pulled(replays("part-stalls"), total=TOTAL)
    assert "the server fetches a part again" in followed.log
    assert followed.never_steps_back()


async def test_a_thousand_equal_lines_are_told_as_silence() -> None:
    equal = json.dumps(lines_of("never-through")[500][1]).encode() + b"\n"

    async def repeats(exchange: Exchange) -> None:
        await exchange.write(head(kind=STREAM))
        for _ in range(1000):
            await exchange.write(equal)
            await asyncio.sleep(0.0002)
        await exchange.write(json.dumps(lines_of("never-through")[-1][1]).encode() + b"\n")

    followed = await pulled(repeats, patience=Patience(quiet_s=0.05, tries=0))
    silent = [one for one in followed.seen if one.message == "no byte for 0 s, the server is retrying"]
    assert silent and len(followed.seen) < 30, "equal lines are no news"
    assert isinstance(followed.failure, DownloadFailed)


async def test_a_step_back_after_silence_ends_it() -> None:
    def line(done: int) -> bytes:
        return json.dumps({"status": "pulling a", "digest": "sha256:a", "total": 100, "completed": done}).encode()

    async def script(exchange: Exchange) -> None:
        await exchange.write(head(kind=STREAM) + line(50) + b"\n")
        await asyncio.sleep(0.15)
        await exchange.write(line(40) + b"\n" + line(60) + b'\n{"status":"success"}\n')

    followed = await pulled(script, patience=Patience(quiet_s=0.05, tries=0))
    assert [one.message for one in followed.seen if one.message][:3] == [
        "layer 1",
        "no byte for 0 s, the server is retrying",
        "layer 1",
    ]
    assert followed.never_steps_back()


# ---------------------------------------------------------------------- begun again


async def test_a_pull_that_hangs_is_begun_again_and_not_for_ever() -> None:
    first = json.dumps(lines_of("ok")[5][1]).encode() + b"\n"
    stalls = sends_then_hangs(head(kind=STREAM), first)
    followed = await pulled(stalls, replays("ok"), patience=QUICK)
    assert followed.failure is None
    assert (followed.now.retries, followed.log[0]) == (
        1,
        "no byte for 0 s: begun again from the partial files (1 of 2)",
    )
    followed = await pulled(hangs, patience=QUICK)
    assert isinstance(followed.failure, DownloadFailed) and "no byte for too long" in followed.failure.message
    assert followed.now.retries == 2


async def test_checking_what_came_has_no_limit() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.write(head(kind=STREAM) + b'{"status":"verifying sha256 digest"}\n')
        await asyncio.sleep(0.5)
        await exchange.write(b'{"status":"success"}\n')

    followed = await pulled(script, patience=QUICK)
    assert followed.failure is None
    assert [one.message for one in followed.seen] == ["verifying sha256 digest", ""]


async def test_a_server_that_ends_and_comes_back() -> None:
    some = b"".join(json.dumps(line).encode() + b"\n" for _, line in lines_of("ok")[:40])
    followed = Followed()
    async with ollama_of(sends(head(kind=STREAM), some), replays("resumed")) as (client, server):
        port = server.port
        waiting = asyncio.create_task(pull(client, OllamaPull("big"), followed.progress, Patience(first_wait_s=0.05)))
        async with asyncio.timeout(20):
            await until(lambda: followed.now.bytes_done)
            await server.close()
            await until(lambda: any("attempts failed" in line for line in followed.log))
            await server.start(port=port)
            await waiting
    assert followed.now.bytes_done == sum(
        {line["digest"]: line["total"] for _, line in lines_of("resumed") if "digest" in line}.values()
    )
    assert followed.never_steps_back() and followed.now.retries >= 2


async def test_a_server_that_is_not_there_is_said_at_once() -> None:
    followed = Followed()
    async with ollama_of(hangs) as (client, server):
        await server.close()
        with pytest.raises(RuntimeUnavailable):
            await pull(client, OllamaPull("big"), followed.progress, Patience())
        await server.start()
    assert followed.now.retries == 0


async def test_partial_files_that_are_gone_are_told() -> None:
    followed = await pulled(replays("ok"), total=TOTAL, bytes_done=200_000_000, bytes_total=TOTAL, share=0.77)
    assert followed.log[0] == "partial files that were there are gone"
    assert followed.failure is None and followed.seen[1].bytes_done == 21_757_952
    resumed = await pulled(replays("resumed"), total=TOTAL, bytes_done=160_000_000, bytes_total=TOTAL, share=0.61)
    assert resumed.log == [] and resumed.never_steps_back()


async def test_a_cancelled_pull_closes_its_connection() -> None:
    closed = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await replays("two-callers-first-leaves")(exchange)
        await exchange.gone()
        closed.set()

    followed = Followed()
    async with ollama_of(script) as (client, _):
        task = asyncio.create_task(pull(client, OllamaPull("big"), followed.progress, AT_ONCE))
        await until(lambda: followed.now.bytes_done == 104_202_240)
        task.cancel()
        await asyncio.wait({task})
        async with asyncio.timeout(20):
            await closed.wait()


async def test_a_full_disk_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("venom_tui.core.downloads.ollama.free_bytes", lambda folder: 1_000_000)
    followed = await pulled(replays("disk-full"), total=TOTAL, folder=str(tmp_path))
    assert isinstance(followed.failure, NoSpace)
    last = [line for _, line in lines_of("disk-full") if "completed" in line][-1]
    missing = TOTAL - last["completed"] - 1_000_000
    assert followed.failure.missing_bytes == missing
    assert followed.failure.message == f"The disk of {tmp_path} is full: {missing / 2**20:.1f} MiB more are needed."
    assert "go on from what" not in followed.failure.hint and "Make room" in followed.failure.hint


@pytest.mark.parametrize("insecure", [True, False])
async def test_what_is_asked(insecure: bool) -> None:
    async with ollama_of(replays("already-there")) as (client, server):
        await pull(client, OllamaPull("a/b:c", insecure), Followed().progress, AT_ONCE)
    (exchange,) = server.asked
    assert exchange.target == "POST /api/pull"
    assert exchange.json == {"model": "a/b:c", "stream": True} | ({"insecure": True} if insecure else {})
