#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The key log of the built program against what clients of other people log of the same handshakes, and what an operator is
# told about it. It never decrypts anything.

import os
import stat

from harness import Credentials, Server, case, check, check_equal, folder, main, wait_until
from clients import Openssl, openssl_psk, wolf_psk


def lines(path):
    return [x for x in path.read_text().splitlines() if x and not x.startswith("#")]


@case
def key_log_agrees_with_openssl():
    credentials, work = Credentials(), folder()
    server = Server("--key-log", work / "server", *credentials.psk())
    check_equal(stat.S_IMODE(os.stat(work / "server").st_mode), 0o600, "its mode")
    server.wait_line(r"level=warning event=insecure .*--key-log")
    for number in range(2):
        log = work / f"client-{number}"
        client = openssl_with_log(server.port, credentials, log)
        client.say("one")
        client.wait_line("one")
        wait_until(lambda: log.exists() and lines(log), "the client's line")
        check(lines(log)[0] in lines(work / "server"), f"the client's {lines(log)[0]} is not among the server's")
    check_equal({x.split()[0] for x in lines(work / "server")}, {"CLIENT_RANDOM"}, "labels of DTLS 1.2")


def openssl_with_log(port, credentials, log):
    return Openssl(port, "-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-psk_identity", credentials.identity, "-psk", credentials.key,
                   "-keylogfile", str(log))


@case
def key_log_has_the_four_secrets_of_dtls_13():
    credentials, work = Credentials(), folder()
    server = Server("--key-log", work / "keys", *credentials.psk())
    client = wolf_psk(server.port, credentials, version="1.3")
    client.say("one")
    client.wait_line("one")
    told = [x.split() for x in lines(work / "keys")]
    check_equal(sorted(x[0] for x in told),
                sorted(["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0",
                        "SERVER_TRAFFIC_SECRET_0"]), "labels")
    check_equal({x[1] for x in told}, {told[0][1]}, "one client random")
    check_equal(len({x[2] for x in told}), 4, "four different secrets")
    check(all(len(x[1]) == 64 and len(x[2]) in (64, 96) for x in told), "sizes")


@case
def key_log_is_appended_to_and_never_there_unasked():
    credentials, work = Credentials(), folder()
    before = "CLIENT_RANDOM " + "00" * 32 + " " + "11" * 48
    path = work / "keys"
    path.touch(mode=0o600)
    path.write_text(before + "\n")
    server = Server("--key-log", path, *credentials.psk())
    client = openssl_psk(server.port, credentials.identity, credentials.key)
    client.say("one")
    client.wait_line("one")
    check_equal(lines(path)[0], before, "what was there")
    check_equal(len(lines(path)), 2, "lines")
    check_equal(server.stop(), 0, "the exit status")
    server = Server(*credentials.psk())
    client = openssl_psk(server.port, credentials.identity, credentials.key)
    client.say("one")
    client.wait_line("one")
    check_equal(len(lines(path)), 2, "lines")


@case
def key_log_that_others_can_read_is_refused():
    credentials, work = Credentials(), folder()
    path = work / "keys"
    path.touch()
    path.chmod(0o644)
    server = Server("--key-log", path, *credentials.psk(), up=False)
    check(server.wait() != 0, "it started")
    check("--key-log" in server.text() and "chmod 600" in server.text(), server.text())


main()
