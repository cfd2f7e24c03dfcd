# SPDX-License-Identifier: GPL-3.0-or-later
#
# CWE-345, peer address and port taken on faith: nothing is stored or computed for a peer
# before a cookie bound to its address and port has come back, addresses that cannot be a
# peer are dropped, and nobody's address receives more than three bytes for one.

import os
import random
import socket
import struct

import clients
import harness
import hello
from harness import Credentials, Server, Skipped, case, check, check_equal
from hello import Hello

# The sanitizers keep freed memory for a while: what is resident says something only without them.
SPOOFED = 20_000 if not harness.SANITIZED else 4_000


def spoofed_hellos(server, count, make):
    """One hello from each of count addresses and ports of 127/8. Waits until the server has read them."""
    target = ("127.0.0.1", server.port)
    before = server.counter("datagrams_received")
    for i in range(count):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind((f"127.{10 + i % 200}.{i // 200 % 250}.{1 + i % 250}", 0))
            s.sendto(make(i), target)
        if i % 500 == 499:
            harness.wait_until(lambda: server.counter("datagrams_received") - before >= i * 0.9,
                               "the server to read the hellos")
    return server.counters()


def nothing_is_stored(make):
    credentials = Credentials()
    server = Server(*credentials.both(), level="info")
    spoofed_hellos(server, 2000, make)  # whatever is set up once is set up now
    descriptors, threads = server.descriptors(), server.status("Threads")
    server.check_memory_stays(lambda: spoofed_hellos(server, SPOOFED, make), 256, f"{SPOOFED} spoofed hellos")
    counters = server.counters()
    check_equal(server.descriptors(), descriptors, "descriptors")
    check_equal(server.status("Threads"), threads, "threads")
    check_equal(counters.get("handshakes_started", 0), 0, "handshakes begun without a cookie")
    check(counters.get("hellos_answered", 0) > 0, f"no hello was answered: {counters}")
    clients.wolf_psk(server.port, credentials).echo()  # and honest clients are served


@case
def nothing_is_stored_for_spoofed_1_2_hellos():
    nothing_is_stored(lambda i: Hello(cid=b"\1\2\3").record())


@case
def nothing_is_stored_for_spoofed_1_3_hellos():
    nothing_is_stored(lambda i: Hello(is_13=True, share=i % 2 == 0, cid=b"\1\2\3").record())


