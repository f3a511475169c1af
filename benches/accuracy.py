"""Compares tallycam's crossings with the truth and with supervision's, and writes docs/accuracy.md.

`make accuracy` runs it. It counts clips with `tallycam count`, two at once. A counted crossing is correct if a true
crossing in the same direction is at most a second away; each true one serves once. The peer (supervision: ByteTrack
and LineZone) gets recorded detections, if this Python has it.

Clips, truth and detections are not part of this repository. They are looked for in ../shared/testdata, or in
TALLYCAM_TESTDATA. What is missing is left out and named. QUICK=1 counts only with the built-in model at its own size,
5 times a second.

Usage: accuracy.py TALLYCAM
"""

import collections
import concurrent.futures
import csv
import functools
import json
import os
import pathlib
import platform
import subprocess
import sys

try:
    import numpy
    import supervision
except ImportError:
    supervision = None

DATA = os.environ.get("TALLYCAM_TESTDATA", "../shared/testdata")
DOCUMENT = pathlib.Path("docs/accuracy.md")
BEGIN, END = "<!-- make accuracy writes from here -->", "<!-- to here -->"
TOLERANCE = 1.0  # seconds
RATES = [10, 5, 10 / 3]  # detections a second
# Maximum error of the built-in model's counts, lines and directions added up, at each of RATES.
MOST_OFF = {"vtest": (8, 8, 12), "one-by-one": (0, 1, 1), "street": (0, 0, 1), "cardet": (3, 3, 4)}

Clip = collections.namedtuple("Clip", "file fps classes truth lines")
PEOPLE, ROAD = "person", "bicycle,car,motorcycle,bus,truck"
VTEST_LINES = {"D": (300, 400, 300, 120), "A": (384, 576, 384, 0), "B": (500, 576, 500, 0), "C": (150, 330, 620, 160)}
CLIPS = {
    "vtest": Clip("vtest.avi", 10, PEOPLE, "PETS09-S2L1.gt.txt", VTEST_LINES),
    "one-by-one": Clip("one-by-one-person-detection.mp4", 10, PEOPLE, "", {"exit": (600, 432, 600, 0)}),
    "street": Clip("street.mp4", 24, ROAD, "street.truth.csv", {"diag": (60, 351, 639, 200)}),
    "cardet": Clip("cardet.mp4", 12.5, ROAD, "cardet.truth.csv", {"across": (0, 216, 767, 216)}),
}
# Times at which the six persons passed the line of one-by-one, read from the clip's frames to half a second.
EXITS = (19.0, 44.0, 69.0, 86.0, 119.0, 135.0)
# Title, --model, `[detect] region`.
BUILT_IN = "built-in (YOLOX-nano 320)", "yolox_nano_320"
MODELS = [
    (*BUILT_IN, "auto"),
    (*BUILT_IN, "picture"),
    (*BUILT_IN, "line"),
    ("YOLOX-nano 416", f"{DATA}/models/yolox_nano_416.onnx", "picture"),
    ("SSDLite 300 (the built-in model before)", "models/catalogue/ssdlite_mobilenet_v2.onnx", "line"),
]
SIZES = ["auto", "416x416", "512x384"]
RECORDED = {"YOLOX-nano 416": "yolox_nano_416", "SSDLite 300": "ssdlite_mnv2_coco300"}

# A clip counted in one way; `source` is --model or --replay with its value, and more arguments.
Job = collections.namedtuple("Job", "clip every region source classes")
Crossing = collections.namedtuple("Crossing", "time right is_person")


@functools.cache
def truth(name, line):
    """The true crossings: seconds, and whether from the line's left to its right."""
    clip = CLIPS[name]
    if not clip.truth:
        return [(seconds, True) for seconds in EXITS]
    with open(f"{DATA}/groundtruth/{clip.truth}") as f:
        rows = list(csv.reader(f))
    if name != "vtest":
        return [(float(seconds), way == "out") for _, seconds, way in rows]
    ax, ay, bx, by = clip.lines[line]
    dx, dy = bx - ax, by - ay
    tracks = collections.defaultdict(list)
    for frame, who, left, top, width, height, flag, *_ in rows:
        if flag != "0":
            tracks[who].append((int(frame), float(left) + float(width) / 2, float(top) + float(height)))
    crossed = []
    for track in map(sorted, tracks.values()):
        for (_, x, y), (frame, to_x, to_y) in zip(track, track[1:]):
            before, after = (dx * (v - ay) - dy * (u - ax) for u, v in ((x, y), (to_x, to_y)))
            if (before < 0) == (after < 0):
                continue
            share = before / (before - after)
            u, v = x + share * (to_x - x), y + share * (to_y - y)
            if 0 <= ((u - ax) * dx + (v - ay) * dy) / (dx * dx + dy * dy) <= 1:
                crossed.append(((frame - 1) / clip.fps, after > before))
    return crossed


