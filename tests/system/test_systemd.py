# SPDX-License-Identifier: GPL-3.0-or-later
# ctest: release-only
#
# The unit of packaging/ under systemd itself: a manager of our own, as one is started for each user, in a mount namespace
# of its own where /run says that systemd is at work. What the machine's systemd does, if there is one, is not touched. The
# parts of the unit that build a file system of their own are left out: containers do not allow them.
#
# Skipped without root, systemd or what they need.

import os
import pathlib
import re
import shutil

import clients
import harness
from harness import BUILD, Credentials, DTLSGATE, Failed, Process, Skipped, case, check, check_equal, wait_until

MANAGER = "/lib/systemd/systemd"
LEFT_OUT = re.compile(r"^(User|Group|Protect\w+|Private\w+|WantedBy)=.*\n", re.M)


class Systemd:
    """A shell in the namespace, with a manager that knows one unit."""

    def __init__(self, unit):
        self.place = harness.folder()
        units = self.place / "units"
        units.mkdir()
        (units / "dtlsgate.service").write_text(unit)
        for name in ("default", "basic", "shutdown", "exit"):
            (units / f"{name}.target").write_text("[Unit]\nDescription=nothing\nDefaultDependencies=no\n")
        self.shell = Process(["unshare", "-m", "bash"], name="systemd's shell", env={
            "HOME": str(self.place), "XDG_RUNTIME_DIR": "/run/user/test", "SYSTEMD_UNIT_PATH": str(units)})
        log = self.place / "manager.log"
        try:
            self.run("mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user/test")
            self.run(f"{{ {MANAGER} --user --log-target=console > {log} 2>&1 & }}; manager=$!")
            self.run("for i in {1..100}; do systemctl --user is-system-running >/dev/null 2>&1 && break; sleep 0.1; done; "
                     "systemctl --user is-system-running")
        except (Failed, OSError):
            said = log.read_text() if log.exists() else self.shell.text()
            raise Skipped(f"systemd does not run here: {said[-200:]}") from None

    def run(self, command):
        before = self.shell.mark()
        self.shell.say(f"{command}; echo status=$?")
        status = self.shell.wait_line(r"^status=(\d+)", start=before).group(1)
        if status != "0":
            raise Failed(f"{command}: {self.shell.text()[-300:]}")

    def ctl(self, words):
        self.run(f"systemctl --user {words}")

    def show(self, name):
        before = self.shell.mark()
        self.ctl(f"show -p {name} dtlsgate.service")
        return self.shell.wait_line(rf"^{name}=(.*)$", start=before).group(1)

    def end(self):
        # A manager that is told to end starts units for it, which this one does not have.
        self.run("systemctl --user stop dtlsgate.service; kill -KILL $manager; wait $manager || true")


def unit_for(credentials, log):
    text = LEFT_OUT.sub("", (BUILD / "packaging" / "dtlsgate.service").read_text())
    path = credentials.path / "unit.yaml"
    path.write_text("listeners:\n  - listen: 127.0.0.1:0\n    backend: echo\n    psk-file: psk.txt\n")
    text = re.sub(r"^(Exec\w+)=\S+", rf"\1={DTLSGATE}", text, flags=re.M)
    text = text.replace("/etc/dtlsgate/dtlsgate.yaml", str(path)).replace("/run/dtlsgate/", "/run/user/test/dtlsgate/")
    return text.replace("[Install]", f"StandardError=append:{log}\n[Install]")


def ready(log, count):
    wait_until(lambda: len(re.findall(r"event=ready pid=", log.read_text())) >= count, f"server number {count}")


@case
def systemd_keeps_what_a_killed_server_leaves():
    if os.geteuid() != 0 or not os.path.exists(MANAGER) or not shutil.which("unshare"):
        raise Skipped("needs root, systemd and unshare")
    c = Credentials()
    log = c.path / "log"
    systemd = Systemd(unit_for(c, log))
    try:
        systemd.ctl("start dtlsgate.service")
        port = int(re.search(r"event=listening .*address=\S*:(\d+)", log.read_text()).group(1))
        made = [clients.wolf_psk(port, c, *cid, version=version) for version in ("1.2", "1.3") for cid in ([], ["--cid", "c1"])]
        for client in made:
            client.echo()
        kept = int(systemd.show("NFileDescriptorStore"))
        check(kept >= 3, f"kept: {kept}")
        steps = (("kill -s KILL --kill-who=main dtlsgate.service", "the keeper's death"),
                 ("restart dtlsgate.service", "a restart"),
                 ("kill -s KILL dtlsgate.service", "the death of all"))
        for number, (command, what) in enumerate(steps, 2):
            systemd.ctl(command)
            ready(log, number)
            for client in made:
                client.echo()
            # It takes what it is told when it comes to it, and the log says ready before that.
            wait_until(lambda: int(systemd.show("NFileDescriptorStore")) == kept, f"{kept} descriptors kept after {what}")
        systemd.ctl("reload dtlsgate.service")
        wait_until(lambda: "event=reloaded" in log.read_text(), "the reload")
        good = (c.path / "unit.yaml").read_text()
        (c.path / "unit.yaml").write_text(good.replace("backend", "bakend"))
        systemd.run("! systemctl --user reload dtlsgate.service")
        (c.path / "unit.yaml").write_text(good)
        systemd.run(f"{DTLSGATE} upgrade /run/user/test/dtlsgate/upgrade")
        for client in made:
            client.echo()
        check_equal(log.read_text().count("event=connected"), len(made), "handshakes in all")
        systemd.ctl("stop dtlsgate.service")
        for client in made:
            client.wait_line("^closed")
        wait_until(lambda: systemd.show("NFileDescriptorStore") == "0", "no descriptor kept after the end")
    finally:
        systemd.end()


if __name__ == "__main__":
    harness.main()
