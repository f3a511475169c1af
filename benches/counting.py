"""Measures what counting costs, and writes docs/performance-counting.md.

Run by benches/run, which builds what this needs. What is compared takes turns, in reversed order in every second
pair: the same daemon on the same fake camera with and without counting, and the model in tallycam's engine and in
onnxruntime. The pictures are those of a real clip where ../shared/testdata has it, else drawn ones.

Environment: PAIRS (5), SECONDS_EACH (6), QUICK=1 (one short pair, writes nothing).
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import urllib.request

import against_ustreamer as picture
from against_ustreamer import FPS, OUT, PAIRS, PORT, QUICK, Server, Session, spread

DOCUMENT = "docs/performance-counting.md"
CLIP = os.path.join(os.environ.get("TALLYCAM_TESTDATA", "../shared/testdata"), "video/vtest.avi")
RELEASE = "target/release"


def daemon(*sets):
    """The command line of a daemon on the fake camera, with more settings."""

    def command(device, pixel_format, width, height, folder):
        settings = [
            "source.kind=v4l2", f"source.device={device}", f"source.format={pixel_format}",
            f"source.width={width}", f"source.height={height}", f"source.fps={FPS}",
            f'http.listen=["127.0.0.1:{PORT}"]', f"store.directory={folder}/data", *sets,
        ]  # fmt: skip
        return [f"{RELEASE}/tallycam", "serve", *(word for s in settings for word in ("--set", s))]

    return command


LINE = 'line=[{name = "Middle", a = [0.5, 1.0], b = [0.5, 0.0]}]'
WITHOUT = Server("without counting", True, daemon("detect.backend=none"))
MODEL = Server("the model", False, daemon("detect.backend=onnx", LINE))
MOTION = Server("motion", False, daemon("detect.backend=motion", LINE))


def pictures():
    """A folder of camera pictures: a clip's, which are worth looking at, or drawn ones. Like a camera's they have the
    Huffman tables of the standard (T.81 Annex K), and not each one its own."""
    folder = f"{OUT}/camera"
    if not os.path.exists(CLIP) or not shutil.which("ffmpeg"):
        print(f"LEFT OUT: no {CLIP} (or no ffmpeg): drawn pictures are used", file=sys.stderr)
        return "720p"
    if not os.path.isdir(folder):
        os.makedirs(folder + ".part", exist_ok=True)
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", "-i", CLIP, "-vf", "fps=10,scale=1280:720", "-frames:v", "200",
             "-q:v", "5", "-huffman", "default", f"{folder}.part/%03d.jpg"], check=True)  # fmt: skip
        os.rename(folder + ".part", folder)
    return "camera"


def asked(path):
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=5) as answer:
        return json.load(answer)


def on_the_camera(server, folder):
    """One viewer's latency, and memory and detection rate meanwhile."""
    with Session(server, "MJPG", folder, 1280, 720) as session:
        if server is not WITHOUT:
            deadline = time.monotonic() + 60
            while asked("/api/v1/state")["counting"]["state"] != "counting" or asked("/api/v1/model")["detections_per_second"] < 1:
                if time.monotonic() > deadline:
                    sys.exit(f"it does not count: {asked('/api/v1/state')['counting']}")
                time.sleep(0.2)
            time.sleep(2)
        row = session.watch(1)
        if server is not WITHOUT:
            model = asked("/api/v1/model")
            row["looks"] = model["detections_per_second"]
            row["detection_ms"] = model["detection_ms"]
            row["inference_ms"] = model["inference_ms"]
            row["around_percent"] = 100 * (model["detection_ms"] - model["inference_ms"]) / model["inference_ms"]
    return row


def example(name, *arguments):
    """What an example prints."""
    run = subprocess.run([f"{RELEASE}/examples/{name}", *arguments], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"example {name}: {run.stderr.strip()}")
    return run.stdout


