"""Better models that fit this machine: those that are here, well-known ones, and what hub and library offer now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from venom_tui.core.types.fit import Candidate, Verdict
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.dialogs.picker import Choice, Picker
from venom_tui.ui.text import gib, literal, signs
from venom_tui.ui.widgets.columns import Column
from venom_tui.ui.widgets.verdicts import verdict
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.ui.app.app import VenomApp

_ASK = "\0ask"
_OFFERED = "What hub and library offer now"
_COLUMNS = (
    Column("", 1, worth=9),
    Column("name", 26, worth=10, stretch=True),
    Column("params", 6, worth=6, right=True),
    Column("size GiB", 8, worth=8, right=True),
    Column("takes GiB", 9, worth=7, right=True),
    Column("fits", 7, worth=5),
    Column("about", 24, worth=4),
)


def better_models(app: VenomApp) -> None:
    """Open the list, or close it again."""
    core = app.core
    if isinstance(app.screen, Picker) and app.screen.name == "better":
        app.screen.dismiss(None)
    elif core is None:
        app.notify("Still starting: the machine is looked at.", markup=False)
    else:
        start(app, lambda: _show(app, core), group="better models", exclusive=True)


async def _show(app: VenomApp, core: Core) -> None:
    asked_on = app.screen
    models = await core.models.list()
    found = await core.fits.better(models)
    rows = [*_choices(found), _ask_choice()]
    date = next((one.as_of for one in found if one.as_of), "")
    title = f"Better models that fit{f' (known as of {date})' if date else ''}"
    if app.screen is asked_on:
        _open(app, core, title, rows, found, models)
    else:
        app.notify(f"Better models are found: {_key_here(app)} shows them.", markup=False)


async def _ask(app: VenomApp, core: Core) -> None:
    asked_on = app.screen
    app.notify(f"Hugging Face and the Ollama library are asked {signs().ellipsis}", markup=False)
    models = await core.models.list()
    found, troubles = await core.fits.offered()
    if not found:
        lines = troubles or ["Nothing of what is taken most there now fits this machine."]
        if app.screen is asked_on:
            app.push_screen(Notice("Nothing to offer", lines))
        else:
            app.notify(" ".join(("Nothing to offer.", *lines)), severity="warning", markup=False)
        return
    for trouble in troubles:
        app.notify(trouble, severity="warning", markup=False)
    if app.screen is asked_on:
        _open(app, core, "What is taken most now, and fits", _choices(found), found, models)
    else:
        what = "1 model that fits is" if len(found) == 1 else f"{len(found):,} models that fit are"
        app.notify(f"{what} offered now: {_key_here(app)}, then “{_OFFERED}”, shows them.", markup=False)


def _key_here(app: VenomApp) -> str:
    """Return how the key is written that opens the list wherever one is."""
    bindings = (active.binding for active in app.active_bindings.values())
    return next((app.get_key_display(binding) for binding in bindings if binding.id == "app.better"), "f10")


def _open(
    app: VenomApp,
    core: Core,
    title: str,
    rows: Sequence[Choice],
    found: Sequence[Candidate],
    models: Sequence[ModelInfo],
) -> None:
    by_key = {_key(one): one for one in found}

    def chosen(key: str | None) -> None:
        if key == _ASK:
            start(app, lambda: _ask(app, core), group="better models", exclusive=True)
        elif key is not None:
            _take(app, by_key[key], models)

    app.push_screen(Picker(title, _COLUMNS, rows, name="better"), chosen)


def _take(app: VenomApp, candidate: Candidate, models: Sequence[ModelInfo]) -> None:
    """Use what is here; ask what the rest costs."""
    if not candidate.installed:
        app.pull(candidate.name, candidate.provider)
        return
    found = next((one for one in models if (one.runtime, one.name) == (candidate.runtime, candidate.name)), None)
    if found is not None:
        app.switch_to(found)


def _key(candidate: Candidate) -> str:
    return f"{candidate.runtime} {candidate.provider} {candidate.name}"


def _choices(found: Sequence[Candidate]) -> list[Choice]:
    return [Choice(_key(one), _cells(one), f"{one.name} {one.about} {one.parameter_size}".lower()) for one in found]


def _cells(one: Candidate) -> tuple[Content, ...]:
    sign = Content(signs().installed) if one.installed else Content.styled(signs().pulling, "$text-muted")
    fits = Content.styled("fits", "$success") if one.verdict is Verdict.FITS else verdict(one.verdict)
    if one.verdict is Verdict.FITS_AFTER_EVICTION:
        fits = Content.styled(f"{signs().warning} evict", "$warning")
    about = f"here, {one.runtime}" if one.installed else one.about
    return (
        sign,
        literal(one.name),
        literal(one.parameter_size),
        Content(gib(one.size_bytes)),
        Content(gib(one.likely_bytes)),
        fits,
        literal(about, "$text-muted"),
    )


def _ask_choice() -> Choice:
    asks = literal(_OFFERED, "$accent")
    return Choice(_ASK, (Content(signs().remote), asks, *[Content()] * 5), "ask hugging face ollama library trending")
