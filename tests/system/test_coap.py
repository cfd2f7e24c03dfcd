# SPDX-License-Identifier: GPL-3.0-or-later
#
# The main job on real input: libcoap's coap-server, an unchanged plaintext UDP service,
# behind `--backend udp:`; libcoap's own DTLS clients (OpenSSL and GnuTLS) in front, with
# pre-shared keys and certificates, under both profiles: GET, PUT, an observation, and a
# block-wise transfer of 100 kB each way compared byte for byte.
# ctest: timeout=300

import os
import secrets

import harness
from coap import CoapServer
from harness import Credentials, Process, Server, case, check, check_equal, program, run

SIZE = 100_000


class Gate:
    """coap-server behind dtlsgate, and how to call libcoap's clients."""

    def __init__(self, flavour, proof, profile, *options):
        self.client = program(f"coap-client-{flavour}")
        self.credentials = Credentials()
        # coap-client's -k takes the key's bytes as they are, so this key is made of letters.
        self.key = secrets.token_hex(16)
        self.credentials.write_psk({"device-7": self.key.encode().hex()})
        self.service = CoapServer()
        self.server = Server(*self.credentials.both("--profile", profile, *options),
                             backend=f"udp:127.0.0.1:{self.service.port}", level="info")
        self.proof = proof
        if proof == "psk":
            self.flags = ["-u", "device-7", "-k", self.key]
        else:
            self.flags = ["-C", self.credentials["ca.pem"], "-c", self.credentials["client.pem"],
                          "-j", self.credentials["client.key"]]

    def uri(self, path):
        return f"coaps://127.0.0.1:{self.server.port}/{path}"

    def call(self, path, *options, timeout=30):
        status, text = run([self.client, "-B", "20", *self.flags, *options, self.uri(path)], timeout=timeout)
        check(status == 0, f"{os.path.basename(self.client)} {path}: status {status}: {text[-400:]}")
        return text

    def check_main_job(self):
        text = self.call("")
        check("libcoap" in text, f"GET /: {text[-300:]}")
        self.call("note", "-m", "put", "-e", "what-was-put")
        text = self.call("note")
        check("what-was-put" in text, f"GET /note after PUT: {text[-300:]}")
        name = "device-7" if self.proof == "psk" else "demo-client"
        self.server.wait_line(rf"event=connected\b.* proof={self.proof}\b.*{name}")

    def check_observation(self):
        text = self.call("time", "-s", "6", "-w", timeout=40)
        notes = [line for line in text.splitlines() if ":" in line and line.strip()]
        check(len(set(notes)) >= 3, f"expected 3 or more different notifications, got {len(set(notes))}: {text[-500:]}")

    def check_blocks(self):
        folder = harness.folder()
        sent, received = folder / "sent", folder / "received"
        sent.write_bytes(secrets.token_bytes(SIZE))
        self.call("large", "-m", "put", "-b", "1024", "-f", str(sent), timeout=60)
        self.call("large", "-b", "1024", "-o", str(received), timeout=60)
        check_equal(received.stat().st_size, SIZE, "bytes that came back")
        check(received.read_bytes() == sent.read_bytes(), "the bytes that came back differ")


def whole_job(flavour, proof, profile):
    gate = Gate(flavour, proof, profile)
    gate.check_main_job()
    gate.check_blocks()
    gate.check_observation()


@case
def coap_openssl_psk_modern():
    whole_job("openssl", "psk", "modern")


@case
def coap_gnutls_psk_modern():
    whole_job("gnutls", "psk", "modern")


@case
def coap_openssl_certificate_modern():
    whole_job("openssl", "certificate", "modern")


@case
def coap_gnutls_certificate_modern():
    whole_job("gnutls", "certificate", "modern")


@case
def coap_openssl_psk_iot():
    Gate("openssl", "psk", "iot").check_main_job()


@case
def coap_gnutls_psk_iot():
    Gate("gnutls", "psk", "iot").check_main_job()


@case
def coap_openssl_certificate_iot():
    Gate("openssl", "certificate", "iot").check_main_job()


@case
def coap_gnutls_certificate_iot():
    Gate("gnutls", "certificate", "iot").check_main_job()


@case
def coap_client_with_a_wrong_key_reaches_nothing():
    for flavour in ("openssl", "gnutls"):
        gate = Gate(flavour, "psk", "modern", "--handshake-timeout", "2")
        gate.flags = ["-u", "device-7", "-k", secrets.token_hex(16)]
        before = gate.service.mark()
        _, text = run([gate.client, "-B", "2", *gate.flags, gate.uri("")], timeout=20)
        check("libcoap" not in text, f"{flavour}: the service answered: {text}")
        gate.server.wait_line(r"event=refused\b.*counter=fail_wrong_key\b.*claimed_identity=device-7")
        check_equal(gate.server.counter("plaintext_delivered"), 0, "plaintext delivered")
        check_equal(gate.service.mark(), before, "lines of the service's log")


@case
def coap_observer_and_others_do_not_disturb_each_other():
    # Five clients at once, each with a resource of its own, while one observes.
    gate = Gate("openssl", "psk", "modern")
    observer = Process([gate.client, "-B", "20", *gate.flags, "-s", "8", "-w", gate.uri("time")], name="observer")
    observer.wait_line(r"\d:\d\d")
    puts = [Process([gate.client, "-B", "20", *gate.flags, "-m", "put", "-e", f"value-{i}", gate.uri(f"own-{i}")])
            for i in range(5)]
    for put in puts:
        check_equal(put.wait(), 0, "PUT")
    gets = [Process([gate.client, "-B", "20", *gate.flags, gate.uri(f"own-{i}")]) for i in range(5)]
    for i, get in enumerate(gets):
        check_equal(get.wait(), 0, "GET")
        check(f"value-{i}" in get.text(), f"GET own-{i}: {get.text()}")
    check_equal(observer.wait(), 0, "the observer")
    check(len({x for x in observer.lines if ":" in x}) >= 3, f"notifications: {observer.lines}")


if __name__ == "__main__":
    harness.main()
