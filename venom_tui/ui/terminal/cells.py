"""What the terminal's cells hold: strips of segments taken apart into cells, and the sequences between two styles.

A cell is a pair of its text (with combining marks; "" in the right half of a wide character) and its style: the SGR
parameters as a string, with a link's address behind a NUL where there is one.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import repeat

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

Cell = tuple[str, str]

# Printable, one cell wide on every terminal, nothing that combines. Checked against rich's tables in the tests.
_PLAIN = re.compile(
    r"[ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0377\u037a-\u037f\u0384-\u038a\u0391-\u03a1\u03a3-\u03ff\u0400-\u0482"
    r"\u048a-\u052f\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u2070\u2074-\u208e\u20a0-\u20bf\u2100-\u2118\u2190-\u2199"
    r"\u2200-\u22ff\u2500-\u259f\u25a0-\u25a9\u25b2-\u25b5\u25b7-\u25bf\u25c6-\u25fa\u2713-\u2718\u2800-\u28ff]*"
)

# Never sent to the terminal, whatever a widget holds: C0, DEL, C1, surrogates, line separators, bidi controls.
_HARMFUL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f\ufeff]"
)

# Clusters whose width terminals disagree on: joined, with a presentation selector, flags, skin tones, keycaps, spacing
# marks of Indic scripts, conjoining Hangul.
_DISPUTED = re.compile(
    r"[\u200d\ufe0e\ufe0f\u20e3\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff"
    r"\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]"
)
_DISPUTED_ALONE = frozenset(map(chr, (*range(0x1F1E6, 0x1F200), *range(0x1F3FB, 0x1F400))))
_FIRST_PICTOGRAM = "\U0001f000"


def is_disputed(text: str) -> bool:
    """Return whether terminals may give this cell's text another width than we do."""
    return _DISPUTED.search(text) is not None if len(text) > 1 else text in _DISPUTED_ALONE


def is_pictogram(text: str) -> bool:
    """Return whether an older terminal may not know that this cell's text is wide."""
    return text[:1] >= _FIRST_PICTOGRAM


@lru_cache(maxsize=4096)
def _split(text: str) -> tuple[str, ...]:
    """The cells' texts of a text that is not plain."""
    text = _HARMFUL.sub("", text)
    cells: list[str] = []
    for start, end, width in split_graphemes(text)[0]:
        if width == 0:
            if cells:
                at = -1 if cells[-1] else -2
                cells[at] += text[start:end]
            continue
        cells.append(text[start:end])
        cells.extend([""] * (width - 1))
    return tuple(cells)


def style_of(style: Style | None, colors: ColorSystem) -> str:
    """Return a style as our cells hold it."""
    if style is None:
        return ""
    ansi = style._ansi
    if ansi is None:
        ansi = Strip.render_ansi(style, colors)
    if style._link:
        return f"{ansi}\0{_HARMFUL.sub('', style._link)[:2000]}"
    return ansi


def cells_of(strip: Strip, colors: ColorSystem) -> tuple[list[Cell], bool]:
    """Return the cells of a strip, as many as it is wide, and whether some are not plain."""
    cells: list[Cell] = []
    special = False
    for text, style, control in strip._segments:
        if control:
            continue
        if style is None:
            key = ""
        elif style._link or (key := style._ansi) is None:  # type: ignore[assignment]  # None is replaced here
            key = style_of(style, colors)
        if (text.isascii() and text.isprintable()) or _PLAIN.fullmatch(text):
            cells.extend(zip(text, repeat(key)))
        else:
            special = True
            cells.extend(zip(_split(text), repeat(key)))
    width = strip.cell_length
    if len(cells) != width:
        del cells[width:]
        cells.extend([(" ", "")] * (width - len(cells)))
    return cells, special


_RESET_CODES = {
    "1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "6": "25", "7": "27", "8": "28", "9": "29", "21": "24",
    "51": "54", "52": "54", "53": "55",
}  # fmt: skip


@lru_cache(maxsize=4096)
def _parts(ansi: str) -> tuple[frozenset[str], str, str]:
    """The attributes, the foreground and the background of SGR parameters."""
    attributes: set[str] = set()
    foreground = background = ""
    codes = ansi.split(";") if ansi else []
    at = 0
    while at < len(codes):
        code = codes[at]
        length = 1
        if code in ("38", "48"):
            length = 3 if codes[at + 1] == "5" else 5
        value = ";".join(codes[at : at + length])
        number = int(code)
        if number == 38 or 30 <= number <= 37 or 90 <= number <= 97:
            foreground = value
        elif number == 48 or 40 <= number <= 47 or 100 <= number <= 107:
            background = value
        elif number not in (39, 49):  # the defaults are no colour
            attributes.add(code)
        at += length
    return frozenset(attributes), foreground, background


@lru_cache(maxsize=16_384)
def transition(before: str, after: str) -> str:
    """Return the shortest sequences that turn one style into another."""
    old, _, old_link = before.partition("\0")
    new, _, new_link = after.partition("\0")
    link = f"\x1b]8;;{new_link}\x1b\\" if old_link != new_link else ""
    if old == new:
        return link
    if not new:
        return f"\x1b[m{link}"
    had, old_fore, old_back = _parts(old)
    has, new_fore, new_back = _parts(new)
    gone = {_RESET_CODES.get(code, "0") for code in had - has}
    # A reset code may take others with it (22 ends bold and dim): those are set again.
    again = {code for code in has if _RESET_CODES.get(code, "0") in gone}
    codes = [*sorted(gone), *sorted((has - had) | again)]
    if new_fore != old_fore:
        codes.append(new_fore or "39")
    if new_back != old_back:
        codes.append(new_back or "49")
    delta = ";".join(codes)
    anew = ";".join(["0", *sorted(has), *filter(None, (new_fore, new_back))])
    if not old:
        anew = anew[2:]
    if "0" in gone or len(anew) < len(delta):
        delta = anew
    return f"\x1b[{delta}m{link}" if delta else link


# ---------------------------------------------------------------------- less than a terminal can show


def reduced(cells: list[Cell], *, ascii_only: bool, colourless: bool) -> list[Cell]:
    """Return cells as a terminal shows them that has no more than ASCII, or that was asked to show no colours."""
    if colourless:
        cells = [(text, _without_colours(style)) for text, style in cells]
    if ascii_only and not all(text and text.isascii() for text, _ in cells):
        cells = [(_in_ascii(text), style) for text, style in cells]
    return cells


@lru_cache(maxsize=4096)
def _without_colours(style: str) -> str:
    ansi, nul, link = style.partition("\0")
    return f"{';'.join(sorted(_parts(ansi)[0]))}{nul}{link}"


_SIMILAR = str.maketrans(
    "─━═╌╍│┃║╎╏·•…–—‐‑“”„«»‘’‚‹›×←↑→↓▌▍▎▏▐▕●○◐▲▼▸▾✕✓✔✗⚑≤≥",
    '-----|||||--~----"""""\'\'\'<>x<^>v||||||*o~!v>vx++x#<>',
)


@lru_cache(maxsize=4096)
def _in_ascii(text: str) -> str:
    """Return one ASCII character for a cell: a similar one where there is, else `?` (for each half of a wide one)."""
    if len(text) == 1 and text.isascii():
        return text
    found = unicodedata.normalize("NFKD", text.translate(_SIMILAR))[:1]
    if found.isascii() and found.isprintable():
        return found or "?"
    return "+" if "\u2500" <= found <= "\u257f" else "#" if "\u2580" <= found <= "\u259f" else "?"
