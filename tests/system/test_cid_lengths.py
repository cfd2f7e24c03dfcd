# SPDX-License-Identifier: GPL-3.0-or-later
#
# Our own connection IDs of 4 and of 16 bytes with clients over real sockets: `dtlsgate connect`,
# whose own IDs have the other length, and wolfSSL's client. What they send names an ID of just
# that length, also from address after address.

import clients
import harness
from harness import DTLSGATE, Credentials, Process, Server, case, check, check_equal, run
from relay import MovingRelay, Relay

LENGTHS = {4: 16, 16: 4}  # the server's and the client's


def id_of(record, length):
    """The connection ID of a whole protected record if it is of this length, else None: the length field behind it
    (RFC 9146 4, RFC 9147 4) must fit what follows."""
    if record[0] == 25:
        at, behind = 11, 0
    elif record[0] & 0b11110100 == 0b00110100:  # with an ID and a length
        at, behind = 1, 2 if record[0] & 8 else 1
    else:
        return None
    end = at + length + behind
    size = int.from_bytes(record[end:end + 2], "big")
    return bytes(record[at:at + length]) if end + 2 + size == len(record) else None


def data_records(relay, length):
    """Of the client's datagrams, those that are one record under an ID of this length."""
    found = [id_of(d, length) for d in list(relay.to_server)]
    return [x for x in found if x is not None]


def one_id_of(relay, length, other):
    ids = data_records(relay, length)
    check(len(ids) >= 3, f"the client's records name no ID of {length} bytes")
    check_equal(len(set(ids)), 1, "different IDs without a move")
    # A length that fits by chance where nobody has put it (one record in 65,536) says nothing.
    strange = [d for d in list(relay.to_server) if id_of(d, length) is None and id_of(d, other) is not None]
    check(not strange, f"a record names an ID of {other} bytes")
    check(any(ids[0]), "the ID is all zeros")


def connect(port, credentials, version, length):
    return Process([DTLSGATE, "connect", f"127.0.0.1:{port}", "--psk-file", credentials["psk.txt"], "--dtls", version,
                    "--connection-id-length", length])


def wolf_talks(version):
    c = Credentials()
    for length, other in LENGTHS.items():
        server = Server(*c.both("--connection-id-length", length))
        relay = Relay(server.port)
        client = clients.wolf_psk(relay.port, c, "--cid", "c1c2c3c4c5", version=version)
        for _ in range(4):
            client.echo()
        one_id_of(relay, length, other)
        server.stop()


@case
def wolf_client_12_names_ids_of_the_servers_length():
    wolf_talks("1.2")


@case
def wolf_client_13_names_ids_of_the_servers_length():
    wolf_talks("1.3")


@case
def connect_names_ids_of_the_servers_length_and_gives_its_own():
    c = Credentials()
    for version in ("1.2", "1.3"):
        for length, other in LENGTHS.items():
            server = Server(*c.both("--connection-id-length", length))
            relay = Relay(server.port)
            client = connect(relay.port, c, version, other)
            for i in range(4):
                client.say(f"word-{i}")
                client.wait_line(rf"^word-{i}$")
            one_id_of(relay, length, other)
            answers = [id_of(d, other) for d in list(relay.to_client)]
            check(sum(x is not None for x in answers) >= 4, "the server's records name no ID of the client's length")
            client.end_of_input()
            check_equal(client.wait(), 0, "status of connect")
            server.stop()


@case
def clients_with_short_and_long_ids_keep_them_while_they_move():
    c = Credentials()
    for version in ("1.2", "1.3"):
        for length, other in LENGTHS.items():
            server = Server(*c.both("--connection-id-length", length))
            relay = MovingRelay(server.port, loss=0.0, period=0.05)
            client = connect(relay.port, c, version, other)
            client.say("first")
            client.wait_line("^first$")
            relay.moving = True
            asked = 0

            def answered(count):
                """Asks until so many answers have come: those of a move may be lost at the address that was left."""
                nonlocal asked
                asked += 1
                client.say(f"word-{asked}")
                return sum("word-" in line for line in list(client.lines)) >= count
            harness.wait_until(lambda: relay.turns >= 3 and answered(10), "ten answers over three addresses", 60)
            counters = server.counters()
            check_equal(counters["handshakes_completed"], 1, "handshakes")
            check(counters.get("cid_collision", 0) == 0, f"collisions: {counters}")
            client.kill()
            server.stop()


@case
def more_associations_than_short_ids_tell_apart_are_refused():
    c = Credentials()
    status, said = run([DTLSGATE, "serve", "--listen", "127.0.0.1:0", "--backend", "echo", *c.both(),
                        "--connection-id-length", "4", "--associations-max", "2000000"])
    check(status != 0, "it starts")
    check("connection IDs of 4 bytes" in said and "1048576" in said, f"it does not say why: {said}")


if __name__ == "__main__":
    harness.main()
