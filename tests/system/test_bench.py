# SPDX-License-Identifier: GPL-3.0-or-later
#
# The load generator against our server and against other people's: every message that it
# sent is in its report once, the report and the server agree on how many there were, and
# what it cannot do it says in words. No figure of time is judged.

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import harness
from harness import DTLSGATE, Credentials, Process, Server, case, check, check_equal, program, run, wait_until
from relay import Relay

PATIENT = ("--answer-timeout", "60000", "--handshake-timeout", "60")  # a busy machine loses nothing


def bench(port, *options, status=0, timeout=60):
    """The JSON report of a run that ends by itself."""
    path = harness.folder() / "report.json"
    found, text = run([DTLSGATE, "bench", f"127.0.0.1:{port}", "--duration", "1", "--json", path, *PATIENT, *options],
                      timeout=timeout)
    check_equal(found, status, f"exit status, with {text}")
    return json.loads(path.read_text())


def refused(*words):
    """What it says to this command line, which it must not take."""
    status, text = run([DTLSGATE, "bench", *words])
    check_equal(status, 2, f"exit status, with {text}")
    return text


def sums(report):
    """Every message has ended once."""
    tally = report["all"]
    check_equal(tally["messages_answered"] + tally["messages_lost"], tally["messages_sent"], "answered and lost")
    check_equal(report["latency"]["count"], tally["messages_answered"], "latencies")
    for times in ("handshake", "latency", "behind_schedule"):
        row = [report[times][f"{name}_ms"] for name in ("least", "p50", "p75", "p90", "p95", "p99", "p99_9", "p99_99",
                                                       "greatest")]
        check(row == sorted(row), f"{times} is not in order: {row}")
    return tally


def server_with(credentials, *options):
    return Server(*credentials.both(*options), level="info")


# --- messages ---------------------------------------------------------------------


def agrees_with_the_server(version, *options):
    credentials = Credentials()
    server = server_with(credentials)
    report = bench(server.port, *credentials.psk(), "--dtls", version, "--associations", "40", *options)
    tally, counters = sums(report), server.counters()
    check_equal(report["agreed"]["version"], version, "version")
    check_equal(tally["messages_lost"], 0, "lost messages")
    check(tally["messages_sent"] > 40, f"only {tally['messages_sent']} messages")
    check_equal(counters["plaintext_delivered"], tally["messages_sent"], "messages at the server")
    check_equal(counters["plaintext_answered"], tally["messages_answered"], "answers of the server")
    check_equal(counters["handshakes_completed"], 40, "handshakes at the server")
    check_equal(tally["handshakes_done"], 40, "handshakes")
    check_equal(report["associations"]["live_at_end"], 40, "associations at the end")
    check_equal(report["load"]["handshakes_started"], 0, "handshakes during the load")
    wait_until(lambda: server.counter("associations_closed") == 40, "every close_notify")
    return report


@case
def bench_at_a_fixed_rate_sends_what_the_server_gets():
    report = agrees_with_the_server("1.3", "--rate", "500")
    check_equal(report["load"]["messages_sent"], 500, "messages in a second")


@case
def bench_samples_are_of_the_load_alone():
    """Connecting ends in the middle of an interval."""
    report = agrees_with_the_server("1.3", "--rate", "100", "--ramp", "30", "--duration", "3")
    check(len(report["samples"]) > 1, "no samples")
    check_equal(sum(sample["handshakes"] for sample in report["samples"]), 0, "handshakes during the load")


@case
def bench_in_a_closed_loop_sends_what_the_server_gets():
    agrees_with_the_server("1.2")


@case
def bench_with_threads_sends_what_the_server_gets():
    report = agrees_with_the_server("1.3", "--threads", "3", "--rate", "600", "--ramp", "200")
    check_equal(report["load"]["messages_sent"], 600, "messages in a second")
    check_equal(len(report["this_side"]["threads"]), 3, "threads in the report")


