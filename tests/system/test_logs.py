#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Log lines of the built program in both formats, with clients that say about themselves what would forge a line, a key or
# a terminal's command; and the priorities that the journal reads. It never looks inside the server.

import json
import os
import re
import subprocess

from harness import DTLSGATE, PATIENCE, Credentials, Server, case, check, check_equal, folder, fresh_key, main, wait_until
from clients import openssl_psk

EVIL = 'x" event="forged\n{"event":"forged"}\x1b[2J\\ gr\xfc\xdf=1 \u202eevil'


def refuse_evil(*options):
    """The log of a server that a client with an evil name was refused by."""
    credentials = Credentials()
    server = Server(*credentials.psk(), "--handshake-timeout", "1", *options, level="info", up=False)
    port = int(server.wait_line(r'address"?[:=]"?127\.0\.0\.1:(\d+)').group(1))
    openssl_psk(port, EVIL, fresh_key())
    server.wait_line(r"refused")
    check_equal(server.stop(), 0, "the exit status")
    return server.lines


@case
def logs_in_json_are_objects_whatever_a_client_says():
    lines = refuse_evil("--log-format", "json")
    told = [json.loads(line) for line in lines]
    check(all(line.isascii() and line.isprintable() for line in lines), "a line is not printable ASCII")
    refused = [x for x in told if x["event"] == "refused"]
    check_equal(len(refused), 1, "refusals")
    check("forged" not in [x["event"] for x in told], "a forged event")
    name = refused[0]["claimed_identity"]
    meant = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m.group(1), 16)]), name.encode())
    check_equal(meant, EVIL.encode(), "the identity, its escapes undone")
    check(all(isinstance(x.get("time"), str) and isinstance(x["level"], str) for x in told), "time and level")
    check(isinstance([x for x in told if x["event"] == "datagrams"][0]["received"], int), "numbers are numbers")


@case
def logs_in_text_are_lines_whatever_a_client_says():
    lines = refuse_evil()
    check(all(re.match(r"time=\S+ level=\w+ event=[\w-]+", line) and line.isascii() and line.isprintable() for line in lines),
          "a line that is none of ours")
    check(not [line for line in lines if re.search(r"(^| )event=\"?forged", line)], "a forged event")
    check_equal(len([line for line in lines if " event=refused " in line]), 1, "refusals")


@case
def logs_begin_with_priorities_where_the_journal_listens():
    credentials = Credentials()
    path = folder() / "log"
    with open(path, "wb") as file:
        status = os.fstat(file.fileno())
        argv = [DTLSGATE, "serve", "--keeper", "none", "--listen", "127.0.0.1:0", "--backend", "echo", *credentials.psk()]
        for stream, begins in ((f"{status.st_dev}:{status.st_ino}", r"<[3467]>time="), ("1:1", "time="), ("", "time=")):
            before = path.stat().st_size
            server = subprocess.Popen([str(a) for a in argv], stderr=file, stdin=subprocess.DEVNULL,
                                      env=dict(os.environ, JOURNAL_STREAM=stream))
            try:
                wait_until(lambda: b"event=ready" in path.read_bytes()[before:], "a line event=ready")
            finally:
                server.terminate()
                server.wait(PATIENCE)
            for line in path.read_text()[before:].splitlines():
                check(re.match(begins, line) is not None, f"JOURNAL_STREAM={stream}: {line}")


main()
