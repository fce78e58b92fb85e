"""Draws segments as rows. CommonMark with tables, strikethrough and task lists.

HTML and formulas are shown as they are written. Links show where they lead and do nothing; images show what they are
said to be. Link definitions are text like any other: a later line never changes what stands above it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.cells import cell_len

from venom_tui.ui.text import clean, signs
from venom_tui.ui.widgets.transcript.highlight import highlighted
from venom_tui.ui.widgets.transcript.inline import Inline, Part, fold, wrap
from venom_tui.ui.widgets.transcript.rows import CODE_BACKGROUND, Pen, Row
from venom_tui.ui.widgets.transcript.segments import Segment

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_DEEPEST = 16
"""Levels of nesting; text with more is shown as it was written."""
_MOST_MARKS, _MOST_BRACKETS = 900, 400
"""A segment with more of them is shown as it was written: the parser's time grows with their square."""
_LEAST_WIDTH = 16
_LONGEST_LABEL = 20
_NARROWEST_CELL = 4

MARGIN = "  "
"""What stands at the left of every block: the place of an entry's sign."""

_STYLES = {
    "strong": "bold",
    "em": "italic",
    "s": "strike",
    "h1": "bold underline",
    "h2": "bold underline",
    "h3": "bold",
    "h4": "bold italic",
    "h5": "italic",
    "h6": "italic",
}
_CODE_STYLE = "$secondary"
_LINK_STYLE = "underline $primary"
_TASK = re.compile(r"\[([ xX])\][ \t]")

Lead = tuple[Part, ...]


@lru_cache(maxsize=1)
def parser() -> MarkdownIt:
    """Return the parser; its modules are imported when it is first asked for (20 ms)."""
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False, "maxNesting": 4 * _DEEPEST})
    return made.enable(["table", "strikethrough"]).disable("reference")


def draw_segment(segment: Segment, pen: Pen, style: str = "") -> list[Row]:
    """Return the rows of a segment; `style` is that of its plain text."""
    margin: Lead = ((MARGIN + " " * segment.indent, ""),)
    if segment.kind == "markdown":
        rows = _markdown(segment, pen, margin)
    elif segment.kind == "inline":
        rows = _inline_only(segment, pen, margin)
    else:
        rows = plain(segment.source, pen, margin, margin, style)
    if not rows:
        return []
    rows[-1].joint = segment.joint
    return [pen.blank, *rows] if segment.gap else rows


def plain(source: str, pen: Pen, first: Lead, rest: Lead, style: str = "") -> list[Row]:
    """Return the rows of a text that is shown as it is."""
    text = Inline([(source.expandtabs(4), style)])
    return pen.rows(text, wrap(text, _room(pen, rest)), first, rest)


def _is_hostile(source: str) -> bool:
    return source.count("[") > _MOST_BRACKETS or sum(map(source.count, "*_~[`")) > _MOST_MARKS


def _inline_only(segment: Segment, pen: Pen, margin: Lead) -> list[Row]:
    if _is_hostile(segment.source):
        return plain(segment.source, pen, margin, margin)
    children = parser().parseInline(segment.source)[0].children or []
    return _Drawing(pen, []).text(Inline(_inline(children)), margin, margin)


def _markdown(segment: Segment, pen: Pen, margin: Lead) -> list[Row]:
    if _is_hostile(segment.source) and not segment.repeated and not segment.source.startswith(("```", "~~~")):
        return plain(segment.source, pen, margin, margin)
    tokens = parser().parse(segment.source)
    if any(token.level > _DEEPEST for token in tokens):
        return plain(segment.source, pen, margin, margin)
    drawing = _Drawing(pen, tokens, continued=segment.repeated > 0)
    rows: list[Row] = []
    while drawing.more():
        block = drawing.block(margin, margin)
        if rows and block:
            rows.append(pen.blank)
        rows.extend(block)
    return rows


def _room(pen: Pen, lead: Lead) -> int:
    return max(_LEAST_WIDTH, pen.width - sum(cell_len(text) for text, _ in lead) - 1)


