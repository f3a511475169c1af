#!/usr/bin/env python3
"""Watches an MJPEG stream inside the guest, over loopback, and says what the server spent on it.

    viewer.py PORT PID SECONDS

Waits for ten pictures, then counts them for SECONDS. Prints one line of JSON: pictures, and the milliseconds of CPU that process
PID, all its threads, has used meanwhile.
"""
import json
import os
import socket
import sys
import time

# Each picture's header has it once, and no JPEG contains it by chance.
MARK = b"\r\ncontent-length:"
WARM_UP = 10
# A server that sends nothing for this long is given up.
SILENCE = 60


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


class Stream:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SILENCE)
        self.socket.sendall(f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        self.tail = b""

    def read(self):
        """Pictures that have begun in what comes next."""
        data = self.socket.recv(1 << 20)
        if not data:
            sys.exit("the stream ended")
        data = (self.tail + data).lower()
        self.tail = data[-(len(MARK) - 1):]
        return data.count(MARK)


def main():
    port, pid, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    stream = Stream(port)
    seen = 0
    while seen < WARM_UP:
        seen += stream.read()
    before, until, pictures = cpu_ms(pid), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        pictures += stream.read()
    print(json.dumps({"pictures": pictures, "cpu_ms": cpu_ms(pid) - before}))


if __name__ == "__main__":
    main()
