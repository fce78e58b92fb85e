"""Generation parameters: their ranges, how several sources of them are merged, and what each runtime calls them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.request import GenerationParameters
from venom_tui.core.types.session import THINKING


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the generation schema."""

    name: str
    kind: Literal["int", "float", "texts", "choice"]
    minimum: float | None
    maximum: float | None
    meaning: str
    choices: tuple[str, ...] = ()


SCHEMA: tuple[Parameter, ...] = (
    Parameter("temperature", "float", 0, 2, "randomness; 0 takes the likeliest token"),
    Parameter("top_p", "float", 0, 1, "share of probability that is sampled from"),
    Parameter("top_k", "int", 0, 1000, "number of likeliest tokens that are sampled from; 0 is all"),
    Parameter("min_p", "float", 0, 1, "least probability, relative to the likeliest token"),
    Parameter("repeat_penalty", "float", 0, 2, "penalty for tokens that came lately; 1 is none"),
    Parameter("max_tokens", "int", 1, 1_000_000, "most tokens of an answer"),
    Parameter("seed", "int", 0, 2**32 - 1, "seed of the randomness"),
    Parameter("stop", "texts", None, None, "texts that end the answer, separated by commas"),
    Parameter("context_length", "int", 256, 10_000_000, "tokens of context that the model is loaded with"),
    Parameter(
        "think",
        "choice",
        None,
        None,
        "whether, or how much, a model that can thinks before it answers",
        THINKING,
    ),
)
_BY_NAME = {parameter.name: parameter for parameter in SCHEMA}

_WIRE: dict[str, dict[str, str]] = {
    "embedded": {},
    "llamacpp": {"context_length": ""},
    "vllm": {"repeat_penalty": "repetition_penalty", "context_length": ""},
    "openai": {"top_k": "", "min_p": "", "repeat_penalty": "", "context_length": ""},
    "ollama": {"max_tokens": "num_predict", "context_length": "num_ctx"},
}
"""Kind of runtime -> generic name -> name on its wire; "" is dropped. Names that are not listed go as they are."""

_ELSEWHERE = {"embedded": ("context_length",), "ollama": ("think",)}
"""Kind of runtime -> what it is told in another way: the embedded one when it loads, Ollama beside the options."""


def parse_parameter(name: str, text: str, trained: int | None = None) -> object:
    """Return the value of a parameter given as text; `trained` are the tokens of context that the model can have.

    Raises:
        UsageError: there is no such parameter, or the value is not in its range.
    """
    parameter = _BY_NAME.get(name)
    if parameter is None:
        known = ", ".join(_BY_NAME)
        raise UsageError(f"{sanitize_line(name, 40)!r} is no generation parameter.", hint=f"There are: {known}.")
    if parameter.kind == "texts":
        return tuple(part for part in text.split(",") if part)
    if parameter.kind == "choice":
        if text.strip().lower() in parameter.choices:
            return text.strip().lower()
        raise UsageError(f"{name} is {sanitize_line(text, 40)!r}, but must be one of {', '.join(parameter.choices)}.")
    try:
        value = int(text) if parameter.kind == "int" else float(text)
    except ValueError:
        value = None
    low, high, why = parameter.minimum, parameter.maximum, ""
    if name == "context_length" and trained:
        high, why = trained, ", which the model was trained for"
        low = min(low or 0, trained)
    if value is None or (low is not None and not value >= low) or (high is not None and not value <= high):
        number = "a whole number" if parameter.kind == "int" else "a number"
        # Not {:g}, which writes a million as 1e+06.
        limits = " to ".join(f"{limit:.15g}" for limit in (low, high) if limit is not None)
        raise UsageError(f"{name} is {sanitize_line(text, 40)!r}, but must be {number} from {limits}{why}.")
    return value


def merge_parameters(*sources: GenerationParameters) -> GenerationParameters:
    """Return for each parameter the first value that is set, in the order of the sources (the request first)."""
    merged = {
        field.name: next((value for source in sources if (value := getattr(source, field.name)) is not None), None)
        for field in fields(GenerationParameters)
    }
    return GenerationParameters(**merged)


def wire_parameters(parameters: GenerationParameters, kind: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the parameters as a kind of runtime knows them, and the names of those that it does not know."""
    names = _WIRE.get(kind, _WIRE["openai"])
    sent: dict[str, object] = {}
    dropped: list[str] = []
    for name, value in asdict(parameters).items():
        if value is None or name in _ELSEWHERE.get(kind, ()):
            continue
        if name == "think":
            thinking = _thinking(str(value), kind)
            sent |= thinking
            dropped += [] if thinking else [name]
            continue
        wire = names.get(name, name)
        if wire:
            sent[wire] = list(value) if isinstance(value, tuple) else value
        else:
            dropped.append(name)
    return sent, tuple(dropped)


def takes(kind: str, name: str) -> bool:
    """Return whether a kind of runtime can be told a parameter."""
    return bool(_WIRE.get(kind, _WIRE["openai"]).get(name, name))


def _thinking(value: str, kind: str) -> dict[str, object]:
    """Return how a server of OpenAI's wire is told whether to think; {} when there is no way."""
    level = value if value in ("low", "medium", "high") else None
    if kind == "openai":
        return {"reasoning_effort": level or "none"} if level or value == "off" else {}
    # llama.cpp and vLLM hand these to the chat template; a template that knows none of them passes them over.
    keywords: dict[str, object] = {"enable_thinking": value != "off"}
    if level:
        keywords["reasoning_effort"] = level
    return {"chat_template_kwargs": keywords}
