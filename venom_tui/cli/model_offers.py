"""`venom-tui models search|trending|news`: what could be had, asked for now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from venom_tui.cli.failures import error_kinds
from venom_tui.cli.options import json_option
from venom_tui.cli.output import data_of, note, show, table, when
from venom_tui.cli.running import run_with_core
from venom_tui.core.errors import VenomError
from venom_tui.core.types.offer import News, Offer, Offers

if TYPE_CHECKING:
    from venom_tui.core.core import Core

_SEARCHED = ("huggingface", "ollama")


def add_to(group: click.Group) -> None:
    """Add the commands to the group of models."""
    for one in (search, trending, news):
        group.add_command(one)


def _provider_option(command: Any) -> Any:
    return click.option("--provider", type=click.Choice(_SEARCHED), help="Ask only this one.")(command)


def _limit_option(command: Any) -> Any:
    return click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True, help="At most so many.")(
        command
    )


@click.command("search")
@click.argument("text")
@_provider_option
@_limit_option
@json_option
@click.pass_obj
def search(flags: dict[str, Any], text: str, provider: str | None, limit: int, as_json: bool) -> None:
    """Search Hugging Face and the Ollama library for models."""

    async def work(core: Core) -> list[Offers]:
        return await core.registry.search(text, providers=_providers(provider), limit=limit)

    _show_offers(run_with_core(work, flags), as_json=as_json)


@click.command("trending")
@_provider_option
@_limit_option
@json_option
@click.pass_obj
def trending(flags: dict[str, Any], provider: str | None, limit: int, as_json: bool) -> None:
    """Show what is taken most now on Hugging Face and in the Ollama library."""

    async def work(core: Core) -> list[Offers]:
        return await core.registry.trending(providers=_providers(provider), limit=limit)

    _show_offers(run_with_core(work, flags), as_json=as_json)


@click.command("news")
@click.option("--papers", is_flag=True, help="Papers that readers of Hugging Face picked, instead of its blog.")
@click.option("--month", default="", metavar="YYYY-MM", help="Papers of this month.")
@_limit_option
@json_option
@click.pass_obj
def news(flags: dict[str, Any], papers: bool, month: str, limit: int, as_json: bool) -> None:
    """Show news from the blog of Hugging Face, or its papers."""

    async def work(core: Core) -> News:
        return await core.registry.news("papers" if papers else "blog", month=month, limit=limit)

    found = run_with_core(work, flags)
    if found.error and found.asked_at is None:
        raise _failure(found)
    if found.error:
        note(f"venom-tui: {found.error} This is from {when(found.asked_at)}.")
    told = {"asked_at": found.asked_at, "stale": found.stale}
    rows = [{**data_of(item), **data_of(told)} for item in found.items]
    show(rows, lambda: _news_lines(found), as_json=as_json)


def _news_lines(found: News) -> list[str]:
    rows = [(when(item.published_at)[:10], item.title, item.url) for item in found.items]
    return table(("DATE", "TITLE", "ADDRESS"), rows) if rows else ["There is no news."]


def _providers(provider: str | None) -> tuple[str, ...]:
    return _SEARCHED if provider is None else (provider,)


def _show_offers(found: Sequence[Offers], *, as_json: bool) -> None:
    """Print what was found; fail where nobody answered, now or before."""
    if all(one.error and one.asked_at is None for one in found):
        raise _failure(found[0])
    for one in found:
        if one.error:
            older = f" This is from {when(one.asked_at)}." if one.stale else ""
            note(f"venom-tui: {one.error}{older}")
    rows = [
        {**data_of(offer), **data_of({"asked_at": one.asked_at, "stale": one.stale})}
        for one in found
        for offer in one.offers
    ]
    show(rows, lambda: _offer_lines([offer for one in found for offer in one.offers]), as_json=as_json)


def _offer_lines(offers: Sequence[Offer]) -> list[str]:
    if not offers:
        return ["Nothing was found."]
    rows = [
        (
            offer.name,
            offer.provider,
            _thousands(offer.downloads),
            offer.parameter_size or "?",
            "?" if offer.capabilities is None else " ".join(offer.capabilities),
            ", ".join(_words(offer)) or offer.description,
        )
        for offer in offers
    ]
    return table(("NAME", "PROVIDER", "TAKEN", "PARAMETERS", "CAN", ""), rows)


def _words(offer: Offer) -> list[str]:
    words = [*(["here"] if offer.installed else []), *(["gated"] if offer.gated else [])]
    return [*words, *(["GGUF"] if offer.gguf and offer.provider == "huggingface" else []), *_licence(offer)]


def _licence(offer: Offer) -> list[str]:
    return [offer.licence] if offer.licence else []


def _thousands(count: int | None) -> str:
    if count is None:
        return "?"
    for unit, factor in (("M", 1_000_000), ("k", 1000)):
        if count >= factor:
            return f"{count / factor:.1f}{unit}"
    return str(count)


def _failure(found: Offers | News) -> VenomError:
    """Return the failure of somebody who was asked as the error that it was in the core."""
    kind = next((one for one in error_kinds() if one.code == found.code), VenomError)
    return kind(found.error, hint=found.hint)
