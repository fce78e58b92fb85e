BEGIN;
CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL DEFAULT '',
        system TEXT NOT NULL DEFAULT '',
        draft TEXT NOT NULL DEFAULT '',
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL
    , options TEXT NOT NULL DEFAULT '{}') WITHOUT ROWID;
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
    , tool_calls TEXT NOT NULL DEFAULT '[]', chosen INTEGER NOT NULL DEFAULT 0);
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
    , queue TEXT NOT NULL DEFAULT '', claim TEXT NOT NULL DEFAULT '', arguments TEXT NOT NULL DEFAULT '', request TEXT NOT NULL DEFAULT '', log TEXT NOT NULL DEFAULT '', place REAL NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX operations_by_age ON operations (created_at DESC);
CREATE INDEX operations_open ON operations (state) WHERE state IN ('queued', 'running', 'paused');
CREATE UNIQUE INDEX operations_claimed ON operations (claim)
        WHERE claim <> '' AND state IN ('queued', 'running', 'paused');
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE parameters (
        runtime TEXT NOT NULL, model TEXT NOT NULL, parameters TEXT NOT NULL, PRIMARY KEY (runtime, model)
    ) WITHOUT ROWID;
CREATE TABLE attachments (
        message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
        place INTEGER NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (message_id, place)
    );
CREATE TABLE queued_prompts (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
        text TEXT NOT NULL,
        attachments TEXT NOT NULL DEFAULT '[]',
        created_at TEXT NOT NULL
    );
