"""Where the style sheets are: beside the package in a checkout, inside it when installed."""

from __future__ import annotations

from pathlib import Path, PurePath

_PACKAGE = Path(__file__).resolve().parents[1]


def stylesheets() -> list[str | PurePath]:
    """Return the absolute paths of all style sheets, in a fixed order (`app.tcss` first)."""
    folder = _PACKAGE / "styles"
    if not folder.is_dir():
        folder = _PACKAGE.parent / "styles"
    sheets = sorted(folder.glob("*.tcss"), key=lambda path: (path.name != "app.tcss", path.name))
    return [*sheets]
