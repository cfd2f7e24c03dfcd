# SPDX-License-Identifier: GPL-3.0-or-later
#
# CWE-259 and CWE-798, keys in the source: secrets are planted in key files and looked for
# in what the server writes, in its arguments and environment, and in dumps of its memory;
# tree and program are searched for keys; key files that others can read are refused. The
# heap after shutdown is searched by test_cwe259_heap.c.
# ctest: timeout=300

import base64
import os
import pathlib
import re
import resource
import signal
import subprocess

import clients
import harness
from harness import DTLSGATE, Credentials, Server, Skipped, case, check, check_equal, program, run


class Planted:
    """Secrets in key files, and every form in which they could show."""

    def __init__(self):
        self.credentials = Credentials()
        self.second = harness.fresh_key()
        self.credentials.write_psk({"demo": self.credentials.key, "second": self.second})
        self.secrets = {"psk demo": bytes.fromhex(self.credentials.key), "psk second": bytes.fromhex(self.second),
                        "server key": self.scalar(self.credentials["server.key"])}

    @staticmethod
    def scalar(path):
        """The private number of a P-256 key."""
        der = subprocess.run(["openssl", "ec", "-in", path, "-outform", "DER"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, check=True).stdout
        check(der[5:7] == b"\x04\x20", "the form of the private key")
        return der[7:39]

    def forms(self):
        for name, secret in self.secrets.items():
            yield f"{name} (raw)", secret
            yield f"{name} (raw, first half)", secret[:16]
            yield f"{name} (raw, second half)", secret[16:]
            yield f"{name} (raw, reversed)", secret[::-1]
            yield f"{name} (hex)", secret.hex().encode()
            yield f"{name} (hex, beginning)", secret.hex()[:24].encode()
            yield f"{name} (hex, end)", secret.hex()[-24:].encode()
            yield f"{name} (HEX)", secret.hex().upper().encode()
            for shift in range(3):  # base64 looks different at each of three offsets
                text = base64.b64encode(bytes(shift) + secret)
                yield f"{name} (base64)", text[4 if shift else 0:-4]
        pem = pathlib.Path(self.credentials["server.key"]).read_text().splitlines()
        yield "server key (PEM)", pem[1].encode()

    def seen_in(self, data):
        return sorted({name for name, form in self.forms() if form in data})


def busy_server(planted, *options, **more):
    """A server that has had good and bad handshakes of every kind, at debug level, and a few clients still open."""
    c = planted.credentials
    server = Server(*c.both("--log-contents", "yes", "--handshake-timeout", "2", *options), **more)
    open_clients = [clients.openssl_psk(server.port, "demo", c.key), clients.wolf_psk(server.port, c),
                    clients.wolf_psk(server.port, c, "--cid", "c1", version="1.2"),
                    clients.openssl_certificate(server.port, c), clients.wolf_certificate(server.port, c)]
    for client in open_clients:
        client.echo()
    for bad, counter in ((clients.openssl_psk(server.port, "demo", planted.second), "fail_wrong_key"),
                         (clients.openssl_psk(server.port, "nobody", c.key), "fail_unknown_identity"),
                         (clients.Openssl(server.port, "-CAfile", c["ca.pem"]), "fail_no_certificate")):
        bad.expect_refused(server, f"event=refused.*counter={counter}")
    return server, open_clients


@case
def secrets_are_in_no_log_line_at_debug_level():
    planted = Planted()
    server, _ = busy_server(planted)
    server.signal(signal.SIGHUP)
    server.wait_line("event=reloaded")
    check_equal(server.stop(), 0, "exit status")
    check(len(server.lines) > 40, "the log is too short to show anything")
    check_equal(planted.seen_in(server.text().encode()), [], "secrets in the log")


@case
def secrets_are_in_no_error_message():
    planted = Planted()
    c = planted.credentials
    psk, key = c.key, pathlib.Path(c["server.key"]).read_text()
    said = ""
    for text in (f"demo:{psk}\ndemo:{psk}\n", f"demo:{psk}g\n", f"{psk}\n", f":{psk}\n",
                 f"demo:{psk * 5}\n", f"demo {psk}\n", f"{psk}:zz\n", f"demo:{psk[:31]}\n"):
        path = c.path / "bad.txt"
        path.write_text(text)
        path.chmod(0o600)
        status, output = run([DTLSGATE, "serve", "--listen", "127.0.0.1:0", "--backend", "echo", "--psk-file", str(path)])
        check_equal(status, 1, f"exit status: {output}")
        said += output
    lines = key.splitlines(keepends=True)
    (c.path / "bad.key").write_text("".join(lines[:1] + lines[2:]))
    (c.path / "bad.key").chmod(0o600)
    for options in (["--key", c["bad.key"]], ["--key", c["psk.txt"]], ["--key", c["ca.key"]]):
        status, output = run([DTLSGATE, "serve", "--listen", "127.0.0.1:0", "--backend", "echo", "--cert", c["server.pem"],
                              "--client-ca", c["ca.pem"], *options])
        check_equal(status, 1, f"exit status of {options}: {output}")
        said += output
    # A key that stands where no option takes it is on the command line already; in a log it would stay.
    listen = ["--listen", "127.0.0.1:0"]
    for argv in (["serve", f"demo:{psk}"], ["serve", psk], ["connect", "127.0.0.1:1", f"demo:{psk}"],
                 ["check", *listen, f"--demo:{psk}"], ["check", *listen, f"--{psk}=x"], ["serve", f"--demo:{psk}=x"],
                 ["serve", "-c", f"demo:{psk}"], ["check", "-c", psk], ["serve", "-c", f"demo:{psk}", *listen],
                 [psk], [f"demo:{psk}"], ["status", psk], ["reload", f"demo:{psk}"], ["status", f"--{psk}"],
                 ["reload", f"--identity={psk}"], ["psk", psk], ["connect", psk], ["bench", f"demo:{psk}"],
                 [key], ["status", key], ["why", "x", key], ["serve", key], ["check", key], ["connect", key], ["bench", key],
                 ["connect", "127.0.0.1:9", key], ["psk", "add", key], ["serve", "-c", key, *listen]):
        status, output = run([DTLSGATE, *argv])
        check_equal(status, 2, f"exit status of {argv[0]}: {output}")
        said += output
    for argv in (["status", "--control", psk], ["status", "--control", key], ["reload", f"--control=demo:{psk}"], ["upgrade", f"demo:{psk}"]):
        status, output = run([DTLSGATE, *argv])
        check_equal(status, 1, f"exit status of {argv[0]}: {output}")
        said += output
    check_equal(planted.seen_in(said.encode()), [], "secrets in error messages")


@case
def secrets_are_in_no_argument_and_no_environment():
    planted = Planted()
    server, _ = busy_server(planted)
    for name in ("cmdline", "environ"):
        try:
            data = pathlib.Path(f"/proc/{server.pid}/{name}").read_bytes()
        except PermissionError:
            continue
        check_equal(planted.seen_in(data), [], f"secrets in /proc/PID/{name}")
    help_text = run([DTLSGATE, "serve", "--help"])[1]
    check(not re.search(r"--(psk|password|secret|key-data) ", help_text), "an option that takes a secret itself")


@case
def an_abort_leaves_no_core_dump():
    # With the limit as high as it goes: the server forbids dumps of itself.
    planted = Planted()
    place = harness.folder()

    def allow():
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
        os.chdir(place)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
        server, _ = busy_server(planted, preexec=allow)
    except (ValueError, subprocess.SubprocessError):
        raise Skipped("the limit for core dumps cannot be raised") from None
    limits = pathlib.Path(f"/proc/{server.pid}/limits").read_text()
    soft = re.search(r"Max core file size\s+(\S+)", limits).group(1)
    server.signal(signal.SIGABRT)
    check_equal(server.wait(), -signal.SIGABRT, "exit status")
    check_equal([p.name for p in place.iterdir()], [], "files after the abort")
    check_equal(soft, "0", "the limit that the server set itself")


@case
def check_and_init_leave_no_core_dump_either():
    """They have keys in hand as a server has. A full pipe holds them at their last word."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard == 0:
        raise Skipped("the limit for core dumps cannot be raised")
    credentials = Credentials()
    for argv in (["check", "-c", credentials["dtlsgate.yaml"]], ["init", str(harness.folder() / "new")]):
        here, there = os.pipe()
        os.set_blocking(there, False)
        for size in (4096, 1):
            try:
                while os.write(there, bytes(size)):
                    pass
            except BlockingIOError:
                pass
        os.set_blocking(there, True)
        process = subprocess.Popen([DTLSGATE, *argv], stdout=there, stderr=subprocess.DEVNULL,
                                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)))
        try:
            limits = pathlib.Path(f"/proc/{process.pid}/limits")
            harness.wait_until(lambda: re.search(r"Max core file size\s+0\s", limits.read_text()),
                               f"dtlsgate {argv[0]} to forbid dumps of itself", timeout=10)
        finally:
            process.kill()
            process.wait()
            os.close(here)
            os.close(there)


def forced_dump(server):
    """A dump by gcore, which reads the memory through ptrace, whatever the process forbids."""
    gcore = program("gcore")
    place = harness.folder()
    status, output = run([gcore, "-o", str(place / "core"), str(server.pid)], timeout=100)
    if status != 0 and "ptrace" in output.lower():
        raise Skipped(f"gcore may not attach: {harness.one_line(output)[-200:]}")
    check_equal(status, 0, f"gcore: {output[-400:]}")
    return next(place.glob("core.*")).read_bytes()


@case
def secrets_are_not_in_a_dump_made_by_force():
    planted = Planted()
    server, open_clients = busy_server(planted)
    check_equal(planted.seen_in(forced_dump(server)), [], "secrets in the dump")
    for client in open_clients:
        client.echo()


@case
def shared_secrets_are_not_in_a_dump_of_the_heap():
    # The server's own word on what a dump may hold is taken back: then the heap is in it, and still no pre-shared
    # key, for those lie in memory that is marked. The certificate's private key is in the TLS library's heap.
    if harness.SANITIZED:
        raise Skipped("the sanitizer's shadow memory is too large to dump")
    planted = Planted()
    server, _ = busy_server(planted)
    try:
        pathlib.Path(f"/proc/{server.pid}/coredump_filter").write_text("0x33")
    except PermissionError:
        raise Skipped("only root may change what is dumped") from None
    dump = forced_dump(server)
    check(planted.credentials["psk.txt"].encode() in dump, "the dump does not hold the heap: it shows nothing")
    seen = [name for name in planted.seen_in(dump) if not name.startswith("server key (raw")]
    check_equal(seen, [], "secrets in the dump")


# --- the tree and the program -------------------------------------------------

KEY_BLOCK = re.compile(rb"BEGIN [A-Z ]*PRIVATE KEY-----[\s\\nr\"]*[A-Za-z0-9+/]{40}")
PSK_LINE = re.compile(rb"^[\w.@ -]{1,128}:[0-9A-Fa-f]{32,}$", re.M)


def tree():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=harness.SOURCE, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, check=False)
    names = [n for n in listed.stdout.decode().split("\0") if n] if listed.returncode == 0 else []
    paths = [harness.SOURCE / n for n in names] or [
        p for p in harness.SOURCE.rglob("*") if "build" not in p.relative_to(harness.SOURCE).parts[:1]]
    return [p for p in paths if p.is_file()]


@case
def no_key_is_in_the_tree():
    paths = tree()
    check(len(paths) > 50, f"only {len(paths)} files found")
    # What the parsers of key files are fed with looks like keys and is counted up from nothing.
    made_up = {harness.SOURCE / "fuzz" / "corpus" / name for name in ("psk_file", "credentials")}
    for path in paths:
        if made_up & set(path.parents):
            continue
        data = path.read_bytes()
        for pattern in (KEY_BLOCK, PSK_LINE):
            match = pattern.search(data)
            check(not match, f"{path.relative_to(harness.SOURCE)}: {match and match.group(0)[:60]}")


@case
def no_key_is_in_the_program():
    data = pathlib.Path(DTLSGATE).read_bytes()
    for pattern in (KEY_BLOCK, PSK_LINE):
        match = pattern.search(data)
        check(not match, f"{match and match.group(0)[:60]}")
    # wolfSSL's test certificates (certs_test.h) are built in by careless builds.
    for name in (b"wolfSSL_2048", b"Programming-2048", b"www.wolfssl.com\0\x30", b"Sawtooth"):
        check(name not in data, f"a test certificate: {name}")
    for path in harness.SOURCE.glob("docs/*.md"):
        text = path.read_text()
        check(not re.search(r"-psk [0-9A-Fa-f]{16,}|--pskkey[ =][0-9A-Fa-f]{16,}", text), f"{path.name}: a key in an example")


@case
def demo_credentials_are_fresh_each_time():
    first, second = Credentials(), Credentials()
    check(first.key != second.key and len(first.key) == 64, "the pre-shared keys")
    for name in ("ca.key", "server.key", "client.key", "server.pem"):
        check((first.path / name).read_text() != (second.path / name).read_text(), f"{name} twice the same")
    check_equal(os.stat(first.path).st_mode & 0o777, 0o700, "mode of the folder")


if __name__ == "__main__":
    harness.main()