CREATE INDEX queued_prompts_of_session ON queued_prompts (session_id, number);
INSERT INTO sessions (id, title, system, draft, created_at, updated_at, options) VALUES ('f092c31ce374488c', 'What is a cassowary?', '', '', '2026-03-01T12:00:00.001000+00:00', '2026-03-01T12:00:00.003000+00:00', '{"context_length":8192,"think":"low","schema":"{}"}');
INSERT INTO messages (number, id, session_id, seq, role, content, thinking, state, created_at, request_id, model, runtime, demonstration, error, finish_reason, measures, owner, replaces, tool_calls, chosen) VALUES (1, '0d054bd59a974180a32c0a45978d5f1d', 'f092c31ce374488c', 1, 'user', 'What is a cassowary?', '', 'complete', '2026-03-01T12:00:00.002000+00:00', '', '', '', 0, '', '', '{"usage":{"prompt_tokens":null,"completion_tokens":null,"tokens_per_second":null,"estimated":false},"timings":{"submit_to_first_token_ms":null,"model_to_first_token_ms":null,"total_ms":null,"load_ms":null}}', '', '', '[]', 0);
INSERT INTO messages (number, id, session_id, seq, role, content, thinking, state, created_at, request_id, model, runtime, demonstration, error, finish_reason, measures, owner, replaces, tool_calls, chosen) VALUES (2, '5de283fbeb5b4c5b84c1426f3d94937e', 'f092c31ce374488c', 2, 'assistant', 'A large bird.', '', 'complete', '2026-03-01T12:00:00.002000+00:00', 'r0', '', '', 0, '', '', '{"usage":{"prompt_tokens":null,"completion_tokens":null,"tokens_per_second":null,"estimated":false},"timings":{"submit_to_first_token_ms":null,"model_to_first_token_ms":null,"total_ms":null,"load_ms":null}}', '', '', '[{"name":"look_up","arguments":"{\"what\": \"bird\"}","id":"call_0"}]', 1);
INSERT INTO messages (number, id, session_id, seq, role, content, thinking, state, created_at, request_id, model, runtime, demonstration, error, finish_reason, measures, owner, replaces, tool_calls, chosen) VALUES (3, 'c117d7e3b2124cb787cb43c2fe20ad88', 'f092c31ce374488c', 3, 'assistant', 'A bird that cannot fly.', '', 'complete', '2026-03-01T12:00:00.003000+00:00', 'r1', '', '', 0, '', '', '{"usage":{"prompt_tokens":null,"completion_tokens":null,"tokens_per_second":null,"estimated":false},"timings":{"submit_to_first_token_ms":null,"model_to_first_token_ms":null,"total_ms":null,"load_ms":null}}', '', '', '[]', 0);
INSERT INTO traces (request_id, session_id, message_id, started_at, trace) VALUES ('r0', 'f092c31ce374488c', '5de283fbeb5b4c5b84c1426f3d94937e', '2026-03-01T12:00:00.002000+00:00', '{"request_id":"r0","session_id":"f092c31ce374488c","message_id":"5de283fbeb5b4c5b84c1426f3d94937e","route":{"kind":"chat","intent":"chat","mode":"direct","source":"mode","target":"local","runtime":"embedded","model":"tiny","reason":"the only one","sensitive":false,"demonstration":false},"started_at":"2026-03-01T12:00:00.002000+00:00","timings":{"submit_to_first_token_ms":12.5,"model_to_first_token_ms":10.0,"total_ms":99.0,"load_ms":null},"usage":{"prompt_tokens":3,"completion_tokens":4,"tokens_per_second":5.5,"estimated":false},"finish_reason":"stop","error":""}');
INSERT INTO attachments (message_id, place, name, kind, media_type, size_bytes, data) VALUES ('0d054bd59a974180a32c0a45978d5f1d', 0, 'notes.txt', 'text', 'text/plain', 6, 'bird''s
');
INSERT INTO attachments (message_id, place, name, kind, media_type, size_bytes, data) VALUES ('0d054bd59a974180a32c0a45978d5f1d', 1, 'bird.png', 'image', 'image/png', 8, 'iVBORw0KGgo=');
INSERT INTO queued_prompts (number, id, session_id, text, attachments, created_at) VALUES (1, 'f5e25a9045af4607be8086f8a7a49dbd', 'f092c31ce374488c', 'And an emu?', '[{"name":"notes.txt","kind":"text","media_type":"text/plain","size_bytes":6,"data":"bird''s\n"}]', '2026-03-01T12:00:00.004000+00:00');
CREATE TABLE model_uses (
        runtime TEXT NOT NULL, model TEXT NOT NULL, used_at TEXT NOT NULL, PRIMARY KEY (runtime, model)
    ) WITHOUT ROWID;
CREATE TRIGGER messages_used AFTER UPDATE OF state ON messages
        WHEN new.state <> 'streaming' AND new.model <> '' BEGIN
        INSERT INTO model_uses (runtime, model, used_at) VALUES (new.runtime, new.model, new.created_at)
            ON CONFLICT (runtime, model) DO UPDATE SET used_at = max(used_at, excluded.used_at);
    END;
CREATE TABLE manifests (
        runtime TEXT NOT NULL,
        model TEXT NOT NULL,
        digest TEXT NOT NULL,
        asked_at TEXT NOT NULL,
        manifest TEXT NOT NULL,
        PRIMARY KEY (runtime, model)
    );
CREATE TABLE file_digests (
        path TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL, digest TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE answers (question TEXT PRIMARY KEY, asked_at TEXT NOT NULL, answer TEXT NOT NULL);
UPDATE messages SET model = 'tiny', runtime = 'embedded' WHERE number = 3;
INSERT INTO model_uses (runtime, model, used_at) VALUES ('embedded', 'tiny', '2026-03-01T12:00:00.003000+00:00');
INSERT INTO manifests (runtime, model, digest, asked_at, manifest) VALUES ('ollama', 'tiny:latest', 'sha256:ab', '2026-03-01T12:00:00.005000+00:00', '{"licence":"MIT"}');
INSERT INTO file_digests (path, size_bytes, modified_ns, digest) VALUES ('/models/tiny.gguf', 3, 7, 'sha256:cd');
INSERT INTO answers (question, asked_at, answer) VALUES ('search huggingface tiny', '2026-03-01T12:00:00.006000+00:00', '[]');
INSERT INTO operations (id, kind, target, state, created_at, finished_at, seen_at, owner, operation, queue, claim, arguments, request, log, place) VALUES ('1f0c2d3e4a5b6c7d', 'pull', 'qwen3:14b', 'interrupted', '2026-03-01T12:00:00.000000+00:00', '2026-03-01T12:05:00.000000+00:00', '2026-03-01T12:05:00.000000+00:00', '', '{"id":"1f0c2d3e4a5b6c7d","kind":"pull","target":"qwen3:14b","state":"interrupted","runtime":"ollama","provider":"ollama","bytes_done":1000,"bytes_total":9300,"rate_bytes_per_s":null,"message":"layer 1 of 5","error":"","cause":"user","created_at":"2026-03-01T12:00:00.000000+00:00","started_at":"2026-03-01T12:00:00.000000+00:00","finished_at":"2026-03-01T12:05:00.000000+00:00","vram_before_bytes":null,"vram_after_bytes":null}', 'ollama downloads', 'pull ollama qwen3:14b', '{"model":"qwen3:14b"}', '', '["12:00:00 begun"]', 1772366400.0);
CREATE TABLE estimates (
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
);
INSERT INTO estimates (number, at, architecture, runtime, model, context_length, kv_type, parallel, place, plain_bytes, likely_bytes, actual_bytes, source) VALUES (1, '2026-03-01T12:00:00.007000+00:00', 'qwen3', 'ollama', 'qwen3:14b', 16384, 'f16', 1, 'gpu', 12500000000, 12450000000, 12400000000, 'measured');
CREATE TABLE held (
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    at TEXT NOT NULL,
    loaded INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    context_length INTEGER,
    expires_at TEXT,
    PRIMARY KEY (endpoint, model)
) WITHOUT ROWID;
INSERT INTO held (endpoint, model, at, loaded, pinned, context_length, expires_at) VALUES ('http://127.0.0.1:11434', 'qwen3:14b', '2026-03-01T12:00:00.008000+00:00', 1, 0, 16384, '2026-03-01T12:05:00.000000+00:00');
CREATE TABLE model_versions (
        name TEXT PRIMARY KEY,
        model TEXT NOT NULL,
        runtime TEXT NOT NULL,
        created_at TEXT NOT NULL,
        parameters TEXT NOT NULL,
        template TEXT NOT NULL,
        adapter TEXT NOT NULL,
        note TEXT NOT NULL,
        made TEXT NOT NULL
    ) WITHOUT ROWID;
CREATE TABLE model_activations (
        number INTEGER PRIMARY KEY,
        runtime TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        at TEXT NOT NULL,
        parameters TEXT NOT NULL,
        undone INTEGER NOT NULL DEFAULT 0
    );
INSERT INTO model_versions VALUES ('precise', 'qwen3:14b', 'ollama', '2026-03-01T12:00:00.009000+00:00', '{"temperature": 0.1}', '', '', 'for code', '');
INSERT INTO model_activations VALUES (1, 'ollama', 'qwen3:14b', 'precise', '2026-03-01T12:00:00.010000+00:00', '{}', 0);
PRAGMA user_version = 7;
COMMIT;
