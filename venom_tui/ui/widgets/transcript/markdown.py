"""Draws Markdown as rows. CommonMark with tables and strikethrough; HTML is shown as it is written; links do nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from textual.content import Content

from venom_tui.ui.text import signs
from venom_tui.ui.widgets.transcript.highlight import highlighted
from venom_tui.ui.widgets.transcript.rows import Pen, Row

_DEEPEST = 12
"""Nested quotes and lists below this depth are shown as plain text: a thousand `>` must not fill the width."""

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
_LEAST_WIDTH = 8
_MARGIN = Content("  ")
"""What stands at the left of every block: the place of an entry's sign."""


@dataclass(slots=True)
class Block:
    """A top-level block: where it begins in the source, and its rows with the blank row that stands before them."""

    first_line: int
    rows: list[Row]
    kind: str


def parser() -> MarkdownIt:
    """Return the parser; nesting is limited so that hostile text cannot exhaust the stack."""
    markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": 2 * _DEEPEST})
    return markdown.enable(["table", "strikethrough"])


_PARSER = parser()


def blocks(source: str, pen: Pen, *, gap: bool) -> list[Block]:
    """Return the blocks of a text; `gap`: a blank row stands before the first one too."""
    found: list[Block] = []
    for node in SyntaxTreeNode(_PARSER.parse(source)).children:
        if node.map is None:
            continue
        drawn = _Drawing(pen).block(node, _MARGIN, _MARGIN, 0)
        before = [pen.blank] if gap or found else []
        found.append(Block(node.map[0], before + drawn, node.type))
    return found


class _Drawing:
    def __init__(self, pen: Pen) -> None:
        self._pen = pen

    def block(self, node: SyntaxTreeNode, first: Content, rest: Content, depth: int) -> list[Row]:
        """Return the rows of a block; `first` and `rest` stand before its first row and the others."""
        width = max(_LEAST_WIDTH, self._pen.width - rest.cell_length - 1)
        kind = node.type
        if kind == "blockquote":
            return self._quote(node, first, rest, depth)
        if kind in ("bullet_list", "ordered_list"):
            return self._list(node, first, rest, depth)
        if kind == "table":
            return self._table(node, first, rest, width)
        if kind in ("fence", "code_block"):
            return self._code(node, first, rest, width)
        if kind == "hr":
            return [self._pen.row(first + Content.styled(signs().dash * min(width, 40), "$rule"), indent=first.cell_length)]
        if kind in ("paragraph", "heading"):
            style = _STYLES.get(node.tag, "")
            return self._pen.wrapped(Content.assemble(*_inline(node, style)), first, rest, width)
        text = (node.content or "").rstrip("\n").expandtabs(4)
        return self._pen.wrapped(Content(text), first, rest, width)

    def _quote(self, node: SyntaxTreeNode, first: Content, rest: Content, depth: int) -> list[Row]:
        mark = Content.styled(f"{signs().bar} ", "$rule")
        return self._children(node, first + mark, rest + mark, depth)

    def _list(self, node: SyntaxTreeNode, first: Content, rest: Content, depth: int) -> list[Row]:
        rows: list[Row] = []
        number = int(node.attrs.get("start", 1) or 0)
        loose = any(child.type == "paragraph" and not child.hidden for item in node.children for child in item.children)
        for place, item in enumerate(node.children):
            mark = f"{number + place}. " if node.type == "ordered_list" else f"{signs().bullet} "
            lead = rest if rows else first
            if rows and loose:
                rows.append(self._pen.row(rest))
            rows.extend(self._children(item, lead + Content.styled(mark, "$primary"), rest + Content(" " * len(mark)), depth))
        return rows

    def _children(self, node: SyntaxTreeNode, first: Content, rest: Content, depth: int) -> list[Row]:
        if depth >= _DEEPEST:
            return [self._pen.row(first + Content("…"))]
        rows: list[Row] = []
        for child in node.children:
            if rows and not (child.type.endswith("_list") or (child.type == "paragraph" and child.hidden)):
                rows.append(self._pen.row(rest))
            rows.extend(self.block(child, rest if rows else first, rest, depth + 1))
        return rows or [self._pen.row(first)]

    def _code(self, node: SyntaxTreeNode, first: Content, rest: Content, width: int) -> list[Row]:
        language = (node.info or "").split()[:1]
        content = highlighted(node.content.removesuffix("\n"), language[0] if language else "")
        edge = Content.styled(f"{signs().bar} ", "$rule on $surface")
        return self._pen.folded(content, first + edge, rest + edge, max(_LEAST_WIDTH, width - 2))

    def _table(self, node: SyntaxTreeNode, first: Content, rest: Content, width: int) -> list[Row]:
        cells = [
            [Content.assemble(*_inline(cell, "bold" if cell.type == "th" else "")) for cell in row.children]
            for row in node.walk()
            if row.type == "tr"
        ]
        count = max((len(row) for row in cells), default=0)
        if not count:
            return []
        cells = [row + [Content()] * (count - len(row)) for row in cells]
        widths = [max(1, *(cell.cell_length for cell in column)) for column in zip(*cells, strict=True)]
        _shrink(widths, max(count, width - 3 * (count - 1)))
        rows: list[Row] = []
        bar = Content.styled(f" {signs().vertical} ", "$rule")
        for number, row in enumerate(cells):
            wrapped = [cell.wrap(w) for cell, w in zip(row, widths, strict=True)]
            for parts in zip_longest(*wrapped, fillvalue=Content()):
                padded = [part.pad_right(max(0, w - part.cell_length)) for part, w in zip(parts, widths, strict=True)]
                lead = rest if rows else first
                rows.append(self._pen.row(lead + bar.join(padded), indent=lead.cell_length))
            if number == 0:
                dash = signs().dash
                line = f"{dash}{signs().cross}{dash}".join(dash * w for w in widths)
                rows.append(self._pen.row(rest + Content.styled(line, "$rule"), indent=rest.cell_length))
        return rows


