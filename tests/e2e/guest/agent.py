#!/usr/bin/env python3
"""Runs in the guest: carries out the commands that e2e.py sends through a virtio port.

A line of JSON each way: {"id", "run", "timeout"} comes in, {"id", "code", "out"} goes back. Commands
run beside each other. A command that takes longer than its time out ends with code 124.
"""
import json
import os
import subprocess
import threading
import time

PORT = "/dev/virtio-ports/e2e"
writing = threading.Lock()


def write(port, line):
    """All of it: the port takes 32 KiB at once at most."""
    while line:
        line = line[port.write(line):]


def carry_out(port, asked):
    try:
        done = subprocess.run(["bash", "-c", asked["run"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=asked["timeout"])
        code, out = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        code, out = 124, (late.stdout or b"") + b"\n(it took too long)"
    answer = {"id": asked["id"], "code": code, "out": out.decode("utf-8", "replace")}
    with writing:
        write(port, json.dumps(answer).encode() + b"\n")


# Its driver may still be loading while other services start.
while not os.path.exists(PORT):
    time.sleep(0.1)
with open(PORT, "r+b", buffering=0) as port:
    write(port, b'{"id": 0, "code": 0, "out": "here"}\n')
    while True:
        line = port.readline()
        if line.endswith(b"\n"):
            threading.Thread(target=carry_out, args=(port, json.loads(line)), daemon=True).start()
        else:
            # The other end is not connected yet.
            time.sleep(0.1)
