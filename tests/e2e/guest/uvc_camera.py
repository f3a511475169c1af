#!/usr/bin/env python3
"""A true UVC camera with MJPG, made in user space and plugged into the kernel: USB/IP over a socket pair into vhci_hcd.

    uvc_camera.py FOLDER FPS

plays the JPEGs of FOLDER (all of one size) in their names' order, again and again, byte for byte. Needs
root and the modules vhci_hcd and uvcvideo. What stands in /run/uvc-camera is how it behaves:

    run      as a good camera does (also where there is no such file)
    silent   its stream ends in the middle of nothing, everything else is answered
    hang     nothing is answered, so that a request to its driver never returns; what was asked is
             answered when it runs again

The cable is pulled by writing 0 to /sys/devices/platform/vhci_hcd.0/detach; the program ends then.
Protocol: Documentation/usb/usbip_protocol.rst in the kernel, and the USB Video Class 1.1.
"""
import collections
import glob
import os
import socket
import struct
import sys
import threading
import time

MODE = "/run/uvc-camera"
ATTACH = "/sys/devices/platform/vhci_hcd.0/attach"
HIGH_SPEED = 3
EPIPE, ECONNRESET = -32, -104
SUBMIT, UNLINK, RET_SUBMIT, RET_UNLINK = 1, 2, 3, 4
LARGEST = 1 << 20
INTERVALS = (333333, 666666, 1000000)  # 100 ns


def size_of(jpeg):
    """Width and height by the frame header (SOF0 or SOF2)."""
    at = 2
    while jpeg[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
    height, width = struct.unpack_from(">HH", jpeg, at + 5)
    return width, height


def descriptors(width, height):
    """The device's and the configuration's descriptor of a camera with one format and one size."""
    device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0xEF, 2, 1, 64, 0x1D6B, 0x0102, 0x100, 1, 2, 3, 1)
    rates = struct.pack("<%dI" % len(INTERVALS), *INTERVALS)
    frame = struct.pack("<BBBBBHHIIIIB", 26 + len(rates), 0x24, 7, 1, 0, width, height, width * height * 80,
                        width * height * 160, LARGEST, INTERVALS[0], len(INTERVALS)) + rates
    mjpg = struct.pack("<11B", 11, 0x24, 6, 1, 1, 1, 1, 0, 0, 0, 0) + frame + bytes([6, 0x24, 0x0D, 1, 1, 4])
    stream = struct.pack("<BBBBHBBBBBBBB", 14, 0x24, 1, 1, 14 + len(mjpg), 0x81, 0, 2, 0, 0, 0, 1, 0) + mjpg
    units = struct.pack("<BBBBHBBHHHB3s", 18, 0x24, 2, 1, 0x0201, 0, 0, 0, 0, 0, 3, bytes(3))
    units += struct.pack("<BBBBHBBB", 9, 0x24, 3, 2, 0x0101, 0, 1, 0)
    control = struct.pack("<BBBHHIBB", 13, 0x24, 1, 0x0110, 13 + len(units), 48000000, 1, 1) + units
    body = bytes([8, 11, 0, 2, 14, 3, 0, 2])
    body += bytes([9, 4, 0, 0, 0, 14, 1, 0, 2]) + control
    body += bytes([9, 4, 1, 0, 1, 14, 2, 0, 0]) + stream + struct.pack("<BBBBHB", 7, 5, 0x81, 2, 512, 0)
    return device, struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), 2, 1, 0, 0x80, 50) + body


