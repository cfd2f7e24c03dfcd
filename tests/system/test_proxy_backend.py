# SPDX-License-Identifier: GPL-3.0-or-later
#
# The backends proxy-udp: and proxy-unix: through the built program: what a service learns of
# each client, beside what the gate's log says of it; answers by their ID alone, at any worker,
# also after a restart; a service that is away, slow, or back; clients that move; identities
# that try to be something else. The service here reads headers by docs/proxy-protocol.md and
# shares no line with the gate. The examples answer the same clients.
# ctest: timeout=300

import ipaddress
import os
import pathlib
import re
import secrets
import select
import signal
import socket
import struct
import sys
import threading
import time

import clients
import harness
from harness import DTLSGATE, SOURCE, Credentials, Process, Server, case, check, check_equal, wait_until
from relay import Relay

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
UNIQUE_ID, SSL, IDENTITY, PROOF, VERSION, SUITE, LISTENER = 0x05, 0x20, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4


def fields_of(data):
    found = {}
    while data:
        kind, size = struct.unpack_from("!BH", data)
        check(len(data) >= 3 + size, f"a field {kind:02x} beyond its header")
        check(kind not in found, f"field {kind:02x} twice")
        found[kind] = data[3:3 + size]
        data = data[3 + size:]
    return found


class Message:
    """A datagram as a service sees it."""

    def __init__(self, datagram, gate):
        check_equal(datagram[:12], SIGNATURE, "signature")
        command, family, length = struct.unpack_from("!BBH", datagram, 12)
        check_equal(command, 0x21, "version and command")
        check(family in (0x12, 0x22), f"family {family:02x}")
        size = 4 if family == 0x12 else 16
        self.peer = ipaddress.ip_address(datagram[16:16 + size])
        self.local = ipaddress.ip_address(datagram[16 + size:16 + 2 * size])
        self.peer_port, self.local_port = struct.unpack_from("!HH", datagram, 16 + 2 * size)
        self.fields = fields_of(datagram[20 + 2 * size:16 + length])
        self.header, self.payload = datagram[:16 + length], datagram[16 + length:]
        self.gate = gate

    @property
    def id(self):
        return self.fields[UNIQUE_ID]


def answer(unique_id, payload, family=0, addresses=b""):
    """The least that a service can send."""
    field = struct.pack("!BH", UNIQUE_ID, len(unique_id)) + unique_id
    return SIGNATURE + struct.pack("!BBH", 0x21, family, len(addresses + field)) + addresses + field + payload


