#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The metrics of a server as an operator scrapes them: the format, read strictly; what the numbers say of what happened; that
# nothing of a client is shown; that they go on over a restart and an upgrade. It never looks inside the server.

import http.client
import json
import os
import re
import socket
import stat

from harness import (DTLSGATE, SOURCE, Credentials, Server, case, check, check_equal, folder, fresh_key, main, run,
                     wait_until)
from clients import openssl_psk

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"^({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?(?:[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?|\+?Inf|NaN))$")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(10)
        self.sock.connect(str(self.path))


def get(where, page):
    """(status, content type, body); where: a path, or a port of loopback."""
    connection = http.client.HTTPConnection("127.0.0.1", where, timeout=10) if isinstance(where, int) else UnixConnection(where)
    connection.request("GET", page)
    answer = connection.getresponse()
    body = answer.read().decode("ascii")
    connection.close()
    return answer.status, answer.getheader("Content-Type"), body


def parse(text):
    """The text format 0.0.4, read strictly: {(name, labels): value}, {family: type}."""
    samples, types, helps, family = {}, {}, set(), None
    check(text.endswith("\n"), "the last line does not end")
    for line in text[:-1].split("\n"):
        if line.startswith("# "):
            kind, name, rest = line[2:].split(" ", 2)
            check(re.fullmatch(NAME, name) is not None, f"no name: {line}")
            if kind == "HELP":
                check(name not in helps and rest != "", f"a second HELP, or none: {line}")
                helps.add(name)
            else:
                check_equal(kind, "TYPE", "the comment's kind")
                check(rest in ("counter", "gauge", "histogram") and name not in types, f"{line}")
                types[name] = rest
            family = name
            continue
        match = SAMPLE.match(line)
        check(match is not None, f"no sample: {line!r}")
        name, labels, value = match.groups()
        suffixes = ("_bucket", "_sum", "_count") if types.get(family) == "histogram" else ("",)
        check(name in [family + s for s in suffixes], f"{name} stands in the family {family}")
        check((name, labels) not in samples, f"twice: {line}")
        samples[name, labels] = float(value)
    check_equal(helps, set(types), "families with HELP and with TYPE")
    for name, kind in types.items():
        check(kind != "counter" or name.endswith("_total"), f"the counter {name} has no _total")
    check_histograms(samples, [f for f, t in types.items() if t == "histogram"])
    return samples, types


def check_histograms(samples, families):
    series = {}
    for (name, labels), value in samples.items():
        for family in families:
            if name == family + "_bucket":
                rest, bound = re.fullmatch(r'(.*),le="([^"]+)"', labels).groups()
                series.setdefault((family, rest), []).append((float(bound), value))
    for (family, labels), buckets in series.items():
        bounds, counts = [b for b, _ in buckets], [c for _, c in buckets]
        check(bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), f"bounds of {family}: {bounds}")
        check(counts == sorted(counts), f"{family}: a bucket holds less than a smaller one")
        check_equal(samples[family + "_count", labels], counts[-1], f"{family}_count")
        check((family + "_sum", labels) in samples, f"{family} has no sum")


