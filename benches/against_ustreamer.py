"""Measures tallycam against Debian's µStreamer on the fake camera and writes docs/performance.md.

Run by benches/run, which builds what this needs. The two take turns, and the order is reversed in every
second pair. CPU is the run time in ns of the server's own threads (/proc/PID/task/*/schedstat): the
thread "fakecam" is the camera and is left out, the clients are another process. A ratio is tallycam's
figure over µStreamer's in the same pair; below 1, tallycam needs less.

Environment: PAIRS (5), SECONDS_EACH (6), QUICK=1 (one short pair, writes nothing), ONLY (scenarios).
"""

import glob
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

OUT = os.path.abspath(sys.argv[1])
QUICK = os.environ.get("QUICK") == "1"
PAIRS = int(os.environ.get("PAIRS", 1 if QUICK else 5))
SECONDS = float(os.environ.get("SECONDS_EACH", 1.5 if QUICK else 6))
WARM_UP = 1.0
FPS = 30
QUALITY = 80
DOCUMENT = "docs/performance.md"
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"
PORT = 18480


class Server:
    """A server under test: how it is started for a camera, and whether it lets the camera sleep."""

    def __init__(self, name, sleeps, command):
        self.name, self.sleeps, self.command = name, sleeps, command


def tallycam(device, pixel_format, width, height, folder):
    config = f"{folder}/tallycam.toml"
    with open(config, "w") as f:
        f.write(
            f'[source]\nkind = "v4l2"\ndevice = "{device}"\nformat = "{pixel_format}"\n'
            f"width = {width}\nheight = {height}\nfps = {FPS}\n"
            f'[stream]\nquality = {QUALITY}\nidle_stop = "1s"\n'
            f'[http]\nlisten = ["127.0.0.1:{PORT}"]\n'
        )
    return ["target/release/tallycam", "serve", "--config", config]


def ustreamer(device, pixel_format, width, height, _folder):
    kind = "MJPEG" if pixel_format == "MJPG" else pixel_format
    return ["ustreamer", "-d", device, "-r", f"{width}x{height}", "-m", kind,
            "-w", "1", "-q", str(QUALITY), "-s", "127.0.0.1", "-p", str(PORT)]  # fmt: skip


OURS = Server("tallycam", True, tallycam)
THEIRS = Server("µStreamer", False, ustreamer)
URL = f"http://127.0.0.1:{PORT}/stream"


# ---- figures of /proc ----


def family(pid):
    """The process and all its descendants."""
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        try:
            with open(path) as f:
                found += [p for child in f.read().split() for p in family(int(child))]
        except OSError:
            pass
    return found


def cpu_ns(pid):
    """Run time of each of the server's threads, the camera's left out."""
    times = {}
    for p in family(pid):
        for task in glob.glob(f"/proc/{p}/task/*"):
            try:
                with open(task + "/comm") as f:
                    if f.read().strip() == "fakecam":
                        continue
                with open(task + "/schedstat") as f:
                    times[task] = int(f.read().split()[0])
            except (OSError, ValueError):
                pass
    return times


def rss_kib(pid):
    """Resident memory without the camera: its buffers are shared memory, its pictures mapped files."""
    total = 0
    for p in family(pid):
        with open(f"/proc/{p}/status") as f:
            for line in f:
                if line.startswith(("RssAnon", "RssFile")):
                    total += int(line.split()[1])
        cameras = False
        with open(f"/proc/{p}/smaps") as f:
            for line in f:
                if "-" in line.split(" ", 1)[0]:
                    cameras = ".yuyv" in line or ".jpg" in line or "fakecam.so" in line
                elif cameras and line.startswith("Rss:"):
                    total -= int(line.split()[1])
    return total


class Usage:
    """CPU used between two moments."""

    def __init__(self, pid):
        self.pid, self.before, self.began = pid, cpu_ns(pid), time.monotonic()

    def ms_per_second(self):
        now = cpu_ns(self.pid)
        seconds = time.monotonic() - self.began
        return sum(ns - self.before.get(task, 0) for task, ns in now.items()) / 1e6 / seconds


