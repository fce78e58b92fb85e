"""How long models are kept: pinned, as usual, or so long from now."""

from __future__ import annotations

import asyncio
import logging
import math
import re
from datetime import UTC, datetime

from venom_tui.core.errors import NeedsYes, RuntimeRefused, RuntimeUnavailable, UsageError, VenomError
from venom_tui.core.models.memory.marks import Marks
from venom_tui.core.operations.runner import OperationRunner, Progress
from venom_tui.core.runtimes.controller import LlmServerController
from venom_tui.core.sanitize import sanitize_line
from venom_tui.core.types.device import LoadedModel
from venom_tui.core.types.model import ModelInfo

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+|\d+(?:\.\d+)?")
FOR_EVER = -1
_USUAL_S = 300.0
"""What is kept no longer than that is kept as long as usual from now: each answer begins its time anew."""
_STAYS_WITHIN_S = 10.0
_log = logging.getLogger(__name__)


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
            RuntimeUnavailable: its runtime does not answer.
        """
        held = await self._keep(model, "pin", FOR_EVER)
        await self._marks.note(held, pinned=True)
        return held

    async def unpin(self, model: ModelInfo, *, yes: bool = False) -> LoadedModel:
        """Let a loaded model leave as usual.

        Raises:
            NeedsYes: somebody else pinned it.
            RuntimeRefused: it is not loaded, or its runtime takes no pins.
            RuntimeUnavailable: its runtime does not answer.
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
            RuntimeUnavailable: its runtime does not answer.
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
        held = await self.seen(model)
        if held is None:
            raise RuntimeRefused(f"{model.name} is not loaded.", hint="Load it first.")

        def check(now: LoadedModel) -> None:
            if verb != "pin":
                self.check(now, "that would undo it", yes=yes)

        check(held)

        async def keep(progress: Progress) -> None:
            progress.update(message=f"{verb} {model.name}" + (f" for {keep_alive}" if verb == "extend" else ""))
            now = await self.seen(model)
            if now is not None:
                check(now)  # somebody may have pinned it while this waited for its turn
            await self._runtimes.keep(model, keep_alive)

        await self._operations.run(verb, model.name, keep, runtime=model.runtime)
        return self._held(model) or held

    async def seen(self, model: ModelInfo) -> LoadedModel | None:
        """Ask a model's runtime, and return the model as it is held now; None: it is not loaded.

        Raises:
            RuntimeUnavailable: the runtime does not answer, so that nobody knows.
        """
        await self._runtimes.look(model.runtime)
        status = self._runtimes.runtime(model.runtime).status()
        if status.kind != "embedded" and status.latency_ms is None:  # its last look was not answered
            raise RuntimeUnavailable(
                f"Runtime {model.runtime} does not say what it holds: {status.detail}.",
                hint="Ask again when it answers.",
                server_message=status.server_message,
            )
        await self._marks.renew()
        return self._held(model)

    async def stays(self, held: LoadedModel) -> bool:
        """Have a model kept as it was that was asked to leave and is still there; return whether it is kept.

        Ollama has noted that it is to leave, and would let it go when its answers have ended.
        """
        model = ModelInfo(held.name, held.runtime, "")
        left = 0.0 if held.expires_at is None else (held.expires_at - datetime.now(UTC)).total_seconds()
        keep_alive = FOR_EVER if held.pinned else (math.ceil(left) if left > _USUAL_S else None)
        try:
            async with asyncio.timeout(_STAYS_WITHIN_S):
                if await self.seen(model) is None:
                    return False
                if held.kind == "ollama":
                    await self._runtimes.keep(model, keep_alive)
                return True
        except (VenomError, TimeoutError) as failure:
            _log.warning("%s may leave still: %s", held.name, failure)
            return False

    def check(self, held: LoadedModel, words: str, *, yes: bool) -> None:
        """Refuse what would go against the pin of somebody else; `words` say how, as one clause.

        Raises:
            NeedsYes: somebody else pinned it, and nobody said yes.
        """
        if held.pinned and not self._marks.pin_is_ours(held) and not yes:
            raise NeedsYes(
                f"{held.name} is pinned by somebody else; {words}.", hint="A yes (--yes) does it all the same."
            )

    def _held(self, model: ModelInfo) -> LoadedModel | None:
        found = (one for one in self._runtimes.loaded() if (one.runtime, one.name) == (model.runtime, model.name))
        return next(found, None)
