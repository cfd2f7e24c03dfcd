# SPDX-License-Identifier: GPL-3.0-or-later
#
# RFC 6347 4.2.8: a client that vanishes without close_notify and comes back from the same
# address and port is served at once, ten times of ten, and a spoofed hello from that
# address does not disturb the association that is there.
# ctest: timeout=300

import clients
import harness
import hello
from harness import Credentials, Server, case, check, check_equal
from hello import Hello
from relay import Relay

MAKERS = {
    "openssl_psk_1_2": lambda port, c: clients.openssl_psk(port, c.identity, c.key),
    "openssl_certificate_1_2": lambda port, c: clients.openssl_certificate(port, c),
    "gnutls_certificate_1_2": lambda port, c: clients.gnutls_certificate(port, c),
    "wolfssl_cid_1_2": lambda port, c: clients.wolf_psk(port, c, "--cid", "c1c2", version="1.2"),
    "wolfssl_certificate_1_3": lambda port, c: clients.wolf_certificate(port, c),
    "wolfssl_cid_1_3": lambda port, c: clients.wolf_psk(port, c, "--cid", "c1c2"),
}


def ten_of_ten(make):
    credentials = Credentials()
    server = Server(*credentials.both())
    relay = Relay(server.port)  # one address and port towards the server, whoever comes
    make(relay.port, credentials).echo()
    clean = 0
    for number in range(10):
        previous = harness._living[-1]
        previous.kill()  # no close_notify
        before = server.counters()
        make(relay.port, credentials).echo()
        # At once: not one datagram was dropped that would have had to come again. How long it took is the machine's; one
        # that is slow enough sees clients repeat themselves without need, and what they repeat is dropped.
        drops = {name for name, count in server.counters().items()
                 if name.startswith("drop_") and count != before.get(name, 0)}
        clean += not drops - {"drop_hello_repeated", "drop_replay"}
    check(clean >= 5, f"of ten clients after a reboot {10 - clean} had datagrams dropped that they had to send again")



def is_of_a_handshake(d):
    """A plaintext handshake message or alert, or a record of epoch 2 of DTLS 1.3."""
    return d[0] in (21, 22) and d[3:5] == b"\0\0" or d[0] & 0xe3 == 0x22


def comes_to_proof(relay, mine, answers):
    """Sends the second hello for every cookie seen so far. True: the server's hello has come."""
    if any(hello.kind(a) == "hello" for a in answers):
        return True
    seen, answers[:] = list(answers), []
    for answer in seen:
        if hello.kind(answer) == ("retry" if mine.is_13 else "verify"):
            cookie = {"cookie_13": hello.cookie_13_of(answer)} if mine.is_13 else {"cookie": hello.cookie_of(answer)}
            relay.send_to_server(mine.record(number=1, **cookie))
    return False


def undisturbed(make):
    credentials = Credentials()
    server = Server(*credentials.both())
    relay = Relay(server.port)
    client = make(relay.port, credentials)
    client.echo()
    answers = []
    # Only the spoofer sees what is for him: s_client, which ignores it, stops reading its input at it.
    relay.on_server = lambda d: answers.append(d) or ([] if is_of_a_handshake(d) else [d])
    for is_13 in (False, True):
        # A blind spoofer: hellos without a cookie, and with one made up.
        for _ in range(20):
            relay.send_to_server(Hello(is_13=is_13, share=True).record())
            relay.send_to_server(Hello(is_13=is_13).record(cookie=b"x" * 20, number=1))
        client.echo()
        # One who sees the answers and goes on to where proof is asked for. Answers to the hellos above may still
        # come: each that fits is tried.
        mine = Hello(is_13=is_13)
        del answers[:]
        relay.send_to_server(mine.record())
        harness.wait_until(lambda: comes_to_proof(relay, mine, answers), "the server's hello")
        client.echo()
    counters = server.counters()
    check_equal(counters.get("associations_closed", 0), 0, "associations that ended")
    check_equal(counters.get("associations_opened", 0), 1, "associations that were opened")
    client.echo()


def _make(what, prefix, name):
    def run():
        what(MAKERS[name])
    run.__name__ = f"{prefix}_{name}"
    case(run)


for _name in MAKERS:
    _make(ten_of_ten, "reboot_is_served_at_once", _name)
for _name in ("openssl_psk_1_2", "wolfssl_cid_1_2", "wolfssl_certificate_1_3", "wolfssl_cid_1_3"):
    _make(undisturbed, "spoofed_hello_does_not_disturb", _name)


@case
def reboot_replaces_the_old_association_and_its_answers_stop():
    credentials = Credentials()
    server = Server(*credentials.both())
    relay = Relay(server.port)
    first = clients.openssl_psk(relay.port, credentials.identity, credentials.key)
    first.echo()
    first.kill()
    clients.openssl_psk(relay.port, credentials.identity, credentials.key).echo()
    server.wait_line(r"event=closed\b.*reason=closed_replaced")
    counters = server.counters()
    check_equal(counters["associations_opened"] - counters["associations_closed"], 1, "associations that are open")


if __name__ == "__main__":
    harness.main()
