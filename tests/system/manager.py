# SPDX-License-Identifier: GPL-3.0-or-later
#
# A stand-in for systemd's descriptor store: takes what a service says at NOTIFY_SOCKET, keeps the descriptors that it
# sends (each open file once, as systemd does), and gives them to the next one as LISTEN_FDS. It starts nothing by itself.

import fcntl
import os
import socket

import harness
from harness import Server, check, wait_until

FIRST = 3


class Manager:
    def __init__(self):
        self.path = harness.folder() / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.setblocking(False)
        self.kept = []   # (name, descriptor)
        self.words = []  # every line that was said

    def close(self):
        for _, fd in self.kept:
            os.close(fd)
        self.kept = []
        self.socket.close()

    def listen(self):
        """Takes what has been said."""
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 16)
            except BlockingIOError:
                return
            lines = data.decode().split("\n")
            self.words += lines
            name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "stored")
            for fd in fds:
                self._keep(name, fd, "FDSTORE=1" in lines)
            if "FDSTOREREMOVE=1" in lines:
                for item in [x for x in self.kept if x[0] == name]:
                    os.close(item[1])
                    self.kept.remove(item)

    def _keep(self, name, fd, wanted):
        def identity(one):
            status = os.fstat(one)
            return status.st_dev, status.st_ino
        if not wanted or identity(fd) in [identity(other) for _, other in self.kept]:
            os.close(fd)
            return
        self.kept.append((name, fd))

    def names(self):
        self.listen()
        return sorted(name for name, _ in self.kept)

    def start(self, *options, env=None, **more):
        """A server with what is kept, up and READY when this returns."""
        self.listen()
        kept = list(self.kept)

        def place():
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for _, fd in kept]
            for number, fd in enumerate(high):
                os.dup2(fd, FIRST + number)

        words = {"NOTIFY_SOCKET": str(self.path), "LISTEN_FDS": str(len(kept)),
                 "LISTEN_FDNAMES": ":".join(name for name, _ in kept), **(env or {})}
        told = len(self.words)
        # LISTEN_PID is the service's own: the shell's, whose place it takes.
        server = Server(*options, program=("/bin/sh", "-c", 'export LISTEN_PID=$$; exec "$0" "$@"', harness.DTLSGATE),
                        preexec=place, env=words, close_fds=False, **more)

        def ready():
            self.listen()
            return "READY=1" in self.words[told:]
        if more.get("up", True):
            wait_until(ready, "READY=1")
            check(server.running(), "it ended")
        return server
