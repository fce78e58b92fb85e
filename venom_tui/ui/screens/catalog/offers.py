"""What could be had: search, what is trending, news. Opening it, and each of its keys, asks outside this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from venom_tui.core.types.offer import News, Offers
from venom_tui.ui.dialogs.model_details import RepositoryDialog
from venom_tui.ui.dialogs.notice import Notice
from venom_tui.ui.screens.catalog.offer_rows import Listed, detail_lines, heads, line, rows_of, when_asked
from venom_tui.ui.screens.section import SectionScreen
from venom_tui.ui.text import signs
from venom_tui.ui.widgets.line import Line
from venom_tui.ui.widgets.line_input import LineInput
from venom_tui.ui.widgets.rows import VerbRows
from venom_tui.ui.widgets.sections import RuleLine
from venom_tui.ui.workers import start

if TYPE_CHECKING:
    from venom_tui.core.core import Core

Found = Sequence[Offers] | News


class OfferList(VerbRows):
    """Offers or news, one a row; the verbs are the screen's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,i", "screen.open", "what is in it", id="offers.open", tooltip="Show what a repository holds"),
        Binding("p", "screen.pull", "pull", id="offers.pull", tooltip="Fetch it, after its size was shown"),
        Binding("f", "screen.fit", "fit", id="offers.fit", tooltip="Show whether it fits; this asks its provider"),
        Binding("slash", "screen.search", "search", id="offers.search", tooltip="Search Hugging Face and Ollama"),
        Binding("t", "screen.trending", "trending", id="offers.trending", tooltip="What is taken most now"),
        Binding("n", "screen.news('blog')", "news", id="offers.news", tooltip="News of the Hugging Face blog"),
        Binding("P", "screen.news('papers')", "papers", id="offers.papers", tooltip="Papers that readers picked"),
        Binding("r", "screen.again", "ask again", id="offers.again", tooltip="Ask the same once more"),
    ]

    def __init__(self) -> None:
        super().__init__(id="offers")


