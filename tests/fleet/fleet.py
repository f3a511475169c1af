"""A fleet whose parts are killed at random: every crossing has to be in the database, once.

    fleet.py MINUTES FOLDER [PROGRAM]

Three tallycams (PROGRAM) and twenty simulated cameras count. Their crossings travel over mosquitto and a consumer, by
pull.sh, or both, into PostgreSQL with deploy/fleet/schema.sql. Meanwhile broker, consumer, database, cameras and
pull.sh are killed (SIGKILL), some cameras get a factory reset, and others are restored from a backup. The table at the
end compares the cameras' own stores with the database. Exits with 1 if a crossing is lost or counted twice.
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from parts import DEPLOY, PASSWORD, Broker, Consumer, Database, Simulated, Tallycam, detections, say

SIMULATED = 20
# The first simulated cameras are without MQTT; the next are followed in both ways.
PULLED, BOTH = 3, 3
TALLYCAMS = 3
PULL_EVERY, SETTLING = 6, 240
# How often each is killed, compared with the others.
WEIGHTS = {"broker": 3, "consumer": 2, "database": 1, "simulated camera": 6, "tallycam": 2, "pull.sh": 1}


class Fleet:
    def __init__(self, minutes, folder, program):
        self.seconds, self.folder = minutes * 60, folder
        self.left_out, self.faults = [], []
        self.has_broker = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin") is not None
        if not self.has_broker:
            self.left_out.append("everything over MQTT: there is no mosquitto (Debian: mosquitto)")
        names = [f"sim{n:02}" for n in range(1, SIMULATED + 1)]
        reals = [f"real{n}" for n in range(1, TALLYCAMS + 1)]
        self.database = Database(folder / "postgres")
        self.broker = Broker(folder / "mosquitto", [*names, *reals, "consumer", "replay"]) if self.has_broker else None
        self.consumer = Consumer(folder / "consumer", self.broker, self.database) if self.has_broker else None
        self.cameras = []
        for n, name in enumerate(names):
            camera = Simulated(name, folder / name, self.broker if n >= PULLED else None)
            camera.is_pulled = n < PULLED + BOTH or not self.has_broker
            self.cameras.append(camera)
        self.cameras += self.tallycams(reals, program)
        self.parts = [part for part in (self.broker, self.consumer) if part] + [self.database, *self.cameras]
        self.kills, self.pull, self.pulled, self.due, self.acts = {}, None, 0.0, [], []

    def tallycams(self, names, program):
        """The cameras of the program under test, as far as that can do what is needed."""
        if not program:
            self.left_out.append("the real tallycams: no program is given")
            return []
        shown = subprocess.run([program, "config", "show"], capture_output=True, text=True, cwd=self.folder).stdout
        broker = self.broker if "[mqtt]" in shown else None
        if not broker:
            self.left_out.append("MQTT of the real tallycams: the program has no [mqtt]; pull.sh follows them")
        recorded = self.folder / "detections.csv"
        recorded.write_text(detections())
        # The first is followed by MQTT alone, if it can.
        cameras = [Tallycam(name, self.folder / name, broker, program, recorded) for name in names]
        cameras[0].is_pulled = broker is None
        return cameras

    def start(self):
        # The last tallycam has a password, and pull.sh a token. The others are reset and restored.
        for camera in self.by_kind("tallycam", TALLYCAMS - 1):
            camera.lock()
        self.list_pulled()
        for camera in self.cameras:
            self.database.rows(f"insert into cameras (id, scene) values ('{camera.name}', '{camera.scene}')")
        for part in self.parts:
            if not part.is_up():
                part.start()
        if self.has_broker:
            self.check_rights()
        if self.by_kind("tallycam", 0):
            self.check_ledger()

    def list_pulled(self):
        pulled = [camera for camera in self.cameras if camera.is_pulled]
        lines = [f"{camera.name} http://127.0.0.1:{camera.port} {camera.token}\n" for camera in pulled]
        (self.folder / "cameras").write_text("# For pull.sh.\n" + "".join(lines))

    def check_rights(self):
        """The password file and the rules hold: a camera cannot write another one's topics."""
        time.sleep(1)
        at = ["-h", "127.0.0.1", "-p", str(self.broker.port)]
        forged = ["-t", "tallycam/sim05/crossing", "-m", "forged", "-q", "1"]
        # The database would refuse this, and any refused message fails the test.
        as_another = ["-u", "sim04", "-P", PASSWORD, "-i", "sim05"]
        subprocess.run(["mosquitto_pub", *at, *as_another, *forged], capture_output=True)
        if subprocess.run(["mosquitto_pub", *at, *forged], capture_output=True).returncode == 0:
            self.faults.append("the broker lets clients in that have no password")

    def check_ledger(self):
        camera = self.cameras[-1]
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                items = camera.get("crossings?limit=1&scene=sim")["items"]
            except OSError:
                items = []
            if items:
                break
            time.sleep(0.5)
        else:
            raise SystemExit(f"the program counts nothing: {camera.folder}/{camera.name}.log")
        if "ledger" not in items[0]:
            self.left_out.append("the real tallycams: their crossings name no ledger")
            for camera in [camera for camera in self.cameras if camera.kind == "tallycam"]:
                camera.kill()
                self.cameras.remove(camera)
                self.parts.remove(camera)
            self.list_pulled()

    # ---- pull.sh, every few seconds ----

    def run_pull(self, *options):
        environment = {**self.database.connector, "FLEET_CAMERAS": str(self.folder / "cameras"), "FLEET_PARALLEL": "2"}
        with open(self.folder / "pull.log", "ab") as log:
            self.pull = subprocess.Popen([DEPLOY / "pull.sh", *options], env=environment, stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log, start_new_session=True)
        self.pulled = time.monotonic()

    def kill_pull(self):
        if self.pull and self.pull.poll() is None:
            os.killpg(self.pull.pid, signal.SIGKILL)
            self.pull.wait()

    # ---- comparing ----

    def stored(self):
        """What the database counts, by camera: each crossing as often as it is counted."""
        sql = ("select camera, run, line_id, track, ordinal, round(extract(epoch from x.time) * 1000)::bigint "
               "from crossings x where not gone and not again")
        found = {camera.name: [] for camera in self.cameras}
        for camera, *row in self.database.rows(sql):
            found[camera].append(tuple(map(int, row)))
        return found

    def compare(self, truths):
        """For each camera: its crossings, the rows, those that are lost, and those too many."""
        stored = self.stored()
        table = {}
        for name, truth in truths.items():
            rows = stored[name]
            table[name] = (len(truth), len(rows), len(truth - set(rows)), len(rows) - len(truth & set(rows)))
        return table

    def is_complete(self, *cameras):
        try:
            table = self.compare({camera.name: camera.truth() for camera in cameras})
        except OSError:
            return False
        return all(lost == twice == 0 for _, _, lost, twice in table.values())

    def has_arrived(self, *cameras):
        """Everything is in the database, with the time that it will keep."""
        return all(camera.is_settled() for camera in cameras) and self.is_complete(*cameras)

    # ---- what happens meanwhile; each act is a generator that goes on when its condition holds ----

    def act(self, what, *cameras):
        """A factory reset or a restore. The operator waits until the camera's crossings have arrived."""
        for camera in cameras:
            camera.is_busy = True
            if not camera.is_up():
                camera.start()
            camera.quiet(True)
        while not self.has_arrived(*cameras):
            yield
        for camera in cameras:
            if what != "backup":
                camera.remember()
                camera.kill()
                (camera.reset if what == "reset" else camera.restore)()
                camera.start()
            else:
                camera.back_up()
            camera.quiet(False)
            camera.is_busy = False
            say(f"{camera.name}: {what}")
        self.kills[what] = self.kills.get(what, 0) + len(cameras)

    def step_acts(self):
        for act in list(self.acts):
            try:
                next(act)
            except StopIteration:
                self.acts.remove(act)

    # ---- killing ----

    def kill_one(self):
        """Kills something: first one of each kind, then at random."""
        kinds = [kind for kind in WEIGHTS if kind == "pull.sh" or any(part.kind == kind for part in self.parts)]
        spared = [kind for kind in kinds if kind not in self.kills]
        kind = random.choice(spared) if spared else random.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
        if kind == "pull.sh":
            if not self.pull or self.pull.poll() is not None:
                return
            self.kill_pull()
        else:
            parts = [part for part in self.parts if part.kind == kind and part.is_up() and not part.is_busy]
            if not parts:
                return
            part = random.choice(parts)
            part.kill()
            self.due.append((time.monotonic() + random.uniform(0.2, 8), part))
        self.kills[kind] = self.kills.get(kind, 0) + 1

    def start_due(self):
        now = time.monotonic()
        for entry in [entry for entry in self.due if entry[0] <= now]:
            self.due.remove(entry)
            if not entry[1].is_up():
                entry[1].start()
        for part in self.parts:
            # Processes of a killed PostgreSQL keep a new one from starting for a moment.
            if not part.is_up() and all(part is not due for _, due in self.due):
                if part is not self.database and not part.is_busy:
                    self.faults.append(f"{part.name} has ended by itself")
                self.due.append((now + 1, part))

    def by_kind(self, kind, place):
        cameras = [camera for camera in self.cameras if camera.kind == kind]
        return cameras[place:place + 1]

    def run(self):
        reals = self.by_kind("tallycam", 0), self.by_kind("tallycam", 1)
        # One by pull.sh alone and one by MQTT alone, and a tallycam if it is there.
        simulated, by_mqtt = "simulated camera", PULLED + BOTH
        resets = [*self.by_kind(simulated, 0), *self.by_kind(simulated, by_mqtt), *reals[0]]
        restores = [*self.by_kind(simulated, 1), *self.by_kind(simulated, by_mqtt + 1), *reals[1]]
        plan = [(0.15, "backup", restores), (0.4, "reset", resets), (0.6, "restore", restores)]
        began, next_kill, looked = time.monotonic(), time.monotonic() + 3, 0.0
        while (now := time.monotonic()) < began + self.seconds or self.acts:
            if now > began + self.seconds + SETTLING:
                raise SystemExit(f"an act does not come to its end: see {self.folder}")
            self.start_due()
            while plan and now > began + plan[0][0] * self.seconds:
                _, what, cameras = plan.pop(0)
                # One act after the other, so that a backup is there before it is restored.
                self.acts.append(self.after(list(self.acts), what, cameras))
            if now - looked > 1.5:
                looked = now
                self.step_acts()
            if now > next_kill and now < began + self.seconds:
                self.kill_one()
                next_kill = now + random.uniform(0.5, 4)
            if now - self.pulled > PULL_EVERY and (not self.pull or self.pull.poll() is not None):
                self.run_pull()
            time.sleep(0.2)

    def after(self, earlier, what, cameras):
        while any(act in self.acts for act in earlier):
            yield
        yield from self.act(what, *cameras)

    def settle(self):
        """Everything is started, nothing counts, and what is on its way arrives."""
        self.kill_pull()
        for part in [part for _, part in self.due]:
            if not part.is_up():
                part.start()
        self.due = []
        self.database.wait()
        for camera in self.cameras:
            if not camera.is_up():
                camera.start()
            camera.quiet(True)
        began = time.monotonic()
        until = began + SETTLING
        while not self.has_arrived(*self.cameras) and time.monotonic() < until:
            if not self.pull or self.pull.poll() is not None:
                self.run_pull()
            time.sleep(2)
        say(f"complete after {time.monotonic() - began:.0f} s")

    # ---- the end ----

    def verdict(self):
        truths = {camera.name: camera.truth() for camera in self.cameras}
        table = self.compare(truths)
        print(f"{'camera':<8} {'by':<10} {'in the store':>12} {'rows':>7} {'lost':>5} {'twice':>5}")
        for camera in self.cameras:
            by = "both" if camera.broker and camera.is_pulled else "MQTT" if camera.broker else "pull.sh"
            print(f"{camera.name:<8} {by:<10} {table[camera.name][0]:>12} {table[camera.name][1]:>7} "
                  f"{table[camera.name][2]:>5} {table[camera.name][3]:>5}")
        sums = [sum(row[n] for row in table.values()) for n in range(4)]
        print(f"{len(self.cameras):<8} {'cameras':<10} {sums[0]:>12} {sums[1]:>7} {sums[2]:>5} {sums[3]:>5}")
        print("killed:", ", ".join(f"{kind} {count}" for kind, count in sorted(self.kills.items())))
        if sums[2] or sums[3]:
            self.faults.append(f"{sums[2]} crossings are lost, {sums[3]} are counted twice")
        self.check_facts(table)
        self.check_sums(sums[1])
        self.check_marked()
        self.check_dashboard()
        self.check_teeth(truths)

    def check_facts(self, table):
        """The run was one: everything counted, was killed, reset and restored."""
        for name, (crossings, *_) in table.items():
            if not crossings:
                self.faults.append(f"{name} has counted nothing")
        for kind in {part.kind for part in self.parts} | {"reset", "restore"}:
            if not self.kills.get(kind):
                self.faults.append(f"no {kind} in this run: make it longer")
        refused = self.database.rows("select topic, reason, count(*) from refused group by 1, 2")
        if refused:
            self.faults.append(f"messages are refused: {refused[:3]}")
        counts = "select count(*) filter (where gone), count(*) filter (where again) from crossings"
        (facts,) = self.database.rows(counts)
        print(f"rows besides: {facts[0]} taken back, {facts[1]} again after a restore")
        if "0" in facts:
            self.faults.append("nothing was taken back, or nothing came again")

    def check_sums(self, rows):
        """The sums are those of the crossings, and covered time is there in both ways."""
        summed, of_days = self.database.rows("select (select sum(\"in\" + \"out\") from sums_5min), "
                                             "(select sum(\"in\" + \"out\") from sums_day)")[0]
        if not int(summed) == int(of_days) == rows:
            self.faults.append(f"the sums are {summed} and {of_days}, and there are {rows} crossings")
        wrong = self.database.rows("select camera, start, covered_s, length_s from sums_15min "
                                   "where covered_s > length_s + 0.1")
        if wrong:
            self.faults.append(f"more is covered than the time has: {wrong[:2]}")
        covered = self.database.rows("select distinct camera from sums_hour where covered_s > 0")
        lacking = {camera.name for camera in self.cameras} - {camera for (camera,) in covered}
        if lacking:
            self.faults.append(f"no covered time of {sorted(lacking)}")

    def check_marked(self):
        """A crossing that is marked leaves the sums and comes back, also one that came again after a restore."""
        first = "select * from crossings c where not gone and {} order by ledger, id limit 1"
        original = ("exists (select from crossings o where not o.gone and not o.again and o.camera = c.camera and "
                    "(o.time, o.line_id, o.run, o.track, o.ordinal) = (c.time, c.line_id, c.run, c.track, c.ordinal))")
        for of_rows in ("not again", f"again and {original}"):
            sums = []
            for is_excluded in ("true", "false"):
                self.database.rows(
                    "select take_crossing(camera, jsonb_build_object('ledger', ledger, 'id', id, 'seq', seq + 1, "
                    "'time', time, 'time_sure', time_sure, 'line_id', line_id, 'run', run, 'track', track, "
                    f"'ordinal', ordinal, 'wrong', true, 'excluded', {is_excluded})) "
                    f"from ({first.format(of_rows)}) x")
                sums.append(int(self.database.rows('select sum("in" + "out") from sums_5min')[0][0]))
            if sums[1] != sums[0] + 1:
                self.faults.append(f"a marked crossing ({of_rows}) is summed: {sums}")

    def check_dashboard(self):
        """Each query of the dashboard answers."""
        dashboard = json.loads((DEPLOY / "grafana/fleet.json").read_text())
        queries = [target["rawSql"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
        queries += [variable["query"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
        names, empty = ",".join(f"'{camera.name}'" for camera in self.cameras), 0
        for query in queries:
            sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 > now() - interval '1 day'", query)
            sql = sql.replace("$__timeFrom()", "now() - interval '1 day'").replace("$__timeTo()", "now()")
            sql = sql.replace("$camera", names).replace("$step", "15 min")
            try:
                empty += not self.database.rows(sql, "grafana")
            except OSError as error:
                self.faults.append(f"a query of the dashboard fails: {error}: {query}")
        print(f"dashboard: {len(queries)} queries, {empty} without a row")
        if not queries or empty > len(queries) / 2:
            self.faults.append("the dashboard shows nothing")

    def check_teeth(self, truths):
        """The comparison sees a row that is lost and one that is counted twice."""
        first = "where (ledger, id) in (select ledger, id from crossings where not gone and {} limit 1)"
        of_third = "not again and camera = 'sim03'"
        self.database.rows("drop index crossings_once; "
                           f"update crossings set again = false {first.format('again')}; "
                           f"delete from crossings {first.format(of_third)}")
        table = self.compare(truths)
        lost, twice = (sum(row[n] for row in table.values()) for n in (2, 3))
        if not self.faults and (lost, twice) != (1, 1):
            self.faults.append(f"the comparison does not see what is wrong: lost {lost}, twice {twice}")

    def stop(self):
        self.kill_pull()
        for part in self.parts:
            part.kill()


def main():
    if len(sys.argv) < 3:
        print(__doc__)
        sys.exit(0 if "--help" in sys.argv else 64)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    minutes, folder = float(sys.argv[1]), Path(sys.argv[2]).resolve()
    seed = int(os.environ.get("FLEET_SEED") or random.randrange(1 << 32))
    random.seed(seed)
    say(f"{minutes:g} minutes, FLEET_SEED={seed}, logs in {folder}")
    # The parts run in folders of their own, where a relative path names nothing.
    fleet = Fleet(minutes, folder, str(Path(sys.argv[3]).resolve()) if len(sys.argv) > 3 else None)
    try:
        fleet.start()
        fleet.run()
        fleet.settle()
        fleet.verdict()
    finally:
        fleet.stop()
    for words in fleet.left_out:
        print("LEFT OUT:", words)
    for words in fleet.faults:
        print("FAILED:", words)
    print("fleet:", "failed" if fleet.faults else "nothing is lost, nothing is counted twice")
    sys.exit(bool(fleet.faults))


if __name__ == "__main__":
    main()