@case
def bench_without_connection_ids_gives_each_association_an_address():
    report = agrees_with_the_server("1.2", "--connection-id", "no", "--rate", "400")
    check_equal(report["agreed"]["connection_ids"], False, "connection IDs")


@case
def bench_of_many_associations_fits_one_port():
    """RFC 9146: with connection IDs nothing else tells them apart."""
    for version in ("1.2", "1.3"):
        agrees_with_the_server(version, "--sources", "1", "--sockets", "1", "--rate", "400")


@case
def bench_takes_connection_ids_of_every_length():
    for version in ("1.2", "1.3"):
        for length in ("4", "16"):
            report = agrees_with_the_server(version, "--connection-id-length", length, "--rate", "200", "--sources", "1")
            check_equal(report["agreed"]["connection_ids"], True, "connection IDs")


@case
def bench_each_association_speaks_as_often_as_every_says():
    report = agrees_with_the_server("1.3", "--every", "1", "--duration", "2")
    check_equal(report["load"]["messages_sent"], 80, "messages of 40 associations in two seconds")


@case
def bench_sends_messages_of_the_size_that_was_asked_for():
    agrees_with_the_server("1.3", "--size", "1200", "--rate", "200")
    agrees_with_the_server("1.2", "--size", "16", "--rate", "200")


@case
def bench_over_ipv6_uses_a_socket_for_each_handshake():
    credentials = Credentials()
    server = Server(*credentials.both(), listen=("[::1]:0",), level="info")
    path = harness.folder() / "report.json"
    status, text = run([DTLSGATE, "bench", f"[::1]:{server.port}", *credentials.psk(), "--associations", "20", "--rate",
                        "200", "--duration", "1", "--json", path, *PATIENT])
    check_equal(status, 0, text)
    check_equal(sums(json.loads(path.read_text()))["messages_lost"], 0, "lost messages")


@case
def bench_moves_and_nobody_shakes_hands_again():
    credentials = Credentials()
    for version in ("1.2", "1.3"):
        server = server_with(credentials)
        report = bench(server.port, *credentials.psk(), "--dtls", version, "--associations", "10", "--rate", "200",
                       "--move", "1", "--duration", "4")
        tally = sums(report)
        check(report["agreed"]["return_routability_check"], "no return routability check")
        check_equal(tally["moves"], 40, "changes of address")
        check_equal(tally["messages_lost"], 0, "lost messages")
        check_equal(tally["answers_late"], 0, "late answers")
        repeated = server.counter("answers_repeated")  # the last ones may come when we have gone
        check(tally["answers_repeated"] <= repeated, f"{tally['answers_repeated']} of {repeated} repeated answers")
        check_equal(server.counter("handshakes_completed"), 10, "handshakes")
        check(server.counter("paths_moved") >= 10, f"the server saw {server.counter('paths_moved')} moves")
        server.stop()


class RepeatingService:
    """Answers, and then once more what it answered the same client before."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.backend = f"udp:127.0.0.1:{self.socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        before = {}
        while True:
            data, client = self.socket.recvfrom(65536)
            self.socket.sendto(data, client)
            if client in before:
                self.socket.sendto(before[client], client)
            before[client] = data


@case
def bench_takes_no_repeated_answer_for_a_late_one():
    """Nor the one that comes behind the next, as a server's may when its client moves while it speaks."""
    credentials = Credentials()
    server = Server(*credentials.psk(), backend=RepeatingService().backend, level="info")
    tally = sums(bench(server.port, *credentials.psk(), "--associations", "5", "--rate", "200"))
    check_equal((tally["messages_sent"], tally["messages_lost"]), (200, 0), "sent and lost")
    check_equal(tally["answers_late"], 0, "late answers")
    check(tally["answers_repeated"] > 0, "no repeated answer")


