"""Where the style sheets are, beside the package in a checkout or inside it when installed, and how they are parsed."""

from __future__ import annotations

from pathlib import Path, PurePath

from textual.css.stylesheet import CssSource, Stylesheet
from textual.css.types import CSSLocation

_PACKAGE = Path(__file__).resolve().parents[1]


def stylesheets() -> list[str | PurePath]:
    """Return the absolute paths of all style sheets, in a fixed order (`app.tcss` first)."""
    folder = _PACKAGE / "styles"
    if not folder.is_dir():
        folder = _PACKAGE.parent / "styles"
    sheets = sorted(folder.glob("*.tcss"), key=lambda path: (path.name != "app.tcss", path.name))
    return [*sheets]


class ParsedOnce(Stylesheet):
    """A style sheet that is parsed again only where its sources or its variables (the theme) are others.

    Textual (8.2.8) parses all of it for each new screen, twice: 30 ms each time.
    """

    def __init__(self, *, variables: dict[str, str]) -> None:
        super().__init__(variables=variables)
        self._given = variables
        self._parsed: dict[CSSLocation, CssSource] = {}

    def set_variables(self, variables: dict[str, str]) -> None:
        """Take variables."""
        if variables != self._given:
            self._given, self._parsed = variables, {}
            super().set_variables(variables)

    def parse(self) -> None:
        """Parse the sources; what was parsed of them is kept."""
        super().parse()
        self._parsed = {**self.source}

    def reparse(self) -> None:
        """Parse the sources if there is something new."""
        if self._parsed != self.source:
            self.parse()
