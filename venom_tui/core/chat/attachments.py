"""Files that go along with a prompt: read once, when they are attached, and told to the model with the prompt."""

from __future__ import annotations

import base64
import codecs
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize, sanitize_line
from venom_tui.core.types.content import Attachment, AttachmentKind, Image

TEXT_LIMIT_BYTES = 1024 * 1024
IMAGE_LIMIT_BYTES = 20 * 1024 * 1024

_HEAD_BYTES = 16
"""Bytes at a file's beginning that tell what it is."""
_IMAGES = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
)
_NEITHER = "neither UTF-8 text nor a PNG, JPEG, GIF or WebP image"


def read_file(path: Path, *, text_limit: int = TEXT_LIMIT_BYTES, image_limit: int = IMAGE_LIMIT_BYTES) -> Attachment:
    """Read a file of text or an image (synchronous; call it in a thread). `~` is expanded, links are followed.

    Args:
        path: the file.
        text_limit: most bytes of a text.
        image_limit: most bytes of an image.

    Raises:
        UsageError: it is no such file, too large, empty, or cannot be read.
    """
    name = sanitize_line(path.name, 120) or "file"
    try:
        path = path.expanduser()
        _check_kind(path.stat().st_mode, name)
        # It may have become a pipe meanwhile, which an open without this would wait for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            found = os.fstat(file.fileno())
            _check_kind(found.st_mode, name)
            return _read(file, found.st_size, name, text_limit, image_limit)
    except (OSError, ValueError, RuntimeError) as error:
        words = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UsageError(f"{name} cannot be attached: {sanitize_line(words)}.") from None


def _check_kind(mode: int, name: str) -> None:
    if stat.S_ISDIR(mode):
        raise UsageError(f"{name} is a folder: only files can be attached.")
    if not stat.S_ISREG(mode):
        raise UsageError(f"{name} is no regular file: only files can be attached.")


def _read(file: BinaryIO, size: int, name: str, text_limit: int, image_limit: int) -> Attachment:
    head = file.read(_HEAD_BYTES)
    media_type = next((kind for kind, magic in _IMAGES if magic.match(head)), None)
    limit = text_limit if media_type is None else image_limit
    data = head + file.read(max(0, limit + 1 - len(head)))
    size = max(size, len(data))
    if media_type is not None:
        if size > limit:
            raise UsageError(f"{name} has {_size(size)}: images of up to {_size(limit)} can be attached.")
        encoded = base64.b64encode(data).decode("ascii")
        return Attachment(name, AttachmentKind.IMAGE, media_type, len(data), encoded)
    text = _text(data, name, whole=len(data) <= limit)
    if size > limit:
        raise UsageError(
            f"{name} has {_size(size)} of text: up to {_size(limit)} can be attached.", hint="Attach a part of it."
        )
    if not text.strip():
        raise UsageError(f"{name} holds no text.")
    return Attachment(name, AttachmentKind.TEXT, "text/plain", len(data), text)


def _text(data: bytes, name: str, *, whole: bool) -> str:
    """Return the text of a file; one that is not whole may end in the middle of a character."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(data, final=whole)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise UsageError(f"{name} is {_NEITHER}.")
    return sanitize(text)


def _size(size: int) -> str:
    for unit, factor in (("MiB", 1024**2), ("KiB", 1024)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} bytes"


def told_text(text: str, attachments: Sequence[Attachment]) -> str:
    """Return a prompt as a model reads it: its text, then each attached text, named and fenced.

    The fence is longer than any in the text, so that nothing in it can end it.
    """
    parts = [text] if text.strip() else []
    for one in attachments:
        if one.kind is AttachmentKind.TEXT:
            longest = max((len(run) for run in re.findall(r"`{3,}", one.data)), default=2)
            fence = "`" * (longest + 1)
            parts.append(f"File {one.name}:\n{fence}\n{one.data.strip(chr(10))}\n{fence}")
    return "\n\n".join(parts)


def images_of(attachments: Sequence[Attachment]) -> tuple[Image, ...]:
    """Return the images among attachments."""
    return tuple(Image(one.media_type, one.data) for one in attachments if one.kind is AttachmentKind.IMAGE)
