"""Clients outside the guest: requests, a viewer of the stream, a listener to crossings."""
import base64
import hashlib
import http.client
import json
import socket
import threading
import time

from machine import Failure, PATIENCE


def authorization(password):
    """The lines of a request's head that sign in; none where no password is needed."""
    if not password:
        return ""
    return "Authorization: Basic " + base64.b64encode(f"e2e:{password}".encode()).decode() + "\r\n"


class Site:
    """What the guest serves on one port."""

    def __init__(self, port):
        self.port = port
        self.password = None

    def request(self, method, path, body=None, timeout=60, signed_in=True):
        """Status, headers (lower case) and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        headers = {"Connection": "close"}
        if body is not None:
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if self.password and signed_in:
            name, value = authorization(self.password).strip().split(": ")
            headers[name] = value
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def get(self, path, timeout=60):
        """The body of what is answered with 200."""
        status, _, body = self.request("GET", path, timeout=timeout)
        if status != 200:
            raise Failure(f"GET {path}: {status} {body[:300]!r}")
        return body

    def json(self, path, timeout=60):
        return json.loads(self.get(path, timeout))

    def send(self, method, path, body=None, timeout=60):
        """What a change is answered, which must be done."""
        status, _, answer = self.request(method, path, body, timeout)
        if status not in (200, 201, 204):
            raise Failure(f"{method} {path} {body}: {status} {answer[:400]!r}")
        return json.loads(answer) if answer else None

    def state(self):
        return self.json("/api/v1/state")

    def try_state(self):
        """The state; {} where nobody answers."""
        try:
            return self.json("/api/v1/state", timeout=10)
        except (OSError, http.client.HTTPException, ValueError, Failure):
            return {}


class Viewer:
    """Watches /stream on one connection, which it never makes again; remembers what it saw by hash."""

    def __init__(self, port, path="/stream", password=None):
        self.seen = []
        self.last = b""
        self.ended = None
        self.changed = threading.Condition()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120 * PATIENCE)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{authorization(password)}\r\n".encode())
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        try:
            with http.client.HTTPResponse(self.socket) as answer:
                answer.begin()
                if answer.status != 200:
                    raise OSError(f"{answer.status}: {answer.read()[:200]!r}")
                while True:
                    length = None
                    while True:
                        line = answer.readline()
                        if not line:
                            raise EOFError("the stream ended")
                        line = line.strip().lower()
                        if line.startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                        if not line and length is not None:
                            break
                    picture = answer.read(length)
                    if len(picture) < length:
                        raise EOFError("the stream ended within a picture")
                    with self.changed:
                        self.seen.append((time.monotonic(), hashlib.sha256(picture).hexdigest()))
                        self.last = picture
                        self.changed.notify_all()
        except (OSError, EOFError, ValueError, http.client.HTTPException) as error:
            with self.changed:
                self.ended = str(error) or type(error).__name__
                self.changed.notify_all()

    def mark(self):
        """So many pictures it has seen."""
        with self.changed:
            return len(self.seen)

    def since(self, mark):
        """The hashes of what it saw since `mark`."""
        with self.changed:
            return [digest for _, digest in self.seen[mark:]]

    def wait_more(self, count, timeout, what="pictures"):
        """Waits for `count` more pictures, all different from each other; their hashes."""
        mark = self.mark()
        with self.changed:
            enough = lambda: self.ended or len({digest for _, digest in self.seen[mark:]}) >= count
            if not self.changed.wait_for(enough, timeout * PATIENCE) or self.ended:
                raise Failure(f"{what}: {len(self.seen) - mark} of {count} within {timeout * PATIENCE:.0f} s; {self.ended or 'still watching'}")
        return self.since(mark)

    def must_watch(self):
        if self.ended:
            raise Failure(f"a viewer was cut: {self.ended}")

    def leave(self):
        self.socket.close() if self.ended else self.socket.shutdown(socket.SHUT_RDWR)


class Listener:
    """Hears crossings by server-sent events: what was announced, by number."""

    def __init__(self, port, last, password=None):
        self.known = {}
        self.ended = False
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120 * PATIENCE)
        self.socket.sendall((f"GET /api/v1/events?types=crossing HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                             f"Accept: text/event-stream\r\n{authorization(password)}Last-Event-ID: {last}\r\n\r\n").encode())
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        number = None
        try:
            with self.socket.makefile("rb") as lines:
                for line in lines:
                    if line.startswith(b"id:"):
                        number = int(line[3:])
                    elif line.startswith(b"data:") and line.endswith(b"\n") and number is not None:
                        crossing = json.loads(line[5:])
                        self.known[number] = name_of(crossing)
        except (OSError, ValueError):
            pass
        self.ended = True


def name_of(crossing):
    """What names a crossing within everything."""
    return " ".join(str(crossing[key]) for key in ("run", "line", "track", "ordinal", "class", "direction"))
