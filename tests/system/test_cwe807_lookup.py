# SPDX-License-Identifier: GPL-3.0-or-later
#
# CWE-807, client looked up by untrusted address: an address or a connection ID only
# nominates an association, the AEAD decides. Forged, replayed, moved and reordered records
# of real clients, over a relay: nothing is delivered that should not be, nothing twice, no
# association ends, and the counters tell.
# ctest: timeout=300

import random

import clients
import harness
import hello
from harness import Credentials, Server, case, check, check_equal
from relay import Relay

KINDS = {
    "1_2": lambda port, c: clients.openssl_psk(port, c.identity, c.key),
    "1_2_cid": lambda port, c: clients.wolf_psk(port, c, "--cid", "c1c2c3c4", version="1.2"),
    "1_3": lambda port, c: clients.wolf_psk(port, c),
    "1_3_cid": lambda port, c: clients.wolf_psk(port, c, "--cid", "c1c2c3c4"),
}


class Session:
    """One client, connected through a relay, and what the server has delivered for it."""

    def __init__(self, kind, server=None, credentials=None):
        self.kind = kind
        self.credentials = credentials or Credentials()
        self.server = server or Server(*self.credentials.both())
        self.relay = Relay(self.server.port)
        self.client = KINDS[kind](self.relay.port, self.credentials)
        # With the second one, the acknowledgement of the ticket (RFC 9147 7) has passed, too: what is held back is a word.
        self.client.echo()
        self.client.echo()
        if kind == "1_2":
            # s_client reads with a blocking call and goes deaf at a plaintext record (an answer to a replayed hello),
            # which the record layer under it ignores as it should: it is kept from such.
            self.relay.on_server = lambda d: [] if d[0] in (21, 22) and d[3:5] == b"\0\0" else [d]

    def echo_record(self):
        """Echoes a word; the datagram in which it went to the server."""
        before = len(self.relay.to_server)
        self.client.echo()
        return self.relay.to_server[before]

    def hold(self, text):
        """The client says a word that is held back on the way: (the datagrams, the word)."""
        held, word = [], f"{text}-{random.getrandbits(64):x}"
        self.relay.on_client = lambda datagram: held.append(datagram) or []
        self.client.say(word)
        harness.wait_until(lambda: held, "the record of the client")
        self.relay.on_client = lambda datagram: [datagram]
        return held, word

    def settle(self):
        """Returns when the server has dealt with everything sent so far: an echo went there and back behind it."""
        self.client.echo()

    def delivered(self):
        return self.server.counter("plaintext_delivered")

    def check_alive(self):
        self.client.echo()
        counters = self.server.counters()
        check_equal(counters.get("associations_closed", 0), 0, "associations that ended")


# Drops are counted once or twice: where a handshake was under way a short while ago, what does not open is passed to
# the front and comes back (dg_mesh_contest).
def rose(before, after, *names):
    return sum(after.get(n, 0) - before.get(n, 0) for n in names)