# ---- running one server ----


def viewer(*arguments):
    """The figures it prints, or None where it failed."""
    run = subprocess.run([f"{OUT}/viewer", *map(str, arguments)], capture_output=True, text=True)
    if run.returncode:
        print(f"    viewer {' '.join(map(str, arguments))}: {run.stderr.strip()}", file=sys.stderr)
        return None
    return figures(run.stdout)


def figures(text):
    return {key: float(value) for key, _, value in (word.partition("=") for word in text.split())}


class Session:
    """One server on one fake camera, from exec to its end."""

    def __init__(self, server, pixel_format, pictures, width, height):
        self.server = server
        self.folder = tempfile.TemporaryDirectory(prefix="bench-", dir=OUT)
        self.log = f"{self.folder.name}/camera.log"
        device = f"{self.folder.name}/video0"
        environment = dict(
            os.environ,
            LD_PRELOAD=f"{OUT}/fakecam.so",
            FAKECAM_PATH=device,
            FAKECAM_STATE=self.folder.name,
            FAKECAM_LOG=self.log,
            FAKECAM_FORMATS=pixel_format,
            FAKECAM_SIZES=f"{width}x{height}",
            FAKECAM_FPS=str(FPS),
            FAKECAM_FRAMES=f"{OUT}/{pictures}",
        )
        command = server.command(device, pixel_format, width, height, self.folder.name)
        self.output = open(f"{OUT}/{server.name}.log", "w")
        self.began_us = time.monotonic_ns() // 1000
        self.process = subprocess.Popen(command, env=environment, stdout=self.output, stderr=self.output)
        self.pid = self.process.pid

    def __enter__(self):
        self.first = viewer(URL, "-f", "-b", self.began_us)
        if self.first is None or self.process.poll() is not None:
            self.__exit__()
            sys.exit(f"{self.server.name} shows no picture; see {OUT}/{self.server.name}.log")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()
        self.folder.cleanup()

    def wait_for_sleep(self):
        """Until the camera is let go: idle_stop, here one second, after the last viewer."""
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            with open(self.log) as f:
                words = [line.split()[2] for line in f]
            if words.count("open") == words.count("close"):
                return
            time.sleep(0.02)
        sys.exit(f"{self.server.name} does not let the camera go")

    def watch(self, clients, save_to=None):
        """Figures with so many viewers."""
        with tempfile.TemporaryDirectory(dir=OUT) as folder:
            mark = f"{folder}/mark"
            command = [f"{OUT}/viewer", URL, "-n", str(clients), "-t", str(SECONDS), "-w", str(WARM_UP), "-m", mark]
            if save_to:
                command += ["-s", save_to]
            client = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            while not os.path.exists(mark) and client.poll() is None:
                time.sleep(0.002)
            usage = Usage(self.pid)
            time.sleep(SECONDS - 0.1)
            used = usage.ms_per_second()
            memory = rss_kib(self.pid) / 1024
            text = client.communicate()[0]
        if client.returncode:
            sys.exit(f"{self.server.name} with {clients} viewers: the client failed")
        row = figures(text)
        if row["alive"] != clients or row["unstamped"]:
            print(f"    {self.server.name}: {text.strip()}", file=sys.stderr)
        return {
            "cpu_ms": used / row["fps"],
            "fps": row["fps"],
            "kb": row["bytes"] / 1000,
            "p50_ms": row["p50_ms"],
            "p99_ms": row["p99_ms"],
            "rss_mib": memory,
        }


# ---- scenarios: each gives {measure: figure} for one server ----