@case
def first_fragments_of_spoofed_hellos_take_bounded_memory():
    # The rest never comes: the reassembly area is all there is (RFC 9147 5.5).
    def first_fragment(i):
        whole = Hello(is_13=True, pad_to=1300).record()
        message = whole[13:]
        part = message[:9] + (400).to_bytes(3, "big") + message[12:412]
        return whole[:11] + struct.pack("!H", len(part)) + part
    credentials = Credentials()
    server = Server(*credentials.both(), level="info")
    spoofed_hellos(server, 4000, first_fragment)
    server.check_memory_stays(lambda: spoofed_hellos(server, SPOOFED // 2, first_fragment), 256,
                              f"{SPOOFED // 2} first fragments")
    counters = server.counters()
    check_equal(counters.get("handshakes_started", 0), 0, "handshakes begun without a cookie")


@case
def at_most_three_bytes_out_for_one_in_before_the_cookie():
    credentials = Credentials()
    server = Server(*credentials.both("--answers-rate", "1000000", "--answers-rate-global", "10000000"))
    worst = 0.0
    samples = []
    for is_13 in (False, True):
        for size in [*range(26, 320, 7), *range(320, 1401, 72)]:
            samples += [Hello(is_13=is_13, pad_to=size, share=size % 2 == 0, cid=b"" if size % 3 else b"\7" * 8).record()]
            samples += [samples[-1][:size]]  # and cut short, wherever that is
    for sample in samples:
        with hello.endpoint() as s:
            s.sendto(sample, ("127.0.0.1", server.port))
            # The next hello's answer says that this one has been dealt with.
            with hello.endpoint() as witness:
                check(hello.ask(witness, ("127.0.0.1", server.port), Hello().record()), "the server is silent")
            received = sum(len(d) for d in hello.drain(s, 0.01))
        worst = max(worst, received / len(sample))
        check(received <= 3 * len(sample), f"{received} bytes out for a hello of {len(sample)}")
    check(worst > 0, "no hello was answered at all")


@case
def silence_is_answered_by_silence():
    # No retransmission before the cookie: an answer to a spoofed hello goes out once (RFC 6347 4.2.1).
    credentials = Credentials()
    server = Server(*credentials.both())
    for is_13 in (False, True):
        with hello.endpoint() as s:
            first = hello.ask(s, ("127.0.0.1", server.port), Hello(is_13=is_13).record())
            check(first is not None, "no answer to a hello")
            check_equal(hello.drain(s, 2.5), [], "datagrams that followed unasked")


def two_ways(address_b, is_13):
    """The cookie that A got, used from B and then from A."""
    credentials = Credentials()
    server = Server(*credentials.both())
    target = ("127.0.0.1", server.port)
    with hello.endpoint() as a, hello.endpoint(address_b) as b:
        mine = Hello(is_13=is_13)
        answer = hello.ask(a, target, mine.record())
        check(answer is not None, "no answer to a hello")
        if is_13:
            check_equal(hello.kind(answer), "retry", "answer to a hello")
            second = mine.record(cookie_13=hello.cookie_13_of(answer), number=1)
        else:
            check_equal(hello.kind(answer), "verify", "answer to a hello")
            second = mine.record(cookie=hello.cookie_of(answer), number=1)
        stolen = hello.ask(b, target, second, 1.0)
        check(stolen is None or hello.kind(stolen) in ("verify", "retry", "other"), "B was let on with A's cookie")
        harness.wait_until(lambda: server.counter("drop_cookie_invalid") >= 1, "the cookie to be dropped")
        counters = server.counters()
        check_equal(counters.get("handshakes_started", 0), 0, "handshakes begun with a stolen cookie")
        check_equal(counters.get("drop_cookie_invalid", 0), 1, "drop_cookie_invalid")
        own = hello.ask(a, target, second, harness.PATIENCE)
        check_equal(own and hello.kind(own), "hello", "A's answer with its own cookie")
        check_equal(server.counter("handshakes_started"), 1, "handshakes begun")


@case
def cookie_of_another_port_is_worth_nothing_1_2():
    two_ways("127.0.0.1", False)


@case
def cookie_of_another_address_is_worth_nothing_1_2():
    two_ways("127.9.9.9", False)


@case
def cookie_of_another_port_is_worth_nothing_1_3():
    two_ways("127.0.0.1", True)


@case
def cookie_of_another_address_is_worth_nothing_1_3():
    two_ways("127.9.9.9", True)


@case
def cookie_made_up_or_for_another_hello_is_worth_nothing():
    credentials = Credentials()
    server = Server(*credentials.both())
    target = ("127.0.0.1", server.port)
    with hello.endpoint() as a:
        mine = Hello()
        cookie = hello.cookie_of(hello.ask(a, target, mine.record()))
        for wrong in (os.urandom(len(cookie)), cookie[:-1], cookie[:-1] + bytes([cookie[-1] ^ 1]), cookie + b"\0"):
            answer = hello.ask(a, target, mine.record(cookie=wrong, number=1), 0.3)
            check(answer is None or hello.kind(answer) != "hello", f"let on with {wrong.hex()}")
        other = Hello()
        answer = hello.ask(a, target, other.record(cookie=cookie, number=1), 0.3)
        check(answer is None or hello.kind(answer) != "hello", "let on with a cookie of another hello")
        check_equal(server.counter("handshakes_started"), 0, "handshakes begun")


def raw_udp(source, source_port, target, target_port, payload):
    udp = struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload  # checksum 0: none
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), random.randrange(65536), 0, 64, 17, 0,
                     socket.inet_aton(source), socket.inet_aton(target))
    return ip + udp


@case
def sources_that_cannot_be_a_peer_are_dropped():
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    except PermissionError:
        raise Skipped("raw sockets take root") from None
    credentials = Credentials()
    server = Server(*credentials.both(), listen=("127.0.0.1:0", "127.0.0.1:0"))
    # Not 0.0.0.0: the kernel writes its own address in its place.
    impossible = [("127.0.0.1", 0), ("127.0.0.1", server.ports[0]), ("127.0.0.1", server.ports[1]),
                  ("224.0.0.1", 4000), ("239.1.2.3", 4000), ("255.255.255.255", 4000)]
    arrived = 0
    with raw:
        for source, port in impossible:
            before = server.counters()
            try:
                raw.sendto(raw_udp(source, port, "127.0.0.1", server.ports[0], Hello().record()),
                           ("127.0.0.1", 0))
            except OSError:
                continue  # the kernel does not even send it
            # An honest hello behind it says that it has been dealt with, if the kernel let it through.
            with hello.endpoint() as witness:
                check(hello.ask(witness, ("127.0.0.1", server.ports[0]), Hello().record()), "the server is silent")
            after = server.counters()
            reached = after["datagrams_received"] - before.get("datagrams_received", 0) - 1
            dropped = after.get("drop_source_impossible", 0) - before.get("drop_source_impossible", 0)
            answered = after["hellos_answered"] - before.get("hellos_answered", 0) - 1
            check_equal(answered, 0, f"answers to {source}:{port}")
            check(reached <= 0 or dropped >= 1, f"{source}:{port} was not dropped as impossible")
            arrived += dropped
    check(arrived >= 3, f"only {arrived} of the impossible sources came through the kernel: the test shows nothing")
    # A server that talks to itself would go on for ever (attack 17): these were the last datagrams.
    # A datagram is counted when the batch that it went out with is through: perhaps after it has arrived.
    harness.wait_until(lambda: server.counter("datagrams_sent") >= server.counter("hellos_answered"),
                       "the last answer to be counted")
    for _ in range(20):
        server.counters()
    check_equal(server.counter("datagrams_sent"), server.counter("hellos_answered"), "datagrams sent, one for each hello")


if __name__ == "__main__":
    harness.main()
