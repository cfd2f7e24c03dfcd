# SPDX-License-Identifier: GPL-3.0-or-later
#
# A UDP relay between clients and the server, all on loopback: it records what passes,
# and lets a test drop, change, hold back, repeat or add datagrams. Towards the server
# it keeps one socket, so that clients that come one after the other have one address
# and port there. It understands nothing of what it carries.

import select
import socket
import threading

import harness


class Relay:
    """to_server, to_client: what passed, in order. on_client(datagram), on_server(datagram): called with what
    comes from the client and the server; each returns the list of datagrams to pass on instead."""

    def __init__(self, server_port, server="127.0.0.1", inside=None):
        self.server_address = (server, server_port)
        self.outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.outside.bind(("127.0.0.1", 0))
        self.inside = inside or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if not inside:
            self.inside.bind(("127.0.0.1", 0))
        for s in (self.inside, self.outside):
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.port = self.outside.getsockname()[1]
        self.client = None
        self.to_server, self.to_client = [], []
        self.on_client = self.on_server = lambda datagram: [datagram]
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        harness._living.append(self)

    def kill(self):
        self._ending = True
        self._thread.join(5)
        self.inside.close()
        self.outside.close()

    def _carry(self):
        while not self._ending:
            ready, _, _ = select.select([self.inside, self.outside], [], [], 0.1)
            for s in ready:
                try:
                    datagram, address = s.recvfrom(65536)
                except OSError:
                    continue
                if s is self.outside:
                    self.client = address
                    for d in self.on_client(datagram):
                        self.send_to_server(d)
                else:
                    for d in self.on_server(datagram):
                        self.send_to_client(d)

    def send_to_server(self, datagram):
        with self._changed:
            self.to_server.append(datagram)
            self._changed.notify_all()
        self.inside.sendto(datagram, self.server_address)

    def send_to_client(self, datagram):
        with self._changed:
            self.to_client.append(datagram)
            self._changed.notify_all()
        if self.client:
            try:
                self.outside.sendto(datagram, self.client)
            except OSError:
                pass

    def wait_to_client(self, count, timeout=None):
        """Until this many datagrams have gone to the client in all."""
        harness.wait_until(lambda: len(self.to_client) >= count, f"{count} datagrams from the server", timeout)
