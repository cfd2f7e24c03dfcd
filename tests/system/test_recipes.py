# SPDX-License-Identifier: GPL-3.0-or-later
#
# docs/recipes.md as a reader follows it: each block of commands is run as it stands in a
# terminal of its own, only the ports are exchanged for free ones, and the last one has to
# print what the document says. CoAP, syslog and DNS with Debian's own programs.

import os
import pathlib
import re
import shutil
import socket

import harness
from harness import SOURCE, Process, case, check, check_equal, program, run

DOCUMENT = SOURCE / "docs" / "recipes.md"
RSYSLOG = SOURCE / "build" / "rsyslog"  # where scripts/setup unpacks what it does not want to install
PORT = re.compile(r"127\.0\.0\.1:(\d+)\b|(?:-p|-P|port=)[ \"]*(\d+)\b")


def sections():
    """{heading: (blocks of commands, expected output)}"""
    found = {}
    for part in re.split(r"^## ", DOCUMENT.read_text(encoding="utf-8"), flags=re.M)[1:]:
        heading = part.splitlines()[0].strip()
        found[heading] = (re.findall(r"^```sh\n(.*?)^```", part, re.M | re.S),
                          "".join(re.findall(r"^```text\n(.*?)^```", part, re.M | re.S)))
    return found


def ports_of(blocks):
    return sorted({int(number) for block in blocks for pair in PORT.findall(block) for number in pair if number})


def free_ports(count):
    """Programs that are told their port cannot be given the kernel's choice: these are free now."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def is_bound(port):
    """Whether a UDP socket of this machine has this port (/proc/net/udp)."""
    return any(line.split()[1].endswith(f":{port:04X}")
               for name in ("/proc/net/udp", "/proc/net/udp6") if os.path.exists(name)
               for line in pathlib.Path(name).read_text().splitlines()[1:])


class Recipe:
    """One section, followed in a fresh folder. opens: which port each block opens, in the order of the blocks."""

    def __init__(self, heading, needs, opens, **environment):
        for name in needs:
            program(name)
        everything = sections()
        check(heading in everything, f"{DOCUMENT} has no section {heading}")
        self.folder = harness.folder()
        self.environment = dict(environment, PATH=f"{pathlib.Path(harness.DTLSGATE).parent}:{os.environ['PATH']}")
        self._run_block(everything["Credentials"][0][0])
        blocks, self.expected = everything[heading]
        ports = ports_of(blocks)
        check_equal(set(opens) - set(ports), set(), f"{heading}: ports that are named here only")
        self.free = dict(zip(ports, free_ports(len(ports))))
        blocks = [self._with_free_ports(block) for block in blocks]
        check_equal(len(blocks), len(opens) + 1, f"{heading}: blocks")
        self.servers = []
        for block, port in zip(blocks, opens):
            server = Process(self._shell(block), name=block.split()[0], env=self.environment)
            server.is_server = True
            self.servers.append(server)
            harness.wait_until(lambda: is_bound(self.free[port]) or not server.running(), f"UDP port {port}")
            check(server.running(), f"{heading}: this ended: {block}: {server.text()[-400:]}")
        self.output = self._run_block(blocks[-1])

    def _with_free_ports(self, block):
        return re.sub(r"\b\d{4,5}\b", lambda m: str(self.free.get(int(m.group()), m.group())), block)

    def _shell(self, block):
        # The last command takes the shell's place, so that ending it leaves nothing behind.
        lines = block.rstrip("\n").replace("\\\n", " ").split("\n")
        text = "\n".join([*lines[:-1], f"exec {lines[-1]}"])
        return ["bash", "-euc", f"cd {self.folder}\n{text}"]

    def _run_block(self, block):
        status, text = run(["bash", "-euc", f"cd {self.folder}\n{block}"], timeout=60, env=self.environment)
        check_equal(status, 0, f"status of {block}: {text[-400:]}")
        return text

    def check_output(self):
        check(self.expected.strip(), "the document does not say what to expect")
        check_equal(self.output.split("\n"), self.expected.split("\n"), "what the recipe prints")

    def gate_line(self, pattern):
        return self.servers[1].wait_line(pattern)


@case
def recipe_coap():
    recipe = Recipe("CoAP", ["coap-server-notls", "coap-client-notls"], [5683, 5684, 5693])
    recipe.check_output()
    recipe.gate_line(r"event=connected\b.* proof=psk\b.* identity=demo\b")


@case
def recipe_syslog():
    modules = {}
    if not shutil.which("rsyslogd"):
        os.environ["PATH"] += f":{RSYSLOG / 'usr' / 'sbin'}"
        modules["RSYSLOG_MODDIR"] = ":".join(str(p.parent) for p in RSYSLOG.glob("usr/lib/*/rsyslog/imudp.so"))
    recipe = Recipe("Syslog", ["rsyslogd", "logger"], [5514, 6514, 5515], **modules)
    recipe.check_output()
    recipe.gate_line(r"event=connected\b.* proof=psk\b.* identity=demo\b")


@case
def recipe_dns():
    recipe = Recipe("DNS", ["dnsmasq", "dig"], [5353, 8853, 5354])
    recipe.check_output()
    recipe.gate_line(r"event=connected\b.* proof=psk\b.* identity=demo\b")


@case
def recipe_ports_and_blocks_are_all_tested():
    found = sections()
    check_equal(set(found), {"Credentials", "CoAP", "Syslog", "DNS"}, "sections of docs/recipes.md")
    for heading, (blocks, _) in found.items():
        for port in ports_of(blocks):
            check(1024 < port < 32768, f"{heading}: port {port} needs root or is one of the kernel's own")


if __name__ == "__main__":
    harness.main()
