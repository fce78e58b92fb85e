"""What the prompt could go on to: slash commands, their arguments, paths of files."""

from __future__ import annotations

from dataclasses import dataclass

from textual.content import Content

from venom_tui.ui.screens.chat import mentions, slash
from venom_tui.ui.text import literal


@dataclass(frozen=True, slots=True)
class Completions:
    """What the end of a text could go on to."""

    begun: str
    """What is written of it, and would be replaced."""
    choices: tuple[str, ...]
    """As they would be written."""
    hint: str = ""
    """What the only one means."""

    def next(self, direction: int) -> str:
        """Return what is to stand there next: what all choices begin with, then one after the other."""
        if self.begun in self.choices:
            at = (self.choices.index(self.begun) + direction) % len(self.choices)
            return self.choices[at]
        common = _common(self.choices)
        if len(common) > len(self.begun) and common.lower().startswith(self.begun.lower()):
            return common
        return self.choices[0 if direction > 0 else -1]


def _common(texts: tuple[str, ...]) -> str:
    """Return what all of some texts begin with."""
    first, last = min(texts), max(texts)
    same = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    return first[:same]


NOTHING = Completions("", ())


def of_command(text: str, parameters: tuple[str, ...]) -> Completions:
    """Return what a slash command could go on to."""
    choices = slash.completions(text, parameters)
    parsed = slash.parse(text)
    if parsed is None:
        return NOTHING
    command = slash.COMMANDS.get(parsed[0])
    only = slash.COMMANDS.get(choices[0][1:]) if len(choices) == 1 and command is None else None
    meant = command or only
    hint = ""
    if meant is not None and (command is not None or only is not None):
        hint = f"{meant.usage} · {meant.meaning}" if meant.usage else meant.meaning
    return Completions(text, tuple(choices), hint)


def of_path(before: str) -> Completions:
    """Return what a path at the end of a text could go on to (reads a folder: use a thread)."""
    begun = mentions.begun(before)
    if begun is None:
        return NOTHING
    choices = [mentions.written(path) for path in mentions.choices(begun.path)]
    written = before[begun.begin :]
    return NOTHING if choices == [written] else Completions(written, tuple(choices))


def shown(completions: Completions) -> Content:
    """Return the line that tells what a text could go on to."""
    parts = [
        literal(_short(choice), "bold $accent" if choice == completions.begun else "bold")
        for choice in completions.choices
    ]
    if completions.hint:
        if not parts:
            parts = [literal(completions.begun.split(" ")[0], "bold")]
        parts.append(Content.styled(completions.hint, "$text-muted"))
    return Content("  ").join(parts)


def _short(choice: str) -> str:
    """Return a choice without the folders before it."""
    if not choice.startswith("@"):
        return choice
    path = choice.rstrip("/")
    name = path.rpartition("/")[2].lstrip('@"').rstrip('"')
    return name + ("/" if choice.endswith("/") else "")
