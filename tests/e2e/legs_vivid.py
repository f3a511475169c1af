"""A raw camera: the kernel's vivid, with the errors that it makes on demand."""
import hashlib

from client import Viewer
from machine import Failure, wait_for

FIND = "v4l2-ctl --list-devices 2>/dev/null | grep -A1 -i '^vivid' | grep -o '/dev/video[0-9]*' | head -n 1"


def load(run):
    """Its node; loads it where it is not there."""
    run.guest("lsmod | grep -q ^vivid || modprobe vivid n_devs=1 node_types=0x1 input_types=0x0 num_inputs=1; udevadm settle")
    return wait_for("vivid's node", lambda: run.guest(FIND), 30)


def begin(run, width=640, height=360):
    device = load(run)
    run.set(source__kind="v4l2", source__device=device, source__format="YUYV",
            source__width=width, source__height=height, source__fps=None)
    return device


def streams(run):
    """Moving pictures from vivid, seen from outside"""
    begin(run)
    viewer = Viewer(run.machine.ports[80])
    seen = viewer.wait_more(30, 120, "pictures of vivid")
    state = run.site.state()
    if state["format"] != "YUYV" or state["state"] != "live":
        raise Failure(f"{state['format']} {state['state']}")
    run.proved(f"{state['camera']}: {state['format']} {state['width']}×{state['height']}, {len(set(seen))} different pictures "
               f"among {len(seen)} on one connection; the last has SHA-256 {hashlib.sha256(viewer.last).hexdigest()[:16]}…")
    viewer.leave()


def takes_controls(run):
    """V4L2 controls, set from outside and read back with v4l2-ctl"""
    device = begin(run)
    viewer = Viewer(run.machine.ports[80])
    run.wait_word("live")
    for wanted in ({"brightness": 77, "contrast": 31, "hue": -12, "horizontal_flip": True},
                   {"brightness": 200, "contrast": 128, "hue": 0, "horizontal_flip": False}):
        run.site.send("PATCH", "/api/v1/controls", wanted)
        names = ",".join(wanted)
        read = dict(line.split(": ") for line in run.guest(f"v4l2-ctl -d {device} -C {names}").splitlines())
        if {name: int(value) for name, value in read.items()} != {name: int(value) for name, value in wanted.items()}:
            raise Failure(f"set {wanted}, read {read}")
        run.proved(f"PATCH /api/v1/controls {wanted}; `v4l2-ctl -C {names}`: {read}")
    viewer.wait_more(5, 60)
    viewer.leave()
    run.site.send("POST", "/api/v1/controls/reset")


def survives_errors(run):
    """vivid's injected errors, each survived"""
    device = begin(run)
    run.set(log__level="debug")
    viewer = Viewer(run.machine.ports[80])
    run.wait_word("live")
    pid = run.pid()

    def press(control, value=1):
        run.guest(f"v4l2-ctl -d {device} -c {control}={value}")

    def survived(name, since, before, is_start):
        viewer.must_watch()
        run.wait_word("live", 90)
        viewer.wait_more(10, 90, f"pictures after {name}")
        state = run.site.state()
        if run.pid() != pid or not state["healthy"]:
            raise Failure(f"{name}: process {run.pid()}, healthy {state['healthy']}")
        figures = {key: state[key] - before[key] for key in ("lost", "broken", "opens") if state[key] != before[key]}
        # A fault is logged as a warning or error. A failed start that is retried at once and then succeeds is logged
        # at a lower level.
        words = (run.journal("could not be started", since) if is_start else
                 run.guest(f"journalctl -u tallycam -q -o cat -p warning --since=@{since} | head -n 1"))
        counted = ", ".join(f"{key} {more} more" for key, more in figures.items()) or "nothing"
        # Missing frames are no event: cameras lose some every day.
        told = f"journal: “{words}”" if words else "nothing is said of it in the journal, as of every frame that does not come"
        run.proved(f"{name}: live again, no viewer cut; counted: {counted}; {told}")
        return words

    # Bad data and a buffer that the driver refuses end no stream, because there are others.
    goes_on = ("a buffer with the error flag", "a failing VIDIOC_QBUF")
    lossy = ("half of the buffers dropped", *goes_on)
    for name, control, value, needs_opening in (
            ("half of the buffers dropped", "percentage_of_dropped_buffers", 50, False),
            ("a buffer with the error flag", "inject_v4l2_buf_flag_error", 1, False),
            ("a failing VIDIOC_QBUF", "inject_vidioc_qbuf_error", 1, False),
            ("a fatal streaming error", "inject_fatal_streaming_error", 1, False),
            ("a failing VIDIOC_REQBUFS", "inject_vidioc_reqbufs_error", 1, True),
            ("a failing VIDIOC_STREAMON", "inject_vidioc_streamon_error", 1, True),
            ("a disconnect", "disconnect", 1, False)):
        before, since, mark = run.site.state(), run.now(), viewer.mark()
        if needs_opening:
            run.site.send("POST", "/api/v1/pause")
        press(control, value)
        if needs_opening:
            run.site.send("POST", "/api/v1/resume")
        if value != 1:
            wait_for("lost pictures", lambda b=before: run.site.state()["lost"] > b["lost"] + 5, 60)
            press(control, 0)
        elif name not in goes_on:
            run.wait_state(f"another opening after {name}", lambda s, b=before: s["opens"] > b["opens"], 90)
        if control == "disconnect":
            # It comes back when the last process that had it open has closed it.
            device = wait_for("vivid's node", lambda: run.guest(FIND), 60)
        if viewer.mark() == mark:
            viewer.wait_more(1, 60)
        if not survived(name, since, before, needs_opening) and name not in lossy:
            raise Failure(f"the journal says nothing of {name}")
    run.set(log__level=None)
    viewer.leave()


LEGS = [(streams, 180), (takes_controls, 120), (survives_errors, 400)]
