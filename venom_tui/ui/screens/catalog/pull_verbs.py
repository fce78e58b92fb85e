"""Fetches again what the sources of the selected models have newer, after a question that knows what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.widget import Widget

from venom_tui.core.errors import NeedsYes, VenomError
from venom_tui.core.types.pull import PullPreview
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.screens.catalog.meant import MeantModels, counted
from venom_tui.ui.text import clean, signs, size
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo

_SOURCES = ("ollama", "huggingface")
_NAMED = 12
"""Models that are named one by one."""
_AT_ONCE = 3
"""Sources that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Again:
    """A model that is to be fetched again, and what that costs."""

    model: ModelInfo
    preview: PullPreview

    @property
    def runtime(self) -> str | None:
        """Id of the runtime that fetches it, where one does."""
        return _runtime(self.model)


class PullVerbs(MeantModels):
    """Fetches models."""

    def action_pull(self) -> None:
        """Ask which model is to be fetched; with models selected, fetch what their sources have newer of them."""
        core, models = self.core, [row.model for row in self.chosen]
        if not models or core is None:
            self.host.pull()
            return
        if self.refused(core):
            return
        pulled = [model for model in models if model.provider in _SOURCES]
        if not pulled:
            self.notify("None of the selected models has a source that can be asked.", markup=False)
            return
        others, focused = len(models) - len(pulled), self.focused
        self.notify(f"Asking what {counted(pulled)} would cost {signs().ellipsis}", markup=False, timeout=3)
        start(self, lambda: self._ask_to_pull(core, pulled, others, focused), group="ask-to-pull", exclusive=True)

    async def _ask_to_pull(self, core: Core, models: Sequence[ModelInfo], others: int, focused: Widget | None) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(model: ModelInfo) -> Again | VenomError:
            async with turns:
                try:
                    preview = await core.models.preview_pull(model.name, model.provider, runtime=_runtime(model))
                except VenomError as failure:
                    return failure
            return Again(model, preview)

        answers = await asyncio.gather(*(ask(model) for model in models))
        found = [one for one in answers if isinstance(one, Again)]
        failed = [(model.name, one) for model, one in zip(models, answers, strict=True) if isinstance(one, VenomError)]
        if not found:
            for _, failure in failed:
                self.complain(failure)
            return
        if not self.still_with(focused):
            key = self.key_of("catalog.pull")
            self.notify(f"Nothing is pulled without a yes. {key} in the catalog asks again.", markup=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                start(self, lambda: self._pull(core, found), group="pull")

        lines = question(found, [(name, failure.message) for name, failure in failed], others)
        self.app.push_screen(Confirm(f"Pull {counted(found)} again", lines), answered)

    async def _pull(self, core: Core, wanted: Sequence[Again], *, yes: bool = False) -> None:
        begun, asking, questions, focused = 0, [], [], self.focused
        for one in wanted:
            model = one.model
            try:
                await core.models.pull(model.name, model.provider, runtime=one.runtime, preview=one.preview, yes=yes)
                begun += 1
            except NeedsYes as question:
                asking.append(one)
                questions.append(question.message)
            except VenomError as failure:
                self.complain(failure)
        if begun:
            self.notify(f"{begun:,} in the queue; Operations shows how far they are.", markup=False)

        def answered(said: bool | None) -> None:
            if said:
                start(self, lambda: self._pull(core, asking, yes=True), group="pull")

        if asking and not self.still_with(focused):
            self.notify(f"Not pulled without a yes: {' '.join(questions)}", severity="warning", markup=False)
        elif asking:
            self.app.push_screen(Confirm(f"Pull {counted(asking)} all the same", questions), answered)


def question(found: Sequence[Again], failed: Sequence[tuple[str, str]], others: int) -> list[str]:
    """Return what stands in the question: each model, the sum, what is free, and what is not fetched.

    `failed` are names with reasons, `others` is the number of models without a source.
    """
    lines = [f"{clean(one.model.name)}  {_to_fetch(one.preview.bytes_missing)}" for one in found[:_NAMED]]
    lines += [f"and {len(found) - _NAMED:,} more"] if found[_NAMED:] else []
    lines += ["", *_sums([one.preview for one in found]), ""]
    lines += [f"Not {clean(name)}: {clean(reason)}" for name, reason in failed[:_NAMED]]
    lines += [f"Not {len(failed) - _NAMED:,} more that could not be asked for."] if failed[_NAMED:] else []
    lines += [f"Not {others:,} that came from nowhere that can be asked."] if others else []
    return [*lines, "Only what is not here is fetched."]


def _to_fetch(missing: int | None) -> str:
    return "size not known" if missing is None else size(missing) if missing else "is here already"


def _sums(previews: Sequence[PullPreview]) -> list[str]:
    """Return for each folder what goes there, what is free, and what would not be right after that."""
    folders: dict[str, list[PullPreview]] = {}
    for one in previews:
        folders.setdefault(one.folder or "", []).append(one)
    return [line for folder, here in folders.items() for line in _sum(folder, here)]


def _sum(folder: str, here: Sequence[PullPreview]) -> list[str]:
    total = sum(one.bytes_missing or 0 for one in here)
    unknown = sum(one.bytes_missing is None for one in here)
    free = min((one.free_bytes for one in here if one.free_bytes is not None), default=None)
    where = f" into {clean(folder)}" if folder else ""
    more = f" and what is not known of {counted(here[:unknown])}" if unknown else ""
    lines = [f"To fetch: {size(total)}{more}{where}, {'?' if free is None else size(free)} free there."]
    left, kept = None if free is None else free - total, max(one.kept_bytes for one in here)
    if left is not None and left < 0:
        lines.append(f"{signs().failed} Not all of it fits: {size(-left)} more are needed.")
    elif left is not None and total and left < kept:
        lines.append(f"{signs().warning} {size(left)} would be left, {size(kept)} are to be kept.")
    return lines


def _runtime(model: ModelInfo) -> str | None:
    return (model.runtime or None) if model.provider == "ollama" else None
