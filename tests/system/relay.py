# SPDX-License-Identifier: GPL-3.0-or-later
#
# A UDP relay between clients and the server, all on loopback: it records what passes,
# and lets a test drop, change, hold back, repeat or add datagrams. Towards the server
# it keeps one socket, so that clients that come one after the other have one address
# and port there. It understands nothing of what it carries.
# MovingRelay is a NAT that gives each client another address at every turn, and loses
# what a seed says.

import random
import secrets
import select
import selectors
import socket
import threading
import time

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


class _Outlet:
    """One address that a client has towards the server: a socket on its own 127.x.y.z."""

    def __init__(self, relay, client):
        self.client = client
        self.dies_at = None  # not yet left for the next one
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        octets = [relay.draw.randrange(256), relay.draw.randrange(256), relay.draw.randrange(2, 255)]
        self.socket.bind(("127." + ".".join(str(o) for o in octets), 0))


class MovingRelay:
    """Each client (each address and port that sends to .port) has an address of its own towards the server. While
    .moving is set, all clients change theirs every `period` seconds; an address that was left carries answers for
    `linger` seconds more (0: it is gone at once). Of the datagrams either way the share `loss` is lost; loss_up: of
    those to the server, where that is another."""

    def __init__(self, server_port, loss=0.05, loss_up=None, period=1.0, linger=0.0, seed=None):
        self.server_address = ("127.0.0.1", server_port)
        self.loss, self.loss_up = loss, loss if loss_up is None else loss_up
        self.period, self.linger = period, linger
        self.seed = secrets.randbits(32) if seed is None else seed
        self.draw = random.Random(self.seed)
        self.moving = False
        self.turns = 0  # times that all clients changed their address
        self.carried = self.lost = 0
        self.to_left = 0  # answers that came to an address after it was left
        self._next_turn = 0.0
        self._outlets = {}  # client -> the outlet that it sends through
        self._left = []
        self._selector = selectors.DefaultSelector()
        self.inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.inlet.setblocking(False)
        self.inlet.bind(("127.0.0.1", 0))
        self.port = self.inlet.getsockname()[1]
        self._selector.register(self.inlet, selectors.EVENT_READ, None)
        self._ending = False
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()
        harness._living.append(self)

    def kill(self):
        self._ending = True
        self._thread.join(5)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _carry(self):
        while not self._ending:
            for key, _ in self._selector.select(0.02):
                if key.data is None:
                    self._from_clients()
                else:
                    self._from_server(key.data)
            now = time.monotonic()
            if self.moving and now >= self._next_turn:
                self._turn(now)
            self._close_left(now)

    def _is_lost(self, share):
        self.carried += 1
        if self.draw.random() >= share:
            return False
        self.lost += 1
        return True

    def _from_clients(self):
        for _ in range(64):
            try:
                datagram, client = self.inlet.recvfrom(65536)
            except OSError:
                return
            outlet = self._outlets.get(client)
            if not outlet:
                outlet = self._outlets[client] = _Outlet(self, client)
                self._selector.register(outlet.socket, selectors.EVENT_READ, outlet)
            if not self._is_lost(self.loss_up):
                self._send(outlet.socket, datagram, self.server_address)

    def _from_server(self, outlet):
        for _ in range(64):
            try:
                datagram = outlet.socket.recv(65536)
            except OSError:
                return
            if outlet.dies_at is not None:
                self.to_left += 1
            if not self._is_lost(self.loss):
                self._send(self.inlet, datagram, outlet.client)

    @staticmethod
    def _send(through, datagram, to):
        try:
            through.sendto(datagram, to)
        except OSError:
            pass  # the receiver has ended, or its queue is full: one more that is lost

    def _turn(self, now):
        """The next datagram of each client comes from somewhere else."""
        if self._next_turn:
            self.turns += 1
            for outlet in self._outlets.values():
                outlet.dies_at = now + self.linger
                self._left.append(outlet)
            self._outlets.clear()
        self._next_turn = now + self.period

    def _close_left(self, now):
        while self._left and self._left[0].dies_at <= now:
            outlet = self._left.pop(0)
            self._selector.unregister(outlet.socket)
            outlet.socket.close()
