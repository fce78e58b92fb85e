"""A pull that Ollama does: followed line by line, begun again where it hangs, its failures told as what they are."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from venom_tui.core.clients.ollama import OllamaClient
from venom_tui.core.downloads.layers import Layers
from venom_tui.core.downloads.patience import Patience, silence
from venom_tui.core.downloads.space import free_bytes, full_disk
from venom_tui.core.errors import (
    BadAnswer,
    CutStream,
    DownloadFailed,
    ModelNotFound,
    NoSpace,
    RuntimeBusy,
    RuntimeFailure,
    RuntimeRefused,
    RuntimeTimeout,
    RuntimeUnavailable,
    UsageError,
    VenomError,
)
from venom_tui.core.operations.progress import Progress

_TICK_S = 1.0
_FURTHER_SHARE = 0.95
"""A pull that goes on below this share of what was there before has lost its partial files."""
_PASSING = re.compile(
    r"max retries|unexpected eof|\beof\b|connection reset|broken pipe|i/o timeout|timed? ?out|deadline exceeded|"
    r"temporary failure|\b50[0234]\b|server misbehaving|network is unreachable|no such host|connection refused",
    re.IGNORECASE,
)
"""Words of failures that may pass by themselves."""


@dataclass(frozen=True, slots=True)
class OllamaPull:
    """What is pulled, and what is known of it before."""

    model: str
    insecure: bool = False
    total: int | None = None
    layers: int | None = None
    folder: str | None = None
    """Where it will lie, where that is on this machine."""


class _Stalled(Exception):
    """Nothing came for too long."""


async def pull(client: OllamaClient, wanted: OllamaPull, progress: Progress, patience: Patience | None = None) -> None:
    """Let Ollama fetch a model, and return when it has it.

    Being cancelled leaves the server's partial files, from which the next pull goes on.

    Raises:
        VenomError: it cannot be had; the server's own words are in it.
    """
    patience = patience or Patience()
    failures, reached = 0, False
    while True:
        layers = Layers(wanted.total, wanted.layers)
        try:
            await _follow(client, wanted, layers, progress, patience)
        except (VenomError, _Stalled) as failure:
            reached = reached or not isinstance(failure, RuntimeUnavailable)
            failures = 1 if layers.moved >= patience.enough_bytes else failures + 1
            if failures > patience.tries or not _may_pass(failure, layers, reached):
                raise await _told(failure, wanted, progress, client.who) from failure
            await _wait(failure, failures, progress, patience)
        else:
            return


async def _follow(
    client: OllamaClient, wanted: OllamaPull, layers: Layers, progress: Progress, patience: Patience
) -> None:
    """Follow one pull to its `success`."""
    body = {"model": wanted.model, "stream": True, **({"insecure": True} if wanted.insecure else {})}
    before = progress.operation.bytes_done or 0
    steps = 0
    loop = asyncio.get_running_loop()
    silent = _Silence(progress, patience, lambda: layers.moved)
    try:
        async with (
            asyncio.timeout(patience.stalled_s) as limit,
            silent,
            client.streamed("/api/pull", body, accept="application/x-ndjson") as response,
            aclosing(client.lines(response)) as lines,
        ):
            async for line in lines:
                first = not layers.known
                if layers.take(line) or not layers.fetching:
                    silent.heard(layers.fetching)
                    limit.reschedule(loop.time() + patience.stalled_s if layers.fetching else None)
                if layers.known and first:
                    _begun(layers, progress, before)
                if layers.steps_back > steps:
                    steps = layers.steps_back
                    progress.log("the server fetches a part again")
                _show(layers, progress, silent.told)
                if layers.finished:
                    return
    except TimeoutError:
        raise _Stalled from None
    raise CutStream(f"{client.who} ended the pull in the middle.")


def _begun(layers: Layers, progress: Progress, before: int) -> None:
    """Take notice that the server has joined a layer's download."""
    progress.joined.set()
    if layers.total and layers.done < before * _FURTHER_SHARE and layers.total > before:
        heard_most = layers.done + (progress.operation.bytes_total or layers.total) - layers.total
        if heard_most < before * _FURTHER_SHARE:
            progress.log("partial files that were there are gone")
            progress.lost(layers.done)


def _show(layers: Layers, progress: Progress, silent: bool) -> None:
    message = None if silent else layers.words
    if layers.known:
        progress.update(
            message=message,
            bytes_done=layers.done,
            bytes_total=layers.total,
            bytes_moved=layers.moved,
            whole=layers.whole,
        )
    else:
        progress.update(message=message)
    if layers.finished:
        progress.joined.set()


class _Silence:
    """Tells, while nothing comes, for how long."""

    def __init__(self, progress: Progress, patience: Patience, moved: Callable[[], int]) -> None:
        self._progress = progress
        self._patience = patience
        self._moved = moved
        self._since: float | None = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self.told = False
        """Whether the silence is what the operation tells now."""

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._watch(), name="silence of a pull")

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})

    def heard(self, fetching: bool) -> None:
        """Take notice of a byte, or of work that has no progress."""
        self._since = time.monotonic() if fetching else None
        self.told = False

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(_TICK_S, self._patience.quiet_s))
            if self._since is None:
                continue
            quiet = time.monotonic() - self._since
            if quiet >= self._patience.quiet_s:
                self.told = True
                self._progress.update(
                    message=f"no byte for {silence(quiet)} s, the server is retrying",
                    bytes_moved=self._moved(),
                )


