# SPDX-License-Identifier: GPL-3.0-or-later
#
# Certificates as an operator uses them: several for a listener, chosen by the name that a client asks for; revocation
# lists, on a reload and while no server lives; fingerprints, rules for names, ticket keys of two servers, and what the log
# says of what ends soon. CAs, lists and most clients are openssl's.
# ctest: timeout=300

import os
import re
import secrets
import signal

import clients
import harness
from authority import Authority
from harness import DTLSGATE, ConfiguredServer, Credentials, Server, case, check, check_equal, main, openssl, run


def reload(server, pattern=r"event=reloaded", number=signal.SIGHUP):
    before = server.mark()
    server.signal(number)
    return server.wait_line(pattern, start=before)


def connect(port, credentials, name="client", *options):
    return clients.Client([DTLSGATE, "connect", f"127.0.0.1:{port}", "--ca", credentials["ca.pem"], "--cert",
                           credentials[f"{name}.pem"], "--key", credentials[f"{name}.key"], *options],
                          name="dtlsgate connect", merge=True)


def strangers(server, credentials, name, reason, *options):
    """A client that is refused, in words."""
    before = server.mark()
    client = clients.Openssl(server.port, "-cert", credentials[f"{name}.pem"], "-key", credentials[f"{name}.key"], *options,
                             quiet=False)
    line = server.wait_line(rf"event=refused\b.*{reason}.*", start=before).group(0)
    return client, line


# --- several certificates -----------------------------------------------------

def many(credentials, authority):
    authority.issue("rsa", "/CN=rsa", "RSA", "DNS:rsa.example")
    authority.issue("ed", "/CN=ed", "Ed25519", "DNS:ed.example")
    authority.issue("wild", "/CN=wild", "P-384", "DNS:*.fleet.example")
    path = credentials.path / "many.yaml"
    path.write_text("""
log-level: debug
listeners:
  - name: gate
    listen: 127.0.0.1:0
    backend: echo
    client-ca: ca.pem
    certificates:
      - { cert: server.pem, key: server.key }
      - { cert: rsa.pem, key: rsa.key }
      - { cert: ed.pem, key: ed.key }
      - { cert: wild.pem, key: wild.key }
""", encoding="utf-8")
    return path


NAMES = {"rsa.example": "rsa", "ed.example": "ed", "m1.fleet.example": "wild", "localhost": "localhost",
         "nobody.example": "localhost"}


@case
def certificate_is_chosen_by_servername_for_openssl():
    credentials = Credentials()
    server = ConfiguredServer(many(credentials, Authority(credentials)))
    for name, shown in NAMES.items():
        client = clients.Openssl(server.port, "-CAfile", credentials["ca.pem"], "-cert", credentials["client.pem"], "-key",
                                 credentials["client.key"], "-servername", name, quiet=False)
        client.wait_line(rf"^subject=CN = {shown}$")
        client.wait_line(r"Verify return code: 0 \(ok\)")
        client.echo()
        client.kill()
    check_equal(server.stop(), 0, "exit status")


@case
def certificate_is_one_that_openssl_can_verify():
    credentials = Credentials()
    server = ConfiguredServer(many(credentials, Authority(credentials)))
    # Without a name: the first that the client's algorithms and suites can verify.
    for algorithms, shown in (("rsa_pss_rsae_sha256:RSA+SHA256", "rsa"), ("ECDSA+SHA256", "localhost"), ("ed25519", "ed")):
        # its own certificate is of P-256, so it lets the server ask for that (the client's list is of the server's)
        client = clients.Openssl(server.port, "-CAfile", credentials["ca.pem"], "-sigalgs", algorithms, "-noservername",
                                 quiet=False)
        client.wait_line(rf"^subject=CN = {shown}$")
        client.kill()
    check_equal(server.stop(), 0, "exit status")


@case
def certificates_of_every_kind_serve_our_own_client():
    credentials = Credentials()
    authority = Authority(credentials)
    server = ConfiguredServer(many(credentials, authority))
    authority.issue("rsa-client", "/CN=rsa-client", "RSA")
    authority.issue("ed-client", "/CN=ed-client", "Ed25519")
    for version in ("1.2", "1.3"):
        for name in ("rsa.example", "ed.example", "m1.fleet.example", "localhost"):
            client = connect(server.port, credentials, "client", "--server-name", name, "--dtls", version)
            client.echo()
            client.kill()
        for name in ("rsa-client", "ed-client"):
            before = server.mark()
            client = connect(server.port, credentials, name, "--server-name", "localhost", "--dtls", version)
            client.echo()
            server.wait_line(rf"event=connected\b.* proof=certificate version=DTLSv{version}\b.*identity={name}\b", start=before)
            client.kill()
    check_equal(server.stop(), 0, "exit status")


