# SPDX-License-Identifier: GPL-3.0-or-later
#
# Other people's DTLS clients as the tests use them: openssl s_client, gnutls-cli and
# wolfSSL's (wolf_echo.c). Each opens, says a word, waits for the answer. Keys of the
# clients' command lines are the clients' manner; the server has none there.

import re
import secrets

import harness
from harness import Failed, Process


class Client(Process):
    def echo(self, word=None, timeout=None):
        """Sends a line and waits for it to come back."""
        word = word or "word-" + secrets.token_hex(8)
        before = self.mark()
        self.say(word)
        self.wait_line(rf"^{re.escape(word)}$", timeout=timeout, start=before)
        return word

    def expect_refused(self, server, pattern=r"event=refused\b.*", start=0):
        """Says a word all the same; passes when the server's log has a line of that pattern and the word has not
        come back. Returns the line."""
        word = "word-" + secrets.token_hex(8)
        try:
            self.say(word)
        except OSError:
            pass
        line = server.wait_line(pattern, start=start).group(0)
        server.counters()  # what was on its way has been dealt with
        if self.find(rf"^{word}$"):
            raise Failed(f"{self.name}: a stranger was answered")
        self.kill()
        return line


class Openssl(Client):
    """openssl s_client, DTLS 1.2."""

    def __init__(self, port, *options, host="127.0.0.1", quiet=True):
        argv = ["openssl", "s_client", "-dtls1_2", "-connect", f"{host}:{port}"]
        # -no_ign_eof: what -quiet switches on, but for the end of the input
        super().__init__(argv + (["-quiet", "-no_ign_eof"] if quiet else []) + list(options), name="openssl s_client")


def openssl_certificate(port, credentials, name="client", **more):
    return Openssl(port, "-CAfile", credentials["ca.pem"], "-cert", credentials[f"{name}.pem"],
                   "-key", credentials[f"{name}.key"], **more)


def openssl_psk(port, identity, key, cipher="ECDHE-PSK-CHACHA20-POLY1305", **more):
    return Openssl(port, "-cipher", cipher, "-psk_identity", identity, "-psk", key, **more)


class Gnutls(Client):
    """gnutls-cli, DTLS 1.2."""

    def __init__(self, port, *options, host="127.0.0.1"):
        super().__init__(["gnutls-cli", "--udp", "-p", str(port), *options, host], name="gnutls-cli")


def gnutls_certificate(port, credentials, name="client"):
    return Gnutls(port, "--verify-hostname", "localhost", "--x509cafile", credentials["ca.pem"],
                  "--x509certfile", credentials[f"{name}.pem"], "--x509keyfile", credentials[f"{name}.key"])


def gnutls_psk(port, identity, key):
    return Gnutls(port, "--priority", "NORMAL:-KX-ALL:+ECDHE-PSK", "--pskusername", identity, "--pskkey", key)


class Wolf(Client):
    """wolfSSL's client over a socket of its own (wolf_echo.c), DTLS 1.2 and 1.3. Its first line says what was
    agreed on: version, suite, group, connection IDs."""

    def __init__(self, port, *options, host="127.0.0.1", version="1.3", merge=True):
        super().__init__([harness.helper("wolf_echo"), "--connect", f"{host}:{port}", "--version", version, *options],
                         name=f"wolf_echo {version}", merge=merge)

    def connected(self, timeout=None):
        """The words of its line "connected key=value ..."."""
        line = self.wait_line(r"^connected (.*)$", timeout=timeout).group(1)
        return dict(word.split("=", 1) for word in line.split())


def wolf_psk(port, credentials, *options, version="1.3", psk="psk.txt", **more):
    return Wolf(port, "--psk-file", credentials[psk], *options, version=version, **more)


def wolf_certificate(port, credentials, *options, name="client", version="1.3", **more):
    return Wolf(port, "--ca", credentials["ca.pem"], "--cert", credentials[f"{name}.pem"],
                "--key", credentials[f"{name}.key"], *options, version=version, **more)
