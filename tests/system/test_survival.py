# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: timeout=400
#
# What a server's death costs its clients: nothing but what it had in its hands. Kills, crash loops, upgrades, the keeper's
# own death, and systemd's descriptor store (a stand-in: manager.py). No client here can make a second handshake without
# being seen: the new process has counters of its own.

import os
import pathlib
import re
import shutil
import signal
import socket
import threading
import time

import clients
import harness
from harness import (Credentials, DTLSGATE, Process, Server, case, check, check_equal, fresh_key, run, wait_until)
from manager import Manager

KINDS = [(version, cid) for version in ("1.2", "1.3") for cid in (False, True)]


def some_clients(server, credentials):
    """One of each version, with and without a connection ID, that has talked."""
    made = []
    for version, cid in KINDS:
        client = clients.wolf_psk(server.port, credentials, *(["--cid", "c1c2"] if cid else []), version=version)
        client.connected()
        client.echo()
        made.append(client)
    return made


def mark(server):
    """A place in the log behind everything that has happened: its lines may come later than the answers."""
    server.counters()
    return server.mark()


def is_dead(pid):
    try:
        return " Z " in pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # gone, perhaps while it was read
        return True


def wait_dead(pid):
    wait_until(lambda: is_dead(pid), f"the end of process {pid}")


def kill_serving(server):
    """SIGKILL to the process that serves; returns when the next one is ready."""
    pid = server.serving  # waits for the first to be ready: its line is none of the next one's
    before = server.mark()
    os.kill(pid, signal.SIGKILL)
    server.wait_line(r"event=server-died .*killed by signal 9", start=before)
    server.wait_line(r"event=ready pid=\d+", start=before)
    check(server.serving != pid, "it is the same process")


def check_no_handshake(server, start=0):
    check(not server.find(r"event=connected\b", start), "somebody made a new handshake")
    check_equal(server.counter("handshakes_completed"), 0, "handshakes of the new process")


# --- deaths -----------------------------------------------------------------------


@case
def echo_goes_on_after_a_kill_without_a_handshake():
    c = Credentials()
    server = Server(*c.both(), keeper="auto")
    made = some_clients(server, c)
    start = mark(server)
    kill_serving(server)
    for client in made:
        client.echo()
        client.echo()
    check_no_handshake(server, start)
    check(not server.find(r"event=closed\b", start), "an association was closed")
    newcomer = clients.wolf_certificate(server.port, c)  # and handshakes work
    newcomer.echo()
    check_equal(server.counter("handshakes_completed"), 1, "handshakes")
    check_equal(server.stop(), 0, "exit status")


@case
def what_is_sent_while_no_server_lives_is_answered_by_the_next():
    c = Credentials()
    server = Server(*c.psk(), keeper="auto")
    made = some_clients(server, c)
    before = mark(server)
    pid = server.serving  # the next one may be ready at once
    os.kill(pid, signal.SIGKILL)
    wait_dead(pid)
    words = [client.say(f"word {number}") or f"word {number}" for number, client in enumerate(made)]
    for word, client in zip(words, made):
        client.wait_line(f"^{word}$")
    check_no_handshake(server, before)


@case
def echo_goes_on_after_many_kills_in_a_row():
    c = Credentials()
    server = Server(*c.psk(), keeper="auto")
    made = some_clients(server, c)
    start = mark(server)
    for _ in range(6):
        kill_serving(server)
        for client in made:
            client.echo()
    check_no_handshake(server, start)
    waits = [int(m) for m in re.findall(r"event=server-died .*wait_ms=(\d+)", server.text())]
    check_equal(waits, [0, 100, 200, 400, 800, 1600], "the waits")


@case
def tunnels_of_connect_notice_nothing_of_a_kill():
    c = Credentials()
    server = Server(*c.psk(), keeper="auto")
    tunnels = [Process([DTLSGATE, "connect", f"127.0.0.1:{server.port}", "--psk-file", c["psk.txt"], "--dtls", version,
                        "--connection-id", cid], name=f"connect {version}")
               for version in ("1.2", "1.3") for cid in ("yes", "no")]
    for tunnel in tunnels:
        tunnel.say("before")
        tunnel.wait_line("^before$")
    start = mark(server)
    for number in range(3):
        kill_serving(server)
        for tunnel in tunnels:
            tunnel.say(f"after {number}")
            tunnel.wait_line(f"^after {number}$")
    check_no_handshake(server, start)


