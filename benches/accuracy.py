"""Compares tallycam's crossings with the truth and with supervision's, and writes docs/accuracy.md.

Run by `make accuracy`. Counts clips with `tallycam count` through every model that is here, crossing by
crossing: a counted crossing is a true one if it goes the same way at most a second from it (each true one
serves once). The peer (supervision: ByteTrack and LineZone) is given recorded detections of the same models.

The clips, the truth and the detections may not be part of this repository: they are looked for in
../shared/testdata, or where TALLYCAM_TESTDATA says. What is not there is left out, and said.

Usage: accuracy.py TALLYCAM [PYTHON-WITH-SUPERVISION]
"""

import collections
import csv
import json
import os
import platform
import subprocess
import sys

DATA = os.environ.get("TALLYCAM_TESTDATA", "../shared/testdata")
DOCUMENT = "docs/accuracy.md"
BEGIN, END = "<!-- make accuracy writes from here -->", "<!-- to here -->"
TOLERANCE = 1.0  # seconds
VTEST, ONE_BY_ONE = "vtest.avi", "one-by-one-person-detection.mp4"
FPS = 10

# name, clip, line, truth (left to right, right to left), most that the sums may be off by model, peer by model
LINES = [
    ("D", VTEST, (300, 400, 300, 120), (12, 15), {"yolox": 0, "ssdlite": 2}),
    ("A", VTEST, (384, 576, 384, 0), (13, 18), {"yolox": 2, "ssdlite": 4}),
    ("B", VTEST, (500, 576, 500, 0), (15, 20), {"yolox": 4, "ssdlite": 4}),
    ("C", VTEST, (150, 330, 620, 160), (10, 15), {"yolox": 4, "ssdlite": 6}),
    ("exit", ONE_BY_ONE, (600, 432, 600, 0), (6, 0), {"yolox": 0, "ssdlite": 0}),
]
# What supervision 0.26.1 gave when the peer was measured, for where it cannot be had.
QUOTED = {
    ("yolox", "D"): (12, 15), ("yolox", "A"): (16, 18), ("yolox", "exit"): (6, 0),
    ("ssdlite", "D"): (13, 19), ("ssdlite", "A"): (19, 22), ("ssdlite", "exit"): (6, 0),
}  # fmt: skip
# When each of the six passed the line, as looked up in the clip's frames to half a second.
EXITS = [19.0, 44.0, 69.0, 86.0, 119.0, 135.0]
# kind, --model, recorded detections, `[detect] region`
MODELS = [
    ("yolox", f"{DATA}/models/yolox_nano_416.onnx", "yolox_nano_416", "picture"),
    ("ssdlite", "ssdlite_mobilenet_v2", "ssdlite_mnv2_coco300", "picture"),
    ("ssdlite", "ssdlite_mobilenet_v2", None, "line"),
]
# Other sizes of the shipped model, which takes any; no limits are set for them.
SIZES = ["512x384", "640x480"]
REGIONS = [("whole frame", "picture"), ("around the line", "line")]
TITLES = {"yolox": "YOLOX-nano 416", "ssdlite": "SSDLite MobileNetV2 300"}


def truth(name):
    """The true crossings: seconds, and whether to the right."""
    if name == "exit":
        return [(t, True) for t in EXITS]
    ax, ay, bx, by = next(ends for n, _, ends, _, _ in LINES if n == name)
    dx, dy = bx - ax, by - ay
    ways = collections.defaultdict(list)
    with open(f"{DATA}/groundtruth/PETS09-S2L1.gt.txt") as f:
        for frame, who, left, top, width, height, flag, *_ in csv.reader(f):
            if flag != "0":
                ways[who].append((int(frame), float(left) + float(width) / 2, float(top) + float(height)))
    crossed = []
    for way in ways.values():
        way.sort()
        for (_, x, y), (frame, to_x, to_y) in zip(way, way[1:]):
            before, after = (dx * (v - ay) - dy * (u - ax) for u, v in ((x, y), (to_x, to_y)))
            if (before < 0) == (after < 0):
                continue
            share = before / (before - after)
            u, v = x + share * (to_x - x), y + share * (to_y - y)
            if 0 <= ((u - ax) * dx + (v - ay) * dy) / (dx * dx + dy * dy) <= 1:
                crossed.append(((frame - 1) / FPS, after > before))
    return sorted(crossed)


