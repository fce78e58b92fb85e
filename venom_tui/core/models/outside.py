"""What is asked outside this machine: only when the user opens it, kept with its time, not emptied by an outage."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from datetime import datetime
from typing import Any, TypeVar

from venom_tui.core.clients.feeds import FeedClient
from venom_tui.core.clients.http import HttpPool
from venom_tui.core.clients.huggingface import HuggingFaceClient
from venom_tui.core.clients.ollama_library import OllamaLibraryClient
from venom_tui.core.clients.proxies import is_local
from venom_tui.core.errors import Offline, StoreError, UsageError, VenomError
from venom_tui.core.models.names import hub_name
from venom_tui.core.models.quantization import quantization_of
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.settings import Settings
from venom_tui.core.store.catalog import CatalogStore
from venom_tui.core.types.offer import HubFile, HubRepository, News, NewsItem, Offer, Offers

T = TypeVar("T")
SEARCHED = ("huggingface", "ollama")
NEWS = ("blog", "papers")
_MONTH = re.compile(r"20\d\d-(?:0[1-9]|1[0-2])\Z", re.ASCII)
_TIMES = ("updated_at", "published_at", "asked_at")
_SHORTEST, _LONGEST = 2, 200


def check_online(settings: Settings, who: str) -> None:
    """Refuse to ask somebody where that is switched off.

    Raises:
        Offline: it is.
    """
    if settings.flag("VENOM_OFFLINE"):
        raise Offline(f"{who} is not asked: venom-tui is offline (VENOM_OFFLINE).", hint="Unset it to ask.")


def check_hub(settings: Settings) -> None:
    """Refuse to ask Hugging Face where that is switched off, also by the setting of its own library.

    Raises:
        Offline: it is.
    """
    check_online(settings, "Hugging Face")
    if settings.flag("HF_HUB_OFFLINE"):
        raise Offline("Hugging Face is not asked: HF_HUB_OFFLINE is set.", hint="Unset it to ask.")


def check_registry(settings: Settings, host: str) -> None:
    """Refuse to have something fetched from a registry where that is switched off; one of the own network is asked.

    Raises:
        Offline: it is.
    """
    if not is_local(f"http://{host}"):
        check_online(settings, f"The registry {sanitize_line(host, 80)}")


class Outside:
    """Asks providers, each on its own, and keeps what they answered."""

    def __init__(self, settings: Settings, pool: HttpPool, store: CatalogStore) -> None:
        self._settings = settings
        self._pool = pool
        self._store = store

    def hub(self) -> HuggingFaceClient:
        """Return the way to Hugging Face.

        Raises:
            Offline: nothing outside may be asked.
            UsageError: HF_ENDPOINT is no address.
        """
        check_hub(self._settings)
        return HuggingFaceClient(self._settings.text("HF_ENDPOINT"), self._settings.text("HF_TOKEN"))

    def check_online(self, who: str) -> None:
        """Refuse to ask somebody where that is switched off.

        Raises:
            Offline: it is.
        """
        check_online(self._settings, who)

    # ------------------------------------------------------------------ offers

    async def search(self, query: str, provider: str, limit: int) -> Offers:
        """Return what a provider finds for some words; what it answered before where it cannot be asked now.

        Raises:
            UsageError: the words are too few or too many, or there is no such provider.
        """
        words = " ".join(sanitize_line(query, _LONGEST + 1).split())
        if not _SHORTEST <= len(words) <= _LONGEST:
            raise UsageError(f"A search takes {_SHORTEST} to {_LONGEST} characters.")
        return await self._offers(f"search {words.lower()}", provider, words, limit)

    async def trending(self, provider: str, limit: int) -> Offers:
        """Return what a provider's users take most now.

        Raises:
            UsageError: there is no such provider.
        """
        return await self._offers("trending", provider, "", limit)

    async def _offers(self, question: str, provider: str, words: str, limit: int) -> Offers:
        _check_limit(limit)
        if provider not in SEARCHED:
            raise UsageError(
                f"{sanitize_line(provider, 40)!r} cannot be searched.", hint=f"There are: {', '.join(SEARCHED)}."
            )

        async def ask() -> list[Offer]:
            if provider == "huggingface":
                hub = self.hub()
                return await (hub.search(words, limit=limit) if words else hub.trending(limit=limit))
            self.check_online("The Ollama library")
            library = OllamaLibraryClient(self._pool, self._settings.text("VENOM_OLLAMA_LIBRARY").rstrip("/"))
            return await library.search(words, limit=limit)

        rows, asked_at, failure = await self._asked(f"{question} at {provider}", ask, limit)
        offers = tuple(from_data(Offer, row) for row in rows)
        return Offers(provider, offers, asked_at, **_failed(failure, asked_at))

    async def kept_trending(self, provider: str) -> Offers:
        """Return what was answered last, without asking."""
        kept = await self._kept(f"trending at {provider}")
        if kept is None:
            return Offers(provider)
        return Offers(provider, tuple(from_data(Offer, row) for row in kept[0]), kept[1], stale=True)

    # ------------------------------------------------------------------ news

    async def news(self, kind: str, *, month: str, limit: int) -> News:
        """Return the news of a kind; what was answered before where nobody can be asked now.

        Raises:
            UsageError: there is no such kind, or no such month.
        """
        _check_limit(limit)
        if kind not in NEWS:
            raise UsageError(f"{sanitize_line(kind, 40)!r} is no kind of news.", hint=f"There are: {', '.join(NEWS)}.")
        _check_month(month)

        async def ask() -> list[NewsItem]:
            hub = self.hub()
            if kind == "papers":
                return await hub.papers(month=month, limit=limit)
            blog = FeedClient(self._pool, hub.endpoint, who=f"The blog of {hub.who}")
            return await blog.news("/blog/feed.xml", limit=limit)

        rows, asked_at, failure = await self._asked(f"news {kind} {month}".strip(), ask, limit)
        items = tuple(from_data(NewsItem, row) for row in rows)
        return News(kind, items, asked_at, **_failed(failure, asked_at))

    # ------------------------------------------------------------------ repositories

    async def repository(self, name: str) -> HubRepository:
        """Return what a repository of Hugging Face holds; what it held before where it cannot be asked now.

        Raises:
            UsageError: the name means no repository.
            VenomError: it cannot be asked, and was not before.
        """
        meant = hub_name(name)
        question = f"repository {meant.repository} {meant.revision}".strip()
        try:
            found = await self.hub().repository(meant.repository, meant.revision)
        except VenomError as failure:
            kept = await self._kept(question)
            if kept is None or not kept[0]:
                raise
            return replace(_repository(kept[0][0]), asked_at=kept[1], stale=True, error=failure.message)
        asked_at = await self._keep(question, [found])
        return replace(_labelled(found), asked_at=asked_at)

    # ------------------------------------------------------------------ what is kept

    async def _asked(
        self, question: str, ask: Callable[[], Awaitable[Sequence[object]]], limit: int
    ) -> tuple[list[dict[str, Any]], datetime | None, VenomError | None]:
        """Ask and keep the answer; where that fails, return what is kept, with the failure."""
        try:
            answer = await ask()
        except VenomError as failure:
            kept = await self._kept(question)
            return (kept[0][:limit], kept[1], failure) if kept else ([], None, failure)
        asked_at = await self._keep(question, answer)
        return [plain(one) for one in answer], asked_at, None

    async def _kept(self, question: str) -> tuple[list[dict[str, Any]], datetime] | None:
        try:
            kept = await self._store.answer(question)
        except StoreError:
            return None
        return None if kept is None else (kept.value, kept.asked_at)

    async def _keep(self, question: str, answer: Sequence[object]) -> datetime:
        try:
            return (await self._store.save_answer(question, [plain(one) for one in answer])).asked_at
        except StoreError:
            return datetime.now().astimezone()


def _failed(failure: VenomError | None, asked_at: datetime | None) -> dict[str, Any]:
    if failure is None:
        return {}
    words = f" “{failure.server_message}”" if failure.server_message else ""
    told = {"error": failure.message + words, "hint": failure.hint, "code": failure.code}
    return {"stale": asked_at is not None, **told}


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= 200:
        raise UsageError(f"A limit is from 1 to 200, not {limit:,}.")


def _check_month(month: str) -> None:
    if month and not _MONTH.match(month):
        raise UsageError(f"{sanitize_line(month, 20)!r} is no month.", hint="Write it as 2026-11.")


def plain(value: Any) -> dict[str, Any]:
    """Return a dataclass as what JSON knows."""
    return {name: _plain(one) for name, one in asdict(value).items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value


def from_data(kind: type[T], row: Mapping[str, Any]) -> T:
    """Return a dataclass from what was kept of it, also by another version of this program."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # it is a dataclass
    values: dict[str, Any] = {}
    for name, value in row.items():
        if name in _TIMES and isinstance(value, str):
            values[name] = datetime.fromisoformat(value)
        elif name in known:
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def _repository(row: Mapping[str, Any]) -> HubRepository:
    files = tuple(from_data(HubFile, file) for file in row.get("files", ()))
    return _labelled(replace(from_data(HubRepository, {**row, "files": []}), files=files))


def _labelled(found: HubRepository) -> HubRepository:
    """Say of GGUF files what their names say of their quantization."""
    files = tuple(
        replace(file, quantization=quantization_of(file.path)) if file.path.lower().endswith(".gguf") else file
        for file in found.files
    )
    return replace(found, files=files)
