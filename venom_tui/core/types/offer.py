"""What could be had: models of others, what a repository holds, and news of the field."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """A model that somebody offers. None always means "not known"."""

    name: str
    """As it is asked for: `org/repo`, `qwen3`; sanitized."""
    provider: str
    """`huggingface` or `ollama`."""
    downloads: int | None = None
    likes: int | None = None
    updated_at: datetime | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    parameter_size: str | None = None
    """`135M`, `8.0B`; where an offer has several sizes, all of them: `0.6b 1.7b 4b`."""
    context_length: int | None = None
    capabilities: tuple[str, ...] | None = None
    licence: str | None = None
    gated: bool = False
    """Whether its conditions have to be accepted first."""
    gguf: bool | None = None
    """Whether it holds GGUF files, which the embedded llama.cpp and Ollama can use."""
    installed: bool = False
    """Whether some of it is on this machine."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What one provider answered."""

    provider: str
    offers: tuple[Offer, ...] = ()
    asked_at: datetime | None = None
    """When this was answered; None when it never was."""
    stale: bool = False
    """Whether this is an older answer, since there is no newer one now."""
    error: str = ""
    """Why there is no newer one, as one sentence."""
    hint: str = ""
    code: str = ""
    """The code of that error."""


@dataclass(frozen=True, slots=True)
class NewsItem:
    """One piece of news."""

    title: str
    url: str
    summary: str = ""
    published_at: datetime | None = None
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class News:
    """The news of one kind, `blog` or `papers`."""

    kind: str
    items: tuple[NewsItem, ...] = ()
    asked_at: datetime | None = None
    stale: bool = False
    error: str = ""
    hint: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository."""

    path: str
    size_bytes: int | None
    sha256: str | None = None
    """Of what is kept in LFS, which weights are."""
    quantization: str | None = None
    """Of GGUF files, as their name says."""


@dataclass(frozen=True, slots=True)
class HubRepository:
    """What a repository of Hugging Face holds, before anything of it is fetched."""

    id: str
    commit: str
    files: tuple[HubFile, ...]
    licence: str | None = None
    gated: bool = False
    tags: tuple[str, ...] = ()
    parameter_size: str | None = None
    context_length: int | None = None
    updated_at: datetime | None = None
    asked_at: datetime | None = None
    stale: bool = False
    error: str = ""

    @property
    def size_bytes(self) -> int | None:
        """Size of all files together; None when one is not known."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)
