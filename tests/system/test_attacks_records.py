# SPDX-License-Identifier: GPL-3.0-or-later
#
# The known attacks on records, epochs and connection IDs (docs/attacks.md, 18 to 34) over real sockets, as far as they
# need no keys but a client's; test_cwe807_lookup.py has those that forge, replay, reorder and move records.

import os
import struct

import clients
import harness
import hello
from attacks import Scene, second_hello
from harness import Credentials, Server, check, check_equal
from hello import Hello
from relay import Relay

case = harness.case


@case
def records_of_future_epochs_pin_nothing():
    # 18: OpenSSL CVE-2026-54874, about 1,200 bytes for one
    credentials = Credentials()
    server = Server(*credentials.both(), level="info")
    for version in ("1.2", "1.3"):
        relay = Relay(server.port)
        client = clients.wolf_psk(relay.port, credentials, version=version)
        client.echo()

        def flood(count, to):
            for i in range(count):
                epoch = 2 + i % 60000
                to.send_to_server(bytes([22 + i % 2]) + b"\xfe\xfd" + struct.pack("!HIHH", epoch, 0, i % 65536, 1) + b"x")
                to.send_to_server(bytes([0x2c | i % 3]) + struct.pack("!HH", i % 65536, 17) + bytes(17))
        flood(300, relay)
        client.echo()

        def floods():
            for _ in range(20):
                flood(500, relay)
                client.echo()  # nor does it lose its own records
        server.check_memory_stays(floods, 256, f"20,000 records, {version}")
    counters = server.counters()
    check(counters.get("drop_epoch_unknown", 0) > 1000, f"drop_epoch_unknown: {counters}")
    check_equal(counters.get("associations_closed", 0), 0, "associations that ended")


@case
def crafted_acks_of_a_handshake_are_dropped():
    # 25: wolfSSL CVE-2026-5264, here before there are keys: lists that lie, are too long, name what was never sent
    scene = Scene()
    with hello.endpoint() as s:
        s.sendto(second_hello(s, scene.target, Hello(is_13=True)), scene.target)
        scene.dealt_with()
        bodies = [b"", b"\0", b"\0\x10", b"\xff\xff" + bytes(64), struct.pack("!H", 17) + bytes(17),
                  struct.pack("!H", 1200) + os.urandom(1200), struct.pack("!H", 16) + os.urandom(16), b"\0\0",
                  struct.pack("!H", 16) + bytes(16)]
        for i, body in enumerate(bodies * 5):
            s.sendto(bytes([26]) + b"\xfe\xfd" + struct.pack("!HIHH", 0, 0, 2 + i, len(body)) + body, scene.target)
        scene.dealt_with()
    # Four have their shape (RFC 9147 7); the others end a handshake in the library.
    check_equal(scene.rose("drop_record_malformed"), 5 * (len(bodies) - 4), "drop_record_malformed")
    check_equal(scene.rose("handshakes_failed"), 0, "handshakes that such an acknowledgement ended")
    scene.survived()


@case
def acknowledgements_in_clear_keep_nothing_from_being_repeated():
    # 25, forged: they name every record of a flight that the client has not got
    scene = Scene()
    with hello.endpoint(timeout=20.0) as s:
        answer = hello.ask(s, scene.target, second_hello(s, scene.target, Hello(is_13=True)))
        check_equal(hello.kind(answer), "hello", "answer to the second hello")
        scene.dealt_with()
        hello.drain(s)
        names = b"".join(struct.pack("!QQ", epoch, number) for epoch in (0, 2) for number in range(12))
        s.sendto(bytes([26]) + b"\xfe\xfd" + struct.pack("!HIHHH", 0, 0, 2, 2 + len(names), len(names)) + names,
                 scene.target)
        scene.dealt_with()
        s.settimeout(20.0)
        try:
            again = s.recv(65536)
        except TimeoutError:
            again = b""
        check_equal(hello.kind(again), "hello", "what is repeated")
    scene.survived()


def in_clear(kind, body, number=2):
    return bytes([kind]) + b"\xfe\xfd" + struct.pack("!HIHH", 0, 0, number, len(body)) + body


def message(kind, body, message_seq=2):
    size = len(body).to_bytes(3, "big")
    return in_clear(22, bytes([kind]) + size + struct.pack("!H", message_seq) + bytes(3) + size + body)


# What looks like the client's own in its place: ChangeCipherSpec, alert, empty acknowledgement.
FORGED_SHORT = [in_clear(20, b"\1"), in_clear(21, b"\2\x28"), in_clear(26, b"\0\0")]
# Certificate (none, junk), ClientKeyExchange (empty, a PSK's), CertificateVerify.
FORGED_MESSAGES = [message(11, bytes(3)), message(11, b"\0\0\x10\0\0\x0d" + b"c" * 13), message(16, b""),
                   message(16, b"\0\4demo\x20" + b"k" * 31 + b"\1"), message(15, b"v" * 70), message(15, b"v" * 70, 3)]


def handshakes_beside(version, forgeries):
    """Each forgery is at the server right behind the second hello, before all that the client answers."""
    credentials = Credentials()
    server = Server(*credentials.both(), level="info")
    for client in (clients.wolf_psk, clients.wolf_certificate):
        for forgery in forgeries:
            relay = Relay(server.port)
            seen = []

            def add(datagram):
                seen.append(datagram)
                return [datagram, forgery] if len(seen) == 2 else [datagram]
            relay.on_client = add
            client(relay.port, credentials, version=version).echo()
    check_equal(server.counters().get("handshakes_failed", 0), 0, "handshakes that failed")
    check_equal(server.counter("handshakes_completed"), 2 * len(forgeries), "handshakes")


