# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make run` as a newcomer meets it: it starts, proves itself with a handshake and an
# echo, and prints lines that work when they are copied.
# ctest: release-only serial timeout=600

import os
import re
import socket
import subprocess

import harness
from harness import SOURCE, case, check, check_equal


def _run():
    # Port 0 is not for make run, whose lines name the port: one that is free now will do, nothing else runs.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = dict(os.environ, DTLSGATE_LISTEN=f"127.0.0.1:{port}")
    return subprocess.run([SOURCE / "scripts" / "run", "--once"], env=environment, capture_output=True, text=True,
                          timeout=500)


@case
def make_run_proves_itself_and_prints_lines_to_copy():
    result = _run()
    check_equal(result.returncode, 0, f"status of make run: {result.stdout[-500:]} {result.stderr[-500:]}")
    check(re.search(r"event=connected .*proof=certificate", result.stderr), "no client connected")
    for line in ("openssl s_client -dtls1_2", "gnutls-cli --udp", "-psk_identity", "--pskusername"):
        check(line in result.stdout, f"no line with {line}")
    check("event=stopped" in result.stderr, "the server did not end")


if __name__ == "__main__":
    harness.main(limit=550)
