"""Counts instructions per frame, and per counted hour, under qemu-user and writes the table in docs/performance.md. Run by benches/instructions.

Environment: CACHE (what deploy/cross.sh made), OUT (the plugin, and room for what qemu writes), FRAMES (10).
"""

import os
import re
import subprocess
import sys

CACHE, OUT = os.environ["CACHE"], os.environ["OUT"]
PROGRAM = f"{CACHE}/build/aarch64-unknown-linux-gnu/release/examples/instructions"
DOCUMENT = "docs/performance.md"
BEGIN, END = "<!-- make instructions writes from here -->", "<!-- instructions to here -->"
FRAMES = int(os.environ.get("FRAMES", "10"))
# Growth above this fraction draws a warning.
GROWN = 0.05
WORDS = {
    "yuyv": "a YUYV frame becomes a JPEG: planes taken apart, compressed",
    "nv12": "an NV12 frame becomes a JPEG: chroma taken apart, compressed",
    "gray": "a JPEG without colour",
    "half": "a JPEG of half the size",
    "small": "a JPEG decoded small, for the detector",
    "letterbox": "the small picture as the network's input",
    "detect": "one detection: YOLOX-nano, 320 × 320, with letterbox and boxes",
    "motion": "three moving things are told from the background of the small picture",
    "track": "ten people followed, a line",
    "part": "a JPEG becomes a part of the stream: one copy, its header",
    "empty": "an hour of counting people at a line: nothing moves",
    "shop": "an hour of counting people at a line: somebody comes every twenty seconds, and takes four",
    "street": "an hour of counting people at a line: somebody is always there",
}
# Number of counted pictures, at five per second; the result is scaled to an hour.
HOURS = {"empty": 100, "shop": 100, "street": 20}
INTRODUCTION = f"""
## Instructions per frame

What the parts of a frame's work take on a 64-bit Pi, counted by qemu-user (`make instructions`): not times, but the same number on
every machine and in every run, so that small changes show. 1280 × 720, quality 80, drawn pictures;
arm64 as packaged. {FRAMES} frames each, after two to warm up. The last three rows are for an hour of counting with the
built-in model at 5 detections per second, from JPEGs to crossings. On whole frames it would be 18 000 times `small` and `detect`.

"""


def count(what):
    """Instructions per frame, from one mark of the program to the next."""
    counts = f"{OUT}/{what}"
    frames = HOURS.get(what, FRAMES)
    command = [
        "qemu-aarch64", "-L", f"{CACHE}/sysroot", "-plugin", f"{OUT}/libinsncount.so", "-d", "plugin", "-D", counts,
        PROGRAM, what, str(frames),
    ]  # fmt: skip
    if subprocess.run(command).returncode:
        sys.exit(f"{what}: see above; does this qemu take plugins? Debian 12's qemu-user does, which is linked dynamically")
    with open(counts) as f:
        marks = [int(number) for number in re.findall(r"^mark (\d+)$", f.read(), re.MULTILINE)]
    if len(marks) != 2:
        sys.exit(f"{what}: {len(marks)} marks instead of 2: does this qemu take plugins? (Debian 12's qemu-user does)")
    return (marks[1] - marks[0]) / frames * (18_000 if what in HOURS else 1)


def table(document):
    """What the document says now: instructions by kind."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| ([\d ]+) \|$", document, re.MULTILINE)
    return {what: int(number.replace(" ", "")) for what, number in rows}


def spaced(number):
    return f"{number:,}".replace(",", " ")


def main():
    wanted = sys.argv[1:] or list(WORDS)
    with open(DOCUMENT) as f:
        document = f.read()
    before = table(document)
    now = {}
    for what in wanted:
        now[what] = round(count(what))
        change = now[what] / before[what] - 1 if before.get(what) else None
        print(f"{what:10} {spaced(now[what]):>15}" + ("" if change is None else f"  {change:+.2%}"), flush=True)
        if change is not None and change > GROWN:
            print(f"WARNING: {what} takes {change:.1%} more instructions than {DOCUMENT} says", file=sys.stderr)
    if sys.argv[1:]:
        return
    rows = "".join(f"| `{what}` | {WORDS[what]} | {spaced(number)} |\n" for what, number in now.items())
    text = f"{BEGIN}{INTRODUCTION}| | what | instructions |\n|---|---|---:|\n{rows}\n{END}\n"
    start, end = document.find(BEGIN), document.find(END)
    if start < 0 or end < 0:
        document = document.rstrip("\n") + "\n\n" + text
    else:
        document = document[:start] + text.rstrip("\n") + document[end + len(END):]
    with open(DOCUMENT, "w") as f:
        f.write(document)


if __name__ == "__main__":
    main()
