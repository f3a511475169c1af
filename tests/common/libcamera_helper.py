#!/usr/bin/env python3
"""A helper as tallycam-libcamera is one, with a Camera Module 3 that is made up: no libcamera, no camera.

What it does wrong stands in the file PROGRAM.json beside it, which is read at each start; what it was told is appended to
PROGRAM.log, a JSON object a line. Written from the protocol's words alone (crates/libcamera/src/lib.rs).
"""

import fcntl
import json
import os
import select
import signal
import socket
import sys
import time

PROGRAM = os.path.abspath(sys.argv[0])
F_ADD_SEALS, F_SEAL_SHRINK = 1033, 2
BUFFERS = 4


def read(name):
    try:
        with open(PROGRAM + name) as file:
            return json.load(file)
    except OSError:
        return {}


WRONG = read(".json")


def note(what):
    with open(PROGRAM + ".log", "a") as file:
        file.write(json.dumps(what) + "\n")


def control(name, kind, low, high, default, unit="", choices=()):
    return {"name": name, "kind": kind, "unit": unit, "min": low, "max": high, "step": 0, "default": default,
            "choices": [[number, title] for number, title in enumerate(choices)]}


CONTROLS = [
    control("ae_enable", "boolean", 0, 1, 1),
    control("exposure_time", "integer", 14, 1722331, 20000, "µs"),
    control("analogue_gain", "decimal", 1, 16, 1, "×"),
    control("exposure_value", "decimal", -8, 8, 0, "EV"),
    control("ae_flicker_period", "integer", 100, 1000000, 10000, "µs"),
    control("awb_enable", "boolean", 0, 1, 1),
    control("colour_gains_red", "decimal", 0, 32, 1),
    control("colour_gains_blue", "decimal", 0, 32, 1),
    control("colour_temperature", "integer", 100, 100000, 4500, "K"),
    control("brightness", "decimal", -1, 1, 0),
    control("contrast", "decimal", 0, 32, 1),
    control("saturation", "decimal", 0, 32, 1),
    control("sharpness", "decimal", 0, 16, 1),
    control("noise_reduction_mode", "menu", 0, 4, 0, "", ["Off", "Fast", "High quality", "Minimal", "ZSL"]),
    control("af_mode", "menu", 0, 2, 0, "", ["Manual", "Auto", "Continuous"]),
    control("af_range", "menu", 0, 2, 0, "", ["Normal", "Macro", "Full"]),
    control("af_metering", "menu", 0, 1, 0, "", ["Auto", "Windows"]),
    control("af_window_x", "decimal", 0, 1, 0.5),
    control("af_window_y", "decimal", 0, 1, 0.5),
    control("af_trigger", "button", 0, 1, 0),
    control("lens_position", "decimal", 0, 15, 1, "dioptres"),
    control("zoom", "decimal", 1, 8, 1, "×"),
]
CAMERA = {
    "id": "/base/soc/i2c0mux/i2c@1/imx708@1a",
    "model": "imx708",
    "location": "back",
    "formats": [{"fourcc": "NV12", "sizes": [[640, 480], [1280, 720], [2304, 1296], [4608, 2592]], "is_range": True}],
    "orientations": ["upright", "rotated180", "mirrored", "flipped"],
    "controls": CONTROLS,
}

channel = socket.socket(fileno=os.dup(0))


def say(message, descriptors=()):
    try:
        socket.send_fds(channel, [json.dumps(message).encode()], list(descriptors))
    except OSError:
        sys.exit(0)


def fault(kind, what):
    say({"fault": {"kind": kind, "what": what, "causes": ["as libcamera has it"]}})
    sys.exit(1)


