#!/usr/bin/env python3
"""Makes the icons of the web app from src/ui/assets/icon.svg, which has rectangles alone: `deploy/icons.py`."""

import re
import struct
import zlib
from pathlib import Path

ASSETS = Path(__file__).resolve().parent.parent / "src/ui/assets"
SVG = (ASSETS / "icon.svg").read_text()
SIDE = 16  # of the SVG's view box


def rectangles():
    """Colour and corners of each, in the order in which they are painted."""
    for fill, path in re.findall(r'<path (?=[^>]*fill="(#\w+)")[^>]*d="([^"]+)"', SVG):
        x = y = 0.0
        points = []
        for sign, numbers in re.findall(r"([MmhvHVz])([-\d. ]*)", path):
            values = [float(number) for number in re.findall(r"-?\d*\.?\d+", numbers)]
            if sign in "Mm":
                x, y = (values[0], values[1]) if sign == "M" else (x + values[0], y + values[1])
                points = [(x, y)]
            elif sign in "hH":
                x = values[0] if sign == "H" else x + values[0]
                points.append((x, y))
            elif sign in "vV":
                y = values[0] if sign == "V" else y + values[0]
                points.append((x, y))
            else:
                x, y = points[0]
                xs, ys = [p[0] for p in points], [p[1] for p in points]
                yield colour(fill), (min(xs), min(ys), max(xs), max(ys))


def colour(text):
    digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
    return bytes.fromhex(digits)


def png(side, margin, is_round):
    """The icon with `side` pixels; `margin`: the part of a side left free; `is_round`: corners are transparent."""
    scale = side * (1 - 2 * margin) / SIDE
    ground = colour(re.search(r'<rect[^>]*fill="(#\w+)"', SVG)[1])
    radius = float(re.search(r'rx="(\d+)"', SVG)[1]) * side / SIDE if is_round else 0
    rows = [bytearray((ground + b"\xff") * side) for _ in range(side)]
    for fill, (left, top, right, bottom) in rectangles():
        near, far = (round(side * margin + v * scale) for v in (left, right))
        for y in range(round(side * margin + top * scale), round(side * margin + bottom * scale)):
            rows[y][4 * near : 4 * far] = (fill + b"\xff") * (far - near)
    for y in range(side):
        for x in range(side):
            dx, dy = max(radius - x - 0.5, x + 0.5 - side + radius, 0), max(radius - y - 0.5, y + 0.5 - side + radius, 0)
            if dx * dx + dy * dy > radius * radius:
                rows[y][4 * x + 3] = 0

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    head = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


for name, side, margin, is_round in [
    ("icon-192.png", 192, 0, True),
    ("icon-512.png", 512, 0, True),
    ("icon-maskable.png", 512, 0.12, False),
    ("apple-touch-icon.png", 180, 0.06, False),
]:
    (ASSETS / name).write_bytes(png(side, margin, is_round))
