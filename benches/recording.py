"""Measures what keeping pictures costs, and writes docs/performance-recording.md.

Run by benches/run, which builds what this needs. One daemon on the fake camera (1280×720, MJPG, 30 a second) streams
to one viewer; windows with and without a recording take turns. Bytes written are what the kernel counts for the
process (`write_bytes` of /proc/PID/io: pages that went to the block device on its behalf), bytes kept are the JPEGs
on record. What others would do instead, ffmpeg and motion, takes the same stream from the same daemon.

Environment: PAIRS (5), SECONDS_EACH (6), QUICK=1 (one short pair, writes nothing).
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import against_ustreamer as picture
from against_ustreamer import FPS, OUT, PAIRS, PORT, QUICK, SECONDS, URL, Server, Session, Usage, rss_kib, spread

DOCUMENT = "docs/performance-recording.md"
RELEASE = "target/release"
# Folders of pictures, name, JPEG quality: 300 kB/s as of a small camera, and 3 MB/s as of a good one.
SMALL, LARGE = ("keep-small", "640x480", 6), ("keep-large", "1280x720", 73)
STEADY = 2  # recordings in the steady state
RECORDING = 5 if QUICK else 40  # seconds of each: to begin and to end one has 60 pages written, which is not what is asked


def daemon(folder, device, size, retention):
    width, height = size.split("x")
    settings = [
        "source.kind=v4l2", f"source.device={device}", "source.format=MJPG", f"source.width={width}",
        f"source.height={height}", f"source.fps={FPS}", f'http.listen=["127.0.0.1:{PORT}"]',
        f"store.directory={folder}", "detect.backend=none", "retention.min_free=0B", *retention,
    ]  # fmt: skip
    return [f"{RELEASE}/tallycam", "serve", *(word for s in settings for word in ("--set", s))]


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data=data, method=method)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def written(pid):
    with open(f"/proc/{pid}/io") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("write_bytes"))


def kept():
    """Bytes of everything on record, and gaps in it."""
    bytes_, gaps, cursor = 0, 0, ""
    while True:
        page = ask("GET", f"/api/v1/media?limit=1000{cursor}")
        bytes_ += sum(item["bytes"] for item in page["items"])
        gaps += sum(item["gaps"] for item in page["items"])
        if not page.get("next"):
            return bytes_, gaps
        cursor = f"&cursor={page['next']}"


class Store:
    """A directory on the disk of the bench: not in memory, where nothing would be written."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="keep-", dir=OUT)
        return self.folder.name

    def __exit__(self, *_):
        self.folder.cleanup()


def session(store, pictures, retention=()):
    server = Server("keeping", True, lambda device, _f, _w, _h, _d: daemon(store, device, pictures[1], retention))
    width, height = pictures[1].split("x")
    return Session(server, "MJPG", pictures[0], int(width), int(height))


def cpu():
    """CPU per picture with and without a recording, a viewer watching; RSS growth."""
    off, on, growth = [], [], []
    with Store() as store, session(store, ("720p", "1280x720")) as running:
        running.watch(1)
        before = rss_kib(running.pid) / 1024
        for pair in range(PAIRS):
            for records in (False, True) if pair % 2 == 0 else (True, False):
                if records:
                    ask("POST", "/api/v1/recordings", {})
                row = running.watch(1)
                if records:
                    on.append(row["cpu_ms"])
                    growth.append(row["rss_mib"] - before)
                    ask("POST", "/api/v1/recording/stop")
                else:
                    off.append(row["cpu_ms"])
            print(f"pair {pair + 1} of {PAIRS}; load {os.getloadavg()[0]:.1f}", file=sys.stderr)
    return off, on, growth


def ring(pictures):
    """Bytes written per byte kept where retention deletes as fast as recording writes."""
    with Store() as store:
        with session(store, pictures) as running:
            began = time.monotonic()
            ask("POST", "/api/v1/recordings", {})
            time.sleep(RECORDING)
            item = ask("POST", "/api/v1/recording/stop")
            rate = item["bytes"] / (time.monotonic() - began)
            growing = written(running.pid) / item["bytes"]
        limit = int(rate * RECORDING * 2.5)
        with session(store, pictures, [f"retention.recordings_size={limit}B"]) as running:
            def record():
                ask("POST", "/api/v1/recordings", {})
                time.sleep(RECORDING)
                return ask("POST", "/api/v1/recording/stop")

            for _ in range(3):
                record()
            size = os.path.getsize(f"{store}/media.db")
            before, bytes_, gaps = written(running.pid), 0, 0
            for _ in range(STEADY):
                item = record()
                bytes_ += item["bytes"]
                gaps += item["gaps"]
            steady = (written(running.pid) - before) / bytes_
            grown = os.path.getsize(f"{store}/media.db") / size
            # The store frees the space of deleted recordings gradually.
            time.sleep(15)
            before = written(running.pid)
            time.sleep(2 if QUICK else 10)
            idle = written(running.pid) - before
    return {"rate": rate / 1e6, "growing": growing, "steady": steady, "file": grown, "idle": idle, "gaps": gaps}