@case
def certificate_that_is_wrong_is_named_and_changes_nothing_on_a_reload():
    credentials = Credentials()
    authority = Authority(credentials)
    server = ConfiguredServer(many(credentials, authority))
    right = (credentials.path / "rsa.key").read_bytes()
    (credentials.path / "rsa.key").write_bytes((credentials.path / "ed.key").read_bytes())
    reload(server, r"event=reload-refused\b.*rsa\.key.*does not belong to the certificate in .*rsa\.pem")
    connect(server.port, credentials, "client", "--server-name", "rsa.example").echo()
    (credentials.path / "rsa.key").write_bytes(right)
    reload(server)
    connect(server.port, credentials, "client", "--server-name", "rsa.example").echo()
    check_equal(server.stop(), 0, "exit status")


@case
def certificate_that_ends_soon_is_warned_of():
    credentials = Credentials()
    authority = Authority(credentials)
    authority.issue("soon", "/CN=soon", names="DNS:soon.example")
    options = ["--cert", credentials["soon.pem"], "--key", credentials["soon.key"], "--client-ca", credentials["ca.pem"]]
    server = Server(*options)
    server.wait_line(r"event=certificate_expires\b.*soon\.pem days_left=[12] advice=\"renew .*then reload\"")
    reload(server, r"event=certificate_expires\b.*soon\.pem")
    check_equal(server.stop(), 0, "exit status")
    server = Server(*options, "--expiry-warning", "0")
    check(not server.find(r"event=certificate_expires"), "warned all the same")
    check_equal(server.stop(), 0, "exit status")
    server = Server(*options, "--client-crl", authority.list(), "--expiry-warning", "3650")
    server.wait_line(r"event=ca_expires\b.*ca\.pem line=1 days_left=\d+ advice=")
    server.wait_line(r"event=crl_expires\b.*ca\.pem line=1 days_left=(39|40) advice=")
    check_equal(server.stop(), 0, "exit status")


# --- revocation ---------------------------------------------------------------

REVOKED = r"counter=fail_revoked|the client's certificate has been revoked"


def revoking(**more):
    credentials = Credentials()
    authority = Authority(credentials)
    for name in ("good", "bad"):
        authority.issue(name, f"/CN={name}")
    authority.list()
    return credentials, authority, Server(*credentials.certificates("--client-crl", credentials["crl.pem"]), **more)


@case
def revoked_client_is_closed_by_a_reload_and_stays_out():
    credentials, authority, server = revoking()
    good = connect(server.port, credentials, "good", "--server-name", "localhost")
    bad = connect(server.port, credentials, "bad", "--server-name", "localhost")
    old = clients.openssl_certificate(server.port, credentials, "bad")
    for client in (good, bad, old):
        client.echo()
    authority.revoke("bad")
    authority.list()
    before = server.mark()
    reload(server)
    for _ in range(2):
        server.wait_line(r"event=closed\b.*identity=bad\b", start=before)
    good.echo()
    check(not server.find(r"event=closed\b.*identity=good\b", start=before), "the other one ended too")
    client, _ = strangers(server, credentials, "bad", "has been revoked")
    client.wait_line(r"certificate revoked|alert number 44")
    good.echo()
    check(server.counter("fail_revoked") >= 1, "not counted")
    check_equal(server.stop(), 0, "exit status")


@case
def client_revoked_while_no_server_lives_gets_nothing_delivered():
    credentials, authority, server = revoking(keeper="auto")
    good = connect(server.port, credentials, "good", "--server-name", "localhost")
    bad = connect(server.port, credentials, "bad", "--server-name", "localhost")
    good.echo()
    bad.echo()
    authority.revoke("bad")
    authority.list()  # a server that runs does not look at it by itself
    bad.echo()
    before = server.mark()
    os.kill(server.serving, signal.SIGKILL)
    server.wait_line(r"event=ready pid=", start=before)
    word = "word-" + secrets.token_hex(8)
    try:
        bad.say(word)
    except OSError:
        pass  # it has been told that it is closed, and ended
    good.echo()
    server.wait_line(r"event=closed\b.*identity=bad\b", start=before)
    server.counters()  # what was on its way has been dealt with
    check(not bad.find(word), "its word was delivered")
    strangers(server, credentials, "bad", "has been revoked")
    check(not server.find(r"event=closed\b.*identity=good\b", start=before), "the other one ended too")