@case
def bench_counts_what_is_lost_on_the_way():
    credentials = Credentials()
    server = server_with(credentials)
    relay = Relay(server.port)
    seen, since, lost = {}, {}, []

    def lose(datagram):  # of each connection ID, what comes within 120 ms from its twentieth record on
        if datagram[0] != 25:
            return [datagram]
        cid, now = datagram[11:19], time.monotonic()
        seen[cid] = seen.get(cid, 0) + 1
        if seen[cid] < 20 or now >= since.setdefault(cid, now) + 0.12:
            return [datagram]
        lost.append(cid)
        return []
    relay.on_client = lose
    report = bench(relay.port, *credentials.psk(), "--dtls", "1.2", "--associations", "10", "--handshakes-at-once", "1",
                   "--sources", "1", "--rate", "400", "--duration", "2", "--answer-timeout", "8000")
    tally = sums(report)
    check_equal(tally["messages_sent"], 800, "sent")
    check_equal(len(set(lost)), 10, "associations that lost something")
    check_equal(tally["messages_lost"], len(lost), "lost")
    waits = report["associations"]["longest_wait"]
    check_equal(waits["count"], 10, "associations that waited")
    check(waits["least_ms"] >= 100, f"an association waited only {waits['least_ms']} ms")


@case
def bench_says_what_it_could_not_send():
    """More than any machine sends: what was due is in the report all the same, and whose fault it was."""
    credentials = Credentials()
    server = server_with(credentials)
    for _ in range(5):
        report = bench(server.port, *credentials.psk(), "--rate", "10000000", "--answer-timeout", "300")
        tally = sums(report)
        check(tally["omitted"] > 0, "nothing was omitted")
        check_equal(tally["messages_sent"] + tally["messages_unsent"] + tally["omitted"], 10_000_000, "messages that were due")
        check(report["load_seconds"] >= 2, "what was due had no second more to go out")
        limits = {limit["name"] for limit in report["this_side"]["limits"]}
        check({"schedule", "omitted"} <= limits, f"limits: {limits}")
        # An answer more than 0.3 s after its message went out is lost: what is above that is the time before it went out.
        # Where the server has no turn for so long, all that went out late is lost.
        if report["latency"]["greatest_ms"] > 300:
            return
    raise harness.Failed(f"no latency counts from the due time: {report['latency']}")


@case
def bench_sees_a_server_killed_and_served_on():
    """The gap is in the report, and no association was made anew."""
    credentials = Credentials()
    server = Server(*credentials.both(), level="info", keeper="auto")
    path = harness.folder() / "report.json"
    process = Process([DTLSGATE, "bench", f"127.0.0.1:{server.port}", *credentials.psk(), "--associations", "50", "--rate",
                       "500", "--duration", "5", "--json", path, "--answer-timeout", "8000"], name="dtlsgate bench")
    process.wait_line(r" sent/s")
    os.kill(server.serving, signal.SIGKILL)
    check_equal(process.wait(60), 0, process.text())
    report = json.loads(path.read_text())
    tally = sums(report)
    check_equal(tally["messages_sent"], 2500, "messages")
    check_equal(report["load"]["handshakes_started"], 0, "new handshakes")
    check_equal(report["associations"]["live_at_end"], 50, "associations at the end")
    check(report["associations"]["silence_ms"] > 2, "no time without an answer")
    # Only what the server had read and not answered when it died.
    check(tally["messages_lost"] <= 64, f"{tally['messages_lost']} messages were lost")


@case
def bench_says_when_the_server_goes_away():
    credentials = Credentials()
    server = server_with(credentials)
    path = harness.folder() / "report.json"
    process = Process([DTLSGATE, "bench", f"127.0.0.1:{server.port}", *credentials.psk(), "--associations", "20", "--rate",
                       "400", "--duration", "4", "--answer-timeout", "500", "--json", path], name="dtlsgate bench")
    process.wait_line(r" sent/s")
    server.kill()
    check_equal(process.wait(), 0, process.text())
    report = json.loads(path.read_text())
    tally = sums(report)
    check(tally["messages_lost"] > 0 and tally["messages_answered"] > 0, f"lost and answered: {tally}")
    check_equal(report["associations"]["unheard_at_end"], 20, "associations without an answer to their last message")
    check_equal(report["load"]["handshakes_started"], 0, "new handshakes")


