#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A running server as its operator asks about it: who is connected, why somebody is not, what to do about it; ending
# associations and reloading; who may ask, and what askers cannot do to the server. It never looks inside the server.
# ctest: timeout=300

import json
import os
import re
import signal
import socket
import stat
import sys

import clients
import harness
from harness import (ConfiguredServer, Credentials, DTLSGATE, Failed, Process, Server, Skipped, case, check, check_equal,
                     fresh_key, main, run, wait_until)

CIPHER_12 = "ECDHE-PSK-CHACHA20-POLY1305"


class Operator:
    """The control socket of a server and the commands that ask there."""

    def __init__(self):
        self.path = harness.folder() / "control.sock"

    def options(self, *more):
        return ["--control-socket", str(self.path), *more]

    def say(self, *words, status=0, timeout=None):
        """What the command writes; Failed unless it ends with this status."""
        argv = [DTLSGATE, words[0], "--control", str(self.path), *words[1:]]
        found, text = run(argv, timeout=timeout)
        check_equal(found, status, f"exit status of {words[0]} ({text.strip()[-300:]})")
        return text

    def documents(self, *words):
        return [json.loads(line) for line in self.say(*words, "--json").splitlines()]

    def why(self, who, *patterns):
        """What why says of somebody, once each pattern is in it."""
        text = ""

        def is_said():
            nonlocal text
            text = self.say("why", "--", who)
            return all(re.search(p, text) for p in patterns)
        try:
            wait_until(is_said, f"dtlsgate why {who}")
        except Failed:
            raise Failed(f"why {who} lacks one of {patterns}: {text}") from None
        return text

    def ask(self, line):
        """What the socket answers to a line as it is."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
            asker.settimeout(harness.PATIENCE)
            asker.connect(str(self.path))
            asker.sendall(line)
            answer = b""
            while True:
                try:
                    piece = asker.recv(65536)
                except ConnectionResetError:  # it did not read all of what was said
                    piece = b""
                if not piece:
                    return answer
                answer += piece


def keys(credentials, *names):
    made = {name: fresh_key() for name in names}
    credentials.write_psk(made)
    return made


def connect(port, credentials, identity, *options, psk="psk.txt"):
    return clients.Client([DTLSGATE, "connect", f"127.0.0.1:{port}", "--psk-file", credentials[psk],
                           "--psk-identity", identity, *options], name="dtlsgate connect", merge=False)


def fails(port, *options):
    """A `dtlsgate connect` that is refused."""
    status, text = run([DTLSGATE, "connect", f"127.0.0.1:{port}", "--handshake-timeout", "4", *options], data=b"word\n")
    check(status != 0, f"it was let in: {text}")
    return text


# --- who is connected ---------------------------------------------------------

@case
def admin_status_tells_whom_a_server_serves():
    c, operator = Credentials(), Operator()
    made = keys(c, "sensor-1", "meter-1")
    server = Server(*c.both(*operator.options("--workers", "3")))
    one, two = (connect(server.port, c, name) for name in made)
    one.echo()
    two.echo()
    text = operator.say("status")
    for pattern in (rf"127\.0\.0\.1:{server.port}, to echo", r"associations  2 live", r"up \d+ s", r"generation 1",
                    rf"pid {server.pid}\b", r"2 proven"):
        check(re.search(pattern, text), f"no {pattern} in: {text}")
    status = operator.documents("status")[0]
    check_equal(status["associations"]["live"], 2, "associations")
    check_equal(sum(status["associations"]["by_worker"]), 2, "associations of the workers")
    check_equal(len(status["associations"]["by_worker"]), 3, "workers")
    check_equal(status["counters"]["handshakes_completed"], 2, "handshakes")
    check_equal(status["listeners"][0]["address"], f"127.0.0.1:{server.port}", "address")
    check_equal(server.stop(), 0, "exit status")
    check(not operator.path.exists(), "the socket is left behind")


@case
def admin_is_heard_once_nobody_else_reads_the_configuration():
    """A reload in the first moment would free what the start still reports of."""
    c, operator = Credentials(), Operator()
    server = Server(*c.both(*operator.options()))
    server.wait_line("event=ready")
    events = [m.group(1) for line in server.lines for m in re.finditer(r"event=(\w+)", line)]
    check(events.index("listening") < events.index("sockets") < events.index("control"), f"events: {events}")


@case
def admin_associations_are_listed_by_pattern():
    c, operator = Credentials(), Operator()
    made = keys(c, "sensor-1", "sensor-2", "meter-1")
    server = Server(*c.both(*operator.options("--workers", "4")))
    open_ones = [connect(server.port, c, name) for name in made]
    open_ones.append(clients.wolf_certificate(server.port, c, version="1.2"))
    for client in open_ones:
        client.echo()
    check_equal(len(operator.documents("associations")), 4, "associations")
    rows = operator.documents("associations", "--identity", "sensor-*")
    check_equal(sorted(row["identity"] for row in rows), ["sensor-1", "sensor-2"], "identities")
    row = operator.documents("associations", "--identity", "meter-?")[0]
    check_equal((row["proof"], row["version"], row["resumed"]), ("psk", "DTLSv1.3", False), "what it is")
    check(re.fullmatch(r"[0-9a-f]{16}", row["association"]), row["association"])
    check(row["peer"].startswith("127.0.0.1:") and row["suite"].startswith("TLS_"), str(row))
    server.wait_line(rf"event=connected association={row['association']}\b")  # the log names it so, too
    kinds = [row["proof"] for row in operator.documents("associations")]
    check_equal(sorted(kinds), ["certificate", "psk", "psk", "psk"], "proofs")
    text = operator.say("associations", "--identity", "meter-1")
    check(re.search(r"^id +DTLS +proof", text) and re.search(r"^[0-9a-f]{16} 1\.3 .* meter-1$", text, re.M), text)
    check_equal(operator.say("associations", "--identity", "nobody").strip(), "0 associations", "of nobody")


@case
def admin_the_rule_that_lets_a_client_in_is_named():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-1")
    path = c.path / "rules.yaml"
    path.write_text(f"control-socket: {operator.path}\nlisteners:\n  - name: gate\n    listen: 127.0.0.1:0\n    backend: echo\n"
                    "    psk-file: psk.txt\n    rules:\n      - name: sensors\n        identity: sensor-*\n        action: allow\n")
    server = ConfiguredServer(path)
    client = connect(server.port, c, "sensor-1")
    client.echo()
    row = operator.documents("associations")[0]
    check_equal((row["listener"], row["rule"]), ("gate", "sensors"), "listener and rule")
    check("connected now" in operator.why("sensor-1"), "why of a client that is connected")


@case
def admin_status_warns_of_what_an_operator_should_look_at():
    c, operator = Credentials(), Operator()
    c.make_certificate("soon", common_name="localhost", extension="serverAuth")  # for two days
    Server("--cert", c["soon.pem"], "--key", c["soon.key"], *c.psk(*operator.options("--client-auth", "insecure-none")))
    text = operator.say("status")
    check(re.search(r"^WARNING .*clients are NOT authenticated", text, re.M), text)
    check(re.search(r"^WARNING .*certificate_expires in [12] days, .*soon\.pem: renew", text, re.M), text)
    check_equal(len([w for w in operator.documents("status")[0]["warnings"] if "soon.pem" in w]), 1, "warnings as JSON")


@case
def admin_socket_is_in_the_folder_that_systemd_makes():
    c, operator = Credentials(), Operator()
    server = Server(*c.psk(), env={"RUNTIME_DIRECTORY": str(operator.path.parent)})
    operator.say("status")
    check_equal(server.stop(), 0, "exit status")
    check(not operator.path.exists(), "the socket is left behind")
    Server(*c.psk("--control-socket", "none"), env={"RUNTIME_DIRECTORY": str(operator.path.parent)})
    check(not operator.path.exists(), "there is a socket, although none was said")


# --- ending them --------------------------------------------------------------

@case
def admin_close_reaches_every_shard():
    c, operator = Credentials(), Operator()
    names = [f"sensor-{i}" for i in range(12)]
    keys(c, *names, "meter-1")
    server = Server(*c.psk(*operator.options("--workers", "8")))
    open_ones = [connect(server.port, c, name, "--connection-id", "no" if i % 2 else "yes") for i, name in enumerate(names)]
    meter = connect(server.port, c, "meter-1")
    for client in [*open_ones, meter]:
        client.echo()
    one = operator.documents("associations", "--identity", "sensor-3")[0]["association"]
    text = operator.say("close", one)
    check(one in text and text.endswith("1 closed\n"), text)
    server.wait_line(rf"event=closed association={one} .*reason=closed_by_operator\b")
    check("no association fits" in operator.say("close", one, status=1), "closed twice")
    check("11 closed" in operator.say("close", "--identity", "sensor-*"), "not all were closed")
    check_equal([row["identity"] for row in operator.documents("associations")], ["meter-1"], "who is left")
    for client in open_ones:
        check_equal(client.wait() in (0, 1, 3), True, "a client that was closed ends")
    meter.echo()
    check("dtlsgate close" in operator.why("sensor-5", "closed_by_operator"), "why does not say who did it")


@case
def admin_a_stop_says_goodbye_in_every_shard_and_a_reload_is_heard_in_all():
    c, operator = Credentials(), Operator()
    names = [f"sensor-{i}" for i in range(12)]
    made = keys(c, *names)
    server = Server(*c.psk(*operator.options("--workers", "8")))
    open_ones = [connect(server.port, c, name) for name in names]
    for client in open_ones:
        client.echo()
    check(sum(1 for n in operator.documents("status")[0]["associations"]["by_worker"] if n) > 1, "all are in one worker")
    c.write_psk({name: made[name] for name in names[6:]})
    operator.say("reload")
    wait_until(lambda: len(operator.documents("associations")) == 6, "the end of those that were removed")
    check_equal(sorted(row["identity"] for row in operator.documents("associations")), sorted(names[6:]), "who is left")
    check_equal(server.stop(), 0, "exit status")
    check(server.find(r"event=counters.*closed_unauthorised=6\b.*closed_shutdown=6\b"), "not all were told")


@case
def admin_what_is_closed_stays_closed_after_kill_9():
    c, operator = Credentials(), Operator()
    made = keys(c, "sensor-1", "sensor-2")
    server = Server(*c.psk(*operator.options()), keeper="auto")
    one, two = (clients.Wolf(server.port, "--psk-file", c.write_psk({n: made[n]}, n + ".txt")) for n in made)
    one.echo()
    two.echo()
    check("1 closed" in operator.say("close", "--identity", "sensor-1"), "close")
    before, pid = server.mark(), server.serving
    os.kill(pid, signal.SIGKILL)
    server.wait_line(r"event=ready pid=", start=before)
    check(server.serving != pid, "it is the same process")
    two.echo()
    check_equal([row["identity"] for row in operator.documents("associations")], ["sensor-2"], "who is left")


@case
def admin_socket_is_bound_anew_by_whoever_goes_on():
    c, operator = Credentials(), Operator()
    upgrade = harness.folder() / "upgrade"
    server = Server(*c.psk(*operator.options("--upgrade-socket", upgrade)), keeper="auto")
    client = clients.wolf_psk(server.port, c)
    client.echo()
    before = server.mark()
    status, text = run([DTLSGATE, "upgrade", upgrade], timeout=60)
    check_equal(status, 0, text)
    server.wait_line(r"event=ready pid=", start=before)
    found = operator.documents("status")[0]
    check_equal((found["pid"], found["associations"]["live"]), (server.serving, 1), "who answers after an upgrade")
    os.kill(server.serving, signal.SIGKILL)
    wait_until(lambda: server.serving != found["pid"], "the next process")
    check_equal(operator.documents("status")[0]["associations"]["live"], 1, "associations after a crash")
    client.echo()


# --- reloading ----------------------------------------------------------------

@case
def admin_reload_says_how_it_went():
    c, operator = Credentials(), Operator()
    made = keys(c, "sensor-1", "sensor-2")
    server = Server(*c.psk(*operator.options()))
    client = connect(server.port, c, "sensor-2")
    client.echo()
    check_equal(operator.say("reload"), "reloaded\n", "the answer")
    check_equal(operator.documents("status")[0]["generation"], 2, "generation")
    (c.path / "psk.txt").write_text("sensor-1:not hex\n")
    text = operator.say("reload", status=1)
    check("nothing has changed" in text and "psk.txt" in text, text)
    server.wait_line(r"event=reload-refused\b")
    client.echo()
    c.write_psk({"sensor-1": made["sensor-1"]})
    operator.say("reload")
    server.wait_line(r"event=closed\b.*reason=closed_unauthorised\b.*identity=sensor-2")
    check("removed or revoked" in operator.why("sensor-2", "closed_unauthorised"), "why of a client that was removed")


@case
def admin_reloads_at_once_do_not_harm():
    c, operator = Credentials(), Operator()
    server = Server(*c.both(*operator.options()))
    client = clients.wolf_psk(server.port, c)
    started = [Process([DTLSGATE, "reload", "--control", str(operator.path)]) for _ in range(8)]
    for _ in range(8):
        server.signal(signal.SIGHUP)
    for asker in started:
        status = asker.wait()
        check(status == 0 or "another reload is under way" in asker.text(), asker.text())
    client.echo()
    check_equal(operator.say("reload"), "reloaded\n", "a reload afterwards")


@case
def admin_of_a_server_that_became_somebody_else_is_that_users_and_reads_roots_files():
    if os.geteuid() != 0:
        raise Skipped("only root can become somebody else")
    c, operator = Credentials(), Operator()
    made = keys(c, "sensor-1", "sensor-2")
    operator.path.parent.chmod(0o755)
    server = Server(*c.psk(*operator.options("--user", "65534")))
    check_equal(operator.path.stat().st_uid, 65534, "owner of the socket")
    check(ask_as(65534, str(operator.path)).startswith("answer +dtlsgate"), "the server's own user is not heard")
    check_equal(ask_as(65533, str(operator.path)), "error PermissionError", "another user")
    client = connect(server.port, c, "sensor-1")
    client.echo()
    c.write_psk({"sensor-2": made["sensor-2"]})  # root's, mode 0600
    check_equal(operator.say("reload"), "reloaded\n", "the answer")
    server.wait_line(r"event=closed\b.*reason=closed_unauthorised\b.*identity=sensor-1")


# --- why somebody is not connected ---------------------------------------------

@case
def admin_why_of_an_unknown_identity():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-1")
    server = Server(*c.psk(*operator.options()))
    check("Nothing is known of sensor-17" in operator.why("sensor-17"), "before it came")
    c.write_psk({"sensor-17": fresh_key()}, "other.txt")
    for version in ("1.2", "1.3"):
        fails(server.port, "--psk-file", c["other.txt"], "--dtls", version)
    text = operator.why("sensor-17", "fail_unknown_identity", "no key is stored for sensor-17", "claimed, not proven")
    check("dtlsgate psk add" in text, text)
    check("no key is stored for sensor-17" in operator.why("127.0.0.1", "fail_unknown_identity"), "by address")


@case
def admin_why_of_a_wrong_key_of_dtls_13():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-17")
    server = Server(*c.psk(*operator.options()))
    c.write_psk({"sensor-17": fresh_key()}, "wrong.txt")
    for _ in range(3):
        start = server.mark()
        clients.wolf_psk(server.port, c, psk="wrong.txt").expect_refused(server, start=start)
    text = operator.why("sensor-17", r"\b3 handshakes since", "the key differs from the one stored for sensor-17")
    check("binder" in text and "dtlsgate psk rotate" in text, text)
    found = operator.documents("why", "sensor-17")
    check_equal([(d["counter"], d["count"], d["is_proven"], d["claimed_identity"]) for d in found],
                [("fail_wrong_key", 3, False, "sensor-17")], "as JSON")


@case
def admin_why_of_a_wrong_key_of_dtls_12():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-17")
    server = Server(*c.psk(*operator.options("--handshake-timeout", "2")))
    client = clients.openssl_psk(server.port, "sensor-17", fresh_key())
    operator.why("sensor-17", "fail_wrong_key", "the key differs from the one stored for sensor-17")
    client.kill()


@case
def admin_why_of_an_identity_that_has_to_wait():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-17")
    server = Server(*c.psk(*operator.options()))
    c.write_psk({"sensor-17": fresh_key()}, "wrong.txt")

    def is_held_back():
        run([DTLSGATE, "connect", f"127.0.0.1:{server.port}", "--handshake-timeout", "1", "--psk-file", c["wrong.txt"],
             "--dtls", "1.3"], data=b"word\n")
        return "drop_backoff" in operator.say("why", "sensor-17")
    wait_until(is_held_back, "a back-off", timeout=60)
    operator.why("sensor-17", "drop_backoff", "has to wait")


@case
def admin_why_of_certificates_that_are_refused():
    c, operator = Credentials(), Operator()
    c.make_ca("stranger", "another CA")
    c.make_certificate("old", common_name="old-client", dates=("200101000000Z", "210101000000Z"))
    c.make_certificate("foreign", ca="stranger", common_name="foreign-client")
    server = Server(*c.certificates(*operator.options()))
    for name, words in (("old", "expired"), ("foreign", "CA|chain|issuer")):
        refused = clients.wolf_certificate(server.port, c, name=name)
        line = refused.expect_refused(server, rf"event=refused\b.*({words}).*")
        check("fail_certificate" in line, line)
        operator.why("127.0.0.1", "fail_certificate", f"(?i)({words})", "issue a new one|client-ca")


@case
def admin_why_of_nothing_in_common():
    c, operator = Credentials(), Operator()
    server = Server(*c.certificates(*operator.options()))
    refused = clients.Openssl(server.port, "-cipher", "PSK-AES128-CBC-SHA", "-psk_identity", "sensor-1", "-psk", fresh_key())
    text = operator.why("127.0.0.1", "fail_no_common", "in common")
    check("profile" in text, text)
    refused.kill()


@case
def admin_why_of_a_client_that_a_rule_denies():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-1", "stolen-1")
    path = c.path / "rules.yaml"
    path.write_text(f"control-socket: {operator.path}\nlisteners:\n  - name: gate\n    listen: 127.0.0.1:0\n    backend: echo\n"
                    "    psk-file: psk.txt\n    rules:\n      - name: lost\n        identity: stolen-*\n        action: deny\n"
                    "      - name: sensors\n        identity: sensor-*\n        action: allow\n")
    server = ConfiguredServer(path)
    client = connect(server.port, c, "stolen-1")
    client.say("word")
    text = operator.why("stolen-1", "fail_policy", "rule lost", "no rule lets it in|denies it")
    check("proven by psk" in text and "not proven" not in text, text)
    client.kill()


@case
def admin_why_of_a_client_that_says_more_than_its_rule_allows():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-1")
    path = c.path / "rules.yaml"
    path.write_text(f"control-socket: {operator.path}\nlisteners:\n  - name: gate\n    listen: 127.0.0.1:0\n    backend: echo\n"
                    "    psk-file: psk.txt\n    rules:\n      - name: slow ones\n        identity: sensor-*\n        action: allow\n"
                    "        messages-rate: 1\n")
    server = ConfiguredServer(path)
    client = connect(server.port, c, "sensor-1")
    for i in range(100):
        client.say(f"word {i}")
    text = operator.why("sensor-1", "connected now", "drop_rate_messages", "rule slow ones", "raise messages-rate")
    check("proven by psk" in text, text)


@case
def admin_why_of_an_address_with_a_penalty():
    c, operator = Credentials(), Operator()
    keys(c, "sensor-1")
    c.write_psk({f"stranger-{i}": fresh_key() for i in range(60)}, "strangers.txt")
    server = Server(*c.psk(*operator.options("--failures-rate", "1")))
    refused = [connect(server.port, c, f"stranger-{i}", "--dtls", "1.3", psk="strangers.txt") for i in range(60)]
    for one in refused:
        one.end_of_input()
    wait_until(lambda: server.counter("drop_penalty"), "a penalty")
    operator.why("127.0.0.1", "drop_penalty", "keep failing", "failures-rate")


@case
def admin_why_when_nothing_ever_came_says_what_to_look_at():
    c, operator = Credentials(), Operator()
    server = Server(*c.psk(*operator.options()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.sendto(b"\x00 no DTLS", ("127.0.0.1", server.port))
        wait_until(lambda: server.counter("drop_unknown_type"), "the datagram")
    operator.why("192.0.2.7", "Nothing is known of 192.0.2.7", "drop_unknown_type 1", "plain UDP")


# --- words that clients choose ---------------------------------------------------

NASTY = b"a\x1b]0;owned\x07\x1b[2J=\"q\\x'\xff\xfe\xc3\xa9 x"


def check_harmless(text, what):
    check(all(ch == "\n" or ch == "\t" or ch.isprintable() and ord(ch) < 127 for ch in text), f"{what}: {text!r}")


@case
def admin_identities_cannot_drive_terminals_or_forge_lines():
    c, operator = Credentials(), Operator()
    key = fresh_key()
    path = c.path / "psk.txt"
    path.write_bytes(NASTY + b":" + key.encode() + b"\n")
    server = Server(*c.psk(*operator.options()))
    client = clients.Openssl(server.port, "-cipher", CIPHER_12, "-psk_identity", os.fsdecode(NASTY), "-psk", key)
    client.echo()
    claimed = b"evil\nlevel=info event=connected identity=admin\r\x1b[31m\"}"
    other = clients.Openssl(server.port, "-cipher", CIPHER_12, "-psk_identity", os.fsdecode(claimed), "-psk", key)
    server.wait_line(r"event=(refused|doubted)\b.*claimed_identity=\"?evil")
    written = r"a\x1b]0\x3bowned\x07\x1b[2J\x3d\x22q\x5cx'\xff\xfe\xc3\xa9 x".replace(r"\x3b", ";")
    row = operator.documents("associations")[0]
    check_equal(row["identity"], written, "the identity as it is shown")
    for words in (("associations",), ("why", "127.0.0.1"), ("why", "127.0.0.1", "--json"), ("associations", "--json"), ("status",)):
        check_harmless(operator.say(*words), " ".join(words))
    check_equal(len(operator.say("associations").splitlines()), 3, "lines for one association")
    check_harmless("\n".join(server.lines), "the log")
    check(not server.find(r"^level=info event=connected identity=admin"), "a line of the log was forged")
    check("connected now" in operator.why(written), "an identity as it is shown finds its client")
    check("1 closed" in operator.say("close", "--identity", written), "and closes it")
    operator.why(r"evil\x0alevel\x3dinfo event\x3dconnected identity\x3dadmin\x0d\x1b[31m\x22}", "fail_unknown_identity")
    other.kill()


# --- who may ask, and how much ------------------------------------------------------

def ask_as(uid, path):
    """What a process of another user gets: its error, or what was answered."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(uid)
            os.setuid(uid)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker:
                asker.connect(path)
                asker.settimeout(10)
                asker.sendall(b"text status\n")
                os.write(there, b"answer " + asker.recv(4096)[:200])
        except OSError as error:
            os.write(there, f"error {type(error).__name__}".encode())
        os._exit(0)
    os.close(there)
    os.waitpid(child, 0)
    with os.fdopen(here, "rb") as pipe:
        return pipe.read().decode()


