"""The library of Ollama: its page of search, and its registry's manifests. Neither is an API that is promised."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from venom_tui.core.clients.http import HttpPool, read_body, status_error
from venom_tui.core.clients.server import ServerClient
from venom_tui.core.errors import BadAnswer
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.offer import Offer

_TIMEOUT_S = 15.0
_LARGEST_PAGE = 4 * 1024 * 1024
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_LINK = re.compile(rf"/library/(?P<own>{_PART})\Z|/(?P<others>{_PART}/{_PART})\Z")
_MARK = "x-test-"
"""What its attributes begin with that tell what an element is."""
_PULLS = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([KMB]?)", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1e3, "m": 1e6, "b": 1e9}
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class OllamaLibraryClient(ServerClient):
    """Searches the library by its page for people."""

    def __init__(self, pool: HttpPool, url: str) -> None:
        super().__init__(pool, url, who="The Ollama library")

    async def search(self, query: str, *, limit: int = 40) -> list[Offer]:
        """Return what the library finds for some words, without any what is fetched most.

        Raises:
            RuntimeFailure: what the site did or said.
        """
        page = await self.text("/search", timeout_s=_TIMEOUT_S, query={"q": query} if query else {"o": "popular"})
        if len(page) > _LARGEST_PAGE:
            raise BadAnswer(f"{self.who} sent a page of more than {_LARGEST_PAGE >> 20} MiB.")
        offers = read_search(page)
        if not offers and "<" not in page[:1000]:
            raise BadAnswer(f"{self.who} sent no page of search.", server_message=sanitize_line(page[:200], 200))
        return offers[:limit]


def read_search(page: str) -> list[Offer]:
    """Return the models that a page of search links to, in its order."""
    reader = _Page()
    reader.feed(page)
    reader.close()
    return list(reader.offers.values())


class _Page(HTMLParser):
    """Finds links to models, with what stands in them."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.offers: dict[str, Offer] = {}
        self._name = ""
        self._marked = False
        self._into = ""
        self._texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        kind = next((name.removeprefix(_MARK) for name in given if name.startswith(_MARK)), "")
        if kind == "model":
            self._marked = True
        elif tag == "a" and not self._name:
            self._begin(_LINK.match(given.get("href") or ""))
        elif self._name and (kind or tag in ("p", "span", "h2")):
            self._into = kind or ("text" if tag == "p" else "")
            if self._into:
                self._texts.setdefault(self._into, []).append("")

    def _begin(self, link: re.Match[str] | None) -> None:
        """Begin with what a link stands for; two names alone count only where models are marked."""
        if link is not None and (link["own"] or self._marked):
            self._name = link["own"] or link["others"]
            self._into, self._texts = "", {}

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._name:
            self.offers.setdefault(self._name, _offer(self._name, self._texts))
            self._name = ""
        if tag in ("span", "p", "h2"):
            self._into = ""
        elif tag == "li":
            self._marked = False

    def handle_data(self, data: str) -> None:
        if self._name and self._into:
            texts = self._texts[self._into]
            texts[-1] = (texts[-1] + data)[:2000]


def _offer(name: str, texts: Mapping[str, list[str]]) -> Offer:
    def words(kind: str) -> tuple[str, ...]:
        return tuple(sanitize_line(text, 40) for text in texts.get(kind, ())[:40] if text.strip())

    sizes = words("size")
    capabilities = words("capability")
    return Offer(
        name=sanitize_line(name, 160),
        provider="ollama",
        downloads=_pulls(next(iter(words("pull-count")), "")),
        description=sanitize_line(next((text for text in texts.get("text", ()) if text.strip()), ""), 240),
        tags=capabilities,
        parameter_size=" ".join(sizes) or None,
        capabilities=capabilities or None,
        gguf=True,
    )


def _pulls(text: str) -> int | None:
    found = _PULLS.fullmatch(text.strip())
    return int(float(found[1]) * _FACTORS[found[2].lower()]) if found else None


@dataclass(frozen=True, slots=True)
class RegistryManifest:
    """A manifest as a registry has it now."""

    digests: frozenset[str]
    """By what this manifest may be known: the digest of its bytes, and of how Ollama writes it down."""
    layers: tuple[tuple[str, str, int], ...]
    """(media type, digest, bytes), the configuration last."""


class OllamaRegistryClient(ServerClient):
    """Asks a registry for manifests; sends no key."""

    def __init__(self, pool: HttpPool, url: str) -> None:
        super().__init__(pool, url, who=f"The registry {url.partition('://')[2]}")
        self._headers = {"accept": _MANIFEST}

    async def manifest(self, repository: str, tag: str) -> RegistryManifest:
        """Return the manifest of `library/qwen3` and a tag.

        Raises:
            RuntimeFailure: what the registry did or said.
        """
        path = f"/v2/{repository}/manifests/{tag}"
        async with self._answer("GET", path, None, _TIMEOUT_S, None) as response:
            body = await read_body(response, self.who)
            if not response.is_success:
                raise status_error(response, body, self.who)
        return read_manifest(body, self.who)


def read_manifest(body: bytes, who: str) -> RegistryManifest:
    """Read a manifest.

    Raises:
        BadAnswer: it is none.
    """
    try:
        manifest: Any = json.loads(body)
        rows = [*manifest["layers"], manifest["config"]]
        layers = tuple(
            (sanitize_line(row["mediaType"], 120), sanitize_line(row["digest"], 80), int(row["size"])) for row in rows
        )
    except (ValueError, TypeError, LookupError, RecursionError):
        raise BadAnswer(f"{who} sent no manifest.", server_message=sanitize_line(repr(body[:120]), 200)) from None
    written = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False).encode()
    forms = (body, written, written + b"\n")
    return RegistryManifest(frozenset(f"sha256:{hashlib.sha256(form).hexdigest()}" for form in forms), layers)
