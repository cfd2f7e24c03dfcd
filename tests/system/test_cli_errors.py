# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the program says to bad input: the option, or the file and line, what was found and
# what is expected; exit status 2 for a wrong question and 1 for one that could not be
# answered; nothing listens then. And the signals: SIGHUP with good and broken files,
# SIGTERM.
# ctest: timeout=300

import os
import signal
import socket
import subprocess
import time

import clients
import harness
import hello
from harness import DTLSGATE, Credentials, Server, case, check, check_equal, run


def serve(*options):
    return run([DTLSGATE, "serve", *options], timeout=10)


def refused(options, *words, status=2):
    found, text = serve(*options)
    check_equal(found, status, f"exit status of {options} ({text})")
    for word in words:
        check(word in text, f"{options}: the message does not say '{word}': {text}")
    check("event=listening" not in text, f"it listened: {text}")
    check(text.count("\n") <= 4, f"more than a few lines: {text}")


ECHO = ["--listen", "127.0.0.1:0", "--backend", "echo"]


@case
def unknown_command_and_option_name_the_nearest():
    status, text = run([DTLSGATE, "server"])
    check_equal(status, 2, "exit status")
    check("serve" in text, text)
    refused(["--psk-flie", "x"], "--psk-flie", "--psk-file")
    refused(["listen"], "listen")
    refused(["--listen"], "--listen", "missing")


@case
def help_and_version_succeed():
    for arguments, word in ((["help"], "serve"), (["--help"], "serve"), (["version"], "0."), (["--version"], "0."),
                            (["serve", "--help"], "--psk-file")):
        status, text = run([DTLSGATE, *arguments])
        check_equal(status, 0, f"exit status of {arguments}")
        check(word in text, f"{arguments}: {text}")


@case
def bad_option_values_say_what_is_expected():
    for name, value, *words in (
            ("listen", "localhost", "192.0.2.1:5684"), ("listen", "127.0.0.1", "127.0.0.1"),
            ("listen", "127.0.0.1:99999", "99999"), ("listen", "[::1:5", "[::1:5"),
            ("workers", "many", "many", "0 to 64"), ("workers", "65", "65", "0 to 64"), ("workers", "-1", "-1"),
            ("datagram-max", "10", "548"), ("profile", "best", "best", "modern|iot"),
            ("log-level", "loud", "error|warning|info|debug"), ("idle-timeout", "1.5", "1.5"),
            ("idle-timeout", "99999999999999999999", "whole number")):
        refused([f"--{name}", value], f"--{name}", *words)
        refused([f"--{name}={value}"], f"--{name}", *words)


@case
def missing_options_say_which():
    refused([], "--listen")
    refused(["--listen", "127.0.0.1:0"], "--backend")
    c = Credentials()
    refused([*ECHO, "--cert", c["server.pem"]], "--key")
    refused([*ECHO, "--key", c["server.key"]], "--cert")
    refused([*ECHO, "--client-ca", c["ca.pem"]], "--cert")
    refused([*ECHO, *c.psk(), "--backend-port-min", "4000", "--backend-port-max", "3000"], "--backend-port-min")


@case
def bad_backends_say_what_is_expected():
    c = Credentials()
    for backend in ("tcp:127.0.0.1:5", "udp:", "udp:127.0.0.1", "udp:127.0.0.1:0", "udp:127.0.0.1:70000", "ecco"):
        status, text = serve("--listen", "127.0.0.1:0", "--backend", backend, *c.psk())
        check(status in (1, 2), f"{backend}: status {status}")
        check("backend" in text and "HOST:PORT" in text, f"{backend}: {text}")


def refused_file(options, *words):
    refused([*ECHO, *options], *words, status=1)


@case
def bad_psk_files_name_file_and_line_and_no_key():
    c = Credentials()
    good = harness.fresh_key()
    path = c.path / "bad.txt"
    for text, line, *words in (
            ("no-colon-here\n", 1), (f"a:{good}\nb:zz{good}\n", 2), (f"a:{good}\n\n# remark\nb:{good[:-1]}\n", 4),
            (f"a:{good}\na:{good}\n", 2, "line 1"), ("a:0011223344\n", 1), (f":{good}\n", 1), ("a:\n", 1),
            ("x" * 256 + f":{good}\n", 1), (f"a:{good * 3}\n", 1)):
        path.write_text(text)
        path.chmod(0o600)
        status, output = serve(*ECHO, "--psk-file", str(path))
        check_equal(status, 1, f"exit status for {text[:40]!r}: {output}")
        check(f"bad.txt:{line}" in output, f"{text[:40]!r}: does not name bad.txt:{line}: {output}")
        for word in words:
            check(word in output, f"does not say {word}: {output}")
        check(good[:16] not in output, f"a key in the message: {output}")
    refused_file(["--psk-file", str(c.path / "absent.txt")], "absent.txt", "No such file")
    refused_file(["--psk-file", str(c.path)], str(c.path))