@case
def admin_socket_hears_nobody_but_root_and_its_own_user():
    if os.geteuid() != 0:
        raise Skipped("only root can become somebody else")
    c, operator = Credentials(), Operator()
    Server(*c.psk(*operator.options()))
    check_equal(stat.S_IMODE(operator.path.stat().st_mode), 0o600, "mode of the socket")
    operator.path.parent.chmod(0o755)
    check_equal(ask_as(65534, str(operator.path)), "error PermissionError", "another user")
    operator.path.chmod(0o666)  # even where somebody opens the socket to all
    found = ask_as(65534, str(operator.path))
    check(found in ("answer ", "error BrokenPipeError", "error ConnectionResetError"), f"another user was answered: {found}")
    check(ask_as(0, str(operator.path)).startswith("answer +dtlsgate"), "root is not heard")


@case
def admin_socket_of_a_server_that_was_killed_is_taken_over_and_a_living_one_is_not():
    c, operator = Credentials(), Operator()
    first = Server(*c.psk(*operator.options()))
    second = Server(*c.psk(*operator.options()), up=False)
    check(second.wait() != 0 and "--control-socket" in second.text() and "another server listens there" in second.text(),
          second.text())
    operator.say("status")
    first.kill()
    check(operator.path.exists(), "the killed server took its socket away")
    check("Connection refused" in operator.say("status", status=1), "nobody is there")
    Server(*c.psk(*operator.options()))
    operator.say("status")


