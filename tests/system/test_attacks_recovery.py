# SPDX-License-Identifier: GPL-3.0-or-later
#
# The known failures of recovery (docs/attacks.md, 41; 42 is in test_reboot.py, 43 in test_attacks_hello.py) over real
# sockets: the datagrams that end a handshake are lost again and again, and it ends all the same.

import clients
import harness
from harness import Credentials, Server, check, check_equal
from relay import Relay

case = harness.case


def with_losses(version, is_lost_up, is_lost_down, times):
    """A handshake through a relay that loses the first so many datagrams that fit, each way."""
    credentials = Credentials()
    server = Server(*credentials.both("--handshake-timeout", "60"), level="info")
    relay = Relay(server.port)
    lost = [0]

    def carry(fits):
        def pass_on(datagram):
            if fits(datagram) and lost[0] < times:
                lost[0] += 1
                return []
            return [datagram]
        return pass_on
    relay.on_client, relay.on_server = carry(is_lost_up), carry(is_lost_down)
    client = clients.wolf_psk(relay.port, credentials, version=version)
    client.echo(timeout=40)
    check_equal(lost[0], times, f"datagrams lost, {version}")
    counters = server.counters()
    check_equal(counters["handshakes_completed"], 1, "handshakes")
    check_equal(counters.get("associations_closed", 0), 0, "associations that ended")


def never(_datagram):
    return False


def is_hello_of_server(datagram):
    return datagram[0] == 22 and datagram[13] == 2


def is_protected_handshake(datagram):
    """A datagram with the Finished of DTLS 1.2, or what is under epoch 2 of DTLS 1.3."""
    at = 0
    while at + 13 <= len(datagram):
        if datagram[at] & 0xe3 == 0x22:
            return True
        if datagram[at] == 22 and datagram[at + 3:at + 5] == b"\0\1":
            return True
        if datagram[at] & 0xe0 == 0x20:
            return False
        at += 13 + int.from_bytes(datagram[at + 11:at + 13], "big")
    return False


@case
def server_hello_lost_three_times_1_2():
    with_losses("1.2", never, is_hello_of_server, 3)


@case
def last_flight_of_the_server_lost_three_times_1_2():
    with_losses("1.2", never, is_protected_handshake, 3)


@case
def client_finished_lost_three_times_1_2():
    with_losses("1.2", is_protected_handshake, never, 3)


@case
def client_finished_lost_three_times_1_3():
    with_losses("1.3", is_protected_handshake, never, 3)


@case
def last_acknowledgement_lost_twice_1_3():
    # What the server sends under epoch 3 before data: its acknowledgement, and a ticket.
    with_losses("1.3", never, lambda d: d[0] & 0xe3 == 0x23, 2)


if __name__ == "__main__":
    harness.main()
