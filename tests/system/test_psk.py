# SPDX-License-Identifier: GPL-3.0-or-later
#
# The pre-shared keys of a fleet as an operator keeps them: a store made, served, rotated, read again, exchanged with
# psktool; where names of files come from; and who has to wait after wrong keys, and who does not.
# ctest: timeout=300

import os
import pty
import re
import signal
import stat
import subprocess

import clients
import harness
from harness import DTLSGATE, ConfiguredServer, Credentials, Server, case, check, check_equal, folder, fresh_key, main, run, wait_until


class Store:
    """A store in a folder of its own, and what `dtlsgate psk` says to it."""

    def __init__(self):
        self.folder = folder()
        self.path = self.folder / "fleet.db"

    def psk(self, action, *arguments, expected=0, data=None):
        status, text = run([DTLSGATE, "psk", action, *arguments, "--store", self.path], data=data)
        check_equal(status, expected, f"status of psk {action} {arguments}: {text}")
        return text

    def add(self, identity, name=None):
        """Adds it with a random key; the file that a device gets."""
        file = self.folder / (name or identity)
        self.psk("add", identity, "--out", file)
        return file

    def rotate(self, identity, name):
        file = self.folder / name
        self.psk("rotate", identity, "--out", file)
        return file

    def serve(self, *options, **more):
        return Server("--psk-store", self.path, *options, **more)


def key_of(file):
    return file.read_text().strip().rsplit(":", 1)[1]


def connect(server, file, *options):
    return clients.Client([DTLSGATE, "connect", f"127.0.0.1:{server.port}", "--psk-file", file, *options],
                          name="dtlsgate connect", merge=False)


def is_let_in(server, file, *options):
    client = connect(server, file, *options)
    client.echo()
    client.end_of_input()
    check_equal(client.wait(), 0, "the client's status")


def is_refused(server, file, *options, counter="fail_wrong_key"):
    start = server.mark()
    client = connect(server, file, "--handshake-timeout", "2", *options)
    client.say("nothing")
    server.wait_line(rf"event=refused\b.*counter={counter}\b", start=start)
    check(client.wait() != 0, "a client without the key was let in")


def reload(server, pattern=r"event=reloaded"):
    before = server.mark()
    server.signal(signal.SIGHUP)
    return server.wait_line(pattern, start=before)


def closed(server, identity, start):
    return server.wait_line(rf"event=closed\b.*reason=closed_unauthorised\b.*identity={identity}\b", start=start)


@case
def psk_store_from_the_first_device_to_its_removal():
    store = Store()
    old = store.add("sensor-17")
    other = store.add("sensor-18")
    server = store.serve("--handshake-timeout", "5")
    is_let_in(server, old, "--dtls", "1.3")
    is_let_in(server, old, "--dtls", "1.2")
    held = connect(server, old)
    held.echo()
    bystander = connect(server, other)
    bystander.echo()

    # Both keys are good while the device is told its new one.
    new = store.rotate("sensor-17", "new")
    is_refused(server, new, "--dtls", "1.3")  # not before the reload
    reload(server)
    for file in (old, new):
        is_let_in(server, file, "--dtls", "1.3")
    held.echo()
    moved = connect(server, new)
    moved.echo()

    # The old one ends, and what it has proven; the new one's goes on.
    start = server.mark()
    store.psk("rotate", "sensor-17", "--finish")
    reload(server)
    closed(server, "sensor-17", start)
    moved.echo()
    bystander.echo()
    is_refused(server, old, "--dtls", "1.3")
    is_let_in(server, new, "--dtls", "1.2")

    start = server.mark()
    store.psk("remove", "sensor-17")
    reload(server)
    closed(server, "sensor-17", start)
    is_refused(server, new, "--dtls", "1.3", counter="fail_unknown_identity")
    bystander.echo()

    # An empty store is a store: nobody is in it.
    start = server.mark()
    store.psk("remove", "sensor-18")
    reload(server)
    closed(server, "sensor-18", start)


