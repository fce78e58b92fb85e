"""The steps that made the database what it is: append-only, each one transaction together with its number."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

Migration = Callable[[sqlite3.Connection], None]


def m001_first(db: sqlite3.Connection) -> None:
    """Sessions, messages with their index, traces, operations, settings, parameters."""
    for statement in _FIRST:
        db.execute(statement)


_FIRST = (
    """CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL DEFAULT '',
        system TEXT NOT NULL DEFAULT '',
        draft TEXT NOT NULL DEFAULT '',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX sessions_by_update ON sessions (updated_at DESC)",
    """CREATE TABLE messages (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        role TEXT NOT NULL,
        content TEXT NOT NULL,
        thinking TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL,
        created_at TEXT NOT NULL,
        request_id TEXT NOT NULL DEFAULT '',
        model TEXT NOT NULL DEFAULT '',
        runtime TEXT NOT NULL DEFAULT '',
        demonstration INTEGER NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT '',
        finish_reason TEXT NOT NULL DEFAULT '',
        measures TEXT NOT NULL DEFAULT '{}',
        owner TEXT NOT NULL DEFAULT '',
        replaces TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE UNIQUE INDEX messages_in_order ON messages (session_id, seq)",
    "CREATE INDEX messages_streaming ON messages (session_id) WHERE state = 'streaming'",
    # unicode61 and not trigram: a trigram index is five times the text and cannot find words of one or two letters.
    # Searching inside words is given up for that; the last word of a search is a prefix.
    """CREATE VIRTUAL TABLE messages_text USING fts5 (
        content, content='messages', content_rowid='number', tokenize="unicode61 remove_diacritics 2", prefix='2 3'
    )""",
    # An answer enters the index when it is final: a streaming one would be indexed anew at each partial write.
    """CREATE TRIGGER messages_indexed AFTER INSERT ON messages WHEN new.state <> 'streaming' BEGIN
        INSERT INTO messages_text (rowid, content) VALUES (new.number, new.content);
    END""",
    # What leaves the index must be what entered it, or the index is spoilt: every change of text or state is followed.
    """CREATE TRIGGER messages_changed AFTER UPDATE OF content, state ON messages
        WHEN old.state <> 'streaming' OR new.state <> 'streaming' BEGIN
        INSERT INTO messages_text (messages_text, rowid, content)
            SELECT 'delete', old.number, old.content WHERE old.state <> 'streaming';
        INSERT INTO messages_text (rowid, content)
            SELECT new.number, new.content WHERE new.state <> 'streaming';
    END""",
    """CREATE TRIGGER messages_gone AFTER DELETE ON messages WHEN old.state <> 'streaming' BEGIN
        INSERT INTO messages_text (messages_text, rowid, content) VALUES ('delete', old.number, old.content);
    END""",
    """CREATE TABLE traces (
        request_id TEXT PRIMARY KEY,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        message_id TEXT NOT NULL,
        started_at TEXT NOT NULL,
        trace TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX traces_of_session ON traces (session_id, started_at)",
    "CREATE INDEX traces_by_age ON traces (started_at)",
    """CREATE TABLE operations (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at TEXT NOT NULL,
        finished_at TEXT,
        seen_at TEXT NOT NULL DEFAULT '',
        owner TEXT NOT NULL DEFAULT '',
        operation TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX operations_by_age ON operations (created_at DESC)",
    "CREATE INDEX operations_open ON operations (state) WHERE state IN ('queued', 'running', 'paused')",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE parameters (
        runtime TEXT NOT NULL, model TEXT NOT NULL, parameters TEXT NOT NULL, PRIMARY KEY (runtime, model)
    ) WITHOUT ROWID""",
)


def m002_content(db: sqlite3.Connection) -> None:
    """Files and calls of functions with messages, options of sessions, chosen answers, prompts that wait."""
    for statement in _CONTENT:
        db.execute(statement)


_CONTENT = (
    "ALTER TABLE sessions ADD COLUMN options TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE messages ADD COLUMN tool_calls TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE messages ADD COLUMN chosen INTEGER NOT NULL DEFAULT 0",
    # A table of their own: the rows of messages stay small, and a list of messages is read without what is attached.
    """CREATE TABLE attachments (
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (message_id, place)
    )""",
    """CREATE TABLE queued_prompts (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        text TEXT NOT NULL,
        attachments TEXT NOT NULL DEFAULT '[]',
        created_at TEXT NOT NULL
    )""",
    "CREATE INDEX queued_prompts_of_session ON queued_prompts (session_id, number)",
)


def m003_catalog(db: sqlite3.Connection) -> None:
    """What is known of models: when they were used, what they are made of, what others answered about them."""
    for statement in _CATALOG:
        db.execute(statement)