def count(tallycam, job):
    """The crossings by line. Lines share a run only on whole pictures: elsewhere they would share regions."""
    clip, found = CLIPS[job.clip], {}
    for lines in [list(clip.lines)] if job.region == "picture" else [[line] for line in clip.lines]:
        command = [tallycam, "count", f"{DATA}/video/{clip.file}", "--json", "--every", str(job.every), *job.source]
        command += ["--set", f"detect.region={job.region}"] + (["--classes", job.classes] if job.classes else [])
        command += [a for line in lines for a in ("--line", f"{line}={','.join(map(str, clip.lines[line]))}")]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
        for line in json.loads(run.stdout)["lines"]:
            rows = [(c["time_s"], c["direction"] == "out", c["class"] == "person") for c in line["crossings"]]
            found[line["name"]] = [Crossing(*row) for row in rows]
    print(*job, {line: len(crossings) for line, crossings in found.items()}, flush=True)
    return found


def peer(job):
    """The crossings by line that supervision makes of the same recorded detections; None without supervision."""
    if supervision is None:
        return None
    clip, boxes = CLIPS[job.clip], collections.defaultdict(list)
    with open(job.source[1]) as f:
        for row in csv.DictReader(f):
            if row["class"] == "person" and float(row["score"]) >= 0.1:
                boxes[int(row["frame"])].append([float(row[key]) for key in ("x1", "y1", "x2", "y2", "score")])
    tracker = supervision.ByteTrack(
        track_activation_threshold=0.4, minimum_matching_threshold=0.9, lost_track_buffer=60, frame_rate=30
    )
    point, foot = supervision.Point, [supervision.Position.BOTTOM_CENTER]
    zones = {line: supervision.LineZone(point(*e[:2]), point(*e[2:]), foot) for line, e in clip.lines.items()}
    found = {line: [] for line in zones}
    for frame in range(1, max(boxes) + 1, job.every):
        rows = numpy.array(boxes[frame], dtype=float).reshape(-1, 5)
        seen = supervision.Detections(rows[:, :4], confidence=rows[:, 4], class_id=numpy.zeros(len(rows), dtype=int))
        seen = tracker.update_with_detections(seen)
        for line, zone in zones.items():
            # Its "in" is to the left, its "out" to the right.
            for right, crossed in enumerate(zone.trigger(seen)):
                found[line] += [Crossing((frame - 1) / clip.fps, bool(right), True)] * int(sum(crossed))
    return found


def matched(counted, true):
    """How many of the counted are true ones: the nearest pairs first, each once."""
    pairs = ((abs(c[0] - t[0]), n, m) for n, c in enumerate(counted) for m, t in enumerate(true) if c[1] == t[1])
    used, served = set(), set()
    for away, n, m in sorted(pairs):
        if away <= TOLERANCE and n not in used and m not in served:
            used.add(n)
            served.add(m)
    return len(used)


def sums(name, crossings):
    right = sum(crossing[1] for crossing in crossings)
    left = len(crossings) - right
    return f"{right}/{left}" if CLIPS[name].classes == PEOPLE else f"{left}/{right}"


def score(name, lines, found):
    """Cells of the table: counted, error, precision and recall. And how far off these lines are."""
    counted, true, hits, off, other = [], [], 0, 0, 0
    for line in lines:
        own = [c for c in found[line] if c.is_person == (CLIPS[name].classes == PEOPLE)]
        real = truth(name, line)
        hits += matched(own, real)
        off += sum(abs(sum(c[1] == way for c in own) - sum(t[1] == way for t in real)) for way in (True, False))
        other += len(found[line]) - len(own)
        counted, true = counted + own, true + real
    error = round(100 * (len(counted) - len(true)) / len(true))
    signed = f"{error:+} %".replace("-", "−") if error else "0 %"
    precision = f"{hits / len(counted):.2f}" if counted else "–"
    further = f", {other} other" if other else ""
    return [sums(name, counted) + further, signed, f"{precision} / {hits / len(true):.2f}"], off