@case
def bench_knows_a_time_without_any_answer():
    """From the load's beginning to its end, where nobody ever answers."""
    credentials = Credentials()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quiet:
        quiet.bind(("127.0.0.1", 0))
        server = Server(*credentials.psk(), backend=f"udp:127.0.0.1:{quiet.getsockname()[1]}", level="info")
        report = bench(server.port, *credentials.psk(), "--associations", "3", "--rate", "50", "--answer-timeout", "300")
    check_equal(sums(report)["messages_answered"], 0, "answers")
    check_equal(report["associations"]["silence_began_seconds"], 0, "its beginning")
    silence, whole = report["associations"]["silence_ms"], report["load_seconds"] * 1000
    check(abs(silence - whole) < 1, f"{silence} ms of {whole} without an answer")


@case
def bench_takes_no_server_that_ends_everybody_for_its_own_limit():
    credentials = Credentials()
    control = credentials.path / "control"
    server = server_with(credentials, "--control-socket", control)
    for version in ("1.2", "1.3"):
        path = harness.folder() / "report.json"
        process = Process([DTLSGATE, "bench", f"127.0.0.1:{server.port}", *credentials.psk(), "--dtls", version,
                           "--associations", "5", "--rate", "200", "--duration", "4", "--json", path],
                          name="dtlsgate bench")
        process.wait_line(r" sent/s")
        status, text = run([DTLSGATE, "close", "--identity", "*", "--control", control])
        check_equal(status, 0, text)
        check_equal(process.wait(), 0, process.text())
        report = json.loads(path.read_text())
        tally = sums(report)
        check_equal(tally["associations_ended"], 5, f"associations that the server ended, {version}")
        check_equal(report["associations"]["live_at_end"], 0, "associations at the end")
        check_equal(tally["messages_sent"] + tally["messages_unsent"] + tally["omitted"], 800, "messages that were due")
        check(tally["omitted"] > 0, "nothing was omitted")
        check("omitted" not in {limit["name"] for limit in report["this_side"]["limits"]}, "called a limit of this side")
        check("were due and never begun" in process.text(), process.text())


# --- handshakes -------------------------------------------------------------------


@case
def bench_counts_handshakes_as_the_server_does():
    credentials = Credentials()
    client = ["--ca", credentials["ca.pem"], "--cert", credentials["client.pem"], "--key", credentials["client.key"],
              "--server-name", "localhost"]
    for version in ("1.2", "1.3"):
        for options, resumed in (((), False), (("--resumed",), True), ((*credentials.psk(),), False)):
            server = server_with(credentials)
            proof = client if "--psk-file" not in options else []
            report = bench(server.port, *proof, *options, "--dtls", version, "--load", "handshakes", "--rate", "40",
                           "--duration", "1")
            check_equal(report["load"]["handshakes_done"], 40, f"handshakes of DTLS {version} {options}")
            check_equal(report["load"]["handshakes_resumed"], 40 if resumed else 0, "resumed")
            wait_until(lambda s=server, r=resumed: s.counter("handshakes_completed") == 40 + r, "the server's handshakes")
            check_equal(server.counter("handshakes_resumed"), 40 if resumed else 0, "resumed at the server")
            server.stop()


@case
def bench_handshakes_in_a_closed_loop_end_each_association():
    credentials = Credentials()
    server = server_with(credentials)
    report = bench(server.port, *credentials.psk(), "--load", "handshakes", "--handshakes-at-once", "8", "--dtls", "1.2")
    done = report["all"]["handshakes_done"]
    check(done > 8, f"only {done} handshakes")
    check_equal(report["all"]["handshakes_failed"], 0, "failures")
    check_equal(report["all"]["associations_closed"], done, "closed")
    check_equal(report["handshake"]["count"], done, "times of handshakes")


