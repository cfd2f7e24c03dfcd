#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `dtlsgate connect` against `dtlsgate serve`: standard input and output with each kind of proof and both versions,
# refusals in words, exit statuses, and the tunnel. It never looks inside either.

import hashlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import harness
import hello
from harness import (Credentials, DTLSGATE, PATIENCE, Process, Server, case, check, check_equal, openssl,
                     run, wait_until)

VERSIONS = ("1.2", "1.3")


def connect(server, *options, data=b"hello\n", wait=1, timeout=None):
    """(status, standard output, standard error)"""
    argv = [DTLSGATE, "connect", f"127.0.0.1:{server if isinstance(server, int) else server.port}", *options]
    if wait:
        argv += ["-w", str(wait)]
    try:
        done = subprocess.run([str(a) for a in argv], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=timeout or PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        raise harness.Failed("connect did not end") from None
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def by_certificate(demo):
    return ["--ca", demo["ca.pem"], "--cert", demo["client.pem"], "--key", demo["client.key"],
            "--server-name", "localhost"]


def pin_of(demo, name="server.pem"):
    status, key = run(["openssl", "x509", "-in", demo[name], "-noout", "-pubkey"])
    check(status == 0, key)
    der = demo.path / "pin.der"
    (demo.path / "pin.pem").write_text(key)
    openssl("pkey", "-pubin", "-in", demo.path / "pin.pem", "-outform", "DER", "-out", der)
    return "sha256:" + hashlib.sha256(der.read_bytes()).hexdigest()


def silent_port():
    """A UDP port where somebody listens and says nothing."""
    quiet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    quiet.bind(("127.0.0.1", 0))
    return quiet, quiet.getsockname()[1]


# --- standard input and output --------------------------------------------------


@case
def connect_echoes_with_each_proof_and_version():
    demo = Credentials()
    server = Server(*demo.both("--client-keys", demo["client.pub"]))
    raw = ["--raw-public-key", "--key", demo["client.key"], "--pin", pin_of(demo)]
    proofs = {"psk": ["--psk-file", demo["psk.txt"]], "certificate": by_certificate(demo), "raw-public-key": raw}
    for version in VERSIONS:
        for proof, options in proofs.items():
            start = server.mark()
            status, out, err = connect(server, *options, "--dtls", version)
            check_equal((status, out), (0, b"hello\n"), f"{proof} {version}: {err}")
            server.wait_line(rf"event=connected .*proof={proof} version=DTLSv{version}", start=start)
            server.wait_line(r"event=closed .*reason=closed_by_peer", start=start)


@case
def connect_refuses_a_server_that_it_cannot_prove():
    demo, other = Credentials(), Credentials()
    server = Server(*demo.certificates())
    ours = ["--cert", demo["client.pem"], "--key", demo["client.key"]]
    wrong = {
        "CA": (["--ca", other["ca.pem"]], r"CA"),
        "name": (["--ca", demo["ca.pem"], "--server-name", "example.org"], r"name"),
        "pin": (["--pin", pin_of(other)], r"pin"),
    }
    for version in VERSIONS:
        for what, (options, words) in wrong.items():
            status, out, err = connect(server, *options, *ours, "--dtls", version)
            check_equal((status, out), (1, b""), f"wrong {what}, {version}: {err}")
            check(re.search(words, err), f"wrong {what}, {version}: {err}")


@case
def connect_with_a_wrong_key_fails_in_words():
    demo = Credentials()
    server = Server(*demo.psk())
    wrong = demo.write_psk({"demo": harness.fresh_key()}, "wrong.txt")
    for version in VERSIONS:
        status, out, err = connect(server, "--psk-file", wrong, "--dtls", version, "--handshake-timeout", "3")
        check_equal((status, out), (1, b""), f"{version}: {err}")
        check("dtlsgate connect: " in err and len(err) > 40, err)


@case
def connect_says_when_nobody_answers():
    demo = Credentials()
    quiet, port = silent_port()
    status, _, err = connect(port, "--psk-file", demo["psk.txt"], "--handshake-timeout", "2")
    check_equal(status, 1, err)
    check(err.startswith("dtlsgate connect: "), err)
    quiet.close()
    status, _, err = connect(port, "--psk-file", demo["psk.txt"])
    check_equal(status, 1, err)
    check("nobody listens" in err, err)


@case
def connect_usage_errors_have_status_2():
    for argv, words in (([], "HOST:PORT"), (["--hex"], "HOST:PORT"), (["h:1"], "--ca FILE"),
                        (["h", "--psk-file", "x"], "HOST:PORT"), (["h:0", "--psk-file", "x"], "HOST:PORT"),
                        (["h:1", "--psk-file"], "value is missing"), (["h:1", "--psk-fil", "x"], "nearest is --psk-file")):
        status, text = run([DTLSGATE, "connect", *argv])
        check(status == 2 and words in text, f"{argv}: {status} {text}")
    status, text = run([DTLSGATE, "connect", "--help"])
    check(status == 0 and "--listen" in text and "Exit status" in text, text)


@case
def connect_without_verification_takes_the_word_and_warns():
    demo = Credentials()
    server = Server(*demo.certificates())
    status, out, err = connect(server, "--insecure-no-verify", "--cert", demo["client.pem"], "--key", demo["client.key"])
    check_equal((status, out), (0, b"hello\n"), err)
    check("NOT verified" in err, err)


@case
def connect_hex_lines_and_datagrams():
    demo = Credentials()
    server = Server(*demo.psk())
    psk = ["--psk-file", demo["psk.txt"]]
    status, out, err = connect(server, *psk, "--hex", data=b"00ff 0a\n\nDEADBEEF")
    check_equal((status, out), (0, b"00ff0a\n\ndeadbeef\n"), err)
    status, out, err = connect(server, *psk, "--hex", data=b"00\nxyz\n01\n")
    check_equal((status, out), (1, b"00\n01\n"), err)
    check('found "xyz"' in err, err)
    status, out, err = connect(server, *psk, "--hex", wait=0, data=b"\x1b]0;x\x07\n")
    check(status == 1 and "\x1b" not in err and r"\x1b]0;x\x07" in err, err)  # CWE-150
    status, out, err = connect(server, *psk, "--datagram", "--verbose", data=b"one\ntwo\n")
    check_equal((status, out), (0, b"one\ntwo\n"), err)
    check_equal(server.counter("plaintext_delivered"), 6, "datagrams: three lines, two lines, one of two lines")
    status, out, err = connect(server, *psk, data=b"x" * 2000 + b"\nshort\n")
    check_equal((status, out), (1, b"short\n"), err)
    check("2001 bytes were not sent" in err, err)


@case
def connect_status_says_whether_something_came_back():
    demo = Credentials()
    quiet, port = silent_port()  # a service that never answers
    server = Server(*demo.psk(), backend=f"udp:127.0.0.1:{port}")
    status, out, err = connect(server, "--psk-file", demo["psk.txt"])
    check_equal((status, out), (3, b""), err)
    check_equal(quiet.recv(100), b"hello\n", "what the service got")
    status, _, err = connect(server, "--psk-file", demo["psk.txt"], wait=None)
    check_equal(status, 0, f"nothing was waited for: {err}")
    check_equal(quiet.recv(100), b"hello\n", "what the service got")


@case
def connect_ends_by_a_signal_although_nobody_reads_its_output():
    demo = Credentials()
    server = Server(*demo.psk())
    for blocking in (True, False):
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            while os.write(writer, b"." * 4096):
                pass
        except BlockingIOError:
            pass
        os.set_blocking(writer, blocking)
        process = subprocess.Popen([DTLSGATE, "connect", f"127.0.0.1:{server.port}", "--psk-file", demo["psk.txt"]],
                                   stdin=subprocess.PIPE, stdout=writer, stderr=subprocess.PIPE)
        os.close(writer)
        try:
            before = server.counter("plaintext_answered")
            process.stdin.write(b"hello\n")
            process.stdin.flush()
            wait_until(lambda: server.counter("plaintext_answered") > before, "the echo")
            server.counters()  # by now it has left
            check_equal(process.poll(), None, "status before the signal")
            process.send_signal(harness.signal.SIGTERM)
            _, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise harness.Failed("a signal did not end it") from None
        finally:
            process.kill()
            process.wait()
            os.close(reader)
        check_equal(process.returncode, 1, err)
        check(b"ended by a signal while the standard output took nothing" in err, err)


@case
def connect_passes_on_large_answers_whole():
    demo = Credentials()
    server = Server(*demo.psk("--datagram-max", "16384"))
    line = os.urandom(6000).hex().encode() + b"\n"
    status, out, err = connect(server, "--psk-file", demo["psk.txt"], "--datagram-max", "16384", data=line)
    check_equal((status, out == line), (0, True), err)


@case
def connect_verbose_tells_the_handshake():
    demo = Credentials()
    server = Server(*demo.psk())
    _, _, err = connect(server, "--psk-file", demo["psk.txt"], "--verbose")
    for words in ("hello sent", "server hello", "handshake done"):
        check(words in err, err)
    check(demo.key not in err and bytes.fromhex(demo.key).decode() not in err, "the key is told")


@case
def connect_never_takes_a_key_that_others_can_read():
    demo = Credentials()
    os.chmod(demo["psk.txt"], 0o644)
    status, _, err = connect(1, "--psk-file", demo["psk.txt"])
    check(status == 1 and "psk.txt" in err, err)


# --- the tunnel -------------------------------------------------------------------


class Tunnel(Process):
    is_server = True
    after_counters = "counters"

    def __init__(self, server, *options):
        port = server if isinstance(server, int) else server.port
        super().__init__([DTLSGATE, "connect", f"127.0.0.1:{port}", "--listen", "127.0.0.1:0", *options],
                         name="dtlsgate connect --listen")
        self.port = int(self.wait_line(r"event=listening address=\S*:(\d+)").group(1))

    def counters(self):
        return Server.counters(self)


class Sender:
    """A plaintext client of the tunnel."""

    def __init__(self, tunnel):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", tunnel.port))

    def send(self, text):
        self.socket.send(text.encode())

    def receive(self, timeout=5.0):
        self.socket.settimeout(timeout)
        try:
            return self.socket.recv(4096).decode()
        except (TimeoutError, ConnectionError):
            return None

    def asks(self, text, tries=20, timeout=1.0):
        """Like an application: sends again until its own answer comes."""
        for _ in range(tries):
            self.send(text)
            if self.receive(timeout) == text:
                return True
        return False


@case
def tunnel_keeps_fifty_senders_apart():
    demo = Credentials()
    for version in VERSIONS:
        server = Server(*demo.psk())
        tunnel = Tunnel(server, "--psk-file", demo["psk.txt"], "--dtls", version)
        senders = [Sender(tunnel) for _ in range(50)]
        for number in range(4):  # the first ones are held while the handshakes run
            for index, sender in enumerate(senders):
                sender.send(f"{index} says {number}")
        for index, sender in enumerate(senders):
            answers = sorted(filter(None, (sender.receive(PATIENCE) for _ in range(4))))
            check_equal(answers, [f"{index} says {n}" for n in range(4)], f"answers to sender {index}, {version}")
        check_equal(server.counter("handshakes_completed"), 50, "handshakes")
        check_equal(tunnel.counters().get("held_lost", 0), 0, "held datagrams lost")
        tunnel.signal(15)
        check_equal(tunnel.wait(), 0, "the tunnel's status")
        wait_until(lambda: server.counter("associations_closed") == 50, "close_notify from all")
        server.stop()


@case
def tunnel_full_gives_the_place_of_the_idlest():
    demo = Credentials()
    server = Server(*demo.psk())
    tunnel = Tunnel(server, "--psk-file", demo["psk.txt"], "--associations-max", "2")
    first, second, third = (Sender(tunnel) for _ in range(3))
    for sender in (first, second, first, third):
        check(sender.asks("hello"), "no answer")
    tunnel.wait_line(rf"event=closed sender=127.0.0.1:{second.socket.getsockname()[1]} reason=evicted")
    check(first.asks("again"), "the one that was not idle was put out")
    check_equal(tunnel.counters()["senders_evicted"], 1, "put out")
    check_equal(server.counter("handshakes_completed"), 3, "handshakes")


@case
def tunnel_forgets_idle_senders():
    demo = Credentials()
    server = Server(*demo.psk())
    tunnel = Tunnel(server, "--psk-file", demo["psk.txt"], "--idle-timeout", "1")
    check(Sender(tunnel).asks("hello"), "no answer")
    tunnel.wait_line(r"event=closed .*reason=idle")
    server.wait_line(r"event=closed .*reason=closed_by_peer")


def restart(demo, port, *options):
    return Server(*demo.psk(*options), listen=(f"127.0.0.1:{port}",))


@case
def tunnel_comes_back_after_a_server_restart():
    """One that says goodbye, one that is killed, and one that is away for a while."""
    demo = Credentials()
    for version in VERSIONS:
        server = Server(*demo.psk())
        tunnel = Tunnel(server, "--psk-file", demo["psk.txt"], "--dtls", version, "--answer-wait", "1")
        sender = Sender(tunnel)
        check(sender.asks("one"), "no answer before")
        check_equal(server.stop(), 0, "the server's status")
        server = restart(demo, server.port)
        check(sender.asks("two"), f"no answer after a restart, {version}")
        server.kill()
        server = restart(demo, server.port)
        check(sender.asks("three"), f"no answer after a crash, {version}")
        server.kill()
        check(not sender.asks("four", tries=4, timeout=0.3), "an answer from nowhere")
        tunnel.wait_line(r"event=refused .*reason=.*nobody listens.* retry_in_ms=\d+")
        server = restart(demo, server.port)
        check(sender.asks("five"), f"no answer after an absence, {version}")
        tunnel.kill()
        server.stop()


@case
def tunnel_dials_ever_less_for_a_service_that_never_answers():
    demo = Credentials()
    quiet, port = silent_port()
    server = Server(*demo.psk(), backend=f"udp:127.0.0.1:{port}")
    tunnel = Tunnel(server, "--psk-file", demo["psk.txt"], "--answer-wait", "1")
    sender = Sender(tunnel)
    end = time.monotonic() + 5
    while time.monotonic() < end:  # a second, then two, then four: the third wait is not over
        sender.send("no answer is wanted")
        sender.receive(0.05)
    check(2 <= server.counter("handshakes_completed") <= 3, f"{server.counter('handshakes_completed')} handshakes")
    quiet.close()


@case
def tunnel_waits_longer_each_time_where_its_association_is_ended_at_once():
    """Two senders of one identity, of which the server keeps the newer one: each handshake ends the other's association."""
    demo = Credentials()
    quiet, port = silent_port()
    for version in VERSIONS:
        configuration = demo.path / "one.yaml"
        configuration.write_text(
            f"listeners:\n  - name: one\n    listen: 127.0.0.1:0\n    backend: udp:127.0.0.1:{port}\n"
            f"    psk-file: {demo['psk.txt']}\n    rules:\n"
            "      - {identity: \"*\", action: allow, associations-max: 1, when-full: replace}\n")
        server = Process([DTLSGATE, "serve", "-c", configuration, "--keeper", "none"])
        gate = int(server.wait_line(r"event=listening .*address=\S*:(\d+)").group(1))
        tunnel = Tunnel(gate, "--psk-file", demo["psk.txt"], "--dtls", version, "--answer-wait", "0")
        senders = [Sender(tunnel), Sender(tunnel)]
        end = time.monotonic() + 5
        while time.monotonic() < end:
            for sender in senders:
                sender.send("no answer is wanted")
            senders[0].receive(0.05)
        made = len(re.findall("event=connected", tunnel.text()))
        # In five seconds each can have waited for 0.5, 1, 2 and 4 s at the least: five handshakes of its own.
        check(3 <= made <= 10, f"{made} handshakes, {version}")
        tunnel.kill()
        server.kill()
    quiet.close()


@case
def tunnel_resumes_with_a_ticket():
    demo = Credentials()
    server = Server(*demo.psk())
    tunnel = Tunnel(server, "--psk-file", demo["psk.txt"], "--dtls", "1.3")
    check(Sender(tunnel).asks("one"), "no answer")
    # The ticket comes when it comes: each of these has a handshake of its own.
    wait_until(lambda: Sender(tunnel).asks("two") and server.counter("handshakes_resumed") >= 1, "a resumed handshake")


@case
def tunnel_keeps_its_association_through_new_ports():
    """No handshake after the first, and no answer lost: the port before is heard until the server knows the new one."""
    demo = Credentials()
    for version in VERSIONS:
        server = Server(*demo.psk())
        tunnel = Tunnel(server, "--psk-file", demo["psk.txt"], "--dtls", version, "--answer-wait", "0")
        sender = Sender(tunnel)
        check(sender.asks("first"), "no answer before")
        for number in range(3):
            start = tunnel.mark()
            tunnel.signal(harness.signal.SIGUSR2)
            tunnel.wait_line(r"event=moved", start=start)
            check(sender.asks(f"from port {number}", tries=1, timeout=PATIENCE), f"an answer was lost, {version}")
        counters = server.counters()
        check_equal(counters["handshakes_completed"], 1, f"handshakes, {version}")
        # RFC 9853 9: each new path shows a fresh ID; only DTLS 1.3 has the messages to get them.
        check((counters.get("cids_offered", 0) > 0) == (version == "1.3"), f"fresh connection IDs, {version}: {counters}")
        tunnel.kill()
        server.stop()


def inside_lose_an_address(credentials):
    """In a network of its own: the address that the tunnel speaks from is taken away."""
    def ip(*words):
        subprocess.run(["ip", *words], check=True)

    ip("link", "set", "lo", "up")
    for last in (1, 2, 3):
        ip("address", "add", f"10.9.0.{last}/32", "dev", "lo")
    route = ("route", "replace", "table", "local", "local", "10.9.0.1", "dev", "lo", "src")
    ip(*route, "10.9.0.2")
    server = Server("--psk-file", credentials, listen=("10.9.0.1:0",))
    tunnel = Process([DTLSGATE, "connect", f"10.9.0.1:{server.port}", "--psk-file", credentials, "--listen",
                      "127.0.0.1:0", "--answer-wait", "0"])
    tunnel.port = int(tunnel.wait_line(r"event=listening address=\S*:(\d+)").group(1))
    sender = Sender(tunnel)
    check(sender.asks("before"), "no answer before")
    tunnel.wait_line(r"event=connected .*local=10\.9\.0\.2:")
    ip("address", "delete", "10.9.0.2/32", "dev", "lo")
    ip(*route, "10.9.0.3")
    check(sender.asks("after"), f"no answer after: {tunnel.text()}")
    tunnel.wait_line(r"event=moved .*local=10\.9\.0\.3:")
    check_equal(server.counter("handshakes_completed"), 1, "handshakes")
    tunnel.kill()
    server.kill()


@case
def tunnel_goes_on_when_its_address_goes():
    """RFC 9146: under its connection ID, from another address."""
    harness.program("ip")
    unshare = harness.program("unshare")
    if run([unshare, "-rn", "true"])[0] != 0:
        raise harness.Skipped("this host allows no network namespaces")
    demo = Credentials()
    here = pathlib.Path(__file__).parent
    words = f"import sys; sys.path.insert(0, {str(here)!r}); import test_connect as t; t.inside_lose_an_address({demo['psk.txt']!r})"
    status, text = run([unshare, "-rn", sys.executable, "-B", "-c", words], timeout=3 * PATIENCE)
    check_equal(status, 0, text)


def inside_several_addresses(credentials, hosts):
    """With a hosts file of its own: a name of three addresses, of which one refuses, one is silent, one is the server."""
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)
    server = Server("--psk-file", credentials, listen=("127.0.0.9:0",))
    silent = hello.endpoint("127.0.0.2", server.port)
    where = f"several.test:{server.port}"
    netcat = subprocess.run([DTLSGATE, "connect", where, "--psk-file", credentials, "-w", "1", "--verbose"],
                            input=b"hello\n", capture_output=True, timeout=PATIENCE)
    check(netcat.returncode == 0 and netcat.stdout == b"hello\n", netcat.stderr.decode())
    check_equal(netcat.stderr.count(b"next address"), 2, "addresses given up")
    tunnel = Process([DTLSGATE, "connect", where, "--psk-file", credentials, "--listen", "127.0.0.1:0", "--verbose"])
    tunnel.port = int(tunnel.wait_line(r"event=listening address=\S*:(\d+)").group(1))
    check(Sender(tunnel).asks("one"), f"no answer: {tunnel.text()}")
    tried = len(re.findall("next address", tunnel.text()))
    check_equal(tried, 2, "addresses given up by the tunnel")
    check(Sender(tunnel).asks("two"), f"no answer: {tunnel.text()}")
    check_equal(len(re.findall("next address", tunnel.text())), tried, "addresses given up where the good one is known")
    tunnel.kill()
    server.kill()
    silent.close()


