# SPDX-License-Identifier: GPL-3.0-or-later
#
# Other people's clients against the running server: openssl s_client, gnutls-cli and
# wolfSSL's, with certificates and pre-shared keys, with the lines that `make run` prints;
# and strangers of every kind, who get nothing while the log says why.
# ctest: timeout=300

import datetime
import re
import signal
import socket

import clients
import harness
from harness import Credentials, Failed, Server, case, check, check_equal, run


def serve(credentials, *options, **more):
    # A wrong key of DTLS 1.2 is known for certain only when the handshake is given up (RFC 6347 4.1.2.7).
    return Server(*credentials.both("--handshake-timeout", "2", *options), **more)


def demo_lines(credentials, port):
    """The four lines that scripts/run prints, filled in as its here-document is, ready for a shell."""
    text = (harness.SOURCE / "scripts" / "run").read_text()
    printed = re.search(r"^cat <<EOF\n(.*?)^EOF$", text, re.S | re.M).group(1)
    values = {"$listen": f"127.0.0.1:{port}", "$port": str(port), "$demo": str(credentials.path),
              "${listen%:*}": "127.0.0.1", "$gnutls_psk": "+ECDHE-PSK"}
    printed = re.sub(r"\$\{listen%:\*\}|\$(?:listen|port|demo|gnutls_psk)\b", lambda m: values[m.group(0)], printed)
    return [line.strip().replace("\\$(", "$(") for line in printed.splitlines()
            if line.strip().startswith(("openssl s_client", "gnutls-cli"))]


def printed_line_echoes(tool, psk):
    credentials = Credentials()
    server = serve(credentials)
    lines = [x for x in demo_lines(credentials, server.port) if x.startswith(tool) and ("psk" in x) == psk]
    check_equal(len(lines), 1, f"lines that make run prints for {tool}, psk={psk}")
    client = clients.Client(["sh", "-c", "exec " + lines[0]], name=lines[0])
    client.echo()
    client.echo()
    proof = "psk" if psk else "certificate"
    server.wait_line(rf"event=connected\b.* proof={proof} version=DTLSv1\.2\b.*identity={'demo' if psk else '.*demo-client'}")


@case
def openssl_with_certificate_as_make_run_prints_it():
    printed_line_echoes("openssl", psk=False)


@case
def openssl_with_psk_as_make_run_prints_it():
    printed_line_echoes("openssl", psk=True)


@case
def gnutls_with_certificate_as_make_run_prints_it():
    printed_line_echoes("gnutls-cli", psk=False)


@case
def gnutls_with_psk_as_make_run_prints_it():
    # gnutls-cli of Debian 12 (3.7.9) reads through a null pointer after every ECDHE-PSK handshake, with any server:
    # there the handshake is all it can show, and the echo is shown with plain PSK below.
    credentials = Credentials()
    server = serve(credentials)
    line = next(x for x in demo_lines(credentials, server.port) if x.startswith("gnutls-cli") and "psk" in x)
    client = clients.Client(["sh", "-c", "exec " + line], name=line)
    server.wait_line(r"event=connected\b.* proof=psk version=DTLSv1\.2\b.*identity=demo")
    try:
        client.echo()
    except (Failed, OSError):
        check(gnutls_has_the_defect() and client.wait() == -signal.SIGSEGV, "connected, but no echo")


def gnutls_has_the_defect():
    return re.search(r"gnutls-cli 3\.[0-7]\.", run(["gnutls-cli", "--version"])[1]) is not None


@case
def gnutls_with_plain_psk_under_the_iot_profile():
    credentials = Credentials()
    server = serve(credentials, "--profile", "iot")
    clients.Gnutls(server.port, "--priority", "NORMAL:-KX-ALL:+PSK", "--pskusername", credentials.identity, "--pskkey",
                   credentials.key).echo()
    server.wait_line(r"event=connected\b.* proof=psk version=DTLSv1\.2 suite=TLS_PSK_WITH_AES_128_GCM_SHA256\b")


