"""What systemctl and journalctl say and do."""
import http.client
import json
import time

from client import Viewer
from machine import Failure

JOURNAL_FIELDS = ("PRIORITY", "MESSAGE", "CAMERA", "SYSLOG_IDENTIFIER", "TARGET", "CODE_FILE", "CODE_LINE", "_SYSTEMD_UNIT")


def switches(run):
    """systemctl status, reload, restart, stop"""
    run.set(source__kind="sim", source__width=320, source__height=240)
    viewer = Viewer(run.machine.ports[80])
    viewer.wait_more(3, 60)
    status = run.guest("systemctl status --no-pager -n 0 tallycam")
    lines = [" ".join(line.split()) for line in status.splitlines() if line.strip().startswith(("Active:", "Status:"))]
    run.proved("status: " + "; ".join(lines))

    pid = run.pid()
    before = run.guest("cat /etc/tallycam/config.toml")
    run.write("/etc/tallycam/config.toml", before.replace('#name = "camera"', 'name = "gate"') + "\n")
    run.guest("systemctl reload tallycam")
    state = run.wait_state("the new name", lambda s: s["name"] == "gate", 30)
    viewer.wait_more(3, 60, "pictures after the reload")
    if run.pid() != pid:
        raise Failure("the reload restarted it")
    run.proved(f"reload: the camera is called “{state['name']}” now, by the same process, the viewer stays")

    answers, cut = [], 0
    run.guest("systemctl restart --no-block tallycam")
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            answers.append(run.site.request("GET", "/health", timeout=60)[0])
        except (OSError, http.client.HTTPException):
            cut += 1
    # The one that the old process had accepted, and had not read when it stopped, may be cut.
    if run.pid() == pid or set(answers) - {200, 503} or cut > 1:
        raise Failure(f"answers during the restart: {sorted(set(answers))}, {cut} cut")
    done = run.journal("stop: done")
    run.proved(f"restart: {len(answers)} requests meanwhile, none refused (the socket holds them); “{done}”")

    took = run.guest("systemctl stop tallycam.socket; s=$(date +%s%N); systemctl stop tallycam.service; e=$(date +%s%N); "
                     "echo $(((e-s)/1000000))", 60)
    left = run.show("ActiveState", "Result", "ExecMainStatus")
    if left != ["inactive", "success", "0"]:
        raise Failure(str(left))
    run.guest("systemctl start tallycam.socket tallycam.service", 60)
    run.proved(f"stop: {took} ms, {', '.join(left)}")


def journals(run):
    """journalctl -o json carries levels and fields"""
    lines = [json.loads(line) for line in run.guest("journalctl -b -u tallycam -o json _COMM=tallycam | tail -n 300").splitlines()]
    ours = [line for line in lines if line.get("_TRANSPORT") == "journal"]
    lacking = {field for line in ours for field in JOURNAL_FIELDS if field not in line}
    levels = sorted({line["PRIORITY"] for line in ours})
    if not ours or lacking:
        raise Failure(f"{len(ours)} lines; without {lacking}")
    sample = {field: ours[-1][field] for field in JOURNAL_FIELDS}
    run.proved(f"{len(ours)} lines, priorities {', '.join(levels)}; the last: {json.dumps(sample, ensure_ascii=False)}")
    camera = run.guest("journalctl -b -q -o cat CAMERA=gate | wc -l")
    run.proved(f"`journalctl CAMERA=gate` finds {camera} lines")


LEGS = [(switches, 180), (journals, 60)]