# ---- what others would do ----


def ffmpeg(folder):
    return ["ffmpeg", "-v", "error", "-nostdin", "-f", "mpjpeg", "-strict_mime_boundary", "1", "-i", URL, "-c", "copy",
            "-f", "segment", "-segment_time", "2", "-reset_timestamps", "1", f"{folder}/%03d.mp4"]  # fmt: skip


def motion(folder):
    config = f"{folder}/motion.conf"
    with open(config, "w") as f:
        f.write(
            f"daemon off\nsetup_mode off\nlog_level 3\nnetcam_url {URL}\nwidth 1280\nheight 720\nframerate {FPS}\n"
            f"emulate_motion on\ntarget_dir {folder}\npicture_output off\nmovie_output on\nmovie_codec mp4\n"
            "movie_max_time 2\nmovie_passthrough on\nstream_port 0\nwebcontrol_port 0\n"
        )
    return ["motion", "-n", "-c", config]


def playable(file):
    """Seconds that ffprobe counts in a file, by its pictures; 0 where it opens nothing."""
    run = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v", "-count_packets", "-show_entries", "stream=nb_read_packets",
         "-of", "csv=p=0", file], capture_output=True, text=True)  # fmt: skip
    try:
        return int(run.stdout.strip().strip(",") or 0) / FPS
    except ValueError:
        return 0.0


def other(program, command):
    """CPU per picture, bytes written per byte of pictures, and what is left after kill -9 at 7 s."""
    if not shutil.which(program):
        print(f"LEFT OUT: {program} is not installed", file=sys.stderr)
        return None
    with Store() as store, session(store, ("720p", "1280x720")) as running:
        kb = running.watch(1)["kb"]
        with tempfile.TemporaryDirectory(prefix="others-", dir=OUT) as folder:
            process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(2)
            usage, before = Usage(process.pid), written(process.pid)
            time.sleep(SECONDS)
            cpu_ms = usage.ms_per_second() / FPS
            ratio = (written(process.pid) - before) / (kb * 1000 * FPS * SECONDS)
            began = time.monotonic()
            time.sleep(1)
            process.kill()
            process.wait()
            lasted = 2 + SECONDS + time.monotonic() - began
            os.sync()
            left = sum(playable(f"{folder}/{name}") for name in sorted(os.listdir(folder)) if not name.endswith(".conf"))
    return {"cpu_ms": cpu_ms, "ratio": ratio, "lasted": lasted, "left": left}


def ours():
    """The same of tallycam's own recording: what it adds to the streaming daemon."""
    with Store() as store:
        with session(store, ("720p", "1280x720")) as running:
            off = running.watch(1)
            ask("POST", "/api/v1/recordings", {"name": "killed"})
            began = time.monotonic()
            time.sleep(2)
            before = written(running.pid)
            on = running.watch(1)
            ratio = (written(running.pid) - before) / (on["kb"] * 1000 * FPS * (SECONDS + picture.WARM_UP))
            time.sleep(1)
            lasted = time.monotonic() - began
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
        with session(store, ("720p", "1280x720")):
            item = ask("GET", "/api/v1/media?q=killed")["items"][0]
            film = f"{store}/killed.mp4"
            urllib.request.urlretrieve(f"http://127.0.0.1:{PORT}/api/v1/media/{item['id']}/content?as=mp4", film)
            left = playable(film)
    return {"cpu_ms": on["cpu_ms"] - off["cpu_ms"], "ratio": ratio, "lasted": lasted, "left": left}


def example():
    """The steady ring as fast as the disk takes it, seek, list, start and backup, as the example `recording` prints them."""
    program = os.path.abspath(f"{RELEASE}/examples/recording")
    if not os.path.exists(program):
        print(f"LEFT OUT: {program} is not built", file=sys.stderr)
        return "was not built"
    texts = []
    for rate in ("3000000", "300000"):
        with Store() as store:
            run = subprocess.run([program, store, rate, "60" if QUICK else "180"], capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"example recording: {run.stderr.strip()}")
        texts.append(run.stdout.strip())
    return "\n".join(texts)


