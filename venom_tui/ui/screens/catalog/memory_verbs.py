"""What the catalog's keys do with the memory of models: of the selected ones, one after the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from venom_tui.core.errors import VenomError
from venom_tui.ui.screens.catalog.meant import MeantModels, counted
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo

Work = Callable[["ModelInfo"], Awaitable[bool]]
"""Does something with a model; False after a no."""


class MemoryVerbs(MeantModels):
    """Loads, unloads, pins and keeps models."""

    def action_memory(self) -> None:
        """Take those of the models out of memory that are there; where none is, load them."""
        found = self.meant()
        if found is None:
            return
        core, meant = found
        loaded = [model for model in meant if model.loaded]
        if loaded:
            start(self, lambda: self._unload(core, loaded), group="unload")
        else:
            start(self, lambda: self._load(core, meant), group="load")

    def action_pin(self) -> None:
        """Pin the models, or unpin them where all that are loaded are pinned."""
        if (found := self.meant()) is not None:
            start(self, lambda: self._pin(*found), group="pin")

    def action_extend(self) -> None:
        """Keep the models for a time."""
        if (found := self.meant()) is not None:
            start(self, lambda: self._extend(*found), group="extend", exclusive=True)

    async def _unload(self, core: Core, models: Sequence[ModelInfo]) -> None:
        from venom_tui.ui.dialogs.memory import unload

        await self._each(models, lambda model: unload(self.app, core, model.name, model.runtime))

    async def _load(self, core: Core, models: Sequence[ModelInfo]) -> None:
        from venom_tui.ui.dialogs.memory import load

        alone = len(models) == 1
        done = await self._each(
            models, lambda model: load(self.app, core, model.name, model.runtime, say=alone), asks=True
        )
        if done and not alone:
            self.notify(f"{counted(done)} {'is' if len(done) == 1 else 'are'} loaded.", markup=False)

    async def _pin(self, core: Core, models: Sequence[ModelInfo]) -> None:
        from venom_tui.ui.dialogs.memory import pinned_word, set_pin

        keys = {(model.runtime, model.name) for model in models}
        held = [one for one in core.runtimes.loaded() if (one.runtime, one.name) in keys]
        pinned = not held or not all(one.pinned for one in held)
        done = await self._each(models, lambda model: set_pin(self.app, core, model.name, model.runtime, pinned))
        if done:
            names = done[0].name if len(models) == 1 else counted(done)
            self.notify(f"{names} {pinned_word(pinned, several=len(done) > 1)}", markup=False)

    async def _extend(self, core: Core, models: Sequence[ModelInfo]) -> None:
        from venom_tui.ui.dialogs.memory import ask_how_long, check_extends, extend, keep

        if len(models) == 1:
            await extend(self.app, core, models[0].name, models[0].runtime)
            return

        async def can(model: ModelInfo) -> bool:
            check_extends(core, model.name, model.runtime)
            return True

        kept = await self._each(models, can)
        duration = await ask_how_long(self.app, counted(kept)) if kept else None
        if duration is None:
            return

        async def keep_it(model: ModelInfo) -> bool:
            return await keep(self.app, core, model.name, model.runtime, duration) is not None

        if done := await self._each(kept, keep_it):
            self.notify(f"{counted(done)} {'is' if len(done) == 1 else 'are'} kept for {duration}.", markup=False)

    async def _each(self, models: Sequence[ModelInfo], work: Work, *, asks: bool = False) -> list[ModelInfo]:
        """Do something with models, one after the other, each failure told; return those with which it was done.

        It ends early once a question was left for another section, since the next one would open there; where every
        model is asked about (`asks`), also once the catalog is not in front any more.
        """
        done: list[ModelInfo] = []
        for number, model in enumerate(models):
            if asks and number and not self.is_active:
                self.notify(f"The catalog was left: {counted(models[number:])} not done.", markup=False)
                break
            try:
                if await work(model):
                    done.append(model)
                elif not self.is_active:
                    break
            except VenomError as failure:
                self.complain(failure)
        return done
