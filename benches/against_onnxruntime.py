"""Measures one inference of tallycam against one of onnxruntime. Run by benches/against_onnxruntime.

The two take turns, and the order is reversed in every second pair. A pair's ratio is tallycam's median
over onnxruntime's, of the processor time that a run costs with all its threads (what other programs do
at the same time hardly shows in it) and of the time on the wall. Below 1, tallycam needs less. Before that the
outputs for one picture are compared: the largest difference is printed.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
import onnxruntime

QUICK = os.environ.get("QUICK") == "1"
PAIRS = int(os.environ.get("PAIRS", 1 if QUICK else 7))
RUNS = int(os.environ.get("RUNS", 5 if QUICK else 30))
THREADS = int(os.environ.get("THREADS", 1))
TESTDATA = os.environ.get("TALLYCAM_TESTDATA", "../shared/testdata")
OURS = "target/release/examples/infer"


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def theirs(running, feed):
    wall, cpu = [], []
    for _ in range(RUNS):
        begin, spent = time.perf_counter(), time.process_time()
        running.run(None, feed)
        cpu.append((time.process_time() - spent) * 1e3)
        wall.append((time.perf_counter() - begin) * 1e3)
    return {"wall_ms": wall, "cpu_ms": cpu}


def ours(model, picture, output="-"):
    command = [OURS, model, str(RUNS), str(THREADS), "-", picture, output]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def measure(model, folder):
    running = session(model)
    wanted = running.get_inputs()[0]
    # The same picture every time: soft noise with an edge in it.
    noise = numpy.random.default_rng(1).integers(0, 256, wanted.shape)
    picture = (noise * 0.2 + 100).astype(numpy.float32)
    picture[..., : picture.shape[-1] // 2] *= 0.5
    path = os.path.join(folder, "picture")
    picture.tofile(path)
    feed = {wanted.name: picture}

    ours(model, path, os.path.join(folder, "output"))
    difference = 0.0
    for at, expected in enumerate(running.run(None, feed)):
        given = numpy.fromfile(os.path.join(folder, f"output.{at}"), numpy.float32)
        scale = max(1.0, float(numpy.abs(expected).max()))
        difference = max(difference, float(numpy.abs(given - expected.ravel()).max()) / scale)

    pairs = []
    for pair in range(PAIRS):
        turns = [lambda: ours(model, path), lambda: theirs(running, feed)]
        if pair % 2:
            second, first = turns[1](), turns[0]()
        else:
            first, second = turns[0](), turns[1]()
        pairs.append((first, second))
    print(f"{os.path.basename(model)}, {THREADS} thread(s), {PAIRS} pairs of {RUNS} runs, onnxruntime {onnxruntime.__version__}")
    for kind in ("cpu_ms", "wall_ms"):
        medians = [[statistics.median(side[kind]) for side in pair] for pair in pairs]
        mine, other = zip(*medians)
        ratio = spread([a / b for a, b in medians])
        print(f"  {kind}: tallycam {spread(mine)}, onnxruntime {spread(other)}, ratio {ratio}")
    print(f"  largest difference of an output, of the largest number: {difference:.1e}")


def main():
    folder = os.path.join(TESTDATA, "models")
    models = sys.argv[1:]
    if not models and os.path.isdir(folder):
        models = sorted(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".onnx"))
    if not models:
        print("LEFT OUT: no models (name some, or set TALLYCAM_TESTDATA)")
    for model in models:
        with tempfile.TemporaryDirectory() as scratch:
            measure(model, scratch)


if __name__ == "__main__":
    main()
