#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A service behind `dtlsgate serve --backend proxy-udp:HOST:PORT` or proxy-unix:PATH: says who spoke and sends back what
# came. docs/proxy-protocol.md has the bytes.
#
#   examples/backend.py 127.0.0.1:5683      examples/backend.py [::1]:5683      examples/backend.py /run/my/service.sock

import ipaddress
import os
import pathlib
import socket
import struct
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROOFS = ["none", "psk", "certificate", "raw-public-key"]


def listen(where):
    if where.startswith("/"):
        pathlib.Path(where).unlink(missing_ok=True)  # of a service that ended
        service = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        os.umask(0o117)  # this user and this group may send
        service.bind(where)
        return service
    host, port = where.rsplit(":", 1)
    service = socket.socket(socket.AF_INET6 if "[" in host else socket.AF_INET, socket.SOCK_DGRAM)
    service.bind((host.strip("[]"), int(port)))
    return service


def parse(datagram):  # the client's address, the fields by type, where the plaintext begins
    signature, command, family, length = struct.unpack_from("!12sBBH", datagram)
    if signature != SIGNATURE or command != 0x21 or family not in (0x12, 0x22) or 16 + length > len(datagram):
        raise ValueError("no header of PROXY protocol version 2")
    size = 4 if family == 0x12 else 16
    client = ipaddress.ip_address(datagram[16:16 + size])
    port, = struct.unpack_from("!H", datagram, 16 + 2 * size)
    fields, at, end = {}, 16 + 2 * size + 4, 16 + length
    while at < end:
        kind, size = struct.unpack_from("!BH", datagram, at)
        fields[kind] = datagram[at + 3:at + 3 + size]
        at += 3 + size
    return f"{client} {port}", fields, end


service = listen(sys.argv[1])
print("ready at", service.getsockname(), flush=True)
while True:
    datagram, gate = service.recvfrom(65536)
    try:
        client, fields, end = parse(datagram)
        proof = PROOFS[fields[0xe1][0]]
        # Identities are any bytes: repr shows them without letting them speak to the terminal.
        print(client, proof, repr(fields[0xe0])[1:], len(datagram) - end, "bytes", flush=True)
        service.sendto(datagram, gate)  # header and plaintext as they came: an echo
    except (ValueError, KeyError, IndexError, struct.error, OSError) as why:
        print("ignored:", why, flush=True)  # no header, or the gate is gone
