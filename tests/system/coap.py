# SPDX-License-Identifier: GPL-3.0-or-later
#
# CoAP (RFC 7252) in plaintext: libcoap's server as a process, and as little of a client by
# hand as tests need to ask and to observe with a pace of their own. The latter knows no
# blocks; neither knows of security.

import secrets
import socket
import struct
import threading
import time

from harness import Failed, Process, program

ACK_TIMEOUT = 0.3  # of RFC 7252 4.8's 2 s: tests wait for many lost answers


class CoapServer(Process):
    """coap-server without DTLS on a loopback port, with room for resources made by PUT."""

    def __init__(self, resources=100):
        path = program("coap-server-notls", "coap-server-openssl", "coap-server")
        for _ in range(20):  # its port cannot be the kernel's choice: try until one is free
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
            super().__init__([path, "-A", "127.0.0.1", "-p", str(self.port), "-d", str(resources), "-v", "6"], name="coap-server")
            if self._answers():
                return
            self.kill()
        raise Failed(f"coap-server does not answer: {self.text()[-300:]}")

    def _answers(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.settimeout(0.1)
            asker.connect(("127.0.0.1", self.port))
            for _ in range(50):
                try:
                    asker.send(b"\x40\x01\x12\x34")  # GET /
                    return bool(asker.recv(2048))
                except TimeoutError:
                    pass
                except ConnectionRefusedError:
                    time.sleep(0.02)
                if not self.running():
                    return False
        return False


def request(number, path, token=b"", observe=None, put=None):
    """A confirmable GET, or a PUT of the bytes given; number: its message ID. observe: 0 registers (RFC 7641 2)."""
    options = b"" if observe is None else b"\x61" + bytes([observe]) if observe else b"\x60"
    previous = 0 if observe is None else 6
    for segment in path.encode().split(b"/"):
        options += bytes([(11 - previous) << 4 | len(segment)]) + segment
        previous = 11
    body = b"" if put is None else b"\xff" + put
    return bytes([0x40 | len(token), 1 if put is None else 3]) + struct.pack("!H", number) + token + options + body


def parse(message):
    """(type, code, message ID, token, payload); type 0 is confirmable, 2 an acknowledgement."""
    size = message[0] & 15
    rest = message[4 + size:]
    payload = b""
    at = 0
    while at < len(rest):
        if rest[at] == 0xFF:
            payload = rest[at + 1:]
            break
        delta, length = rest[at] >> 4, rest[at] & 15
        at += 1
        if delta == 13:
            at += 1
        if length == 13:
            length = 13 + rest[at]
            at += 1
        at += length
    return message[0] >> 4 & 3, message[1], struct.unpack("!H", message[2:4])[0], message[4:4 + size], payload


def acknowledge(number):
    return b"\x60\x00" + struct.pack("!H", number)


class Sender:
    """A socket of its own that asks one question at a time (RFC 7252 4.2, but for the timeout), and repeats it until it
    is answered. It reads nothing by itself: whoever has many waits for all of them at once."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect((host, port))
        self.socket.setblocking(False)
        self.number = secrets.randbits(15)
        self.asked = self.answered = self.repeated = 0
        self.question = None
        self.next_send = 0.0

    def close(self):
        self.socket.close()

    def ask(self, path, put=None):
        self.number = (self.number + 1) & 0xFFFF
        self.token = secrets.token_bytes(8)
        self.question = request(self.number, path, self.token, put=put)
        self.asked += 1
        self._send()

    def _send(self):
        self.next_send = time.monotonic() + ACK_TIMEOUT
        try:
            self.socket.send(self.question)
        except OSError:
            pass  # lost

    def repeat_if_due(self, now):
        if self.question and now >= self.next_send:
            self.repeated += 1
            self._send()

    def receive(self):
        """(code, payload) of the answer to the open question, or None: an answer that comes twice, or nothing. An
        answer to nothing that was ever asked here is somebody else's: ValueError."""
        try:
            message = self.socket.recv(65536)
        except OSError:
            return None
        _, code, number, token, payload = parse(message)
        if self.question and token == self.token and number == self.number:
            self.question = None
            self.answered += 1
            return code, payload
        if (self.number - number) & 0xFFFF > self.asked:
            raise ValueError(f"an answer to message {number:#x}, last asked {self.number:#x}")
        return None


class Observer:
    """Observes a resource (RFC 7641) in a thread: acknowledges every notification, also one that comes again, and
    registers again when none has come for `patience` seconds (RFC 7641 3.3.1)."""

    def __init__(self, port, path, patience=3.0, host="127.0.0.1"):
        self.notes = []  # (time, payload), each once
        self.registered = 0
        self.path, self.patience = path, patience
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, port))
        self.port = self.socket.getsockname()[1]
        self._number = secrets.randbits(15)
        self._token = secrets.token_bytes(8)
        self._ending = False
        self._thread = threading.Thread(target=self._observe, daemon=True)
        self._thread.start()

    def kill(self):
        self._ending = True
        self._thread.join(5)
        self.socket.close()

    def _send(self, message):
        try:
            self.socket.send(message)
        except OSError:
            pass

    def _observe(self):
        seen = set()
        heard = 0.0
        while not self._ending:
            if time.monotonic() - heard >= self.patience:
                heard = time.monotonic()
                self.registered += 1
                self._number += 1
                self._send(request(self._number, self.path, self._token, observe=0))
            self.socket.settimeout(0.1)
            try:
                message = self.socket.recv(65536)
            except OSError:
                continue
            kind, code, number, token, payload = parse(message)
            if kind == 0:
                self._send(acknowledge(number))
            if token != self._token or code >> 5 != 2 or number in seen:
                continue
            seen.add(number)
            heard = time.monotonic()
            self.notes.append((heard, payload))
