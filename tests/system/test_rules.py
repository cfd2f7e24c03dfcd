# SPDX-License-Identifier: GPL-3.0-or-later
#
# Rules as an operator uses them: who is let in by identity, proof and network, how much of what is said passes, how many
# associations an identity and a network have, whatever the number of workers, over restarts, reloads, resumptions, and
# when clients move.
# ctest: timeout=300

import re
import signal
import socket
import time

import clients
import harness
from harness import DTLSGATE, ConfiguredServer, Credentials, Failed, Process, case, check, check_equal, main, wait_until
from relay import Relay


def write(credentials, rules, top="workers: 2", listener=""):
    path = credentials.path / "rules.yaml"
    path.write_text(f"""
log-level: debug
{top}
listeners:
  - name: gate
    listen: 127.0.0.1:0
    backend: echo
    psk-file: psk.txt
    client-ca: ca.pem
    cert: server.pem
    key: server.key
{listener}
    rules:
{rules}
""", encoding="utf-8")
    return path


def serve(credentials, rules, top="workers: 2", **more):
    return ConfiguredServer(write(credentials, rules, top), **more)


def keys(credentials, *names):
    made = {name: harness.fresh_key() for name in names}
    credentials.write_psk(made)
    return made


def psk(server, identity, key, source=None):
    return clients.openssl_psk(server.port, identity, key) if source is None else \
        clients.Openssl(server.port, "-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-psk_identity", identity, "-psk", key,
                        "-bind", f"{source}:0")


def connect(port, credentials, identity, *options):
    return clients.Client([DTLSGATE, "connect", f"127.0.0.1:{port}", "--psk-file", credentials["psk.txt"],
                           "--psk-identity", identity, *options], name="dtlsgate connect", merge=False)


def reload(server, pattern=r"event=reloaded"):
    before = server.mark()
    server.signal(signal.SIGHUP)
    return server.wait_line(pattern, start=before)


def ended(server, identity, reason, start=0):
    return server.wait_line(rf"event=closed\b.*reason={reason}\b.*identity={identity}\b", start=start)


# --- who is let in ------------------------------------------------------------

@case
def rules_let_in_by_identity_and_deny_whom_none_fits():
    credentials = Credentials()
    made = keys(credentials, "sensor-1", "sensor-13", "meter-1")
    server = serve(credentials, """
      - name: stolen
        identity: sensor-13
        action: deny
      - name: sensors
        identity: sensor-*
        action: allow
""")
    psk(server, "sensor-1", made["sensor-1"]).echo()
    line = psk(server, "sensor-13", made["sensor-13"]).expect_refused(server, r"event=refused\b.*claimed_identity=sensor-13.*")
    check("counter=fail_policy" in line and "rule=stolen" in line and "alert_sent=49" in line, line)
    line = psk(server, "meter-1", made["meter-1"]).expect_refused(server, r"event=refused\b.*claimed_identity=meter-1.*")
    check("rule=\"no rule\"" in line and "no rule fits" in line, line)
    check_equal(server.counter("fail_policy"), 2, "fail_policy")
    check_equal(server.stop(), 0, "exit status")


@case
def rules_let_in_by_proof_of_1_2_and_1_3():
    credentials = Credentials()
    server = serve(credentials, """
      - name: certificates
        proof: certificate
        action: allow
""")
    clients.openssl_certificate(server.port, credentials).echo()
    clients.wolf_certificate(server.port, credentials).echo()
    psk(server, credentials.identity, credentials.key).expect_refused(server, r"event=refused\b.*counter=fail_policy.*")
    before = server.mark()
    client = clients.wolf_psk(server.port, credentials)
    server.wait_line(r"event=refused\b.*counter=fail_policy.*", start=before)
    client.kill()
    check_equal(server.counter("plaintext_delivered"), 2, "messages")
    check_equal(server.stop(), 0, "exit status")


@case
def rules_let_in_by_network():
    credentials = Credentials()
    made = keys(credentials, "sensor-1")
    server = serve(credentials, """
      - from: 127.0.0.2/32
        action: allow
""")
    psk(server, "sensor-1", made["sensor-1"], source="127.0.0.2").echo()
    psk(server, "sensor-1", made["sensor-1"], source="127.0.0.3").expect_refused(
        server, r"event=refused\b.*peer=127\.0\.0\.3:.*counter=fail_policy.*")
    check_equal(server.stop(), 0, "exit status")


@case
def rules_are_asked_again_when_a_client_resumes():
    credentials = Credentials()
    made = keys(credentials, "sensor-1")
    allow = "\n      - identity: sensor-*\n        action: allow\n"
    server = serve(credentials, allow)
    ticket = credentials.path / "ticket"
    client = session(server, "sensor-1", made["sensor-1"], "-sess_out", ticket)
    client.echo()
    client.end_of_input()
    ended(server, "sensor-1", "closed_by_peer")
    session(server, "sensor-1", made["sensor-1"], "-sess_in", ticket).echo()
    check_equal(server.counter("handshakes_resumed"), 1, "resumed")
    write(credentials, allow.replace("allow", "deny"))
    reload(server)
    session(server, "sensor-1", made["sensor-1"], "-sess_in", ticket).expect_refused(
        server, r"event=refused\b.*counter=fail_policy.*claimed_identity=sensor-1")
    found = server.counters()
    check_equal((found.get("handshakes_resumed"), found.get("plaintext_delivered")), (2, 2), "resumed, and messages")
    check_equal(server.stop(), 0, "exit status")