class Service:
    """Keeps what came, and sends it back where `echoes` is set. where: "127.0.0.1:0", "[::1]:0" or a path."""

    def __init__(self, where, echoes=True):
        self.echoes = echoes
        self.messages, self.faults = [], []
        if where.startswith("/"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            pathlib.Path(where).unlink(missing_ok=True)
            self.socket.bind(where)
            self.backend = f"proxy-unix:{where}"
        else:
            host, port = where.rsplit(":", 1)
            self.socket = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.bind((host.strip("[]"), int(port)))
            self.port = self.socket.getsockname()[1]
            self.backend = f"proxy-udp:{host}:{self.port}"
        self._ending = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        harness._living.append(self)

    def _serve(self):
        while not self._ending:
            if not select.select([self.socket], [], [], 0.05)[0]:
                continue
            try:
                message = Message(*self.socket.recvfrom(65536))
                self.messages.append(message)
                if self.echoes:
                    self.socket.sendto(message.header + message.payload, message.gate)
            except (harness.Failed, struct.error) as fault:
                self.faults.append(str(fault))
            except OSError:
                pass  # the gate is gone

    def heard(self, payload):
        """The first message with this in it."""
        return wait_until(lambda: next((m for m in list(self.messages) if payload in m.payload), None), f"{payload!r}")

    def kill(self):
        self._ending = True
        self._thread.join(5)
        self.socket.close()

    def check_sane(self):
        check_equal(self.faults, [], "what the service could not read")


def connect(server, credentials, *options, port=None, host="127.0.0.1"):
    """`dtlsgate connect`, whose lines go to the server and come back."""
    return clients.Client([DTLSGATE, "connect", f"{host}:{port or server.port}", "--psk-file", credentials["psk.txt"], *options],
                          name="dtlsgate connect", merge=False)


def association_of(server, count=1):
    """(association, peer's port) of the one that connected last of so many."""
    pattern = re.compile(r"event=connected association=([0-9a-f]{16}) peer=\S*:(\d+) ")
    wait_until(lambda: len(pattern.findall(server.text())) >= count, f"{count} lines event=connected")
    association, port = pattern.findall(server.text())[-1]
    return bytes.fromhex(association), int(port)


# --- who speaks -------------------------------------------------------------------------------


def who_speaks(where, listen):
    credentials = Credentials()
    service = Service(where)
    host = listen.rsplit(":", 1)[0]
    server = Server(*credentials.both(), backend=service.backend, listen=(listen,))
    expected = [("1.3", b"\xfe\xfc", b"DTLSv1.3"), ("1.2", b"\xfe\xfd", b"DTLSv1.2")]
    for count, (version, on_wire, text) in enumerate(expected, 1):
        client = clients.wolf_psk(server.port, credentials, version=version, host=host)
        word = client.echo()
        association, port = association_of(server, count)
        message = service.heard(word.encode())
        check_equal(message.peer, ipaddress.ip_address(host.strip("[]")), "the client's address")
        check_equal(message.local, message.peer, "the gate's address")
        check_equal((message.peer_port, message.local_port), (port, server.port), "ports")
        check_equal(len(message.id), 16, "size of the ID")
        check_equal(message.id[:8], association, "the ID beside the log's")
        check_equal(message.fields[IDENTITY], credentials.identity.encode(), "identity")
        check_equal(message.fields[PROOF], b"\1", "proof")
        check_equal(message.fields[VERSION], on_wire, "version")
        suite = server.find(rf"association={association.hex()} .* suite=(\S+) ").group(1)
        tls = message.fields[SSL]
        check_equal(tls[:5], b"\1\0\0\0\1", "bits and verification of a pre-shared key")
        check_equal(fields_of(tls[5:]), {0x21: text, 0x23: suite.encode()}, "fields of PP2_TYPE_SSL")
        check(message.fields[LISTENER], "no listener's name")
        again = service.heard(client.echo().encode())
        check_equal(again.header, message.header, "the header of the next datagram")
    service.check_sane()
    server.counters()


@case
def proxy_udp_says_who_speaks():
    who_speaks("127.0.0.1:0", "127.0.0.1:0")


@case
def proxy_udp_says_who_speaks_ipv6():
    who_speaks("[::1]:0", "[::1]:0")


@case
def proxy_unix_says_who_speaks():
    who_speaks(str(harness.folder() / "service"), "[::1]:0")


@case
def proxy_says_how_a_certificate_proved_its_name():
    credentials = Credentials()
    service = Service("127.0.0.1:0")
    server = Server(*credentials.both(), backend=service.backend)
    client = clients.wolf_certificate(server.port, credentials)
    message = service.heard(client.echo().encode())
    check_equal(message.fields[PROOF], b"\2", "proof")
    tls = message.fields[SSL]
    check_equal(tls[:5], b"\7\0\0\0\0", "bits and verification of a certificate")
    check_equal(fields_of(tls[5:])[0x22], message.fields[IDENTITY], "the certificate's name")


# An identity is any bytes: some that look like fields of the header, like a header, or speak to a terminal.
@case
def proxy_identities_cannot_pretend_to_be_more():
    credentials = Credentials()
    identities = ["a\x05\x01\x10bbbbbbbbbbbbbbbb", "\r\n\r\n\x01\r\nQUIT\n!", "\x1b]0;owned\x07\x1b[2J", "x\"=' level=error event=fake",
                  "\u00e0\u00e1\x01\x02\x01", "l" * 128]
    identities = [i.replace("\n", "\x0b").replace("\r", "\x0c") for i in identities]  # a file has one key a line
    keys = {identity: harness.fresh_key() for identity in identities}
    service = Service("127.0.0.1:0")
    example = Process([sys.executable, SOURCE / "examples" / "backend.py", str(harness.folder() / "s")])
    path = re.search(r"ready at (\S+)", example.wait_line("ready at .*").group(0)).group(1)
    server = Server(*credentials.certificates("--psk-file", credentials.write_psk(keys, "all.txt")), backend=service.backend)
    second = Server(*credentials.certificates("--psk-file", credentials["all.txt"]), backend=f"proxy-unix:{path}")
    for number, (identity, key) in enumerate(keys.items()):
        credentials.write_psk({identity: key}, f"one-{number}.txt")
        client = clients.wolf_psk(server.port, credentials, psk=f"one-{number}.txt")
        message = service.heard(client.echo().encode())
        check_equal(message.fields[IDENTITY], identity.encode(), "identity")
        check_equal(message.id[:8], association_of(server, number + 1)[0], "the ID of that client")
        clients.wolf_psk(second.port, credentials, psk=f"one-{number}.txt").echo()
    service.check_sane()
    for text in (server.text(), second.text(), example.text()):
        check(not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), "control characters of an identity in a log")
    check(not server.find(r"event=fake"), "an identity forged a field of the log")


