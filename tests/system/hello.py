# SPDX-License-Identifier: GPL-3.0-or-later
#
# ClientHellos made by hand, for tests that need one of a given size, address or cookie
# (RFC 6347 4.2, RFC 9147 5.3). It knows enough to come as far as the ServerHello and no
# further: it never computes a key.

import os
import socket
import struct

import harness

HANDSHAKE = 22
CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY_REQUEST = 1, 2, 3
HRR_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891" "c2a211167abb8c5e079e09e2c8a8339c")  # RFC 8446 4.1.3
X25519 = 29


def extension(number, body):
    return struct.pack("!HH", number, len(body)) + body


def vector(body, width=2):
    return len(body).to_bytes(width, "big") + body


class Hello:
    """One client's hello: the same random each time it is asked for."""

    def __init__(self, is_13=False, pad_to=0, cid=None, share=False, extensions=b""):
        self.is_13 = is_13
        self.random = os.urandom(32)
        self.pad_to = pad_to
        self.cid = cid
        self.share = share
        self.more = extensions

    def body(self, cookie=b"", cookie_13=None):
        suites = bytes.fromhex("13011303" if self.is_13 else "c02bc02fcca9ccac00ff")
        extensions = extension(10, vector(bytes.fromhex("001d00170018")))
        extensions += extension(13, vector(bytes.fromhex("040308070804080505030401")))
        if self.is_13:
            extensions += extension(43, vector(bytes.fromhex("fefc"), 1))
            shares = b""
            if self.share or cookie_13 is not None:
                shares = struct.pack("!H", X25519) + vector(os.urandom(31) + b"\x1f")  # wolfSSL takes no top bit
            extensions += extension(51, vector(shares))
        else:
            extensions += extension(11, b"\x01\x00") + extension(23, b"")
        if self.cid is not None:
            extensions += extension(54, vector(self.cid, 1))
        extensions += self.more
        if cookie_13 is not None:
            extensions += extension(44, vector(cookie_13))

        def whole(tail):
            fixed = b"\xfe\xfd" + self.random + vector(b"", 1) + vector(cookie, 1) + vector(suites) + b"\x01\x00"
            return fixed + vector(extensions + tail)
        missing = self.pad_to - 25 - len(whole(b"")) - 4
        return whole(extension(21, bytes(missing)) if missing >= 0 else b"")

    def record(self, cookie=b"", cookie_13=None, number=0):
        """number: of the record and of the message, 0 for the first hello."""
        body = self.body(cookie, cookie_13)
        message = (bytes([CLIENT_HELLO]) + len(body).to_bytes(3, "big") + struct.pack("!H", number) +
                   bytes(3) + len(body).to_bytes(3, "big") + body)
        return bytes([HANDSHAKE]) + b"\xfe\xfd" + struct.pack("!HIH", 0, 0, number) + vector(message)


def kind(datagram):
    """"verify" (HelloVerifyRequest), "retry" (HelloRetryRequest), "hello" (ServerHello) or "other"."""
    if len(datagram) < 25 or datagram[0] != HANDSHAKE:
        return "other"
    if datagram[13] == HELLO_VERIFY_REQUEST:
        return "verify"
    if datagram[13] == SERVER_HELLO:
        return "retry" if datagram[27:59] == HRR_RANDOM else "hello"
    return "other"


def cookie_of(datagram):
    """The cookie of a HelloVerifyRequest."""
    return datagram[28:28 + datagram[27]]


def cookie_13_of(datagram):
    """The cookie extension's content of a HelloRetryRequest, without its own length."""
    at = 59
    at += 1 + datagram[at]  # session id
    at += 3  # suite, compression
    end = at + 2 + int.from_bytes(datagram[at:at + 2], "big")
    at += 2
    while at < end:
        number, size = struct.unpack("!HH", datagram[at:at + 4])
        if number == 44:
            return datagram[at + 6:at + 4 + size]
        at += 4 + size
    return None


def endpoint(address="127.0.0.1", port=0, timeout=harness.PATIENCE):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    s.settimeout(timeout)
    return s


def ask(s, server, datagram, timeout=None):
    """Sends and waits for one answer; None: there was none."""
    if timeout is not None:
        s.settimeout(timeout)
    s.sendto(datagram, server)
    try:
        return s.recv(65536)
    except (TimeoutError, ConnectionRefusedError):
        return None


def drain(s, quiet=0.3):
    """Everything that still comes until it has been quiet."""
    s.settimeout(quiet)
    got = []
    while True:
        try:
            got.append(s.recv(65536))
        except (TimeoutError, ConnectionRefusedError):
            return got
