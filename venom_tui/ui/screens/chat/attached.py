"""The files that a prompt names: looked at while one types, read when it is sent."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textual.content import Content

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.content import Attachment, AttachmentKind
from venom_tui.ui.screens.chat.mentions import is_like_a_path, mentions, readings
from venom_tui.ui.text import literal, signs, size

Attach = Callable[[Path], Awaitable[Attachment]]
"""Reads a file that is to go along; raises UsageError where it cannot."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file that a prompt names, as it was seen."""

    path: str
    state: Literal["text", "image", "refused", "none"]
    """`refused`: it is there and cannot be attached; `none`: there is no such file, so that this is text."""
    size_bytes: int = 0
    words: str = ""
    """Why it cannot be attached."""


_Stamp = tuple[str, int, int]


class Attached:
    """Looks at files, each version once."""

    def __init__(self, attach: Attach) -> None:
        self._attach = attach
        self._seen: dict[_Stamp, Seen] = {}

    async def look(self, text: str) -> list[Seen]:
        """Return what a prompt names, without what is certainly no file."""
        found = [await self._look(one.path) for one in mentions(text)]
        return [seen for seen in found if seen.state != "none" or is_like_a_path(seen.path)]

    async def _look(self, path: str) -> Seen:
        found = await asyncio.to_thread(_find, path)
        if found is None:
            return Seen(path, "none", words="no such file, sent as text")
        place, stamp = found
        if stamp is None:
            return Seen(path, "none", words="a folder, sent as text")
        if stamp not in self._seen:
            try:
                one = await self._attach(place)
            except UsageError as failure:
                self._seen[stamp] = Seen(path, "refused", words=failure.message)
            else:
                self._seen[stamp] = Seen(path, _STATES[one.kind], one.size_bytes)
        return self._seen[stamp]

    async def read(self, text: str) -> tuple[list[Attachment], list[str]]:
        """Read the files that a prompt names; return them, and what was named like a file and is none.

        Raises:
            UsageError: one is there and cannot be attached.
        """
        attachments: list[Attachment] = []
        missing: list[str] = []
        for one in mentions(text):
            found = await asyncio.to_thread(_find, one.path)
            if found is not None and found[1] is not None:
                attachments.append(await self._attach(found[0]))
            elif is_like_a_path(one.path):
                missing.append(one.path)
        return attachments, missing


_STATES: dict[AttachmentKind, Literal["text", "image"]] = {AttachmentKind.TEXT: "text", AttachmentKind.IMAGE: "image"}


def _find(path: str) -> tuple[Path, _Stamp | None] | None:
    """Return the file that a path means with what tells its version (None for a folder), None where there is none."""
    for place in readings(path):
        try:
            found = place.stat()
        except (OSError, ValueError):
            continue
        if stat.S_ISDIR(found.st_mode):
            return place, None
        return place, (str(place.absolute()), found.st_mtime_ns, found.st_size)
    return None


def told(seen: Sequence[Seen], *, blind: str = "") -> Content:
    """Return the line that tells what goes along.

    Args:
        seen: the files.
        blind: the name of the model that answers, where it cannot see images.
    """
    return Content(" · ").join([_told(one, blind) for one in seen])


def _told(one: Seen, blind: str) -> Content:
    # The path stands in the prompt; here is room for the size.
    name = literal(sanitize_line(one.path.rstrip("/").rpartition("/")[2] or one.path, 60))
    if one.state in ("text", "image"):
        parts = Content.assemble(name, (f" {one.state} {size(one.size_bytes)}", "$text-muted"))
        if one.state == "image" and blind:
            return Content.assemble(parts, (f" {signs().warning} {blind} cannot see", "$warning"))
        return parts
    if one.state == "none":
        return Content.assemble(name, (f" {one.words}", "$text-muted"))
    return Content.assemble((f"{signs().failed} ", "$error"), literal(one.words, "$error"))
