# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the tests of known attacks (docs/attacks.md) share: a server with an honest client that looks on, parts of
# hellos made by hand, and what "survive" means: the one who looks on is served as before, a newcomer is too, nothing
# was delivered that was not said, and no association ended.

import struct

import clients
import hello
from harness import Credentials, Server, check_equal


class Scene:
    """A live server and a client of DTLS 1.3 that was there before."""

    def __init__(self, *options):
        self.credentials = Credentials()
        self.server = Server(*self.credentials.both(*options), level="info")
        self.target = ("127.0.0.1", self.server.port)
        self.witness = clients.wolf_psk(self.server.port, self.credentials)
        self.witness.echo()
        self.echoes = 1
        self.before = self.server.counters()

    def rose(self, *names):
        after = self.server.counters()
        return sum(after.get(n, 0) - self.before.get(n, 0) for n in names)

    def dealt_with(self):
        """Returns when the server has read all that was sent so far: an honest hello behind it is answered."""
        with hello.endpoint(timeout=20.0) as s:
            answer = hello.ask(s, self.target, hello.Hello().record())
            check_equal(answer and hello.kind(answer), "verify", "answer to an honest hello")

    def survived(self):
        self.dealt_with()
        self.witness.echo()
        self.echoes += 1
        delivered = self.server.counters()
        check_equal(delivered["plaintext_delivered"], self.echoes, "records delivered")
        check_equal(delivered.get("associations_closed", 0), 0, "associations that ended")
        clients.wolf_psk(self.server.port, self.credentials, version="1.2").echo()
        self.echoes += 1


def part_of(record, offset, size, length=None, message_seq=None, claimed=None, number=0):
    """A record with a part of a hello's one message; what is given is written in place of the truth."""
    message = record[13:]
    body = message[12:]
    length = len(body) if length is None else length
    message_seq = struct.unpack("!H", message[4:6])[0] if message_seq is None else message_seq
    piece = body[offset:offset + size]
    claimed = len(piece) if claimed is None else claimed
    part = (message[:1] + length.to_bytes(3, "big") + struct.pack("!H", message_seq) + offset.to_bytes(3, "big") +
            claimed.to_bytes(3, "big") + piece)
    return bytes([hello.HANDSHAKE]) + b"\xfe\xfd" + struct.pack("!HIH", 0, 0, number) + struct.pack("!H", len(part)) + part


def second_hello(s, target, mine):
    """The hello with the cookie that the server asks for."""
    answer = hello.ask(s, target, mine.record(), 20.0)
    if mine.is_13:
        return mine.record(cookie_13=hello.cookie_13_of(answer), number=1)
    return mine.record(cookie=hello.cookie_of(answer), number=1)
