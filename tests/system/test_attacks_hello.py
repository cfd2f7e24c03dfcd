# SPDX-License-Identifier: GPL-3.0-or-later
#
# The known attacks before the cookie, and by those who have one (docs/attacks.md, 11 to 15; 10, 16 and 17 are in
# test_cwe345_addresses.py) over real sockets: no state and no signature for a stranger, one handshake for an address,
# and an end for those that stop.

import struct

import clients
import harness
import hello
from attacks import Scene, second_hello
from harness import Server, check, check_equal
from hello import Hello
from relay import Relay

case = harness.case


@case
def unknown_versions_do_not_skip_the_cookie():
    # 11: tinydtls issue 74
    scene = Scene()
    with hello.endpoint() as s:
        for version in (0x0000, 0x0100, 0x0301, 0x0303, 0x0304, 0xfeff, 0xfe00, 0xfefe, 0xfefb, 0xfdff, 0xffff):
            for cookie in (b"", b"x" * 20):
                record = bytearray(Hello().record(cookie=cookie, number=1 if cookie else 0))
                record[25:27] = struct.pack("!H", version)  # of the message
                s.sendto(record, scene.target)
                record[1:3] = struct.pack("!H", version)  # and of the record
                s.sendto(record, scene.target)
        scene.dealt_with()
        answers = hello.drain(s, 0.1)
    check(not any(hello.kind(a) == "hello" for a in answers), "let on without a cookie")
    check(scene.rose("drop_hello_version") >= 20, f"drop_hello_version: {scene.rose('drop_hello_version')}")
    check_equal(scene.rose("handshakes_started"), 0, "handshakes")
    scene.survived()


@case
def tickets_and_sessions_do_not_replace_the_cookie():
    # 12: Californium CVE-2022-2576
    scene = Scene("--answers-rate", "100000", "--answers-rate-global", "1000000")
    ticket = hello.extension(35, bytes(range(192)))
    psk = hello.extension(45, b"\1\1") + hello.extension(41, hello.vector(
        hello.vector(bytes(100)) + bytes(4)) + hello.vector(hello.vector(bytes(32), 1)))
    with hello.endpoint() as s:
        for _ in range(50):
            for mine in (Hello(extensions=ticket), Hello(is_13=True, share=True, extensions=psk)):
                record = mine.record()
                answer = hello.ask(s, scene.target, record, 20.0)
                check(hello.kind(answer) in ("verify", "retry"), f"a ticket was answered by {hello.kind(answer)}")
                check(len(answer) <= 3 * len(record), "amplified")
    check_equal(scene.rose("handshakes_started"), 0, "handshakes")
    scene.survived()


@case
def repeated_hello_with_a_valid_cookie_is_one_handshake():
    # 13: Hazel PR 72
    scene = Scene()
    for is_13 in (False, True):
        with hello.endpoint() as s:
            second = second_hello(s, scene.target, Hello(is_13=is_13))
            for _ in range(100):
                s.sendto(second, scene.target)
            scene.dealt_with()
            answers = hello.drain(s, 0.2)
            check(any(hello.kind(a) == "hello" for a in answers), "no hello of the server")
            check(len(answers) < 60, f"{len(answers)} datagrams for one hello a hundred times")
    check_equal(scene.rose("handshakes_started"), 2, "handshakes for two hellos")
    check(scene.rose("drop_hello_repeated") >= 190, f"drop_hello_repeated: {scene.rose('drop_hello_repeated')}")
    scene.survived()


@case
def rapid_hellos_from_one_port_end_nothing():
    # 14: Erlang/OTP CVE-2026-55950
    scene = Scene("--answers-rate", "100000", "--answers-rate-global", "1000000")
    with hello.endpoint() as s:
        for i in range(3000):
            is_13 = i % 2 == 0
            s.sendto(Hello(is_13=is_13).record(number=i % 5), scene.target)
            if i % 50 == 49:
                scene.witness.echo()
                scene.echoes += 1
                hello.drain(s, 0.001)
        for i in range(20):  # and handshakes that are begun, each in the place of the one before
            hello.drain(s, 0.02)
            s.sendto(second_hello(s, scene.target, Hello(is_13=i % 2 == 0)), scene.target)
        scene.dealt_with()
    check(scene.rose("handshakes_started") >= 10, f"handshakes: {scene.server.counters()}")
    scene.survived()


def stops_after(server, credentials, version, datagrams):
    """A client whose datagrams do not pass any more, after so many of them."""
    relay = Relay(server.port)
    left = [datagrams]

    def carry(datagram):
        left[0] -= 1
        return [datagram] if left[0] >= 0 else []
    relay.on_client = carry
    client = clients.wolf_certificate(relay.port, credentials, version=version)
    harness.wait_until(lambda: left[0] < 0, f"{datagrams} datagrams of the client, {version}")
    return client


@case
def clients_that_stop_at_any_stage_are_let_go():
    # 15
    credentials = harness.Credentials()
    server = Server(*credentials.both("--handshake-timeout", "3"), level="info")
    for version in ("1.2", "1.3"):
        for datagrams in (1, 2, 3, 4):
            stops_after(server, credentials, version, datagrams)
    harness.wait_until(lambda: server.counter("handshakes_expired") >= server.counter("handshakes_started") > 0 or
                       server.counter("handshakes_completed") > 0 and
                       server.counter("handshakes_expired") + server.counter("handshakes_completed") +
                       server.counter("handshakes_failed") >= server.counter("handshakes_started"), "the ends", 60)
    check(server.counter("handshakes_started") >= 4, f"handshakes: {server.counters()}")
    clients.wolf_certificate(server.port, credentials).echo()


@case
def stalled_handshakes_hold_up_nobody():
    # 43: pion issues 279 and 89, radsecproxy issue 8
    scene = Scene()
    stalled = []
    for i in range(60):
        s = hello.endpoint(f"127.0.3.{i + 1}")
        s.sendto(second_hello(s, scene.target, Hello(is_13=i % 2 == 0)), scene.target)
        stalled.append(s)
    scene.dealt_with()
    check_equal(scene.rose("handshakes_started"), 60, "handshakes that stall")
    for version in ("1.2", "1.3"):
        clients.wolf_certificate(scene.server.port, scene.credentials, version=version).echo()
        scene.echoes += 1
    scene.survived()
    for s in stalled:
        s.close()


if __name__ == "__main__":
    harness.main()
