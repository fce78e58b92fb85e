"""Full-text search over all messages and titles: newest hits first, never more work than the hits that are shown."""

from __future__ import annotations

import re
import unicodedata

import aiosqlite

from venom_tui.core.sanitize import sanitize
from venom_tui.core.store.database import Database
from venom_tui.core.store.rows import parse_time
from venom_tui.core.types.session import Role, SearchHit

# Sanitized text holds no control characters, so these two can mark the hits inside a snippet.
_BEGIN, _END = "\x02", "\x03"
_SNIPPET_TOKENS = 24
_AROUND = 60
"""Characters before and after a hit where no index finds it."""
_LONGEST = 400
"""Characters of a search that are looked at."""
_MOST_WORDS = 24

# Ordered by rowid: the index delivers rows in that order, so a common word costs no more than a rare one. A rank by
# relevance (bm25) would have to read every message that holds the word.
_BY_INDEX = f"""
    SELECT m.id, m.session_id, m.seq, m.role, m.created_at, s.title,
           snippet(messages_text, 0, '{_BEGIN}', '{_END}', '…', {_SNIPPET_TOKENS}) AS snippet
    FROM messages_text JOIN messages m ON m.number = messages_text.rowid JOIN sessions s ON s.id = m.session_id
    WHERE messages_text MATCH ? ORDER BY messages_text.rowid DESC LIMIT ?"""

_BY_SCAN = """
    SELECT m.id, m.session_id, m.seq, m.role, m.created_at, s.title, m.content AS snippet
    FROM messages m JOIN sessions s ON s.id = m.session_id
    WHERE {conditions} AND m.state <> 'streaming' ORDER BY m.number DESC LIMIT ?"""

# A title has no place of its own in a session: its hit leads to the first message.
_BY_TITLE = """
    SELECT m.id, m.session_id, m.seq, m.role, m.created_at, s.title, s.title AS snippet
    FROM sessions s JOIN messages m ON m.session_id = s.id
        AND m.seq = (SELECT min(seq) FROM messages WHERE session_id = s.id)
    WHERE {conditions} ORDER BY s.updated_at DESC LIMIT ?"""

_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Korean, Japanese, Chinese: in these a word is not what stands between two spaces."""


def words_of(text: str) -> tuple[str, ...]:
    """Return the words that a search looks for: what stands between blanks and holds a letter or digit."""
    parts = sanitize(text)[:_LONGEST].replace('"', " ").split()
    return tuple(part for part in parts if any(map(str.isalnum, part)))[:_MOST_WORDS]


def match_expression(text: str) -> str:
    """Return an FTS5 expression that asks for all words of `text`, the last one as a beginning; "" when it has none.

    Every word is quoted, so that nothing a user types is FTS5 syntax; what the index takes for two words (`a-b`)
    becomes a phrase there.
    """
    quoted = [f'"{word}"' for word in words_of(text)]
    if quoted and unicodedata.category(text[-1])[0] in "LMN":
        quoted[-1] += "*"
    return " ".join(quoted)


async def search(database: Database, text: str, limit: int) -> list[SearchHit]:
    """Return the newest messages that hold all words of `text`, then the first ones of sessions whose title does.

    To the index a text in a script without spaces is one long word, so messages are looked through for such words.
    """
    text = sanitize(text)[:_LONGEST]
    words = tuple(map(_bare, words_of(text)))
    if not words or limit <= 0:
        return []
    if _SPACELESS.search(text):
        sql = _BY_SCAN.format(conditions=_conditions("m.content", words))
        hits = [_scanned(row, words) for row in await database.read(sql, (*_patterns(words), limit))]
    else:
        hits = [_indexed(row) for row in await database.read(_BY_INDEX, (match_expression(text), limit))]
    if len(hits) < limit:
        sql = _BY_TITLE.format(conditions=_conditions("s.title", words))
        shown = {hit.session_id for hit in hits}
        titled = await database.read(sql, (*_patterns(words), limit))
        hits += [_scanned(row, words) for row in titled if row["session_id"] not in shown][: limit - len(hits)]
    return hits


def _bare(word: str) -> str:
    """Return a word without the punctuation around it."""
    kept = [place for place, character in enumerate(word) if unicodedata.category(character)[0] in "LMN"]
    return word[kept[0] : kept[-1] + 1]


def _conditions(column: str, words: tuple[str, ...]) -> str:
    return " AND ".join([f"{column} LIKE ? ESCAPE '\\'"] * len(words))


def _patterns(words: tuple[str, ...]) -> list[str]:
    return ["%" + re.sub(r"([\\%_])", r"\\\1", word) + "%" for word in words]


def _hit(row: aiosqlite.Row, snippet: str, matches: tuple[tuple[int, int], ...]) -> SearchHit:
    return SearchHit(
        session_id=row["session_id"],
        session_title=row["title"],
        message_id=row["id"],
        seq=row["seq"],
        role=Role(row["role"]),
        created_at=parse_time(row["created_at"]),
        snippet=snippet,
        matches=matches,
    )


def _indexed(row: aiosqlite.Row) -> SearchHit:
    text, matches = "", []
    for number, part in enumerate(re.split(f"[{_BEGIN}{_END}]", row["snippet"])):
        if number % 2:
            matches.append((len(text), len(text) + len(part)))
        text += part
    return _hit(row, text, tuple(matches))


def _scanned(row: aiosqlite.Row, words: tuple[str, ...]) -> SearchHit:
    """Cut a piece around the first word out of a text, and find all words in it (LIKE ignores the case of ASCII)."""
    content: str = row["snippet"]
    pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    found = pattern.search(content)
    begin = max(0, (found.start() if found else 0) - _AROUND)
    end = (found.end() if found else 0) + _AROUND
    snippet = ("…" if begin else "") + content[begin:end] + ("…" if end < len(content) else "")
    return _hit(row, snippet, tuple(match.span() for match in pattern.finditer(snippet)))
