# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: timeout=90
#
# The end of a server as its clients see it: every one of them is told, however long that takes at the pace that was
# asked for. It never looks at the alert itself (other tests do): s_client ends when it gets one.

import time

from clients import openssl_psk
from harness import Credentials, Server, case, check, check_equal, fresh_key, main, wait_until

CLIENTS = 8


@case
def sigterm_tells_every_client_at_the_pace_asked_for():
    credentials = Credentials()
    server = Server(*credentials.psk("--drain-rate", "1", "--workers", "1"))
    clients = [openssl_psk(server.port, credentials.identity, credentials.key) for _ in range(CLIENTS)]
    for client in clients:
        client.echo()
    began = time.monotonic()
    check_equal(server.stop(), 0, "exit status")
    check(time.monotonic() - began > CLIENTS - 2, "one alert a second was asked for")
    for number, client in enumerate(clients):
        wait_until(lambda c=client: not c.running(), f"client {number} to be told")


@case
def stop_counts_the_handshakes_that_it_ends():
    credentials = Credentials()
    server = Server(*credentials.psk("--workers", "1"))
    client = openssl_psk(server.port, credentials.identity, fresh_key())  # of 1.2: silent until its time is over
    server.wait_line(r"event=doubted")
    check_equal(server.stop(), 0, "exit status")
    server.wait_line(r"event=counters .*\bhandshakes_started=1\b.*\bhandshakes_stopped=1\b")
    check(server.find("counters-do-not-add-up") is None, "the counters do not add up")
    client.kill()


if __name__ == "__main__":
    main()