def forged(kind):
    # Forgeries of a record that the server has not seen; then the record itself, which must still be fresh: the
    # replay window and the rest move only after the AEAD has agreed (RFC 9147 4.5.1).
    session = Session(kind)
    held, word = session.hold("genuine")
    genuine = held[0]
    before = session.server.counters()
    for at in range(len(genuine)):  # every byte of it, one bit each; and every truncation
        changed = bytearray(genuine)
        changed[at] ^= 1 << random.randrange(8)
        session.relay.send_to_server(bytes(changed))
        session.relay.send_to_server(genuine[:at])
    for size in (0, 1, 16, 17, 100, 1200):  # and the same header with a payload made up
        session.relay.send_to_server(genuine[:24] + random.randbytes(size))
    mark = session.client.mark()
    session.relay.send_to_server(genuine)
    session.client.wait_line(rf"^{word}$", start=mark)
    after = session.server.counters()
    check_equal(rose(before, after, "plaintext_delivered"), 1, "records delivered")
    check(rose(before, after, "drop_forged") >= len(genuine) // 2, f"drop_forged: {rose(before, after, 'drop_forged')}")
    session.check_alive()


def replayed(kind):
    session = Session(kind)
    for _ in range(5):
        session.echo_record()
    before = session.server.counters()
    again = list(session.relay.to_server)
    for datagram in again[-5:] * 3 + again:  # the application records, and the whole life of it
        session.relay.send_to_server(datagram)
    session.settle()
    after = session.server.counters()
    check_equal(rose(before, after, "plaintext_delivered"), 1, "records delivered")
    check(rose(before, after, "drop_replay") >= 15, f"drop_replay: {rose(before, after, 'drop_replay')}")
    check_equal(rose(before, after, "handshakes_completed"), 0, "handshakes completed by a replay")
    session.check_alive()


def reordered(kind):
    session = Session(kind)
    held = []
    before, mark = session.server.counters(), session.client.mark()
    session.relay.on_client = lambda datagram: held.append(datagram) or []
    words = [f"number-{i}-{random.getrandbits(64):x}" for i in range(20)]
    for i, word in enumerate(words):
        session.client.say(word)
        harness.wait_until(lambda: len(held) > i, "the record of the client")  # or an ACK of its
    session.relay.on_client = lambda datagram: [datagram]
    for datagram in reversed(held):
        session.relay.send_to_server(datagram)
    for word in words:
        session.client.wait_line(rf"^{word}$", start=mark)
    shuffled = held * 2
    random.shuffle(shuffled)
    for datagram in shuffled:
        session.relay.send_to_server(datagram)
    session.settle()
    after = session.server.counters()
    check_equal(rose(before, after, "plaintext_delivered"), len(words) + 1, "records delivered")
    check(rose(before, after, "drop_replay") >= len(words), f"drop_replay: {rose(before, after, 'drop_replay')}")
    came = [line for line in session.client.lines[mark:] if line.startswith("number-")]
    check_equal(sorted(came), sorted(words), "answers to the client")
    session.check_alive()


def moved(kind):
    """Records sent from other addresses: replays do nothing; a fresh one only nominates by its connection ID."""
    session = Session(kind)
    with_cid = kind.endswith("cid")
    old = [session.echo_record() for _ in range(3)]
    target = ("127.0.0.1", session.server.port)
    elsewhere = [hello.endpoint(), hello.endpoint("127.7.7.7")]
    before = session.server.counters()
    for s in elsewhere:
        for datagram in old:
            s.sendto(datagram, target)
    session.settle()  # of its own worker: the replays may be another's, who is in no hurry
    harness.wait_until(lambda: rose(before, session.server.counters(), "drop_replay", "drop_no_association") >= 6,
                       "drop_replay and drop_no_association to say 6")
    after = session.server.counters()
    check_equal(rose(before, after, "plaintext_delivered"), 1, "records delivered after replays from elsewhere")

    # A record that the server has not seen, taken from the path and sent on from elsewhere.
    held, _ = session.hold("taken-on-the-way")
    before = session.server.counters()
    for s in elsewhere:
        s.sendto(held[0], target)
    session.settle()
    harness.wait_until(lambda: rose(before, session.server.counters(), "plaintext_delivered") == (2 if with_cid else 1),
                       "the deliveries")
    for s in elsewhere:
        sent_there = sum(len(d) for d in hello.drain(s))
        check(sent_there <= 3 * len(held[0]), f"{sent_there} bytes went to an address that has proven nothing")
        if not with_cid:
            check_equal(sent_there, 0, "bytes to another address than the association's")
        s.close()
    session.check_alive()


def of_another_client(kind):
    """Records of one client from the address of another: both live on, neither hears the other."""
    one = Session(kind)
    two = Session(kind, one.server, one.credentials)
    held, _ = one.hold("for-one-alone")
    before = one.server.counters()
    two.relay.send_to_server(held[0])
    two.settle()
    after = one.server.counters()
    if kind.endswith("cid"):
        # The connection ID nominates the first association and the AEAD agrees: delivered, as the first's, perhaps
        # by another worker than the one that settled.
        harness.wait_until(lambda: rose(before, one.server.counters(), "plaintext_delivered") == 2, "the delivery")
    else:
        check_equal(rose(before, after, "plaintext_delivered"), 1, "records delivered")
        check(rose(before, after, "drop_forged", "drop_replay") >= 1, "neither drop_forged nor drop_replay")
    check(not two.client.find("for-one-alone"), "the second client got what the first said")
    for datagram in one.relay.to_server[-4:]:
        two.relay.send_to_server(datagram)
    for datagram in two.relay.to_server[-8:]:
        one.relay.send_to_server(datagram)
    one.check_alive()
    two.check_alive()


def guessed(kind):
    """Connection IDs and headers made up at random: no answer, nothing delivered, nobody disturbed."""
    session = Session(kind)
    genuine = session.echo_record()
    before = session.server.counters()
    with hello.endpoint("127.8.8.8") as stranger:
        for _ in range(300):
            noise = bytearray(genuine)
            at = 11 if kind.startswith("1_2") else 1
            noise[at:at + 8] = random.randbytes(8)
            stranger.sendto(noise, ("127.0.0.1", session.server.port))
        session.settle()
        check_equal(hello.drain(stranger), [], "answers to a stranger")
    after = session.server.counters()
    check_equal(rose(before, after, "plaintext_delivered"), 1, "records delivered")
    session.check_alive()


def _make(what, kind):
    def run():
        what(kind)
    run.__name__ = f"lookup_{what.__name__}_records_{kind}"
    case(run)


for _what in (forged, replayed, reordered, moved, of_another_client):
    for _kind in KINDS:
        _make(_what, _kind)
for _kind in ("1_2_cid", "1_3_cid"):
    _make(guessed, _kind)


@case
def plaintext_records_do_not_end_or_enter_an_association():
    # Unprotected alerts, data and handshake messages from the client's own address (RFC 9147 4.1, attacks 21, 22).
    for kind in KINDS:
        session = Session(kind)
        before = session.server.counters()
        for content, body in ((21, b"\2\0"), (21, b"\1\0"), (21, b"\2\x28"), (23, b"hello"), (20, b"\1"), (22, bytes(12))):
            for epoch in (0, 1, 2, 3):
                header = bytes([content]) + b"\xfe\xfd" + epoch.to_bytes(2, "big") + (1 << 40).to_bytes(6, "big")
                session.relay.send_to_server(header + len(body).to_bytes(2, "big") + body)
        session.settle()
        after = session.server.counters()
        check_equal(rose(before, after, "plaintext_delivered"), 1, f"{kind}: records delivered")
        session.check_alive()
        harness.end_everything()


if __name__ == "__main__":
    harness.main()
