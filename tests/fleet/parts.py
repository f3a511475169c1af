"""The parts of the fleet that fleet.py starts, kills and compares: broker, database, consumer, cameras."""
import contextlib
import datetime
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEPLOY = HERE.parent.parent / "deploy/fleet"
PASSWORD = "only-for-this-test"
POSTGRES_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)

# A detection's frames from one side of the picture to the other, and between two objects of a lane.
TAKES, EVERY, LANES = 18, 60, 4


def free_port():
    """A port that nobody gets by chance: a part that was killed comes back to its own."""
    while True:
        with socket.socket() as taken, contextlib.suppress(OSError):
            taken.bind(("127.0.0.1", random.randrange(20000, 32000)))
            return taken.getsockname()[1]


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)


class Part:
    """A process that is killed and started again."""

    name = "?"
    kind = "?"
    process = None
    is_busy = False

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def command(self):
        raise NotImplementedError

    def start(self, **options):
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def is_up(self):
        return self.process is not None and self.process.poll() is None


class Broker(Part):
    """mosquitto, with the repository's own configuration but for its files and its port."""

    name = kind = "broker"

    def __init__(self, folder, users):
        super().__init__(folder)
        self.port = free_port()
        (folder / "data").mkdir(exist_ok=True)
        shutil.copy(DEPLOY / "acl", folder / "acl")
        passwords = folder / "passwords"
        passwords.write_text("".join(f"{user}:{PASSWORD}\n" for user in users))
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True, stdout=subprocess.DEVNULL)
        for file in ("acl", "passwords"):
            (folder / file).chmod(0o600)
        text = (DEPLOY / "mosquitto.conf").read_text()
        text = text.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        text = text.replace("/mosquitto/config/", f"{folder}/").replace("/mosquitto/data/", f"{folder}/data/")
        kept = [line for line in text.splitlines() if not line.startswith(("certfile", "keyfile"))]
        if os.getuid() == 0:
            kept.append("user root")
        (folder / "mosquitto.conf").write_text("\n".join(kept) + "\n")

    def command(self):
        return [shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", self.folder / "mosquitto.conf"]


class Database(Part):
    """PostgreSQL in a folder of its own. It refuses to run as root."""

    name = kind = "database"

    def __init__(self, folder):
        super().__init__(folder)
        self.data = folder / "data"
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
        if self.user:
            shutil.chown(folder, "postgres", "postgres")
        self.environment = {"PGHOST": str(folder), "PGPORT": str(free_port()), "PGUSER": "fleet",
                            "PGDATABASE": "tallycam"}
        # Consumer, pull.sh and replay.sh may do what the connector may.
        self.connector = {**os.environ, **self.environment, "PGUSER": "connector"}
        self.owner = {**os.environ, **self.environment}
        tool = POSTGRES_FOLDERS[0] / "initdb"
        subprocess.run([tool, "-D", self.data, "-A", "trust", "-U", "fleet", "--no-sync"], check=True, cwd=folder,
                       stdout=subprocess.DEVNULL, **self.user)
        self.start()
        self.wait()
        subprocess.run(["createdb", "tallycam"], check=True, env=self.owner)
        # The schema can be applied again.
        for file in ("schema.sql", "schema.sql", "roles.sql"):
            subprocess.run(["psql", "-Xq", "-f", DEPLOY / file], check=True, env=self.owner)

    def command(self):
        options = {"port": self.environment["PGPORT"], "unix_socket_directories": self.folder, "listen_addresses": ""}
        program = POSTGRES_FOLDERS[0] / "postgres"
        return [program, "-D", self.data, *(f"--{key}={value}" for key, value in options.items())]

    def start(self, **_):
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        super().start(cwd=self.folder, **self.user)

    def is_ready(self):
        command = ["psql", "-XqAt", "-c", "select 1", "-d", "postgres"]
        return subprocess.run(command, env=self.owner, capture_output=True).returncode == 0

    def wait(self):
        until = time.monotonic() + 60
        while not self.is_ready():
            if time.monotonic() > until:
                raise SystemExit(f"the database does not start: {self.folder}/database.log")
            if not self.is_up():
                # The processes of the killed one are still there.
                self.start()
            time.sleep(0.3)

    def rows(self, sql, user="fleet"):
        """The rows of the answer; an OSError if the database is away."""
        command = ["psql", "-XqAt", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql]
        done = subprocess.run(command, env={**self.owner, "PGUSER": user}, capture_output=True, text=True)
        if done.returncode:
            raise OSError(done.stderr.strip())
        return [line.split("\t") for line in done.stdout.splitlines()]


class Consumer(Part):
    name = kind = "consumer"

    def __init__(self, folder, broker, database):
        super().__init__(folder)
        self.broker, self.database = broker, database

    def command(self):
        return [sys.executable, HERE / "consumer.py", str(self.broker.port), PASSWORD]

    def start(self, **_):
        super().start(env=self.database.connector)


class Camera(Part):
    """A camera, and what it has counted before a reset or a restore."""

    scene = "camera"

    def __init__(self, name, folder, broker):
        super().__init__(folder)
        self.name, self.broker = name, broker
        self.port = free_port()
        self.before, self.gone_before = set(), set()
        self.is_pulled, self.token = broker is None, ""

    def truth(self):
        """What has crossed, each as (run, line, track, ordinal, time in ms); an OSError if the camera is away."""
        live, gone = self.listed()
        return (self.before | live) - self.gone_before - gone

    def remember(self):
        live, gone = self.listed()
        self.before |= live
        self.gone_before |= gone


class Simulated(Camera):
    kind = "simulated camera"
    rate = 0.8

    def command(self):
        port = self.broker.port if self.broker else 0
        return [sys.executable, HERE / "camera.py", self.name, self.folder, str(port), PASSWORD, str(self.port),
                str(self.rate)]

    def opened(self):
        return sqlite3.connect(self.folder / "counts.db", isolation_level=None, timeout=10)

    def listed(self):
        database = self.opened()
        columns = "run, line_id, track, ordinal, ms"
        live = set(database.execute(f"SELECT {columns} FROM crossings"))
        gone = set(database.execute(f"SELECT {columns} FROM superseded"))
        database.close()
        return live, gone

    def quiet(self, is_quiet):
        if is_quiet:
            (self.folder / "quiet").touch()
        else:
            (self.folder / "quiet").unlink(missing_ok=True)

    def is_settled(self):
        """No time will be mended."""
        database = self.opened()
        run = "SELECT value FROM settings WHERE key = 'run'"
        (count,) = database.execute(f"SELECT count(*) FROM crossings WHERE NOT sure AND run = ({run})").fetchone()
        database.close()
        return count == 0

    def back_up(self):
        source, target = self.opened(), sqlite3.connect(self.folder / "backup.db")
        source.backup(target)
        source.close()
        target.close()

    def reset(self):
        for file in self.folder.glob("counts.db*"):
            file.unlink()

    def restore(self):
        self.reset()
        shutil.copy(self.folder / "backup.db", self.folder / "counts.db")
        database = self.opened()
        database.execute("UPDATE settings SET value = ? WHERE key = 'ledger'", (os.urandom(8).hex(),))
        database.close()


def detections():
    """Detections for the program under test: for an hour, objects cross the middle of the picture, lane by lane."""
    lines = ["frame,class,score,x1,y1,x2,y2"]
    for frame in range(15 * 3600):
        for lane in range(LANES):
            at = (frame + EVERY - lane * 17 % EVERY) % EVERY
            if at < TAKES:
                x, y = 100 + 96 * at / TAKES, 8 + 40 * lane
                lines.append(f"{frame + 1},person,0.9,{x:.1f},{y},{x + 24:.1f},{y + 20}")
    return "\n".join(lines) + "\n"


class Tallycam(Camera):
    """The program under test, which counts recorded detections on the pictures of a simulation."""

    kind = "tallycam"
    scene = "sim"
    is_locked = False
    line = 'line=[{name = "Middle", a = [0.5, 1.0], b = [0.5, 0.0]}]'
    # Further settings.
    more = ()

    def __init__(self, name, folder, broker, program, recorded):
        super().__init__(name, folder, broker)
        self.program, self.recorded, self.is_quiet, self.is_pulled = program, recorded, False, True

    def settings(self):
        sets = ["source.kind=sim", "source.width=320", "source.height=180", "source.fps=15", "detect.fps=15",
                f"name={self.name}", f"http.listen=127.0.0.1:{self.port}", f"store.directory={self.folder / 'data'}",
                f"detect.backend={'none' if self.is_quiet else 'replay'}", f"detect.replay={self.recorded}"]
        if self.line:
            sets.append(self.line)
        if self.is_locked:
            sets.append("access.view=password")
        if self.broker:
            sets += [f"mqtt.url=mqtt://127.0.0.1:{self.broker.port}", f"mqtt.id={self.name}",
                     f"mqtt.username={self.name}", f"mqtt.password={PASSWORD}", "mqtt.history=all"]
        sets += self.more
        return [word for set_ in sets for word in ("--set", set_)]

    def command(self):
        return [self.program, "serve", *self.settings()]

    def run(self, *words):
        done = subprocess.run([self.program, *words, *self.settings()], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60)
        if done.returncode:
            raise SystemExit(f"tallycam {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout.strip()

    def lock(self):
        """Reading needs a token from now on."""
        self.is_locked = True
        self.start()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                self.get("tallies")
                break
            except OSError:
                time.sleep(0.5)
        self.run("password", "random")
        self.token = self.run("token", "add", "fleet", "--scope", "counts")

    def get(self, path):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def listed(self):
        live, since = set(), 0
        while True:
            items = self.get(f"crossings?since={since}&limit=5000&scene=sim")["items"]
            for item in items:
                if not item.get("gone"):
                    key = (item["run"], item["line_id"], item["track"], item["ordinal"])
                    live.add((*key, milliseconds(item["time"])))
            if len(items) < 5000:
                return live, set()
            since = max(item["seq"] for item in items)

    def quiet(self, is_quiet):
        self.is_quiet = is_quiet
        self.kill()
        self.start()

    def is_settled(self):
        return True

    def back_up(self):
        self.run("backup", self.folder / "backup.tar", "--force")

    def reset(self):
        self.run("reset", "--yes")

    def restore(self):
        self.run("restore", "--yes", self.folder / "backup.tar")


def milliseconds(stamp):
    """A time of the API in milliseconds."""
    return round(datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() * 1000)
