# SPDX-License-Identifier: GPL-3.0-or-later
#
# The known attacks on authentication (docs/attacks.md, 35 to 38; 39 and 40 are in test_cli_errors.py and
# test_peers.py) over real sockets: who is unknown looks like who is wrong, a failure is its maker's alone.

import clients
import harness
import hello
from attacks import Scene
from harness import Credentials, Server, check, check_equal
from hello import Hello
from relay import Relay

case = harness.case


def psk_extension(identity):
    offered = hello.vector(identity) + bytes(4)
    return hello.extension(45, b"\1\1") + hello.extension(41, hello.vector(offered) + hello.vector(hello.vector(bytes(32), 1)))


@case
def identity_with_a_nul_is_nobodys():
    # 35: GnuTLS CVE-2026-42010. A known identity with a NUL and more behind it, or before it.
    scene = Scene()
    known = scene.credentials.identity.encode()
    for identity in (known + b"\0", known + b"\0tail", b"\0" + known, b"\0"):
        with hello.endpoint() as s:
            mine = Hello(is_13=True, extensions=psk_extension(identity))
            answer = hello.ask(s, scene.target, mine.record(), 20.0)
            check_equal(answer and hello.kind(answer), "retry", "answer to an identity with a NUL")
            s.sendto(mine.record(cookie_13=hello.cookie_13_of(answer), number=1), scene.target)
            scene.dealt_with()
    check_equal(scene.rose("handshakes_completed"), 0, "handshakes completed")
    check_equal(scene.rose("fail_wrong_key"), 0, "identities taken for the known one")
    scene.survived()


def shape(relay, client_first):
    """What passed, as an onlooker sees it: who spoke, and each datagram's kind of records and size."""
    def of(datagrams):
        return [(d[0], len(d)) for d in datagrams]
    return of(relay.to_client[:client_first])


def refused_shape(server, credentials, version, identity, key):
    credentials.write_psk({identity: key}, "offered.txt")
    relay = Relay(server.port)
    start = server.mark()
    client = clients.wolf_psk(relay.port, credentials, psk="offered.txt", version=version)
    server.wait_line(r"event=refused\b", start=start)
    client.kill()
    return relay


@case
def wrong_key_of_dtls_1_2_is_logged_long_before_its_time_is_over():
    credentials = Credentials()
    server = Server(*credentials.both("--handshake-timeout", "600"), level="info")
    credentials.write_psk({credentials.identity: harness.fresh_key()}, "offered.txt")
    client = clients.wolf_psk(server.port, credentials, psk="offered.txt", version="1.2")
    line = server.wait_line(r"event=doubted\b.*")
    check("reason=\"wrong key for this identity\"" in line.group(0), line.group(0))
    client.kill()


@case
def unknown_identity_and_wrong_key_look_the_same_on_the_wire():
    # 36: wolfssl issue 10195
    credentials = Credentials()
    server = Server(*credentials.both("--handshake-timeout", "2"), level="info")
    wrong = harness.fresh_key()
    unknown = "?" * len(credentials.identity)  # as long as the known one: lengths are the client's own
    for version in ("1.2", "1.3"):
        one = refused_shape(server, credentials, version, credentials.identity, wrong)
        two = refused_shape(server, credentials, version, unknown, wrong)
        count = min(len(one.to_client), len(two.to_client), 4 if version == "1.2" else 2)
        check(count >= 2, f"{version}: {len(one.to_client)} and {len(two.to_client)} datagrams")
        check_equal(shape(one, count), shape(two, count), f"{version}: what the server sent")
    counters = server.counters()
    check(counters.get("fail_wrong_key", 0) >= 2 and counters.get("fail_unknown_identity", 0) >= 2,
          f"the log's side tells them apart: {counters}")


@case
def client_without_certificate_or_proof_gets_nothing():
    # 37: Californium CVE-2021-34433, wolfSSL 5.2.0
    credentials = Credentials()
    server = Server(*credentials.certificates(), level="info")
    client = clients.Openssl(server.port, "-CAfile", credentials["ca.pem"])
    client.expect_refused(server)
    for version in ("1.2", "1.3"):
        start = server.mark()
        stranger = clients.Wolf(server.port, "--ca", credentials["ca.pem"], version=version)
        stranger.expect_refused(server, start=start)
    counters = server.counters()
    check_equal(counters.get("handshakes_completed", 0), 0, "handshakes completed")
    check_equal(counters.get("plaintext_delivered", 0), 0, "records delivered")
    check(counters.get("fail_no_certificate", 0) >= 2, f"fail_no_certificate: {counters}")


@case
def failures_of_one_do_not_stick_to_the_next():
    # 38: Californium CVE-2020-27222, CVE-2022-39368
    credentials = Credentials()
    server = Server(*credentials.both("--handshake-timeout", "1"), level="info")
    for _ in range(5):
        refused_shape(server, credentials, "1.3", credentials.identity, harness.fresh_key())
        clients.wolf_psk(server.port, credentials).echo()
    check_equal(server.counter("handshakes_completed"), 5, "handshakes of who has the key")


if __name__ == "__main__":
    harness.main()
