"""Why a server did not start, by the end of its log and how its process ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from venom_tui.core.sanitize import sanitize_line

_LINES = 12
"""Lines of the log that are told."""
_PREFIX = re.compile(
    r"^\((?:\w+)(?: pid=\d+)?\)\s*|^(?:INFO|WARNING|ERROR) [\d-]+ [\d:]+ \[[^\]]*\]\s*|^(?:INFO|ERROR):\s+"
)
_NOISE = re.compile(
    r"^\s*(?:File \"|Traceback|\^+|~*\^+|raise |return |await |During handling|The above exception|\W*$)"
)
_ERROR = re.compile(r"^(?:[\w.]+(?:Error|Exception|Exit)|error|fatal)\b", re.IGNORECASE)
_CIRCUMSTANCE = re.compile(r"Engine core initialization failed|See root cause above|Failed core proc")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a clause, and what to do about it."""

    code: str
    """`memory`, `port`, `model`, `argument`, `context`, `program`, `device` or `unknown`."""
    clause: str
    hint: str
    line: str = ""
    """The line of the log that says so."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_KNOWN: tuple[tuple[str, re.Pattern[str], str, str], ...] = (
    (
        "context",
        _any(
            "larger than the maximum number of tokens that can be stored in KV cache",
            "KV cache is needed, which is larger than",
            "User-specified max_model_len",
        ),
        "the context is too long for the model or for the memory that is left for its cache",
        "Lower max_length, or raise memory_utilization where the card has room.",
    ),
    (
        "memory",
        _any(
            "out of memory|OutOfMemoryError|No available memory for the cache blocks|std::bad_alloc",
            "less than desired GPU memory util|is less than requested memory|exceeds the available",
            "[Nn]ot enough (?:available )?memory|[Cc]annot allocate memory|[Ff]ailed to allocate|unable to allocate",
            "cudaErrorMemoryAllocation|insufficient memory|can't allocate",
        ),
        "there is not enough memory",
        "Free memory (F5, the guard, shows who holds it), or lower memory_utilization or max_length.",
    ),
    (
        "port",
        _any("[Aa]ddress already in use|Errno 98|EADDRINUSE|couldn't bind|bind\\(\\) failed"),
        "somebody else answers at its port",
        "End that one, or give this one another port in config.toml.",
    ),
    (
        "model",
        _any(
            "Repo id must be in the form|is not a local folder and is not a valid model|Repository Not Found",
            "RepositoryNotFoundError|does not appear to have a file named|Invalid repository ID or local directory",
            "LocalEntryNotFoundError|OfflineModeIsEnabled|outgoing traffic has been disabled|We couldn't connect to",
            "Can't load (?:the )?(?:config|tokenizer)|gated repo|GatedRepoError|Cannot find any model weights",
            "failed to open GGUF|No such file or directory.*\\.gguf|failed to load model|error loading model",
        ),
        "its model is not there or cannot be read",
        "Check the model's name or folder, and that it was downloaded; a gated one needs a token.",
    ),
    (
        "argument",
        _any(
            "unrecognized arguments|invalid argument|error: argument|the following arguments are required",
            "invalid choice|unknown argument|expected one argument",
        ),
        "it does not know one of its arguments",
        "config.toml says which it gets; its --help says which there are.",
    ),
    (
        "device",
        _any(
            "Failed to infer device type|No CUDA GPUs are available|no CUDA-capable device",
            "CUDA driver version is insufficient",
        ),
        "it found no GPU that it can use",
        "Check the driver (`venom-tui doctor`) and CUDA_VISIBLE_DEVICES.",
    ),
    (
        "program",
        _any("No module named|command not found|cannot execute|No package metadata was found for vllm"),
        "its program is not all there",
        'config.toml says what is run: program = ["…/bin/python", "-m", "vllm.entrypoints.openai.api_server"].',
    ),
)


def reason_of(lines: Sequence[str], status: int | None) -> Reason:
    """Return why a server ended, by the last lines of its log and its exit status (negative: a signal)."""
    for line in reversed(lines):
        for code, pattern, clause, hint in _KNOWN:
            if pattern.search(line):
                return Reason(code, clause, hint, _bare(line))
    if status == -signal.SIGKILL:
        return Reason(
            "memory",
            "it was killed (SIGKILL), as the kernel does where a machine or a container runs out of memory",
            "Look at `dmesg` or at the limits of the container; a smaller model or max_length takes less.",
        )
    return Reason("unknown", ending(status), "The end of its log says more: `venom-tui runtimes logs`.")


def ending(status: int | None) -> str:
    """Return how a process ended, as a clause."""
    if status is None:
        return "its process is gone"
    if status < 0:
        try:
            return f"it was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"it was ended by signal {-status}"
    return "it ended by itself" if status == 0 else f"it ended with status {status}"


def words(lines: Sequence[str], reason: Reason | None = None) -> str:
    """Return a server's own words of its log: what gave the reason, else errors, else the last lines."""
    if reason is not None and reason.line:
        return sanitize_line(reason.line, 800)
    plain = [text for line in lines if not _NOISE.match(text := _bare(line))]
    errors = [text for text in plain if _ERROR.match(text) and not _CIRCUMSTANCE.search(text)]
    return sanitize_line(" ".join(dict.fromkeys(errors[-2:])) or " ".join(plain[-3:]), 800)


def last_lines(lines: Sequence[str]) -> list[str]:
    """Return the last lines of a log that say something, as they are."""
    return [line for line in lines if line.strip()][-_LINES:]


def _bare(line: str) -> str:
    """Return a line without what vLLM writes before each."""
    before = ""
    while line != before:
        before, line = line, _PREFIX.sub("", line).strip()
    return line
