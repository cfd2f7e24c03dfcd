# SPDX-License-Identifier: GPL-3.0-or-later
#
# Listening addresses: several at once, IPv6, wildcards. An answer leaves from the address
# that was spoken to; a client's connected socket takes it from nowhere else.

import socket

import clients
import harness
import hello
from harness import Credentials, Server, Skipped, case, check, check_equal
from hello import Hello
from relay import Relay


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


def answer_source(server_port, spoken_to, family=socket.AF_INET, local=""):
    """Where the answer to a hello comes from."""
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        if local:
            s.bind((local, 0))
        s.sendto(Hello().record(), (spoken_to, server_port))
        data, source = s.recvfrom(4096)
        check_equal(hello.kind(data), "verify", "answer to a hello")
        return source[:2]


@case
def several_listening_addresses_serve_at_once():
    c = Credentials()
    server = Server(*c.both(), listen=("127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"))
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    talkers = [clients.wolf_psk(port, c, host=host, version=version)
               for host, port in zip(hosts, server.ports) for version in ("1.2", "1.3")]
    for talker in talkers:
        talker.echo()
    for host, port in zip(hosts, server.ports):
        check_equal(answer_source(port, host), (host, port), "source of the answer")
        server.wait_line(rf"event=connected\b.* local={host}:{port}\b")


@case
def wildcard_answers_from_the_address_that_was_spoken_to():
    c = Credentials()
    server = Server(*c.both(), listen=("0.0.0.0:0",))
    for host in ("127.0.0.1", "127.0.0.2", "127.44.55.66"):
        check_equal(answer_source(server.port, host), (host, server.port), "source of the answer")
        # The whole way, the echo included: these clients' sockets are connected.
        clients.wolf_psk(server.port, c, host=host).echo()
        clients.openssl_psk(server.port, c.identity, c.key, host=host).echo()
        server.wait_line(rf"event=connected\b.* local={host}:{server.port}\b")


@case
def same_client_port_to_two_listeners_is_two_associations():
    # Where there is no connection ID, an association is found by the peer's address and port and by the listener.
    c = Credentials()
    server = Server(*c.both(), listen=("127.0.0.2:0", "127.0.0.3:0"))
    sockets = []
    for _ in range(2):  # both speak from the same port; each hears only whom it is connected to
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(sockets[0].getsockname() if sockets else ("127.0.0.1", 0))
        sockets.append(s)
    relays = []
    for host, port, s in zip(("127.0.0.2", "127.0.0.3"), server.ports, sockets):
        s.connect((host, port))
        relays.append(Relay(port, server=host, inside=s))
    one, two = relays
    first = clients.openssl_psk(one.port, c.identity, c.key)
    first.echo()
    second = clients.openssl_psk(two.port, c.identity, c.key)
    second.echo()
    first.echo()
    counters = server.counters()
    check_equal(counters["associations_opened"] - counters.get("associations_closed", 0), 2, "associations open")


@case
def ipv6_loopback_serves():
    if not has_ipv6():
        raise Skipped("no IPv6 here")
    c = Credentials()
    server = Server(*c.both(), listen=("[::1]:0",))
    check_equal(answer_source(server.port, "::1", socket.AF_INET6), ("::1", server.port), "source of the answer")
    for version in ("1.2", "1.3"):
        clients.wolf_psk(server.port, c, host="[::1]", version=version).echo()
    clients.openssl_psk(server.port, c.identity, c.key, host="[::1]").echo()
    server.wait_line(rf"event=connected\b.* local=\[::1\]:{server.port}\b")


@case
def ipv6_wildcard_serves_and_leaves_ipv4_alone():
    if not has_ipv6():
        raise Skipped("no IPv6 here")
    c = Credentials()
    server = Server(*c.both(), listen=("[::]:0",))
    check_equal(answer_source(server.port, "::1", socket.AF_INET6), ("::1", server.port), "source of the answer")
    clients.wolf_psk(server.port, c, host="[::1]").echo()
    # Another program can have the IPv4 side of the port: a listener serves the family that was asked for.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", server.port))


@case
def both_families_at_once():
    if not has_ipv6():
        raise Skipped("no IPv6 here")
    c = Credentials()
    server = Server(*c.both(), listen=("127.0.0.1:0", "[::1]:0"))
    four = clients.wolf_psk(server.ports[0], c)
    six = clients.wolf_psk(server.ports[1], c, host="[::1]")
    for _ in range(3):
        four.echo()
        six.echo()


@case
def every_number_of_workers_serves_without_a_misrouted_datagram():
    c = Credentials()
    for workers in ("1", "2", "8"):
        server = Server(*c.both("--workers", workers), listen=("127.0.0.1:0", "127.0.0.2:0"))
        talkers = [clients.wolf_psk(server.ports[i % 2], c, *(("--cid", "c1") if i % 3 else ()), host=f"127.0.0.{1 + i % 2}",
                                    version="1.2" if i % 4 < 2 else "1.3") for i in range(12)]
        for _ in range(3):
            for talker in talkers:
                talker.echo()
        counters = server.counters()
        check_equal(counters.get("misrouted", 0), 0, f"misrouted datagrams with {workers} workers")
        check_equal(counters["associations_opened"], 12, "associations")
        check_equal(server.stop(), 0, "exit status")
        harness.end_everything()
        c = Credentials()


@case
def forwarding_without_the_filter_serves_too():
    c = Credentials()
    server = Server(*c.both("--steering", "forward"))
    for version in ("1.2", "1.3"):
        for options in ((), ("--cid", "c1")):
            client = clients.wolf_psk(server.port, c, *options, version=version)
            for _ in range(3):
                client.echo()
    check(server.counter("forwarded") > 0, "nothing was forwarded")


if __name__ == "__main__":
    harness.main()