@case
def plain_psk_is_refused_under_the_modern_profile():
    credentials = Credentials()
    server = serve(credentials)
    client = clients.Gnutls(server.port, "--priority", "NORMAL:-KX-ALL:+PSK", "--pskusername", credentials.identity,
                            "--pskkey", credentials.key)
    client.expect_refused(server, r"event=refused\b.*counter=fail_no_common")


@case
def wolfssl_1_2_with_psk_and_connection_id():
    credentials = Credentials()
    server = serve(credentials)
    client = clients.wolf_psk(server.port, credentials, "--cid", "c1c2c3", version="1.2")
    agreed = client.connected()
    check_equal(agreed["version"], "1.2", "version")
    check_equal(agreed["cid_in"], "c1c2c3", "the client's connection ID")
    check(len(agreed["cid_out"]) >= 16, f"the server's connection ID: {agreed['cid_out']}")
    for _ in range(3):
        client.echo()
    server.wait_line(rf"event=connected\b.* cid={agreed['cid_out']} identity=demo")


@case
def wolfssl_1_3_with_certificate_hybrid_group_and_connection_id():
    credentials = Credentials()
    server = serve(credentials)
    client = clients.wolf_certificate(server.port, credentials, "--cid", "c1c2c3c4", "--group", "X25519MLKEM768")
    agreed = client.connected()
    check_equal(agreed["version"], "1.3", "version")
    check("MLKEM" in agreed["group"].upper(), f"group: {agreed['group']}")
    check_equal(agreed["cid_in"], "c1c2c3c4", "the client's connection ID")
    for _ in range(3):
        client.echo()
    server.wait_line(rf"event=connected\b.* proof=certificate version=DTLSv1\.3\b.*MLKEM.* cid={agreed['cid_out']}")


@case
def wolfssl_1_3_with_psk():
    credentials = Credentials()
    server = serve(credentials)
    client = clients.wolf_psk(server.port, credentials)
    check_equal(client.connected()["version"], "1.3", "version")
    for _ in range(3):
        client.echo()


@case
def wolfssl_1_3_key_updates_both_ways_keep_the_echo():
    credentials = Credentials()
    server = serve(credentials)
    client = clients.wolf_psk(server.port, credentials, "--cid", "c1")
    client.connected()
    for _ in range(4):
        client.echo()
        client.say("!key-update")
    client.echo()


@case
def client_that_closes_is_gone_from_the_server():
    credentials = Credentials()
    server = serve(credentials)
    for make in (lambda: clients.openssl_certificate(server.port, credentials),
                 lambda: clients.wolf_psk(server.port, credentials)):
        client = make()
        client.echo()
        before = server.mark()
        client.end_of_input()
        server.wait_line(r"event=closed\b.*reason=closed_by_peer", start=before)
    check_equal(server.stop(), 0, "exit status")


# --- strangers ----------------------------------------------------------------


def refused(server, client, counter, claimed=None, reason=None):
    """The client gets nothing, the log says who and why, and the server lives on."""
    line = client.expect_refused(server, rf"event=refused\b.*counter={counter}\b.*")
    if claimed:
        check(re.search(rf"claimed_identity=\"?[^ ]*{claimed}", line), f"the log does not name {claimed}: {line}")
    if reason:
        check(re.search(reason, line), f"the log does not say '{reason}': {line}")
    check(not server.find(r"event=connected"), "the stranger was let in")
    check_equal(server.counter("plaintext_delivered"), 0, "records of a stranger handed to the backend")


@case
def stranger_without_certificate_gets_nothing():
    credentials = Credentials()
    server = serve(credentials)
    refused(server, clients.Openssl(server.port, "-CAfile", credentials["ca.pem"]), "fail_no_certificate")


@case
def stranger_of_another_ca_with_the_same_name_gets_nothing():
    credentials = Credentials()
    credentials.make_ca("other-ca")
    credentials.make_certificate("intruder", ca="other-ca")
    server = serve(credentials)
    refused(server, clients.openssl_certificate(server.port, credentials, "intruder"), "fail_certificate")


