"""What can be done with models from the catalog, one or several at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.widget import Widget

from venom_tui.core.errors import NeedsYes, ReadOnly, VenomError
from venom_tui.ui.dialogs.ask import Ask
from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.screens.catalog.row import Row
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo
    from venom_tui.core.types.storage import Removal


class ModelVerbs(SectionScreen):
    """The verbs on models; the catalog derives from this."""

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return None

    @property
    def chosen(self) -> Sequence[Row]:
        """The selected rows."""
        return ()

    @property
    def why_none(self) -> str:
        """Why no model is under the cursor."""
        return ""

    def meant(self) -> tuple[Core, list[ModelInfo]] | None:
        """Return the models that a verb is about: the selected ones, else the one under the cursor.

        None where there is none, which is said.
        """
        rows = list(self.chosen) or ([] if self.row is None else [self.row])
        if self.core is None or not rows:
            self.notify(self.why_none, markup=False)
            return None
        return self.core, [row.model for row in rows]

    def under_cursor(self) -> tuple[Core, ModelInfo] | None:
        """Return the model under the cursor; None where there is none, which is said."""
        if self.core is None or self.row is None:
            self.notify(self.why_none, markup=False)
            return None
        return self.core, self.row.model

    # ------------------------------------------------------------------ chat, memory

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

    def action_memory(self) -> None:
        """Take the models out of memory; one alone that is not there is loaded."""
        from venom_tui.ui.dialogs.memory import load

        found = self.meant()
        if found is None:
            return
        core, meant = found
        loaded = [model for model in meant if model.loaded]
        if loaded:
            start(self, lambda: self._unload(core, loaded), group="unload")
        elif len(meant) == 1:
            start(self, lambda: load(self.app, core, meant[0].name, meant[0].runtime), group="load")
        else:
            self.notify(f"None of the {len(meant):,} selected models is loaded.", markup=False)

    async def _unload(self, core: Core, models: Sequence[ModelInfo]) -> None:
        from venom_tui.ui.dialogs.memory import unload

        for model in models:
            try:
                if not await unload(self.app, core, model.name, model.runtime) and not self.is_active:
                    return  # the question was left for another section: the next one would open there
            except VenomError as failure:
                self.complain(failure)

    def action_pin(self) -> None:
        """Pin the model under the cursor, or unpin it."""
        from venom_tui.ui.dialogs.memory import toggle_pin

        if (found := self.under_cursor()) is not None:
            core, model = found
            start(self, lambda: toggle_pin(self.app, core, model.name, model.runtime), group="pin")

    def action_extend(self) -> None:
        """Keep the model under the cursor for a time."""
        from venom_tui.ui.dialogs.memory import extend

        if (found := self.under_cursor()) is not None:
            core, model = found
            start(self, lambda: extend(self.app, core, model.name, model.runtime), group="extend", exclusive=True)

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

    # ------------------------------------------------------------------ pull

    def action_pull(self) -> None:
        """Ask which model is to be fetched; with models selected, fetch what their sources have newer of them."""
        core, models = self.core, [row.model for row in self.chosen]
        if not models or core is None:
            self.host.pull()
            return
        if self._refused(core):
            return
        pulled = [model for model in models if model.provider in ("ollama", "huggingface")]
        lines = [*(model.name for model in pulled[:12]), *([f"and {len(pulled) - 12:,} more"] if pulled[12:] else [])]
        if len(pulled) < len(models):
            lines.append(f"Not {len(models) - len(pulled):,} that came from nowhere that can be asked.")
        lines += ["", "Their sources are asked; only what is not here is fetched."]
        if not pulled:
            self.notify("None of the selected models has a source that can be asked.", markup=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                start(self, lambda: self._pull(core, pulled), group="pull")

        self.app.push_screen(Confirm(f"Pull {_models(pulled)} again", lines), answered)

    async def _pull(self, core: Core, models: Sequence[ModelInfo], *, yes: bool = False) -> None:
        begun, asking, questions, focused = 0, [], [], self.focused
        for model in models:
            provider = model.provider
            try:
                runtime = (model.runtime or None) if provider == "ollama" else None
                await core.models.pull(model.name, provider, runtime=runtime, yes=yes)
                begun += 1
            except NeedsYes as question:
                asking.append(model)
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
            self.app.push_screen(Confirm(f"Pull {_models(asking)} all the same", questions), answered)

    # ------------------------------------------------------------------ copy

    def action_copy(self) -> None:
        """Give models another name too."""
        found = self.meant()
        if found is None or self._refused(found[0]):
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
        if found is not None and not self._refused(found[0]):
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

    def _refused(self, core: Core) -> bool:
        """Say in read-only mode that nothing is changed."""
        if core.settings.flag("VENOM_READ_ONLY"):
            self.complain(ReadOnly("venom-tui runs read-only: models stay.", hint="Start it without --read-only."))
            return True
        return False


def _models(models: Sequence[ModelInfo]) -> str:
    return "1 model" if len(models) == 1 else f"{len(models):,} models"
