-- A ledger of version 10 as it was written then, to be opened by every later version. Never changed.
PRAGMA application_id = 1952541817;
PRAGMA user_version = 10;
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, offset_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL REFERENCES boots(id),
  camera TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE lines (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, scene TEXT, name TEXT NOT NULL,
  ax REAL NOT NULL, ay REAL NOT NULL, bx REAL NOT NULL, by REAL NOT NULL,
  in_name TEXT NOT NULL, out_name TEXT NOT NULL, classes TEXT NOT NULL, anchor TEXT NOT NULL, recrossing TEXT NOT NULL,
  pinned TEXT, deleted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE line_changes (id INTEGER PRIMARY KEY, line INTEGER NOT NULL REFERENCES lines(id), what TEXT NOT NULL,
  ax REAL NOT NULL, ay REAL NOT NULL, bx REAL NOT NULL, by REAL NOT NULL, anchor TEXT NOT NULL,
  run INTEGER NOT NULL REFERENCES runs(id), mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE INDEX line_changes_of ON line_changes(line);
CREATE TABLE zones (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, scene TEXT, name TEXT NOT NULL,
  points TEXT NOT NULL, classes TEXT NOT NULL, anchor TEXT NOT NULL, pinned TEXT, deleted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE crossings (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs(id),
  scene TEXT NOT NULL, line INTEGER NOT NULL REFERENCES lines(id), track INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  class TEXT NOT NULL, direction TEXT NOT NULL, score REAL NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL,
  UNIQUE (run, line, track, ordinal));
CREATE TABLE thumbnails (crossing INTEGER PRIMARY KEY REFERENCES crossings(id), jpeg BLOB NOT NULL);
CREATE TABLE hourly (scene TEXT NOT NULL, start_us INTEGER NOT NULL, line INTEGER NOT NULL, class TEXT NOT NULL,
  direction TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (scene, start_us, line, class, direction)) WITHOUT ROWID;
CREATE TABLE daily (scene TEXT NOT NULL, start_us INTEGER NOT NULL, line INTEGER NOT NULL, class TEXT NOT NULL,
  direction TEXT NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (scene, start_us, line, class, direction)) WITHOUT ROWID;
CREATE TABLE spans (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT, state TEXT NOT NULL,
  from_mono_us INTEGER NOT NULL, to_mono_us INTEGER NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL,
  sure INTEGER NOT NULL);
CREATE INDEX spans_by_end ON spans(to_us);
CREATE TABLE resets (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL,
  line INTEGER REFERENCES lines(id), after INTEGER NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE TABLE recounts (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL UNIQUE REFERENCES runs(id),
  scene TEXT NOT NULL, recording TEXT NOT NULL, model TEXT NOT NULL, lines TEXT NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE TABLE recount_spans (recount INTEGER NOT NULL REFERENCES recounts(id), scene TEXT NOT NULL,
  from_us INTEGER NOT NULL, to_us INTEGER NOT NULL);
CREATE INDEX recount_spans_by_end ON recount_spans(to_us);
CREATE TABLE superseded (id INTEGER PRIMARY KEY, recount INTEGER NOT NULL REFERENCES recounts(id),
  run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL, line INTEGER NOT NULL REFERENCES lines(id),
  track INTEGER NOT NULL, ordinal INTEGER NOT NULL, class TEXT NOT NULL, direction TEXT NOT NULL, score REAL NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL, jpeg BLOB);
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs(id), kind TEXT NOT NULL,
  who TEXT NOT NULL, role TEXT NOT NULL, address TEXT NOT NULL, browser TEXT NOT NULL, method TEXT NOT NULL,
  route TEXT NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE INDEX audit_of_kind ON audit(kind, id);
CREATE INDEX audit_by_moment ON audit(mono_us);
CREATE INDEX audit_by_age ON audit(wall_us);
INSERT INTO settings VALUES ('calendar', 'Europe/Berlin 00:00 0000000000000000'), ('model', 'nano');
INSERT INTO boots VALUES (1, 'a boot of then', 1780307900000000, 1);
INSERT INTO runs VALUES (1, 1, 'door', 1);
INSERT INTO lines VALUES (1, 2, 'camera', 'Door', 0.1, 0.5, 0.9, 0.5, 'in', 'out', '["person"]', 'bottom', 'every', NULL, 0);
INSERT INTO line_changes VALUES (1, 1, 'made', 0.1, 0.4, 0.9, 0.4, 'bottom', 1, 100000000, 1780308000000000, 1),
  (2, 1, 'moved', 0.1, 0.5, 0.9, 0.5, 'bottom', 1, 101000000, 1780308001000000, 1);
INSERT INTO zones VALUES (1, 1, 'camera', 'Hall', '[[0.0,0.0],[1.0,0.0],[1.0,1.0]]', '[]', 'center', NULL, 0);
INSERT INTO crossings VALUES (1, 1, 'camera', 1, 4, 1, 'person', 'in', 0.75, 102000000, 1780308002000000, 1),
  (2, 1, 'camera', 1, 5, 1, 'person', 'out', 0.5, 103000000, 1780308003000000, 1);
INSERT INTO thumbnails VALUES (2, x'ffd8ffd9');
INSERT INTO hourly VALUES ('camera', 1780308000000000, 1, 'person', 'in', 1), ('camera', 1780308000000000, 1, 'person', 'out', 1);
INSERT INTO daily VALUES ('camera', 1780264800000000, 1, 'person', 'in', 1, 1, 1), ('camera', 1780264800000000, 1, 'person', 'out', 1, 2, 2);
INSERT INTO spans VALUES (1, 1, 'camera', 'counting', 100000000, 160000000, 1780308000000000, 1780308060000000, 1);
INSERT INTO resets VALUES (1, 1, 'camera', 1, 1, 102500000, 1780308002500000, 1);
INSERT INTO crossings VALUES (3, 1, 'camera', 1, 6, 1, 'person', 'in', 0.5, 104000000, 1780308004000000, 1);
INSERT INTO runs VALUES (2, 1, 'door', 1);
INSERT INTO recounts VALUES (1, 2, 'camera', 'recording 7, door.mp4', 'nano', '[[1,2]]', 150000000, 1780308050000000, 1);
INSERT INTO recount_spans VALUES (1, 'camera', 1780308004000000, 1780308006000000);
INSERT INTO superseded SELECT id, 1, run, scene, line, track, ordinal, class, direction, score, mono_us, wall_us, sure, x'ffd8ffd9'
  FROM crossings WHERE id = 3;
DELETE FROM crossings WHERE id = 3;
INSERT INTO audit VALUES (1, 1, 'signed_in', 'ann', 'admin', '10.0.0.7', 'Firefox', '', '', 'signed in', 1, 105000000, 1780308005000000, 1);
ALTER TABLE zones ADD COLUMN exclude INTEGER NOT NULL DEFAULT 0;
CREATE TABLE occupancy (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL,
  zone INTEGER NOT NULL, watched_us INTEGER NOT NULL, inside_us INTEGER NOT NULL, most INTEGER NOT NULL,
  most_after_us INTEGER NOT NULL, mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL,
  UNIQUE (run, zone, mono_us));
CREATE INDEX occupancy_by_moment ON occupancy(zone, wall_us);
INSERT OR IGNORE INTO settings SELECT 'first_start_done', '1' WHERE EXISTS (SELECT 1 FROM crossings);
INSERT INTO occupancy VALUES (1, 1, 'camera', 1, 300000000, 150000000, 2, 1000000, 101000000, 1780308001000000, 1);
ALTER TABLE resets ADD COLUMN inside INTEGER;
INSERT INTO resets VALUES (2, 1, 'camera', 1, 2, 103500000, 1780308003500000, 1, 5);
-- A number from the sequence of the ids: when the row's time was corrected, or when a recount took its place.
ALTER TABLE crossings ADD COLUMN revised INTEGER;
CREATE INDEX crossings_revised ON crossings(revised) WHERE revised IS NOT NULL;
ALTER TABLE superseded ADD COLUMN revised INTEGER;
CREATE INDEX superseded_revised ON superseded(revised) WHERE revised IS NOT NULL;
-- What a line's total was before a recount took some of its crossings back.
CREATE TABLE least_totals (scene TEXT NOT NULL, line INTEGER NOT NULL, direction TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (scene, line, direction)) WITHOUT ROWID;
UPDATE crossings SET revised = 3 WHERE id = 2;
-- Marks by people: 1, it did not happen; and 2, the sums leave it out.
ALTER TABLE crossings ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
CREATE INDEX crossings_excluded ON crossings(wall_us) WHERE mark = 2;
-- Checks: what somebody tapped, and what was counted then; the texts are JSON.
CREATE TABLE checks (id INTEGER PRIMARY KEY AUTOINCREMENT, line INTEGER NOT NULL REFERENCES lines(id),
  version INTEGER NOT NULL, drawn TEXT NOT NULL, scene TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL,
  made_us INTEGER NOT NULL, recording INTEGER, setup TEXT NOT NULL, left_out TEXT NOT NULL, taps TEXT NOT NULL,
  crossings TEXT NOT NULL, advice TEXT);
ALTER TABLE superseded ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
CREATE INDEX crossings_marked ON crossings(line, wall_us) WHERE mark > 0;
INSERT INTO checks VALUES (1, 1, 2,
  '{"name":"Door","a":[0.5,1.0],"b":[0.5,0.0],"in_name":"in","out_name":"out","classes":[],"anchor":"bottom","recrossing":"every"}',
  'camera', 1780308001500000, 1780308004000000, 1780308010000000, NULL,
  '{"model":"nano","objects":"people","camera":"door","light":118,"size":[640,360],"view":"","source":"v4l2"}', '[]',
  '[[1780308002300000,"in"]]', '[[1,1780308002000000,"in"]]', NULL);
-- Stays in zones that have ended. Their order is that of time, so that a row is a single change of a page.
CREATE TABLE stays (wall_us INTEGER NOT NULL, zone INTEGER NOT NULL, run INTEGER NOT NULL REFERENCES runs(id),
  track INTEGER NOT NULL, scene TEXT NOT NULL, class TEXT NOT NULL, length_ms INTEGER NOT NULL, cut INTEGER NOT NULL,
  mono_us INTEGER NOT NULL, sure INTEGER NOT NULL, PRIMARY KEY (wall_us, zone, run, track)) WITHOUT ROWID;
-- How many objects came into each cell of the picture, in an hour of a run.
CREATE TABLE movement (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL,
  picture TEXT NOT NULL, cells BLOB NOT NULL, mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL,
  sure INTEGER NOT NULL);
CREATE INDEX movement_by_moment ON movement(wall_us);
CREATE INDEX movement_unsure ON movement(run) WHERE NOT sure;
CREATE INDEX stays_unsure ON stays(run) WHERE NOT sure;
-- The distance in metres between two lines, for speeds.
CREATE TABLE distances (line INTEGER PRIMARY KEY REFERENCES lines(id), other INTEGER NOT NULL REFERENCES lines(id),
  metres REAL NOT NULL);
-- The first and second side of a zone on the ground, in metres, and the speed of a crossing there in 100 m/h.
ALTER TABLE zones ADD COLUMN width REAL;
ALTER TABLE zones ADD COLUMN depth REAL;
ALTER TABLE crossings ADD COLUMN speed INTEGER;
INSERT INTO stays VALUES (1780308002000000, 1, 1, 4, 'camera', 'person', 1500, 0, 102000000, 1);
INSERT INTO movement VALUES (1, 1, 'camera', '[0,false,null]', x'0102', 102000000, 1780308002000000, 1);
INSERT INTO distances VALUES (1, 1, 12.5);
UPDATE zones SET width = 4, depth = 7.5;
UPDATE crossings SET speed = 47 WHERE id = 1;
