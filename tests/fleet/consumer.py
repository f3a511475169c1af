"""Stands for the connector: from MQTT to PostgreSQL, by take() of deploy/fleet/schema.sql.

    consumer.py PORT PASSWORD

It has a persistent session, and acknowledges a message after its COMMIT. libpq's variables name the database. Every
five seconds it asks cameras for crossings that are missing.
"""
import json
import subprocess
import sys
import threading
import time

import mqtt

PATIENCE = 20
BATCH = 200


class Database:
    """A psql that goes on. A fault is an OSError; then there has to be a new one."""

    def __init__(self):
        command = ["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
        self.psql = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     text=True, encoding="utf8")
        self.errors = []
        threading.Thread(target=lambda: self.errors.extend(self.psql.stderr), daemon=True).start()

    def run(self, sql):
        """The rows of the answer."""
        end = "-- done --"
        timer = threading.Timer(PATIENCE, self.psql.kill)
        timer.start()
        try:
            self.psql.stdin.write(f"{sql}\n\\echo '{end}'\n")
            self.psql.stdin.flush()
            rows = []
            for line in self.psql.stdout:
                if line.rstrip("\n") == end:
                    return rows
                rows.append(line.rstrip("\n").split("\t"))
            raise OSError("".join(self.errors)[-200:].strip() or "psql has ended")
        finally:
            timer.cancel()

    def close(self):
        self.psql.kill()
        self.psql.wait()


def quoted(words):
    return "'" + words.replace("'", "''").replace("\0", "") + "'"


class Consumer:
    def __init__(self, port, password):
        self.port, self.password = port, password
        self.database, self.client = None, None
        self.looked, self.gaps, self.asked = 0.0, {}, {}
        self.taken = {}

    def connect(self):
        self.client = mqtt.Client(self.port, "consumer", self.password, clean=False)
        topics = ("crossing", "ledger", "coverage", "state", "availability")
        self.client.subscribe(*(f"tallycam/+/{topic}" for topic in topics))
        print("connected, session", self.client.has_session, flush=True)

    def store(self, messages):
        """Stores the messages in one transaction, however long that takes."""
        calls = [f"select take({quoted(m.topic)}, {quoted(m.payload.decode('utf8', 'replace'))});" for m in messages]
        while True:
            try:
                self.database = self.database or Database()
                for (how,) in self.database.run("\n".join(["begin;", *calls, "commit;"])):
                    self.taken[how] = self.taken.get(how, 0) + 1
                return
            except OSError as error:
                print("database:", error, flush=True)
                self.forget_database()
                time.sleep(0.5)

    def forget_database(self):
        if self.database:
            self.database.close()
        self.database = None

    def reconcile(self):
        """Asks for what is missing now and was missing before, so that what is on its way is left alone."""
        try:
            self.database = self.database or Database()
            gaps = {(camera, int(since)): int(until) for camera, _, since, until in
                    self.database.run("select * from missing();")}
        except OSError as error:
            print("database:", error, flush=True)
            return self.forget_database()
        now = time.monotonic()
        for (camera, since), until in gaps.items():
            if (camera, since) in self.gaps and now - self.asked.get(camera, 0) > 10:
                self.asked[camera] = now
                print("missing", camera, since, until, flush=True)
                self.client.publish(f"tallycam/{camera}/replay/set", json.dumps({"since": since, "until": until}))
        self.gaps = gaps
        print("taken", self.taken, flush=True)

    def run(self):
        while True:
            try:
                if not self.client:
                    self.connect()
                messages, _ = self.client.arrived(0.2)
                for start in range(0, len(messages), BATCH):
                    batch = messages[start:start + BATCH]
                    self.store(batch)
                    for message in batch:
                        if message.qos:
                            self.client.acknowledge(message)
                if time.monotonic() - self.looked > 5:
                    self.looked = time.monotonic()
                    self.reconcile()
            except OSError as error:
                print("broker:", error, flush=True)
                self.client = None
                time.sleep(1)


if __name__ == "__main__":
    Consumer(int(sys.argv[1]), sys.argv[2]).run()
