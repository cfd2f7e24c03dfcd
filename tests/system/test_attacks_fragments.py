# SPDX-License-Identifier: GPL-3.0-or-later
#
# The known attacks on fragments and lengths (docs/attacks.md, 1 to 9) over real sockets, before the cookie: no answer
# where there is nothing to answer, every drop under its name, nobody else disturbed.

import random

import harness
import hello
from attacks import Scene, part_of
from harness import check, check_equal
from hello import Hello

case = harness.case


def silent(s, scene, what):
    scene.dealt_with()
    check_equal(hello.drain(s, 0.05), [], f"answers to {what}")


@case
def parts_of_two_lengths_are_answered_by_nothing():
    # 1: GnuTLS CVE-2026-33846
    scene = Scene()
    for is_13 in (False, True):
        whole = Hello(is_13=is_13).record()
        size = len(whole) - 25
        for other in (size - 1, size + 1, size * 2, 0x7fff, 0xffffff):
            with hello.endpoint() as s:
                s.sendto(part_of(whole, 0, 60), scene.target)
                s.sendto(part_of(whole, 60, size, length=other), scene.target)
                silent(s, scene, f"parts of {size} and {other} bytes")
    dropped = scene.rose("drop_fragment_conflict", "drop_record_malformed", "drop_record_too_long")
    check_equal(dropped, 10, "drops, one for each pair")
    check_equal(scene.rose("handshakes_started"), 0, "handshakes")
    scene.survived()


@case
def parts_of_two_messages_are_not_merged():
    # 2: gnutls issue 1839
    scene = Scene()
    whole = Hello().record()
    with hello.endpoint() as s:
        s.sendto(part_of(whole, 0, 60, message_seq=0), scene.target)
        s.sendto(part_of(whole, 60, 2000, message_seq=1), scene.target)
        silent(s, scene, "halves of two messages")
        s.sendto(part_of(whole, 60, 2000, message_seq=0), scene.target)
        s.settimeout(20)
        check_equal(hello.kind(s.recv(2048)), "verify", "answer to the right half")
    scene.survived()


@case
def parts_in_any_order_and_number_are_one_hello():
    # 3: CVE-2026-42009
    scene = Scene()
    for seed in range(20):
        draw = random.Random(seed)
        whole = Hello(is_13=seed % 2 == 1).record()
        size = len(whole) - 25
        cuts = sorted(draw.sample(range(1, size), 5))
        parts = [part_of(whole, a, b - a, number=draw.randrange(3)) for a, b in zip([0, *cuts], [*cuts, size])]
        some = parts + draw.choices(parts[1:], k=6) + [part_of(whole, draw.randrange(size - 20), 20) for _ in range(5)]
        last = some.pop(0)
        draw.shuffle(some)
        with hello.endpoint(timeout=20.0) as s:
            for part in some:
                s.sendto(part, scene.target)
            silent(s, scene, "a hello without its beginning")
            s.sendto(last, scene.target)
            check_equal(hello.kind(s.recv(2048)), "retry" if seed % 2 else "verify", f"answer, seed {seed}")
    scene.survived()


@case
def parts_that_are_empty_or_pass_their_message_are_dropped():
    # 4: CVE-2026-33845; 7: MatrixSSL issues 30 and 32
    scene = Scene()
    whole = Hello().record()
    size = len(whole) - 25
    with hello.endpoint() as s:
        for bad in (part_of(whole, 10, 0), part_of(whole, 0, 0), part_of(whole, size, 0),
                    part_of(whole, size - 5, 5, length=size - 1), part_of(whole, 10, 20, length=20),
                    part_of(whole, 0, 20, claimed=21), part_of(whole, 0, 20, claimed=0xffffff),
                    part_of(whole, 20, 20, length=0), part_of(whole, 0, 20)[:30]):
            s.sendto(bad, scene.target)
        silent(s, scene, "parts that do not fit")
    check(scene.rose("drop_hello_malformed", "drop_record_malformed") >= 8, "drops without a name")
    scene.survived()


@case
def length_of_24_bits_drives_no_allocation():
    # 5: Bouncy Castle CVE-2026-63566
    scene = Scene()
    whole = Hello().record()

    def send(count, length):
        for i in range(count):
            with hello.endpoint(f"127.{20 + i % 100}.{i // 100 % 250}.3") as s:
                s.sendto(part_of(whole, 0, 40, length=length), scene.target)
        scene.dealt_with()
    for length in (0xffffff, 60_000):
        send(300, length)

    def send_many():
        for length in (0xffffff, 60_000):
            send(2000, length)
    scene.server.check_memory_stays(send_many, 256, "4,000 first parts of long messages")
    check_equal(scene.rose("handshakes_started"), 0, "handshakes")
    scene.survived()


@case
def lengths_inside_a_hello_that_pass_its_end_are_dropped():
    # 8: Mbed TLS CVE-2022-35409. Every byte of the hello in turn is as large as it can be.
    scene = Scene("--answers-rate", "100000", "--answers-rate-global", "1000000")
    for is_13 in (False, True):
        whole = Hello(is_13=is_13, cid=b"\1\2", share=True).record(cookie=b"" if is_13 else b"0123456789abcdef")
        with hello.endpoint() as s:
            for at in range(25, len(whole)):
                changed = bytearray(whole)
                changed[at] = 0xff
                s.sendto(changed, scene.target)
            scene.dealt_with()
            answers = hello.drain(s, 0.1)
        check(all(hello.kind(a) in ("verify", "retry", "other") for a in answers), "let on without a cookie")
        # fixed part, session ID, cookie, suites, and the extensions' lengths at least
        check(len(answers) < len(whole) - 25 - 10, f"{len(answers)} answers to {len(whole) - 25} hellos")
    check(scene.rose("drop_hello_malformed") >= 20, f"drop_hello_malformed: {scene.rose('drop_hello_malformed')}")
    check_equal(scene.rose("handshakes_started"), 0, "handshakes")
    scene.survived()


@case
def connection_id_of_255_bytes_is_refused_over_sockets():
    # 9: the heap overflow of wolfSSL 5.9.2
    scene = Scene()
    with hello.endpoint() as s:
        for is_13 in (False, True):
            for size in (65, 128, 200, 255):
                s.sendto(Hello(is_13=is_13, cid=bytes(size)).record(), scene.target)
        silent(s, scene, "connection IDs above the limit")
    check_equal(scene.rose("drop_hello_cid_length"), 8, "drop_hello_cid_length")
    scene.survived()


if __name__ == "__main__":
    harness.main()