def _may_pass(failure: VenomError | _Stalled, layers: Layers, reached: bool) -> bool:
    """Return whether a failure is one that another try may not meet."""
    if isinstance(failure, _Stalled | CutStream | RuntimeTimeout):
        return True
    if isinstance(failure, RuntimeUnavailable):
        return reached  # a server that was there, and is started again
    return type(failure) is RuntimeFailure and layers.known and bool(_PASSING.search(failure.server_message))


async def _wait(failure: VenomError | _Stalled, failures: int, progress: Progress, patience: Patience) -> None:
    if isinstance(failure, _Stalled):
        why = f"no byte for {patience.stalled_s:.0f} s"
    else:
        why = (failure.server_message or failure.message).rstrip(".")
    progress.retry(f"{why}: begun again from the partial files ({failures} of {patience.tries})")
    await asyncio.sleep(patience.wait_s(failures))


async def _told(failure: VenomError | _Stalled, wanted: OllamaPull, progress: Progress, who: str) -> VenomError:
    """Return a failure as what it is."""
    if isinstance(failure, _Stalled):
        return DownloadFailed(f"{who} got no byte for too long.", hint="What came is kept: a retry goes on from there.")
    words = failure.server_message
    if "no space left on device" in words.lower():
        return await _no_space(words, wanted, progress)
    if not isinstance(failure, RuntimeFailure) or isinstance(failure, BadAnswer | CutStream | RuntimeTimeout):
        return failure
    if isinstance(failure, RuntimeUnavailable):
        return failure
    if isinstance(failure, RuntimeRefused) and "invalid model name" in words.lower():
        return UsageError(
            f"{who} takes {wanted.model!r} for no name of a model.",
            hint="Names are [host/][namespace/]model[:tag].",
            server_message=words,
        )
    for pattern, kind, message, hint in _KINDS:
        if re.search(pattern, words, re.IGNORECASE):
            return kind(message.format(model=wanted.model), hint=hint, server_message=words)
    if type(failure) is RuntimeFailure:
        return DownloadFailed(f"{who} could not pull {wanted.model}.", hint="Try again later.", server_message=words)
    return failure


_AGAIN = "What came is kept: a retry goes on from there."
_KINDS: tuple[tuple[str, type[VenomError], str, str], ...] = (
    (r"manifest: file does not exist", ModelNotFound, "The registry has no model {model}.", "Check name and tag."),
    (r"^file does not exist", DownloadFailed, "The registry does not have a part of {model}.", "Try again later."),
    (
        r"digest mismatch",
        DownloadFailed,
        "What came of {model} is not what the registry names, and was thrown away.",
        "A retry fetches it anew.",
    ),
    (
        r"toomanyrequests|\b429\b",
        RuntimeBusy,
        "The registry asks to slow down (429).",
        "Wait some minutes, then retry.",
    ),
    (
        r"first record does not look like a TLS|HTTP response to HTTPS",
        RuntimeRefused,
        "The registry of {model} speaks plain HTTP, which is not taken unasked.",
        "Pull it once more and allow plain HTTP: `--insecure`, or the key of the dialog.",
    ),
    (
        r"x509|certificate",
        RuntimeRefused,
        "The registry of {model} shows a certificate that Ollama does not trust.",
        "Give Ollama's machine the certificate of your authority.",
    ),
    (
        r"realm|unauthorized|authentication required|\b401\b",
        RuntimeRefused,
        "The registry of {model} wants a login (401).",
        "Log in on Ollama's machine: `ollama signin`; for hf.co add its key to your account there.",
    ),
    (
        r"\b403\b|denied|forbidden",
        RuntimeRefused,
        "The registry does not give {model} to everybody (403).",
        "Accept its conditions on its page, and log in on Ollama's machine.",
    ),
    (
        r"newer version of ollama|\b412\b",
        RuntimeRefused,
        "{model} needs a newer Ollama.",
        "Update Ollama, then retry.",
    ),
    (r"max retries exceeded", DownloadFailed, "The connection to the registry broke again and again.", _AGAIN),
    (
        r"dial tcp|no such host|lookup |network is unreachable|i/o timeout|connection refused",
        RuntimeUnavailable,
        "Ollama cannot reach the registry of {model}.",
        "Check the network of the machine on which Ollama runs.",
    ),
    (r"\b5\d\d\b", DownloadFailed, "The registry failed.", "Try again later. " + _AGAIN),
)
"""Words of the server -> what they mean. All of these come at status 200, in the stream."""


async def _no_space(words: str, wanted: OllamaPull, progress: Progress) -> NoSpace:
    """Return the failure of a full disk, with what is missing where that can be told."""
    operation = progress.operation
    folder = wanted.folder
    free = None if folder is None else await asyncio.to_thread(free_bytes, folder)
    missing = None
    if free is not None and operation.bytes_total is not None:
        missing = operation.bytes_total - (operation.bytes_done or 0) - free
    return full_disk(folder, missing, words)