def row(job, lines, title, found, second):
    """A row of any table. Its second half says `same` where nothing differs."""
    name, clip = job.clip, CLIPS[job.clip]
    own, other = (score(name, lines, each)[0] if each else ["–"] * 3 for each in (found, second))
    where = name if list(clip.lines) == lines else f"{name}, {lines[0]}"
    true = sums(name, [crossing for line in lines for crossing in truth(name, line)])
    other = ["same", "", ""] if other == own else other
    return [where, true, title, f"{clip.fps / job.every:.1f}", f"**{own[0]}**", *own[1:], *other]


def is_here(what, *paths):
    missing = [path for path in paths if not os.path.exists(path)]
    if missing:
        print(f"LEFT OUT: {what}: there is no {missing[0]}")
    return not missing


def main():
    quick = os.environ.get("QUICK") == "1"
    rates, models, sizes = ([5], MODELS[:1], SIZES[:1]) if quick else (RATES, MODELS, SIZES)
    models = [m for m in models if not m[1].endswith(".onnx") or is_here(m[0], m[1])]
    clips = [n for n, c in CLIPS.items() if is_here(n, f"{DATA}/video/{c.file}", f"{DATA}/groundtruth/{c.truth}")]
    if not clips:
        print(f"LEFT OUT: no clips in {DATA}; nothing is measured, and {DOCUMENT} stays as it is")
        return
    if supervision is None:
        print("LEFT OUT: the peer: this Python has no supervision")

    plan = []
    def add(table, title, name, rate, region, *source):
        every = max(1, int(CLIPS[name].fps / rate + 0.5))
        plan.append((table, title, rate, Job(name, every, region, source, CLIPS[name].classes)))

    for name in clips:
        for title, model, region in models:
            for rate in rates:
                add("models", f"{title}, {region}", name, rate, region, "--model", model, "--set", "detect.size=auto")
        for size in sizes:
            add("sizes", size, name, 5, "auto", "--model", BUILT_IN[1], "--set", f"detect.size={size}")
        for title, model in RECORDED.items() if CLIPS[name].classes == PEOPLE else ():
            boxes = f"{DATA}/detections/{CLIPS[name].file.rsplit('.', 1)[0]}.{model}.csv"
            for rate in rates if is_here(f"boxes of {title}", boxes) else ():
                add("peer", title, name, rate, "picture", "--replay", boxes)
    everything = [job._replace(classes=None) for table, *_, job in plan if table == "models" and job.region == "auto"]
    jobs = list(dict.fromkeys([job for *_, job in plan] + everything))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = dict(zip(jobs, pool.map(functools.partial(count, sys.argv[1]), jobs)))

    rows, bad = collections.defaultdict(list), []
    for table, title, rate, job in plan:
        lines = list(CLIPS[job.clip].lines)
        second = peer(job) if table == "peer" else found.get(job._replace(classes=None))
        rows[table].append(row(job, lines, title, found[job], second))
        if table == "models" and len(lines) > 1:
            rows["lines"] += [row(job, [line], title, found[job], second) for line in lines]
        off, most = score(job.clip, lines, found[job])[1], MOST_OFF[job.clip][RATES.index(rate)]
        if table == "models" and job.region == "auto" and off > most:
            bad.append(f"{job.clip} at {rate:.1f} a second: off by {off}, at most {most} is allowed")
    rows["lines"].sort(key=lambda cells: cells[0])
    write(rows)
    if bad:
        sys.exit("not reached:\n  " + "\n  ".join(bad))


def write(rows):
    def table(name, what, second):
        figures = ["counted", "error", "precision / recall"]
        head = ["clip", "true", what, "per second", *figures, *(f"{second}: {figure}" for figure in figures)]
        return ["", *("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows[name])), ""]

    version = getattr(supervision, "__version__", "(not installed)")
    text = [
        f"Measured on {platform.machine()}. *Error* is (counted − true) / true, both directions together. Sums are",
        "left→right/right→left for people, in/out for roads. Each line is counted by itself. It counts only people, or",
        "only bicycles and vehicles. In the columns *everything* it counts all classes. There *other* is the number of",
        "crossings that are not scored: not people, or people on a road.",
        *table("models", "model", "everything"),
        "The lines of vtest one by one:",
        *table("lines", "model", "everything"),
        "The built-in model at other sizes (`[detect] size`):",
        *table("sizes", "size", "everything"),
        f"Recorded detections through tallycam and through supervision {version}:",
        *table("peer", "boxes of", "supervision"),
    ]
    whole = DOCUMENT.read_text()
    DOCUMENT.write_text("\n".join([whole.split(BEGIN)[0] + BEGIN, *text, END + whole.split(END)[1]]))
    print(f"written: {DOCUMENT}")


if __name__ == "__main__":
    main()