@case
def connect_tries_all_addresses_of_a_name():
    unshare = harness.program("unshare")
    if run([unshare, "-rm", "true"])[0] != 0:
        raise harness.Skipped("this host allows no mount namespaces")
    demo = Credentials()
    here = pathlib.Path(__file__).parent
    hosts = demo.path / "hosts"
    hosts.write_text("127.0.0.3 several.test\n127.0.0.2 several.test\n127.0.0.9 several.test\n127.0.0.2 several.test\n")
    words = (f"import sys; sys.path.insert(0, {str(here)!r}); import test_connect as t; "
             f"t.inside_several_addresses({demo['psk.txt']!r}, {str(hosts)!r})")
    status, text = run([unshare, "-rm", sys.executable, "-B", "-c", words], timeout=3 * PATIENCE)
    check_equal(status, 0, text)


@case
def tunnel_on_the_net_takes_the_explicit_word():
    status, text = run([DTLSGATE, "connect", "h:1", "--psk-file", "p", "--listen", "0.0.0.0:0"])
    check(status == 2 and "--listen-network any" in text, text)


@case
def tunnel_holds_the_newest_datagrams_and_backs_off():
    demo = Credentials()
    quiet, port = silent_port()
    tunnel = Tunnel(port, "--psk-file", demo["psk.txt"], "--handshake-timeout", "1", "--hold-max", "3")
    sender = Sender(tunnel)
    for number in range(10):
        sender.send(str(number))
    wait_until(lambda: tunnel.counters().get("held_lost") == 7, "seven of ten pushed out")
    waits = wait_until(lambda: (found := re.findall(r"event=refused .*retry_in_ms=(\d+)", tunnel.text())) and found[2:] and
                       [int(text) for text in found[:3]], "three refusals")
    for wait, step in zip(waits, (1000, 2000, 4000)):
        check(step // 2 <= wait <= step, f"waits of {waits} ms")
    quiet.close()
    server = restart(demo, port)
    for number in (7, 8, 9):
        check_equal(sender.receive(PATIENCE), str(number), "what was held, in order")
    check_equal(server.counter("plaintext_delivered"), 3, "datagrams")


@case
def tunnel_and_netcat_over_ipv6():
    demo = Credentials()
    server = Server(*demo.psk(), listen=("[::1]:0",))
    done = subprocess.run([DTLSGATE, "connect", f"[::1]:{server.port}", "--psk-file", demo["psk.txt"], "-w", "1"],
                          input=b"six", capture_output=True, timeout=PATIENCE, check=False)
    check_equal((done.returncode, done.stdout), (0, b"six"), done.stderr)


def readme_blocks(title):
    """The commands of a section of the README, each in one line."""
    text = (harness.SOURCE / "README.md").read_text()
    section = text.split(f"## {title}", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```\n(.*?)```", section, re.S)
    return [[line.split("  #")[0] for line in block.replace("\\\n", "").splitlines() if line.strip()] for block in blocks]


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@case
def readme_other_end_works_as_written():
    harness.program("coap-server-notls"), harness.program("coap-client-notls")
    front, (netcat, tunnel) = readme_blocks("Put it in front")[0], readme_blocks("The other end")
    work = harness.folder()
    (work / "build").mkdir()
    (work / "build" / "dtlsgate").symlink_to(DTLSGATE)
    ports = {port: str(free_port()) for port in ("5683", "5684", "5685", "5693")}

    def with_free_ports(text):
        return re.sub(r"\b(568[345]|5693)\b", lambda m: ports[m.group(1)], text)

    def shell(line):
        configuration = work / "demo" / "dtlsgate.yaml"
        if configuration.exists():
            configuration.write_text(with_free_ports(configuration.read_text()))
        line = with_free_ports(line)
        if not line.rstrip().endswith("&"):
            return run(["sh", "-c", f"cd {work} && {line}"])
        process = Process(["sh", "-c", f"cd {work} && exec {line.rstrip()[:-1]}"], name=line)
        if "dtlsgate" in line:
            process.wait_line("event=listening")
        else:
            bound = ":%04X " % int(ports["5683"])
            wait_until(lambda: bound in pathlib.Path("/proc/net/udp").read_text(), "the service's port")
        return None

    for line in [x for x in front if not x.startswith(("key=", "coap-client"))]:
        shell(line)
    for line in netcat:
        result = shell(line)
    check(result[0] == 0 and "hello" in result[1].splitlines() and "handshake done" in result[1], result)
    for line in tunnel:
        result = shell(line)
    check(result[0] == 0 and re.search(r"\d\d:\d\d", result[1]), f"the service's time: {result}")


if __name__ == "__main__":
    harness.main()
