"""The USB camera of tests/e2e, plugged into QEMU from outside: its protocol for redirected devices, usbredir, over a socket.

QEMU's side is `-device usb-redir,chardev=…`. The camera's descriptors, answers and pictures are those of uvc_camera.Camera.
"""
import os
import socket
import struct
import sys
import threading

from uvc_camera import Camera

HELLO, CONNECT, DISCONNECT, RESET, INTERFACES, ENDPOINTS = 0, 1, 2, 3, 4, 5
SET_CONFIGURATION, GET_CONFIGURATION, CONFIGURATION, SET_ALTERNATE, GET_ALTERNATE, ALTERNATE = 6, 7, 8, 9, 10, 11
CANCEL, CONTROL, BULK = 21, 100, 101
# Abilities of both sides: the device's version, sizes of endpoints, 64-bit ids, long bulk packets.
ABILITIES = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6
HIGH_SPEED, STALL, CANCELLED = 2, 4, 1
STREAM = 0x81


def slot(endpoint):
    """Where an endpoint stands in a table of 32."""
    return (endpoint & 0x80) >> 3 | endpoint & 0x0F


class Redirected(Camera):
    def __init__(self, jpegs, fps, door):
        super().__init__(jpegs, fps)
        self.ours = socket.socket(socket.AF_UNIX)
        self.ours.connect(door)
        # The head of a packet: kind, length, id. The id is longer once both have sent hello.
        self.head = "<III"

    def plug_in(self):
        """Returns when QEMU has ended, or the camera is pulled."""
        threading.Thread(target=self.play, daemon=True).start()
        try:
            self.serve()
        except (EOFError, OSError):
            pass

    def pull(self):
        self.ours.shutdown(socket.SHUT_RDWR)

    def send(self, kind, number, data=b""):
        self.ours.sendall(struct.pack(self.head, kind, len(data), number) + data)

    def write_answer(self, number, status, data, length=None):
        """What the stream's data is answered with."""
        # A picture is sent in pieces of the requested size.
        try:
            self.send(BULK, number, struct.pack("<BBHIH", STREAM, 0, len(data) & 0xFFFF, 0, len(data) >> 16) + data)
        except OSError:
            # It was unplugged: the playing thread ends.
            sys.exit()

    def describe(self, alternate=0):
        """Two interfaces, control and streaming, and the stream's endpoint."""
        def table(form, values, rest):
            return struct.pack(f"<32{form}", *[values.get(at, rest) for at in range(32)])
        self.send(INTERFACES, 0, struct.pack("<I", 2) + table("B", {0: 0, 1: 1}, 0) + table("B", {0: 14, 1: 14}, 0)
                  + table("B", {0: 1, 1: 2}, 0) + table("B", {}, 0))
        kinds = {slot(0x00): 0, slot(0x80): 0, slot(STREAM): 2}
        self.send(ENDPOINTS, 0, table("B", kinds, 255) + table("B", {}, 0) + table("B", {slot(STREAM): 1}, 0)
                  + table("H", {slot(0x00): 64, slot(0x80): 64, slot(STREAM): 512}, 0))

    def serve(self):
        self.send(HELLO, 0, b"tallycam tests".ljust(64, b"\0") + struct.pack("<I", ABILITIES))
        while True:
            kind, length, number = struct.unpack(self.head, self.read(struct.calcsize(self.head)))
            data = self.read(length)
            with self.writing:
                self.take(kind, number, data)

    def take(self, kind, number, data):
        if kind == HELLO:
            self.head = "<IIQ"
            self.describe()
            self.send(CONNECT, 0, struct.pack("<BBBBHHH", HIGH_SPEED, 0xEF, 2, 1, 0x1D6B, 0x0102, 0x0100))
        elif kind == SET_CONFIGURATION:
            self.describe()
            self.send(CONFIGURATION, number, bytes([0, data[0]]))
        elif kind == GET_CONFIGURATION:
            self.send(CONFIGURATION, number, bytes([0, 1]))
        elif kind == SET_ALTERNATE:
            self.send(ALTERNATE, number, bytes([0, data[0], data[1]]))
        elif kind == GET_ALTERNATE:
            self.send(ALTERNATE, number, bytes([0, data[0], 0]))
        elif kind == CONTROL:
            self.answer_control(number, data)
        elif kind == BULK:
            _, _, low, _, high = struct.unpack("<BBHIH", data[:10])
            with self.more:
                self.wanted.append((number, high << 16 | low))
                self.more.notify()
        elif kind == CANCEL:
            with self.more:
                found = [one for one in self.wanted if one[0] == number]
                for one in found:
                    self.wanted.remove(one)
            if found:
                self.send(BULK, number, struct.pack("<BBHIH", STREAM, CANCELLED, 0, 0, 0))

    def answer_control(self, number, data):
        endpoint, request, kind, _, value, index, length = struct.unpack("<BBBBHHH", data[:10])
        told = self.control(struct.pack("<BBHHH", kind, request, value, index, length), data[10:])
        status = STALL if told is None else 0
        told = told or b""
        if not kind & 0x80:
            told = b""
        told_length = len(told) if kind & 0x80 else length
        self.send(CONTROL, number, struct.pack("<BBBBHHH", endpoint, request, kind, status, value, index, told_length) + told)


def plug_in(folder, fps, door):
    """A camera that plays the JPEGs of `folder`, on a thread of its own."""
    jpegs = []
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            jpegs.append(file.read())
    camera = Redirected(jpegs, fps, door)
    threading.Thread(target=camera.plug_in, daemon=True).start()
    return camera
