"""Texts that the benchmarks let models say: an answer of mixed Markdown, and the older messages of a session."""

from __future__ import annotations

import random
from typing import Literal

Role = Literal["user", "assistant"]

MARK = "ZZEND"
"""The last token of an answer."""
_NOUNS = ["cache", "layer", "request", "token", "kernel", "batch", "window", "driver", "buffer", "thread", "page"]
_NOUNS += ["scheduler", "weight", "head", "budget", "queue", "model", "tensor", "shard", "prompt", "memory", "engine"]
_VERBS = ["holds", "moves", "fills", "needs", "waits", "shares", "reads", "frees", "keeps", "plans", "grows", "drops"]
_CODE = ("python", "rust", "bash", "json")


def _sentence(rnd: random.Random, words: int) -> str:
    out = []
    for number in range(words):
        word = rnd.choice(_NOUNS if number % 2 == 0 else _VERBS)
        match rnd.randrange(24):
            case 0:
                word = f"**{word}**"
            case 1:
                word = f"`{word}_{number}`"
            case 2:
                word = f"*{word}*"
            case 3:
                word = f"[{word}](https://example.org/{word})"
            case 4:
                word = rnd.choice(["naïve", "日本語", "→", "✅", "größer", "≈ 3.1"])
        out.append(word)
    return " ".join(out) + "."


def _code_line(rnd: random.Random, number: int) -> str:
    indent, name = "    " * rnd.randrange(3), rnd.choice(_NOUNS)
    return f"{indent}{name}_{number} = {rnd.choice(_VERBS)}({rnd.randrange(9999)})  # {rnd.choice(_NOUNS)}"


def _section(rnd: random.Random, number: int) -> str:
    language = _CODE[number % len(_CODE)]
    code = "\n".join(_code_line(rnd, line) for line in range(rnd.randrange(4, 16)))
    rows = "".join(f"| {rnd.choice(_NOUNS)} | {rnd.randrange(99999)} | {_sentence(rnd, 4)} |\n" for _ in range(5))
    blocks = [
        f"## {number}. {_sentence(rnd, 4)}",
        _sentence(rnd, 70),
        "\n".join(f"- {_sentence(rnd, rnd.randrange(5, 26))}\n  - {_sentence(rnd, 6)}" for _ in range(3)),
        f"```{language}\n{code}\n```",
        "\n".join(f"{item}. {_sentence(rnd, 14)}" for item in range(1, 4)),
        f"| name | value | note |\n|---|--:|---|\n{rows}",
        f"> {_sentence(rnd, 24)}\n>\n> {_sentence(rnd, 8)}",
        _sentence(rnd, 60),
        "---" if number % 4 == 0 else f"- [ ] {_sentence(rnd, 5)}\n- [x] {_sentence(rnd, 5)}",
    ]
    return "\n\n".join(blocks) + "\n\n"


def answer(tokens: int) -> list[str]:
    """Return the tokens of an answer, about five characters each; the last one is a mark."""
    rnd = random.Random(11)
    text, number = "", 0
    while len(text) < tokens * 5:
        number += 1
        text += _section(rnd, number)
    found: list[str] = []
    at = 0
    while len(found) < tokens - 2:
        size = rnd.choice((3, 4, 5, 5, 6, 7))
        found.append(text[at : at + size])
        at += size
    return [*found, "\n\nThat was ", MARK]


def older_messages(count: int) -> list[tuple[Role, str]]:
    """Return (role, text) of older messages: prompts, and answers of some 700 characters."""
    rnd = random.Random(5)
    found: list[tuple[Role, str]] = []
    for number in range(count):
        if number % 2 == 0:
            found.append(("user", _sentence(rnd, 18)))
        else:
            section = _section(rnd, number)
            found.append(("assistant", section[: rnd.randrange(300, 1_400)]))
    return found
