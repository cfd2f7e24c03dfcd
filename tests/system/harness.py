# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the system tests stand on: named cases with a time limit, a folder that goes
# away, processes whose lines can be waited for, throwaway credentials, the server
# itself. It never looks inside the server and never ends a process it did not start.

import fcntl
import os
import pathlib
import queue
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import network

SOURCE = pathlib.Path(os.environ.get("DTLSGATE_SOURCE", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("DTLSGATE_BUILD", SOURCE / "build" / "release"))
DTLSGATE = os.environ.get("DTLSGATE", str(BUILD / "dtlsgate"))
SANITIZED = BUILD.name == "asan" or "asan" in BUILD.name
F_SETPIPE_SZ, PIPE_BYTES = 1031, 1 << 20  # <linux/fcntl.h>; as much as anybody may have
PATIENCE = 30.0 if not SANITIZED else 60.0  # seconds for one event; a healthy one takes milliseconds


class Failed(Exception):
    """A check that did not hold; its text says what was seen."""


class Skipped(Exception):
    """A case that this machine cannot run; its text says why."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def check_equal(found, expected, what):
    if found != expected:
        raise Failed(f"{what}: found {found!r}, expected {expected!r}")


# --- cases --------------------------------------------------------------------

_cases = []


def case(function):
    """A case; its name is the function's. It is failed after main's time limit at the latest."""
    _cases.append(function)
    return function


def _alarm(_signal, _frame):
    raise Failed("took longer than its time limit")


def main(limit=200):
    """Runs all cases, or those named on the command line. limit: seconds for each, twice as many under the sanitizers."""
    if not os.access(DTLSGATE, os.X_OK):
        print(f"not ok {pathlib.Path(sys.argv[0]).stem}: no program at {DTLSGATE}; build it, or say DTLSGATE=...")
        sys.exit(1)
    wanted = sys.argv[1:]
    chosen = [c for c in _cases if not wanted or c.__name__ in wanted]
    if not chosen:
        sys.exit(f"no such case: {' '.join(wanted)}")
    network.enter()  # where there is none, ports are shared with the tests that run beside this one
    signal.signal(signal.SIGALRM, _alarm)
    failures = 0
    for function in chosen:
        signal.alarm(limit * (2 if SANITIZED else 1))
        try:
            function()
            print(f"ok {function.__name__}")
        except Skipped as why:
            print(f"skip {function.__name__}: {why}")
        except Failed as why:
            failures += 1
            print(f"not ok {function.__name__}: {one_line(str(why))}")
        except Exception as error:  # a fault of the test or of the machine
            failures += 1
            traceback.print_exc()
            print(f"not ok {function.__name__}: {type(error).__name__}: {one_line(str(error))}")
        finally:
            signal.alarm(0)
            failures += end_everything(failures, function.__name__)
            sys.stdout.flush()
    sys.exit(1 if failures else 0)


def one_line(text):
    return " / ".join(text.split("\n"))[:900]


_living = []
_folders = []


def end_everything(failures=0, name="end_everything"):
    """Ends what the case left running, the servers last; shows their logs when a case failed. Returns 1 when the counters
    of a server do not add up, which is a failure of whichever case ran it."""
    servers = [p for p in _living if isinstance(p, Server)]
    unbalanced = None
    for process in reversed(_living):
        if process not in servers:
            process.kill()
    for server in servers:
        unbalanced = unbalanced or server.imbalance()
    for process in _living:  # servers that scripts have started, too
        said = process.find("event=counters-do-not-add-up") if isinstance(process, Process) else None
        unbalanced = unbalanced or (said and said.string)
    if unbalanced:
        print(f"not ok {name}: the counters do not add up: {one_line(unbalanced)}")
    failures += unbalanced is not None
    for process in reversed(servers):
        process.kill()
        if failures and getattr(process, "is_server", False):
            print(f"--- log of {process.name}\n" + "\n".join(process.lines[-60:]), file=sys.stderr)
    _living.clear()
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
    return int(unbalanced is not None)


def folder():
    """A fresh folder, gone after the case."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="dtlsgate-test-"))
    _folders.append(path)
    return path


def wait_until(condition, what, timeout=None):
    """For what has no line to wait for: asks again every 20 ms."""
    end = time.monotonic() + (timeout or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited in vain for {what}")
        time.sleep(0.02)


# --- processes ----------------------------------------------------------------


class Process:
    """A program, with threads that read its lines. merge: stderr counts as stdout. close_fds False: preexec has put
    descriptors in place."""

    is_server = False

    def __init__(self, argv, name=None, merge=True, env=None, preexec=None, close_fds=True):
        self.name = name or os.path.basename(argv[0])
        self.argv = [str(a) for a in argv]
        self.lines = []
        self._new = queue.Queue()
        self._lock = threading.Condition()
        self.process = subprocess.Popen(
            self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.DEVNULL,
            env=dict(os.environ, **(env or {})), preexec_fn=preexec, close_fds=close_fds, start_new_session=True)
        # A server does not wait long for a reader of its log (src/base/log.c), and this one has a busy machine to share.
        try:
            fcntl.fcntl(self.process.stdout, F_SETPIPE_SZ, PIPE_BYTES)
        except OSError:
            pass  # others of this user have taken all that there is
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        _living.append(self)

    @property
    def pid(self):
        return self.process.pid

    def _read(self):
        for raw in self.process.stdout:
            with self._lock:
                self.lines.append(raw.decode("utf-8", "replace").rstrip("\r\n"))
                self._lock.notify_all()
        with self._lock:
            self._lock.notify_all()

    def text(self):
        with self._lock:
            return "\n".join(self.lines)

    def mark(self):
        """A place in the log to wait from."""
        with self._lock:
            return len(self.lines)

    def find(self, pattern, start=0):
        with self._lock:
            for line in self.lines[start:]:
                match = re.search(pattern, line)
                if match:
                    return match
        return None

    def wait_line(self, pattern, timeout=None, start=0):
        """The match in the first line that has one; Failed after the time or at the program's end."""
        end = time.monotonic() + (timeout or PATIENCE)
        with self._lock:
            while True:
                for line in self.lines[start:]:
                    match = re.search(pattern, line)
                    if match:
                        return match
                if not self._reader.is_alive():
                    raise Failed(f"{self.name} ended without a line like '{pattern}': {self._tail()}")
                left = end - time.monotonic()
                if left <= 0:
                    raise Failed(f"{self.name}: no line like '{pattern}' in time: {self._tail()}")
                self._lock.wait(min(left, 0.2))

    def _tail(self):
        return "\n".join(self.lines[-6:])

    def say(self, text):
        data = text if isinstance(text, bytes) else (text + "\n").encode()
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end_of_input(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass

    def signal(self, number):
        os.kill(self.process.pid, number)

    def wait(self, timeout=None):
        """The exit status; Failed when it does not end."""
        try:
            status = self.process.wait(timeout or PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end: {self._tail()}") from None
        self._reader.join(5)
        return status

    def running(self):
        return self.process.poll() is None

    def kill(self):
        """With everything that it has started: a server goes on when its keeper is killed."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.end_of_input()
        self._reader.join(5)


def is_awake(pid):
    """Neither gone nor stopped by a signal."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "TtZX"
    except OSError:
        return False


def run(argv, timeout=None, data=None, env=None):
    """Runs to the end: (status, everything it wrote)."""
    try:
        done = subprocess.run([str(a) for a in argv], input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout or PATIENCE, env=dict(os.environ, **(env or {})), check=False)
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[0]} did not end in time") from None
    return done.returncode, done.stdout.decode("utf-8", "replace")


def program(*names):
    """The path of the first of these programs that there is, or Skipped."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    raise Skipped(f"none of {', '.join(names)} is installed")


def helper(name):
    """A program built from tests/system/NAME.c."""
    path = BUILD / "tests" / "system" / name
    check(path.exists(), f"{path} is missing: build the target system_{name}")
    return str(path)


# --- the server ---------------------------------------------------------------


class Server(Process):
    """`dtlsgate serve`, up when the constructor returns. listen: addresses; port 0 is the kernel's choice. keeper: "none",
    and pid is the process that serves; with "auto" it is the keeper's, and `serving` the other."""

    is_server = True
    after_counters = "datagrams"  # the last line of what it says at SIGUSR1

    def __init__(self, *options, listen=("127.0.0.1:0",), backend="echo", preexec=None, up=True, level="debug",
                 keeper="none", env=None, program=(DTLSGATE,), close_fds=True):
        argv = [*program, "serve", "--keeper", keeper]
        for address in listen:
            argv += ["--listen", address]
        argv += ["--backend", backend, "--log-level", level, *options]
        super().__init__(argv, name="dtlsgate serve", preexec=preexec, env=env, close_fds=close_fds)
        self.ports = []
        if up:
            for index in range(len(listen)):
                self._learn_port(index)
            self.wait_line(r"event=ready pid=")

    def _learn_port(self, index):
        def found():
            ports = [m for line in list(self.lines) for m in re.findall(r"event=listening\b.* address=\S*:(\d+)\b", " " + line)]
            return ports[index] if len(ports) > index else None
        end = time.monotonic() + PATIENCE
        while not found():
            if not self.running():
                self._reader.join(5)
                raise Failed(f"the server did not start: {self.text()[-600:]}")
            check(time.monotonic() < end, f"no line event=listening in time: {self.text()[-600:]}")
            time.sleep(0.01)
        self.ports.append(int(found()))

    @property
    def port(self):
        return self.ports[0]

    @property
    def serving(self):
        """The process that became ready last."""
        self.wait_line(r"event=ready pid=")
        with self._lock:
            return int([m for line in self.lines for m in re.findall(r"event=ready pid=(\d+)", line)][-1])

    def counters(self):
        """All nonzero counters, as the server writes them at SIGUSR1."""
        before = self.mark()
        self.signal(signal.SIGUSR1)
        self.wait_line(rf"event={self.after_counters}( |$)", start=before)
        with self._lock:  # many counters do not fit one line
            lines = [m.group(1) for x in self.lines[before:] for m in re.finditer(r"event=counters(?: (.*)|$)", x)]
        return {k: int(v) for line in lines for k, v in re.findall(r"(\w+)=(\d+)\b", line or "")}

    def counter(self, name):
        return self.counters().get(name, 0)

    def datagrams(self):
        """What became of datagrams, by the last line that says so; None: there is none."""
        with self._lock:
            lines = [x for x in self.lines if "event=datagrams" in x]
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)\b", lines[-1].split("event=datagrams", 1)[1])} if lines else None

    def imbalance(self):
        """What does not add up in this server's counters, or None. One that still runs is asked until it does: what its
        clients sent last may be on its way."""
        with self._lock:
            said = [x for x in self.lines if "event=counters-do-not-add-up" in x]
            ready = [m for x in self.lines for m in re.findall(r"event=ready pid=(\d+)", x)]
        if said:
            return said[0]
        end, found = time.monotonic() + PATIENCE, None
        while ready and time.monotonic() < end:
            before = self.mark()
            if not self.running() or not is_awake(int(ready[-1])):
                return None
            try:
                os.kill(int(ready[-1]), signal.SIGUSR1)
                self.wait_line(r"event=datagrams", timeout=2, start=before)
            except (Failed, OSError):
                return found  # it logs no counters, or is at its end, which settle.c looks at
            ends = self.datagrams()
            received = ends.pop("received", 0)
            found = None if received == sum(ends.values()) and not ends.get("none") else f"{received} received, of these {ends}"
            if found is None:
                return None
            time.sleep(0.05)
        return found

    def stop(self):
        """SIGTERM and the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def status(self, key):
        """A number of /proc/PID/status, as VmRSS (kB) or Threads."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s*(\d+)", text, re.M).group(1))

    def check_memory_stays(self, do, kilobytes, what):
        """do() over again until it adds less than that, five times at most. The rings between threads (1 MB with two
        workers) get their pages as messages first queue so far; what is kept for each message grows every time."""
        grown = []
        for _ in range(5):
            before = self.status("VmRSS")
            do()
            grown.append(self.status("VmRSS") - before)
            if SANITIZED or grown[-1] < kilobytes:
                return
        raise Failed(f"kB more resident after {what}, each time: {grown}")

    def descriptors(self):
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except PermissionError:  # it cannot be dumped, so only root may look
            return None