def in_a_crowd():
    """Median time of a frame with 200 walkers, in ms: the worst of the densities."""
    worst = 0.0
    for line in example("crowd").splitlines()[1:]:
        walkers, _, _, median, *_ = line.split()
        value, unit = re.fullmatch(r"([\d.]+)(ns|µs|ms|s)", median).groups()
        if walkers == "200":
            worst = max(worst, float(value) * {"ns": 1e-6, "µs": 1e-3, "ms": 1, "s": 1000}[unit])
    return worst


def against_onnxruntime():
    """The script's own output for the built-in model, SSDLite and YOLOX-nano 416."""
    larger = f"{os.path.dirname(CLIP)}/../models/yolox_nano_416.onnx"
    models = ["models/yolox_nano_320.onnx", "models/catalogue/ssdlite_mobilenet_v2.onnx"]
    models += [larger] if os.path.exists(larger) else []
    run = subprocess.run(["benches/against_onnxruntime", *models], capture_output=True, text=True)
    if run.returncode:
        print(f"LEFT OUT: onnxruntime: {run.stderr.strip() or run.stdout.strip()}", file=sys.stderr)
        return None
    return run.stdout.strip()


def report(rows, crowd, ledger, engine):
    def of(server, measure):
        return [row[measure] for row in rows[server.name]]

    def ratios(measure):
        return [on / off for on, off in zip(of(MODEL, measure), of(WITHOUT, measure))]

    def check(good):
        return "✓" if good else "✗"

    p99, around, memory = ratios("p99_ms"), of(MODEL, "around_percent"), of(MODEL, "rss_mib")
    lines = [
        "## Targets", "", "Median of the pairs (lowest…highest).", "", "| target | measured | |", "|---|---|---|",
        f"| the stream's p99 latency with the model counting ≤ 1.2 × without | {spread(p99, '{:.2f}'.format)} | {check(statistics.median(p99) <= 1.2)} |",
        f"| everything around inference ≤ 10 % of it | {spread(around, '{:.1f} %'.format)} | {check(statistics.median(around) <= 10)} |",
        f"| RSS counting and streaming ≤ 150 MB | {spread(memory)} MiB | {check(statistics.median(memory) <= 143)} |",
        f"| 200 live tracks in ≤ 1 ms a frame | {crowd:.2f} ms | {check(crowd <= 1)} |",
        "", "## Figures", "", "| | without counting | the model | motion |", "|---|---|---|---|",
    ]  # fmt: skip
    for measure, title in [
        ("p50_ms", "latency p50, 1 viewer, ms"), ("p99_ms", "latency p99, 1 viewer, ms"),
        ("cpu_ms", "CPU of the daemon per picture, ms"), ("rss_mib", "RSS, MiB"), ("looks", "detections per second"),
        ("detection_ms", "a look, ms"), ("inference_ms", "inference in it (motion: all of the detector), ms"),
    ]:  # fmt: skip
        cells = [spread(of(s, measure)) if measure in rows[s.name][0] else "–" for s in (WITHOUT, MODEL, MOTION)]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines += ["", "## The engine", "", "```", engine or "onnxruntime could not be had.", "```", ""]
    lines += ["## Recording crossings", "", "```", ledger.strip(), "```", ""]
    lines += ["## Machine", "", *picture.machine(), ""]
    return "\n".join(lines)


INTRODUCTION = f"""# What counting costs

`make bench` measures this on the fake camera (1280×720, MJPG, 30 a second) with one viewer, and writes the tables
below; how stands in `benches/counting.py`. How right the counts are stands in [accuracy.md](accuracy.md).

{picture.BEGIN}
{picture.END}
"""


def main():
    folder = pictures()
    servers = [WITHOUT, MODEL, MOTION]
    rows = {server.name: [] for server in servers}
    for pair in range(PAIRS):
        for server in servers if pair % 2 == 0 else reversed(servers):
            rows[server.name].append(on_the_camera(server, folder))
        print(f"pair {pair + 1} of {PAIRS}; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    text = report(rows, in_a_crowd(), example("counts"), against_onnxruntime())
    print(text)
    if not QUICK:
        picture.write(text, DOCUMENT, INTRODUCTION)


if __name__ == "__main__":
    main()
