"""The footer: the keys of what has focus, made from the real bindings."""

from __future__ import annotations

from textual.binding import Binding
from textual.content import Content

from venom_tui.ui.widgets.line import Line


class FooterLine(Line):
    """Shows the visible bindings from the focused widget outwards, as many as fit."""

    def on_mount(self) -> None:
        """Follow the screen's bindings."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _screen: self.show_bindings())
        self.call_after_refresh(self.show_bindings)

    def show_bindings(self) -> None:
        """Read the bindings that are active now."""
        if self.is_attached and self.screen.is_attached:
            self.show(self._content())

    def _content(self) -> Content:
        shown: list[Content] = []
        actions: set[str] = set()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.action not in actions:
                actions.add(binding.action)
                shown.append(self._entry(binding))
        return Content("  ").join(shown)

    def _entry(self, binding: Binding) -> Content:
        key = self.app.get_key_display(binding)
        return Content.assemble((key, "bold $foreground"), " ", binding.description)

    def fit(self, width: int) -> Content:
        """Return the whole entries that fit."""
        text = self.text
        if text.cell_length <= width:
            return text
        cut = text.plain[: width + 1].rfind("  ")
        return text[: max(0, cut)]
