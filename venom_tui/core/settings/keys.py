"""The settings that there are, and what their values may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings.sizes import parse_size, parse_sizes

Source = Literal["flag", "environment", "store", ".env", "config.toml", "default"]
Kind = Literal["text", "int", "float", "bool", "path", "secret", "size", "sizes"]
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Key:
    """One setting.

    `name` is its name in the environment and in `.env`; in `config.toml` it is written in lower case.
    `stored` keys are those that the program changes itself: what it changes goes to the store and nowhere else.
    """

    name: str
    kind: Kind
    default: Value
    meaning: str
    stored: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


POLICIES = ("ask", "warn", "refuse", "evict")
"""What is done where a limit would be broken: a question, a word only, a refusal, or the least recently used leaves."""

KEYS: tuple[Key, ...] = (
    Key("VENOM_DATA_DIR", "path", None, "folder of the database, logs and models (environment only)"),
    Key("VENOM_CONFIG_DIR", "path", None, "folder of config.toml, .env and keymap.toml (environment only)"),
    Key("VENOM_OFFLINE", "bool", False, "contact nothing outside this machine and its configured runtimes"),
    Key("VENOM_READ_ONLY", "bool", False, "change nothing: no loads, no removals, no settings"),
    Key("VENOM_MODELS_DIR", "path", None, "folder of GGUF files; default: models/ in the data directory"),
    Key(
        "VENOM_THREADS",
        "int",
        0,
        "CPU threads of the embedded llama.cpp; 0: one less than half of the CPUs, at least 1",
        minimum=0,
        maximum=1024,
    ),
    Key(
        "VENOM_CONTEXT",
        "int",
        8192,
        "context in tokens that the embedded llama.cpp loads a model with, at most what the model was trained for; "
        "0: all of it",
        minimum=0,
        maximum=10_000_000,
    ),
    Key(
        "VENOM_EMBEDDED_MODELS",
        "int",
        2,
        "models that the embedded llama.cpp holds at once",
        stored=True,
        minimum=1,
        maximum=16,
    ),
    Key("VENOM_LOAD_TIMEOUT_S", "float", 300.0, "seconds that a model load may take", minimum=1, maximum=86_400),
    Key(
        "VENOM_UNLOAD_TIMEOUT_S",
        "float",
        30.0,
        "seconds that a model may take to leave: until its answers have ended and its memory is back",
        minimum=0,
        maximum=86_400,
    ),
    Key(
        "VENOM_START_TIMEOUT_S",
        "float",
        900.0,
        "seconds that a runtime may take from its start to its first answer",
        minimum=1,
        maximum=86_400,
    ),
    Key(
        "VENOM_KEEP_FREE_VRAM",
        "sizes",
        "0",
        "memory of each GPU that is kept free for others: `2GiB`, or by index `0=4GiB, 1=512MiB`",
        stored=True,
    ),
    Key("VENOM_KEEP_FREE_RAM", "size", 0, "RAM that is kept free for others: `4GiB`", stored=True),
    Key("VENOM_KEEP_FREE_DISK", "size", 0, "bytes to keep free on the disks of data and models", stored=True),
    Key("VENOM_MAX_TEMPERATURE", "int", 0, "degrees (C) that no GPU is to reach; 0: any", True, minimum=0, maximum=150),
    Key(
        "VENOM_MAX_MODEL_SHARE",
        "int",
        0,
        "largest share of the memory (of all GPUs, or of the RAM) that one model may take, in percent; 0: any",
        stored=True,
        minimum=0,
        maximum=100,
    ),
    Key(
        "VENOM_NEVER_EVICT",
        "text",
        "",
        "models that are never unloaded for another one: names, or `RUNTIME/NAME`, with commas",
        stored=True,
    ),
    *(
        Key(f"VENOM_POLICY_{limit}", "text", "ask", f"what is done about {meaning}", stored=True, choices=POLICIES)
        for limit, meaning in (
            ("VRAM", "the GPU memory that is kept free"),
            ("RAM", "the RAM that is kept free"),
            ("DISK", "the disk space that is kept free (evict asks as well: no file is removed for it)"),
            ("TEMPERATURE", "the temperature of GPUs"),
            ("SHARE", "the largest share of one model"),
            ("MODELS", "the number of models that the embedded llama.cpp holds"),
        )
    ),
    Key(
        "VENOM_THEME",
        "text",
        "auto",
        "colours; auto: by the terminal's background, dark where it does not tell; ansi: the terminal's own palette",
        stored=True,
        choices=("auto", "venom-dark", "venom-light", "ansi"),
    ),
    Key(
        "VENOM_CHAT_ASIDE",
        "text",
        "both",
        "what stands at the right of the chat from 140 columns on: the last answer's way, the machine's memory",
        stored=True,
        choices=("both", "request", "machine", "off"),
    ),
    Key("VENOM_ASCII", "bool", False, "signs and bars in ASCII only; true by itself where the locale is not UTF-8"),
    Key("VENOM_FPS", "int", 0, "frames a second of a streamed answer; 0: 10, or 8 over SSH", minimum=0, maximum=60),
    Key(
        "VENOM_PLAIN_OUTPUT",
        "bool",
        False,
        "leave Textual's own driver and renderer in place (no cell diff, no frame dropping)",
    ),
    Key("VENOM_MOUSE", "bool", True, "use the mouse; false leaves selection to the terminal"),
    Key("VENOM_ACTIVE_MODEL", "text", "", "model that answers next", stored=True),
    Key("VENOM_ACTIVE_RUNTIME", "text", "", "runtime of the model that answers next", stored=True),
    Key("VENOM_PREVIOUS_MODEL", "text", "", "model that was active before", stored=True),
    Key("VENOM_PREVIOUS_RUNTIME", "text", "", "runtime of the model that was active before", stored=True),
    Key("VENOM_LAST_SESSION", "text", "", "session that was open last", stored=True),
    Key(
        "SESSION_TTL_DAYS",
        "int",
        0,
        "days after its last message that a session is kept; 0: for ever",
        minimum=0,
        maximum=36_500,
    ),
    Key("TRACE_TTL_DAYS", "int", 90, "days that request traces are kept; 0: for ever", minimum=0, maximum=36_500),
    Key(
        "OPERATION_TTL_DAYS", "int", 365, "days that ended operations are kept; 0: for ever", minimum=0, maximum=36_500
    ),
    Key("OLLAMA_HOST", "text", "", "address of Ollama; wins over LLM_LOCAL_ENDPOINT; default: 127.0.0.1:11434"),
    Key("LLM_LOCAL_ENDPOINT", "text", "", "address of Ollama, in Venom's form (a /v1 at its end is taken off)"),
    Key("VLLM_ENDPOINT", "text", "", "address of vLLM; without it one at the usual port of this machine is found"),
    Key(
        "LLM_KEEP_ALIVE", "text", "", "how long Ollama keeps a model that we ask (`10m`, seconds, -1); unset: not sent"
    ),
    Key(
        "VENOM_DISCOVERY",
        "bool",
        True,
        "look for servers at the usual ports of this machine (plain GETs to loopback addresses)",
    ),
    Key("HF_ENDPOINT", "text", "https://huggingface.co", "address of the Hugging Face hub, or of a mirror of it"),
    Key("HF_TOKEN", "secret", "", "token for the hub of HF_ENDPOINT; without it the one of `hf auth login`, if any"),
    Key("HF_HOME", "path", None, "folder of Hugging Face's files; default: huggingface/ in the folder of caches"),
    Key("HF_HUB_CACHE", "path", None, "folder of the Hugging Face cache; default: hub/ in HF_HOME"),
    Key("HF_HUB_OFFLINE", "bool", False, "do not contact the Hugging Face hub"),
    Key("VENOM_OLLAMA_LIBRARY", "text", "https://ollama.com", "address of the Ollama library that is searched"),
    Key(
        "VENOM_OLLAMA_REGISTRY",
        "text",
        "https://registry.ollama.ai",
        "address of the registry that is asked whether a model of the Ollama library has an update",
    ),
    Key(
        "VENOM_PULL_CONNECTIONS",
        "int",
        4,
        "connections on which the files of one download from Hugging Face come",
        minimum=1,
        maximum=16,
    ),
    Key(
        "VENOM_PULL_STALL_S",
        "float",
        120.0,
        "seconds without a byte after which a pull of Ollama is begun again from its partial files",
        minimum=1,
        maximum=86_400,
    ),
    Key(
        "VENOM_PULL_TRIES",
        "int",
        6,
        "how often in a row a download is begun again without getting on, before it fails",
        minimum=0,
        maximum=1000,
    ),
    Key("SIMPLE_MODE_SYSTEM_PROMPT", "text", "You are a helpful AI assistant.", "system message of Direct mode"),
    Key("AI_MODE", "text", "LOCAL", "routing; HYBRID and CLOUD are not built yet", choices=("LOCAL",)),
)
"""All keys, in the order in which `info` and the documentation list them."""

BY_NAME = {key.name: key for key in KEYS}
DIRECTORIES = ("VENOM_DATA_DIR", "VENOM_CONFIG_DIR")
"""Where the files are cannot be said by the files."""

_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "path": "a path",
    "size": "a size such as 4GiB",
    "sizes": "a size such as 2GiB, or sizes by GPU such as 0=4GiB, 1=512MiB",
}
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off", ""})


def parse_value(key: Key, raw: object, *, where: str = "") -> Value:
    """Return `raw` as a value of `key`; `where` says in a failure's sentence where it was set.

    Raises:
        UsageError: it is not of the key's kind or not in its range.
    """
    text = str(raw).strip()
    if key.kind == "bool" and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    if key.kind in ("int", "float", "size"):
        number = parse_size(text) if key.kind == "size" else _number(key, text)
        if number is not None:
            return number
    elif key.kind == "sizes":
        if parse_sizes(text) is not None:
            return text
    elif key.choices:
        for choice in key.choices:
            if choice.lower() == text.lower():
                return choice
    elif key.kind in ("text", "path", "secret"):
        return text
    raise UsageError(
        f"{key.name} is {_shown(key, text)}{where and ' '}{where}, but must be {wanted(key)}.",
        hint="docs/configuration.md says what each setting means.",
    )


def wanted(key: Key) -> str:
    """Return what a key's value must be, as a part of a sentence."""
    if key.choices:
        return " or ".join(filter(None, (", ".join(key.choices[:-1]), key.choices[-1])))
    words = _WANTED.get(key.kind, "text")
    if key.minimum is not None and key.maximum is not None:
        words += f" from {key.minimum:g} to {key.maximum:.15g}"
    return words


def _number(key: Key, text: str) -> int | float | None:
    try:
        number = int(text) if key.kind == "int" else float(text)
    except ValueError:
        return None
    # Written so that NaN, which is neither above nor below anything, is refused too.
    if key.minimum is not None and not number >= key.minimum:
        return None
    if key.maximum is not None and not number <= key.maximum:
        return None
    return number


def _shown(key: Key, text: str) -> str:
    return "not shown here" if key.kind == "secret" else repr(sanitize_line(text, 60))