class ConfiguredServer(Server):
    """`dtlsgate serve -c FILE`, up when the constructor returns. addresses: how many it listens on."""

    def __init__(self, file, *options, addresses=1, keeper="none", env=None):
        Process.__init__(self, [DTLSGATE, "serve", "-c", file, "--keeper", keeper, *options], name="dtlsgate serve", env=env)
        self.ports = []
        for index in range(addresses):
            self._learn_port(index)


# --- credentials --------------------------------------------------------------


class Credentials:
    """What `dtlsgate init` makes, and additions made with openssl."""

    def __init__(self, path=None):
        self.path = path or folder() / "demo"
        status, text = run([DTLSGATE, "init", self.path])
        check(status == 0, f"dtlsgate init: {text}")
        line = (self.path / "psk.txt").read_text().strip()
        self.identity, self.key = line.split(":", 1)

    def __getitem__(self, name):
        return str(self.path / name)

    def both(self, *more):
        """Options for certificates and pre-shared keys together."""
        return [*self.certificates(), *self.psk(), *more]

    def certificates(self, *more):
        return ["--cert", self["server.pem"], "--key", self["server.key"], "--client-ca", self["ca.pem"], *more]

    def psk(self, *more):
        return ["--psk-file", self["psk.txt"], *more]

    def write_psk(self, keys, name="psk.txt"):
        """keys: identity -> hex. Never visible to others, not even for a moment."""
        path = self.path / name
        new = self.path / (name + ".new")
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(f"{identity}:{key}\n" for identity, key in keys.items())
        os.replace(new, path)
        return str(path)

    def make_certificate(self, name, ca=None, common_name="demo-client", extension="clientAuth", dates=None):
        """NAME.pem and NAME.key under a CA of ours (a name for make_ca), None: the demo CA. dates: openssl ca's
        (start, end) as YYMMDDHHMMSSZ."""
        ca = ca or "ca"
        key, request = self.path / f"{name}.key", self.path / f"{name}.csr"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        key.chmod(0o600)
        openssl("req", "-new", "-key", key, "-subj", f"/CN={common_name}", "-out", request)
        work = folder()
        (work / "index").write_text("")
        (work / "conf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index\nnew_certs_dir=%s\nrand_serial=yes\ndefault_md=sha256\n"
            "policy=p\nunique_subject=no\nx509_extensions=x\ncopy_extensions=none\n[p]\ncommonName=supplied\n"
            "[x]\nbasicConstraints=critical,CA:false\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=%s\n" % (work, work, extension))
        start, end = dates or ("", "")
        when = ["-startdate", start, "-enddate", end] if dates else ["-days", "2"]
        openssl("ca", "-batch", "-notext", "-config", work / "conf", "-cert", self[f"{ca}.pem"],
                "-keyfile", self[f"{ca}.key"], "-in", request, "-out", self.path / f"{name}.pem", *when)
        return self[f"{name}.pem"], self[f"{name}.key"]

    def make_ca(self, name, common_name="dtlsgate demo CA"):
        """Another CA, with the demo CA's name unless told otherwise."""
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", f"/CN={common_name}", "-addext", "keyUsage=critical,keyCertSign",
                "-keyout", self.path / f"{name}.key", "-out", self.path / f"{name}.pem")


def openssl(*arguments):
    status, text = run(["openssl", *arguments], timeout=60)
    check(status == 0, f"openssl {arguments[0]}: {text}")


def fresh_key():
    return secrets.token_hex(32)