def mode():
    try:
        with open(MODE, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "run"


class Camera:
    TEXTS = ("", "tallycam tests", "UVC camera of the tests", "0001")

    def __init__(self, jpegs, fps):
        self.jpegs, self.fps = jpegs, fps
        self.device, self.configuration = descriptors(*size_of(jpegs[0]))
        self.interval = INTERVALS[0]
        self.ours, self.kernels = socket.socketpair()
        # Requests of the stream that wait for a frame: (number, length).
        self.wanted = collections.deque()
        self.more = threading.Condition()
        self.writing = threading.Lock()

    def plug_in(self):
        with open(ATTACH, "w", encoding="ascii") as attach:
            attach.write("0 %d %d %d" % (self.kernels.fileno(), 1 << 16 | 2, HIGH_SPEED))
        # The kernel has its own reference now: once ours is closed, the end of it is noticed.
        self.kernels.close()
        threading.Thread(target=self.play, daemon=True).start()
        self.serve()

    def read(self, length):
        data = b""
        while len(data) < length:
            more = self.ours.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def answer(self, number, status, data=b"", length=None):
        with self.writing:
            self.write_answer(number, status, data, length)

    def write_answer(self, number, status, data, length=None):
        header = struct.pack(">IIIII", RET_SUBMIT, number, 0, 0, 0)
        header += struct.pack(">iiiii8x", status, len(data) if length is None else length, 0, 0, 0)
        self.ours.sendall(header + data)

    def serve(self):
        """Answers the kernel until the cable is pulled."""
        while True:
            head, rest = self.read(20), self.read(28)
            command, number, _, is_in, endpoint = struct.unpack(">IIIII", head)
            length = struct.unpack(">Ii", rest[:8])[1]
            sent = self.read(length) if command == SUBMIT and not is_in and length > 0 else b""
            while mode() == "hang":
                time.sleep(0.1)
            if command == UNLINK:
                self.forget(number, struct.unpack(">I", rest[:4])[0])
            elif endpoint == 0:
                told = self.control(rest[20:28], sent)
                if told is None:
                    self.answer(number, EPIPE)
                elif is_in:
                    self.answer(number, 0, told)
                else:
                    self.answer(number, 0, b"", len(sent))
            else:
                with self.more:
                    self.wanted.append((number, length))
                    self.more.notify()

    def forget(self, number, which):
        # A cancelled request has been answered by then. The kernel does not know later answers, and would treat the
        # camera as broken.
        with self.writing:
            with self.more:
                found = [one for one in self.wanted if one[0] == which]
                for one in found:
                    self.wanted.remove(one)
            self.ours.sendall(struct.pack(">IIIII", RET_UNLINK, number, 0, 0, 0)
                              + struct.pack(">i24x", ECONNRESET if found else 0))

    def control(self, setup, sent):
        """What a request to endpoint 0 is answered; None stalls."""
        kind, request, value, index, length = struct.unpack("<BBHHH", setup)
        if kind & 0x60 == 0:
            if request == 6:
                return self.descriptor(value >> 8, value & 255, length)
            return {0: bytes(2)[:length], 8: b"\1", 10: b"\0"}.get(request, b"")
        if kind & 0x60 == 0x20 and index & 255 == 1 and value >> 8 in (1, 2):
            if request == 1:
                self.interval = struct.unpack_from("<I", sent, 4)[0] or INTERVALS[0]
                return b""
            if request in (0x81, 0x82, 0x83, 0x87):
                return struct.pack("<HBBIHHHHHIIIBBBB", 1, 1, 1, self.interval, 0, 0, 0, 0, 0, LARGEST, LARGEST, 48000000,
                                   0, 0, 0, 0)[:length]
            if request == 0x85:
                return struct.pack("<H", 34)[:length]
            if request == 0x86:
                return b"\3"
        return None

    def descriptor(self, kind, which, length):
        if kind == 1:
            return self.device[:length]
        if kind == 2:
            return self.configuration[:length]
        if kind == 3 and which < len(self.TEXTS):
            text = b"\x09\x04" if which == 0 else self.TEXTS[which].encode("utf-16le")
            return (bytes([len(text) + 2, 3]) + text)[:length]
        return None

    def play(self):
        """One frame after the other, each as one payload with the frame's bit toggled, while somebody wants data."""
        toggle, due, at = 0, time.monotonic(), 0
        while True:
            with self.more:
                while not self.wanted:
                    self.more.wait()
                    due = max(due, time.monotonic())
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + max(1 / self.fps, self.interval / 1e7), time.monotonic() - 0.1)
            if mode() != "run":
                time.sleep(0.05)
                continue
            data = bytes([2, 0x82 | toggle]) + self.jpegs[at % len(self.jpegs)]
            toggle ^= 1
            at += 1
            while data is not None:
                with self.more:
                    while not self.wanted:
                        self.more.wait()
                with self.writing:
                    with self.more:
                        if not self.wanted:
                            continue
                        number, length = self.wanted.popleft()
                    self.write_answer(number, 0, data[:length])
                # A shorter answer, even an empty one, ends the payload.
                data = data[length:] if len(data) >= length else None


def main():
    names = sorted(glob.glob(os.path.join(sys.argv[1], "*.jpg")))
    jpegs = []
    for name in names:
        with open(name, "rb") as file:
            jpegs.append(file.read())
    try:
        Camera(jpegs, float(sys.argv[2])).plug_in()
    except (EOFError, OSError):
        print("the cable was pulled")


if __name__ == "__main__":
    main()
