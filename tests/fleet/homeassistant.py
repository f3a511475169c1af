"""Home Assistant with its own MQTT integration, beside a camera: what it makes of the topics, and what it complains of.

    homeassistant.py HASS [PROGRAM]

HASS is the `hass` of an environment with `pip install homeassistant`. PROGRAM is a tallycam with [mqtt]; a stand-in
takes its place if there is none. A line is drawn, renamed and deleted, light, camera, recording and snapshot are
commanded, discovery is switched off, the camera is forgotten, broker and Home Assistant are restarted, and a second
device comes with the same id. Exits with 1 if an entity is missing, left over, renamed or wrong, or if Home
Assistant's log has a WARNING.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import mqtt
from parts import PASSWORD, Broker, Part, Tallycam, detections, free_port, say

CAMERA = "door"
# Lines of Home Assistant's log that are not about the camera.
OTHERS = re.compile(r"aiohttp_fast_zlib|could not validate that the sqlite3 database|Ended unfinished session")

# Names of the entities with a line's totals.
TOTAL = re.compile(r"_(in|out)(_total)?$")


def token(key, of):
    """A JSON web token, as Home Assistant makes them."""
    def part(data):
        raw = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=")
    now = int(time.time())
    body = part({"alg": "HS256", "typ": "JWT"}) + b"." + part({"iss": of, "iat": now, "exp": now + 86400})
    return (body + b"." + part(hmac.new(key.encode(), body, hashlib.sha256).digest())).decode()


class HomeAssistant(Part):
    """A Home Assistant that was set up by files: a user, a token, the MQTT integration."""

    name = kind = "home-assistant"

    def __init__(self, folder, hass, broker):
        super().__init__(folder)
        self.hass, self.port = hass, free_port()
        self.config = folder / "config"
        storage = self.config / ".storage"
        storage.mkdir(parents=True)
        (self.config / "configuration.yaml").write_text(
            "homeassistant:\n  name: Test\napi:\nhistory:\nlogger:\n  default: warning\n"
            f"http:\n  server_host: 127.0.0.1\n  server_port: {self.port}\n")
        entry = {"broker": "127.0.0.1", "port": broker.port, "username": "homeassistant", "password": PASSWORD,
                 "discovery": True}
        now = "2026-01-01T00:00:00+00:00"
        self.store("core.config_entries", 1, {"entries": [{
            "entry_id": "fleet", "domain": "mqtt", "title": "mosquitto", "data": entry, "options": {}, "version": 1,
            "minor_version": 2, "source": "user", "unique_id": None, "disabled_by": None, "discovery_keys": {},
            "pref_disable_new_entities": False, "pref_disable_polling": False, "subentries": [],
            "created_at": now, "modified_at": now}]}, 5)
        key = os.urandom(64).hex()
        refresh = {"id": "refresh", "user_id": "user", "client_id": None, "client_name": "test", "client_icon": None,
                   "token_type": "long_lived_access_token", "created_at": now, "access_token_expiration": 315360000.0,
                   "token": os.urandom(64).hex(), "jwt_key": key, "last_used_at": None, "last_used_ip": None,
                   "expire_at": None, "credential_id": None, "version": "2025.4.4"}
        user = {"id": "user", "group_ids": ["system-admin"], "is_owner": True, "is_active": True, "name": "Test",
                "system_generated": False, "local_only": False}
        groups = [{"id": f"system-{name}", "name": name} for name in ("admin", "users", "read-only")]
        self.store("auth", 1, {"users": [user], "groups": groups, "credentials": [], "refresh_tokens": [refresh]}, 1)
        self.store("onboarding", 4, {"done": ["user", "core_config", "analytics", "integration"]}, 1)
        self.token = token(key, "refresh")

    def store(self, key, version, data, minor):
        text = json.dumps({"version": version, "minor_version": minor, "key": key, "data": data})
        (self.config / ".storage" / key).write_text(text)

    def command(self):
        return [self.hass, "--config", self.config]

    def ask(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}",
                                         data=json.dumps(body).encode() if body else None,
                                         headers={"Authorization": f"Bearer {self.token}",
                                                  "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def entities(self):
        """The entities that come by MQTT: state and name of each."""
        own = self.ask("template", {"template": "{{ integration_entities('mqtt') | to_json }}"})
        states = {state["entity_id"]: state for state in self.ask("states")}
        return {name: (states[name]["state"], states[name]["attributes"].get("friendly_name"))
                for name in own if name in states}

    def statistics(self, entities):
        """The sum of the newest statistics of these entities, which Home Assistant makes every five minutes."""
        database = sqlite3.connect(f"file:{self.config}/home-assistant_v2.db?mode=ro", uri=True, timeout=10)
        newest = ("select s.sum from statistics_short_term s join statistics_meta m on m.id = s.metadata_id "
                  "where m.statistic_id = ? order by s.start_ts desc limit 1")
        found = [database.execute(newest, (name,)).fetchone() for name in entities]
        database.close()
        return sum(row[0] for row in found if row)

    def stop(self):
        """Stops as its own restart does, so that its files are written."""
        if self.is_up():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def complaints(self, away):
        """Lines of the log, without those from when the broker was away, which are Home Assistant's own."""
        logs = [self.config / name for name in ("home-assistant.log.1", "home-assistant.log")]
        lines = [line for log in logs if log.exists() for line in log.read_text(errors="replace").splitlines()]
        found = [line for line in lines if re.match(r"[0-9: .-]+ (WARNING|ERROR|CRITICAL) ", line)]
        return [line for line in found if not OTHERS.search(line) and not away[0] <= line[:19] <= away[1]]