_CATALOG = (
    """CREATE TABLE model_uses (
        runtime TEXT NOT NULL, model TEXT NOT NULL, used_at TEXT NOT NULL, PRIMARY KEY (runtime, model)
    ) WITHOUT ROWID""",
    # Of sessions that are deleted later it stays known when a model was used, and nothing else.
    """CREATE TRIGGER messages_used AFTER UPDATE OF state ON messages
        WHEN new.state <> 'streaming' AND new.model <> '' BEGIN
        INSERT INTO model_uses (runtime, model, used_at) VALUES (new.runtime, new.model, new.created_at)
            ON CONFLICT (runtime, model) DO UPDATE SET used_at = max(used_at, excluded.used_at);
    END""",
    """INSERT INTO model_uses (runtime, model, used_at)
        SELECT runtime, model, max(created_at) FROM messages WHERE model <> '' AND role = 'assistant'
        GROUP BY runtime, model""",
    """CREATE TABLE manifests (
        runtime TEXT NOT NULL,
        model TEXT NOT NULL,
        digest TEXT NOT NULL,
        asked_at TEXT NOT NULL,
        manifest TEXT NOT NULL,
        PRIMARY KEY (runtime, model)
    )""",
    """CREATE TABLE file_digests (
        path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL, digest TEXT NOT NULL
    ) WITHOUT ROWID""",
    "CREATE TABLE answers (question TEXT PRIMARY KEY, asked_at TEXT NOT NULL, answer TEXT NOT NULL)",
)


def m004_shared_operations(db: sqlite3.Connection) -> None:
    """Operations that several processes share: who waits where, what is asked of the one that runs it, its log."""
    for statement in _SHARED_OPERATIONS:
        db.execute(statement)


_SHARED_OPERATIONS = (
    *(
        f"ALTER TABLE operations ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"
        for column in ("queue", "claim", "arguments", "request", "log")
    ),
    "ALTER TABLE operations ADD COLUMN place REAL NOT NULL DEFAULT 0",
    # Two processes never do the same thing at once: an open operation holds its claim.
    """CREATE UNIQUE INDEX operations_claimed ON operations (claim)
        WHERE claim <> '' AND state IN ('queued', 'running', 'paused')""",
)


def m005_estimates(db: sqlite3.Connection) -> None:
    """What loads of models were estimated to take, beside what they took."""
    db.execute(_ESTIMATES)


_ESTIMATES = """CREATE TABLE estimates (
    number INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    architecture TEXT NOT NULL,
    runtime TEXT NOT NULL,
    model TEXT NOT NULL,
    context_length INTEGER NOT NULL,
    kv_type TEXT NOT NULL,
    parallel INTEGER NOT NULL,
    place TEXT NOT NULL,
    plain_bytes INTEGER NOT NULL,
    likely_bytes INTEGER NOT NULL,
    actual_bytes INTEGER NOT NULL,
    source TEXT NOT NULL
)"""


def m006_held(db: sqlite3.Connection) -> None:
    """Which models venom-tui loaded into servers that others use too, and which pins are its own."""
    db.execute(_HELD)


_HELD = """CREATE TABLE held (
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    at TEXT NOT NULL,
    loaded INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    context_length INTEGER,
    expires_at TEXT,
    PRIMARY KEY (endpoint, model)
) WITHOUT ROWID"""


def m007_versions(db: sqlite3.Connection) -> None:
    """Versions of models, and when each was active."""
    for statement in _VERSIONS:
        db.execute(statement)


_VERSIONS = (
    """CREATE TABLE model_versions (
        name TEXT PRIMARY KEY,
        model TEXT NOT NULL,
        runtime TEXT NOT NULL,
        created_at TEXT NOT NULL,
        parameters TEXT NOT NULL,
        template TEXT NOT NULL,
        adapter TEXT NOT NULL,
        note TEXT NOT NULL,
        made TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE model_activations (
        number INTEGER PRIMARY KEY,
        runtime TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        at TEXT NOT NULL,
        parameters TEXT NOT NULL,
        undone INTEGER NOT NULL DEFAULT 0
    )""",
)

MIGRATIONS: tuple[Migration, ...] = (
    m001_first,
    m002_content,
    m003_catalog,
    m004_shared_operations,
    m005_estimates,
    m006_held,
    m007_versions,
)
"""Never change or remove one that was released; append."""


def version_of(db: sqlite3.Connection) -> int:
    """Return how many steps the database has seen."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(db: sqlite3.Connection, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Run the steps that are missing, each in a transaction of its own with its number (autocommit connection).

    Another process may migrate at the same moment: the version is read again inside the transaction.
    """
    for number, step in enumerate(steps, 1):
        if version_of(db) >= number:
            continue
        db.execute("BEGIN IMMEDIATE")
        try:
            if version_of(db) < number:
                step(db)
                db.execute(f"PRAGMA user_version = {number}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk ends it by itself
                db.execute("ROLLBACK")
            raise


def rebuild_index(db: sqlite3.Connection) -> None:
    """Make the search index again from the messages (autocommit connection); a file without one is passed over.

    A spoilt index can neither be opened nor dropped as what it is: its tables are dropped one by one, and its name is
    taken out of the schema.
    """
    found = db.execute("SELECT sql FROM sqlite_master WHERE name = 'messages_text'").fetchone()
    if found is None:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_master WHERE name = 'messages_text'")
        db.execute("PRAGMA writable_schema = RESET")
        for part in ("data", "idx", "docsize", "config", "content"):
            db.execute(f"DROP TABLE IF EXISTS messages_text_{part}")
        db.execute(found[0])
        # Answers that are still being written enter when they end, as the triggers have it.
        db.execute(
            "INSERT INTO messages_text (rowid, content) SELECT number, content FROM messages WHERE state <> 'streaming'"
        )
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