def with_viewers(server, pixel_format, pictures, width, height, counts, psnr=False):
    result = {}
    with Session(server, pixel_format, pictures, width, height) as session:
        result["start_ms"] = session.first["since_ms"]
        for clients in counts:
            with tempfile.TemporaryDirectory(dir=OUT) as folder:
                row = session.watch(clients, folder if psnr else None)
                if psnr:
                    files = sorted(glob.glob(f"{folder}/*.jpg"))
                    row["psnr_db"] = viewer("-p", f"{OUT}/{pictures}", width, height, *files)["psnr_db"]
                    psnr = False
            result.update({f"{key}_{clients}": value for key, value in row.items()})
        if 100 in counts:
            result["rss_growth_mib"] = result["rss_mib_100"] - result["rss_mib_1"]
    return result


def raw_720p(server):
    return with_viewers(server, "YUYV", "720p", 1280, 720, [1, 10, 100], psnr=True)


def raw_1080p(server):
    return with_viewers(server, "YUYV", "1080p", 1920, 1080, [1], psnr=True)


def passed_through(server):
    return with_viewers(server, "MJPG", "720p", 1280, 720, [1, 10, 100])


def idle(server):
    """Nobody watches: CPU, and the way to the first picture from there and while somebody watches."""
    tries = 2 if QUICK else 4
    asleep, awake = [], []
    with Session(server, "YUYV", "720p", 1280, 720) as session:
        if server.sleeps:
            session.wait_for_sleep()
        else:
            time.sleep(1.5)
        usage = Usage(session.pid)
        time.sleep(2 if QUICK else 5)
        percent = usage.ms_per_second() / 10
        for _ in range(tries):
            if server.sleeps:
                session.wait_for_sleep()
            asleep.append(viewer(URL, "-f")["connect_ms"])
        keep_awake = subprocess.Popen([f"{OUT}/viewer", URL, "-t", "30"], stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        for i in range(4 * tries):
            awake.append(viewer(URL, "-f")["connect_ms"])
            time.sleep(0.05 + 0.007 * i)  # so that they do not all meet the same moment of a frame
        keep_awake.kill()
        keep_awake.wait()
    return {
        "idle_percent": percent,
        "asleep_ms": statistics.median(asleep),
        "awake_ms": statistics.median(awake),
    }


def stalled(server):
    """A viewer with a 32 kB buffer stalls for three seconds; pictures are about 50 kB."""
    with Session(server, "MJPG", "480p", 640, 480) as session:
        row = viewer(URL, "-z", 1 if QUICK else 3)
        assert session.process.poll() is None
    return {"old_pictures": row["old"] if row else float("nan")}


SCENARIOS = {
    "raw 1280×720": raw_720p,
    "raw 1920×1080": raw_1080p,
    "pass-through 1280×720": passed_through,
    "idle at raw 1280×720": idle,
    "stalled viewer": stalled,
}


# ---- the report ----


class Results:
    """Figures by scenario, measure and server: one for each pair."""

    def __init__(self):
        self.rows = {}

    def add(self, scenario, server, row):
        for measure, value in row.items():
            self.rows.setdefault((scenario, measure), {}).setdefault(server.name, []).append(value)

    def of(self, scenario, measure, server):
        return self.rows.get((scenario, measure), {}).get(server.name, [])

    def ratios(self, scenario, measure):
        pairs = zip(self.of(scenario, measure, OURS), self.of(scenario, measure, THEIRS))
        return [ours / theirs for ours, theirs in pairs if theirs]


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 20 else f"{value:.2f}"


def spread(values, form=number):
    if not values:
        return "–"
    if len(values) == 1:
        return form(values[0])
    return f"{form(statistics.median(values))} ({form(min(values))}…{form(max(values))})"


MEASURES = [
    ("cpu_ms_1", "CPU per frame, 1 viewer, ms"),
    ("cpu_ms_10", "CPU per frame, 10 viewers, ms"),
    ("cpu_ms_100", "CPU per frame, 100 viewers, ms"),
    ("psnr_db_1", "PSNR of luma, dB"),
    ("kb_1", "kB per picture"),
    ("fps_1", "pictures a second, 1 viewer"),
    ("fps_100", "pictures a second, 100 viewers"),
    ("p50_ms_1", "latency p50, 1 viewer, ms"),
    ("p99_ms_1", "latency p99, 1 viewer, ms"),
    ("p50_ms_100", "latency p50, 100 viewers, ms"),
    ("p99_ms_100", "latency p99, 100 viewers, ms"),
    ("start_ms", "exec to the first picture, ms"),
    ("rss_mib_1", "RSS, 1 viewer, MiB"),
    ("rss_growth_mib", "RSS, growth to 100 viewers, MiB"),
    ("idle_percent", "CPU with nobody watching, % of a core"),
    ("asleep_ms", "connect to first picture, nobody was watching, ms"),
    ("awake_ms", "connect to first picture, somebody was watching, ms"),
    ("old_pictures", "old pictures after a stall of 3 s"),
]


def table_of_figures(results):
    lines = ["| | | tallycam | µStreamer | ratio |", "|---|---|---|---|---|"]
    for scenario in SCENARIOS:
        for measure, title in MEASURES:
            ours = results.of(scenario, measure, OURS)
            if not ours:
                continue
            theirs = results.of(scenario, measure, THEIRS)
            lines.append(
                f"| {scenario} | {title} | {spread(ours)} | {spread(theirs)} | "
                f"{spread(results.ratios(scenario, measure), '{:.2f}'.format)} |"
            )
    return lines


def table_of_targets(results):
    """Target, figure, reached or not. A ratio is the median of the pairs' ratios."""
    raw, raw_large, through = "raw 1280×720", "raw 1920×1080", "pass-through 1280×720"
    lines = ["| target | measured | |", "|---|---|---|"]

    def row(target, values, limit, form="{:.2f}"):
        if values:
            value = statistics.median(values)
            lines.append(f"| {target} | {spread(values, form.format)} | {'✓' if value <= limit else '✗'} |")

    def ratio(target, scenario, measure, limit):
        row(f"{target}: ratio ≤ {limit}", results.ratios(scenario, measure), limit)

    for scenario in (raw, raw_large):
        ratio(f"{scenario}, 1 viewer, CPU per frame", scenario, "cpu_ms_1", 0.55)
        both = [results.of(scenario, m, s) for m in ("psnr_db_1", "kb_1") for s in (OURS, THEIRS)]
        if all(both):
            ours_db, theirs_db, ours_kb, theirs_kb = map(statistics.median, both)
            held = ours_db >= theirs_db - 0.005 and ours_kb <= theirs_kb * 1.0005
            lines.append(
                f"| {scenario}: no worse PSNR and no more bytes | {ours_db:.2f} dB and {ours_kb:.1f} kB "
                f"against {theirs_db:.2f} dB and {theirs_kb:.1f} kB | {'✓' if held else '✗'} |"
            )
    ratio("raw 1280×720, 100 viewers, CPU per frame", raw, "cpu_ms_100", 0.35)
    ratio("pass-through, 1 viewer, CPU per frame", through, "cpu_ms_1", 0.6)
    ratio("pass-through, 100 viewers, CPU per frame", through, "cpu_ms_100", 0.25)
    for scenario in (raw, through):
        for clients in (1, 100):
            for part in ("p50", "p99"):
                ratio(f"{scenario}, latency {part}, {clients} viewer{'s' * (clients > 1)}",
                      scenario, f"{part}_ms_{clients}", 1)  # fmt: skip
    row("nobody watching: camera closed, ≤ 0.1 % of a core", results.of("idle at raw 1280×720", "idle_percent", OURS), 0.1, "{:.3f}")
    for scenario in (raw, through):
        row(f"{scenario}: RSS with 1 viewer ≤ 12 MB", megabytes(results, scenario, "rss_mib_1"), 12, "{:.1f}")
        row(f"{scenario}: RSS growth to 100 viewers ≤ 5 MB", megabytes(results, scenario, "rss_growth_mib"), 5, "{:.1f}")
        ratio(f"{scenario}: exec to first picture", scenario, "start_ms", 1)
    beyond = [ms - 1000 / FPS for ms in results.of("idle at raw 1280×720", "asleep_ms", OURS)]
    row("sleeping camera to first picture: ≤ 150 ms beyond the camera's first frame", beyond, 150, "{:.0f}")
    row("stalled viewer that resumes: ≤ 3 old pictures", results.of("stalled viewer", "old_pictures", OURS), 3, "{:.0f}")
    return lines


def megabytes(results, scenario, measure):
    return [mib * 1.048576 for mib in results.of(scenario, measure, OURS)]


def first_line(command):
    try:
        run = subprocess.run(command, capture_output=True, text=True)
        return (run.stdout or run.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "?"


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", f.read(), re.MULTILINE)
    return [
        f"- CPU: {model.group(1) if model else platform.machine()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}",
        f"- tallycam: {first_line(['target/release/tallycam', '--version'])}; µStreamer: {first_line(['ustreamer', '--version'])}",
        f"- {PAIRS} pairs; each figure from {SECONDS:g} s after {WARM_UP:g} s of warming up; {FPS} frames a second, quality {QUALITY}",
        f"- `{' '.join(ustreamer('DEVICE', 'YUYV', 1280, 720, ''))}` (`-m MJPEG` for pass-through)",
        "- `target/release/tallycam serve --config FILE` with the same device, format, size, fps and quality, and `idle_stop = \"1s\"`",
    ]


def report(results):
    return "\n".join([
        "## Targets", "", "Ratios are tallycam's figure over µStreamer's: median of the pairs (lowest…highest).", "",
        *table_of_targets(results), "", "## Figures", "", "Median of the pairs (lowest…highest).", "",
        *table_of_figures(results), "", "## Machine and command lines", "", *machine(), "",
    ])  # fmt: skip


INTRODUCTION = f"""# How fast it is

`make bench` measures tallycam against Debian's µStreamer on the same preloaded fake camera and writes
the tables below. How it measures stands in `benches/against_ustreamer.py`: in short, the two take turns, in reversed order in every second
pair; CPU is that of the server's own threads, without the camera and without the clients; a picture is counted when the camera's stamp is read out of it, so
that a placeholder never counts; latency is from the moment the frame was due at the sensor to its last byte at the client. The pictures are drawn by
`benches/frames.c` and are the same each time.

µStreamer keeps its camera open while nobody watches, and has no setting to let it go; so its "nobody was
watching" figure is an open camera's, and tallycam's includes opening it and waiting for its first frame.

{BEGIN}
{END}
"""


def write(text, path=DOCUMENT, introduction=None):
    """Puts `text` between the two marks of the document at `path`, which is `introduction` where there is none yet."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    document = INTRODUCTION if introduction is None else introduction
    if os.path.exists(path):
        with open(path) as f:
            document = f.read()
    if BEGIN not in document or END not in document:
        sys.exit(f"{path} lacks the lines {BEGIN!r} and {END!r}")
    head, rest = document.split(BEGIN, 1)
    tail = rest.split(END, 1)[1]
    with open(path, "w") as f:
        f.write(f"{head}{BEGIN}\n\n{text}\n{END}{tail}")
    print(f"written: {path}")


def main():
    for program, cure in (("ustreamer", "apt install ustreamer"), ("target/release/tallycam", "cargo build --release")):
        if not shutil.which(program):
            sys.exit(f"{program} is missing: {cure}")
    only = os.environ.get("ONLY")
    chosen = {k: v for k, v in SCENARIOS.items() if not only or k in only.split(",")}
    results = Results()
    for pair in range(PAIRS):
        servers = [OURS, THEIRS] if pair % 2 == 0 else [THEIRS, OURS]
        for scenario, measure in chosen.items():
            for server in servers:
                results.add(scenario, server, measure(server))
            print(f"pair {pair + 1} of {PAIRS}: {scenario}; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    text = report(results)
    print(text)
    if not QUICK and not only:
        write(text)


if __name__ == "__main__":
    main()
