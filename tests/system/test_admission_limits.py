# SPDX-License-Identifier: GPL-3.0-or-later
#
# What strangers may cost, as an operator sees it: answers, beginnings and failures of handshakes by address, network and
# in all, and the deadlines of each phase. Each refusal has its counter, and who comes again gets in.
# ctest: timeout=300

import json
import re

import clients
import hello
import harness
from attacks import part_of
from harness import DTLSGATE, Credentials, Server, case, check, check_equal, main, run, wait_until
from hello import Hello


def say_hello(server, *addresses, times=1):
    for address in addresses:
        with hello.endpoint(address) as s:
            for _ in range(times):
                s.sendto(Hello().record(), ("127.0.0.1", server.port))


def rises(server, name, least):
    return wait_until(lambda: server.counter(name) >= least, f"{name} to be {least}")


def numbered(count, network="127.9.9"):
    return [f"{network}.{i + 1}" for i in range(count)]


# --- answers -------------------------------------------------------------------

@case
def answers_of_one_address_are_limited():
    server = Server(*Credentials().psk("--answers-rate", "5"))
    say_hello(server, "127.9.9.1", times=60)
    rises(server, "drop_answer_limited", 40)
    say_hello(server, "127.9.9.2")
    rises(server, "hellos_answered", 11)  # the neighbour's too
    check_equal(server.counter("drop_answer_network"), 0, "drop_answer_network")
    check_equal(server.stop(), 0, "exit status")


@case
def answers_of_one_network_are_limited_from_however_many_addresses():
    server = Server(*Credentials().psk("--answers-rate", "1000", "--answers-rate-network", "5"))
    say_hello(server, *numbered(60))
    rises(server, "drop_answer_network", 40)
    answered = server.counter("hellos_answered")
    say_hello(server, "127.9.8.1")
    rises(server, "hellos_answered", answered + 1)
    check_equal(server.counter("drop_answer_limited"), 0, "drop_answer_limited")
    check_equal(server.stop(), 0, "exit status")


@case
def answers_in_all_are_limited_and_a_cookie_passes():
    credentials = Credentials()
    server = Server(*credentials.psk("--answers-rate-global", "5"))
    client = clients.openssl_psk(server.port, credentials.identity, credentials.key)
    client.echo()
    say_hello(server, *(f"127.9.{i + 1}.1" for i in range(60)))
    rises(server, "drop_answer_global", 40)
    client.echo()
    # Whoever comes again is answered when there is something left.
    clients.openssl_psk(server.port, credentials.identity, credentials.key).echo()
    check_equal(server.stop(), 0, "exit status")


# --- beginnings and failures -----------------------------------------------------

def storm(server, credentials, addresses):
    """All at once; each comes again by itself until it is let in."""
    storming = [clients.Openssl(server.port, "-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-psk_identity",
                                credentials.identity, "-psk", credentials.key, "-bind", f"{address}:0")
                for address in addresses]
    for client in storming:
        client.echo()


def storms_until(server, name, credentials, addresses):
    """A machine that starts clients slowly enough makes no storm of the first ones."""
    wait_until(lambda: storm(server, credentials, addresses) or server.counter(name) >= 1, name, timeout=100)


@case
def beginnings_of_one_address_are_limited():
    credentials = Credentials()
    server = Server(*credentials.psk("--handshakes-rate", "1"))
    storms_until(server, "drop_start_limited", credentials, ["127.0.0.1"] * 5)
    check_equal(server.stop(), 0, "exit status")


@case
def beginnings_of_one_network_are_limited():
    credentials = Credentials()
    server = Server(*credentials.psk("--handshakes-rate", "100", "--handshakes-rate-network", "1"))
    storms_until(server, "drop_start_network", credentials, numbered(5))
    check_equal(server.counter("drop_start_limited"), 0, "drop_start_limited")
    check_equal(server.stop(), 0, "exit status")


@case
def beginnings_in_all_are_limited():
    credentials = Credentials()
    server = Server(*credentials.psk("--handshakes-rate-global", "1"))
    storms_until(server, "drop_start_global", credentials, [f"127.9.{i + 1}.1" for i in range(5)])
    check_equal(server.stop(), 0, "exit status")


@case
def failures_of_a_network_hold_its_other_addresses_up():
    credentials = Credentials()
    # Twenty seconds' worth may be saved up: the twenty-first has to wait.
    server = Server(*credentials.psk("--failures-rate", "1000", "--failures-rate-network", "1"))
    wrong = [clients.Openssl(server.port, "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256", "-bind", f"{address}:0")
             for address in numbered(30)] # nothing in common
    rises(server, "drop_penalty_network", 1)
    for client in wrong:
        client.kill()
    clients.openssl_psk(server.port, credentials.identity, credentials.key).echo()  # another network
    check_equal(server.stop(), 0, "exit status")


# --- deadlines ---------------------------------------------------------------------

@case
def parts_of_a_hello_are_kept_for_hello_timeout():
    server = Server(*Credentials().psk("--hello-timeout", "1"))
    with hello.endpoint() as s:
        s.sendto(part_of(Hello().record(), 0, 40), ("127.0.0.1", server.port))
        rises(server, "drop_fragment_expired", 1)
    check_equal(server.stop(), 0, "exit status")


@case
def limit_of_handshakes_is_told_as_it_is_in_force():
    """After a reload, too: fewer at once, more after a restart."""
    credentials = Credentials()
    path, control = credentials.path / "gate.yaml", credentials.path / "control.sock"
    text = (f"handshakes-max: 100\ncontrol-socket: {control}\nlisteners:\n  - name: gate\n    listen: 127.0.0.1:0\n"
            "    backend: echo\n    psk-file: psk.txt\n")
    path.write_text(text)
    server = harness.ConfiguredServer(path)
    server.wait_line("event=ready")
    for wanted, possible in ((100, 100), (50, 50), (200, 100)):
        path.write_text(text.replace("100", str(wanted), 1))
        status, said = run([DTLSGATE, "reload", "--control", control])
        check_equal(status, 0, said)
        status, said = run([DTLSGATE, "status", "--json", "--control", control])
        check_equal(json.loads(said)["handshakes"]["max"], possible, f"handshakes-max: {wanted}")


@case
def limits_in_the_wrong_range_are_refused_with_it():
    for option, value in (("--handshakes-rate", "0"), ("--hello-timeout", "61"), ("--handover-timeout", "x"),
                          ("--associations-prefix-max", "-1")):
        status, text = run([DTLSGATE, "serve", "--listen", "127.0.0.1:0", "--backend", "echo", option, value], timeout=10)
        check_equal(status, 2, f"exit status of {option} {value}")
        check(re.search(rf"{option}\b.*{re.escape(value)}.* to \d+", text), text)


if __name__ == "__main__":
    main()