@case
def bench_connects_at_the_rate_of_its_ramp_and_leaves():
    credentials = Credentials()
    server = server_with(credentials)
    report = bench(server.port, *credentials.psk(), "--associations", "30", "--ramp", "30", "--connect-only", "--leave")
    check_equal(report["all"]["handshakes_done"], 30, "associations")
    check_equal(report["load"]["handshakes_done"], 0, "associations after connecting")
    check(report["connect_seconds"] >= 29 / 30, f"made in {report['connect_seconds']} s")
    bench(server.port, *credentials.psk(), "--connect-only")  # what came before it has been read when it closes
    wait_until(lambda: server.counter("associations_closed") > 0, "the close_notify of another run")
    check_equal(server.counter("associations_closed"), 1, "associations that were closed")


@case
def bench_holds_idle_associations():
    credentials = Credentials()
    server = server_with(credentials)
    report = bench(server.port, *credentials.psk(), "--associations", "30", "--load", "idle")
    check_equal(report["all"]["messages_sent"], 0, "messages")
    check_equal(report["associations"]["live_at_end"], 30, "associations at the end")


# --- other people's servers ---------------------------------------------------------


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@case
def bench_of_gnutls_echo():
    """gnutls-serv has one client at a time."""
    credentials, port = Credentials(), free_port()
    server = Process([program("gnutls-serv"), "--udp", "--echo", "--port", str(port), "--x509certfile",
                      credentials["server.pem"], "--x509keyfile", credentials["server.key"], "--disable-client-cert"],
                     name="gnutls-serv")
    server.wait_line(r"listening")
    report = bench(port, "--ca", credentials["ca.pem"], "--server-name", "localhost", "--dtls", "1.2", "--rate", "100")
    tally = sums(report)
    check_equal((tally["messages_sent"], tally["messages_answered"]), (100, 100), "messages")
    check_equal(report["agreed"]["connection_ids"], False, "connection IDs")


@case
def bench_of_openssl_handshakes():
    credentials, port = Credentials(), free_port()
    server = Process([program("openssl"), "s_server", "-dtls1_2", "-accept", str(port), "-cert", credentials["server.pem"],
                      "-key", credentials["server.key"]], name="openssl s_server")
    server.wait_line(r"ACCEPT")
    report = bench(port, "--ca", credentials["ca.pem"], "--server-name", "localhost", "--dtls", "1.2", "--associations",
                   "1", "--load", "idle")
    check_equal(report["all"]["handshakes_done"], 1, "handshakes")
    check_equal(report["associations"]["live_at_end"], 1, "associations at the end")


# --- what goes wrong ----------------------------------------------------------------


@case
def bench_of_nobody_fails_and_says_why():
    credentials = Credentials()
    status, text = run([DTLSGATE, "bench", f"127.0.0.1:{free_port()}", *credentials.psk(), "--handshake-timeout", "1"])
    check_equal(status, 1, text)
    check("not one handshake came about" in text, text)


@case
def bench_with_a_wrong_key_fails_and_says_why():
    credentials = Credentials()
    server = server_with(credentials)
    wrong = credentials.write_psk({credentials.identity: harness.fresh_key()}, "wrong.txt")
    status, text = run([DTLSGATE, "bench", f"127.0.0.1:{server.port}", "--psk-file", wrong, "--associations", "3",
                        "--handshake-timeout", "5"])
    check_equal(status, 1, text)
    check("handshakes that failed: 3" in text, text)


@case
def bench_does_not_take_anybody_for_the_server():
    credentials = Credentials()
    server = server_with(credentials)
    credentials.make_ca("other", "another CA")
    for ca, name, expected in (("other.pem", "localhost", 1), ("ca.pem", "elsewhere", 1), ("ca.pem", "localhost", 0)):
        status, text = run([DTLSGATE, "bench", f"127.0.0.1:{server.port}", "--ca", credentials[ca], "--server-name", name,
                            "--cert", credentials["client.pem"], "--key", credentials["client.key"], "--connect-only"])
        check_equal(status, expected, f"{ca}, {name}: {text}")


