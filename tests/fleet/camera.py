"""A simulated tallycam: the topics of MQTT and the addresses of the API that a fleet uses, with a ledger of its own.

    camera.py ID FOLDER BROKER_PORT PASSWORD HTTP_PORT RATE

It counts RATE crossings a second, takes some back as a recount does, and mends the times of its first seconds as a late
time server does. It follows docs/fleet.md: at most 20 unacknowledged, the cursor is the longest acknowledged prefix. A
file `quiet` in FOLDER ends the counting. Broker port 0: no MQTT.
"""
import collections
import datetime
import http.server
import json
import os
import random
import socketserver
import sqlite3
import sys
import threading
import time
import urllib.parse

import mqtt

WINDOW = 20
REPLAYED_A_SECOND = 50
CLOCK_SURE_AFTER = 8
FIVE_MINUTES = 300

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS crossings (id INTEGER PRIMARY KEY, seq UNIQUE, run, line_id, track, ordinal, direction, ms,
    sure);
CREATE TABLE IF NOT EXISTS superseded (id INTEGER PRIMARY KEY, seq UNIQUE, run, line_id, track, ordinal, ms);
CREATE TABLE IF NOT EXISTS spans (began, ended);
"""


def opened(folder):
    database = sqlite3.connect(os.path.join(folder, "counts.db"), isolation_level=None, timeout=10)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
    return database


def setting(database, key, usual=None):
    row = database.execute("SELECT value FROM settings WHERE key = ?", (key,)).fetchone()
    return row[0] if row else usual


def put(database, key, value):
    database.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (key, value))


def report(camera, ledger, row):
    """A crossing as in the API."""
    number, seq, run, line, track, ordinal, direction, ms, sure = row
    stamp = datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)
    return {"ledger": ledger, "id": number, "seq": seq, "run": run, "camera": camera, "scene": "camera",
            "line": f"Line {line}", "line_id": line, "track": track, "ordinal": ordinal, "class": "person",
            "direction": direction, "score": 0.9, "time": stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z",
            "time_sure": bool(sure), "thumbnail": None}


def changes(database, camera, since, limit):
    """What is new or has changed after the place `since`, in order."""
    ledger = setting(database, "ledger")
    found = database.execute("SELECT * FROM crossings WHERE seq > ? ORDER BY seq LIMIT ?", (since, limit))
    items = [report(camera, ledger, row) for row in found]
    gone = database.execute("SELECT id, seq FROM superseded WHERE seq > ? ORDER BY seq LIMIT ?", (since, limit))
    items += [{"ledger": ledger, "id": number, "seq": seq, "gone": True} for number, seq in gone]
    return sorted(items, key=lambda item: item["seq"])[:limit]


def again(database, camera, since, until):
    """An answer for every number after `since`: the crossing that has or had it, or that it is gone."""
    ledger = setting(database, "ledger")
    items = []
    for number in range(since + 1, until + 1):
        row = database.execute("SELECT * FROM crossings WHERE id = ? OR seq = ?", (number, number)).fetchone()
        gone = database.execute("SELECT id, seq FROM superseded WHERE id = ? OR seq = ?", (number, number)).fetchone()
        if row:
            items.append(report(camera, ledger, row))
        else:
            of, seq = gone or (number, number)
            items.append({"ledger": ledger, "id": of, "seq": seq, "gone": True})
    return items


def coverage(database, since):
    """The covered share of each five minutes."""
    start, items = since // FIVE_MINUTES * FIVE_MINUTES, []
    while start < time.time():
        spans = database.execute("SELECT max(began, ?), min(ended, ?) FROM spans", (start, start + FIVE_MINUTES))
        covered = sum(max(0, ended - began) for began, ended in spans)
        stamp = datetime.datetime.fromtimestamp(start, datetime.timezone.utc).isoformat()
        items.append({"start": stamp, "covered": min(1, covered / FIVE_MINUTES)})
        start += FIVE_MINUTES
    return {"bucket": "5min", "time_zone": "Europe/Berlin", "items": items}


class Ledger:
    """The camera's own counts.db, and what happens before the camera."""

    def __init__(self, camera, folder, rate):
        self.camera, self.folder, self.rate = camera, folder, rate
        self.database = opened(folder)
        self.database.executescript(SCHEMA)
        if not setting(self.database, "ledger"):
            put(self.database, "ledger", os.urandom(8).hex())
        self.run = setting(self.database, "run", 0) + 1
        put(self.database, "run", self.run)
        self.track, self.began, self.is_sure, self.counted = 0, time.time(), False, time.time()
        self.database.execute("INSERT INTO spans VALUES (?, ?)", (self.began, self.began))

    def next_number(self):
        number = setting(self.database, "number", 0) + 1
        put(self.database, "number", number)
        return number

    def goes_on(self):
        """Counts what has crossed since the last call."""
        now = time.time()
        passed, self.counted = now - self.counted, now
        is_quiet = os.path.exists(os.path.join(self.folder, "quiet"))
        self.database.execute("BEGIN IMMEDIATE")
        for _ in range(0 if is_quiet else int(self.rate * passed + random.random())):
            self.track += 1
            self.crossing(int(now * 1000), self.is_sure)
            if random.random() < 0.02:
                self.recount()
        self.database.execute("UPDATE spans SET ended = ? WHERE began = ?", (now, self.began))
        if not self.is_sure and now - self.began > CLOCK_SURE_AFTER:
            self.is_sure = True
            self.mend()
        self.database.execute("COMMIT")

    def crossing(self, ms, sure):
        number = self.next_number()
        self.database.execute(
            "INSERT INTO crossings VALUES (?, ?, ?, ?, ?, 1, ?, ?, ?)",
            (number, number, self.run, random.choice((1, 2)), self.track, random.choice(("in", "out")), ms, sure))

    def recount(self):
        """A recount takes a crossing of this run back, and counts another one at that time."""
        row = self.database.execute("SELECT id, ms, sure FROM crossings WHERE run = ? ORDER BY random() LIMIT 1",
                                    (self.run,)).fetchone()
        if row:
            number, ms, sure = row
            moved = "INSERT INTO superseded SELECT id, ?, run, line_id, track, ordinal, ms FROM crossings WHERE id = ?"
            self.database.execute(moved, (self.next_number(), number))
            self.database.execute("DELETE FROM crossings WHERE id = ?", (number,))
            self.track += 1
            self.crossing(ms, sure)

    def mend(self):
        """The clock is set: the times of this run move by 2.5 s."""
        unsure = self.database.execute("SELECT id FROM crossings WHERE run = ? AND NOT sure", (self.run,))
        for (number,) in unsure.fetchall():
            self.database.execute("UPDATE crossings SET seq = ?, ms = ms + 2500, sure = 1 WHERE id = ?",
                                  (self.next_number(), number))


