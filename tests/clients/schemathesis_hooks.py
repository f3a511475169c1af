"""For schemathesis: streams without end are read for one byte, and TOML is sent as the text it is."""

import requests
import schemathesis

ask = requests.Session.request


def bounded(self, *path, **rest):
    answer = ask(self, *path, **{**rest, "stream": True})
    if answer.headers.get("content-type", "").startswith("multipart/x-mixed-replace"):
        answer._content = next(answer.iter_content(1), b"")
        answer._content_consumed = True
        answer.close()
    return answer


requests.Session.request = bounded


@schemathesis.serializer("application/toml")
def toml(context, value):
    return value if isinstance(value, (str, bytes)) else str(value)