@case
def key_files_that_others_can_read_are_refused():
    c = Credentials()
    for mode in (0o640, 0o604, 0o644, 0o660, 0o666):
        for name, options in (("psk.txt", c.psk()), ("server.key", c.certificates())):
            os.chmod(c[name], mode)
            refused_file(options, name, f"{mode:04o}", "0600", "chmod")
            os.chmod(c[name], 0o600)


@case
def bad_certificates_and_keys_name_the_file():
    c = Credentials()
    c.make_ca("other-ca")
    c.make_certificate("server2", extension="serverAuth", common_name="localhost")
    (c.path / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (c.path / "junk.key").write_text("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")
    os.chmod(c["junk.key"], 0o600)
    ca = ["--client-ca", c["ca.pem"]]
    refused_file(["--cert", c["server.pem"], "--key", c["server2.key"], *ca], "server2.key")
    refused_file(["--cert", c["junk.pem"], "--key", c["server.key"], *ca], "junk.pem")
    refused_file(["--cert", c["server.pem"], "--key", c["junk.key"], *ca], "junk.key")
    refused_file(["--cert", c["server.pem"], "--key", c["server.key"], "--client-ca", c["junk.pem"]], "junk.pem")
    refused_file(["--cert", c["server.pem"], "--key", c["server.key"], "--client-ca", c["psk.txt"]], "psk.txt")
    refused_file(["--cert", str(c.path / "absent.pem"), "--key", c["server.key"], *ca], "absent.pem")
    stamp = [time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() - days * 86400)) for days in (3, 1)]
    c.make_certificate("old", extension="serverAuth", common_name="localhost", dates=stamp)
    refused_file(["--cert", c["old.pem"], "--key", c["old.key"], *ca], "old.pem", "expired")


@case
def address_in_use_names_it():
    c = Credentials()
    with hello.endpoint() as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        refused(["--listen", address, "--backend", "echo", *c.psk()], address, status=1)


@case
def address_that_is_not_ours_names_it():
    c = Credentials()
    refused(["--listen", "192.0.2.77:5684", "--backend", "echo", *c.psk()], "192.0.2.77", status=1)


@case
def init_writes_nothing_over():
    c = Credentials()
    before = {p.name: p.read_bytes() for p in c.path.iterdir()}
    status, text = run([DTLSGATE, "init", c.path])
    check_equal(status, 1, "exit status")
    check("psk.txt" in text, text)
    check_equal({p.name: p.read_bytes() for p in c.path.iterdir()}, before, "the files")
    for name in before:
        mode = os.stat(c[name]).st_mode & 0o777
        check(mode == (0o600 if name.endswith((".key", ".txt")) else 0o644), f"{name} has mode {mode:o}")


# --- signals ------------------------------------------------------------------


def reload(server, pattern):
    before = server.mark()
    server.signal(signal.SIGHUP)
    return server.wait_line(pattern, start=before)


GOOD, BAD = r"event=reloaded\b", r"level=error event=reload-refused\b.*"


@case
def reload_brings_in_a_new_identity():
    c = Credentials()
    server = Server(*c.psk("--handshake-timeout", "2"))
    new = harness.fresh_key()
    clients.openssl_psk(server.port, "new", new).expect_refused(server, "counter=fail_unknown_identity")
    old = clients.openssl_psk(server.port, "demo", c.key)
    old.echo()
    c.write_psk({"demo": c.key, "new": new})
    reload(server, GOOD)
    clients.openssl_psk(server.port, "new", new).echo()
    old.echo()  # its credential is still there: nothing happens to it


@case
def reload_with_broken_files_keeps_the_old_ones_and_says_why():
    c = Credentials()
    server = Server(*c.both())
    client = clients.wolf_psk(server.port, c)
    client.echo()
    key = (c.path / "server.key").read_text()
    psk = (c.path / "psk.txt").read_text()
    for name, text, word in (("psk.txt", "broken line\n", "psk.txt:1"), ("server.key", "nothing\n", "server.key"),
                             ("psk.txt", "", "psk.txt")):
        (c.path / name).write_text(text)
        line = reload(server, BAD).group(0)
        check(word in line, f"the log does not name {word}: {line}")
        (c.path / "psk.txt").write_text(psk)
        (c.path / "server.key").write_text(key)
    os.chmod(c["psk.txt"], 0o644)
    check("psk.txt" in reload(server, BAD).group(0), "the log does not name psk.txt")
    os.chmod(c["psk.txt"], 0o600)
    client.echo()
    clients.openssl_certificate(server.port, c).echo()
    clients.openssl_psk(server.port, "demo", c.key).echo()
    reload(server, GOOD)
    client.echo()