class Camera:
    def __init__(self):
        self.streams, self.buffers, self.free, self.values = [], [], [], {}
        self.orientation, self.fps, self.sequence, self.due = "upright", 30.0, 0, None
        self.sent, self.told = 0, 0.0

    def open(self, wish):
        width, height = wish.get("width") or 1280, wish.get("height") or 720
        lock = os.open(PROGRAM + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        if not self.buffers:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                fault("busy", "imx708 is in use by another program")
        if "open" in WRONG:
            fault(*WRONG["open"])
        self.values = {}
        self.fps = wish.get("fps") or 30.0
        self.orientation = wish.get("orientation", "upright")
        sizes = [(width, height)] + ([tuple(wish["second"])] if wish.get("second") else [])
        if WRONG.get("one_stream"):
            del sizes[1:]
        self.streams = [{"fourcc": "NV12", "width": w, "height": h, "stride": (w + 63) & ~63} for w, h in sizes]
        told = {"model": "imx708", "streams": self.streams, "buffers": BUFFERS, "fps": self.fps,
                "orientation": self.orientation, "controls": WRONG.get("controls", CONTROLS)}
        told.update(WRONG.get("configured", {}))
        say({"configured": told})
        self.buffers = []
        for number in range(BUFFERS):
            self.buffers.append([self.buffer(stream, number) for stream in range(len(self.streams))])
        self.free = list(range(BUFFERS))
        self.due = time.monotonic()
        self.told = 0.0

    def buffer(self, stream, number):
        of = self.streams[stream]
        size = of["stride"] * of["height"] * 3 // 2
        wrong = WRONG.get("buffer")
        memory = os.memfd_create("frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(memory, size // 2 if wrong == "short" else size)
        if wrong != "unsealed":
            fcntl.fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK)
        sent = os.pipe()[0] if wrong == "pipe" else memory
        told = {"stream": stream, "buffer": number, "bytes": 16 if wrong == "small" else size}
        say({"buffer": told}, [] if wrong == "none" else [sent])
        return memory

    def draw(self, number):
        """A block that goes from left to right on grey, in each stream; lighter the higher the gain is."""
        for stream, (of, memory) in enumerate(zip(self.streams, self.buffers[number])):
            width, height, stride = of["width"], of["height"], of["stride"]
            at = self.sequence * width // 90 % width
            row = bytearray([90 + int(self.values.get("analogue_gain", 1)) * 4]) * stride
            if stream or not WRONG.get("main_is_blank"):
                row[at:at + width // 8] = bytes([230]) * len(row[at:at + width // 8])
            if self.orientation in ("rotated180", "mirrored"):
                row[:width] = row[:width][::-1]
            plain = bytes([60]) * stride
            third = height // 3
            luma = plain * third + bytes(row) * third + plain * (height - 2 * third)
            os.pwrite(memory, luma + bytes([128]) * (stride * height // 2), 0)

    def frame(self):
        self.due += 1 / self.fps
        self.sequence += 1
        if not self.free:
            return
        number = self.free.pop(0)
        self.draw(number)
        bytes_ = self.streams[0]["stride"] * self.streams[0]["height"] * 3 // 2
        said = {"buffer": number, "sequence": self.sequence, "stamp_us": time.monotonic_ns() // 1000, "bytes": bytes_}
        said.update(WRONG.get("frame", {}))
        say({"frame": said})
        self.sent += 1
        if self.sent == WRONG.get("after"):
            self.go_wrong(WRONG["then"])
        if time.monotonic() - self.told > 1:
            self.told = time.monotonic()
            lens = self.values.get("lens_position", 1) if self.values.get("af_mode", 0) == 0 else 2.5
            say({"metadata": [["lux", 412.0], ["exposure_time", 8333.0], ["analogue_gain", 2.5], ["af_state", 2.0],
                              ["colour_temperature", 4200.0], ["lens_position", lens]]})

    def go_wrong(self, how):
        if how == "hang":
            # The process exists, and still reads nothing.
            while True:
                time.sleep(1)
        if how == "stall":
            self.fps = 0.001
            self.due += 1000
        if how == "flood":
            while True:
                say({"metadata": [["lux", 1.0]]})
        if how == "garbage":
            channel.send(b"\x00\xff no message")
        if how == "half":
            channel.send(b'{"frame":{"buffer":0,"sequ')
        if how == "crash":
            print("[0:12:34] FATAL IPA agc.cpp:99 assertion failed", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGABRT)
        if how == "unplug":
            say({"cameras": []})
        if how == "fault":
            fault("failed", "the sensor has stopped")

    def set(self, wish):
        note({"set": [wish["name"], wish["value"]]})
        if WRONG.get("set") == "silent":
            return
        known = [one for one in CONTROLS if one["name"] == wish["name"]]
        if not known or wish["name"] in WRONG.get("gone", []):
            say({"refused": {"name": wish["name"], "why": "there is no such control any more"}})
        elif not known[0]["min"] <= wish["value"] <= known[0]["max"]:
            say({"refused": {"name": wish["name"], "why": "it is out of range"}})
        else:
            self.values[wish["name"]] = wish["value"]
            say({"was_set": wish})


def main():
    if "exit" in WRONG:
        print(WRONG.get("words", ""), file=sys.stderr)
        sys.exit(WRONG["exit"])
    if WRONG.get("ignores_the_end"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note({"start": os.getpid()})
    time.sleep(WRONG.get("slow", 0))
    say({"hello": {"protocol": WRONG.get("protocol", 1), "helper": "0.1.0", "libcamera": "0.7.1"}})
    say({"cameras": WRONG.get("cameras", [CAMERA])})
    camera = Camera()
    while True:
        wait = None if camera.due is None else max(0, camera.due - time.monotonic())
        if select.select([channel], [], [], wait)[0]:
            packet = channel.recv(1 << 17)
            while not packet and WRONG.get("ignores_the_end"):
                time.sleep(1)
            if not packet:
                return
            told = json.loads(packet)
            if "open" in told:
                note(told)
                camera.open(told["open"])
            elif "set" in told:
                camera.set(told["set"])
            else:
                camera.free.append(told["return"]["buffer"])
        elif camera.due is not None:
            camera.frame()


main()