@case
def admin_says_what_is_wrong_with_what_it_is_asked():
    c, operator = Credentials(), Operator()
    check("is a server running" in operator.say("status", status=1), "no socket")
    server = Server(*c.psk(*operator.options()))
    for line, words in ((b"hello\n", "text "), (b"text dance\n", "unknown command"), (b"text close 12\n", "hexadecimal"),
                        (b"text status now\n", "no argument"), (b"text why \n", "identity or an address"),
                        (b"text why " + b"a" * 4000 + b"\n", "too long"), (b"text why a\0b\n", "zero byte"),
                        (b"\xff\xfe\n", "text "), (b"json close-identity \n", "pattern")):
        answer = operator.ask(line).decode()
        check(answer.startswith("!") and words in answer, f"{line[:20]}: {answer}")
    check("expected an association's id" in operator.say("close", status=2), "close without a word")
    check("not understood: --lines" in operator.say("status", "--lines", status=2), "an unknown option")
    operator.say("status")
    check_equal(server.stop(), 0, "exit status")


@case
def admin_floods_of_askers_and_one_that_never_reads_harm_nobody():
    c, operator = Credentials(), Operator()
    keys(c, *[f"sensor-{i}" for i in range(40)])
    server = Server(*c.psk(*operator.options("--workers", "2")), level="info")
    client = connect(server.port, c, "sensor-0")
    client.echo()
    silent = []
    for _ in range(40):  # more than there are places: some say nothing, some do not read
        asker = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        asker.setblocking(False)
        try:
            asker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            asker.connect(str(operator.path))
            asker.send(b"json associations\njson associations\n" if len(silent) % 2 else b"text ass")
        except OSError:
            pass
        silent.append(asker)
    before = server.status("VmRSS")
    client.echo()
    for asker in silent[1::2]:
        asker.close()
    operator.say("status", timeout=60)  # once those that say nothing have been sent away
    for asker in silent:
        asker.close()
    for _ in range(300):
        check(operator.ask(b"json status\n").endswith(b".done\n"), "an answer")
    client.echo()
    check(server.status("VmRSS") < before + 20000, "askers made the server grow")
    check_equal(server.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