# --- the examples -----------------------------------------------------------------------------


def example_answers(argv, backend):
    credentials = Credentials()
    example = Process(argv)
    example.wait_line("^ready")
    server = Server(*credentials.both(), backend=backend)
    for version in ("1.2", "1.3"):
        client = clients.wolf_psk(server.port, credentials, version=version)
        client.echo()
        client.echo()
    wait_until(lambda: sum(credentials.identity in line for line in list(example.lines)) >= 4, "the identity in the example's log")


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def build_example():
    compiler = harness.program(os.environ.get("CC", "gcc"), "cc", "gcc", "clang")
    path = harness.folder() / "backend"
    status, text = harness.run([compiler, "-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O2", "-o", path,
                                SOURCE / "examples" / "backend.c"], timeout=60)
    check(status == 0, f"examples/backend.c: {text}")
    return path


@case
def example_backend_in_python_answers_clients():
    path, port = str(harness.folder() / "service"), free_port()
    script = SOURCE / "examples" / "backend.py"
    example_answers([sys.executable, script, path], f"proxy-unix:{path}")
    example_answers([sys.executable, script, f"127.0.0.1:{port}"], f"proxy-udp:127.0.0.1:{port}")


@case
def example_backend_in_c_answers_clients():
    path, port = str(harness.folder() / "service"), free_port()
    program = build_example()
    example_answers([program, path], f"proxy-unix:{path}")
    example_answers([program, str(port)], f"proxy-udp:127.0.0.1:{port}")


@case
def examples_are_short():
    for name in ("backend.py", "backend.c"):
        count = len((SOURCE / "examples" / name).read_text().splitlines())
        check(count < 60, f"examples/{name} has {count} lines")


# --- answers ----------------------------------------------------------------------------------


@case
def proxy_answers_go_by_their_id_alone():
    credentials = Credentials()
    service = Service("127.0.0.1:0", echoes=False)
    server = Server(*credentials.both("--workers", "1"), backend=service.backend)
    first, second = (connect(server, credentials) for _ in range(2))
    first.say("one")
    one = service.heard(b"one")
    second.say("two")
    two = service.heard(b"two")

    def send(datagram):
        service.socket.sendto(datagram, one.gate)

    # The other client's addresses, and every other field, are not looked at.
    crossed = two.header.replace(two.id, one.id)
    send(crossed + b"for one\n")
    first.wait_line("^for one$")
    # Without any address, and with one of a third kind.
    send(answer(two.id, b"for two\n"))
    second.wait_line("^for two$")
    send(answer(two.id, b"for two too\n", family=0x32, addresses=bytes(216)))
    second.wait_line("^for two too$")
    # IDs of nobody: none at all, invented, right but for a bit; what is no header.
    unknown = [secrets.token_bytes(16), bytes([one.id[0] ^ 1]) + one.id[1:], one.id[:8] + two.id[8:], one.id[:8] + b"\xff" * 8]
    for each in unknown:
        send(answer(each, b"astray\n"))
    malformed = [b"", b"astray\n", one.header[:-1], answer(b"", b"astray\n"), answer(bytes(16), b"astray\n"),
                 answer(one.id[:8], b"astray\n"), answer(one.id + b"\0", b"astray\n"), b"\0" + one.header + b"astray\n",
                 one.header[:12] + b"\x11" + one.header[13:] + b"astray\n", secrets.token_bytes(1000)]
    for each in malformed:
        send(each)
    wait_until(lambda: server.counter("backend_answer_malformed") == len(malformed), "the malformed to be counted")
    wait_until(lambda: server.counter("backend_answer_unknown") == len(unknown), "the unknown to be counted")
    # Of one that has ended.
    first.end_of_input()
    first.wait()
    wait_until(lambda: server.counter("closed_by_peer") == 1, "the end of the first")
    send(answer(one.id, b"late\n"))
    wait_until(lambda: server.counter("backend_answer_unknown") == len(unknown) + 1, "the late answer to be counted")
    send(answer(two.id, b"to the end\n"))
    second.wait_line("^to the end$")
    check(not second.find("astray|late"), "somebody got what was for nobody")


