# SPDX-License-Identifier: GPL-3.0-or-later
#
# Several backends in one server, chosen by rules: each client's plaintext goes to its own, and
# answers come from there alone. A reload that gives a client another backend takes effect with
# its next datagram, without a handshake; what the service before still answers reaches nobody.
# Ports towards two UDP services are one book, which holds over a restart.
# ctest: timeout=300

import os
import secrets
import select
import signal
import socket
import struct
import threading

import clients
import harness
from harness import DTLSGATE, ConfiguredServer, Credentials, case, check, check_equal, wait_until


class Service:
    """Echoes with its name in front, behind the same PROXY header where there is one; keeps who asked."""

    def __init__(self, name, is_proxy):
        self.name, self.is_proxy = name, is_proxy
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.backend = ("proxy-udp" if is_proxy else "udp") + f":127.0.0.1:{self.socket.getsockname()[1]}"
        self.asked = {}  # payload -> (header, source)
        self._ending = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        harness._living.append(self)

    def _serve(self):
        while not self._ending:
            if not select.select([self.socket], [], [], 0.05)[0]:
                continue
            try:
                datagram, source = self.socket.recvfrom(65536)
            except OSError:
                continue  # of an answer to a socket that is gone
            end = 16 + struct.unpack_from("!H", datagram, 14)[0] if self.is_proxy else 0
            header, payload = datagram[:end], datagram[end:]
            self.asked[payload.strip()] = (header, source)
            self.answer(payload.strip(), payload)

    def answer(self, asked, payload):
        header, source = self.asked[asked]
        self.socket.sendto(header + self.name.encode() + b" " + payload, source)

    def kill(self):
        self._ending = True
        self._thread.join(5)
        self.socket.close()


class Gate:
    """A server whose rules send each of some identities to a backend."""

    def __init__(self, identities, keeper="none", workers=2):
        self.credentials = Credentials()
        self.workers = workers
        self.keys = {identity: harness.fresh_key() for identity in identities}
        self.credentials.write_psk(self.keys)
        self.path = self.credentials.path / "gate.yaml"
        self.keeper = keeper

    def write(self, rules):
        """rules: identity pattern -> backend"""
        text = "".join(f"      - {{identity: {pattern}, action: allow, backend: '{backend}'}}\n"
                       for pattern, backend in rules.items())
        self.path.write_text(f"workers: {self.workers}\nlog-level: debug\nlisteners:\n  - name: all\n    listen: ['127.0.0.1:0']\n"
                             f"    backend: echo\n    psk-file: psk.txt\n    rules:\n{text}")

    def start(self):
        self.server = ConfiguredServer(self.path, keeper=self.keeper)
        return self.server

    def reload(self):
        start = self.server.mark()
        self.server.signal(signal.SIGHUP)
        self.server.wait_line(r"event=reloaded\b", start=start)

    def client(self, identity):
        self.credentials.write_psk({identity: self.keys[identity]}, f"{identity}.txt")
        return clients.Client([DTLSGATE, "connect", f"127.0.0.1:{self.server.port}", "--psk-file",
                               self.credentials[f"{identity}.txt"]], name=identity, merge=False)


def ask(client, name):
    """The word that came back from the service of that name."""
    word = secrets.token_hex(6)
    start = client.mark()
    client.say(word)
    client.wait_line(f"^{name} {word}$" if name else f"^{word}$", start=start)
    return word.encode()


@case
def rules_choose_the_backend_of_each_client():
    plain, other, proxied = Service("plain", False), Service("other", False), Service("proxied", True)
    gate = Gate(["a-1", "a-2", "b-1", "c-1", "d-1"])
    gate.write({"a-*": plain.backend, "b-*": other.backend, "c-*": proxied.backend, "'*'": "echo"})
    gate.start()
    expected = {"a-1": "plain", "a-2": "plain", "b-1": "other", "c-1": "proxied", "d-1": ""}
    alive = {identity: gate.client(identity) for identity in expected}
    for _ in range(3):
        for identity, client in alive.items():
            ask(client, expected[identity])
    check_equal(len({source for _, source in plain.asked.values()}), 2, "ports towards the plain service")
    check_equal(len(other.asked), 3, "what the other service got")
    check_equal(len(proxied.asked), 3, "what the proxied service got")


