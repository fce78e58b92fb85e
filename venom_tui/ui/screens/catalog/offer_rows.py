"""What could be had, as rows: offers, news, and those who could not be asked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content

from venom_tui.core.types.offer import News, NewsItem, Offer, Offers
from venom_tui.ui.dialogs.model_words import asked
from venom_tui.ui.text import literal, signs, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out

NAMES = {"huggingface": "Hugging Face", "ollama": "Ollama library"}
_OFFER_COLUMNS = (
    Column("name", 30, worth=10, stretch=True),
    Column("params", 14, worth=5),
    Column("taken", 7, worth=6, right=True),
    Column("can", 18, worth=3),
    Column("licence", 12, worth=2),
    Column("where", 14, worth=8),
)
_NEWS_COLUMNS = (
    Column("date", 6, worth=8),
    Column("title", 30, worth=10, stretch=True),
    Column("authors", 24, worth=2),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One row."""

    key: str
    offer: Offer | None = None
    news: NewsItem | None = None
    trouble: str = ""

    @property
    def title(self) -> str:
        """What it is called, "" for somebody who could not be asked."""
        if self.offer is not None:
            return self.offer.name
        return "" if self.news is None else self.news.title


def rows_of(found: Sequence[Offers] | News) -> list[Listed]:
    """Return what was found as rows: those who could not be asked first, each once."""
    if isinstance(found, News):
        rows = [Listed(f"news {place}", news=item) for place, item in enumerate(found.items)]
        trouble = _trouble(found.kind, found.error, found.hint)
        return [Listed(f"trouble {found.kind}", trouble=trouble), *rows] if trouble else rows
    troubles = [
        Listed(f"trouble {one.provider}", trouble=trouble)
        for one in found
        if (trouble := _trouble(NAMES.get(one.provider, one.provider), one.error, one.hint))
    ]
    # In turn, so that no provider hides the others.
    offers = [offer for row in _in_turn([one.offers for one in found]) for offer in row]
    return [*troubles, *(Listed(f"{offer.provider} {offer.name}", offer=offer) for offer in offers)]


def _in_turn(columns: Sequence[Sequence[Offer]]) -> list[list[Offer]]:
    most = max((len(column) for column in columns), default=0)
    return [[column[place] for column in columns if place < len(column)] for place in range(most)]


def _trouble(who: str, error: str, hint: str) -> str:
    named = error if error.startswith(who) else f"{who}: {error}"
    return f"{named}{f' {hint}' if hint else ''}" if error else ""


def when_asked(found: Sequence[Offers] | News) -> str:
    """Return when this was asked, for the title."""
    if isinstance(found, News):
        return _when(found.asked_at is not None, found.stale, asked(found.asked_at))
    moments = [one.asked_at for one in found if one.asked_at is not None]
    oldest = min(moments, default=None)
    return _when(oldest is not None, any(one.stale for one in found), asked(oldest))


def _when(known: bool, stale: bool, moment: str) -> str:
    if not known:
        return ""
    return f"of {moment}, not of now" if stale else f"asked {moment}"


def line(listed: Listed, width: int) -> Content:
    """Return a row in at most so many cells."""
    if listed.trouble:
        return Content.assemble((signs().failed, "$error"), " ", literal(listed.trouble)).truncate(width, ellipsis=True)
    if listed.news is not None:
        return _news_line(listed.news, width)
    assert listed.offer is not None
    return _offer_line(listed.offer, width)


def heads(*, news: bool, width: int) -> Content:
    """Return the titles over the columns."""
    columns = _NEWS_COLUMNS if news else _OFFER_COLUMNS
    cells = [
        Content.styled(f"  {column.title}" if column.stretch else column.title, "$text-muted") for column in columns
    ]
    return lay_out(cells, columns, fit_columns(columns, width))


def _offer_line(offer: Offer, width: int) -> Content:
    shown = fit_columns(_OFFER_COLUMNS, width)
    room = max(4, dict(shown).get(0, width) - 2)
    mark = Content.styled(signs().installed, "$success") if offer.installed else Content(" ")
    cells = (
        Content.assemble(mark, " ", literal(truncate_middle(offer.name, room))),
        literal(offer.parameter_size or "?"),
        literal(count_cell(offer.downloads)),
        literal("?" if offer.capabilities is None else " ".join(offer.capabilities)),
        literal(offer.licence or "?"),
        literal(NAMES.get(offer.provider, offer.provider), "$text-muted"),
    )
    return lay_out(cells, _OFFER_COLUMNS, shown)


def _news_line(item: NewsItem, width: int) -> Content:
    date = "" if item.published_at is None else f"{item.published_at.astimezone():%d %b}"
    cells = (
        literal(date, "$text-muted"),
        literal(f"  {item.title}"),
        literal(", ".join(item.authors), "$text-muted"),
    )
    return lay_out(cells, _NEWS_COLUMNS, fit_columns(_NEWS_COLUMNS, width))


def count_cell(count: int | None) -> str:
    """Return a number of downloads as the field writes it: `812`, `12k`, `3.4M`."""
    if count is None:
        return "?"
    if count >= 999_500:
        return f"{count / 1e6:.1f}M"
    return f"{count / 1000:.0f}k" if count >= 1000 else str(count)


def detail_lines(listed: Listed | None, width: int) -> list[Content]:
    """Return what stands below the rows on the one under the cursor."""
    if listed is None:
        return []
    if listed.trouble:
        return [literal(listed.trouble)]
    if listed.news is not None:
        item = listed.news
        lines = [item.summary, item.url or "no address", ", ".join(item.authors)]
        return [
            literal(text).truncate(2 * width if text == item.summary else width, ellipsis=True)
            for text in lines
            if text
        ]
    assert listed.offer is not None
    offer = listed.offer
    facts = [
        "some of it is here" if offer.installed else "",
        "its conditions have to be accepted first" if offer.gated else "",
        "holds GGUF files" if offer.gguf and offer.provider == "huggingface" else "",
        "" if offer.context_length is None else f"{offer.context_length:,} tokens of context",
        "" if offer.likes is None else f"{offer.likes:,} likes",
        "" if offer.updated_at is None else f"changed {offer.updated_at:%d %b %Y}",
    ]
    found = [offer.name, " · ".join(fact for fact in facts if fact), offer.description, " ".join(offer.tags)]
    return [literal(text).truncate(width, ellipsis=True) for text in found if text]
