# SPDX-License-Identifier: GPL-3.0-or-later
#
# CWE-807, peer verification switched off: mutual authentication is the default, a server
# without anything to check clients by refuses to start and says what is missing, and
# letting everybody in takes an explicit word and a warning at every start.

import signal

import clients
import harness
from harness import DTLSGATE, Credentials, Server, case, check, check_equal, run


def refuses_to_start(options, *expected):
    status, text = run([DTLSGATE, "serve", "--listen", "127.0.0.1:0", "--backend", "echo", *options], timeout=10)
    check(status in (1, 2), f"status {status}, expected 1 or 2: {text}")
    for word in expected:
        check(word in text, f"the message does not say '{word}': {text}")
    check("event=listening" not in text, f"it listened: {text}")


@case
def no_credentials_at_all_refuses_to_start():
    refuses_to_start([], "--psk-file", "--cert")


@case
def server_certificate_without_anything_to_check_clients_by_refuses_to_start():
    c = Credentials()
    refuses_to_start(["--cert", c["server.pem"], "--key", c["server.key"]], "check clients", "--psk-file",
                     "--client-ca", "--client-keys", "insecure-none")


@case
def psk_file_without_a_key_refuses_to_start():
    c = Credentials()
    c.write_psk({}, "empty.txt")
    refuses_to_start(["--psk-file", c["empty.txt"]], "empty.txt")


@case
def client_ca_file_without_a_certificate_refuses_to_start():
    c = Credentials()
    (c.path / "empty.pem").write_text("# nothing here\n")
    refuses_to_start(["--cert", c["server.pem"], "--key", c["server.key"], "--client-ca", c["empty.pem"]], "empty.pem")


@case
def other_words_do_not_switch_verification_off():
    c = Credentials()
    for word in ("none", "no", "off", "", "0", "insecure", "optional"):
        refuses_to_start(["--cert", c["server.pem"], "--key", c["server.key"], "--client-auth", word],
                         "client-auth", "insecure-none")


@case
def verification_is_on_when_nothing_is_said():
    c = Credentials()
    server = Server(*c.certificates())
    clients.Openssl(server.port, "-CAfile", c["ca.pem"]).expect_refused(server, "counter=fail_no_certificate")
    check(not server.find("insecure"), "a warning of insecurity without reason")


@case
def verification_switched_off_is_warned_of_at_every_start():
    c = Credentials()
    options = ["--cert", c["server.pem"], "--key", c["server.key"], "--client-auth", "insecure-none"]
    for _ in range(2):
        server = Server(*options, level="info")
        server.wait_line(r"level=(warning|error) .*insecure-none")
        clients.Openssl(server.port, "-CAfile", c["ca.pem"]).echo()
        server.wait_line(r"event=connected\b.* proof=none")
        check_equal(server.stop(), 0, "exit status")


@case
def verification_switched_off_by_a_reload_is_warned_of():
    c = Credentials()
    path = c.path / "gate.yaml"
    listener = "listeners:\n  - name: gate\n    listen: 127.0.0.1:0\n    backend: echo\n    cert: server.pem\n    key: server.key\n"
    path.write_text(listener + "    client-ca: ca.pem\n")
    server = harness.ConfiguredServer(path)
    server.wait_line("event=ready")
    path.write_text(listener + "    client-auth: insecure-none\n")
    server.signal(signal.SIGHUP)
    server.wait_line("event=reloaded")
    check(server.find("level=warning event=insecure listener=gate .*insecure-none"), "nothing says that everybody is let in now")


@case
def verification_switched_off_still_checks_what_clients_show():
    # A certificate of a foreign CA is no proof; a wrong pre-shared key cannot work.
    c = Credentials()
    server = Server(*c.psk("--cert", c["server.pem"], "--key", c["server.key"], "--client-auth", "insecure-none",
                          "--handshake-timeout", "2"))
    clients.openssl_psk(server.port, "demo", harness.fresh_key()).expect_refused(server, "counter=fail_wrong_key")


if __name__ == "__main__":
    harness.main()