def matched(counted, true):
    """How many of the counted are true ones: the nearest pairs first, each once."""
    pairs = sorted(
        (abs(c[0] - t[0]), n, m)
        for n, c in enumerate(counted)
        for m, t in enumerate(true)
        if c[1] == t[1] and abs(c[0] - t[0]) <= TOLERANCE
    )
    used, found = set(), set()
    for _, n, m in pairs:
        if n not in used and m not in found:
            used.add(n)
            found.add(m)
    return len(used)


def scores(counted, true):
    hits = matched(counted, true)
    right = sum(c[1] for c in counted)
    return (right, len(counted) - right), hits / max(1, len(counted)), hits / max(1, len(true))


def count(tallycam, clip, lines, model, every):
    command = [tallycam, "count", f"{DATA}/video/{clip}", "--json", "--classes", "person", "--every", str(every)]
    command += [a for name, ends in lines for a in ("--line", f"{name}={','.join(map(str, ends))}")]
    run = subprocess.run(command + model, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"{' '.join(command + model)} failed:\n{run.stderr}")
    report = json.loads(run.stdout)
    found = {x["name"]: [(c["time_s"], c["direction"] == "out") for c in x["crossings"]] for x in report["lines"]}
    return found


PEER = r'''
import csv, json, sys, collections, numpy as np, supervision as sv
path, frames, every, lines = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])
rows = collections.defaultdict(list)
for r in csv.DictReader(open(path)):
    if r["class"] == "person" and float(r["score"]) >= 0.1:
        rows[int(r["frame"])].append([float(r[k]) for k in ("x1", "y1", "x2", "y2", "score")])
tracker = sv.ByteTrack(track_activation_threshold=0.4, minimum_matching_threshold=0.9, lost_track_buffer=60, frame_rate=30)
zones = {n: sv.LineZone(start=sv.Point(*e[:2]), end=sv.Point(*e[2:]), triggering_anchors=[sv.Position.BOTTOM_CENTER]) for n, e in lines}
found = {n: [] for n, _ in lines}
for f in range(1, frames + 1, every):
    a = np.array(rows.get(f, np.zeros((0, 5))), dtype=float).reshape(-1, 5)
    d = sv.Detections(xyxy=a[:, :4], confidence=a[:, 4], class_id=np.zeros(len(a), dtype=int))
    d = tracker.update_with_detections(d)
    for n, zone in zones.items():
        into, out = zone.trigger(d)
        found[n] += [((f - 1) / 10, 0) for x in into if x] + [((f - 1) / 10, 1) for x in out if x]
print(json.dumps(found))
'''


