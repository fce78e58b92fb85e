BEGIN;
CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL DEFAULT '',
        system TEXT NOT NULL DEFAULT '',
        draft TEXT NOT NULL DEFAULT '',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX sessions_by_update ON sessions (updated_at DESC);
CREATE TABLE messages (
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
    );
CREATE UNIQUE INDEX messages_in_order ON messages (session_id, seq);
CREATE INDEX messages_streaming ON messages (session_id) WHERE state = 'streaming';
CREATE VIRTUAL TABLE messages_text USING fts5 (
        content, content='messages', content_rowid='number', tokenize="unicode61 remove_diacritics 2", prefix='2 3'
    );
CREATE TRIGGER messages_indexed AFTER INSERT ON messages WHEN new.state <> 'streaming' BEGIN
        INSERT INTO messages_text (rowid, content) VALUES (new.number, new.content);
    END;
CREATE TRIGGER messages_changed AFTER UPDATE OF content, state ON messages
        WHEN old.state <> 'streaming' OR new.state <> 'streaming' BEGIN
        INSERT INTO messages_text (messages_text, rowid, content)
            SELECT 'delete', old.number, old.content WHERE old.state <> 'streaming';
        INSERT INTO messages_text (rowid, content)
            SELECT new.number, new.content WHERE new.state <> 'streaming';
    END;
CREATE TRIGGER messages_gone AFTER DELETE ON messages WHEN old.state <> 'streaming' BEGIN
        INSERT INTO messages_text (messages_text, rowid, content) VALUES ('delete', old.number, old.content);
    END;
CREATE TABLE traces (
        request_id TEXT PRIMARY KEY,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        message_id TEXT NOT NULL,
        started_at TEXT NOT NULL,
        trace TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX traces_of_session ON traces (session_id, started_at);
CREATE INDEX traces_by_age ON traces (started_at);
CREATE TABLE operations (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        target TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at TEXT NOT NULL,
        finished_at TEXT,
        seen_at TEXT NOT NULL DEFAULT '',
        owner TEXT NOT NULL DEFAULT '',
        operation TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE INDEX operations_by_age ON operations (created_at DESC);
CREATE INDEX operations_open ON operations (state) WHERE state IN ('queued', 'running', 'paused');
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE parameters (
        runtime TEXT NOT NULL, model TEXT NOT NULL, parameters TEXT NOT NULL, PRIMARY KEY (runtime, model)
    ) WITHOUT ROWID;
INSERT INTO sessions (id, title, system, draft, created_at, updated_at) VALUES ('1b26bc929db9420b', 'What is a cassowary?', '', '', '2026-03-01T12:00:00.001000+00:00', '2026-03-01T12:00:00.002000+00:00');
INSERT INTO messages (number, id, session_id, seq, role, content, thinking, state, created_at, request_id, model, runtime, demonstration, error, finish_reason, measures, owner, replaces) VALUES (1, 'bedcb6e8701d402ab1cdd56e92452a5c', '1b26bc929db9420b', 1, 'user', 'What is a cassowary?', '', 'complete', '2026-03-01T12:00:00.002000+00:00', '', '', '', 0, '', '', '{"usage":{"prompt_tokens":null,"completion_tokens":null,"tokens_per_second":null},"timings":{"submit_to_first_token_ms":null,"model_to_first_token_ms":null,"total_ms":null,"load_ms":null}}', '', '');
INSERT INTO messages (number, id, session_id, seq, role, content, thinking, state, created_at, request_id, model, runtime, demonstration, error, finish_reason, measures, owner, replaces) VALUES (2, 'f440545e128c441baec61e51c69fd025', '1b26bc929db9420b', 2, 'assistant', 'A large bird.', '', 'complete', '2026-03-01T12:00:00.002000+00:00', 'r0', '', '', 0, '', '', '{"usage":{"prompt_tokens":null,"completion_tokens":null,"tokens_per_second":null},"timings":{"submit_to_first_token_ms":null,"model_to_first_token_ms":null,"total_ms":null,"load_ms":null}}', '', '');
INSERT INTO traces (request_id, session_id, message_id, started_at, trace) VALUES ('r0', '1b26bc929db9420b', 'f440545e128c441baec61e51c69fd025', '2026-03-01T12:00:00.002000+00:00', '{"request_id":"r0","session_id":"1b26bc929db9420b","message_id":"f440545e128c441baec61e51c69fd025","route":{"kind":"chat","intent":"chat","mode":"direct","source":"mode","target":"local","runtime":"embedded","model":"tiny","reason":"the only one","sensitive":false,"demonstration":false},"started_at":"2026-03-01T12:00:00.002000+00:00","timings":{"submit_to_first_token_ms":12.5,"model_to_first_token_ms":10.0,"total_ms":99.0,"load_ms":null},"usage":{"prompt_tokens":3,"completion_tokens":4,"tokens_per_second":5.5},"finish_reason":"stop","error":""}');
PRAGMA user_version = 1;
COMMIT;
