"""A small client of MQTT 3.1.1, for one thread.

The acknowledgement of a message is a call of its own, because the consumer acknowledges after its COMMIT. Debian's
python3-paho-mqtt acknowledges before it hands a message over.
"""
import select
import socket
import time

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


def text(words):
    data = words.encode() if isinstance(words, str) else words
    return len(data).to_bytes(2, "big") + data


def packet(kind, flags, body):
    length, left = b"", len(body)
    while True:
        left, seven = left >> 7, left & 127
        length += bytes([seven | (128 if left else 0)])
        if not left:
            return bytes([kind << 4 | flags]) + length + body


class Message:
    def __init__(self, flags, body):
        size = int.from_bytes(body[:2], "big")
        self.topic = body[2:2 + size].decode()
        self.qos, self.retained = flags >> 1 & 3, bool(flags & 1)
        at = 2 + size
        self.number = int.from_bytes(body[at:at + 2], "big") if self.qos else 0
        self.payload = body[at + (2 if self.qos else 0):]


class Client:
    """A connection. Every fault is an OSError; then there has to be a new one."""

    def __init__(self, port, name, password=None, clean=True, will=None, keep_alive=15):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.number, self.keep_alive = b"", 0, keep_alive
        self.heard = self.said = time.monotonic()
        flags = (2 if clean else 0) | (0x2C if will else 0) | (0xC0 if password else 0)
        body = text("MQTT") + bytes([4, flags]) + keep_alive.to_bytes(2, "big") + text(name)
        if will:
            body += text(will[0]) + text(will[1])
        if password:
            body += text(name) + text(password)
        self.send(packet(CONNECT, 0, body))
        until = time.monotonic() + 5
        while not (answer := self.packets(0.5)):
            if time.monotonic() > until:
                raise OSError("the broker does not answer")
        kind, _, body = answer[0]
        if kind != CONNACK or body[1]:
            raise OSError(f"the broker refuses: {body[1]}")
        self.has_session = bool(body[0])
        self.early = answer[1:]

    def send(self, data):
        self.socket.settimeout(5)
        self.socket.sendall(data)
        self.said = time.monotonic()

    def packets(self, wait):
        """Arrived packets: kind, flags and body."""
        ready, _, _ = select.select([self.socket], [], [], wait)
        if ready:
            data = self.socket.recv(1 << 16)
            if not data:
                raise OSError("the broker has closed the connection")
            self.buffer += data
            self.heard = time.monotonic()
        found = []
        while len(self.buffer) > 1:
            size, shift, at = 0, 0, 1
            while at < len(self.buffer):
                size |= (self.buffer[at] & 127) << shift
                shift, at = shift + 7, at + 1
                if self.buffer[at - 1] < 128:
                    break
            else:
                break
            if self.buffer[at - 1] > 127 or len(self.buffer) < at + size:
                break
            found.append((self.buffer[0] >> 4, self.buffer[0] & 15, self.buffer[at:at + size]))
            self.buffer = self.buffer[at + size:]
        return found

    def next_number(self):
        self.number = self.number % 65535 + 1
        return self.number

    def subscribe(self, *topics):
        body = self.next_number().to_bytes(2, "big") + b"".join(text(topic) + b"\1" for topic in topics)
        self.send(packet(SUBSCRIBE, 2, body))

    def publish(self, topic, payload, retained=False):
        """Publishes with QoS 1; returns the number that the acknowledgement has."""
        number = self.next_number()
        body = text(topic) + number.to_bytes(2, "big") + (payload if isinstance(payload, bytes) else payload.encode())
        self.send(packet(PUBLISH, 2 | retained, body))
        return number

    def acknowledge(self, message):
        self.send(packet(PUBACK, 0, message.number.to_bytes(2, "big")))

    def arrived(self, wait):
        """Messages, and numbers that the broker has acknowledged."""
        messages, acknowledged = [], []
        packets, self.early = self.early, []
        for kind, flags, body in packets or self.packets(wait):
            if kind == PUBLISH:
                messages.append(Message(flags, body))
            elif kind == PUBACK:
                acknowledged.append(int.from_bytes(body[:2], "big"))
            elif kind == SUBACK and 128 in body[2:]:
                raise OSError("the broker refuses a subscription")
        now = time.monotonic()
        if now - self.said > self.keep_alive / 2:
            self.send(packet(PINGREQ, 0, b""))
        if now - self.heard > self.keep_alive * 1.5:
            raise OSError("the broker is silent")
        return messages, acknowledged

    def close(self):
        try:
            self.send(packet(DISCONNECT, 0, b""))
        finally:
            self.socket.close()
