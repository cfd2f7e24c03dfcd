# SPDX-License-Identifier: GPL-3.0-or-later
#
# The main job while everything moves: plaintext CoAP clients (libcoap's coap-client-notls
# and CoAP by hand) through `dtlsgate connect --listen`, over a NAT that gives every client
# another address each second and loses one datagram in twenty either way. Observations go
# on, 100 kB arrive each way, and nobody shakes hands twice.
# ctest: timeout=900

import re
import secrets
import selectors
import socket
import time

import coap
import harness
from coap import CoapServer
from harness import DTLSGATE, SANITIZED, Credentials, Process, Server, case, check, check_equal, program, run
from relay import MovingRelay

SIZE = 100_000
TURNS = 12  # changes of address that an observation has to go through
NAT_MEMORY = 20.0  # where old addresses answer on: seconds for which an address that was left carries answers (RFC 4787 4.3: 120 and more)


class Tunnel(Process):
    """`dtlsgate connect --listen`, up when the constructor returns. It makes an association for whoever sends to it, so
    it listens on an address of its own: ports of 127.0.0.1 that one program has let go the kernel gives to another,
    and what is still under way to the former (other tests' clients, handshakes that are repeated) comes to the latter.
    One handshake in some thousands loses four flights in a row when 5% are lost: it gets the time for six."""

    def __init__(self, server_port, credentials, *options):
        self.host = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"
        super().__init__([DTLSGATE, "connect", f"127.0.0.1:{server_port}", "--listen", f"{self.host}:0",
                          "--handshake-timeout", "60", *credentials, *options], name="dtlsgate connect")
        self.is_server = True  # its log is worth reading when a case fails
        self.port = int(self.wait_line(r"event=listening\b.* address=\S*:(\d+)\b").group(1))

    def uri(self, path):
        return f"coap://{self.host}:{self.port}/{path}"


