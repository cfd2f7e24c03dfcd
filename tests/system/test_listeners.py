# SPDX-License-Identifier: GPL-3.0-or-later
#
# Several listeners of one server over its whole life: reloads under the load of two thousand associations, restarts and
# upgrades that bring listeners or take them away, clients that are revoked while nobody serves them.
# ctest: timeout=300

import json
import os
import re
import signal
import socket
import threading

import clients
import harness
from authority import Authority
from harness import DTLSGATE, ConfiguredServer, Credentials, Process, case, check, check_equal, main, run, wait_until

FLEET = 2000
RELOADS = 100
RATE = "1000" if not harness.SANITIZED else "300"  # messages a second: what a server five times slower answers, too


class Service:
    """Echoes, and keeps what it has heard."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.backend = f"udp:127.0.0.1:{self.socket.getsockname()[1]}"
        self.socket.settimeout(0.05)
        self.heard = []
        self._ending = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        harness._living.append(self)

    def _serve(self):
        while not self._ending:
            try:
                datagram, source = self.socket.recvfrom(65536)
                self.heard.append(datagram.strip())
                self.socket.sendto(datagram, source)
            except OSError:
                continue  # nothing for a moment, or of an answer to a socket that is gone

    def kill(self):
        self._ending = True
        self._thread.join(5)
        self.socket.close()


class Gate:
    """A configuration file of two listeners: a fleet with pre-shared keys, and staff with certificates of which a list
    says which are revoked. Both have an upgrade socket in common."""

    def __init__(self, keeper="none", fleet="echo", staff="echo"):
        self.credentials = Credentials()
        self.authority = Authority(self.credentials)
        for name in ("stays", "goes"):
            self.authority.issue(name, f"/CN={name}")
        self.authority.list()
        self.keys = {name: harness.fresh_key() for name in ("bench", "leaver", "keeper")}
        self.credentials.write_psk(self.keys)
        self.upgrade_socket = self.credentials.path / "upgrade"
        self.file = self.credentials.path / "gate.yaml"
        self.fleet, self.staff = fleet, staff
        self.keeper = keeper
        self.write()
        self.server = ConfiguredServer(self.file, addresses=2, keeper=keeper)

    def write(self, top="", more="", has_staff=True, ports=(0, 0)):
        upgrade = f"upgrade-socket: {self.upgrade_socket}\n" if self.keeper == "auto" else ""
        staff = f"""  - name: staff
    listen: 127.0.0.1:{ports[1]}
    backend: {self.staff}
    cert: server.pem
    key: server.key
    client-ca: ca.pem
    client-crl: crl.pem
"""
        self.file.write_text(f"""log-level: info