@case
def psk_store_rotation_of_dtls_12_needs_two_tries_at_most():
    store = Store()
    old = store.add("sensor-17")
    new = store.rotate("sensor-17", "new")
    server = store.serve("--handshake-timeout", "10")

    def tries(file):
        for count in range(1, 4):
            client = connect(server, file, "--dtls", "1.2", "--handshake-timeout", "4", "-w", "5")
            client.say("hello")
            client.end_of_input()
            if client.wait() == 0 and client.find("^hello$"):
                return count
        return 9

    check_equal(tries(old), 1, "tries with the current key")
    check_equal(tries(new), 2, "tries with the next key")
    check_equal(tries(new), 1, "tries with the next key, again")
    reload(server)
    check_equal(tries(new), 1, "tries with the next key after a reload")


@case
def psk_store_that_is_broken_leaves_the_server_as_it_is():
    store = Store()
    device = store.add("sensor-17")
    server = store.serve()
    held = connect(server, device)
    held.echo()
    whole = store.path.read_bytes()
    for text, mode, word in ((b"sensor-17:00112233445566778899aabbccddeeff\n", 0o600, "no SQLite database"),
                             (whole, 0o640, "chmod 600"), (whole[:100], 0o600, "."), (None, 0o600, "cannot open")):
        store.path.unlink()
        if text is not None:
            store.path.write_bytes(text)
            store.path.chmod(mode)
        line = reload(server, r"event=reload-refused.*").group(0)
        check(word in line and "fleet.db" in line, line)
        held.echo()
    store.path.write_bytes(whole)
    store.path.chmod(0o600)
    reload(server)
    held.echo()
    is_let_in(server, device)


@case
def psk_store_and_file_together_have_each_identity_once():
    store, credentials = Store(), Credentials()
    device = store.add("sensor-17")
    server = store.serve(*credentials.psk())
    is_let_in(server, device)
    is_let_in(server, credentials["psk.txt"])
    store.psk("add", "demo")
    line = reload(server, r"event=reload-refused.*").group(0)
    check("demo" in line and "line 1" in line and "expected it in one of them" in line, line)
    is_let_in(server, device)


@case
def psk_store_in_a_configuration_is_named_from_its_folder():
    store = Store()
    device = store.add("sensor-17")
    file = store.folder / "gate.yaml"
    file.write_text("backoff-max: 10\nlisteners:\n  - name: fleet\n    listen: 127.0.0.1:0\n    backend: echo\n"
                    "    psk-store: fleet.db\n")
    server = ConfiguredServer(file)
    is_let_in(server, device)
    store.psk("remove", "sensor-17")
    reload(server)
    is_refused(server, device, "--dtls", "1.3", counter="fail_unknown_identity")


@case
def psk_file_with_two_keys_of_an_identity_takes_both():
    credentials = Credentials()
    first, second = fresh_key(), fresh_key()
    path = credentials.path / "two.txt"
    path.write_text(f"demo:{first}\ndemo:{second}\n")
    path.chmod(0o600)
    server = Server("--psk-file", path)
    for key in (first, second):
        is_let_in(server, credentials.write_psk({"demo": key}, "one.txt"), "--dtls", "1.3")
    status, text = run([DTLSGATE, "connect", f"127.0.0.1:{server.port}", "--psk-file", path])
    check(status != 0 and "two keys of our identity" in text, text)  # a client has one


@case
def psk_import_and_export_go_with_psktool():
    store = Store()
    psktool = harness.program("psktool")
    keys = store.folder / "keys.txt"
    for name in ("sensor-1", "sensor-2", "with space", "füß"):
        status, text = run([psktool, "-u", name, "-p", keys])
        check_equal(status, 0, f"psktool: {text}")
    keys.chmod(0o600)
    store.psk("import", keys)
    out = store.folder / "out.txt"
    store.psk("export", "--out", out)
    check_equal(stat.S_IMODE(out.stat().st_mode), 0o600, "mode of the exported file")

    def parsed(path):
        found = set()
        for line in path.read_bytes().splitlines():
            name, key = line.rsplit(b":", 1)
            found.add((bytes.fromhex(name[1:].decode()) if name.startswith(b"#") else name, key))
        return found

    check_equal(parsed(out), parsed(keys), "identities and keys")
    second = Store()
    second.psk("import", out)
    again = second.folder / "again.txt"
    second.psk("export", "--out", again)
    check_equal(again.read_bytes(), out.read_bytes(), "exported, imported and exported again")
    # A client of GnuTLS' reads one of its lines.
    server = second.serve()
    name, key = next(line for line in out.read_text().splitlines() if line.startswith("sensor-1:")).split(":")
    client = clients.gnutls_psk(server.port, name, key)
    server.wait_line(r"event=connected\b.*identity=sensor-1\b")
    client.kill()


