"""The argument vector of a vLLM by its profile, and how a command is shown. No shell ever sees either."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest
from urllib.parse import urlsplit

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings.control import Profile

_MODULE = "vllm.entrypoints.openai.api_server"
_SECRET = re.compile(r"--?[\w-]*(?:key|token|secret|password)[\w-]*", re.IGNORECASE)
_HIDDEN = "…"
_SHARE = "--gpu-memory-utilization"


def profile_arguments(profile: Profile, url: str, utilization: float | None = None) -> tuple[str, ...]:
    """Return program and arguments that start a vLLM.

    Args:
        profile: what is to be started.
        url: where it is to answer.
        utilization: share of each GPU that the guard proposes, for a profile that names none.

    Raises:
        UsageError: the address has no port.
    """
    address = urlsplit(url)
    if not address.hostname or not address.port:
        raise UsageError(f"{sanitize_line(url, 80)} has no port that a vLLM could answer at.")
    # `vllm serve` takes the model as it is, the module of the server as an option; both know --model's value so.
    model = ["--model", profile.model] if _MODULE in profile.program else [profile.model]
    share = profile.memory_utilization if profile.memory_utilization is not None else utilization
    options: list[tuple[str, object]] = [
        ("--served-model-name", profile.served_name or None),
        ("--host", address.hostname),
        ("--port", address.port),
        ("--tensor-parallel-size", profile.tensor_parallel if profile.tensor_parallel > 1 else None),
        ("--pipeline-parallel-size", profile.pipeline_parallel if profile.pipeline_parallel > 1 else None),
        ("--distributed-executor-backend", profile.executor or None),
        (_SHARE, None if share is None else f"{share:g}"),
        ("--max-model-len", profile.max_length),
    ]
    given = [text for name, value in options if value is not None for text in (name, str(value))]
    return (*profile.program, *model, *given, *profile.arguments)


def own_share(profile: Profile) -> float | None:
    """Return the share of each GPU that a profile names, also among its further arguments; None: it names none."""
    share = profile.memory_utilization
    for text, value in zip_longest(profile.arguments, profile.arguments[1:], fillvalue=""):
        name, equals, rest = text.partition("=")
        if name == _SHARE:
            try:
                share = float(rest if equals else value)
            except ValueError:
                continue  # vLLM says so
    return share


def shown_command(command: Sequence[str]) -> tuple[str, ...]:
    """Return a command as it may be shown and kept: what follows `--api-key` and the like is hidden."""
    shown: list[str] = []
    hide = False
    for text in command:
        name, equals, _ = text.partition("=")
        secret = bool(_SECRET.fullmatch(name))
        if hide and not text.startswith("-"):
            shown.append(_HIDDEN)
        elif secret and equals:
            shown.append(f"{sanitize_line(name, 80)}={_HIDDEN}")
        else:
            shown.append(sanitize_line(text, 400))
        hide = secret and not equals
    return tuple(shown)
