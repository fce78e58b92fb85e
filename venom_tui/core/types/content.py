"""What a message may hold besides its text: attached files, images, calls of functions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that a model wants to have called."""

    name: str
    arguments: str
    """JSON text of an object, as the model wrote it; may be broken."""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture that goes along with a message."""

    media_type: str
    """`image/png`, `image/jpeg`, …"""
    data: str
    """Its bytes in base64."""


class AttachmentKind(StrEnum):
    """How an attached file goes to a model."""

    TEXT = "text"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along with a prompt, as it was when it was attached."""

    name: str
    """Its name without folders, sanitized."""
    kind: AttachmentKind
    media_type: str
    """`text/plain`, `image/png`, …"""
    size_bytes: int
    """Bytes of the file."""
    data: str
    """Its text, sanitized, or the bytes of an image in base64; "" where only the name was asked for."""
