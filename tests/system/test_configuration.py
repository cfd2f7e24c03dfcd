# SPDX-License-Identifier: GPL-3.0-or-later
#
# The configuration file as an operator uses it: two listeners with their own credentials, rules and backends, errors
# with their places, a reload that reads it anew, the dump that can be loaded again, restarts and upgrades.
# ctest: timeout=300

import os
import re
import signal

import clients
import harness
from harness import DTLSGATE, SOURCE, ConfiguredServer, Credentials, case, check, check_equal, folder, main, run


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def two_listeners(credentials, top="", rules="", first="127.0.0.1:0"):
    """sensors takes pre-shared keys, people takes certificates."""
    return write(credentials.path / "two.yaml", f"""
log-level: debug
workers: 2
{top}
listeners:
  - name: sensors
    listen: {first}
    backend: echo
    psk-file: psk.txt
{rules}
  - name: people
    listen: ["127.0.0.1:0"]
    backend: echo
    client-ca: ca.pem
    certificates:
      - cert: server.pem
        key: server.key
""")


RULES = """    rules:
      - name: sensors
        identity: sensor-*
        proof: psk
        from: 127.0.0.0/8
        action: allow
        associations-max: 2
"""


@case
def config_file_serves_two_listeners_each_with_its_credentials():
    credentials = Credentials()
    server = ConfiguredServer(two_listeners(credentials), addresses=2)
    for name in ("sensors", "people"):
        check(server.find(rf"event=listening .*listener={name}\b"), f"no listener {name}")
    clients.openssl_psk(server.ports[0], credentials.identity, credentials.key).echo()
    clients.openssl_certificate(server.ports[1], credentials).echo()
    # The key of one listener opens no door at the other.
    clients.openssl_psk(server.ports[1], credentials.identity, credentials.key).expect_refused(server)
    check_equal(server.stop(), 0, "exit status")


@case
def config_rules_deny_whom_none_allows():
    credentials = Credentials()
    key, other = harness.fresh_key(), harness.fresh_key()
    credentials.write_psk({"sensor-1": key, "stranger": other})
    server = ConfiguredServer(two_listeners(credentials, rules=RULES), addresses=2)
    clients.openssl_psk(server.ports[0], "sensor-1", key).echo()
    denied = clients.openssl_psk(server.ports[0], "stranger", other)
    denied.expect_refused(server)
    check_equal(server.stop(), 0, "exit status")


@case
def config_errors_name_file_line_and_column_all_of_them():
    path = write(folder() / "wrong.yaml", "workers: many\nlog-levl: debug\nlisteners:\n  - listen: 127.0.0.1\n"
                 "    backend: echo\n    psk-file: p\n    rules:\n      - action: maybe\n")
    for command in (["serve", "-c", path], ["config", "dump", "-c", path]):
        status, text = run([DTLSGATE, *command], timeout=10)
        check_equal(status, 2, f"exit status of {command}")
        for place, *words in (("1:10", "many", "0 to 64"), ("2:1", "log-levl", "nearest is log-level"),
                              ("4:13", "127.0.0.1", "a port"), ("8:17", "maybe", "allow|deny")):
            line = next((x for x in text.splitlines() if f"{path}:{place}: " in x), None)
            check(line, f"nothing at {place}: {text}")
            for word in words:
                check(word in line, f"not {word}: {line}")
        check("event=listening" not in text, "it listened")


@case
def config_file_and_options_of_a_listener_are_refused_together():
    credentials = Credentials()
    path = credentials.path / "dtlsgate.yaml"
    status, text = run([DTLSGATE, "serve", "-c", path, "--listen", "127.0.0.1:0", "--profile=iot"], timeout=10)
    check_equal(status, 2, "exit status")
    check("--listen goes not with -c" in text and "--profile goes not with -c" in text, text)
    status, text = run([DTLSGATE, "config", "dump", "--config", path, "--workers", "7"], timeout=10)
    check_equal(status, 0, "exit status")
    check(re.search("^workers: 7$", text, re.M), "the option does not go before the file")


@case
def config_dump_of_the_dump_is_the_dump():
    credentials = Credentials()
    work = folder()
    status, first = run([DTLSGATE, "config", "dump", "-c", two_listeners(credentials, rules=RULES)])
    check_equal(status, 0, first)
    status, second = run([DTLSGATE, "config", "dump", "-c", write(work / "again.yaml", first)])
    check_equal(status, 0, second)
    check_equal(second, first, "the dump of the dump")
    check(credentials.key not in first, "the dump holds a key")
    # A command line is a configuration too, and serves as one.
    status, third = run([DTLSGATE, "config", "dump", "--listen", "127.0.0.1:0", "--backend", "echo",
                         "--psk-file", os.path.relpath(credentials["psk.txt"]), "--log-level", "debug"])
    check_equal(status, 0, third)
    server = ConfiguredServer(write(work / "line.yaml", third))
    clients.openssl_psk(server.port, credentials.identity, credentials.key).echo()
    check_equal(server.stop(), 0, "exit status")


def reload(server, pattern):
    before = server.mark()
    server.signal(signal.SIGHUP)
    return server.wait_line(pattern, start=before)


