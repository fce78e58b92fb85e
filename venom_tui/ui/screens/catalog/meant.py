"""Which models a verb of the catalog is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from venom_tui.core.errors import ReadOnly
from venom_tui.ui.screens.catalog.row import Row
from venom_tui.ui.screens.section import SectionScreen

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.model import ModelInfo


class MeantModels(SectionScreen):
    """A section with a cursor on models, some of which may be selected."""

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

    def refused(self, core: Core) -> bool:
        """Say in read-only mode that nothing is changed."""
        if core.settings.flag("VENOM_READ_ONLY"):
            self.complain(ReadOnly("venom-tui runs read-only: models stay.", hint="Start it without --read-only."))
            return True
        return False


def counted(models: Sequence[object]) -> str:
    """Return how many models there are, in words."""
    return "1 model" if len(models) == 1 else f"{len(models):,} models"
