"""Full-text search over all messages: newest hits first, never more work than the hits that are shown."""

from __future__ import annotations

import re
import unicodedata

from venom_tui.core.sanitize import sanitize
from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time
from venom_tui.core.types.session import Role, SearchHit

# Sanitized text holds no control characters, so these two can mark the hits inside a snippet.
_BEGIN, _END = "\x02", "\x03"
_SNIPPET_TOKENS = 24
_AROUND = 60
"""Characters before and after a hit where no index finds it."""

# Ordered by rowid: the index delivers rows in that order, so a common word costs no more than a rare one.
_BY_INDEX = f"""
    SELECT m.id, m.session_id, m.seq, m.role, m.created_at, s.title,
           snippet(messages_text, 0, '{_BEGIN}', '{_END}', '…', {_SNIPPET_TOKENS}) AS snippet
    FROM messages_text JOIN messages m ON m.number = messages_text.rowid JOIN sessions s ON s.id = m.session_id
    WHERE messages_text MATCH ? ORDER BY messages_text.rowid DESC LIMIT ?"""

_BY_SCAN = """
    SELECT m.id, m.session_id, m.seq, m.role, m.created_at, s.title, m.content AS snippet
    FROM messages m JOIN sessions s ON s.id = m.session_id
    WHERE m.content LIKE ? ESCAPE '\\' AND m.state <> 'streaming' ORDER BY m.number DESC LIMIT ?"""


def match_expression(text: str) -> str:
    """Return an FTS5 expression that asks for all words of `text`, the last one as a beginning; "" when it has none.

    Every word is quoted, so that nothing a user types is FTS5 syntax.
    """
    words = re.findall(r"\w+", text)
    if not words:
        return ""
    quoted = [f'"{word}"' for word in words]
    if text[-1:].isalnum() or text[-1:] == "_":
        quoted[-1] += "*"
    return " ".join(quoted)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words that a search looks for, for highlighting."""
    return tuple(re.findall(r"\w+", text))


async def search(database: Database, text: str, limit: int) -> list[SearchHit]:
    """Return the newest messages that hold all words of `text`.

    Scripts written without spaces (Chinese, Japanese, Thai …) are one long word to the index; when it finds nothing for
    such a text, the messages themselves are looked through.
    """
    text = sanitize(text).strip()[:400]
    expression = match_expression(text)
    if not expression:
        return []
    hits = [_indexed(row) for row in await database.read(_BY_INDEX, (expression, limit))]
    if not hits and _is_spaceless(text):
        pattern = "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
        hits = [_scanned(row, text) for row in await database.read(_BY_SCAN, (pattern, limit))]
    return hits


def _is_spaceless(text: str) -> bool:
    return any(unicodedata.category(character) == "Lo" for character in text)


def _hit(row: object, snippet: str, matches: tuple[tuple[int, int], ...]) -> SearchHit:
    fields = dict(row)  # type: ignore[call-overload]
    return SearchHit(
        session_id=fields["session_id"],
        session_title=fields["title"],
        message_id=fields["id"],
        seq=fields["seq"],
        role=Role(fields["role"]),
        created_at=parse_time(fields["created_at"]),
        snippet=snippet,
        matches=matches,
    )


def _indexed(row: object) -> SearchHit:
    marked: str = row["snippet"]  # type: ignore[index]
    parts = re.split(f"[{_BEGIN}{_END}]", marked)
    text, matches = "", []
    for number, part in enumerate(parts):
        if number % 2:
            matches.append((len(text), len(text) + len(part)))
        text += part
    return _hit(row, text, tuple(matches))


def _scanned(row: object, text: str) -> SearchHit:
    content: str = row["snippet"]  # type: ignore[index]
    at = max(0, content.find(text))
    begin = max(0, at - _AROUND)
    piece = content[begin : at + len(text) + _AROUND]
    lead = "…" if begin else ""
    start = len(lead) + at - begin
    return _hit(row, lead + piece, ((start, start + len(text)),))