@case
def config_file_is_read_anew_by_a_reload_whole_or_not_at_all():
    credentials = Credentials()
    key = harness.fresh_key()
    credentials.write_psk({"sensor-1": key})
    path = two_listeners(credentials)
    server = ConfiguredServer(path, addresses=2)
    client = clients.openssl_psk(server.ports[0], "sensor-1", key)
    client.echo()
    good = path.read_text()
    # A broken file has no effect, and the log says where it is broken.
    write(path, good.replace("backend: echo", "bakend: echo", 1))
    reload(server, r"event=reload-refused .*two\.yaml:\d+:\d+: bakend")
    client.echo()
    clients.openssl_psk(server.ports[0], "sensor-1", key).echo()
    # A rule that denies takes effect, for whom is connected too.
    write(path, good.replace("    psk-file: psk.txt\n", "    psk-file: psk.txt\n    rules:\n      - identity: sensor-1\n"
                             "        action: deny\n"))
    reload(server, r"event=reloaded")
    harness.wait_until(lambda: not client.running(), "the denied client to be told")
    clients.openssl_psk(server.ports[0], "sensor-1", key).expect_refused(server)
    write(path, good)
    reload(server, r"event=reloaded")
    clients.openssl_psk(server.ports[0], "sensor-1", key).echo()
    check_equal(server.stop(), 0, "exit status")


@case
def config_reload_says_how_many_errors_its_answer_has_no_room_for():
    path = two_listeners(Credentials())
    control = folder() / "control.sock"
    server = ConfiguredServer(path, "--control-socket", str(control), addresses=2)
    write(path, path.read_text() + "".join(f"word-{i}: 1\n" for i in range(80)))
    status, text = run([DTLSGATE, "reload", "--control", str(control)])
    check_equal(status, 1, text)
    told, more = text.count("there is no such key"), re.search(r"; and (\d+) more$", text.strip())
    check(told > 1 and more and told + int(more.group(1)) == 80, text)
    check_equal(server.stop(), 0, "exit status")


@case
def config_file_is_read_anew_when_the_keeper_starts_the_server_again():
    credentials = Credentials()
    path = two_listeners(credentials, first="127.0.0.1:0")
    server = ConfiguredServer(path, addresses=2, keeper="auto")
    client = clients.openssl_psk(server.ports[0], credentials.identity, credentials.key)
    client.echo()
    write(path, path.read_text().replace("workers: 2", "workers: 2\ndrain-rate: 17"))
    before, first = server.mark(), server.serving
    os.kill(first, signal.SIGKILL)
    server.wait_line(r"event=ready pid=", start=before)
    client.echo()
    check(server.serving != first, "nobody was started again")
    check_equal(server.stop(), 0, "exit status")


@case
def config_that_is_broken_at_an_upgrade_sends_it_back():
    credentials = Credentials()
    path, socket = two_listeners(credentials), credentials.path / "upgrade"
    server = ConfiguredServer(path, "--upgrade-socket", socket, addresses=2, keeper="auto")
    client = clients.openssl_psk(server.ports[0], credentials.identity, credentials.key)
    client.echo()
    good, first = path.read_text(), server.serving
    write(path, good.replace("backend: echo", "bakend: echo", 1))
    status, text = run([DTLSGATE, "upgrade", socket])
    check_equal(status, 1, f"exit status of the upgrade ({text})")
    server.wait_line(r"two\.yaml:\d+:\d+: bakend")
    client.echo()
    check_equal(server.serving, first, "who serves after an upgrade that went back")
    write(path, good)
    start = server.mark()
    status, text = run([DTLSGATE, "upgrade", socket])
    check_equal(status, 0, f"exit status of the upgrade ({text})")
    server.wait_line(r"event=ready pid=", start=start)  # which is read when this side comes to it
    check(server.serving != first, "the server before still serves")
    client.echo()
    check_equal(server.stop(), 0, "exit status")


@case
def config_upgrade_socket_none_is_nowhere():
    credentials = Credentials()
    path = two_listeners(credentials, top="upgrade-socket: none")
    for keeper in ("none", "auto"):
        server = ConfiguredServer(path, addresses=2, keeper=keeper)
        clients.openssl_psk(server.ports[0], credentials.identity, credentials.key).echo()
        check(not os.path.lexists("none"), "a socket of that name")
        check_equal(server.stop(), 0, "exit status")


@case
def config_example_of_the_package_loads():
    status, text = run([DTLSGATE, "config", "dump", "-c", SOURCE / "packaging" / "dtlsgate.yaml"])
    check_equal(status, 0, text)
    check(text.count("  - name:") >= 2, "the example shows less than two listeners")


@case
def config_of_init_serves():
    credentials = Credentials()
    path = credentials.path / "dtlsgate.yaml"
    write(path, path.read_text().replace("127.0.0.1:5684", "127.0.0.1:0"))
    server = ConfiguredServer(path, "--log-level", "debug")
    clients.openssl_psk(server.port, credentials.identity, credentials.key).echo()
    clients.openssl_certificate(server.port, credentials).echo()
    check_equal(server.stop(), 0, "exit status")


if __name__ == "__main__":
    main()
