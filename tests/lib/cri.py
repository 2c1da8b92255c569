"""As much of a kubelet as tests need: containerd's or CRI-O's service for Kubernetes, called
by its socket. gRPC is a message in a stream of HTTP/2; what the peer says about itself is
not read, so that a call that fails has only its name."""

import itertools
import socket
import struct

HEADERS, DATA, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM = 1, 0, 4, 6, 7, 8, 3
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def message(fields):
    """{number: value} in protobuf: numbers, texts, messages as dicts, and lists of these."""
    out = b""
    for number, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, int):
                out += varint(number << 3) + varint(value)
                continue
            data = message(value) if isinstance(value, dict) else value.encode()
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return out


def read_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 128:
            return n, at


def fields(data):
    """{number: the last value}: a number, or bytes."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        value, at = read_varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found[key >> 3] = value
    return found


class Failed(Exception):
    pass


class Cri:
    def __init__(self, path, seconds):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.connect(str(path))
        self.streams = itertools.count(1, 2)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.frame(SETTINGS, 0, 0, b"")

    def close(self):
        self.socket.close()

    def frame(self, kind, flags, stream, data):
        self.socket.sendall(struct.pack(">I", len(data))[1:] + struct.pack(">BBI", kind, flags, stream) + data)

    def receive(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise Failed("the service has hung up")
            data += more
        return data

    def headers(self, name):
        """Each as a literal without an index: RFC 7541, 6.2.2."""
        rows = {":method": "POST", ":scheme": "http", ":path": f"/runtime.v1.RuntimeService/{name}",
                ":authority": "localhost", "content-type": "application/grpc", "te": "trailers"}
        return b"".join(b"\0" + b"".join(bytes([len(t)]) + t.encode() for t in row) for row in rows.items())

    def call(self, name, request):
        """The fields of the answer."""
        stream = next(self.streams)
        data = message(request)
        self.frame(HEADERS, END_HEADERS, stream, self.headers(name))
        self.frame(DATA, END_STREAM, stream, struct.pack(">BI", 0, len(data)) + data)
        answer, ended = b"", False
        while not ended:
            head = self.receive(9)
            kind, flags, which = struct.unpack(">BBI", head[3:])
            body = self.receive(int.from_bytes(head[:3], "big"))
            if kind in (SETTINGS, PING) and not flags & ACK:
                self.frame(kind, ACK, 0, body if kind == PING else b"")
            if kind in (GOAWAY, RST_STREAM):
                raise Failed(f"{name}: {body!r}")
            if which != stream:
                continue
            if kind == DATA:
                answer += body
            ended = kind in (DATA, HEADERS) and flags & END_STREAM
        if not answer:
            raise Failed(f"{name} has failed: {body!r}")
        return fields(answer[5:])


NODE = 2  # a namespace that is the host's


def pod(name, parent):
    """A pod in the host's network, which needs no plugin for one."""
    return {1: {1: name, 2: f"uid-{name}", 3: "default"}, 8: {1: parent, 2: {1: {1: NODE}}}}
