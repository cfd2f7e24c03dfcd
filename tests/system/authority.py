# SPDX-License-Identifier: GPL-3.0-or-later
#
# A certification authority of tests: issues certificates under the demo CA of `dtlsgate init`, revokes them, and
# publishes its list. openssl does the work; only the files are ours.

import os

import harness
from harness import openssl


class Authority:
    """The demo CA with openssl's book of what it has issued and revoked."""

    def __init__(self, credentials):
        self.credentials = credentials
        self.work = harness.folder()
        (self.work / "index").write_text("")
        (self.work / "number").write_text("01\n")
        (self.work / "conf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={self.work}/index\nnew_certs_dir={self.work}\nrand_serial=yes\n"
            f"crlnumber={self.work}/number\ndefault_md=sha256\npolicy=p\nunique_subject=no\ncopy_extensions=copy\n"
            "x509_extensions=x\ncrl_extensions=l\n[p]\ncommonName=supplied\norganizationalUnitName=optional\n"
            "[x]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
            "[l]\nauthorityKeyIdentifier=keyid:always\n")
        self.ca = ["-config", self.work / "conf", "-cert", credentials["ca.pem"], "-keyfile", credentials["ca.key"]]

    def issue(self, name, subject, kind="P-256", names=None, days="2"):
        """NAME.pem and NAME.key of this kind of key."""
        key, request = self.credentials.path / f"{name}.key", self.work / f"{name}.csr"
        algorithm = {"RSA": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "Ed25519": ["ED25519"]}.get(
            kind, ["EC", "-pkeyopt", f"ec_paramgen_curve:{kind}"])
        openssl("genpkey", "-algorithm", *algorithm, "-out", key)
        key.chmod(0o600)
        openssl("req", "-new", "-key", key, "-subj", subject, "-out", request,
                *(["-addext", f"subjectAltName={names}"] if names else []))
        openssl("ca", "-batch", "-notext", *self.ca, "-in", request, "-days", days,
                "-out", self.credentials.path / f"{name}.pem")
        return self.credentials[f"{name}.pem"], self.credentials[f"{name}.key"]

    def revoke(self, name):
        openssl("ca", *self.ca, "-revoke", self.credentials[f"{name}.pem"])

    def list(self, *when):
        """crl.pem, as it is now, in one step as a tool that fetches lists would."""
        openssl("ca", *self.ca, "-gencrl", *(when or ("-crldays", "40")), "-out", self.work / "new")
        os.replace(self.work / "new", self.credentials.path / "crl.pem")
        return self.credentials["crl.pem"]