def session(server, identity, key, *options):
    return clients.Openssl(server.port, "-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-psk_identity", identity, "-psk", key,
                           *options)


@case
def rules_by_network_hold_for_clients_that_move():
    """From a network that no rule allows nothing is delivered, and who has proven to be there is ended."""
    credentials = Credentials()
    keys(credentials, "sensor-1")
    server = serve(credentials, """
      - from: 127.0.0.2/32
        action: allow
""")

    def at(address):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, 0))
        return s

    relay = Relay(server.port, inside=at("127.0.0.2"))
    client = connect(relay.port, credentials, "sensor-1")
    client.echo()
    before, relay.inside = relay.inside, at("127.0.0.3")
    word = "from elsewhere"
    client.say(word)
    server.wait_line(r"event=limited\b.*counter=drop_policy_network\b.*identity=sensor-1")
    wait_until(lambda: server.counter("drop_policy_network") >= 1, "a word to be dropped")
    ended(server, "sensor-1", "closed_unauthorised")
    check(server.find(r"event=moved\b.*peer=127\.0\.0\.3:"), "it did not move")
    check(not client.find(rf"^{word}$"), "it was answered")
    check_equal(server.counter("plaintext_delivered"), 1, "messages")
    client.kill()
    relay.kill()
    before.close()
    check_equal(server.stop(), 0, "exit status")


# --- how much passes ----------------------------------------------------------

def flood(rules, counter):
    credentials = Credentials()
    keys(credentials, "sensor-1", "sensor-2")
    server = serve(credentials, rules)
    limited, other = (connect(server.port, credentials, name) for name in ("sensor-1", "sensor-2"))
    limited.echo()
    other.echo()
    limited.say("\n".join("x" * 900 + str(i) for i in range(100)))
    server.wait_line(rf"event=limited\b.*counter={counter}\b.*rule=slow\b.*identity=sensor-1")
    other.say("\n".join(f"other-{i}" for i in range(60)))
    for i in range(60):
        other.wait_line(rf"^other-{i}$")
    # Nothing is held against it for long.
    wait_until(lambda: tries_echo(limited), "a word to pass again")
    found = server.counters()
    check(found.get(counter, 0) >= 50, f"{counter}: {found.get(counter)}")
    check_equal(found.get("closed_unauthorised", 0) + found.get("associations_closed", 0), 0, "ended")
    check_equal(sum(bool(re.search("event=limited", x)) for x in list(server.lines)), 1, "lines about it")
    check_equal(server.stop(), 0, "exit status")


def tries_echo(client):
    try:
        return client.echo(timeout=0.5)
    except Failed:
        return None


@case
def rules_limit_messages_a_second_of_an_association():
    flood("""
      - name: slow
        identity: sensor-1
        messages-rate: 5
        action: allow
      - action: allow
""", "drop_rate_messages")


@case
def rules_limit_bytes_a_second_of_an_association():
    flood("""
      - name: slow
        identity: sensor-1
        bytes-rate: 2000
        action: allow
      - action: allow
""", "drop_rate_bytes")


@case
def rules_say_how_long_a_client_may_be_silent():
    credentials = Credentials()
    keys(credentials, "sensor-1", "sensor-2")
    server = serve(credentials, """
      - identity: sensor-1
        idle-timeout: 3
        action: allow
      - action: allow
""")
    short, long = (connect(server.port, credentials, name) for name in ("sensor-1", "sensor-2"))
    short.echo()
    long.echo()
    ended(server, "sensor-1", "closed_idle")
    long.echo()
    check(not server.find(r"event=closed\b.*identity=sensor-2"), "the other one ended")
    check_equal(server.stop(), 0, "exit status")


# --- how many -----------------------------------------------------------------

REFUSES = """
      - name: two
        associations-max: 2
        action: allow
"""
REPLACES = """
      - name: two
        associations-max: 2
        when-full: replace
        action: allow
"""


def refuses_a_third(workers):
    credentials = Credentials()
    made = keys(credentials, "sensor-1", "sensor-2")
    server = serve(credentials, REFUSES, top=f"workers: {workers}")
    first, second = psk(server, "sensor-1", made["sensor-1"]), connect(server.port, credentials, "sensor-1")
    first.echo()
    second.echo()
    line = psk(server, "sensor-1", made["sensor-1"]).expect_refused(server, r"event=refused\b.*claimed_identity=sensor-1.*")
    check("counter=fail_identity_limit" in line and "rule=two" in line, line)
    psk(server, "sensor-2", made["sensor-2"]).echo()
    first.echo()
    second.echo()
    # Whoever leaves makes room.
    second.end_of_input()
    ended(server, "sensor-1", "closed_by_peer")
    psk(server, "sensor-1", made["sensor-1"]).echo()
    check_equal(server.stop(), 0, "exit status")