class SearchInput(LineInput):
    """The words to search for; enter asks."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.ask", "search", id="offers.ask", tooltip="Search for these words"),
        Binding("escape", "screen.back", "leave", id="offers.leave", tooltip="Leave the words"),
        Binding("down", "screen.to_list", "To the list", show=False, id="offers.to-list", tooltip="Go to the list"),
    ]


class Heads(Line):
    """The titles over the columns."""

    news = False

    def show_kind(self, *, news: bool) -> None:
        """Show the columns of news, or of offers."""
        if news != self.news:
            self.news = news
            self.refresh()

    def fit(self, width: int) -> Content:
        """Return the titles."""
        return heads(news=self.news, width=width)


class OffersScreen(SectionScreen):
    """Lies over the catalog; esc goes back to it."""

    NAME = "catalog"
    AUTO_FOCUS = "OfferList"

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Listed] = ()
        self._title = "Trending"
        self._ask: Callable[[Core], Awaitable[Found]] | None = None
        self._asking = False

    def compose_body(self) -> Iterable[Widget]:
        """Lay out words, list and details."""
        yield RuleLine("What could be had", id="offers-rule")
        field = SearchInput(placeholder="search Hugging Face and the Ollama library", id="words", select_on_focus=False)
        yield field
        yield Heads(id="heads")
        yield OfferList()
        yield RuleLine("", id="offer-rule")
        yield Static(id="offer-detail")

    @on(events.Mount)
    def opened(self, event: events.Mount) -> None:
        """Show what was answered last, and ask."""
        event.prevent_default()  # it lives as long as it is seen, and hears no events of the core
        start(self, self._open, group="ask", exclusive=True)

    async def _open(self) -> None:
        core = self.core
        if core is None:
            return
        kept = await core.registry.kept_trending()
        if any(one.offers for one in kept):
            self._show(kept)
        self.action_trending()

    # ------------------------------------------------------------------ asking

    def action_trending(self) -> None:
        """Ask what is taken most now."""
        self._begin("Trending", lambda core: core.registry.trending())

    def action_news(self, kind: str) -> None:
        """Ask for news."""
        self._begin("News" if kind == "blog" else "Papers", lambda core: core.registry.news(kind))

    def action_search(self) -> None:
        """Go to the words."""
        self.set_focus(self.query_one(SearchInput))

    def action_ask(self) -> None:
        """Search for the words."""
        words = " ".join(self.query_one(SearchInput).value.split())
        if len(words) < 2:
            self.notify("A search takes two characters at least.", markup=False)
            return
        self._begin(f"Search: {words}", lambda core: core.registry.search(words))
        self.action_to_list()

    def action_to_list(self) -> None:
        """Go to the list."""
        self.set_focus(self.query_one(OfferList))

    def action_again(self) -> None:
        """Ask the same once more."""
        if self._ask is not None:
            self._begin(self._title, self._ask)

    def _begin(self, title: str, ask: Callable[[Core], Awaitable[Found]]) -> None:
        if title != self._title:
            self._rows = ()
            self.query_one(OfferList).set_rows([], self._line)
        self._title, self._ask, self._asking = title, ask, True
        self._show_words(None)
        start(self, self._asked, group="ask", exclusive=True)

    async def _asked(self) -> None:
        core, ask = self.core, self._ask
        if core is None or ask is None:
            return
        try:
            found = await ask(core)
        finally:
            self._asking = False
        self._show(found)

    # ------------------------------------------------------------------ what is shown

    def _show(self, found: Found) -> None:
        self._rows = rows_of(found)
        self.query_one(Heads).show_kind(news=isinstance(found, News))
        rows = self.query_one(OfferList)
        rows.set_rows([one.key for one in self._rows], self._line)
        rows.refresh()
        self._show_words(found)
        self._show_detail()

    def _show_words(self, found: Found | None) -> None:
        count = sum(not one.trouble for one in self._rows)
        shown = f"{self._title} {signs().dash} {count:,}" if found is not None else self._title
        right = "asking …" if self._asking else "" if found is None else when_asked(found)
        self.query_one("#offers-rule", RuleLine).set_title(shown, right)

    def _line(self, index: int, width: int) -> Content:
        return line(self._rows[index], width)

    @property
    def _listed(self) -> Listed | None:
        key = self.query_one(OfferList).cursor_key
        return next((one for one in self._rows if one.key == key), None)

    def _show_detail(self) -> None:
        listed, pane = self._listed, self.query_one("#offer-detail", Static)
        self.query_one("#offer-rule", RuleLine).set_title("" if listed is None else listed.title)
        content = Content("\n").join(detail_lines(listed, max(20, self.size.width - 2)))
        if pane.content != content:
            pane.update(content, layout=False)

    def on_row_list_highlighted(self) -> None:
        """Show more of the row under the cursor."""
        self._show_detail()

    def on_resize(self) -> None:
        """Write the details for the new width."""
        self._show_detail()

    def on_descendant_focus(self) -> None:
        """Let the rule tell whether the list has the focus."""
        self.query_one("#offers-rule").set_class(self.query_one(OfferList).has_focus, "-focused")

    # ------------------------------------------------------------------ verbs

    def on_row_list_chosen(self) -> None:
        """Open the row that was clicked twice."""
        self.action_open()

    def action_open(self) -> None:
        """Show what the repository under the cursor holds; of other rows all that is known."""
        listed, core = self._listed, self.core
        if listed is None or core is None:
            words = "The answer has not come yet." if self._asking else "No row is under the cursor."
            self.notify(words, markup=False)
            return
        if listed.offer is not None and listed.offer.provider == "huggingface":
            self.app.push_screen(RepositoryDialog(core, listed.offer.name))
            return
        lines = [text.plain for text in detail_lines(listed, 2000)]
        self.app.push_screen(Notice(listed.title or "Who could not be asked", lines))

    def action_pull(self) -> None:
        """Ask what the offer under the cursor costs, and fetch it after a yes."""
        listed = self._listed
        if listed is None or listed.offer is None:
            self.notify("Only a model can be pulled.", markup=False)
        else:
            self.host.pull(listed.offer.name, listed.offer.provider)

    def action_fit(self) -> None:
        """Show whether the offer under the cursor fits, and what it would take."""
        from venom_tui.ui.dialogs.fits import offered_fit_dialog

        listed, core = self._listed, self.core
        if listed is None or listed.offer is None or core is None:
            self.notify("Only of a model can be said whether it fits.", markup=False)
        else:
            offer = listed.offer
            self.app.push_screen(offered_fit_dialog(core, offer.name, offer.provider, gguf=bool(offer.gguf)))

    def action_back(self) -> None:
        """Esc: leave the words, else go back to the catalog."""
        if isinstance(self.focused, SearchInput):
            self.action_to_list()
        else:
            self.dismiss(None)