@case
def session_of_a_revoked_client_does_not_go_on():
    credentials, authority, server = revoking()
    session = str(credentials.path / "session")
    first = clients.Openssl(server.port, "-cert", credentials["bad.pem"], "-key", credentials["bad.key"], "-sess_out", session,
                            quiet=False)
    first.echo()
    first.end_of_input()
    first.wait()
    again = clients.Openssl(server.port, "-cert", credentials["bad.pem"], "-key", credentials["bad.key"], "-sess_in", session,
                            quiet=False)
    again.wait_line(r"^Reused, ")
    again.echo()
    again.kill()
    authority.revoke("bad")
    authority.list()
    reload(server)
    strangers(server, credentials, "bad", "has been revoked", "-sess_in", session)
    check_equal(server.stop(), 0, "exit status")


@case
def list_that_is_stale_refuses_until_the_next_one_is_there():
    credentials = Credentials()
    authority = Authority(credentials)
    authority.issue("good", "/CN=good")
    authority.list("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")
    options = credentials.certificates("--client-crl", credentials["crl.pem"])
    server = Server(*options)
    server.wait_line(r"event=crl_stale\b.*ca\.pem.*advice=")
    strangers(server, credentials, "good", "is not current")
    authority.list()
    reload(server)
    clients.openssl_certificate(server.port, credentials, "good").echo()
    # One that nobody can verify changes nothing.
    forged = (credentials.path / "crl.pem").read_text().splitlines()
    forged[-2] = forged[-2][:4] + ("A" if forged[-2][4] != "A" else "B") + forged[-2][5:]
    (credentials.path / "crl.pem").write_text("\n".join(forged) + "\n")
    reload(server, r"event=reload-refused\b.*crl\.pem:1: ")
    clients.openssl_certificate(server.port, credentials, "good").echo()
    check_equal(server.stop(), 0, "exit status")


@case
def list_of_another_ca_leaves_ours_without_one():
    credentials = Credentials()
    authority = Authority(credentials)
    authority.issue("good", "/CN=good")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
            "/CN=other", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", credentials.path / "other.key",
            "-out", credentials.path / "other.pem")
    both = credentials.path / "both.pem"
    both.write_text((credentials.path / "ca.pem").read_text() + (credentials.path / "other.pem").read_text())
    ours = authority.ca
    authority.ca = ["-config", authority.work / "conf", "-cert", credentials["other.pem"], "-keyfile", credentials["other.key"]]
    authority.list()
    authority.ca = ours
    options = ["--cert", credentials["server.pem"], "--key", credentials["server.key"], "--client-ca", str(both),
               "--client-crl", credentials["crl.pem"]]
    server = Server(*options)
    server.wait_line(r"event=crl_missing\b.*both\.pem line=1\b")
    strangers(server, credentials, "good", "there is no revocation list of the CA")
    check_equal(server.stop(), 0, "exit status")
    server = Server(*options, "--crl-missing", "accept")
    clients.openssl_certificate(server.port, credentials, "good").echo()
    check_equal(server.stop(), 0, "exit status")


# --- fingerprints and names ---------------------------------------------------

@case
def fingerprint_as_openssl_prints_it_lets_a_certificate_in():
    credentials = Credentials()
    prints = credentials.path / "fingerprints"
    for name in ("own", "foreign"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                f"/CN={name}", "-keyout", credentials.path / f"{name}.key", "-out", credentials.path / f"{name}.pem")
    prints.write_text(run(["openssl", "x509", "-in", credentials["own.pem"], "-noout", "-fingerprint", "-sha256"])[1])
    server = Server("--cert", credentials["server.pem"], "--key", credentials["server.key"], "--client-fingerprints", prints)
    own = clients.openssl_certificate(server.port, credentials, "own")
    own.echo()
    server.wait_line(r"event=connected\b.* proof=certificate\b.*identity=own\b")
    ours = connect(server.port, credentials, "own", "--server-name", "localhost")
    ours.echo()
    strangers(server, credentials, "foreign", "of an unknown CA")
    strangers(server, credentials, "client", "of an unknown CA")
    # Its line gone, it goes too.
    other = run(["openssl", "x509", "-in", credentials["foreign.pem"], "-noout", "-fingerprint", "-sha256"])[1]
    digits = other.strip().split("=")[1].replace(":", "").lower()
    prints.write_text(f"# of today\n{digits}  the other one\n")
    before = server.mark()
    reload(server)
    for _ in range(2):
        server.wait_line(r"event=closed\b.*identity=own\b", start=before)
    clients.openssl_certificate(server.port, credentials, "foreign").echo()
    prints.write_text(digits[:-1] + "\n")
    reload(server, r"event=reload-refused\b.*fingerprints:1: this is no fingerprint")
    check_equal(server.stop(), 0, "exit status")