workers: 2
{upgrade}{top}
listeners:
  - name: fleet
    listen: 127.0.0.1:{ports[0]}
    backend: {self.fleet}
    psk-file: psk.txt
{staff if has_staff else ""}{more}""", encoding="utf-8")

    def reload(self, pattern=r"event=reloaded"):
        before = self.server.mark()
        os.kill(self.server.serving, signal.SIGHUP)
        return self.server.wait_line(pattern, start=before)

    def upgrade(self):
        before = self.server.mark()
        status, text = run([DTLSGATE, "upgrade", self.upgrade_socket], timeout=60)
        check_equal(status, 0, f"status of the upgrade: {text}")
        self.server.wait_line(r"event=ready pid=", start=before)

    def client(self, identity, version="1.3"):
        """Of the fleet; it has echoed something."""
        path = self.credentials.write_psk({identity: self.keys[identity]}, f"{identity}.txt")
        client = clients.Wolf(self.server.ports[0], "--psk-file", path, version=version)
        client.connected()
        return client

    def member(self, name, version="1.3"):
        client = clients.wolf_certificate(self.server.ports[1], self.credentials, name=name, version=version)
        client.connected()
        return client

    def bench(self, report):
        path = self.credentials.write_psk({"bench": self.keys["bench"]}, "bench.txt")
        return Process([DTLSGATE, "bench", f"127.0.0.1:{self.server.ports[0]}", "--psk-file", path, "--associations", FLEET,
                        "--rate", RATE, "--duration", "15", "--answer-timeout", "20000", "--handshake-timeout", "60",
                        "--json", report], name="dtlsgate bench")


def check_closed(client):
    """Told by the server, without having said a word."""
    client.wait_line(r"^closed$")


@case
def reload_under_load_disturbs_nobody_but_the_removed():
    gate = Gate()
    leaver, revoked, others = gate.client("leaver"), gate.member("goes"), [gate.client("keeper"), gate.member("stays")]
    report = harness.folder() / "report.json"
    bench = gate.bench(report)
    bench.wait_line(r" sent/s", timeout=90)
    under_load = 0
    for number in range(RELOADS):
        if number == 20:
            del gate.keys["leaver"]
            gate.credentials.write_psk(gate.keys)
        if number == 40:
            gate.authority.revoke("goes")
            gate.authority.list()
        if number == 60:
            broken = dict(gate.keys, bench="no key at all")
            gate.credentials.write_psk(broken)
            gate.reload(r"event=reload-refused\b.*gate\.yaml:\d+:\d+: listener fleet: .*psk\.txt:1\b")
            gate.credentials.write_psk(gate.keys)
        gate.reload()
        if number == 20:
            check_closed(leaver)
        if number == 40:
            check_closed(revoked)
        under_load += bench.running()
    for other in others:
        other.echo()
    check_equal(bench.wait(timeout=90), 0, "exit status of the bench")
    found = json.loads(report.read_text())
    tally = found["all"]
    check_equal(tally["messages_lost"], 0, "lost messages")
    check_equal(found["load"]["handshakes_started"], 0, "handshakes during the load")
    check_equal(found["associations"]["live_at_end"], FLEET, "associations at the end")
    counters = gate.server.counters()
    check_equal(counters["closed_unauthorised"], 2, "associations that were closed")
    # For people to read; what a busy machine makes late is no fault of the server's.
    print(f"# {under_load} reloads under load, of {tally['messages_sent']} messages the 99th percentile took "
          f"{found['latency']['p99_ms']} ms")
    check_equal(gate.server.stop(), 0, "exit status")


@case
def revoked_while_nobody_serves_gets_nothing_delivered():
    """The list is published and the server killed: whoever starts next reads it first."""
    service = Service()
    gate = Gate(keeper="auto", staff=service.backend)
    pair = {(name, version): gate.member(name, version) for name in ("stays", "goes") for version in ("1.2", "1.3")}
    for (name, version), client in pair.items():
        client.say(f"{name} {version} before")
        client.wait_line(rf"{name} {version} before")
    gate.authority.revoke("goes")
    gate.authority.list()
    before = gate.server.serving
    place = gate.server.mark()
    os.kill(before, signal.SIGKILL)
    for (name, version), client in pair.items():
        client.say(f"{name} {version} after")
    gate.server.wait_line(r"event=ready pid=", start=place)
    for (name, version), client in pair.items():
        if name == "goes":
            check_closed(client)
        else:
            client.wait_line(rf"{name} {version} after")
    late = [text for text in service.heard if b"goes" in text and b"after" in text]
    check_equal(late, [], "words of the revoked that reached the service")
    gate.server.wait_line(r"event=closed\b.*reason=closed_unauthorised", start=place)
    check_equal(gate.server.stop(), 0, "exit status")


@case
def listener_that_is_new_waits_for_an_upgrade_and_disturbs_nobody():
    gate = Gate(keeper="auto")
    held = [gate.client("keeper"), gate.member("stays")]
    third = "  - {name: third, listen: \"127.0.0.1:0\", backend: echo, psk-file: third.txt}\n"
    key = harness.fresh_key()
    gate.credentials.write_psk({"newcomer": key}, "third.txt")
    gate.write(more=third)
    gate.reload(r"event=reload-refused\b.*new listening address 127\.0\.0\.1:0.*dtlsgate upgrade")
    place = gate.server.mark()
    gate.upgrade()
    port = gate.server.wait_line(r"event=listening address=\S*:(\d+) listener=third\b", start=place).group(1)
    client = clients.Wolf(port, "--psk-file", gate.credentials["third.txt"])
    client.connected()
    client.echo()
    for other in held:
        other.echo()
    gate.reload()
    check_equal(gate.server.stop(), 0, "exit status")


@case
def listener_that_is_gone_after_an_upgrade_ends_its_associations():
    """And its plaintext reaches nobody: what waited in its sockets is not even read."""
    service = Service()
    gate = Gate(keeper="auto", staff=service.backend)
    held, lost = gate.client("keeper"), gate.member("stays")
    lost.say("before")
    wait_until(lambda: b"before" in service.heard, "the first word")
    gate.write(has_staff=False)
    gate.reload(r"event=reload-refused\b.*nothing listens any more on 127\.0\.0\.1:\d+")
    place = gate.server.mark()
    gate.upgrade()
    lost.say("after")
    gate.server.wait_line(r"event=closed\b.*reason=closed_unauthorised", start=place)
    held.echo()
    check(b"after" not in service.heard, "the service heard of a client whose listener is gone")
    check_equal(gate.server.stop(), 0, "exit status")


@case
def reload_says_which_options_wait_for_a_restart():
    gate = Gate(keeper="auto")
    gate.write(top="idle-timeout: 100\nhandshakes-max: 3000\n")
    place = gate.server.mark()
    for _ in range(2):  # it is still true at the next one
        gate.reload()
        gate.server.wait_line(r"event=waits-for-restart option=handshakes-max reason=.*dtlsgate upgrade", start=place)
        check(not gate.server.find(r"event=waits-for-restart option=idle-timeout", start=place), "idle-timeout applies")
        place = gate.server.mark()
    gate.write(top="handshakes-max: 100\n")  # fewer find room in the table that is there
    gate.reload()
    check(not gate.server.find(r"event=waits-for-restart", start=place), "nothing waits any more")
    # An upgrade changes neither what the keeper has read nor the memory that it hands on.
    gate.write(top="binary: /bin/true\nconnection-id-length: 5\nassociations-max: 2000000\nwatchdog: 50\n")
    gate.reload()
    for option, advice in (("binary", "restart the service"), ("connection-id-length", "stop the service"),
                           ("associations-max", "stop the service"), ("watchdog", "dtlsgate upgrade")):
        gate.server.wait_line(rf"event=waits-for-restart option={option} reason=.*{advice}", start=place)
    gate.write(top="associations-max: 1000\n")
    place = gate.server.mark()
    gate.reload()
    gate.server.wait_line(r"event=waits-for-restart option=associations-max reason=.*dtlsgate upgrade", start=place)
    check_equal(gate.server.stop(), 0, "exit status")


if __name__ == "__main__":
    main(limit=240)
