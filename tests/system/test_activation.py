# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sockets that a service manager has bound before the server lives: what comes meanwhile waits in them. The stand-in for
# systemd is manager.py; packaging/dtlsgate.socket is the unit.

import os
import re
import shutil
import signal
import socket

import clients
import harness
from harness import DTLSGATE, Credentials, Process, Skipped, case, check, check_equal, run
from manager import Manager


def bound(family=socket.AF_INET, address="127.0.0.1", reuse=True):
    one = socket.socket(family, socket.SOCK_DGRAM)
    if reuse:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind((address, 0))
    return one


def given(manager, one):
    manager.kept.append(("socket-0", os.dup(one.fileno())))
    return one.getsockname()[1]


@case
def activation_serves_who_came_before_the_server():
    credentials = Credentials()
    manager = Manager()
    with bound() as one:
        port = given(manager, one)
    client = clients.wolf_psk(port, credentials)  # its hello waits in the socket, or is repeated
    server = manager.start(*credentials.psk(), listen=(f"127.0.0.1:{port}",))
    check_equal(server.ports[0], port, "port")
    client.connected()
    client.echo()
    check("socket-0" in manager.names(), "the socket is not kept for the next server")
    check_equal(server.stop(), 0, "exit status")
    manager.close()


@case
def activation_over_ipv6_answers_from_where_it_was_asked():
    credentials = Credentials()
    manager = Manager()
    with bound(socket.AF_INET6, "::1") as one:
        port = given(manager, one)
    server = manager.start(*credentials.psk(), listen=(f"[::1]:{port}",))
    client = clients.openssl_psk(port, credentials.identity, credentials.key, host="[::1]")
    client.echo()
    check_equal(server.stop(), 0, "exit status")
    manager.close()


@case
def activation_without_reuse_port_is_refused_in_words():
    credentials = Credentials()
    manager = Manager()
    with bound(reuse=False) as one:
        port = given(manager, one)
    server = manager.start(*credentials.psk(), listen=(f"127.0.0.1:{port}",), up=False)
    check(server.wait() != 0, "it started")
    server.wait_line(r"ReusePort=yes")
    manager.close()


@case
def activation_with_the_capabilities_of_the_unit_starts_upgrades_and_stops():
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or not setpriv:
        raise Skipped("needs root and setpriv")
    unit = (harness.SOURCE / "packaging" / "dtlsgate.socket").read_text()
    words = re.search(r"CapabilityBoundingSet=(.*)", unit).group(1).split()
    bounds = ",".join(["-all", *("+" + word.removeprefix("CAP_").lower() for word in words)])
    credentials = Credentials()
    place = harness.folder()
    file = credentials.path / "gate.yaml"
    file.write_text(f"upgrade-socket: {place}/upgrade\ncontrol-socket: {place}/control\nuser: nobody\n"
                    "listeners: [{name: a, listen: '127.0.0.1:0', backend: echo, psk-file: psk.txt}]\n")
    server = Process([setpriv, "--bounding-set=" + bounds, DTLSGATE, "serve", "-c", file])
    server.wait_line(r"event=ready pid=")
    check_equal((place / "control").stat().st_uid, 0, "owner of the control socket, without CAP_CHOWN")
    server.wait_line(r"level=warning event=socket-not-given path=\S*/control user=nobody reason=.*CAP_CHOWN")
    for command in (["reload", "--control", place / "control"], ["upgrade", place / "upgrade"],
                    ["status", "--control", place / "control"]):
        status, text = run([setpriv, "--bounding-set=" + bounds, DTLSGATE, *command], timeout=60)
        check_equal(status, 0, f"status of {command[0]}: {text}")
    server.signal(signal.SIGTERM)
    check_equal(server.wait(), 0, "exit status")


if __name__ == "__main__":
    harness.main()
