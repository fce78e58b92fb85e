"""How a server of this machine is started and stopped, as its table of config.toml says it: one of three ways.

[runtimes.box]
url = "http://127.0.0.1:8000"
unit = "vllm.service"                        # a unit of systemd; user_unit = true: of the user's own systemd
command = ["/opt/llama/llama-server", "-m", "/models/a.gguf"]     # a program with its arguments; no shell is asked
environment = { LLAMA_ARG_THREADS = "4" }    # further variables for it

[runtimes.box.profile]                       # a vLLM, whose arguments are made from this; url may then be left out
model = "Qwen/Qwen3-8B"                      # a repository of Hugging Face, or a folder
served_name = "qwen3"                        # the name that requests use; left out: the model's
tensor_parallel = 2                          # GPUs that share each layer
pipeline_parallel = 1                        # groups of layers, each on GPUs of its own
executor = "mp"                              # how its processes are run: mp (this machine) or ray
memory_utilization = 0.85                    # share of each GPU; left out: what the guard proposes at the start
max_length = 16384                           # longest context in tokens
arguments = ["--enable-prefix-caching"]      # further arguments, as they are
program = ["vllm", "serve"]                  # what is run; or ["…/python", "-m", "vllm.entrypoints.openai.api_server"]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line

EXECUTORS = ("mp", "ray")
PROGRAM = ("vllm", "serve")
_UNIT = re.compile(r"[A-Za-z0-9:_.@-]{1,200}\.service\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MOST_PARALLEL = 4096
_LONGEST = 100_000_000
CONTROL_FIELDS = frozenset({"unit", "user_unit", "command", "environment", "profile"})


@dataclass(frozen=True, slots=True)
class Profile:
    """How a vLLM is to be started."""

    model: str
    served_name: str = ""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    executor: str = ""
    """One of EXECUTORS, or "": vLLM chooses."""
    memory_utilization: float | None = None
    """None: what the guard proposes; vLLM's own choice where it proposes nothing."""
    max_length: int | None = None
    arguments: tuple[str, ...] = ()
    program: tuple[str, ...] = PROGRAM


@dataclass(frozen=True, slots=True)
class ControlTable:
    """How a server is started and stopped."""

    unit: str = ""
    user_unit: bool = False
    command: tuple[str, ...] = ()
    profile: Profile | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


def read_control(where: str, kind: str, values: Mapping[str, object]) -> ControlTable | None:
    """Return how a table says that its server is controlled; None where it does not.

    Raises:
        UsageError: it is wrong; the sentence begins with `where`.
    """
    ways = [name for name in ("unit", "command", "profile") if name in values]
    if not ways:
        if extra := next((name for name in ("user_unit", "environment") if name in values), None):
            raise UsageError(f"{where} has {extra}, but neither unit nor command nor profile.")
        return None
    if len(ways) > 1:
        raise UsageError(f"{where} has {ways[0]} and {ways[1]}.", hint="Name one way to start it.")
    unit = values.get("unit", "")
    if not isinstance(unit, str) or ("unit" in values and not _UNIT.match(unit)):
        raise UsageError(f"{where}: unit must be the name of a service of systemd, as in vllm.service.")
    user_unit = values.get("user_unit", False)
    if not isinstance(user_unit, bool):
        raise UsageError(f"{where}: user_unit must be true or false.")
    profile = None
    if "profile" in values:
        if kind not in ("", "vllm"):
            raise UsageError(f"{where} has a profile, which only a vLLM has.", hint='Write kind = "vllm".')
        profile = _profile(f"{where[:-1]}.profile]" if where.endswith("]") else where, values["profile"])
    return ControlTable(
        unit, user_unit, _texts(where, "command", values.get("command", [])), profile, _environment(where, values)
    )


def _profile(where: str, values: object) -> Profile:
    if not isinstance(values, dict):
        raise UsageError(f"{where} must be a table.")
    known = Profile.__dataclass_fields__
    if unknown := sorted(set(values) - set(known)):
        raise UsageError(
            f"{where} has {sanitize_line(unknown[0], 40)!r}, which is not known.", hint=f"There are {', '.join(known)}."
        )
    model, name = values.get("model", ""), values.get("served_name", "")
    if not isinstance(model, str) or not model:
        raise UsageError(f"{where} has no model.", hint='Write model = "ORG/REPO", or a folder.')
    for key, value in (("model", model), ("served_name", name)):
        if not isinstance(value, str) or value.startswith("-") or "\0" in value:
            raise UsageError(f"{where}: {key} must be a name in quotes.")
    executor = values.get("executor", "")
    if executor not in ("", *EXECUTORS):
        raise UsageError(f"{where}: executor must be one of {', '.join(EXECUTORS)}.")
    share = values.get("memory_utilization")
    if share is not None and not (isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1):
        raise UsageError(f"{where}: memory_utilization must be a number above 0, and 1 at most.")
    program = _texts(where, "program", values.get("program", list(PROGRAM)))
    if not program:
        raise UsageError(f"{where}: program must name what is run.")
    return Profile(
        model=model,
        served_name=name,
        tensor_parallel=_number(where, "tensor_parallel", values.get("tensor_parallel", 1), _MOST_PARALLEL),
        pipeline_parallel=_number(where, "pipeline_parallel", values.get("pipeline_parallel", 1), _MOST_PARALLEL),
        executor=executor,
        memory_utilization=None if share is None else float(share),
        max_length=None if "max_length" not in values else _number(where, "max_length", values["max_length"], _LONGEST),
        arguments=_texts(where, "arguments", values.get("arguments", [])),
        program=program,
    )


def _number(where: str, name: str, value: object, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise UsageError(f"{where}: {name} must be a whole number from 1 to {most:,}.")
    return value


def _texts(where: str, name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) and "\0" not in one for one in value):
        raise UsageError(
            f"{where}: {name} must be a list of texts.",
            hint=f'Write {name} = ["program", "--option"]; no shell is asked.',
        )
    if name in ("command", "program") and value and not value[0]:
        raise UsageError(f"{where}: {name} names no program.")
    return tuple(value)


def _environment(where: str, values: Mapping[str, object]) -> Mapping[str, str]:
    given = values.get("environment", {})
    if not isinstance(given, dict):
        raise UsageError(f"{where}: environment must be a table of variables.")
    for name, value in given.items():
        if not _VARIABLE.match(name) or not isinstance(value, str) or "\0" in value:
            raise UsageError(
                f"{where}: environment has {sanitize_line(str(name), 40)!r}, which is no variable with a text."
            )
    return dict(given)