class Publisher:
    """What a camera says over MQTT."""

    def __init__(self, ledger, port, password):
        self.ledger, self.port, self.password = ledger, port, password
        self.base = f"tallycam/{ledger.camera}"
        self.sent = setting(ledger.database, "sent", 0)
        self.client, self.wait, self.at = None, 1, 0.0
        self.saved = time.monotonic()

    def connect(self):
        self.client = mqtt.Client(self.port, self.ledger.camera, self.password,
                                  will=(f"{self.base}/availability", "offline"))
        # A clean session: what was not acknowledged is sent again, from the ledger.
        self.flying, self.order, self.done = {}, [], set()
        self.replays, self.announced, self.budget = collections.deque(), None, 0.0
        self.client.subscribe(f"{self.base}/replay/set")
        self.client.publish(f"{self.base}/availability", "online", True)
        state = {"state": "live", "healthy": True, "headline": "Live"}
        self.client.publish(f"{self.base}/state", json.dumps(state), True)
        self.tell_coverage()
        self.wait = 1

    def tell_coverage(self):
        """The covered time of the last hour, line by line."""
        ledger = setting(self.ledger.database, "ledger")
        for line in (1, 2):
            told = {"ledger": ledger, "line_id": line, **coverage(self.ledger.database, time.time() - 3600)}
            self.client.publish(f"{self.base}/coverage", json.dumps(told))

    def step(self, wait):
        """Sends and receives; a fault ends the connection, and the next one is tried after a while."""
        try:
            if not self.client:
                if time.monotonic() < self.at:
                    return time.sleep(wait)
                self.connect()
            messages, acknowledged = self.client.arrived(wait)
            for message in messages:
                if message.qos:
                    self.client.acknowledge(message)
                self.ask(message)
            for number in acknowledged:
                self.done_with(number)
            self.forward()
            self.replay(wait)
        except OSError as error:
            print("broker:", error, flush=True)
            self.client = None
            self.at = time.monotonic() + self.wait * random.uniform(0.7, 1.3)
            self.wait = min(self.wait * 2, 8)
        if time.monotonic() - self.saved > 2:
            self.saved = time.monotonic()
            put(self.ledger.database, "sent", self.sent)

    def ask(self, message):
        if message.topic == f"{self.base}/replay/set" and not message.retained and not self.replays:
            wish = json.loads(message.payload)
            until = min(wish["until"], self.sent, wish["since"] + 500)
            self.replays.extend(again(self.ledger.database, self.ledger.camera, wish["since"], until))

    def done_with(self, number):
        self.done.add(self.flying.pop(number, None))
        while self.order and self.order[0] in self.done:
            self.sent = self.order.pop(0)
            self.done.discard(self.sent)

    def say(self, item):
        return self.client.publish(f"{self.base}/crossing", json.dumps(item))

    def forward(self):
        database, room = self.ledger.database, WINDOW - len(self.order)
        if room > 0:
            since = self.order[-1] if self.order else self.sent
            for item in changes(database, self.ledger.camera, since, room):
                self.order.append(item["seq"])
                self.flying[self.say(item)] = item["seq"]
        if not self.order and self.announced != self.sent:
            self.announced = self.sent
            told = {"ledger": setting(database, "ledger"), "last": self.sent}
            self.client.publish(f"{self.base}/ledger", json.dumps(told), True)

    def replay(self, passed):
        self.budget = min(self.budget + REPLAYED_A_SECOND * passed, WINDOW)
        while self.replays and self.budget >= 1:
            self.budget -= 1
            self.say(self.replays.popleft())