# Nobody but the service may speak to the gate's socket.
@case
def proxy_sockets_hear_the_service_only():
    credentials = Credentials()
    for where in (str(harness.folder() / "service"), "127.0.0.1:0"):
        service = Service(where, echoes=False)
        server = Server(*credentials.both("--workers", "1"), backend=service.backend)
        client = connect(server, credentials)
        client.say("hello")
        message = service.heard(b"hello")
        with socket.socket(service.socket.family, socket.SOCK_DGRAM) as stranger:
            try:
                stranger.sendto(answer(message.id, b"forged\n"), message.gate)
            except OSError:
                pass  # what Unix sockets say
        service.socket.sendto(answer(message.id, b"genuine\n"), message.gate)
        client.wait_line("^genuine$")
        check(not client.find("forged"), "a stranger's answer reached the client")


@case
def proxy_answers_at_another_worker_find_their_client():
    credentials = Credentials()
    service = Service("127.0.0.1:0")
    server = Server(*credentials.both("--workers", "4"), backend=service.backend)
    found = {}
    while len(found) < 3:  # clients of different workers
        client = connect(server, credentials)
        message = service.heard(client.echo().encode())
        found.setdefault(message.gate, (client, message))
    for gate in found:
        for client, message in found.values():
            word = secrets.token_hex(8)
            service.socket.sendto(answer(message.id, word.encode() + b"\n"), gate)
            client.wait_line(f"^{word}$")
    check_equal(server.counter("backend_answer_forwarded"), 6, "answers passed on")


# The ID outlives the process; the service speaks first, to the socket of whichever worker.
@case
def proxy_ids_hold_over_a_restart():
    credentials = Credentials()
    service = Service(str(harness.folder() / "service"))
    server = Server(*credentials.both("--workers", "3"), backend=service.backend, keeper="auto")
    old = [connect(server, credentials) for _ in range(4)]
    messages = [service.heard(client.echo().encode()) for client in old]
    before = server.serving
    start = server.mark()
    os.kill(before, signal.SIGKILL)
    server.wait_line(r"event=ready pid=", start=start)
    gate = service.heard(connect(server, credentials).echo().encode()).gate  # anybody's first word tells the new address
    for client, message in zip(old, messages):
        word = secrets.token_hex(8)
        service.socket.sendto(answer(message.id, word.encode() + b"\n"), gate)
        client.wait_line(f"^{word}$")
        check_equal(service.heard(client.echo().encode()).id, message.id, "the ID after the restart")


# --- a service that is away, or slow ----------------------------------------------------------