@case
def rules_for_names_let_in_and_their_removal_ends():
    credentials = Credentials()
    authority = Authority(credentials)
    authority.issue("metering", "/CN=m-1/OU=Metering")
    authority.issue("billing", "/CN=b-1/OU=Billing")
    authority.issue("named", "/CN=n-1", names="DNS:n1.meters.example,URI:urn:dev:1")
    path = credentials.path / "names.yaml"

    def write(rules):
        path.write_text("log-level: debug\nlisteners:\n  - name: gate\n    listen: 127.0.0.1:0\n    backend: echo\n"
                        "    client-ca: ca.pem\n    cert: server.pem\n    key: server.key\n"
                        f"    client-names: {rules}\n", encoding="utf-8")
        return path

    server = ConfiguredServer(write('["ou:Meter*", "dns:*.meters.example"]'))
    metering = clients.openssl_certificate(server.port, credentials, "metering")
    named = clients.openssl_certificate(server.port, credentials, "named")
    metering.echo()
    named.echo()
    strangers(server, credentials, "billing", "bears none of the names")
    write('["dns:*.meters.example"]')
    before = server.mark()
    reload(server)
    server.wait_line(r"event=closed\b.*identity=m-1\b", start=before)
    named.echo()
    strangers(server, credentials, "metering", "bears none of the names")
    check(server.counter("fail_client_name") >= 1, "not counted")
    write('["meters.example"]')
    reload(server, r"event=reload-refused\b.*meters\.example: this is no rule for names")
    named.echo()
    check_equal(server.stop(), 0, "exit status")


# --- ticket keys --------------------------------------------------------------

def ticket_key():
    return f"{secrets.token_hex(16)}:{secrets.token_hex(32)}\n"


def write_keys(credentials, *keys):
    path = credentials.path / "ticket-keys"
    path.touch(0o600)
    path.write_text("".join(keys))
    return str(path)


def agreed(port, credentials, *options):
    """"New" or "Reused"."""
    client = clients.Openssl(port, "-cert", credentials["client.pem"], "-key", credentials["client.key"], *options, quiet=False)
    word = client.wait_line(r"^(New|Reused), ").group(1)
    client.echo()
    client.end_of_input()
    client.wait()
    return word


@case
def session_moves_to_another_server_with_the_same_ticket_keys():
    credentials = Credentials()
    session = str(credentials.path / "session")
    first, second, third = ticket_key(), ticket_key(), ticket_key()
    options = credentials.certificates("--ticket-keys", write_keys(credentials, first))
    one, two = Server(*options), Server(*options)
    apart = Server(*credentials.certificates())
    check_equal(agreed(one.port, credentials, "-sess_out", session), "New", "the first session")
    check_equal(agreed(two.port, credentials, "-sess_in", session), "Reused", "at the other server")
    check_equal(agreed(apart.port, credentials, "-sess_in", session), "New", "at a server without the keys")
    write_keys(credentials, second, first)
    reload(one)
    check_equal(agreed(one.port, credentials, "-sess_in", session), "Reused", "under the key before")
    write_keys(credentials, third, second)
    reload(one)
    check_equal(agreed(one.port, credentials, "-sess_in", session), "New", "under a key that is gone")
    check_equal(agreed(two.port, credentials, "-sess_in", session), "Reused", "where nobody has reloaded")
    os.chmod(credentials.path / "ticket-keys", 0o644)
    reload(one, r"event=reload-refused\b.*ticket-keys")
    for server in (one, two, apart):
        check(not any(key.strip().split(":")[1][:16] in server.text() for key in (first, second, third)),
              "a key stands in the log")
        check_equal(server.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