@case
def stranger_with_expired_certificate_gets_nothing():
    credentials = Credentials()
    now = datetime.datetime.now(datetime.timezone.utc)
    dates = [(now - datetime.timedelta(days=d)).strftime("%y%m%d%H%M%SZ") for d in (3, 1)]
    credentials.make_certificate("late", dates=dates)
    server = serve(credentials)
    refused(server, clients.openssl_certificate(server.port, credentials, "late"), "fail_certificate", reason="expired")


@case
def stranger_with_certificate_of_the_future_gets_nothing():
    credentials = Credentials()
    now = datetime.datetime.now(datetime.timezone.utc)
    dates = [(now + datetime.timedelta(days=d)).strftime("%y%m%d%H%M%SZ") for d in (1, 2)]
    credentials.make_certificate("early", dates=dates)
    server = serve(credentials)
    refused(server, clients.openssl_certificate(server.port, credentials, "early"), "fail_certificate")


@case
def stranger_with_certificate_for_another_purpose_gets_nothing():
    credentials = Credentials()
    credentials.make_certificate("purpose", extension="serverAuth")
    server = serve(credentials)
    refused(server, clients.openssl_certificate(server.port, credentials, "purpose"), "fail_certificate")


@case
def client_certificate_made_with_openssl_is_let_in():
    # The counterpart of the four above: what differs there is what is refused.
    credentials = Credentials()
    credentials.make_certificate("friend")
    server = serve(credentials)
    clients.openssl_certificate(server.port, credentials, "friend").echo()


@case
def stranger_with_wrong_psk_gets_nothing_and_is_named():
    credentials = Credentials()
    server = serve(credentials)
    wrong = harness.fresh_key()
    refused(server, clients.openssl_psk(server.port, "demo", wrong), "fail_wrong_key", "demo", reason="(?i)wrong key")
    check(wrong not in server.text() and credentials.key not in server.text(), "a key in the log")


@case
def stranger_with_wrong_psk_in_1_3_gets_nothing_and_is_named():
    credentials = Credentials()
    server = serve(credentials)
    credentials.write_psk({"demo": harness.fresh_key()}, "wrong.txt")
    refused(server, clients.wolf_psk(server.port, credentials, psk="wrong.txt"), "fail_wrong_key", "demo",
            reason="(?i)wrong key")


@case
def stranger_with_unknown_identity_gets_nothing_and_is_named():
    credentials = Credentials()
    server = serve(credentials)
    refused(server, clients.openssl_psk(server.port, "nobody-we-know", harness.fresh_key()), "fail_unknown_identity",
            "nobody-we-know")


@case
def stranger_with_a_hostile_identity_cannot_forge_a_log_line():
    credentials = Credentials()
    server = serve(credentials)
    hostile = 'x\nlevel=info event=connected identity="admin" \x1b[2J'
    client = clients.openssl_psk(server.port, hostile, harness.fresh_key())
    line = client.expect_refused(server, r"event=refused\b.*claimed_identity=.*")
    check(r"\x0a" in line and "\x1b" not in line, f"not escaped: {line}")
    check(not any(x.startswith("level=info event=connected") for x in server.lines), "a forged log line")


@case
def gnutls_stranger_with_wrong_psk_gets_nothing():
    credentials = Credentials()
    server = serve(credentials)
    refused(server, clients.gnutls_psk(server.port, "demo", harness.fresh_key()), "fail_wrong_key", "demo")


@case
def plaintext_of_a_stranger_gets_nothing():
    credentials = Credentials()
    server = serve(credentials)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for datagram in (b"hello", b"\x17\xfe\xfd" + bytes(8) + b"\0\5hello", b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\0", b""):
            stranger.sendto(datagram, ("127.0.0.1", server.port))
        stranger.settimeout(0.5)
        try:
            answer = stranger.recv(4096)
        except TimeoutError:
            answer = None
        check(answer is None, f"answered with {answer!r}")
    client = clients.wolf_psk(server.port, credentials)
    client.echo()


if __name__ == "__main__":
    harness.main()
