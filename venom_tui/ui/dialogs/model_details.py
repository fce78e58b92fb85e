"""Everything that is known of one model, and of a repository that is not here."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType

from venom_tui.core.errors import VenomError
from venom_tui.ui.dialogs.facts import Fact, FactsDialog, Part
from venom_tui.ui.dialogs.model_parameters import ModelParameters
from venom_tui.ui.dialogs.model_words import details_parts, repository_parts
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.ui.bridge import CoreHost


class ModelDetailsDialog(FactsDialog[None]):
    """Asks the model's runtime; its registry or hub only on a key."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "no", "close", id="details.close", tooltip="Close the details"),
        Binding("e", "parameters", "parameters", id="details.parameters", tooltip="Change generation parameters"),
        Binding("p", "pull", "pull", id="details.pull", tooltip="Fetch it again: what its source has newer"),
        Binding("u", "update", "update?", id="details.update", tooltip="Ask its source whether there is an update"),
        Binding("h", "digest", "sha256", id="details.digest", tooltip="Work out the digest of its file"),
    ]

    def __init__(self, core: Core, model: ModelInfo) -> None:
        super().__init__(model.name)
        self._core = core
        self._model = model

    def on_mount(self) -> None:
        """Say what is going on, and ask."""
        self.show_parts([Part("", (Fact(f"{self._model.runtime or 'Its files'} is asked …"),))])
        self._renew()

    def _renew(self) -> None:
        start(self, self._show, group="details", exclusive=True)

    async def _show(self) -> None:
        try:
            found = await self._core.registry.details(self._model.name, self._model.runtime or None)
        except VenomError as failure:
            self.show_parts([Part("", (Fact(failure.message, style="$error"), Fact(failure.hint)))])
            return
        self._model = found.model
        self.show_parts(details_parts(found))

    def action_parameters(self) -> None:
        """Open the parameters."""
        self.app.push_screen(ModelParameters(self._core, self._model), lambda _: self._renew())

    def action_pull(self) -> None:
        """Ask what it costs to fetch it again."""
        if self._model.provider in ("ollama", "huggingface"):
            cast("CoreHost", self.app).pull(self._model.name, self._model.provider)
        else:
            self.notify("It came from nowhere that can be asked.", markup=False)

    def action_update(self) -> None:
        """Ask whether there is an update."""
        start(self, self._ask, group="update")

    async def _ask(self) -> None:
        self.notify("Its source is asked.", markup=False, timeout=2)
        await self._core.registry.ask_for_update(self._model.name, self._model.runtime or None)
        await self._show()

    def action_digest(self) -> None:
        """Work out the digest of the file."""
        start(self, self._digest, group="digest")

    async def _digest(self) -> None:
        if self._model.weights_digest is None:
            self.notify("The whole file is read; Operations shows how far.", markup=False, timeout=4)
        await self._core.registry.work_out_digest(self._model.name, self._model.runtime or None)
        await self._show()


class RepositoryDialog(FactsDialog[None]):
    """What a repository of Hugging Face holds; opening it asks the hub."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "no", "close", id="repository.close", tooltip="Close the repository"),
        Binding("p", "pull", "pull", id="repository.pull", tooltip="Fetch it, after its size was shown"),
        Binding("f", "fit", "fit", id="repository.fit", tooltip="Show whether it fits, by what the hub says"),
        Binding("r", "renew", "ask again", id="repository.renew", tooltip="Ask Hugging Face again"),
    ]

    def __init__(self, core: Core, name: str) -> None:
        super().__init__(name)
        self._core = core
        self._repository = name
        self._gguf = True

    def on_mount(self) -> None:
        """Ask."""
        self.action_renew()

    def action_pull(self) -> None:
        """Ask what it costs, and fetch it after a yes."""
        cast("CoreHost", self.app).pull(self._repository, "huggingface")

    def action_fit(self) -> None:
        """Show whether it fits, and what it would take."""
        from venom_tui.ui.dialogs.fits import offered_fit_dialog

        dialog = offered_fit_dialog(self._core, self._repository, "huggingface", gguf=self._gguf)
        self.app.push_screen(dialog)

    def action_renew(self) -> None:
        """Ask what it holds."""
        self.show_parts([Part("", (Fact("Hugging Face is asked …"),))])
        start(self, self._show, group="repository", exclusive=True)

    async def _show(self) -> None:
        try:
            found = await self._core.registry.repository(self._repository)
        except VenomError as failure:
            facts = (failure.message, failure.server_message, failure.hint)
            self.show_parts([Part("", tuple(Fact(text, style="$error") for text in facts if text))])
            return
        self._gguf = any(file.path.lower().endswith(".gguf") for file in found.files)
        self.show_parts(repository_parts(found))