def free_ports(count):
    """coap-client wants a number where its port has to be known: these are free now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


def senders(tunnel):
    """The local ports that the tunnel made associations for, once for each handshake."""
    found = (re.search(r"event=connected\b.* sender=\S*:(\d+)\b", line) for line in list(tunnel.lines))
    return [match.group(1) for match in found if match]


def count(process, event):
    return sum(bool(re.search(rf"event={event}\b", line)) for line in list(process.lines))


class Journey:
    """One server with a CoAP service behind it, and four clients that move: an upload and a download by
    coap-client, an observation by coap-client, one by hand. linger: of the addresses that were left. Where they are
    gone at once, a client that only listens misses what comes before its next keepalive."""

    def __init__(self, name, version, options=(), proof="psk", linger=0.0):
        self.name = name
        self.client = program("coap-client-notls")
        self.folder = harness.folder()
        credentials = Credentials()
        self.service = CoapServer()
        self.server = Server(*credentials.both(*options), backend=f"udp:127.0.0.1:{self.service.port}", level="info")
        if proof == "psk":
            flags = ["--psk-file", credentials["psk.txt"]]
        else:
            flags = ["--ca", credentials["ca.pem"], "--cert", credentials["client.pem"], "--key",
                     credentials["client.key"], "--server-name", "localhost"]
        self.relay = MovingRelay(self.server.port, linger=linger)
        flags = [*flags, "--dtls", version, "--keepalive", "1"]
        self.tunnel = Tunnel(self.relay.port, flags)
        # libcoap 4.3.1 does not repeat an acknowledgement for a notification that is repeated (RFC 7252 4.2 has it
        # do so), and ends up without notifications at its first acknowledgement that is lost, whoever carries them.
        # So its observer loses notifications only; the observer by hand loses both. And its server gives an observer up
        # whom some notifications in a row did not reach, for ever since this client never asks again: addresses that
        # this observer has left answer on in every journey.
        self.kind_relay = MovingRelay(self.server.port, linger=NAT_MEMORY, loss_up=0.0)
        self.kind_tunnel = Tunnel(self.kind_relay.port, flags)

    def depart(self):
        self.large = self.folder / "large"
        self.large.write_bytes(secrets.token_bytes(SIZE))
        here = f"coap://127.0.0.1:{self.service.port}"
        status, text = run([self.client, "-m", "put", "-b", "1024", "-f", self.large, f"{here}/down"], timeout=30)
        check(status == 0, f"the download's content: {text}")
        self.observer = coap.Observer(self.tunnel.port, "time", host=self.tunnel.host)
        harness._living.append(self.observer)
        *self.ports, self.observer_port = free_ports(3)
        self.libcoap = self._start_observer()
        self.put, self.get = self._start_put(), self._start_get()
        self.repeated = 0
        harness.wait_until(lambda: {str(self.observer.port), *self.ports} <= set(senders(self.tunnel))
                           and senders(self.kind_tunnel),
                           f"{self.name}: four associations")
        self.relay.moving = self.kind_relay.moving = True  # a hello's cookie is good for one address only
        self.began = time.monotonic()

    def arrive(self):
        self._finish(self._start_put, self._is_uploaded, self.put)
        self._finish(self._start_get, self._is_downloaded, self.get)
        took = time.monotonic() - self.began
        harness.wait_until(lambda: self.relay.turns >= TURNS, f"{TURNS} changes of address", 60)
        seen = self._observed()
        late = [at for at, _ in self.observer.notes if at > self.began + TURNS - 2]
        check(late, f"{self.name}: no notification after {TURNS - 2} changes, {len(self.observer.notes)} before")
        self._check_handshakes()
        moved = self.server.counter("paths_moved")  # of which not every one has a line: a log is bounded
        check(moved > 0 and count(self.server, "moved") > 0, f"{self.name}: nobody moved")
        print(f"# {self.name}: 100 kB each way in {took:.0f} s, {self.repeated} begun again, {len(self.observer.notes)} and {len(seen)} notifications, "
              f"{self.relay.turns} changes of address, {moved} moves, {self.observer.registered} registrations, "
              f"{self.server.counter('answers_repeated')} answers repeated, {self.relay.lost + self.kind_relay.lost} of {self.relay.carried + self.kind_relay.carried} lost "
              f"(seed {self.relay.seed})")

    def _check_handshakes(self):
        """Each client shook hands once, and nobody else did."""
        expected = sorted([str(self.observer.port), *self.ports])
        check_equal(sorted(senders(self.tunnel)), expected, f"{self.name}: handshakes of the tunnel, by sender")
        check_equal(len(senders(self.kind_tunnel)), 1, f"{self.name}: handshakes of libcoap's observer")
        check_equal(count(self.server, "connected"), 4, f"{self.name}: handshakes of the server")

    def _transfer(self, number, path, *options):
        # The same local port each time: whoever tries again does so within the same association.
        return Process([self.client, "-a", "127.0.0.1", "-p", self.ports[number], "-B", "90", "-b", "1024", *options,
                        self.tunnel.uri(path)])

    def _start_put(self):
        return self._transfer(0, "up", "-m", "put", "-f", self.large)

    def _start_get(self):
        return self._transfer(1, "down", "-o", self.folder / "received")

    def _start_observer(self):
        return Process([self.client, "-a", "127.0.0.1", "-p", self.observer_port, "-s", str(TURNS + 18), "-w",
                        self.kind_tunnel.uri("time")], name="observer")

    def _observed(self):
        """libcoap's server, see above, now and then gives its own observer up: that one asks again, five times at most,
        from the same port and hence within the same association. Returns what it saw over all its changes of address."""
        for left in (4, 3, 2, 1, 0):
            check_equal(self.libcoap.wait(60), 0, f"{self.name}: the observer: {self.libcoap.text()[-300:]}")
            seen = {line for line in self.libcoap.lines if re.search(r"\d:\d\d:\d\d", line)}
            if len(seen) >= TURNS:
                return seen
            check(left, f"{self.name}: libcoap saw {len(seen)} notifications: {self.libcoap.text()[-300:]}")
            self.repeated += 1
            self.libcoap = self._start_observer()

    def _finish(self, start, is_done, process):
        """libcoap 4.3.1 gives up one transfer in 20 or so when 5% are lost, also on a bare loopback: five attempts."""
        for left in (4, 3, 2, 1, 0):
            check_equal(process.wait(100), 0, f"{self.name}: {process.argv[-1]}: {process.text()[-300:]}")
            if is_done():
                return
            check(left, f"{self.name}: {process.argv[-1]} was not transferred: {process.text()[-300:]}")
            self.repeated += 1
            process = start()

    def _is_downloaded(self):
        received = self.folder / "received"
        return received.exists() and received.read_bytes() == self.large.read_bytes()

    def _is_uploaded(self):
        stored = self.folder / "stored"
        run([self.client, "-b", "1024", "-o", stored, f"coap://127.0.0.1:{self.service.port}/up"])
        return stored.exists() and stored.read_bytes() == self.large.read_bytes()


def travel(*journeys):
    """Several at once: they wait most of the time."""
    for journey in journeys:
        journey.depart()
    for journey in journeys:
        journey.arrive()


@case
def moving_clients():
    travel(Journey("DTLS 1.3, RRC", "1.3"),
           Journey("DTLS 1.2, RRC", "1.2"),
           Journey("DTLS 1.3, no RRC, certificate", "1.3", ["--rrc", "no"], proof="certificate", linger=NAT_MEMORY),
           Journey("DTLS 1.2, no RRC, certificate", "1.2", ["--rrc", "no"], proof="certificate", linger=NAT_MEMORY))


class Crowd:
    """Many senders at once behind one tunnel, each with a resource of its own that it writes and then asks for over
    and over. Addresses that were left are gone at once."""

    PAUSE = 0.5  # between an answer and the next question

    def __init__(self, version, size):
        self.size = size
        credentials = Credentials()
        self.service = CoapServer(resources=size)
        self.server = Server(*credentials.psk(), backend=f"udp:127.0.0.1:{self.service.port}", level="info")
        self.relay = MovingRelay(self.server.port, linger=0.0)
        self.tunnel = Tunnel(self.relay.port, ["--psk-file", credentials["psk.txt"]], "--dtls", version)
        self.selector = selectors.DefaultSelector()
        self.senders = []
        for index in range(size):
            sender = coap.Sender(self.tunnel.port, self.tunnel.host)
            sender.path, sender.value = f"own-{index}", secrets.token_hex(16).encode()
            self.selector.register(sender.socket, selectors.EVENT_READ, sender)
            self.senders.append(sender)

    def close(self):
        for sender in self.senders:
            sender.close()
        self.selector.close()

    def _step(self, accept):
        for key, _ in self.selector.select(0.02):
            answer = key.data.receive()
            if answer:
                accept(key.data, *answer)
        now = time.monotonic()
        for sender in self.senders:
            sender.repeat_if_due(now)
        return now

    def write(self):
        def accept(sender, code, _payload):
            check(code >> 5 == 2, f"PUT {sender.path}: {code >> 5}.{code & 31:02}")
        for sender in self.senders:
            sender.ask(sender.path, put=sender.value)
        while any(s.question for s in self.senders):
            self._step(accept)
        self.server.counters()  # what has happened is in the log once its counters are
        check_equal(count(self.server, "connected"), self.size, "clients that connected")

    def ask_while_moving(self):
        def accept(sender, code, payload):
            check_equal((code, payload), (0x45, sender.value), f"GET {sender.path}")
            sender.next_question = time.monotonic() + self.PAUSE
        for sender in self.senders:
            sender.next_question = 0.0
        self.relay.moving = True
        while self.relay.turns < 10 or any(s.question for s in self.senders):
            now = self._step(accept)
            for sender in self.senders:
                if not sender.question and now >= sender.next_question and self.relay.turns < 10:
                    sender.ask(sender.path)


def crowd(version):
    began = time.monotonic()
    size = 40 if SANITIZED else 200
    here = Crowd(version, size)
    here.write()
    written = time.monotonic() - began
    here.ask_while_moving()
    here.close()
    took = time.monotonic() - began
    check_equal(count(here.server, "connected"), size, "handshakes")
    fewest = min(s.answered for s in here.senders)
    moved = here.server.counter("paths_moved")
    check(fewest > 5, f"somebody had {fewest} answers only")
    check(moved >= 5 * size, f"{moved} moves of {size} clients in {here.relay.turns} changes of address")
    print(f"# DTLS {version}: {size} clients{' (fewer, under the sanitizers)' if SANITIZED else ''}: all connected and "
          f"written after {written:.1f} s, over after {took:.1f} s: {sum(s.answered for s in here.senders)} answers, "
          f"{sum(s.repeated for s in here.senders)} questions repeated, {moved} moves, {here.relay.lost} of "
          f"{here.relay.carried} lost (seed {here.relay.seed})")


@case
def moving_crowd_dtls13():
    crowd("1.3")


@case
def moving_crowd_dtls12():
    crowd("1.2")


def listener(version):
    """A client that has said one word, and whose address changes each second while the old ones are gone, listens. The
    service speaks to it until it has heard something that was said after three changes."""
    credentials = Credentials()
    service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    service.bind(("127.0.0.1", 0))
    server = Server(*credentials.psk(), backend=f"udp:127.0.0.1:{service.getsockname()[1]}", level="info")
    relay = MovingRelay(server.port, loss=0.0)
    tunnel = Tunnel(relay.port, ["--psk-file", credentials["psk.txt"], "--dtls", version, "--keepalive", "1"])
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((tunnel.host, tunnel.port))
    client.send(b"here")
    service.settimeout(harness.PATIENCE)
    word, peer = service.recvfrom(100)
    check_equal(word, b"here", "the only word of the client")
    relay.moving = True
    harness.wait_until(lambda: relay.turns >= 3, "three changes of address")
    client.settimeout(0.05)
    heard = None
    end = time.monotonic() + harness.PATIENCE
    while not heard and time.monotonic() < end:
        service.sendto(b"there", peer)
        try:
            heard = client.recv(100)
        except TimeoutError:
            pass
    check_equal(heard, b"there", f"heard after {relay.turns} changes of address")
    service.settimeout(0.0)
    try:
        check(False, f"the service heard {service.recv(100)!r}")
    except BlockingIOError:
        pass
    check_equal(count(server, "connected"), 1, "handshakes")
    service.close()
    client.close()


@case
def moving_listener_dtls13():
    listener("1.3")


@case
def moving_listener_dtls12():
    listener("1.2")


if __name__ == "__main__":
    harness.main(limit=400)