@case
def psk_import_is_all_or_nothing():
    store = Store()
    store.add("sensor-2")
    before = store.psk("list")
    text = f"sensor-1:{fresh_key()}\nsensor-2:{fresh_key()}\n".encode()
    said = store.psk("import", "-", expected=1, data=text)
    check("standard input:2" in said and "sensor-2" in said and "--replace" in said, said)
    check_equal(store.psk("list"), before, "the store after an import that was refused")
    said = store.psk("import", "-", expected=1, data=text + b"sensor-3:0011\n")
    check(re.search(r":[23]: ", said), said)
    check_equal(store.psk("list"), before, "the store after another")
    store.psk("import", "-", "--replace", data=text)
    check_equal(len(store.psk("list").splitlines()), 2, "identities")
    text = f"sensor-4:{fresh_key()}\nsensor-4:{fresh_key()}\n".encode()
    store.psk("import", "-", data=text)
    check("sensor-4\t256 bits\ttwo keys" in store.psk("list"), store.psk("list"))
    check("sensor-4" in store.psk("import", "-", "--replace", expected=1, data=text + text), "three keys of one identity")


@case
def psk_store_whose_change_was_interrupted_is_whole_again():
    store = Store()
    device = store.add("sensor-17")
    server = store.serve()
    keys = store.folder / "many.txt"
    with open(os.open(keys, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
        file.writelines(f"device-{i}:{i:064x}\n" for i in range(300000))
    importing = subprocess.Popen([DTLSGATE, "psk", "import", keys, "--store", store.path], stderr=subprocess.DEVNULL)
    journal = store.path.with_name("fleet.db-journal")
    size = store.path.stat().st_size
    # Its cache is full and pages of the store itself are written over; or it was too quick for us.
    wait_until(lambda: store.path.stat().st_size > size or importing.poll() is not None, "the import to write")
    importing.kill()
    if importing.wait() == 0:
        raise harness.Skipped("the import was over before it could be interrupted")
    if journal.exists():
        check_equal(stat.S_IMODE(journal.stat().st_mode), 0o600, "mode of the journal")
        line = reload(server, r"event=(reload-refused.*|reloaded\b)").group(0)
        check("reloaded" in line or "dtlsgate psk list" in line, line)
    is_let_in(server, device)
    check_equal(len(store.psk("list").splitlines()), 1, "identities after an import that was killed")
    check(not journal.exists(), "the journal is still there")
    reload(server)
    is_let_in(server, device)


@case
def psk_keys_are_neither_taken_from_the_command_line_nor_shown():
    store = Store()
    file = store.add("sensor-17")
    key = key_of(file)
    shown = store.psk("list") + store.psk("rotate", "sensor-17") + store.psk("list")
    check(key not in shown, "a key was shown")
    for file in store.folder.iterdir():
        check_equal(stat.S_IMODE(file.stat().st_mode), 0o600, f"mode of {file.name}")
    other = fresh_key()
    for action in ("add", "rotate"):
        said = store.psk(action, f"sensor-18:{other}", expected=2)
        check(other not in said and "dtlsgate psk import -" in said, said)
    # Not on a terminal.
    master, slave = pty.openpty()
    done = subprocess.run([DTLSGATE, "psk", "export", "--store", store.path], stdout=slave, stderr=subprocess.PIPE, check=False)
    os.close(slave)
    os.close(master)
    check(done.returncode != 0 and b"not shown on a terminal" in done.stderr, done.stderr.decode())
    # Nor in a file that the shell has made for everybody's eyes.
    for mode, expected in ((0o644, 1), (0o640, 1), (0o600, 0)):
        path = store.folder / f"exported-{mode:o}"
        with open(path, "wb") as out:
            os.fchmod(out.fileno(), mode)
            done = subprocess.run([DTLSGATE, "psk", "export", "--store", store.path], stdout=out, stderr=subprocess.PIPE, check=False)
        check_equal(done.returncode, expected, f"status of an export into a file of mode {mode:04o} ({done.stderr.decode()})")
        check_equal(key in path.read_text(), expected == 0, f"a key in a file of mode {mode:04o}")
        check(expected == 0 or f"mode {mode:04o}" in done.stderr.decode(), done.stderr.decode())
    # A name that drives a terminal or forges a line is escaped.
    store.psk("add", "a\x1b[31m\tb\nc")
    text = store.psk("list")
    check("\x1b" not in text and len(text.splitlines()) == 2, repr(text))
    store.psk("remove", "61" + "1b5b33316d" + "09" + "62" + "0a" + "63", "--hex")
    # Nothing is written over.
    said = store.psk("export", "--out", store.folder / "sensor-17", expected=1)
    check("nothing is written over" in said, said)
    check_equal(key_of(store.folder / "sensor-17"), key, "the file that was there")
    # What a removed or dropped key lay in is overwritten.
    store.psk("rotate", "sensor-17", "--finish")
    check(bytes.fromhex(key) not in store.path.read_bytes(), "a dropped key is still in the file")


@case
def psk_bits_are_of_keys_that_are_drawn():
    store = Store()
    file = store.add("sensor-17")
    for words in (("add", "sensor-18", "--key-file", file), ("rotate", "sensor-17", "--finish"), ("list",)):
        said = store.psk(*words, "--bits", "128", expected=2)
        check("--bits goes with add and rotate" in said, said)
    store.psk("add", "sensor-18", "--bits", "128")
    check("sensor-18\t128 bits" in store.psk("list"), "the size of the key")


@case
def psk_store_in_a_folder_of_others_neither_opens_nor_comes_back_by_a_reload():
    store = Store()
    device = store.add("sensor-17")
    server = store.serve()
    store.folder.chmod(0o1777)  # whoever may put a journal beside it decides what is in it
    reload(server, r"event=reload-refused .*others may put files beside them.*chmod go-w")
    is_let_in(server, device)
    text = store.psk("list", expected=1)
    check("others may put files beside them" in text and "chmod go-w" in text, text)
    store.folder.chmod(0o700)
    reload(server)
    is_let_in(server, device)


@case
def psk_commands_that_are_wrong_say_what_is_right():
    store = Store()
    short = store.folder / "short"
    short.write_text("0011223344\n")
    short.chmod(0o600)
    for arguments, status, words in (
            ((), 2, "expected add, remove, rotate, list, import or export"), (("frob",), 2, "frob"),
            (("add", "x"), 2, "--store FILE is missing"), (("add", "--store", store.path), 2, "expected one identity"),
            (("add", "x", "y", "--store", store.path), 2, "expected one identity"),
            (("list", "x", "--store", store.path), 2, "expected none"),
            (("list", "--out", "x", "--store", store.path), 2, "--out goes with"),
            (("add", "x", "--finish", "--store", store.path), 2, "go with rotate"),
            (("rotate", "x", "--finish", "--cancel", "--store", store.path), 2, "go alone"),
            (("add", "x", "--stroe", store.path), 2, "store"),
            (("list", "--store", store.path), 1, "cannot open"),
            (("add", "x", "--key-file", short, "--store", store.path), 1, "fewer than 128 bits"),
            (("add", "x" * 256, "--store", store.path), 2, "255 bytes"),
            (("remove", "x", "--store", store.path), 1, "is not in the store"),
            (("rotate", "x", "--store", store.path), 1, "is not in the store")):
        found, text = run([DTLSGATE, "psk", *arguments])
        check_equal(found, status, f"status of {arguments}: {text}")
        check(words in text, f"{arguments}: {text}")


@case
def psk_names_of_files_come_from_systemd_and_from_the_environment():
    credentials, given = Credentials(), folder()
    os.rename(credentials["psk.txt"], given / "keys")
    (given / "keys").chmod(0o440)  # systemd's access list shows as the group's bit
    given.chmod(0o500)
    try:
        server = Server("--psk-file", "credential:keys", "--cert", "env:GATE_CERT", "--key", "env:GATE_KEY",
                        env={"CREDENTIALS_DIRECTORY": str(given), "GATE_CERT": credentials["server.pem"],
                             "GATE_KEY": credentials["server.key"]})
        is_let_in(server, credentials.write_psk({credentials.identity: credentials.key}))
        reload(server)
    finally:
        given.chmod(0o700)
    for option, word in (("credential:other", "no such credential"), ("env:GATE_UNSET", "GATE_UNSET is not set"),
                         ("credential:../keys", "without a slash")):
        status, text = run([DTLSGATE, "serve", "--listen", "127.0.0.1:0", "--backend", "echo", "--psk-file", option],
                           env={"CREDENTIALS_DIRECTORY": str(given)})
        check(status != 0 and word in text, text)


# --- who has to wait ----------------------------------------------------------


def fail_until_refused(server, wrong, version, counter):
    """Tries with a wrong key until the server does not even try."""
    for _ in range(12):
        start = server.mark()
        client = connect(server, wrong, "--dtls", version, "--handshake-timeout", "1")
        line = server.wait_line(r"event=(refused|suspect)\b.*counter=(\w+)", start=start)
        client.kill()
        if version == "1.2":  # its end, which counts, comes with its time
            line = server.wait_line(r"event=refused\b()()", start=start)
            line = server.wait_line(r"event=(refused)\b.*counter=(\w+)", start=start)
        if line.group(2) == counter:
            return line.group(0)
    raise harness.Failed("wrong keys are tried for ever")


def backs_off(version, counter):
    credentials = Credentials()
    keys = {"sensor-17": fresh_key(), "sensor-18": fresh_key()}
    credentials.write_psk(keys)
    right = credentials.write_psk({"sensor-17": keys["sensor-17"]}, "right.txt")
    neighbour = credentials.write_psk({"sensor-18": keys["sensor-18"]}, "neighbour.txt")
    wrong = credentials.write_psk({"sensor-17": fresh_key()}, "wrong.txt")
    # Wrong keys of DTLS 1.2 take that long each, and right ones have to come through within it.
    server = Server(*credentials.psk("--handshake-timeout", "1" if not harness.SANITIZED else "2"), listen=("0.0.0.0:0",))
    fail_until_refused(server, wrong, version, counter)
    check(server.counter(counter) >= 1, "the counter")
    # Another identity behind this address, and this one behind another address, are let in at once.
    is_let_in(server, neighbour, "--dtls", version)
    source = clients.Openssl(server.port, "-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-psk_identity", "sensor-17", "-psk",
                             keys["sensor-17"], "-bind", "127.0.0.2:0")
    source.echo()
    # The wait ends by itself, and the right key ends the account.
    def comes_in():
        status, text = run([DTLSGATE, "connect", f"127.0.0.1:{server.port}", "--psk-file", right, "--dtls", version,
                            "--handshake-timeout", "2", "-w", "3"], data=b"hello\n")
        return status == 0 and "hello" in text

    wait_until(comes_in, "the right key to be tried again", timeout=60)


@case
def wrong_keys_of_dtls_13_slow_one_identity_behind_one_address():
    backs_off("1.3", "drop_backoff")


@case
def wrong_keys_of_dtls_12_slow_one_identity_behind_one_address():
    backs_off("1.2", "fail_backoff")


@case
def unknown_identities_wait_as_known_ones_do():
    credentials = Credentials()
    nobody = credentials.write_psk({"nobody": fresh_key()}, "nobody.txt")
    server = Server(*credentials.psk())
    fail_until_refused(server, nobody, "1.3", "drop_backoff")
    line = server.wait_line(r"event=refused\b.*counter=drop_backoff\b.*").group(0)
    check("must wait" in line and "claimed_identity=nobody" in line, line)


@case
def backoff_can_be_switched_off():
    credentials = Credentials()
    wrong = credentials.write_psk({credentials.identity: fresh_key()}, "wrong.txt")
    server = Server(*credentials.psk("--backoff-max", "0"))
    for _ in range(8):
        is_refused(server, wrong, "--dtls", "1.3")
    check_equal(server.counter("drop_backoff"), 0, "hellos that had to wait")


if __name__ == "__main__":
    main()
