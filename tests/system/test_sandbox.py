# SPDX-License-Identifier: GPL-3.0-or-later
#
# The server at home on a host: another user, files and system calls that it has left, reloads that still read root's files,
# the watchdog. What a confined process can do in detail is tests/host/test_confine.c's.

import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3

import clients
import harness
from harness import (DTLSGATE, SANITIZED, ConfiguredServer, Credentials, Server, Skipped, case, check, check_equal, folder,
                     fresh_key, run, wait_until)

NOBODY = 65534
READING = 1 << 2  # CAP_DAC_READ_SEARCH


def need_root():
    if os.geteuid() != 0:
        raise Skipped("only root can become another user")


def facts_of(task):
    text = pathlib.Path(f"/proc/{task}/status").read_text()
    return dict(re.findall(r"^(\w+):[ \t]*(.*)$", text, re.M))


def threads_of(pid):
    found = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            facts = facts_of(f"{pid}/task/{task}")
        except OSError:
            continue  # it has ended meanwhile, as the thread of a reload does
        found[facts["Name"]] = facts
    return found


def has_landlock(server):
    return server.wait_line(r"event=sandbox .*landlock=(\d+)").group(1) != "0"


@case
def sandbox_is_on_in_every_thread():
    server = Server(*Credentials().psk())
    line = server.wait_line(r"event=sandbox .*").group(0)
    check(SANITIZED or "seccomp=yes" in line, f"no filter of system calls: {line}")
    for name, facts in threads_of(server.pid).items():
        check_equal(facts["NoNewPrivs"], "1", f"no new privileges in {name}")
        check_equal(facts["Seccomp"], "0" if SANITIZED else "2", f"filter of {name}")


@case
def front_gives_way_to_workers_where_they_share_a_processor():
    server = Server(*Credentials().psk())
    ours = os.getpriority(os.PRIO_PROCESS, server.pid)

    def nice_of(name):
        facts = threads_of(server.pid).get(name)
        return None if facts is None else os.getpriority(os.PRIO_PROCESS, int(facts["Pid"]))
    # A thread names itself and gives way when its turn comes, which may be after the server has said that it is ready.
    wait_until(lambda: nice_of("dg-front") == min(ours + 5, 19), "the front's nice value")
    wait_until(lambda: nice_of("dg-worker-0") is not None, "the worker's name")
    check_equal(nice_of("dg-worker-0"), ours, "the worker's nice value")


@case
def sandbox_required_is_there_or_no_start():
    options = Credentials().psk("--sandbox", "require")
    if SANITIZED:
        server = Server(*options, up=False)
        check(server.wait() != 0, "it started without the filter")
        server.wait_line(r"--sandbox require: the filter of system calls")
    else:
        server = Server(*options)
        check(has_landlock(server), "required and not there")


@case
def sandbox_none_leaves_both_out():
    server = Server(*Credentials().psk("--sandbox", "none"))
    server.wait_line(r"event=sandbox .*landlock=0 seccomp=no")


@case
def server_of_roots_becomes_another_user_for_good():
    need_root()
    credentials = Credentials()
    server = Server(*credentials.both("--user", "nobody"))
    server.wait_line(r"event=sandbox user=nobody")
    for name, facts in threads_of(server.pid).items():
        check_equal(facts["Uid"].split(), [str(NOBODY)] * 4, f"user of {name}")
        check_equal(facts["Groups"], "", f"further groups of {name}")
        check_equal(int(facts["CapEff"], 16), 0, f"capabilities in effect in {name}")
        serves = name == "dg-front" or name.startswith("dg-worker")
        check(int(facts["CapPrm"], 16) in ((0,) if serves else (0, READING)), f"{name} may have {facts['CapPrm']}")
    client = clients.wolf_psk(server.port, credentials)
    client.echo()
    check_equal(server.stop(), 0, "exit status")


@case
def server_of_roots_that_stays_root_is_warned_about():
    need_root()
    Server(*Credentials().psk()).wait_line(r"level=warning event=runs-as-root")


@case
def user_that_is_none_is_refused():
    need_root()
    server = Server(*Credentials().psk("--user", "no-such-user"), up=False)
    check(server.wait() != 0, "it started")
    server.wait_line(r"--user: found \"no-such-user\"")


@case
def reload_of_another_user_reads_files_that_only_root_may():
    need_root()
    credentials = Credentials()
    server = Server(*credentials.psk("--user", "nobody"))
    before = clients.wolf_psk(server.port, credentials)
    before.echo()
    key = fresh_key()
    path = pathlib.Path(credentials.write_psk({"newcomer": key}))
    check_equal((path.stat().st_uid, path.stat().st_mode & 0o777), (0, 0o600), "owner and mode of the file")
    start = server.mark()
    server.signal(signal.SIGHUP)
    server.wait_line(r"event=reloaded", start=start)
    server.wait_line(r"event=closed .*identity=" + credentials.identity, start=start)
    clients.openssl_psk(server.port, "newcomer", key).echo()
    check_equal(int(threads_of(server.pid)["dtlsgate"]["CapEff"], 16), 0, "capabilities in effect after the reload")