@case
def a_server_that_dies_at_once_again_and_again_is_slowed_down_and_comes_back():
    c = Credentials()
    server = Server(*c.psk(), keeper="auto")
    client = clients.wolf_psk(server.port, c)
    client.echo()
    kept = (c.path / "psk.txt").read_text()
    (c.path / "psk.txt").write_text("nonsense\n")  # now it cannot start
    before = mark(server)
    os.kill(server.serving, signal.SIGKILL)
    for wait in (100, 200, 400):
        server.wait_line(rf"event=server-died .*wait_ms={wait}\b", start=before)
    (c.path / "psk.txt").write_text(kept)
    server.wait_line(r"event=ready pid=\d+", start=before)
    client.echo()
    check_no_handshake(server, before)


class Service:
    """A plaintext UDP service that answers and notes from which ports it was asked."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.askers = {}  # word -> port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                data, asker = self.socket.recvfrom(2048)
                self.askers[data] = asker[1]
                self.socket.sendto(data, asker)
            except OSError:
                return


@case
def a_service_behind_the_gate_keeps_knowing_its_clients_by_their_ports():
    c = Credentials()
    service = Service()
    gate = Upgradable(c, backend=f"udp:127.0.0.1:{service.port}")
    made = some_clients(gate.server, c)
    ports = [service.askers[client.echo().encode() + b"\n"] for client in made]
    check_equal(len(set(ports)), len(made), "ports")
    for change in (kill_serving, lambda server: check_equal(gate.upgrade()[0], 0, "status of the upgrade"), kill_serving):
        change(gate.server)
        check_equal([service.askers[client.echo().encode() + b"\n"] for client in made], ports, "ports afterwards")
    service.socket.close()


@case
def a_removed_client_that_is_silent_stays_after_a_kill_where_removal_waits_for_its_next_word():
    """Its port towards the service, which is looked after at a start, is no word of it."""
    for backend in ("echo", "udp"):
        c = Credentials()
        others = {"another": fresh_key()}
        service = Service()
        server = Server(*c.psk("--on-removal", "at-next-datagram"), keeper="auto", level="info",
                        backend="echo" if backend == "echo" else f"udp:127.0.0.1:{service.port}")
        client = clients.wolf_psk(server.port, c)
        client.connected()
        client.echo()
        c.write_psk(others)
        before = server.mark()
        kill_serving(server)
        server.wait_line(r"event=ready pid=\d+", start=before)
        clients.openssl_psk(server.port, "another", others["another"]).echo()  # the server has had its turns
        check(server.find("event=closed", before) is None, f"{backend}: ended")
        client.say("a word")
        server.wait_line(r"event=closed\b.*reason=closed_unauthorised", start=before)
        service.socket.close()


# --- ends -------------------------------------------------------------------------


@case
def sigterm_ends_keeper_and_server_and_tells_the_clients():
    c = Credentials()
    for number in (signal.SIGTERM, signal.SIGINT):
        server = Server(*c.psk(), keeper="auto")
        client = clients.wolf_psk(server.port, c)
        client.echo()
        serving = server.serving
        server.signal(number)
        check_equal(server.wait(), 0, "exit status")
        wait_dead(serving)
        client.wait_line("^closed")
        check("event=server-died" not in server.text(), "an end that was asked for is no death")


@case
def a_server_that_cannot_start_is_not_tried_twice():
    c = Credentials()
    options = ["--listen", "127.0.0.1:0", "--backend", "echo"]
    check_equal(run([DTLSGATE, "serve", *options])[0], 2, "status without credentials")
    (c.path / "psk.txt").write_text("nonsense\n")
    status, text = run([DTLSGATE, "serve", *options, "--psk-file", c["psk.txt"]])
    check_equal(status, 1, f"status with a broken file: {text}")
    check_equal(text.count("psk.txt:1"), 1, f"times that it said so: {text}")


@case
def signals_reach_the_server_through_its_keeper():
    c = Credentials()
    server = Server(*c.psk(), keeper="auto")
    server.signal(signal.SIGHUP)
    server.wait_line(r"event=reloaded\b")
    server.counters()
    server.signal(signal.SIGUSR2)  # nobody else would keep the associations
    server.wait_line(r"event=not-handed-over\b")
    clients.wolf_psk(server.port, c).echo()


@case
def a_server_whose_keeper_is_killed_goes_on():
    c = Credentials()
    server = Server(*c.psk(), keeper="auto")
    client = clients.wolf_psk(server.port, c)
    client.echo()
    serving = server.serving
    os.kill(server.pid, signal.SIGKILL)
    server.wait_line(r"event=keeper-lost\b")
    client.echo()
    clients.wolf_psk(server.port, c).echo()
    os.kill(serving, signal.SIGTERM)
    client.wait_line("^closed")


# --- descriptors and memory ---------------------------------------------------------


def open_flags(pid):
    """Descriptor -> its flags, or None where only root may look."""
    found = {}
    try:
        for name in os.listdir(f"/proc/{pid}/fdinfo"):
            try:
                text = pathlib.Path(f"/proc/{pid}/fdinfo/{name}").read_text()
            except FileNotFoundError:
                continue  # closed meanwhile
            found[int(name)] = int(re.search(r"^flags:\s*0?(\d+)", text, re.M).group(1), 8)
    except PermissionError:
        return None
    return found


@case
def no_other_program_can_inherit_memory_or_sockets():
    c = Credentials()
    server = Server(*c.psk(), keeper="auto")
    kill_serving(server)  # the second one got its descriptors by inheritance
    check_equal(pathlib.Path(f"/proc/{server.serving}/comm").read_text().strip(), "dtlsgate", "its name")
    for pid in (server.pid, server.serving):
        flags = open_flags(pid)
        if flags is None:
            raise harness.Skipped("only root may look at the descriptors of a process that cannot be dumped")
        open_ones = [fd for fd, value in flags.items() if fd > 2 and not value & os.O_CLOEXEC]
        check_equal(open_ones, [], f"descriptors of {pid} that a program would get")
        dumped = pathlib.Path(f"/proc/{pid}/coredump_filter").read_text()
        check_equal(int(dumped, 16), 0, f"what a core dump of {pid} would hold")
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        check(re.search(r"^Max core file size\s+0\s+0\s", limits, re.M), f"{pid} may dump core")


@case
def two_servers_never_own_one_memory():
    c = Credentials()
    manager = Manager()
    first = manager.start(*c.psk())
    second = manager.start(*c.psk(), up=False)
    check_equal(second.wait(), 1, "status of the second")
    check(re.search(r"owned by process %d\b" % first.pid, second.text()), second.text()[-400:])
    clients.wolf_psk(first.port, c).echo()
    manager.close()


# --- a service manager's store ------------------------------------------------------


@case
def a_service_managers_store_keeps_what_a_killed_server_leaves():
    """Both forms: the server alone, and under a keeper, which passes on what it is given."""
    c = Credentials()
    for keeper in ("none", "auto"):
        manager = Manager()
        server = manager.start(*c.psk(), keeper=keeper)
        check("memory" in manager.names() and "socket-0" in manager.names(), f"kept: {manager.names()}")
        made = some_clients(server, c)
        port = server.port
        for _ in range(2):
            names = manager.names()
            server.kill()
            server = manager.start(*c.psk(), keeper=keeper, listen=(f"127.0.0.1:{port}",))
            for client in made:
                client.echo()
            check_no_handshake(server)
            check_equal(manager.names(), names, "kept by name after a restart")
        check_equal(server.stop(), 0, "exit status")
        manager.listen()
        check("STOPPING=1" in manager.words, "the manager was not told of the end")
        manager.close()


@case
def restart_by_a_service_manager_ends_no_association():
    """RestartKillSignal=SIGUSR2: the server ends without a word, and the next one goes on."""
    c = Credentials()
    for keeper in ("none", "auto"):
        manager = Manager()
        server = manager.start(*c.psk(), keeper=keeper)
        made = some_clients(server, c)
        for _ in range(2):
            server.signal(signal.SIGUSR2)
            check_equal(server.wait(), 0, "exit status")
            check("event=handed-over" in server.text(), "it did not hand over")
            server = manager.start(*c.psk(), keeper=keeper, listen=(f"127.0.0.1:{server.port}",))
            for client in made:
                client.echo()
            check_no_handshake(server)
        manager.close()


@case
def a_server_that_nobody_keeps_does_not_leave_its_clients():
    c = Credentials()
    server = Server(*c.psk())
    client = clients.wolf_psk(server.port, c)
    client.echo()
    server.signal(signal.SIGUSR2)
    server.wait_line(r"event=not-handed-over\b")
    client.echo()


# --- upgrades -----------------------------------------------------------------------


class Upgradable:
    """A server with an upgrade socket and a program of its own to change to."""

    def __init__(self, credentials, *options, **more):
        self.place = harness.folder()
        self.socket = self.place / "upgrade"
        self.binary = self.place / "dtlsgate"
        self.install(pathlib.Path(DTLSGATE).read_bytes())
        self.server = Server(*credentials.psk("--upgrade-socket", self.socket, "--binary", self.binary, *options),
                             keeper="auto", level="info", **more)

    def install(self, data, mode=0o755):
        new = self.place / "new"
        new.write_bytes(data)
        new.chmod(mode)
        os.replace(new, self.binary)

    def upgrade(self):
        """(status, words); where it was done, the new server's log line has been read."""
        place = self.server.mark()
        status, text = run([DTLSGATE, "upgrade", self.socket], timeout=60)
        if status == 0:
            self.server.wait_line(r"event=ready pid=", start=place)
        return status, text


