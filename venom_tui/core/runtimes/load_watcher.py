"""Who has a word when models are loaded: before it, afterwards, and where it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from venom_tui.core.errors import VenomError
from venom_tui.core.runtimes.runtime import Status
from venom_tui.core.types.memory import Consent, Present
from venom_tui.core.types.model import ModelInfo
from venom_tui.core.types.request import GenerationParameters


class LoadWatcher(Protocol):
    """Who has a word before a model is loaded, and hears of it afterwards."""

    async def before(
        self, model: ModelInfo, parameters: GenerationParameters, status: Status, consent: Consent
    ) -> tuple[str, ...]:
        """Make room for a model that a prompt needs; other loads are planned by whoever asks for them.

        Returns what the user must know of it, each a sentence.

        Raises:
            VenomError: it must not be loaded.
        """

    def present(self, runtime: str) -> tuple[Present, ...]:
        """Return what a runtime holds now, and whose it is."""

    async def loaded(self, model: ModelInfo, there: Sequence[Present], *, held_before: bool) -> tuple[str, ...]:
        """Take notice of a load, before which `there` was held; return what the user must know, each a sentence.

        `held_before`: it was in memory already, with another context.
        """

    async def broke_off(self, failure: VenomError) -> VenomError:
        """Return the failure of an answer as it should be told."""

    async def failed(self, model: ModelInfo, failure: VenomError, log: Callable[[str], None]) -> VenomError:
        """Return the failure of a load as it should be told; `log` takes lines for the record."""
