"""Asks which model is to be fetched, shows what that would cost, and takes a yes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from venom_tui.core.errors import VenomError
from venom_tui.ui.dialogs.dialog import Dialog, KeysLine
from venom_tui.ui.text import literal, signs, size
from venom_tui.ui.widgets.line_input import LineInput
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core
    from venom_tui.core.types.pull import PullPreview

_MOST_FILES = 6
_NAMES = 12
"""Cells of the names before the numbers."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A yes to a pull."""

    preview: PullPreview
    forced: bool = False
    """Though the limit of its disk refuses it."""


class PullDialog(Dialog[Wanted]):
    """The name, then the numbers; enter shows them, and enter again says yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "show what it costs", id="pull.enter", tooltip="Ask what it costs; then pull it",
                priority=True),
        Binding("ctrl+t", "insecure", "plain HTTP", id="pull.insecure", tooltip="Let the registry speak plain HTTP",
                priority=True),
        Binding("ctrl+y", "force", "force", id="pull.force", tooltip="Pull it though the limit of its disk refuses it",
                priority=True),
    ]  # fmt: skip

    def __init__(self, core: Core, name: str = "", provider: str | None = None) -> None:
        super().__init__("Pull a model")
        self._core = core
        self._wanted = name.strip()
        self._provider = provider
        self._insecure = False
        self._asked = ""
        self._preview: PullPreview | None = None

    def compose_box(self) -> Iterable[Widget]:
        """Return the field and the numbers."""
        field = LineInput(
            self._wanted, placeholder="llama3.2   hf.co/org/repo:Q4_K_M   org/repo   an address of a page"
        )
        yield field
        yield Static(id="numbers")

    def on_mount(self) -> None:
        """Ask at once where the name is known."""
        if self._wanted:
            self.call_after_refresh(self.action_go_on)

    @property
    def _typed(self) -> str:
        return self.query_one(Input).value.strip()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer to force only what is refused."""
        return action != "force" or (self._preview is not None and self._preview.refused and self._fits)

    @property
    def _fits(self) -> bool:
        return self._preview is not None and not self._preview.short_bytes

    def on_input_changed(self) -> None:
        """Forget what was asked of another name, and what was answered."""
        if self._asked and self._typed != self._asked:
            self._asked, self._preview = "", None
            self._say(Content())

    def action_insecure(self) -> None:
        """Let the registry speak plain HTTP, or not."""
        self.after_keys(self._turn_insecure, "ctrl+t")

    def _turn_insecure(self) -> None:
        self._insecure = not self._insecure
        self._preview = None
        if self._typed and self._typed == self._asked:
            self._begin(self._typed)
            return
        text = "The registry may speak plain HTTP." if self._insecure else "The registry must speak HTTPS."
        self._say(Content.styled(text, "$warning" if self._insecure else ""))

    def action_go_on(self) -> None:
        """Ask what it costs, or say yes to that."""
        self.after_keys(self._go_on)

    def _go_on(self) -> None:
        name, preview = self._typed, self._preview
        if not name:
            return
        if preview is not None and name == self._asked and self._fits and not preview.refused:
            self.dismiss(Wanted(preview))
            return
        self._begin(name)  # where it had no room: some may have been made since

    def action_force(self) -> None:
        """Pull it though the limit of its disk refuses it."""
        self.after_keys(self._force, "ctrl+y")

    def _force(self) -> None:
        if self._preview is not None and self._typed == self._asked and self.check_action("force", ()):
            self.dismiss(Wanted(self._preview, forced=True))

    def _begin(self, name: str) -> None:
        """Ask what it costs."""
        self._asked, self._preview, insecure = name, None, self._insecure
        self._say(Content.styled(f"asking {signs().ellipsis}", "$text-muted"))
        start(self, lambda: self._ask(name, insecure), group="preview", exclusive=True)

    async def _ask(self, name: str, insecure: bool) -> None:
        provider = self._provider if name == self._wanted else None  # who offers one model is not who has another
        try:
            preview = await self._core.models.preview_pull(name, provider, insecure=insecure)
        except VenomError as failure:
            if self._asked == name:
                self._say(_failure(failure))
            return
        if self._asked == name and self._insecure == insecure:
            self._preview = preview
            self._say(numbers(preview))

    def _say(self, text: Content) -> None:
        self.query_one("#numbers", Static).update(text)
        preview = self._preview
        ready = preview is not None and self._fits and not preview.refused
        self.query_one(KeysLine).say({"pull.enter": "pull it" if ready else "show what it costs"})


def numbers(preview: PullPreview) -> Content:
    """Return what a pull would fetch, and whether there is room, as lines."""
    rows = [("from", literal(preview.source)), ("model", literal(preview.name))]
    if preview.bytes_total is None:
        rows.append(("size", Content.styled("? not known before", "$warning")))
    else:
        missing = preview.bytes_missing if preview.bytes_missing is not None else preview.bytes_total
        here = preview.bytes_total - missing
        rows.append(("to fetch", Content(f"{size(missing)}{f', {size(here)} is here already' if here else ''}")))
    if preview.free_bytes is None:
        rows.append(("free", Content.styled("? not known", "$warning")))
    else:
        rows.append(("free", Content.assemble(size(preview.free_bytes), " in ", literal(preview.folder or "?"))))
        if preview.bytes_missing is not None and not preview.short_bytes:
            after = Content(f"{size(preview.left_bytes)} free")
            if preview.breaks_limit:
                kept = f", {size(preview.kept_bytes)} are to be kept ({preview.policy})"
                after += Content.styled(kept, "$error" if preview.refused else "$warning")
            rows.append(("after", after))
    lines = [Content()]
    lines += [Content.assemble((f"{name:<{_NAMES}}", "$text-muted"), value) for name, value in rows]
    for file in preview.files[:_MOST_FILES]:
        amount = "?" if file.size_bytes is None else size(file.size_bytes)
        there = "  here already" if file.present else ""
        lines.append(Content.assemble(" " * _NAMES, literal(file.name), (f"  {amount}{there}", "$text-muted")))
    if len(preview.files) > _MOST_FILES:
        lines.append(Content.styled(f"{'':<{_NAMES}}and {len(preview.files) - _MOST_FILES} more", "$text-muted"))
    lines += [literal(f"{signs().warning} {warning}", "$warning") for warning in preview.warnings]
    if preview.short_bytes:
        lines.append(Content.styled(f"{signs().failed} It does not fit: {size(preview.short_bytes)} more are needed.",
                                    "$error"))  # fmt: skip
    elif preview.refused:
        refusal = "The limit of its disk refuses it. Make room, or force it."
        lines.append(Content.styled(f"{signs().failed} {refusal}", "$error"))
    return Content("\n").join(lines)


def _failure(failure: VenomError) -> Content:
    words = [text for text in (failure.message, failure.server_message, failure.hint) if text]
    styles = ("$error", "", "$text-muted")
    return Content("\n").join([Content(), *(literal(text, style) for text, style in zip(words, styles, strict=False))])