@case
def a_reload_gives_a_client_another_backend_without_a_handshake():
    plain, other, proxied = Service("plain", False), Service("other", False), Service("proxied", True)
    gate = Gate(["a-1", "b-1", "c-1"])
    gate.write({"a-*": plain.backend, "b-*": proxied.backend, "c-*": plain.backend})
    server = gate.start()
    a, b, c = (gate.client(identity) for identity in gate.keys)
    before = {"a": ask(a, "plain"), "b": ask(b, "proxied"), "c": ask(c, "plain")}
    # One to a backend that is not known yet, one to one that is, one that stays.
    gate.write({"a-*": other.backend, "b-*": plain.backend, "c-*": plain.backend})
    gate.reload()
    # Of the services before, in the moment before and after each client's next word.
    plain.answer(before["a"], b"late")
    proxied.answer(before["b"], b"late")
    ask(a, "other")
    ask(b, "plain")
    stays = ask(c, "plain")
    plain.answer(before["a"], b"late")
    proxied.answer(before["b"], b"late")
    wait_until(lambda: server.counter("backend_answer_unknown") >= 2, "the late answers to be counted")
    check_equal(plain.asked[stays][1], plain.asked[before["c"]][1], "the port of who stays")
    for client, service in ((a, "other"), (b, "plain"), (c, "plain")):
        ask(client, service)
        check(not client.find("late"), f"{client.name} got an answer of the service before")
    # And back: to backends that the worker has all along.
    gate.write({"a-*": plain.backend, "b-*": proxied.backend, "c-*": "echo"})
    gate.reload()
    ask(a, "plain")
    ask(b, "proxied")
    ask(c, "")
    check_equal(server.counter("associations_opened"), 3, "handshakes")


@case
def a_broken_backend_in_a_reload_changes_nothing():
    plain = Service("plain", False)
    gate = Gate(["a-1"])
    gate.write({"a-*": plain.backend})
    server = gate.start()
    client = gate.client("a-1")
    ask(client, "plain")
    for backend in ("udp:192.0.2.1:5683", "proxy-unix:relative", "udp:nowhere"):
        gate.write({"a-*": backend})
        start = server.mark()
        server.signal(signal.SIGHUP)
        server.wait_line(rf"event=reload\S* .*{backend}", start=start)
        ask(client, "plain")


# Each client's port is bound again for the service that it has after the restart.
@case
def ports_towards_two_services_hold_over_a_restart():
    plain, other = Service("plain", False), Service("other", False)
    gate = Gate(["a-1", "b-1", "c-1"], keeper="auto", workers=3)
    gate.write({"a-*": plain.backend, "b-*": other.backend, "c-*": plain.backend})
    server = gate.start()
    a, b, c = (gate.client(identity) for identity in gate.keys)
    words = [ask(a, "plain"), ask(b, "other"), ask(c, "plain")]
    # Other rules in another order: which one allowed whom before says nothing now.
    gate.write({"z-*": "echo", "b-*": other.backend, "c-*": other.backend, "a-*": plain.backend})
    start = server.mark()
    os.kill(server.serving, signal.SIGKILL)
    server.wait_line(r"event=ready pid=", start=start)
    # The services speak first, where they knew their clients.
    for client, service, word in ((a, plain, words[0]), (b, other, words[1])):
        told = secrets.token_hex(6)

        def hears(client=client, service=service, word=word, told=told):
            service.answer(word, told.encode() + b"\n")
            return client.find(f"{told}$")
        wait_until(hears, "what a service says first after the restart")
    again = [ask(a, "plain"), ask(b, "other"), ask(c, "other")]
    check_equal(plain.asked[again[0]][1], plain.asked[words[0]][1], "the first client's port")
    check_equal(other.asked[again[1]][1], other.asked[words[1]][1], "the second client's port")
    plain.answer(words[2], b"late\n")  # the service that it has no more
    ask(c, "other")
    check(not c.find("late"), "an answer of the service before the restart")


harness.main()