@case
def rules_refuse_one_too_many_with_one_worker():
    refuses_a_third(1)


@case
def rules_refuse_one_too_many_with_eight_workers():
    refuses_a_third(8)


def next_tick():
    """Ages are kept in ticks of 17 ms; of two in one tick either may be taken for the older."""
    time.sleep(0.02)


def replaces_the_oldest(workers):
    credentials = Credentials()
    keys(credentials, "sensor-1", "sensor-2")
    server = serve(credentials, REPLACES, top=f"workers: {workers}")
    other = connect(server.port, credentials, "sensor-2")
    other.echo()
    ids = []
    for _ in range(6):
        before = server.mark()
        connect(server.port, credentials, "sensor-1", "--resume", "no").echo()
        ids.append(server.wait_line(r"event=connected association=(\w+)\b.*identity=sensor-1", start=before).group(1))
        next_tick()
        if len(ids) > 2: # the oldest one, by its number
            server.wait_line(rf"event=closed association={ids[len(ids) - 3]}\b.*reason=closed_identity_limit", start=before)
    check_equal(server.counter("closed_identity_limit"), 4, "closed_identity_limit")
    other.echo()
    check_equal(server.stop(), 0, "exit status")


@case
def rules_replace_the_oldest_with_one_worker():
    replaces_the_oldest(1)


@case
def rules_replace_the_oldest_with_eight_workers():
    replaces_the_oldest(8)


@case
def rules_limits_hold_over_a_restart():
    """The associations that a dead server left are counted by the next one."""
    credentials = Credentials()
    made = keys(credentials, "sensor-1")
    server = serve(credentials, REFUSES, keeper="auto")
    first, second = connect(server.port, credentials, "sensor-1"), connect(server.port, credentials, "sensor-1")
    first.echo()
    second.echo()
    before = server.mark()
    harness.os.kill(server.serving, signal.SIGKILL)
    server.wait_line(r"event=ready pid=", start=before)
    first.echo()
    second.echo()
    psk(server, "sensor-1", made["sensor-1"]).expect_refused(server, r"event=refused\b.*counter=fail_identity_limit.*",
                                                              start=before)
    first.echo()
    second.echo()
    check(not server.find(r"event=closed\b", start=before), "one of them ended")
    check_equal(server.stop(), 0, "exit status")


@case
def rules_that_a_reload_tightens_end_the_surplus():
    credentials = Credentials()
    keys(credentials, "sensor-1")
    server = serve(credentials, "\n      - action: allow\n", top="workers: 4")
    ids = []
    for _ in range(5):
        before = server.mark()
        connect(server.port, credentials, "sensor-1", "--resume", "no").echo()
        ids.append(server.wait_line(r"event=connected association=(\w+)\b", start=before).group(1))
        next_tick()
    write(credentials, REPLACES, top="workers: 4")
    before = server.mark()
    reload(server)
    for gone in ids[:3]:
        server.wait_line(rf"event=closed association={gone}\b.*reason=closed_identity_limit", start=before)
    check(not any(server.find(rf"event=closed association={kept}\b") for kept in ids[3:]), "a younger one ended")
    check_equal(server.stop(), 0, "exit status")


@case
def associations_of_a_network_are_limited_over_all_workers():
    credentials = Credentials()
    made = keys(credentials, "sensor-1", "sensor-2", "sensor-3")
    server = serve(credentials, "\n      - action: allow\n", top="workers: 8\nassociations-prefix-max: 2")
    first = connect(server.port, credentials, "sensor-1")
    first.echo()
    psk(server, "sensor-2", made["sensor-2"]).echo()
    psk(server, "sensor-3", made["sensor-3"]).expect_refused(server, r"event=refused\b.*counter=fail_prefix_limit.*")
    psk(server, "sensor-3", made["sensor-3"], source="127.0.0.9").echo()
    first.end_of_input()
    ended(server, "sensor-1", "closed_by_peer")
    psk(server, "sensor-3", made["sensor-3"]).echo()
    check_equal(server.stop(), 0, "exit status")


@case
def associations_in_all_are_limited_over_all_workers():
    """The memory of so few has room for more in each shard: what holds is the number that was asked for."""
    credentials = Credentials()
    server = serve(credentials, "\n      - action: allow\n", top="workers: 8\nassociations-max: 64")
    harness.run([DTLSGATE, "bench", f"127.0.0.1:{server.port}", *credentials.psk(), "--load", "idle", "--associations", "90",
                 "--duration", "1", "--handshake-timeout", "3" if not harness.SANITIZED else "10"], timeout=60)
    found = server.counters()
    check(found.get("table_full", 0) >= 26, f"table_full: {found.get('table_full')}")
    live = found["associations_opened"] - found.get("associations_closed", 0)
    check(56 <= live <= 64, f"{live} associations") # who comes at the brim with others may be refused with them
    check_equal(server.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