def _shrink(widths: list[int], room: int) -> None:
    """Make the widest columns narrower until all fit."""
    excess = sum(widths) - room
    while excess > 0 and max(widths) > 4:
        widest = max(range(len(widths)), key=widths.__getitem__)
        step = min(excess, max(1, widths[widest] // 8))
        widths[widest] -= step
        excess -= step


def _inline(node: SyntaxTreeNode, style: str = "") -> Iterator[tuple[str, str]]:
    """Yield (text, style) of a node's inline content."""
    for child in node.children:
        kind = child.type
        if kind == "inline":
            yield from _inline(child, style)
        elif kind == "text":
            yield child.content.expandtabs(4), style
        elif kind == "softbreak":
            yield " ", style
        elif kind == "hardbreak":
            yield "\n", style
        elif kind == "code_inline":
            yield child.content.expandtabs(4), f"{style} {_CODE_STYLE}"
        elif kind == "link":
            yield from _link(child, style)
        elif kind == "image":
            yield f"[image: {child.content or child.attrs.get('alt', '')}]", style
            yield from _address(str(child.attrs.get("src", "")), "")
        elif child.children:
            yield from _inline(child, f"{style} {_STYLES.get(child.tag, '')}".strip())
        else:
            yield (child.content or "").expandtabs(4), style


def _link(node: SyntaxTreeNode, style: str) -> Iterator[tuple[str, str]]:
    parts = list(_inline(node, f"{style} {_LINK_STYLE}".strip()))
    yield from parts
    yield from _address(str(node.attrs.get("href", "")), "".join(text for text, _ in parts))


def _address(href: str, shown: str) -> Iterator[tuple[str, str]]:
    """Yield where a link leads, unless that is what it says: nobody should have to trust its text."""
    if href and href != shown and href.removeprefix("mailto:") != shown:
        yield f" ({href})", "$text-muted"