def peer(python, recorded, clip, lines, every):
    """The same recorded detections through supervision; None where it cannot be had."""
    path = f"{DATA}/detections/{clip.rsplit('.', 1)[0]}.{recorded}.csv"
    frames = 795 if clip == VTEST else 1394
    command = [python, "-c", PEER, path, str(frames), str(every), json.dumps(lines)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(f"the peer failed:\n{run.stderr}")
    # In supervision "in" is to the left-hand side of start→end seen with y upwards: made sure of by the truth.
    return {n: [(t, bool(w)) for t, w in events] for n, events in json.loads(run.stdout).items()}


def turned_right(found, true):
    """Which of a zone's two names is rightwards: the one that fits the truth better."""
    other = {n: [(t, not w) for t, w in events] for n, events in found.items()}
    fits = lambda one: sum(matched(one[n], true[n]) for n in one)
    return found if fits(found) >= fits(other) else other


def pair(sums):
    return f"{sums[0]}/{sums[1]}"


def main():
    tallycam, python = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
    if not os.path.isdir(f"{DATA}/video"):
        print(f"LEFT OUT: no clips in {DATA}; nothing is measured, and {DOCUMENT} stays as it is")
        return
    rows, bad = [], []
    for kind, model, recorded, region in MODELS:
        if model.endswith(".onnx") and not os.path.exists(model):
            print(f"LEFT OUT: {TITLES[kind]}: there is no {model}")
            continue
        title = f"{TITLES[kind]}, {region}"
        for name, clip, ends, sums, most in LINES:
            lines, true = [(name, ends)], {name: truth(name)}
            for every in (1, 2, 3) if clip == VTEST else (1,):
                given = ["--model", model, "--set", f"detect.region={region}"]
                found = count(tallycam, clip, lines, given, every)
                replayed, other = None, None
                if recorded:
                    csv_file = f"{DATA}/detections/{clip.rsplit('.', 1)[0]}.{recorded}.csv"
                    replayed = count(tallycam, clip, lines, ["--replay", csv_file], every)
                    other = peer(python, recorded, clip, lines, every) if python else None
                    other = turned_right(other, true) if other else None
                own = scores(found[name], true[name])
                off = abs(own[0][0] - sums[0]) + abs(own[0][1] - sums[1])
                limit = most[kind] + {1: 0, 2: 2, 3: 4}[every]
                if off > limit:
                    bad.append(f"{clip}, line {name}, {title}, every {every}: off by {off}, not {limit}")
                if other:
                    theirs = scores(other[name], true[name])
                else:
                    theirs = (QUOTED[kind, name], None, None) if every == 1 and (kind, name) in QUOTED else None
                again = scores(replayed[name], true[name]) if replayed else None
                rows.append((clip, name, title, FPS / every, sums, own, limit, again, theirs if recorded else None))
                print(f"{clip} {name} {title} {FPS / every:.1f}/s: {pair(own[0])}, truth {pair(sums)}")
    sizes = [at_size(tallycam, size) for size in SIZES]
    write(rows, sizes, python)
    if bad:
        sys.exit("not reached:\n  " + "\n  ".join(bad))


def at_size(tallycam, size):
    """The shipped model at another size: sums, precision and recall of every line."""
    given = ["--set", "detect.region=picture", "--model", MODELS[-1][1], "--set", f"detect.size={size}"]
    cells = []
    for clip in (VTEST, ONE_BY_ONE):
        lines = [(n, ends) for n, c, ends, _, _ in LINES if c == clip]
        found = count(tallycam, clip, lines, given, 1)
        for name, _ in lines:
            sums, precision, recall = scores(found[name], truth(name))
            cells.append(f"{pair(sums)} ({precision:.2f}, {recall:.2f})")
    print(f"SSDLite at {size}: {', '.join(cells)}")
    return f"| {size} | {' | '.join(cells)} |"


def together(rows, region, every):
    """Precision and recall of the built-in model on all lines of vtest, each crossing of the same weight."""
    title = f"{TITLES['ssdlite']}, {region}"
    hits = counted = true = 0
    for clip, _, model, rate, sums, own, *_ in rows:
        if (clip, model, rate) == (VTEST, title, FPS / every):
            (right, left), precision, _ = own
            hits += round(precision * (right + left))
            counted += right + left
            true += sum(sums)
    return f"{hits / max(1, counted):.2f} / {hits / max(1, true):.2f}"


def write(rows, sizes, python):
    def figure(x):
        return "–" if x is None else f"{x:.2f}"

    summary = [
        "The built-in model on the four lines of vtest together, before and after `region = \"line\"`:",
        "",
        "| precision / recall | 10 fps | 5 fps | 3.3 fps |",
        "|---|---|---|---|",
        *(f"| {what} | {' | '.join(together(rows, region, every) for every in (1, 2, 3))} |" for what, region in REGIONS),
        "",
    ]
    peer_is = "measured now" if python else "quoted: PyPI could not be reached"
    text = summary + [
        f"Measured on {platform.machine()}, {os.cpu_count()} CPUs; peer: supervision 0.26.1, {peer_is}.",
        "",
        "| clip, line | model | frames/s | truth | tallycam | precision | recall | most off | "
        "same boxes | supervision, same boxes | precision | recall |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for clip, name, model, rate, sums, own, limit, again, theirs in rows:
        other = ("–", None, None) if theirs is None else (pair(theirs[0]), *theirs[1:])
        text.append(
            f"| {clip.split('.')[0]}, {name} | {model} | {rate:.1f} | {pair(sums)} | **{pair(own[0])}** | "
            f"{figure(own[1])} | {figure(own[2])} | {limit} | {pair(again[0]) if again else '–'} | {other[0]} | "
            f"{figure(other[1])} | {figure(other[2])} |"
        )
    names = " | ".join(f"{c.split('.')[0]}, {n}: truth {pair(sums)}" for n, c, _, sums, _ in LINES)
    text += ["", "The shipped model at other sizes (`[detect] size`), whole pictures, 10 frames per second, sums (precision, recall):",
             "", f"| size | {names} |", "|---" * (len(LINES) + 1) + "|", *sizes]  # fmt: skip
    with open(DOCUMENT) as f:
        whole = f.read()
    before, after = whole.split(BEGIN)[0], whole.split(END)[1]
    with open(DOCUMENT, "w") as f:
        f.write(before + BEGIN + "\n" + "\n".join(text).rstrip("\n") + "\n\n" + END + after)
    print(f"written: {DOCUMENT}")


if __name__ == "__main__":
    main()
