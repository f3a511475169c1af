"""Calls that a client made by openapi-python-client does: generated.py SITE FOLDER, the package `generated` in FOLDER."""

import importlib
import pkgutil
import sys
import time

site, folder = sys.argv[1:]
sys.path.insert(0, folder)
import generated  # noqa: E402

for module in pkgutil.walk_packages(generated.__path__, "generated."):
    importlib.import_module(module.name)

from generated import models  # noqa: E402

client = generated.Client(base_url=site, raise_on_unexpected_status=True)


def call(name, status, *path, **rest):
    answer = importlib.import_module(f"generated.api.api.{name}").sync_detailed(*path, client=client, **rest)
    assert answer.status_code == status, f"{name}: {answer.status_code} {answer.content[:300]}"
    return answer.parsed


assert isinstance(call("get_state", 200), models.State)
assert isinstance(call("get_counts", 200, from_="today", by="line"), models.CountsReport)
picture = call("get_snapshot_jpg", 200).payload.read()
assert picture[:2] == b"\xff\xd8", picture[:20]
line = call("post_lines", 201, body=models.LineDraft(name="Generated", a=[0.1, 0.1], b=[0.1, 0.9]))
assert line.name == "Generated" and line.id in [one.id for one in call("get_lines", 200).items]
call("delete_lines_by_id", 204, line.id)
assert call("post_pause", 200).state == "paused"
assert call("post_resume", 200).state != "paused"
item = call("post_recordings", 201, body=models.RecordingDraft(name="generated"))
time.sleep(1)
assert call("get_recording", 200) is not None
assert call("post_recording_stop", 200).id == item.id