class _Drawing:
    """Goes through the tokens of a segment. `first` and `rest` stand before the first row of a block and the others."""

    def __init__(self, pen: Pen, tokens: list[Token], *, continued: bool = False) -> None:
        self._pen = pen
        self._tokens = tokens
        self._at = 0
        self._continued = continued

    def more(self) -> bool:
        """Return whether there is another block."""
        return self._at < len(self._tokens)

    def block(self, first: Lead, rest: Lead, prefix: str = "") -> list[Row]:
        """Draw the next block; `prefix` is what is copied before it."""
        token = self._tokens[self._at]
        self._at += 1
        match token.type:
            case "paragraph_open" | "heading_open":
                parts = _inline(self._tokens[self._at].children or [], _STYLES.get(token.tag, ""))
                self._at += 2
                return self.text(Inline(parts), first, rest, prefix)
            case "fence" | "code_block":
                return self._code(token, first, rest, prefix)
            case "blockquote_open":
                bar = (f"{signs().bar} ", "$rule")
                return self._children(
                    "blockquote_close", (*first, bar), (*rest, bar), prefix + "> ", _later(prefix) + "> "
                )
            case "bullet_list_open" | "ordered_list_open":
                return self._list(token, first, rest, prefix)
            case "table_open":
                return self._table(token, first, rest, prefix)
            case "hr":
                dashes = signs().dash * min(_room(self._pen, rest), 40)
                return [self._pen.row([(dashes, "$rule")], lead=first, prefix=prefix)]
            case "inline":
                return self.text(Inline(_inline(token.children or [])), first, rest, prefix)
            case _:
                return plain(token.content, self._pen, first, rest) if token.content else []

    def text(self, text: Inline, first: Lead, rest: Lead, prefix: str = "") -> list[Row]:
        """Draw text wrapped at words."""
        return self._pen.rows(text, wrap(text, _room(self._pen, rest)), first, rest, prefix=prefix)

    def _children(
        self, close: str, first: Lead, rest: Lead, prefix: str, later: str, *, tight: bool = False
    ) -> list[Row]:
        """Draw the blocks of a container; `prefix` is copied before the first row, `later` before the others."""
        rows: list[Row] = []
        while self._tokens[self._at].type != close:
            block = self.block(rest if rows else first, rest, later if rows else prefix)
            if rows and block and not tight:
                rows.append(self._pen.row([], lead=rest, prefix=later.rstrip()))
            rows.extend(block)
        self._at += 1
        return rows or [self._pen.row([], lead=first, prefix=prefix)]

    def _list(self, opening: Token, first: Lead, rest: Lead, prefix: str) -> list[Row]:
        ordered = opening.type == "ordered_list_open"
        number = int(opening.attrs.get("start", 1)) if ordered else 0
        tight = self._is_tight(opening)
        later = _later(prefix)
        rows: list[Row] = []
        while self._tokens[self._at].type == "list_item_open":
            self._at += 1
            mark, copied = self._mark(ordered, number)
            lead = rest if rows else first
            if rows and not tight:
                rows.append(self._pen.row([], lead=rest, prefix=later.rstrip()))
            begin, inner = (*lead, (mark, "$primary")), (*rest, (" " * cell_len(mark), ""))
            before, after = (later if rows else prefix) + copied, later + " " * len(copied.split("[", 1)[0])
            rows.extend(self._children("list_item_close", begin, inner, before, after, tight=tight))
            number += 1
        self._at += 1
        return rows

    def _mark(self, ordered: bool, number: int) -> tuple[str, str]:
        """Return the sign of an item and what is copied for it; a task's box is taken out of its text."""
        if ordered:
            return f"{number}. ", f"{number}. "
        for token in self._tokens[self._at : self._at + 2]:
            task = _TASK.match(token.content) if token.type == "inline" else None
            if task is not None and token.children and token.children[0].type == "text":
                token.children[0].content = token.children[0].content[len(task[0]) :]
                sign = signs().todo if task[1] == " " else signs().done
                return f"{sign} ", f"- {task[0]}"
        return f"{signs().bullet} ", "- "

    def _is_tight(self, opening: Token) -> bool:
        """Return whether no blank line stands between the list's items."""
        for token in self._tokens[self._at :]:
            if token.level == opening.level and token.nesting == -1:
                break
            if token.type == "paragraph_open" and token.level == opening.level + 2:
                return token.hidden
        return True

    def _code(self, token: Token, first: Lead, rest: Lead, prefix: str) -> list[Row]:
        language = next(iter(clean(token.info).split()), "")
        edge = (f"{signs().bar} ", f"$rule{CODE_BACKGROUND}")
        code = token.content.removesuffix("\n").expandtabs(4)
        text = Inline(highlighted(code, language, CODE_BACKGROUND))
        rest = (*rest, edge)
        label = "" if self._continued else language[:_LONGEST_LABEL]
        cuts = fold(text, _room(self._pen, rest))
        return self._pen.rows(text, cuts, (*first, edge), rest, prefix=prefix, fill=CODE_BACKGROUND, label=label)

    # ------------------------------------------------------------------ tables

    def _table(self, opening: Token, first: Lead, rest: Lead, prefix: str) -> list[Row]:
        begin = self._at
        rows, aligned = self._cells()
        room = _room(self._pen, rest)
        widths = [max(1, *(cell.width for cell in column)) for column in zip(*rows, strict=True)]
        if not widths or not _shrink(widths, room - 3 * (len(widths) - 1)):
            return self._cramped(self._tokens[begin : self._at], rows, first, rest, prefix)
        drawn: list[Row] = []
        for number, cells in enumerate(rows):
            drawn.extend(self._table_row(cells, widths, aligned, rest if drawn else first, rest, prefix))
            if number == 0:
                dash = signs().dash
                line = f"{dash}{signs().cross}{dash}".join(dash * width for width in widths)
                drawn.append(self._pen.row([(line, "$rule")], lead=rest, prefix=prefix))
        return drawn

    def _cells(self) -> tuple[list[list[Inline]], list[str]]:
        """Return the cells of each row and the alignment of each column."""
        rows: list[list[Inline]] = []
        aligned: list[str] = []
        style = ""
        while (token := self._tokens[self._at]).type != "table_close":
            self._at += 1
            if token.type == "tr_open":
                rows.append([])
            elif token.type in ("th_open", "td_open"):
                style = "bold" if token.type == "th_open" else ""
                if len(rows) == 1:
                    aligned.append(str(token.attrs.get("style", "")).removeprefix("text-align:"))
            elif token.type == "inline":
                rows[-1].append(Inline(_inline(token.children or [], style)))
        self._at += 1
        return rows, aligned

    def _table_row(
        self, cells: list[Inline], widths: list[int], aligned: list[str], first: Lead, rest: Lead, prefix: str
    ) -> list[Row]:
        columns: list[list[list[Part]]] = []
        for cell, width, align in zip(cells, widths, aligned, strict=True):
            cuts = wrap(cell, width)
            columns.append([_aligned(parts, width, align) for parts in cell.slices((a, b) for a, b, _ in cuts)])
        rows: list[Row] = []
        empty: list[list[Part]] = [[(" " * width, "")] for width in widths]
        for line in zip_longest(*columns):
            parts: list[Part] = []
            for number, cell_parts in enumerate(line):
                if number:
                    parts.append((f" {signs().vertical} ", "$rule"))
                parts.extend(empty[number] if cell_parts is None else cell_parts)
            rows.append(self._pen.row(parts, lead=rest if rows else first, prefix=prefix))
        return rows

    def _cramped(
        self, tokens: list[Token], rows: list[list[Inline]], first: Lead, rest: Lead, prefix: str
    ) -> list[Row]:
        """Draw a table that has more columns than room: its cells one below the other."""
        drawn: list[Row] = []
        for cells in rows:
            for cell in cells:
                drawn.extend(self.text(cell, rest if drawn else first, rest, prefix))
        return drawn