@case
def bench_refuses_in_words():
    check("expected HOST:PORT first" in refused(), "no word of HOST:PORT")
    check("expected HOST:PORT first" in refused("--rate", "5"), "no word of HOST:PORT")
    check("expected HOST:PORT first" in refused("127.0.0.1", "--insecure-no-verify"), "no word of HOST:PORT")
    check("nothing to prove the server by" in refused("127.0.0.1:1"), "no word of proof")
    check("the nearest is --rate" in refused("127.0.0.1:1", "--insecure-no-verify", "--rat", "5"), "no nearest option")
    check("two ways to say" in refused("127.0.0.1:1", "--insecure-no-verify", "--rate", "5", "--every", "5"), "no word")
    check("127/8" in refused("192.0.2.1:1", "--insecure-no-verify", "--sources", "5"), "no word of 127/8")
    status, text = run([DTLSGATE, "bench", "127.0.0.1:1", "--insecure-no-verify", "--move", "1", "--sources", "1"])
    check(status == 1 and "--move needs two addresses" in text, text)
    status, text = run([DTLSGATE, "bench", "--help"])
    check_equal(status, 0, "status of --help")
    for option in re.findall(r"NUMBER\((\w+), \"([a-z-]+)\"", (harness.SOURCE / "src/config/bench_options.h").read_text()):
        check(f"--{option[1]} " in text, f"--help has no --{option[1]}")


@case
def bench_lines_of_the_readme_work_as_they_stand():
    credentials = Credentials()
    server = server_with(credentials)
    lines = re.findall(r"^build/dtlsgate bench .*$", (harness.SOURCE / "README.md").read_text(), re.M)
    check_equal(len(lines), 2, "lines in README.md")
    for line in lines:
        words = [word.replace("127.0.0.1:5685", f"127.0.0.1:{server.port}").replace("demo/psk.txt", credentials["psk.txt"])
                 .replace("report.json", str(credentials.path / "report.json")) for word in line.split()[1:]]
        status, text = run([DTLSGATE, *words], timeout=60)
        check_equal(status, 0, text)
        check("0 lost" in text or "handshakes " in text, text)


@case
def bench_says_that_its_report_could_not_be_written():
    credentials = Credentials()
    server = server_with(credentials)
    for options in ([], ["--json", "-"]):
        argv = [DTLSGATE, "bench", f"127.0.0.1:{server.port}", *credentials.psk(), "--connect-only", "--progress", "0", *options]
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(word) for word in argv], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
        check_equal(done.returncode, 1, "exit status")
        check(b"the report cannot be written: No space left" in done.stderr, done.stderr)


@case
def bench_ends_early_with_a_report():
    credentials = Credentials()
    server = server_with(credentials)
    process = Process([DTLSGATE, "bench", f"127.0.0.1:{server.port}", *credentials.psk(), "--associations", "5", "--rate",
                       "100", "--duration", "600", "--json", "-"], name="dtlsgate bench")
    process.wait_line(r" sent/s")
    process.signal(signal.SIGINT)
    check_equal(process.wait(), 0, process.text())
    report = json.loads("\n".join(line for line in process.lines if not re.match(r" +[\d.]+ s: ", line)))
    check(report["interrupted"], "not marked as interrupted")
    check(report["all"]["messages_sent"] > 0, "nothing was sent")
    check(len(report["samples"]) > 0, "no sample")


@case
def bench_ends_early_while_nobody_answers():
    credentials = Credentials()
    process = Process([DTLSGATE, "bench", f"127.0.0.1:{free_port()}", *credentials.psk(), "--handshake-timeout", "600"],
                      name="dtlsgate bench")
    process.wait_line(r"0 associations")
    process.signal(signal.SIGTERM)
    check_equal(process.wait(), 1, process.text())


if __name__ == "__main__":
    harness.main()