def report(off, on, growth, rings, others, store):
    def check(good):
        return "✓" if good else "✗"

    added = [100 * (b / a - 1) for a, b in zip(off, on)]
    added_us = 1000 * statistics.median(b - a for a, b in zip(off, on))
    plain = re.search(r"pictures a second of (\d+) bytes.* need ([\d.]+) µs \(([\d.]+) µs", store)
    least = plain and float(plain[3])
    copying = others.get("ffmpeg")
    beside = [
        f"Recording adds {added_us:.0f} µs a picture." + (
            f" A plain file of such pictures, as safe (a copy, and for each chunk a write past the page cache and a sync), needs {float(plain[2]):.0f} µs for one of {int(plain[1]) / 1000:.0f} kB "
            f"where a thread is woken by each, and {least:.0f} µs where it is woken for a chunk: {100 * least / 1000 / statistics.median(off):.0f} % of streaming, and the least there is." if plain else ""
        ) + (f" `ffmpeg -c copy` needs {1000 * copying['cpu_ms']:.0f} µs in a process of its own: recording {added_us / (1000 * copying['cpu_ms']):.2f} times as much." if copying else "")
    ]  # fmt: skip
    large, small = rings
    lines = [
        "## Targets", "", "Median of the pairs (lowest…highest) where there are several.", "",
        "| target | measured | |", "|---|---|---|",
        f"| recording adds ≤ 5 % to the CPU per picture of streaming a pass-through camera | {spread(added, '{:.1f} %'.format)} of {statistics.median(off):.3f} ms | {check(statistics.median(added) <= 5)} |",
        f"| bytes written per byte kept ≤ 1.05, steady ring at {large['rate']:.1f} MB/s | {large['steady']:.3f} (growing {large['growing']:.3f}) | {check(large['steady'] <= 1.05)} |",
        f"| ≤ 1.25, steady ring at {small['rate']:.2f} MB/s | {small['steady']:.3f} (growing {small['growing']:.3f}) | {check(small['steady'] <= 1.25)} |",
        f"| nothing is written when idle | {large['idle'] + small['idle']} bytes | {check(large['idle'] + small['idle'] == 0)} |",
        f"| RSS grows by ≤ 8 MB while recording (7.63 MiB, in the median) | {spread(growth)} MiB | {check(statistics.median(growth) <= 7.63)} |",
        "", *beside, "", f"The file grew by {100 * (large['file'] - 1):.1f} % and {100 * (small['file'] - 1):.1f} % in the steady state; gaps in the recordings: {large['gaps'] + small['gaps']}.",
        "", "## Beside what else one could do", "",
        "The same stream (1280×720, 30 a second) into files of two seconds by `ffmpeg -c copy` and by motion (pass-through), and "
        "on record in tallycam; then kill -9. CPU is what recording adds; of tallycam the viewer and the camera are not counted.", "",
        "| | CPU per picture, ms | bytes written per byte of pictures | recorded until the kill, s | playable afterwards, s |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, row in others.items():
        cells = "could not be had | | |" if row is None else f"{row['cpu_ms']:.3f} | {row['ratio']:.2f} | {row['lasted']:.1f} | {row['left']:.1f} |"
        lines.append(f"| {name} | {cells}")
    lines += ["", "## The store by itself", "", "```", store, "```", "", "## Machine", "", *picture.machine(), ""]
    return "\n".join(lines)


INTRODUCTION = f"""# What keeping pictures costs

`make bench` measures this on the fake camera and writes the tables below; how stands in `benches/recording.py`. Bytes
written are the kernel's `write_bytes` of the process, on ext4.

{picture.BEGIN}
{picture.END}
"""


def main():
    for name, size, quality in (SMALL, LARGE):
        subprocess.run([f"{OUT}/frames", f"{OUT}/{name}", size, "8", str(quality)], check=True)
    off, on, growth = cpu()
    rings = [ring(LARGE), ring(SMALL)]
    others = {"tallycam": ours(), "ffmpeg": other("ffmpeg", ffmpeg), "motion": other("motion", motion)}
    text = report(off, on, growth, rings, others, example())
    print(text)
    if not QUICK:
        picture.write(text, DOCUMENT, INTRODUCTION)


if __name__ == "__main__":
    main()