class StandIn:
    """Publishes what a camera does."""

    def __init__(self, broker):
        self.broker, self.lines, self.deleted = broker, {}, []
        self.base, self.client, self.stopping = f"tallycam/{CAMERA}", None, False
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def discovery(self, deleted=()):
        device = {"identifiers": [f"tallycam_{CAMERA}"], "name": "Door", "manufacturer": "tallycam",
                  "model": "tallycam", "sw_version": "0.1.0", "configuration_url": "http://127.0.0.1:8080/"}
        components = {}

        def add(key, platform, **more):
            components[key] = {"platform": platform, "unique_id": f"tallycam_{CAMERA}_{key}", **more}

        for number, line in self.lines.items():
            topic = f"{self.base}/lines/{number}"
            for way in ("in", "out"):
                add(f"line{number}_{way}", "sensor", name=f"{line['name']} {way}", state_topic=topic,
                    state_class="total_increasing", unit_of_measurement="crossings",
                    value_template=f"{{{{ value_json.{way}_total }}}}")
            add(f"line{number}_inside", "sensor", name=f"{line['name']} inside", state_topic=topic,
                state_class="measurement", unit_of_measurement="crossings", value_template="{{ value_json.inside }}")
            add(f"line{number}_crossing", "event", name=f"{line['name']} crossing", state_topic=f"{topic}/crossing",
                event_types=["in", "out"])
        add("recording", "switch", name="Recording", state_topic=f"{self.base}/recording",
            command_topic=f"{self.base}/recording/set")
        add("problem", "binary_sensor", name="Problem", device_class="problem", state_topic=f"{self.base}/state",
            value_template="{{ 'ON' if not value_json.healthy else 'OFF' }}", entity_category="diagnostic")
        for number in deleted:
            for key, platform in (("in", "sensor"), ("out", "sensor"), ("inside", "sensor"), ("crossing", "event")):
                components[f"line{number}_{key}"] = {"platform": platform}
        return json.dumps({"device": device, "origin": {"name": "tallycam", "sw_version": "0.1.0"}, "qos": 1,
                           "availability_topic": f"{self.base}/availability", "components": components})

    def publish_all(self):
        client, topic = self.client, f"homeassistant/device/{CAMERA}/config"
        if self.deleted:
            # First the components by their platforms alone, then without them, then their topics.
            client.publish(topic, self.discovery(self.deleted), True)
        client.publish(topic, self.discovery(), True)
        for number in self.deleted:
            client.publish(f"{self.base}/lines/{number}", "", True)
        self.deleted = []
        client.publish(f"{self.base}/availability", "online", True)
        client.publish(f"{self.base}/state", json.dumps({"healthy": True, "headline": "Live"}), True)
        client.publish(f"{self.base}/recording", "OFF", True)
        for number, line in self.lines.items():
            client.publish(f"{self.base}/lines/{number}", json.dumps(line), True)

    def run(self):
        while not self.stopping:
            try:
                with self.lock:
                    if not self.client:
                        self.client = mqtt.Client(self.broker.port, CAMERA, PASSWORD,
                                                  will=(f"{self.base}/availability", "offline"))
                        self.client.subscribe("homeassistant/status")
                        self.publish_all()
                    messages, _ = self.client.arrived(0.1)
                    for message in messages:
                        self.client.acknowledge(message)
                    if any(message.payload == b"online" for message in messages):
                        self.publish_all()
            except OSError:
                self.client = None
                time.sleep(1)
            time.sleep(0.05)

    def told(self):
        with self.lock:
            if self.client:
                self.publish_all()

    def draw(self, name):
        number = max(self.lines, default=0) + 1
        self.lines[number] = {"name": name, "in_total": 0, "out_total": 0, "inside": 0}
        self.told()
        return number

    def rename(self, number, name):
        self.lines[number]["name"] = name
        self.told()

    def delete(self, number):
        del self.lines[number]
        self.deleted.append(number)
        self.told()

    def cross(self):
        for number, line in self.lines.items():
            line["in_total"] += 1
            with self.lock:
                if self.client:
                    event = {"event_type": "in", "id": line["in_total"]}
                    self.client.publish(f"{self.base}/lines/{number}/crossing", json.dumps(event))
        self.told()

    def begin(self):
        pass

    def quiet(self):
        pass

    def totals(self):
        return {number: line["in_total"] + line["out_total"] for number, line in self.lines.items()}

    def end(self):
        self.stopping = True
        self.thread.join()


