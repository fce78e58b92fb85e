"""The Hugging Face hub: what it has, what a repository holds, and the papers of the day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from venom_tui.core.clients.hub_session import in_thread
from venom_tui.core.errors import UsageError
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.offer import HubFile, HubRepository, NewsItem, Offer

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import ModelInfo, PaperInfo

USUAL_ENDPOINT = "https://huggingface.co"
_TIMEOUT_S = 15.0
_WORDS = 240
"""Characters of a summary that are kept."""
_MOST_FILES = 20_000
_EXPAND = (
    "downloads", "likes", "lastModified", "gated", "tags", "pipeline_tag", "safetensors", "gguf", "trendingScore",
)  # fmt: skip


class HuggingFaceClient:
    """Talks to one hub by its own library.

    Args:
        endpoint: `HF_ENDPOINT`.
        token: `HF_TOKEN`, "" for none. Without it, that of `hf auth login` is used where the hub is the usual one:
            a token goes to the host that it belongs to.
    """

    def __init__(self, endpoint: str, token: str = "", *, timeout_s: float = _TIMEOUT_S) -> None:
        """Take the address.

        Raises:
            UsageError: it is none.
        """
        self.endpoint = _checked(endpoint)
        self.who = "Hugging Face" if self.endpoint == USUAL_ENDPOINT else f"The hub at {urlsplit(self.endpoint).netloc}"
        self._token = token
        self._timeout_s = timeout_s

    def api(self) -> HfApi:
        """Return the library's way to this hub (in a thread)."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self.token() or False)

    def token(self) -> str:
        """Return the token for this hub, "" for none (in a thread)."""
        from huggingface_hub import get_token

        return self._token or (get_token() if self.endpoint == USUAL_ENDPOINT else None) or ""

    async def search(self, query: str, *, limit: int = 40, gguf: bool = False) -> list[Offer]:
        """Return repositories of models whose name holds the words, the most fetched first.

        Raises:
            RuntimeFailure: what the hub did or said.
        """
        return await self._models(query, "downloads", limit, gguf)

    async def trending(self, *, limit: int = 40, gguf: bool = False) -> list[Offer]:
        """Return what the hub calls trending.

        Raises:
            RuntimeFailure: what the hub did or said.
        """
        return await self._models("", "trending_score", limit, gguf)

    async def _models(
        self, query: str, sort: Literal["downloads", "trending_score"], limit: int, gguf: bool
    ) -> list[Offer]:
        def ask() -> list[Offer]:
            found = self.api().list_models(
                search=query or None,
                sort=sort,
                limit=limit,
                filter="gguf" if gguf else None,
                pipeline_tag=None if query or gguf else "text-generation",
                expand=list(_EXPAND),  # type: ignore[arg-type]  # names that the library knows
            )
            return [_offer(model) for model in islice(found, limit)]

        return await in_thread(self.who, ask, timeout_s=self._timeout_s)

    async def repository(self, repository_id: str, revision: str = "") -> HubRepository:
        """Return what a repository holds, with the size of each file.

        Raises:
            RuntimeFailure: what the hub did or said; a gated or private one may be refused.
        """

        def ask() -> HubRepository:
            return _repository(self.api().model_info(repository_id, revision=revision or None, files_metadata=True))

        return await in_thread(self.who, ask, timeout_s=self._timeout_s)

    async def papers(self, *, month: str = "", limit: int = 30) -> list[NewsItem]:
        """Return the papers of the day, or of a month (`2026-11`), that the hub's readers picked.

        Raises:
            RuntimeFailure: what the hub did or said.
        """

        def ask() -> list[NewsItem]:
            found = self.api().list_daily_papers(month=month or None, limit=limit)
            return [_paper(paper, self.endpoint) for paper in islice(found, limit)]

        return await in_thread(self.who, ask, timeout_s=self._timeout_s)


def _checked(endpoint: str) -> str:
    endpoint = endpoint.strip().rstrip("/") or USUAL_ENDPOINT
    try:
        parts = urlsplit(endpoint)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None
        usable = usable and not parts.query and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            f"HF_ENDPOINT is {sanitize_line(endpoint.rpartition('@')[2], 80)!r}, which is no address of a hub.",
            hint="Write https://HOST, without a user name.",
        )
    return endpoint


def _offer(model: ModelInfo) -> Offer:
    tags = _tags(model.tags)
    gguf: Any = model.gguf or {}
    return Offer(
        name=sanitize_line(model.id, 200),
        provider="huggingface",
        downloads=_count(model.downloads),
        likes=_count(model.likes),
        updated_at=_moment(model.last_modified),
        tags=tags,
        parameter_size=_parameters(model),
        context_length=_count(gguf.get("context_length")) or None,
        licence=_licence(tags),
        gated=bool(model.gated),
        gguf="gguf" in tags,
    )


def _repository(model: ModelInfo) -> HubRepository:
    tags = _tags(model.tags)
    gguf: Any = model.gguf or {}
    files = [
        HubFile(
            path=sanitize_line(one.rfilename, 500),
            size_bytes=_count(one.size),
            sha256=sanitize_line(one.lfs.sha256, 80) if one.lfs is not None else None,
        )
        for one in (model.siblings or [])[:_MOST_FILES]
    ]
    return HubRepository(
        id=sanitize_line(model.id, 200),
        commit=sanitize_line(model.sha or "", 60),
        files=tuple(sorted(files, key=lambda file: file.path)),
        licence=_licence(tags),
        gated=bool(model.gated),
        tags=tags,
        parameter_size=_parameters(model),
        context_length=_count(gguf.get("context_length")) or None,
        updated_at=_moment(model.last_modified),
    )


def _paper(paper: PaperInfo, endpoint: str) -> NewsItem:
    summary = sanitize_line(paper.summary or "", 4000)
    return NewsItem(
        title=sanitize_line(paper.title or paper.id, 300),
        url=f"{endpoint}/papers/{sanitize_line(paper.id, 40)}",
        summary=summary if len(summary) <= _WORDS else summary[:_WORDS].rstrip() + "…",
        published_at=_moment(paper.published_at or paper.submitted_at),
        authors=tuple(sanitize_line(author.name, 80) for author in islice(paper.authors or (), 20)),
    )


def _parameters(model: ModelInfo) -> str | None:
    gguf: Any = model.gguf or {}
    count = _count(gguf.get("total")) or (_count(model.safetensors.total) if model.safetensors else None)
    if not count or count > 10**15:
        return None
    if count >= 1e9:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e6:.0f}M" if count >= 1e6 else f"{count / 1e3:.0f}K"


def _tags(tags: Iterable[object] | None) -> tuple[str, ...]:
    return tuple(sanitize_line(str(tag), 80) for tag in islice(tags or (), 100))


def _licence(tags: Iterable[str]) -> str | None:
    return next((tag.partition(":")[2] for tag in tags if tag.startswith("license:")), None)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _moment(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