@case
def upgrade_changes_the_program_and_no_client_notices():
    c = Credentials()
    gate = Upgradable(c)
    made = some_clients(gate.server, c)
    start = mark(gate.server)
    for number in range(3):
        before = gate.server.serving
        status, text = gate.upgrade()
        check_equal((status, text.strip()), (0, "upgraded"), "the upgrade")
        check(gate.server.serving != before, "it is the same process")
        check_equal(os.readlink(f"/proc/{gate.server.serving}/exe"), str(gate.binary), "its program")
        for client in made:
            client.echo()
    check_no_handshake(gate.server, start)
    kill_serving(gate.server)  # the new program is what is started again from now on
    check_equal(os.readlink(f"/proc/{gate.server.serving}/exe"), str(gate.binary), "its program")
    for client in made:
        client.echo()
    check_no_handshake(gate.server, start)
    check_equal(gate.server.stop(), 0, "exit status")


class Talker:
    """A local sender of a tunnel that sends a numbered datagram every few milliseconds and counts what comes back."""

    def __init__(self, port, name):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.connect(("127.0.0.1", port))
        self.name, self.sent, self.back = name, 0, set()
        self.is_over = threading.Event()
        self.sender = threading.Thread(target=self._send, daemon=True)
        self.receiver = threading.Thread(target=self._receive, daemon=True)
        self.receiver.start()

    def ask(self):
        self.socket.send(b"first")
        wait_until(lambda: b"first" in self.back, f"the first answer to {self.name}")

    def _send(self):
        while not self.is_over.is_set():
            self.socket.send(b"%d" % self.sent)
            self.sent += 1
            time.sleep(0.002)

    def _receive(self):
        self.socket.settimeout(0.2)
        while True:
            try:
                self.back.add(self.socket.recv(2048))
            except TimeoutError:
                continue
            except OSError:
                return

    def missing(self):
        return self.sent - len([x for x in self.back if x != b"first"])


