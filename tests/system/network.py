# SPDX-License-Identifier: GPL-3.0-or-later
#
# A network of a test program's own, where the host allows one (root, or CAP_SYS_ADMIN): the kernel gives a port that
# one program has let go to the next that asks, and what is still on its way to the former (a client's hello, repeated)
# comes to the latter. Tests that run at the same time must not meet like that. It has a loopback interface and no other.

import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000  # <sched.h>
SIOCSIFFLAGS = 0x8914  # <linux/sockios.h>
IFF_UP = 0x1


def enter():
    """Returns whether this process, and all that it starts from now on, has a network of its own. DG_TEST_NETWORK=host
    in the environment leaves it in that of the host."""
    if os.environ.get("DG_TEST_NETWORK") == "host":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.unshare(CLONE_NEWNET) != 0:
            return False
        try:
            _raise_loopback()
        except OSError:
            if libc.setns(before, CLONE_NEWNET) != 0:
                raise
            return False
        return True
    finally:
        os.close(before)


def _raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
