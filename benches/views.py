"""Measures what changing a camera's JPEG costs against OpenCV's imdecode + change + imencode, and writes
docs/performance-views.md.

Run by benches/run. Both work on the same file, on one thread, and take turns, in reversed order in every second pair;
what counts is the processor's time. Ours is `examples/view`; OpenCV is Debian's.

Environment: PAIRS (5), RUNS (60 of each in a pair), QUICK=1 (one short pair, writes nothing).
"""

import json
import os
import re
import statistics
import subprocess
import sys
import time

import cv2

import against_ustreamer as picture
import counting
from against_ustreamer import OUT, PAIRS, QUICK, spread

DOCUMENT = "docs/performance-views.md"
RUNS = 10 if QUICK else int(os.environ.get("RUNS", "60"))
VIEW = "target/release/examples/view"
ENCODE = [cv2.IMWRITE_JPEG_QUALITY, 80]


def gray(image):
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def half(image):
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def part(image, left, top, width, height):
    rows, columns = image.shape[:2]
    return image[round(top * rows):round((top + height) * rows), round(left * columns):round((left + width) * columns)]


# The changes: in words, as our query, as OpenCV's call; and the maximum ratio.
CHANGES = [
    ("grayscale, in the DCT domain", "gray=1", gray, 0.35),
    ("half size", "scale=1/2", half, 0.35),
    ("grayscale, of a denser picture", "gray=1", gray, 0.35),
    ("half size, of a denser picture", "scale=1/2", half, 0.35),
    ("half size and grayscale", "scale=1/2&gray=1", lambda image: gray(half(image)), None),
    ("mirrored, without loss", "mirror=1", lambda image: cv2.flip(image, 1), None),
    ("turned by 90°, without loss", "rotate=90", lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE), None),
    ("cropped on the grid of blocks, without loss", "crop=0.25,0.25,0.5,0.4", lambda image: part(image, 0.25, 0.25, 0.5, 0.4), None),
    ("cropped off the grid", "crop=0.13,0.21,0.5,0.5", lambda image: part(image, 0.13, 0.21, 0.5, 0.5), None),
    ("1080 rows turned by 180° (decoded: they are no whole blocks)", "rotate=180", lambda image: cv2.rotate(image, cv2.ROTATE_180), None),
]  # fmt: skip


def sampling(jpeg):
    """How the chroma of a baseline JPEG is subsampled: the factors of its components."""
    at = 2
    while at + 4 < len(jpeg):
        length = int.from_bytes(jpeg[at + 2:at + 4], "big")
        if jpeg[at + 1] == 0xC0:
            return [f"{jpeg[at + 11 + 3 * n] >> 4}×{jpeg[at + 11 + 3 * n] & 15}" for n in range(jpeg[at + 9])]
        at += 2 + length
    return []


def prepare():
    """The files that are changed, 4:2:0: a camera's picture of 720p as the other benches show it, the same with more bytes
    (of which Huffman decoding, which nobody can spare, takes a larger share), and one of 1080p."""
    folder = f"{OUT}/{counting.pictures()}"
    names = sorted(name for name in os.listdir(folder) if name.endswith(".jpg"))
    paths = {"720": f"{folder}/{names[len(names) // 2]}", "dense": f"{OUT}/view-dense.jpg", "1080": f"{OUT}/view-1080.jpg"}
    cv2.imwrite(paths["dense"], cv2.imread(paths["720"]), [cv2.IMWRITE_JPEG_QUALITY, 90])
    large = cv2.resize(cv2.imread(paths["720"]), (1920, 1080))
    cv2.imwrite(paths["1080"], large, [cv2.IMWRITE_JPEG_QUALITY, 80])
    for path in paths.values():
        with open(path, "rb") as f:
            if sampling(f.read()) != ["2×2", "1×1", "1×1"]:
                sys.exit(f"{path} is not 4:2:0")
    return paths


def ours(path, query):
    run = subprocess.run([VIEW, path, query, str(RUNS)], capture_output=True, text=True, check=True)
    return statistics.median(json.loads(run.stdout)["cpu_ms"])


def theirs(path, change):
    import numpy

    data = numpy.fromfile(path, numpy.uint8)
    spent = []
    for _ in range(RUNS):
        before = time.process_time()
        cv2.imencode(".jpg", change(cv2.imdecode(data, cv2.IMREAD_COLOR)), ENCODE)
        spent.append((time.process_time() - before) * 1e3)
    return statistics.median(spent)


def report(rows, paths):
    lines = [
        "Median of the pairs (lowest…highest).", "",
        "| what is done to 1280×720, 4:2:0 | tallycam, ms | OpenCV, ms | ratio | at most | |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for (words, _, _, most), measured in zip(CHANGES, rows):
        ratios = [mine / other for mine, other in measured]
        good = "" if most is None else "✓" if statistics.median(ratios) <= most else "✗"
        mine, other = (spread([pair[n] for pair in measured], "{:.2f}".format) for n in (0, 1))
        limit = "" if most is None else f"{most}"
        lines.append(f"| {words} | {mine} | {other} | {spread(ratios, '{:.2f}'.format)} | {limit} | {good} |")
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", f.read(), re.MULTILINE)
    lines += [
        "", "## Machine", "",
        f"- CPU: {cpu.group(1) if cpu else '?'}, {os.cpu_count()} cores; OpenCV {cv2.__version__}, one thread",
        f"- {len(rows[0])} pairs of {RUNS} runs each; {os.path.getsize(paths['720']) // 1000} kB (1280×720), {os.path.getsize(paths['dense']) // 1000} kB (the denser one), {os.path.getsize(paths['1080']) // 1000} kB (1920×1080); encoded at quality 80",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


INTRODUCTION = f"""# What changing the picture costs

`make bench` measures this against OpenCV's imdecode + change + imencode on one thread, both on the same JPEG, and writes
the table below; how stands in `benches/views.py`. A picture that nobody looks at is not changed, and each view is made
once for all who want it.

{picture.BEGIN}
{picture.END}
"""


def main():
    cv2.setNumThreads(1)
    paths = prepare()
    rows = [[] for _ in CHANGES]
    for pair in range(PAIRS):
        for measured, (words, query, change, _) in zip(rows, CHANGES):
            path = paths["1080" if words.startswith("1080") else "dense" if "denser" in words else "720"]
            if pair % 2 == 0:
                mine = ours(path, query)
                other = theirs(path, change)
            else:
                other = theirs(path, change)
                mine = ours(path, query)
            measured.append((mine, other))
        print(f"pair {pair + 1} of {PAIRS}; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    text = report(rows, paths)
    print(text)
    if not QUICK:
        picture.write(text, DOCUMENT, INTRODUCTION)


if __name__ == "__main__":
    main()