@case
def reload_reads_no_file_beyond_the_folders_of_the_configuration():
    credentials = Credentials()
    link = credentials.path / "psk.txt"
    # Folders of sockets, of the key log and of the keeper's things are not for reading.
    elsewhere = folder()
    server = Server(*credentials.psk("--control-socket", elsewhere / "control", "--metrics", f"unix:{elsewhere}/metrics",
                                     "--key-log", elsewhere / "keys", "--upgrade-socket", elsewhere / "upgrade",
                                     "--binary", DTLSGATE), keeper="auto")
    if not has_landlock(server):
        raise Skipped("this kernel has no Landlock")
    elsewhere = elsewhere / "psk.txt"
    shutil.move(link, elsewhere)
    link.symlink_to(elsewhere)  # what was not there when the sandbox shut
    start = server.mark()
    server.signal(signal.SIGHUP)
    server.wait_line(rf"event=reload-refused .*psk.txt.*{elsewhere.parent} is not among the folders.*dtlsgate upgrade", start=start)
    link.unlink()
    shutil.move(elsewhere, link)
    start = server.mark()
    server.signal(signal.SIGHUP)
    server.wait_line(r"event=reloaded", start=start)


@case
def reload_reads_what_sandbox_path_names():
    credentials = Credentials()
    elsewhere = folder()
    link = credentials.path / "psk.txt"
    server = Server(*credentials.psk("--sandbox-path", str(elsewhere)))
    shutil.move(link, elsewhere / "psk.txt")
    link.symlink_to(elsewhere / "psk.txt")
    start = server.mark()
    server.signal(signal.SIGHUP)
    server.wait_line(r"event=reloaded", start=start)


@case
def next_server_after_a_kill_is_confined_too():
    need_root()
    credentials = Credentials()
    server = Server(*credentials.psk("--user", "nobody"), keeper="auto")
    client = clients.wolf_psk(server.port, credentials)
    client.echo()
    before = server.mark()
    os.kill(server.serving, signal.SIGKILL)
    server.wait_line(r"event=sandbox user=nobody", start=before)
    server.wait_line(r"event=ready pid=\d+", start=before)
    check_equal(facts_of(server.serving)["Uid"].split(), [str(NOBODY)] * 4, "user of the next server")
    client.echo()


@case
def sockets_for_operators_are_bound_where_root_alone_may():
    need_root()
    credentials = Credentials()
    place = folder()  # mode 0700, root's
    server = Server(*credentials.psk("--user", "nobody", "--control-socket", place / "control",
                                     "--metrics", f"unix:{place}/metrics"))
    server.wait_line(r"event=sandbox user=nobody")
    for name in ("control", "metrics"):
        facts = (place / name).stat()
        check_equal((facts.st_uid, facts.st_mode & 0o777), (NOBODY, 0o600), f"owner and mode of {name}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.connect(str(place / "metrics"))
        asking.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        check(b"ok" in asking.makefile("rb").read(), "no answer")


@case
def watchdog_replaces_a_server_that_hangs_and_no_client_notices():
    credentials = Credentials()
    server = Server(*credentials.psk("--watchdog", "1"), keeper="auto")
    client = clients.wolf_psk(server.port, credentials)
    client.echo()
    hung = server.serving
    server.counters()  # the lines of all that has happened are written
    before = server.mark()
    os.kill(hung, signal.SIGSTOP)
    server.wait_line(r"event=server-hangs", start=before)
    server.wait_line(r"event=ready pid=\d+", start=before)
    check(server.serving != hung, "the hung one is back")
    client.echo()
    check(not server.find(r"event=connected\b", before), "the client had to make a new handshake")


@case
def watchdog_leaves_an_idle_server_alone():
    limit = 1 if not SANITIZED else 3  # seconds; a busy machine must not take longer to answer
    server = Server(*Credentials().psk("--watchdog", str(limit)), keeper="auto")
    serving = server.serving
    # Three times the limit: the keeper has asked and been answered.
    harness.time.sleep(3 * limit)
    check(not server.find(r"event=server-hangs"), "an idle server was taken for a hung one")
    check_equal(server.serving, serving, "the server")


@case
def watchdog_waits_for_a_reload_that_takes_longer_than_its_limit():
    credentials = Credentials()
    store = credentials.path / "fleet.db"
    status, text = run([DTLSGATE, "psk", "import", credentials["psk.txt"], "--store", store])
    check_equal(status, 0, f"status of the import: {text}")
    server = Server("--psk-store", store, "--watchdog", "1", keeper="auto")
    serving = server.serving
    holder = sqlite3.connect(store, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")  # the reload waits 5 seconds for that
    start = server.mark()
    server.signal(signal.SIGHUP)
    server.wait_line(r"event=reload-refused .*somebody else has been changing it", start=start)
    holder.close()
    check(not server.find(r"event=server-hangs"), "a server that reads its keys was taken for one that hangs")
    check_equal(server.serving, serving, "the server")


@case
def watchdog_goes_by_the_limit_that_the_server_reads_at_an_upgrade():
    credentials = Credentials()
    place = folder()
    file = place / "gate.yaml"

    def write(seconds):
        file.write_text(f"watchdog: {seconds}\nupgrade-socket: {place}/upgrade\n"
                        f"listeners: [{{name: a, listen: '127.0.0.1:0', backend: echo, psk-file: {credentials['psk.txt']}}}]\n")

    write(3600)
    server = ConfiguredServer(file, keeper="auto")
    write(1)
    start = server.mark()
    status, text = run([DTLSGATE, "upgrade", place / "upgrade"], timeout=60)
    check_equal(status, 0, f"status of the upgrade: {text}")
    server.wait_line(r"event=ready pid=", start=start)  # which is read when this side comes to it
    start = server.mark()

    def is_stopped():
        try:
            os.kill(server.serving, signal.SIGSTOP)
        except ProcessLookupError:  # a second without a turn: the watchdog has ended it already
            return False
        return True
    wait_until(is_stopped, "a server to be stopped")
    server.wait_line(r"event=server-hangs", start=start)
    server.wait_line(r"event=ready pid=\d+", start=start)


if __name__ == "__main__":
    harness.main()