class Real:
    """The program under test, with its own [mqtt]."""

    def __init__(self, broker, folder, program):
        recorded = folder / "detections.csv"
        recorded.write_text(detections())
        self.camera = Tallycam(CAMERA, folder / CAMERA, broker, program, recorded)
        self.camera.line = None
        self.camera.more = ("mqtt.control=true", "lights.kind=sim")
        self.camera.is_quiet = True
        self.camera.start()

    def send(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.camera.port}/api/v1/{path}", method=method,
                                         data=json.dumps(body).encode() if body else None,
                                         headers={"Content-Type": "application/json", "If-Match": "*"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def draw(self, name):
        return self.send("POST", "lines", {"name": name, "a": [0.5, 1.0], "b": [0.5, 0.0]})["id"]

    def rename(self, number, name):
        self.send("PATCH", f"lines/{number}", {"name": name})

    def delete(self, number):
        self.send("DELETE", f"lines/{number}")

    def cross(self):
        time.sleep(3)

    def totals(self):
        return {row["line_id"]: row["in_total"] + row["out_total"] for row in self.camera.get("tallies")["lines"]}

    def begin(self):
        """Starts again, and counts from now on."""
        self.camera.quiet(False)
        self.wait()

    def quiet(self):
        """Starts again without counting."""
        self.camera.quiet(True)
        self.wait()

    def announce(self, is_announced):
        """Starts again with or without discovery."""
        usual = tuple(set_ for set_ in self.camera.more if not set_.startswith("mqtt.discovery"))
        self.camera.more = usual if is_announced else (*usual, "mqtt.discovery=")
        self.camera.kill()
        self.camera.start()
        self.wait()

    def forget(self):
        self.camera.run("mqtt", "forget")

    def wait(self):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                return self.totals()
            except OSError:
                time.sleep(0.5)
        raise SystemExit(f"the program does not answer: {self.camera.folder}")

    def end(self):
        self.camera.kill()


class Trial:
    subject = second = None

    def __init__(self, hass, folder, program):
        self.faults = []
        self.broker = Broker(folder / "mosquitto", ["homeassistant", "consumer", CAMERA])
        self.broker.start()
        self.home = HomeAssistant(folder / "home-assistant", hass, self.broker)
        self.home.start()
        time.sleep(1)
        self.subject = Real(self.broker, folder, program) if program else StandIn(self.broker)

    def until(self, what, holds, patience=90):
        """Waits until it holds, and says what does not."""
        until, seen = time.monotonic() + patience, None
        while time.monotonic() < until:
            try:
                seen = self.home.entities()
                if holds(seen):
                    say("ok:", what)
                    return self.all_of(seen)
            except OSError as error:
                seen = error
            time.sleep(0.5)
        self.faults.append(f"{what}: {seen}")
        return seen if isinstance(seen, dict) else {}

    def all_of(self, seen):
        """The entities, once no more of them come."""
        while True:
            time.sleep(2)
            now = self.home.entities()
            if set(now) == set(seen):
                return now
            seen = now

    def run(self):
        first = self.until("Home Assistant has the camera", lambda seen: any("problem" in name for name in seen), 300)
        line = self.subject.draw("Front door")
        drawn = self.until("a line is drawn: four entities or more", lambda seen: len(set(seen) - set(first)) >= 4)
        new = set(drawn) - set(first)
        # Home Assistant's sums begin with the first value that it sees, so nothing may have crossed before.
        self.subject.begin()
        for _ in range(5):
            self.subject.cross()
        self.until("crossings arrive", lambda seen: self.sum(seen, new) >= 5)
        self.subject.rename(line, "Back door")
        renamed = self.until("a renamed line has its new name", lambda seen: any(
            "Back door" in (name or "") for _, name in seen.values()))
        if set(renamed) != set(drawn):
            self.faults.append(f"a renamed line has other entities: {set(renamed) ^ set(drawn)}")
        away = time.strftime("%Y-%m-%d %H:%M:%S")
        self.broker.kill()
        (self.broker.folder / "data/mosquitto.db").unlink(missing_ok=True)
        time.sleep(2)
        self.broker.start()
        self.until("a killed broker that forgot everything: all is there", lambda seen: self.is_whole(seen, drawn))
        away = (away, time.strftime("%Y-%m-%d %H:%M:%S"))
        self.home.stop()
        self.home.start()
        self.until("Home Assistant is restarted: all is there", lambda seen: self.is_whole(seen, drawn), 300)
        self.subject.cross()
        total = self.subject.totals()[line]
        self.until("the totals are the camera's", lambda seen: self.sum(seen, new) >= total)
        self.check_statistics(line, new)
        second = self.subject.draw("Window")
        self.until("a second line", lambda seen: len(seen) > len(drawn))
        self.subject.delete(second)
        self.until("a deleted line leaves nothing", lambda seen: set(seen) == set(drawn))
        self.subject.delete(line)
        self.until("without lines the camera is there", lambda seen: set(seen) == set(first))
        if isinstance(self.subject, Real):
            self.commands()
            self.leaves(first)
            self.copy()
        else:
            print("LEFT OUT: commands, leaving and the copied card: a stand-in has no rules for them")
        self.subject.end()
        self.home.stop()
        complaints = self.home.complaints(away)
        for complaint in complaints[:20]:
            self.faults.append(f"Home Assistant: {complaint}")
        print(f"Home Assistant: {len(first)} entities of the camera, {len(new)} of a line, {len(complaints)} warnings")

    def check_statistics(self, line, new):
        """The statistics are the camera's totals. Nothing crosses meanwhile."""
        self.subject.quiet()
        total = self.subject.totals()[line]
        counters = [name for name in new if TOTAL.search(name)]
        until, found = time.monotonic() + 700, None
        while time.monotonic() < until and found != total:
            time.sleep(5)
            found = self.home.statistics(counters)
        if found != total:
            self.faults.append(f"the statistics are {found}, and the camera has counted {total}")
        else:
            say("ok: the statistics are the camera's totals:", found)

    def commands(self):
        """Light, recording, camera and snapshot, each by a service of Home Assistant."""
        camera = self.subject.camera
        for what, service, entity, more, path, holds in (
            ("light", "light/turn_on", "light.door_light", {"brightness": 50, "rgb_color": [10, 20, 30]}, "light",
             lambda light: (light["on"], light["brightness"], light["color"]) == (True, 50, "0A141E")),
            ("light off", "light/turn_off", "light.door_light", {}, "light", lambda light: not light["on"]),
            ("recording", "switch/turn_on", "switch.door_recording", {}, "recording", lambda now: now["recording"]),
            ("its end", "switch/turn_off", "switch.door_recording", {}, "recording", lambda now: not now["recording"]),
            ("snapshot", "button/press", "button.door_take_snapshot", {}, "media",
             lambda media: any(item["kind"] == "snapshot" for item in media["items"])),
            ("pause", "switch/turn_off", "switch.door_camera", {}, "state", lambda now: now["state"] == "paused"),
            ("resume", "switch/turn_on", "switch.door_camera", {}, "state", lambda now: now["state"] != "paused"),
        ):
            self.home.ask(f"services/{service}", {"entity_id": entity, **more})
            until, answer = time.monotonic() + 30, None
            while time.monotonic() < until and not (answer and holds(answer)):
                time.sleep(0.5)
                answer = camera.get(path)
            if holds(answer):
                say("ok: Home Assistant commands:", what)
            else:
                self.faults.append(f"a command of Home Assistant has no effect: {what}: {answer}")
        names = {row["who"] for row in camera.get("audit")["items"] if row["kind"] == "changed"}
        if "mqtt" not in names:
            self.faults.append(f"the list of activities does not name the commands: {names}")

    def leaves(self, first):
        """The camera leaves Home Assistant and comes back, by its setting and by command."""
        self.subject.announce(False)
        self.until("without discovery nothing is left", lambda seen: not seen)
        self.subject.announce(True)
        self.until("with discovery all is there again", lambda seen: self.is_whole(seen, first))
        self.subject.forget()
        self.until("a forgotten camera leaves nothing", lambda seen: not seen)
        kept = self.kept()
        if kept:
            self.faults.append(f"the broker still keeps topics of a forgotten camera: {kept}")
        self.subject.announce(True)
        self.until("after a restart all is there again", lambda seen: self.is_whole(seen, first))

    def kept(self):
        """Retained topics of the camera at the broker."""
        client = mqtt.Client(self.broker.port, "consumer", PASSWORD)
        client.subscribe(f"tallycam/{CAMERA}/#")
        found, until = set(), time.monotonic() + 3
        while time.monotonic() < until:
            messages, _ = client.arrived(0.2)
            found |= {message.topic for message in messages if message.retained}
        client.close()
        return sorted(found)

    def copy(self):
        """A second device with the same id: the broker keeps the newer one."""
        recorded, camera = self.subject.camera.recorded, self.subject.camera
        before = self.subject.totals()
        copy = self.second = Tallycam(CAMERA, camera.folder.parent / "copy", self.broker, camera.program, recorded)
        copy.start()
        until = time.monotonic() + 90
        words = ""
        while time.monotonic() < until and "another client" not in words:
            words = "".join(self.told(one) for one in (camera, copy))
            time.sleep(2)
        copy.kill()
        if "another client" not in words:
            self.faults.append(f"a copied card is not detected; the totals before: {before}")

    @staticmethod
    def told(camera):
        """What the camera says of its state; nothing while it does not answer."""
        try:
            return json.dumps(camera.get("state"))
        except OSError:
            return ""

    @staticmethod
    def sum(seen, new):
        """The sum of the total counters among `new`."""
        values = [seen[name][0] for name in new if name in seen and TOTAL.search(name)]
        return sum(int(float(value)) for value in values if value not in ("unknown", "unavailable"))

    @staticmethod
    def is_whole(seen, drawn):
        return set(seen) == set(drawn) and not any(state == "unavailable" for state, _ in seen.values())

    def end(self):
        if self.second:
            self.second.kill()
        if self.subject:
            self.subject.end()
        self.home.kill()
        self.broker.kill()


def main():
    if len(sys.argv) < 2 or "--help" in sys.argv:
        print(__doc__)
        sys.exit(0 if "--help" in sys.argv else 64)
    if not shutil.which(sys.argv[1]):
        sys.exit(f"NOT RUN: Home Assistant: there is no {sys.argv[1]} (PyPI: homeassistant)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp())
    trial = Trial(sys.argv[1], folder, sys.argv[2] if len(sys.argv) > 2 else None)
    try:
        trial.run()
    finally:
        trial.end()
    for words in trial.faults:
        print("FAILED:", words)
    if trial.faults:
        print("logs:", folder)
    else:
        shutil.rmtree(folder)
    print("homeassistant:", "failed" if trial.faults else "all entities are right, no warning")
    sys.exit(bool(trial.faults))


if __name__ == "__main__":
    main()