@case
def upgrade_under_traffic_loses_no_datagram():
    c = Credentials()
    gate = Upgradable(c)
    talkers = []
    for version in ("1.2", "1.3"):
        tunnel = Process([DTLSGATE, "connect", f"127.0.0.1:{gate.server.port}", "--listen", "127.0.0.1:0", "--psk-file",
                          c["psk.txt"], "--dtls", version], name=f"connect {version}")
        port = int(tunnel.wait_line(r"event=listening .*address=127\.0\.0\.1:(\d+)").group(1))
        talkers += [Talker(port, f"{version} number {i}") for i in range(4)]
    for talker in talkers:
        talker.ask()
    for talker in talkers:
        talker.sender.start()
    start = mark(gate.server)
    for _ in range(4):
        sent = [talker.sent for talker in talkers]
        check_equal(gate.upgrade()[0], 0, "status of the upgrade")
        wait_until(lambda s=sent: all(t.sent > n + 50 for t, n in zip(talkers, s)), "traffic after the upgrade")
    for talker in talkers:
        talker.is_over.set()
        talker.sender.join()
    wait_until(lambda: not any(t.missing() for t in talkers), "the last answers")
    for talker in talkers:
        check_equal(talker.missing(), 0, f"datagrams of {talker.name} lost, of {talker.sent}")
        talker.socket.close()
    check_no_handshake(gate.server, start)


