# SPDX-License-Identifier: GPL-3.0-or-later
#
# A service that answers late, when its client is long gone: the answer never reaches
# another client. The local ports towards the service are few, so that a port given up too
# early would be somebody else's at once.
# ctest: timeout=300

import random
import socket
import threading

import clients
import harness
from harness import Credentials, Server, case, check, check_equal


class SlowService:
    """Answers "now ..." at once and keeps everything else until told: then each gets its text back from where it
    was sent, several times."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.kept = []
        self.sources = set()
        self._ending = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        harness._living.append(self)

    def _serve(self):
        self.socket.settimeout(0.1)
        while not self._ending:
            try:
                data, source = self.socket.recvfrom(65536)
            except (TimeoutError, ConnectionRefusedError):
                continue
            self.sources.add(source)
            if data.startswith(b"now "):
                self.socket.sendto(data, source)
            else:
                self.kept.append((data, source))

    def answer_late(self):
        for data, source in self.kept:
            for _ in range(3):
                self.socket.sendto(b"LATE " + data, source)

    def kill(self):
        self._ending = True
        self._thread.join(5)
        self.socket.close()


def gate(ports, *options):
    credentials = Credentials()
    service = SlowService()
    low = random.randrange(20000, 30000 - ports)  # outside of what the kernel hands out by itself
    server = Server(*credentials.both("--backend-port-min", str(low), "--backend-port-max", str(low + ports - 1), *options),
                    backend=f"udp:127.0.0.1:{service.port}")
    return credentials, service, server


def ask_and_leave(server, credentials, count, vanish):
    """So many clients say a word each and go: without a word, or with close_notify, and then until the server has
    done with them."""
    for i in range(count):
        client = clients.wolf_psk(server.port, credentials)
        client.connected()
        before = server.counter("plaintext_delivered")
        client.say(f"secret-{i}")
        harness.wait_until(lambda: server.counter("plaintext_delivered") > before, "the delivery")
        if vanish:
            client.kill()
        else:
            client.end_of_input()
            client.wait()
    if not vanish:
        harness.wait_until(lambda: server.counter("closed_by_peer") == count, "the associations to end")


@case
def late_answers_never_reach_another_client():
    credentials, service, server = gate(ports=60)
    ask_and_leave(server, credentials, 12, vanish=False)
    harness.wait_until(lambda: len(service.kept) == 12, "the requests to reach the service")
    heirs = [clients.wolf_psk(server.port, credentials) for _ in range(12)]
    for i, heir in enumerate(heirs):
        heir.echo(f"now {i}")  # each has a port towards the service
    service.answer_late()
    for i, heir in enumerate(heirs):
        heir.echo(f"now again {i}")
        check(not heir.find("LATE"), f"client {i} got another's answer: {heir.lines}")
    check_equal(len(service.sources), 24, "ports towards the service")


@case
def no_port_is_given_out_again_while_it_rests():
    # Four ports, four clients come and go: the fifth gets none rather than a port that may still be answered.
    credentials, service, server = gate(4, "--workers", "1")
    ask_and_leave(server, credentials, 4, vanish=False)
    fifth = clients.wolf_psk(server.port, credentials)
    fifth.connected()
    fifth.say("now")
    harness.wait_until(lambda: server.counter("backend_no_port") >= 1, "the counter backend_no_port")
    service.answer_late()
    for _ in range(20):
        server.counters()
    check(not fifth.find("LATE"), "another's answer")
    check(fifth.running(), "the client without a port was closed")


@case
def a_vanished_client_keeps_its_port_from_others():
    credentials, service, server = gate(ports=40)
    ask_and_leave(server, credentials, 6, vanish=True)
    heirs = [clients.wolf_psk(server.port, credentials) for _ in range(6)]
    for i, heir in enumerate(heirs):
        heir.echo(f"now {i}")
    harness.wait_until(lambda: len(service.kept) == 6, "the requests to reach the service")
    service.answer_late()
    for i, heir in enumerate(heirs):
        heir.echo(f"now again {i}")
        check(not heir.find("LATE"), f"client {i} got another's answer: {heir.lines}")


@case
def an_answer_in_time_reaches_its_own_client_alone():
    credentials, service, server = gate(ports=40)
    talkers = [clients.wolf_psk(server.port, credentials) for _ in range(8)]
    for i, talker in enumerate(talkers):
        talker.connected()
        talker.say(f"mine-{i}-")
    harness.wait_until(lambda: len(service.kept) == 8, "the requests to reach the service")
    service.answer_late()
    for i, talker in enumerate(talkers):
        talker.wait_line(rf"^LATE mine-{i}-$")
        talker.echo(f"now {i}")
        strange = [line for line in talker.lines if line.startswith("LATE") and line != f"LATE mine-{i}-"]
        check_equal(strange, [], f"answers of others at client {i}")


@case
def what_strangers_send_to_a_backend_port_is_ignored():
    # The socket is connected: only the service itself can answer.
    credentials, service, server = gate(ports=40)
    client = clients.wolf_psk(server.port, credentials)
    client.connected()
    client.say("mine")
    harness.wait_until(lambda: service.kept, "the request to reach the service")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(10):
            try:
                stranger.sendto(b"LATE forged\n", service.kept[0][1])
            except ConnectionRefusedError:
                pass
    client.echo("now then")
    check(not client.find("LATE forged"), "a stranger's datagram reached the client")


if __name__ == "__main__":
    harness.main()