def away_and_back(where, counter, event):
    credentials = Credentials()
    service = Service(where)
    server = Server(*credentials.both("--workers", "1"), backend=service.backend)
    client = connect(server, credentials)
    client.echo()
    before = service.heard(b"word")
    service.kill()
    count = 0

    def lost():
        client.say("into the void")
        nonlocal count
        count += 1
        return server.counter(counter) >= 20
    began = time.monotonic()
    wait_until(lost, f"the counter {counter}")
    lines = [line for line in list(server.lines) if re.search(rf"event={event}\b", line)]
    check(1 <= len(lines) <= 1 + (time.monotonic() - began) // 10, f"{len(lines)} lines event={event} of one trouble, one in 10 s")
    check("not_logged_before=0" in lines[0] and service.backend in lines[0], lines[0])
    again = Service(where if where.startswith("/") else f"127.0.0.1:{service.port}")
    word = secrets.token_hex(8)

    def answered():
        client.say(word)
        return client.find(f"^{word}$")
    wait_until(answered, "an answer of the service that is back")
    check_equal(again.heard(word.encode()).id, before.id, "the association after all")
    server.wait_line(r"event=backend_back\b")
    check_equal(server.counter("associations_opened"), 1, "handshakes")


@case
def proxy_unix_service_may_go_and_come_back():
    away_and_back(str(harness.folder() / "service"), "backend_absent", "backend_absent")


@case
def proxy_udp_service_may_go_and_come_back():
    away_and_back("127.0.0.1:0", "backend_unreachable", "backend_unreachable")


@case
def proxy_service_need_not_be_there_at_the_start():
    credentials = Credentials()
    path = str(harness.folder() / "service")
    server = Server(*credentials.both("--workers", "1"), backend=f"proxy-unix:{path}")
    client = connect(server, credentials)
    client.say("too early")
    wait_until(lambda: server.counter("backend_absent") == 1, "the drop")
    Service(path)

    def answered():
        client.say("there")
        return client.find("^there$")
    wait_until(answered, "the service that came later")


# A service that does not read: what it does not take is dropped and counted, the client stays, and what was kept arrives.
@case
def proxy_service_may_be_slow():
    credentials = Credentials()
    path = str(harness.folder() / "service")
    slow = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    slow.bind(path)
    server = Server(*credentials.both("--workers", "1"), backend=f"proxy-unix:{path}", level="info")
    client = connect(server, credentials)
    number = 0

    def is_full():
        nonlocal number
        for _ in range(200):
            client.say(f"message {number} " + "x" * 600)
            number += 1
        return server.counter("backend_full") > 0
    wait_until(is_full, "the counter backend_full")
    check(client.running(), "the client was sent away")
    server.wait_line(r"event=backend_full\b")
    heard = 0

    def is_all_heard():
        nonlocal heard
        while select.select([slow], [], [], 0)[0]:
            Message(*slow.recvfrom(65536))
            heard += 1
        counters = server.counters()
        return heard == counters["plaintext_delivered"] - counters["backend_full"]
    wait_until(is_all_heard, "each message to be heard or counted")

    def is_answered():
        client.say("the last")
        while select.select([slow], [], [], 0)[0]:
            message = Message(*slow.recvfrom(65536))
            if b"the last" in message.payload:
                slow.sendto(message.header + message.payload, message.gate)
        return client.find("^the last$")
    wait_until(is_answered, "an answer of the service that reads again")
    server.wait_line(r"event=backend_back\b")
    slow.close()


# --- clients that move ------------------------------------------------------------------------


@case
def proxy_header_follows_a_client_that_moves():
    credentials = Credentials()
    service = Service("127.0.0.1:0")
    server = Server(*credentials.both(), backend=service.backend)
    relay = Relay(server.port)
    client = connect(server, credentials, port=relay.port)
    before = service.heard(client.echo().encode())
    check_equal(before.peer_port, relay.inside.getsockname()[1], "the first port")
    old = relay.inside
    fresh = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fresh.bind(("127.0.0.2", 0))
    relay.inside = fresh
    old.close()

    def is_there():
        client.say("where am I")
        return any(str(m.peer) == "127.0.0.2" for m in list(service.messages))
    wait_until(is_there, "the new address in a header")
    after = service.heard(client.echo().encode())
    check_equal((str(after.peer), after.peer_port), ("127.0.0.2", fresh.getsockname()[1]), "the new address")
    check_equal(after.id, before.id, "the ID of the client that moved")
    check_equal(after.fields, before.fields, "all other fields")
    check_equal(server.counter("associations_opened"), 1, "handshakes")


# --- refusals ---------------------------------------------------------------------------------


@case
def proxy_backends_are_refused_in_words():
    credentials = Credentials()
    for backend, words in (("proxy-udp:192.0.2.1:5683", "backend-network any"), ("proxy-udp:nowhere", "proxy-udp:nowhere"),
                           ("proxy-unix:relative", "absolute path"), ("proxy-unix:/" + "l" * 120, "absolute path"),
                           ("proxy:127.0.0.1:1", "proxy-unix:PATH")):
        status, text = harness.run([DTLSGATE, "serve", "--keeper", "none", "--listen", "127.0.0.1:0", "--backend", backend,
                                    *credentials.both()])
        check(status != 0 and words in text, f"{backend}: {text[-400:]}")


harness.main()