@case
def upgrade_to_a_broken_program_is_refused_and_the_service_goes_on():
    c = Credentials()
    gate = Upgradable(c)
    client = clients.wolf_psk(gate.server.port, c)
    client.echo()
    serving = gate.server.serving
    failing = shutil.which("false")
    for data, mode, word in ((b"\x7fELF nonsense", 0o755, "cannot be run"),
                             (pathlib.Path(os.path.realpath(failing)).read_bytes(), 0o755, "ended with status 1"),
                             (b"x", 0o644, "not executable"), (b"x", 0o775, "chmod go-w")):
        gate.install(data, mode)
        status, text = gate.upgrade()
        check_equal(status, 1, "status of the upgrade")
        check(word in text, f"no word {word!r}: {text}")
        client.echo()
        check_equal(gate.server.serving, serving, "the process that serves")
    kept = (c.path / "psk.txt").read_text()
    (c.path / "psk.txt").write_text("nonsense\n")  # a good program that would not start
    gate.install(pathlib.Path(DTLSGATE).read_bytes())
    status, text = gate.upgrade()
    check(status == 1 and "psk.txt:1" in text and "the old one goes on" in text, text)
    client.echo()
    (c.path / "psk.txt").write_text(kept)
    check_equal(gate.upgrade()[0], 0, "status when all is well again")
    client.echo()


@case
def upgrade_brings_back_a_server_that_cannot_start_again():
    """Its program has become unable to, or its files are broken: the new one begins without a hand-over."""
    c = Credentials()
    gate = Upgradable(c)
    client = clients.wolf_psk(gate.server.port, c)
    client.echo()
    kept = (c.path / "psk.txt").read_text()
    (c.path / "psk.txt").write_text("nonsense\n")
    before = mark(gate.server)
    os.kill(gate.server.serving, signal.SIGKILL)
    gate.server.wait_line(r"event=server-died .*wait_ms=800\b", start=before)  # long enough to ask meanwhile

    def asked():
        status, text = gate.upgrade()
        check_equal(status, 1, text)
        return text if "ask again" not in text else None
    text = wait_until(asked, "an answer about the new program")
    check("psk.txt:1" in text and "the old one is started again" in text, text)
    (c.path / "psk.txt").write_text(kept)
    wait_until(lambda: gate.upgrade()[0] == 0, "a server that is ready to be changed, or the change")
    client.echo()
    check_no_handshake(gate.server, before)


@case
def upgrade_with_a_key_that_is_not_the_certificates_is_refused():
    c = Credentials()
    gate = Upgradable(c, *c.certificates())
    client = clients.wolf_certificate(gate.server.port, c)
    client.echo()
    (c.path / "server.key").write_bytes((c.path / "client.key").read_bytes())
    status, text = gate.upgrade()
    check(status == 1 and "the old one goes on" in text, text)
    client.echo()


@case
def upgrade_that_the_host_cannot_grant_is_refused_while_the_old_one_serves():
    c = Credentials()
    place = harness.folder()
    file = place / "gate.yaml"

    def write(top="", listen="127.0.0.1:0"):
        file.write_text(f"upgrade-socket: {place}/upgrade\n{top}listeners:\n  - {{name: a, listen: '{listen}', backend: echo, "
                        f"psk-file: {c['psk.txt']}}}\n")

    write()
    server = harness.ConfiguredServer(file, keeper="auto")
    client = clients.wolf_psk(server.port, c)
    client.echo()
    start = server.mark()
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(("127.0.0.1", 0))
    wrong = [({"top": "metrics: unix:/nonexistent/metrics\n"}, "--metrics /nonexistent/metrics"),
             ({"top": "control-socket: /nonexistent/control\n"}, "--control-socket /nonexistent/control"),
             ({"listen": "127.0.0.1:%d" % taken.getsockname()[1]}, "127.0.0.1:%d" % taken.getsockname()[1])]
    if os.geteuid() == 0:
        wrong.append(({"top": "user: no-such-user\n"}, "no-such-user"))
    for change, word in wrong:
        write(**change)
        status, text = run([DTLSGATE, "upgrade", place / "upgrade"], timeout=60)
        check(status == 1 and word in text and "the old one goes on" in text, text)
        client.echo()
    check(not server.find(r"event=handed-over", start), "the old server was told to go")
    taken.close()


@case
def upgrade_of_a_server_that_is_not_there_says_so():
    status, text = run([DTLSGATE, "upgrade", "/nonexistent/upgrade"])
    check(status == 1 and "--upgrade-socket" in text, text)
    check_equal(run([DTLSGATE, "upgrade"])[0], 2, "status of wrong usage")
    c = Credentials()
    status, text = run([DTLSGATE, "serve", "--listen", "127.0.0.1:0", "--backend", "echo", *c.psk(), "--keeper", "none",
                        "--upgrade-socket", c.path / "upgrade"])
    check(status == 2 and "--keeper none" in text, text)


if __name__ == "__main__":
    harness.main()