def scrape(where):
    status, kind, body = get(where, "/metrics")
    check_equal((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"), "the answer")
    return parse(body)[0]


def total(samples, name):
    return samples[f"dtlsgate_{name}_total", None]


def serve(credentials, *options, **more):
    path = folder() / "metrics.sock"
    return Server("--metrics", f"unix:{path}", *credentials.psk(), *options, **more), path


@case
def metrics_are_in_the_text_format_and_say_what_happened():
    credentials = Credentials()
    server, path = serve(credentials)
    before = scrape(path)
    check_equal(total(before, "datagrams_received"), 0, "datagrams of nobody")
    check_equal(before["dtlsgate_associations", None], 0, "associations of nobody")
    for _ in range(2):
        client = openssl_psk(server.port, credentials.identity, credentials.key)
        client.say("one")
        client.wait_line("one")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"nonsense", ("127.0.0.1", server.port))
        stranger.sendto(b"\x17\xfe\xfd" + bytes(50), ("127.0.0.1", server.port))
    nonsense = "dtlsgate_datagrams_dropped_total", 'reason="drop_unknown_type"'
    wait_until(lambda: scrape(path)[nonsense] >= 1, "the nonsense to be dropped")
    wait_until(lambda: sum(v for (n, _), v in scrape(path).items() if n == nonsense[0]) >= 2, "two drops")
    # What a turn took is recorded at its end, which is after its answers have gone out.
    wait_until(lambda: scrape(path)["dtlsgate_through_seconds_count", 'direction="to_client"'] >= 2, "two timed answers")
    after = scrape(path)
    check_equal(after["dtlsgate_associations", None], 2, "associations")
    check_equal(total(after, "plaintext_delivered"), 2, "delivered")
    check_equal(total(after, "handshakes_completed"), 2, "handshakes")
    check_equal(after["dtlsgate_handshake_seconds_count", 'version="1.2",resumed="no"'], 2, "timed handshakes")
    check_equal(after["dtlsgate_through_seconds_count", 'direction="to_backend"'], 2, "timed on their way to the backend")
    check_equal(after["dtlsgate_through_seconds_count", 'direction="to_client"'], 2, "timed on their way to the client")
    check_equal(after[nonsense], 1, "the nonsense")
    dropped = sum(v for (n, _), v in after.items() if n == "dtlsgate_datagrams_dropped_total")
    ends = sum(total(after, f"datagrams_{end}") for end in ("opened", "handshakes", "hellos")) + dropped
    check_equal(total(after, "datagrams_received"), ends, "datagrams received, and what became of them")


@case
def metrics_are_the_same_as_json():
    credentials = Credentials()
    server, path = serve(credentials)
    client = openssl_psk(server.port, credentials.identity, credentials.key)
    client.say("one")
    client.wait_line("one")
    wait_until(lambda: scrape(path)["dtlsgate_through_seconds_count", 'direction="to_backend"'] >= 1, "the end of the turn")
    samples, after = scrape(path), None
    while samples != after:  # something small may still change
        samples, (status, kind, body), after = scrape(path), get(path, "/status.json"), scrape(path)
    check_equal((status, kind), (200, "application/json"), "the answer")
    told = json.loads(body)
    for name, value in told["counters"].items():
        check_equal(value, total(samples, name), name)
    for name, value in told["gauges"].items():
        check_equal(value, samples[f"dtlsgate_{name}", None], name)
    counts = {x["labels"]: x["count"] for x in told["latencies"]}
    check_equal(counts['direction="to_backend"'], 1, "timed on the way to the backend")
    check_equal(get(path, "/healthz")[::2], (200, "ok\n"), "health")


@case
def metrics_show_nothing_of_a_client():
    credentials = Credentials()
    identity, key = "sensor-of-somebody", fresh_key()
    credentials.write_psk({identity: key})
    server, path = serve(credentials, "--handshake-timeout", "1")
    client = openssl_psk(server.port, identity, key)
    client.say("private words")
    client.wait_line("private words")
    openssl_psk(server.port, "nobody-we-know", key)
    server.wait_line(r"event=refused")
    for page in ("/metrics", "/status.json"):
        text = get(path, page)[2]
        for word in (identity, "private", "nobody-we-know", "127.0.0.1", str(server.port)):
            check(word not in text, f"{page} shows {word}")


@case
def metrics_socket_is_private_and_goes_with_the_server():
    credentials = Credentials()
    server, path = serve(credentials)
    mode = os.stat(path).st_mode
    check(stat.S_ISSOCK(mode), "no socket")
    check_equal(stat.S_IMODE(mode), 0o600, "its mode")
    check_equal(server.stop(), 0, "the exit status")
    check(not path.exists(), "the socket was left behind")


@case
def metrics_listen_on_a_port_of_loopback():
    credentials = Credentials()
    server = Server("--metrics", "127.0.0.1:0", *credentials.psk())
    port = int(server.wait_line(r"event=metrics .*port=(\d+)").group(1))
    check_equal(scrape(port)["dtlsgate_workers", None] >= 1, True, "workers")


@case
def metrics_beyond_loopback_are_refused():
    credentials = Credentials()
    server = Server("--metrics", "0.0.0.0:9684", *credentials.psk(), up=False)
    check(server.wait() != 0, "it started")
    check("--metrics: found \"0.0.0.0:9684\"" in server.text(), server.text())


@case
def metrics_of_the_example_alerts_exist():
    credentials = Credentials()
    server, path = serve(credentials)
    shown = {name for name, _ in scrape(path)}
    alerts = (SOURCE / "packaging" / "prometheus-alerts.yml").read_text()
    named = set(re.findall(r"\bdtlsgate_\w+", alerts))
    check(len(named) > 10, f"the example names {named}")
    check_equal(named - shown, set(), "metrics of the example that there are not")
    document = (SOURCE / "docs" / "metrics.md").read_text()
    signs = re.search(r"^\| sign \|.*?^$", document, re.S | re.M).group(0)
    signs = {name.removeprefix("dtlsgate_") for line in signs.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    check(len(signs) > 10, f"the document names {signs}")
    ruled = {name.removeprefix("dtlsgate_").removesuffix("_total").removesuffix("_bucket") for name in named}
    check_equal(signs - ruled, set(), "signs of the document without a rule")
    gauges = {name for name in shown if not name.endswith("_total")}
    missing = {name for name in gauges if re.sub(r"_(bucket|sum|count)$", "", name) not in document}
    check_equal(missing, set(), "gauges and histograms that docs/metrics.md does not name")
    del server


@case
def metrics_go_on_after_a_crash():
    credentials = Credentials()
    server, path = serve(credentials, keeper="auto")
    client = openssl_psk(server.port, credentials.identity, credentials.key)
    client.say("one")
    client.wait_line("one")
    first = server.serving
    before = server.mark()
    os.kill(first, 9)
    server.wait_line(r"event=ready", start=before)
    samples = scrape(path)
    check_equal(samples["dtlsgate_associations", None], 1, "associations of the process before")
    check_equal(total(samples, "datagrams_received"), 0, "counters begin anew")


@case
def metrics_go_on_after_an_upgrade():
    credentials = Credentials()
    place = folder()
    server, path = serve(credentials, "--upgrade-socket", place / "upgrade", keeper="auto")
    client = openssl_psk(server.port, credentials.identity, credentials.key)
    client.say("one")
    client.wait_line("one")
    first, before = server.serving, server.mark()
    status, text = run([DTLSGATE, "upgrade", place / "upgrade"], timeout=60)
    check_equal((status, text.strip()), (0, "upgraded"), "the upgrade")
    server.wait_line(r"event=ready", start=before)
    check(server.serving != first, "the same process serves")
    check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "its mode")
    client.say("two")
    client.wait_line("two")
    samples = scrape(path)
    check_equal(samples["dtlsgate_associations", None], 1, "associations")
    check_equal(total(samples, "plaintext_delivered"), 1, "delivered by this process")


main()