def _later(prefix: str) -> str:
    """Return what is copied before the later rows of a container: quotes are marked again, bullets are not."""
    return "".join(mark if mark == ">" else " " for mark in prefix)


def _aligned(parts: list[Part], width: int, align: str) -> list[Part]:
    room = width - sum(cell_len(text) for text, _ in parts)
    if room <= 0:
        return parts
    left = {"right": room, "center": room // 2}.get(align, 0)
    return [(" " * left, ""), *parts, (" " * (room - left), "")]


def _shrink(widths: list[int], room: int) -> bool:
    """Make the widest columns narrower until all fit; return whether they do."""
    excess = sum(widths) - room
    while excess > 0:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST_CELL:
            return False
        step = min(excess, max(1, widths[widest] // 8))
        widths[widest] -= step
        excess -= step
    return True


# ---------------------------------------------------------------------- inline


def _inline(children: list[Token], style: str = "") -> list[Part]:
    """Return the parts of a line's tokens."""
    parts: list[Part] = []
    styles = [style]
    links: list[tuple[str, int]] = []
    for token in children:
        kind = token.type
        now = styles[-1]
        if kind in ("softbreak", "hardbreak"):
            # Models write verses and addresses without the two blanks that Markdown wants.
            parts.append(("\n", now))
        elif kind == "code_inline":
            parts.append((token.content.expandtabs(4), _joined(now, _CODE_STYLE)))
        elif kind == "image":
            parts.append((f"[image: {token.content}]", now))
            parts.extend(_address(str(token.attrs.get("src", "")), ""))
        elif kind == "link_open":
            links.append((str(token.attrs.get("href", "")), len(parts)))
            styles.append(_joined(now, _LINK_STYLE))
        elif kind == "link_close":
            styles.pop()
            href, since = links.pop()
            parts.extend(_address(href, "".join(text for text, _ in parts[since:])))
        elif token.nesting == 1:
            styles.append(_joined(now, _STYLES.get(token.tag, "")))
        elif token.nesting == -1:
            styles.pop()
        else:
            parts.append((token.content.expandtabs(4).replace("\n", " "), now))
    return parts


def _joined(style: str, more: str) -> str:
    return style if more in style else f"{style} {more}".strip()


def _address(href: str, shown: str) -> list[Part]:
    """Return where a link leads, unless that is what it says: nobody should have to trust its text."""
    if not href or href == shown or href.removeprefix("mailto:") == shown:
        return []
    return [(f" ({href})", "$text-muted")]
