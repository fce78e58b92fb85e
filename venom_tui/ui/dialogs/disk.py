"""What folders of models hold on disk, what is shared, and what nothing needs: that can be cleaned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.ui.dialogs.confirm import Confirm
from venom_tui.ui.dialogs.dialog import Dialog
from venom_tui.ui.dialogs.model_words import cleaning_lines
from venom_tui.ui.dialogs.picker import ColumnTitles
from venom_tui.ui.text import gib, literal, size, truncate_middle
from venom_tui.ui.widgets.columns import Column, fit_columns, lay_out
from venom_tui.ui.widgets.rows import RowList
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.storage import Orphan, Storage

_COLUMNS = (
    Column("folder", 22, worth=10, stretch=True),
    Column("models", 6, worth=4, right=True),
    Column("GiB", 7, worth=9, right=True),
    Column("shared", 7, worth=5, right=True),
    Column("saves", 7, worth=3, right=True),
    Column("left over", 9, worth=8, right=True),
    Column("free", 8, worth=7, right=True),
)
_MOST_ORPHANS = 200


class DiskDialog(Dialog[None]):
    """Folders as rows; below them what lies in the one under the cursor and nothing needs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "no", "close", id="disk.close", tooltip="Close the view of disks"),
        Binding("x", "clean", "clean", id="disk.clean", tooltip="Delete what no model needs in this folder"),
        Binding("r", "renew", "look again", id="disk.renew", tooltip="Look at the folders again"),
    ]

    def __init__(self, core: Core) -> None:
        super().__init__("Disks")
        self._core = core
        self._found: Sequence[Storage] = ()

    def compose_box(self) -> Iterable[Widget]:
        """Return head, rows and the pane of what is left over."""
        yield ColumnTitles(_COLUMNS)
        yield RowList(id="storages")
        yield Static(id="left-over")

    def on_mount(self) -> None:
        """Look."""
        self.action_renew()

    def action_renew(self) -> None:
        """Look at the folders."""
        self.query_one("#left-over", Static).update(Content("The folders are looked at …"))
        start(self, self._look, group="disks", exclusive=True)

    async def _look(self) -> None:
        self._found = await self._core.registry.storage()
        rows = self.query_one(RowList)
        rows.set_rows([one.id for one in self._found], self._row)
        rows.refresh()
        self._show()

    def _row(self, index: int, width: int) -> Content:
        one = self._found[index]
        cells = (
            literal(one.label),
            Content(f"{one.models:,}"),
            _gib(one.size_bytes),
            _gib(one.shared_bytes),
            _gib(one.saved_bytes),
            _left_over(one),
            _gib(one.free_bytes),
        )
        return lay_out(cells, _COLUMNS, fit_columns(_COLUMNS, width))

    @property
    def _storage(self) -> Storage | None:
        key = self.query_one(RowList).cursor_key
        return next((one for one in self._found if one.id == key), None)

    def on_row_list_highlighted(self) -> None:
        """Show what is left over in the folder under the cursor."""
        self._show()

    def _show(self) -> None:
        one = self._storage
        if one is not None:
            width = self.query_one("#left-over").size.width or 80
            self.query_one("#left-over", Static).update(Content("\n").join(orphan_lines(one, width)))

    def action_clean(self) -> None:
        """Clean the folder under the cursor, after a yes."""
        one = self._storage
        if one is None:
            return
        orphans = [orphan for orphan in one.orphans if orphan.cleanable]
        if not orphans:
            self.notify(f"There is nothing to clean in {one.label}.", markup=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                start(self, lambda: self._clean(one.id, orphans), group="clean")

        self.app.push_screen(Confirm(f"Clean {one.label}", cleaning_lines(one)), answered)

    async def _clean(self, storage_id: str, orphans: Sequence[Orphan]) -> None:
        freed, left = await self._core.registry.clean(storage_id, orphans)
        self.notify(f"{size(freed)} are free again.", markup=False)
        for words in left[:3]:
            self.notify(words, severity="warning", markup=False)
        await self._look()


def orphan_lines(storage: Storage, width: int) -> list[Content]:
    """Return what stands below the rows: the folder, and what in it nothing needs."""
    lines = [literal(truncate_middle(storage.folder or "its folder is not known", width), "$text-muted")]
    if storage.unavailable:
        lines.append(literal(f"Not known: {storage.unavailable}.", "$warning"))
    elif not storage.orphans:
        lines.append(literal("Nothing is left over here."))
    for orphan in storage.orphans[:_MOST_ORPHANS]:
        sparse = f" of {size(orphan.length_bytes)}" if orphan.length_bytes > 1.1 * orphan.size_bytes + 8192 else ""
        head = f"{size(orphan.size_bytes):>9}{sparse}  {orphan.kind}  "
        name = truncate_middle(orphan.path.rpartition("/")[2], max(12, width - len(head)))
        lines.append(literal(head + name, "" if orphan.cleanable else "$text-muted"))
        if orphan.why:
            lines.append(literal(f"{'':11}stays: {orphan.why}", "$text-muted").truncate(width, ellipsis=True))
    return lines


def _gib(count: int | None) -> Content:
    if count is None:
        return Content("?")
    text = gib(count)
    return Content("<0.1" if count and text == "0.0" else text)


def _left_over(one: Storage) -> Content:
    if one.unavailable:
        return Content("?")
    return literal(size(one.orphaned_bytes) if one.orphans else "-", "$warning" if one.orphans else "")
