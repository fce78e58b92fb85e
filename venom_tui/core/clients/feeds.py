"""News feeds: RSS and Atom, read without trusting a byte of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from xml.parsers import expat

from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.server import ServerClient
from venom_tui.core.errors import BadAnswer
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.offer import NewsItem

_TIMEOUT_S = 15.0
_LARGEST = 4 * 1024 * 1024
_DEEPEST = 40
_MOST_ITEMS = 200
_LONGEST_FIELD = 20_000
_SUMMARY = 240
_WEB = re.compile(r"https?://[^\s<>\"]+\Z")
_FIELDS = {
    "title": "title", "link": "link", "description": "summary", "summary": "summary", "content": "content",
    "pubdate": "date", "published": "date", "date": "date", "updated": "updated", "creator": "author", "name": "author",
}  # fmt: skip
"""Element of an item, without its namespace and in lower case -> what it is kept as."""


class FeedClient(ServerClient):
    """Fetches feeds of one site."""

    def __init__(self, pool: HttpPool, url: str, *, who: str) -> None:
        super().__init__(pool, url, who=who)

    async def news(self, path: str, *, limit: int = 30) -> list[NewsItem]:
        """Return the items of a feed, newest first.

        Raises:
            RuntimeFailure: what the site did or said, or that it sent no feed.
        """
        text = await self.text(path, timeout_s=_TIMEOUT_S)
        if len(text) > _LARGEST:
            raise BadAnswer(f"{self.who} sent a feed of more than {_LARGEST >> 20} MiB.")
        return read_feed(text, self.who)[:limit]


def read_feed(text: str, who: str) -> list[NewsItem]:
    """Return the items of a feed, newest first, as far as they have dates.

    Raises:
        BadAnswer: it is none, or it is made to do harm: declarations of entities are refused.
    """
    reader = _Reader(who)
    try:
        reader.read(text)
    except expat.ExpatError as error:
        raise BadAnswer(f"{who} sent no feed.", server_message=sanitize_line(str(error), 120)) from error
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(reader.items, key=lambda item: item.published_at or oldest, reverse=True)


class _Reader:
    """Reads a feed as expat walks through it; keeps the texts of items and nothing else."""

    def __init__(self, who: str) -> None:
        self.items: list[NewsItem] = []
        self._who = who
        self._path: list[str] = []
        self._item: dict[str, list[str]] | None = None
        self._field = ""
        self._is_feed = False

    def read(self, text: str) -> None:
        """Read a whole feed."""
        parser = expat.ParserCreate("utf-8", "}")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse
        parser.EntityDeclHandler = self._refuse
        parser.ExternalEntityRefHandler = lambda *_: 0
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.Parse(text.encode("utf-8", "replace"), True)
        if not self._is_feed:
            raise BadAnswer(f"{self._who} sent no feed.")

    def _refuse(self, *_: object) -> None:
        raise BadAnswer(f"{self._who} sent a feed that declares types or entities, which no feed needs.")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition("}")[2].lower()
        if not self._path:
            self._is_feed = name in ("rss", "feed", "rdf")
        self._path.append(name)
        if len(self._path) > _DEEPEST:
            raise BadAnswer(f"{self._who} sent a feed that is nested too deeply.")
        if name in ("item", "entry") and len(self.items) < _MOST_ITEMS:
            self._item = {}
        elif self._item is not None and name in _FIELDS:
            self._field = _FIELDS[name]
            self._item.setdefault(self._field, []).append("")
            if self._field == "link" and attributes.get("rel", "alternate") == "alternate":
                self._text(attributes.get("href", ""))

    def _text(self, text: str) -> None:
        if self._item is not None and self._field:
            texts = self._item[self._field]
            texts[-1] = (texts[-1] + text)[:_LONGEST_FIELD]

    def _end(self, name: str) -> None:
        self._path.pop()
        self._field = ""
        if self._item is not None and name.rpartition("}")[2].lower() in ("item", "entry"):
            if (item := _item(self._item)) is not None:
                self.items.append(item)
            self._item = None


def _item(fields: dict[str, list[str]]) -> NewsItem | None:
    def first(*names: str) -> str:
        return next((text for name in names for text in fields.get(name, ()) if text.strip()), "")

    title = sanitize_line(plain_text(first("title")), 300)
    url = first("link").strip()
    if not title:
        return None
    summary = sanitize_line(plain_text(first("summary", "content")), _LONGEST_FIELD)
    return NewsItem(
        title=title,
        url=sanitize_line(url, 500) if _WEB.match(url) else "",
        summary=summary if len(summary) <= _SUMMARY else summary[:_SUMMARY].rstrip() + "…",
        published_at=parse_date(first("date", "updated")),
        authors=tuple(sanitize_line(name, 80) for name in fields.get("author", ())[:20] if name.strip()),
    )


def parse_date(text: str) -> datetime | None:
    """Return a moment as feeds write it, None for anything else."""
    readers: tuple[Callable[[str], datetime], ...] = (parsedate_to_datetime, datetime.fromisoformat)
    for read in readers:
        try:
            moment = read(text.strip())
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


class _Text(HTMLParser):
    """Keeps what is neither a tag nor a script."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden = max(0, self._hidden - (tag in ("script", "style")))
        self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain_text(html: str) -> str:
    """Return the text of a piece of HTML."""
    reader = _Text()
    reader.feed(html)
    reader.close()
    return "".join(reader.parts)
