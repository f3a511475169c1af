"""The light: a strip at an SPI bus that writes down what it is sent, and a lamp at a simulated GPIO chip."""
import base64
import struct

from machine import Failure, wait_for

PIXELS = 4
# 300 µs at 2.4 MHz, in bytes.
RESET = 90


def coded(colors):
    """What a WS2812B strip is sent for these pixels of red, green and blue: 300 µs of low at 2.4 MHz, 110 for a 1 and
    100 for a 0 in the order green, red, blue, and 300 µs of low."""
    bits = "".join("110" if value >> bit & 1 else "100"
                   for red, green, blue in colors for value in (green, red, blue) for bit in range(7, -1, -1))
    return bytes(RESET) + int(bits, 2).to_bytes(len(bits) // 8, "big") + bytes(RESET)


def messages(run):
    """What the strip was sent since the last time: (hertz, bytes)."""
    noted = base64.b64decode(run.guest("base64 -w 0 /dev/spi-mock"))
    found, at = [], 0
    while at < len(noted):
        hertz, _, length, _ = struct.unpack_from("<IIII", noted, at)
        found.append((hertz, noted[at + 16:at + 16 + length]))
        at += 16 + length
    return found


def strip(run):
    """The bits of a strip of WS2812 at SPI"""
    run.guest("lsmod | grep -q ^spi_mock || modprobe spi-mock bufsiz=262144; modprobe spidev; "
              "d=/sys/bus/spi/devices/spi0.0; echo spidev > $d/driver_override; "
              "test -e $d/driver || echo spi0.0 > /sys/bus/spi/drivers/spidev/bind; udevadm settle")
    run.proved("device: " + run.guest("stat -c '%n %U:%G %a' /dev/spidev0.0"))
    run.set(lights__kind="spi", lights__pixels=PIXELS, lights__order="GRB", lights__gamma=1)
    for body, colors in (
            ({"on": True, "color": "FF8001", "brightness": 255}, [(0xFF, 0x80, 0x01)] * PIXELS),
            ({"ranges": [{"from": 1, "to": 2, "color": "0000FF"}]},
             [(0xFF, 0x80, 0x01), (0, 0, 255), (0, 0, 255), (0xFF, 0x80, 0x01)]),
            ({"on": False}, [(0, 0, 0)] * PIXELS)):
        messages(run)
        run.site.send("PATCH", "/api/v1/light", body)
        # It may be dark first, when it is opened; the last message counts.
        seen, wanted = [], (2_400_000, coded(colors))
        try:
            wait_for("the message", lambda s=seen, w=wanted: s.extend(messages(run)) or s[-1:] == [w], 30)
        except Failure as why:
            told = [f"{len(sent)} bytes {sent.hex()} at {hertz} Hz" for hertz, sent in seen]
            raise Failure(f"{body}: wanted {wanted[1].hex()}; sent: {told}; {run.site.json('/api/v1/light')}") from why
        hertz, sent = seen[-1]
        run.proved(f"{body}: {len(sent)} bytes at {hertz} Hz, as the data sheet has them: {sent[RESET:RESET + 12].hex()}…")
    run.guest("echo 5 > /sys/module/spi_mock/parameters/fail")
    run.site.send("PATCH", "/api/v1/light", {"on": True})
    trouble = wait_for("trouble of the strip", lambda: run.site.json("/api/v1/light").get("reason"), 30)
    run.guest("echo 0 > /sys/module/spi_mock/parameters/fail")
    run.site.send("PATCH", "/api/v1/light", {"on": False})
    wait_for("the strip's return", lambda: not run.site.json("/api/v1/light").get("reason"), 60)
    run.proved(f"a bus that answers EIO: “{trouble}”; works again when it does")


def lamp(run):
    """A lamp at a pin, through the GPIO character device"""
    run.guest("modprobe gpio-sim; mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config; "
              "c=/sys/kernel/config/gpio-sim/lamp; test -e $c || { mkdir -p $c/bank; echo 8 > $c/bank/num_lines; echo 1 > $c/live; }; "
              "udevadm settle")
    chip = run.guest("cat /sys/kernel/config/gpio-sim/lamp/bank/chip_name")
    value = f"cat /sys/devices/platform/gpio-sim.*/{chip}/sim_gpio3/value"
    run.proved("device: " + run.guest(f"stat -c '%n %U:%G %a' /dev/{chip}"))
    run.set(lights__kind="gpio", lights__chip=f"/dev/{chip}", lights__pin=3)
    seen = []
    for is_on in (True, False, True):
        run.site.send("PATCH", "/api/v1/light", {"on": is_on})
        wait_for(f"the lamp {'on' if is_on else 'off'}", lambda w=str(int(is_on)): run.guest(value) == w, 30)
        seen.append(run.guest(value))
    held = run.guest(f"gpioinfo -c {chip} 3 2>/dev/null || gpioinfo {chip} | grep -w 'line *3'")
    if "tallycam" not in held:
        raise Failure(held)
    run.set(lights__kind="none")
    run.proved(f"on, off, on: the pin is {', '.join(seen)}; `gpioinfo`: {' '.join(held.split())}")


LEGS = [(strip, 120), (lamp, 120)]