class Answers(http.server.BaseHTTPRequestHandler):
    """The addresses that pull.sh reads."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        address = urllib.parse.urlparse(self.path)
        query = {key: values[0] for key, values in urllib.parse.parse_qs(address.query).items()}
        database = opened(self.server.folder)
        answer = {"/api/v1/crossings": self.crossings, "/api/v1/lines": self.lines, "/api/v1/counts": self.counts}
        body = json.dumps(answer[address.path](database, query)).encode()
        database.close()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def crossings(self, database, query):
        items = changes(database, self.server.camera, int(query["since"]), int(query["limit"]))
        return {"ledger": setting(database, "ledger"), "items": items, "next": None}

    def lines(self, _database, _query):
        return {"items": [{"id": 1, "name": "Line 1"}, {"id": 2, "name": "Line 2"}]}

    def counts(self, database, query):
        since = datetime.datetime.fromisoformat(query["from"].replace("Z", "+00:00")).timestamp()
        return coverage(database, since)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def main():
    camera, folder, port, password, http_port, rate = sys.argv[1:]
    ledger = Ledger(camera, folder, float(rate))
    server = Server(("127.0.0.1", int(http_port)), Answers)
    server.folder, server.camera = folder, camera
    threading.Thread(target=server.serve_forever, daemon=True).start()
    publisher = Publisher(ledger, int(port), password) if int(port) else None
    tick = 0.25
    while True:
        ledger.goes_on()
        if publisher:
            publisher.step(tick)
        else:
            time.sleep(tick)


if __name__ == "__main__":
    main()
