"""How long models are kept: pinned, as usual, or so long from now."""

from __future__ import annotations

import re

from venom_tui.core.errors import NeedsYes, RuntimeRefused, UsageError
from venom_tui.core.models.memory.marks import Marks
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+(?:\.\d+)?")
FOR_EVER = -1


class Keeping:
    """Tells runtimes how long to keep what they hold; what others pinned needs a yes."""

    def __init__(self, runtimes: LlmServerController, operations: OperationRunner, marks: Marks) -> None:
        self._runtimes = runtimes
        self._operations = operations
        self._marks = marks

    async def pin(self, model: ModelInfo) -> LoadedModel:
        """Have a loaded model kept until somebody says otherwise.

        Raises:
            RuntimeRefused: it is not loaded, or its runtime takes no pins.
        """
        held = await self._keep(model, "pin", FOR_EVER)
        await self._marks.note(held, pinned=True)
        return held

    async def unpin(self, model: ModelInfo, *, yes: bool = False) -> LoadedModel:
        """Let a loaded model leave as usual.

        Raises:
            NeedsYes: somebody else pinned it.
            RuntimeRefused: it is not loaded, or its runtime takes no pins.
        """
        held = await self._keep(model, "unpin", None, yes=yes)
        await self._marks.note(held, pinned=False)
        return held

    async def extend(self, model: ModelInfo, duration: str, *, yes: bool = False) -> LoadedModel:
        """Have a loaded model kept so long from now: seconds, or a duration such as `90s`, `10m`, `1h30m`.

        Raises:
            UsageError: that is no duration.
            NeedsYes: somebody pinned it, which that would undo.
            RuntimeRefused: it is not loaded, or its runtime keeps no time.
        """
        text = duration.strip().lower()
        if not _DURATION.fullmatch(text) or not any(digit in text for digit in "123456789"):
            raise UsageError(
                f"{sanitize_line(duration, 40)!r} is no time to keep a model.",
                hint="Write seconds, or a duration such as 90s, 10m, 1h30m.",
            )
        held = await self._keep(model, "extend", text, yes=yes)
        await self._marks.note(held, pinned=False)
        return held

    async def _keep(
        self, model: ModelInfo, verb: str, keep_alive: str | float | None, *, yes: bool = False
    ) -> LoadedModel:
        if words := self._runtimes.runtime(model.runtime).cannot(verb):
            raise RuntimeRefused(words)
        await self._runtimes.look(model.runtime)
        held = self._held(model)
        if held is None:
            raise RuntimeRefused(f"{model.name} is not loaded.", hint="Load it first.")
        await self._marks.renew()
        if verb != "pin" and held.pinned and not self._marks.pin_is_ours(held) and not yes:
            raise NeedsYes(
                f"{model.name} is pinned by somebody else; that would undo it.",
                hint="A yes (--yes) does it all the same.",
            )

        async def keep(progress: Progress) -> None:
            progress.update(message=f"{verb} {model.name}" + (f" for {keep_alive}" if verb == "extend" else ""))
            await self._runtimes.keep(model, keep_alive)

        await self._operations.run(verb, model.name, keep, runtime=model.runtime)
        return self._held(model) or held

    def _held(self, model: ModelInfo) -> LoadedModel | None:
        found = (one for one in self._runtimes.loaded() if (one.runtime, one.name) == (model.runtime, model.name))
        return next(found, None)
