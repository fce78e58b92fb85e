"""What can be done with models from the catalog, one or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.widget import Widget

from venom_tui.core.errors import VenomError
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.screens.catalog.memory_verbs import MemoryVerbs
from venom_tui.ui.screens.catalog.pull_verbs import PullVerbs
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.core.types.storage import Removal


class ModelVerbs(MemoryVerbs, PullVerbs):
    """The verbs on models; the catalog derives from this."""

    # ------------------------------------------------------------------ chat

    def on_row_list_chosen(self) -> None:
        """Chat with the model that was clicked twice."""
        self.action_chat()

    def action_chat(self) -> None:
        """Chat with the model under the cursor; where it cannot be used, say why and stay."""
        found = self.under_cursor()
        if found is None:
            return
        _, model = found
        if not model.active:
            self.host.switch_to(model)
        if not model.error and model.runtime:
            self.host.show_section("chat")

    # ------------------------------------------------------------------ details, parameters, disks

    def action_details(self) -> None:
        """Show everything that is known of the model under the cursor."""
        from venom_tui.ui.dialogs.model_details import ModelDetailsDialog

        if (found := self.under_cursor()) is not None:
            self.app.push_screen(ModelDetailsDialog(*found))

    def action_parameters(self) -> None:
        """Show and change the generation parameters of the model under the cursor."""
        from venom_tui.ui.dialogs.model_parameters import ModelParameters

        if (found := self.under_cursor()) is not None:
            self.app.push_screen(ModelParameters(*found))

    def action_versions(self) -> None:
        """Show the versions of the model under the cursor."""
        from venom_tui.ui.dialogs.versions import VersionsDialog

        if (found := self.under_cursor()) is not None:
            if found[1].runtime:
                self.app.push_screen(VersionsDialog(*found))
            else:
                self.notify(f"No runtime here serves {found[1].name}: it has no versions.", markup=False)

    def action_disks(self) -> None:
        """Show what folders of models hold."""
        from venom_tui.ui.dialogs.disk import DiskDialog

        if self.core is None:
            self.notify("Still starting: the folders of models are not known yet.", markup=False)
        else:
            self.app.push_screen(DiskDialog(self.core))

    def action_offers(self) -> None:
        """Show what could be had: this asks Hugging Face and the Ollama library."""
        from venom_tui.ui.screens.catalog.offers import OffersScreen

        if self.core is None:
            self.notify("Still starting: nobody can be asked for models yet.", markup=False)
        else:
            self.app.push_screen(OffersScreen())

    # ------------------------------------------------------------------ copy

    def action_copy(self) -> None:
        """Give models another name too."""
        found = self.meant()
        if found is None or self.refused(found[0]):
            return
        core, models = found
        several = len(models) > 1
        title = f"Copy {len(models):,} models: * stands for each name" if several else f"Copy {models[0].name} as"
        ask = Ask(title, "*-copy" if several else "", placeholder="*-copy" if several else "a new name")

        def answered(pattern: str | None) -> None:
            if pattern and several and "*" not in pattern:
                self.notify("Several models need a * in the new name.", severity="warning", markup=False)
            elif pattern:
                start(self, lambda: self._copy(core, models, pattern), group="copy")

        self.app.push_screen(ask, answered)

    async def _copy(self, core: Core, models: Sequence[ModelInfo], pattern: str) -> None:
        from venom_tui.ui.dialogs.model_words import chosen_name

        for model in models:
            try:
                copied = await core.registry.copy(model.name, chosen_name(pattern, model), model.runtime or None)
            except VenomError as failure:
                self.complain(failure)
            else:
                self.notify(f"{copied.name} is there now.", markup=False)

    # ------------------------------------------------------------------ remove

    def action_remove(self) -> None:
        """Remove models, after a yes that knows what it costs."""
        found = self.meant()
        if found is not None and not self.refused(found[0]):
            core, models = found
            focused = self.focused
            start(self, lambda: self._ask_to_remove(core, models, focused), group="remove", exclusive=True)

    async def _ask_to_remove(self, core: Core, models: Sequence[ModelInfo], focused: Widget | None) -> None:
        from venom_tui.ui.dialogs.model_words import removal_lines

        plan = await core.registry.plan_removal([(model.name, model.runtime or None) for model in models])
        what = models[0].name if len(models) == 1 else f"{len(models):,} models"
        if not self.still_with(focused):
            key = self.key_of("catalog.remove")
            self.notify(f"{what}: nothing is removed without a yes. {key} in the catalog asks again.", markup=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                start(self, lambda: self._remove(core, plan), group="removing")

        self.app.push_screen(Confirm(f"Remove {what}", removal_lines(plan)), answered)

    async def _remove(self, core: Core, plan: Removal) -> None:
        results = await core.registry.remove(plan)
        for one in results:
            if one.error:
                self.complain(VenomError(one.error, hint=one.hint, server_message=one.server_message))
        gone = [one for one in results if not one.error]
        if gone:
            what = f"{gone[0].name} is" if len(gone) == 1 else f"{len(gone):,} models are"
            self.notify(f"{what} removed.", markup=False)
