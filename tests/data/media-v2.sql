-- A media.db of version 2 as it was left by a power cut: a snapshot, and a recording that was under way. Made from the
-- statements of its version; never changed.
PRAGMA application_id = 0x746d6564;
PRAGMA user_version = 2;
BEGIN;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, offset_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, date TEXT NOT NULL,
  at_us INTEGER NOT NULL, added_us INTEGER NOT NULL, state INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1, duration_us INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0,
  gaps INTEGER NOT NULL DEFAULT 0, width INTEGER NOT NULL DEFAULT 0, height INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0, camera TEXT NOT NULL, source TEXT NOT NULL, origin TEXT NOT NULL, note TEXT NOT NULL,
  ended TEXT, boot INTEGER REFERENCES boots(id), mono_us INTEGER, added_mono_us INTEGER NOT NULL,
  dated INTEGER NOT NULL);
CREATE UNIQUE INDEX items_by_name ON items(name) WHERE state < 2;
CREATE INDEX items_by_time ON items(at_us, id) WHERE state < 2;
CREATE INDEX items_unsettled ON items(state, id) WHERE state > 0;
CREATE INDEX items_unsure ON items(boot) WHERE boot IS NOT NULL;
CREATE TABLE chunks (id INTEGER PRIMARY KEY, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, frames INTEGER NOT NULL,
  bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, gap INTEGER NOT NULL,
  frames_before INTEGER NOT NULL, bytes_before INTEGER NOT NULL, gaps_before INTEGER NOT NULL, step_us INTEGER NOT NULL,
  frames_index BLOB NOT NULL, jpegs BLOB NOT NULL, filling BLOB);
CREATE VIEW media AS SELECT id, date, name AS filename, kind, at_us, duration_us, frames, bytes, note, kept
  FROM items WHERE state < 2;
CREATE VIEW pictures AS SELECT items.id, items.name AS filename, chunks.jpegs AS jpeg
  FROM items JOIN chunks ON chunks.id = items.id << 32 WHERE items.state = 0 AND items.kind = 'snapshot';
INSERT INTO boots VALUES (1, 'a boot', 1780000000000000, 0);
INSERT INTO settings VALUES ('retention', '{"min_free":1000000}');
INSERT INTO items VALUES (1, 'gate.jpg', 'snapshot', '2026-06-01', 1780308000000000, 1780308000000000, 0, 1, 2, 0, 1, 0,
  640, 480, 4, 'door', 'simulated scene', 'asked', 'a note', NULL, NULL, 308000000000, 308000000000, 0);
INSERT INTO items VALUES (2, 'ride.mp4', 'recording', '2026-06-01', 1780308060000000, 1780308061000000, 1, 0, 1, 0, 0, 0,
  0, 0, 0, 'door', 'simulated scene', 'crossing', '', NULL, 1, 308060000000, 308061000000, 0);
INSERT INTO chunks VALUES (1 << 32, 0, 0, 1, 4, 640, 480, 0, 0, 0, 0, 0, X'01000400', X'FFD8FFD9', NULL);
INSERT INTO chunks VALUES (2 << 32, 0, 100000, 2, 8, 640, 480, 0, 0, 0, 0, 100000, X'01000414A08D060402',
  X'FFD8FFD9FFD8FFD9', zeroblob(20));
INSERT INTO chunks VALUES ((2 << 32) + 1, 200000, 200000, 1, 4, 640, 480, 0, 2, 8, 0, 100000, X'01000418', X'FFD8FFD9', X'');
COMMIT;