@case
def forged_messages_in_clear_end_no_handshake_of_1_3():
    # 21: behind its hello a client of DTLS 1.3 says nothing in clear that counts
    handshakes_beside("1.3", FORGED_SHORT + FORGED_MESSAGES)


@case
def forged_change_of_keys_and_alert_end_no_handshake_of_1_2():
    # 21: whole messages are another matter (docs/threat-model.md)
    handshakes_beside("1.2", FORGED_SHORT)


def nonces_of(datagrams):
    """Record numbers and explicit nonces of the protected records of DTLS 1.2 with AES-GCM."""
    found = []
    for datagram in datagrams:
        at = 0
        while at + 13 <= len(datagram):
            size = struct.unpack("!H", datagram[at + 11:at + 13])[0]
            if struct.unpack("!H", datagram[at + 3:at + 5])[0] == 1:
                found.append((datagram[at + 3:at + 11], datagram[at + 13:at + 21]))
            at += 13 + size
    return found


@case
def nonces_on_the_wire_never_repeat():
    # 26: Pion GHSA-9f3f-wv7r-qc8r; the library's own records and those after the take-over, flights repeated
    credentials = Credentials()
    server = Server(*credentials.both(), level="info")
    for lost in range(4):
        relay = Relay(server.port)
        drops = [lost]

        def carry(datagram):
            protected = datagram[:1] == b"\x14" or datagram[3:5] == b"\0\1"
            if protected and drops[0] > 0:
                drops[0] -= 1
                relay.to_client.append(datagram)  # it was on the wire
                return []
            return [datagram]
        relay.on_server = carry
        if lost % 2:
            client = clients.wolf_certificate(relay.port, credentials, "--cipher", "ECDHE-ECDSA-AES128-GCM-SHA256",
                                              version="1.2")
        else:
            client = clients.wolf_psk(relay.port, credentials, "--cipher", "ECDHE-PSK-AES128-GCM-SHA256", version="1.2")
        for _ in range(20):
            client.echo()
        seen = nonces_of(relay.to_client)
        check(len(seen) > 20, f"only {len(seen)} protected records")
        check_equal(len({number for number, _ in seen}), len(seen), "record numbers, each once")
        check_equal(len({nonce for _, nonce in seen}), len(seen), "explicit nonces, each once")
        client.kill()


@case
def record_stripped_of_its_connection_id_is_dropped():
    # 29: wolfssl PR 11177. From the client's own address, where a look-up by address would find its association.
    for version in ("1.2", "1.3"):
        credentials = Credentials()
        server = Server(*credentials.both(), level="info")
        relay = Relay(server.port)
        client = clients.wolf_psk(relay.port, credentials, "--cid", "c1c2c3", version=version)
        client.echo()
        client.echo()  # with it, the acknowledgement of the ticket has passed: what is held back is the word
        held = []
        relay.on_client = lambda datagram: held.append(datagram) or []
        client.say("held back")
        harness.wait_until(lambda: held, "a record of the client")
        relay.on_client = lambda datagram: [datagram]
        record = held[0]
        if version == "1.2":
            size = len(record) - 13 - 8
            stripped = [bytes([kind]) + record[1:11] + struct.pack("!H", size) + record[21:] for kind in (22, 23, 25)]
        else:
            stripped = [bytes([record[0] & ~0x10]) + record[9:], bytes([record[0] & ~0x10]) + record[1:]]
        for forged in stripped:
            relay.send_to_server(forged)
        client.echo()
        names = ("drop_cid_mismatch", "drop_forged", "drop_no_association", "drop_record_malformed", "drop_record_too_long",
                 "drop_not_hello")

        def dropped():  # some by another thread than the one that echoes
            counters = server.counters()
            return sum(counters.get(name, 0) for name in names) >= len(stripped)
        harness.wait_until(dropped, f"the drops of {len(stripped)} records, {version}")
        counters = server.counters()
        check_equal(counters["plaintext_delivered"], 3, f"records delivered, {version}")
        check_equal(counters.get("associations_closed", 0), 0, "associations that ended")
        server.stop()


@case
def connection_ids_of_unequal_lengths_echo():
    # 31: Mbed TLS CVE-2022-46393
    credentials = Credentials()
    server = Server(*credentials.both(), level="info")
    for version in ("1.2", "1.3"):
        for cid in ("aa", "00112233445566778899", "00" * 20, "ff" * 8):
            client = clients.wolf_psk(server.port, credentials, "--cid", cid, version=version)
            client.echo()
            client.echo("x")
            client.kill()
    check_equal(server.counter("handshakes_completed"), 8, "handshakes")


@case
def ids_that_all_name_one_shard_cost_nobody_else():
    # 34: a flood under one first byte, of every length and epoch; and the answers to all of it are none
    scene = Scene("--workers", "2")
    with hello.endpoint() as s:
        for i in range(5000):
            cid = b"\x2a" + os.urandom(7)
            if i % 2:
                s.sendto(bytes([25]) + b"\xfe\xfd" + struct.pack("!HIH", 1, 0, i % 65536) + cid + b"\0\x30" + bytes(48),
                         scene.target)
            else:
                s.sendto(bytes([0x3c | i // 2 % 4]) + cid + struct.pack("!HH", i % 65536, 40) + bytes(40), scene.target)
            if i % 250 == 249:
                scene.witness.echo()
                scene.echoes += 1
        check_equal(hello.drain(s, 0.05), [], "answers to guesses")
    harness.wait_until(lambda: scene.rose("drop_no_association") > 1000, "the drops of guesses")
    opened = scene.rose("records_opened")  # and perhaps the acknowledgement of the witness's ticket
    check(20 <= opened <= 22, f"records that opened: {opened}")
    scene.survived()


if __name__ == "__main__":
    harness.main()