@case
def removed_identity_is_closed_before_its_next_datagram():
    c = Credentials()
    other = harness.fresh_key()
    c.write_psk({"demo": c.key, "other": other})
    server = Server(*c.psk())
    for make in (lambda: clients.openssl_psk(server.port, "demo", c.key), lambda: clients.wolf_psk(server.port, c),
                 lambda: clients.wolf_psk(server.port, c, "--cid", "c1c2")):
        c.write_psk({"demo": c.key, "other": other})
        reload(server, GOOD)
        client, stays = make(), clients.openssl_psk(server.port, "other", other)
        client.echo()
        stays.echo()
        c.write_psk({"other": other})
        mark = server.mark()  # its next datagram ends it, or the sweep that comes by before
        reload(server, GOOD)
        before = server.counters()
        client.expect_refused(server, r"event=closed\b.*reason=closed_unauthorised\b.*identity=demo", start=mark)
        check_equal(server.counter("plaintext_delivered"), before["plaintext_delivered"], "records delivered")
        stays.echo()
        stays.kill()


@case
def changed_key_of_an_identity_closes_its_association():
    c = Credentials()
    server = Server(*c.psk())
    client = clients.wolf_psk(server.port, c)
    client.echo()
    c.write_psk({"demo": harness.fresh_key()})
    reload(server, GOOD)
    client.expect_refused(server, r"event=closed\b.*reason=closed_unauthorised")


@case
def removed_ca_closes_the_associations_under_it():
    c = Credentials()
    c.make_ca("other-ca", common_name="another CA")
    server = Server(*c.certificates())
    client = clients.wolf_certificate(server.port, c)
    client.echo()
    original = (c.path / "ca.pem").read_text()
    (c.path / "ca.pem").write_text((c.path / "other-ca.pem").read_text())
    reload(server, GOOD)
    client.expect_refused(server, r"event=closed\b.*reason=closed_unauthorised")
    (c.path / "ca.pem").write_text(original)


STOP_WAIT = 5 if not harness.SANITIZED else 15  # seconds; the server gives its threads five, which they do not need


@case
def sigterm_says_goodbye_to_every_client_and_ends():
    c = Credentials()
    server = Server(*c.both())
    makers = [lambda: clients.openssl_psk(server.port, c.identity, c.key), lambda: clients.openssl_certificate(server.port, c),
              lambda: clients.wolf_psk(server.port, c, version="1.2"), lambda: clients.wolf_psk(server.port, c),
              lambda: clients.wolf_psk(server.port, c, "--cid", "c1"),
              lambda: clients.wolf_certificate(server.port, c, "--cid", "c1", version="1.2")]
    all_of_them = [make() for make in makers]
    for client in all_of_them:
        client.echo()
    began = time.monotonic()
    check_equal(server.stop(), 0, "exit status")
    took = time.monotonic() - began
    check(took < STOP_WAIT, f"it took {took:.1f} s")
    for client in all_of_them[2:]:
        client.wait_line(r"^closed$")
    for client in all_of_them:
        client.wait()  # each ends by itself: it was told
    check(server.find(r"event=counters\b.*associations_closed=6"), f"the last counters: {server.lines[-3:]}")


@case
def closed_standard_streams_are_not_taken_by_sockets():
    """What is said goes nowhere then, least of all in clear to the server (or into the memory file)."""
    demo = Credentials()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)

        def close_all():
            for number in (0, 1, 2):
                os.close(number)

        argv = [DTLSGATE, "connect", "127.0.0.1:%d" % server.getsockname()[1], "--psk-file", str(demo["psk.txt"]),
                "--handshake-timeout", "1", "--verbose"]
        status = subprocess.run(argv, preexec_fn=close_all, timeout=harness.PATIENCE, check=False).returncode
        check_equal(status, 1, "exit status")
        datagrams = []
        try:
            while True:
                datagrams.append(server.recv(65536))
        except BlockingIOError:
            pass
    check(datagrams, "nothing was sent")
    for datagram in datagrams:
        check_equal(datagram[:1], b"\x16", f"no handshake record: {datagram[:60]}")


@case
def sigterm_without_clients_ends_at_once():
    c = Credentials()
    for number in (signal.SIGTERM, signal.SIGINT):
        server = Server(*c.both())
        began = time.monotonic()
        server.signal(number)
        check_equal(server.wait(), 0, "exit status")
        check(time.monotonic() - began < STOP_WAIT, "it took too long")


if __name__ == "__main__":
    harness.main()
