# SPDX-License-Identifier: GPL-3.0-or-later
#
# `dtlsgate check` as an auditor uses it: configurations that commit the five defects of the review, each found under its
# weakness and its line; keys, certificates and permissions that are wrong; and nothing above a note where nothing is.
# ctest: timeout=300

import json
import os
import re
import secrets

import harness
from harness import DTLSGATE, SOURCE, Credentials, case, check, check_equal, folder, main, openssl, run

STATUSES = {"note": 0, "low": 3, "medium": 4, "high": 5, "critical": 6}


def write(path, text, mode=0o600):
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def line_of(path, words):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if words in line:
            return number
    raise harness.Failed(f"{words} is not in {path}")


def findings(path, *options):
    """All findings; the text form says the same as the JSON, and the status is the worst's."""
    status, text = run([DTLSGATE, "check", "-c", path, "--json", *options])
    check(text.startswith("{"), text)
    found = json.loads(text)["findings"]
    worst = max([STATUSES[f["severity"]] for f in found], default=0)
    check_equal(status, worst, f"status ({text})")
    status, text = run([DTLSGATE, "check", "-c", path, *options])
    check_equal(status, worst, "status of the text form")
    for number, f in enumerate(found, 1):
        check_equal(f["number"], number, "number")
        check(f"{number}. {f['severity']}: " in text and f"[{f['name']}]" in text, f"{f['name']} is not in the text")
        check(f["line"] == 0 or f"{f['file']}:{f['line']}: " in text, f"{f['file']}:{f['line']} is not in the text")
    return found


def expect(found, name, cwe, path, line, severity=None):
    for f in found:
        if f["name"] == name and f["file"] == str(path) and f["line"] == line:
            check(cwe in (f["cwe"], f.get("also_cwe")), f"{name}: {f['cwe']}, expected {cwe}")
            check(severity in (None, f["severity"]), f"{name}: {f['severity']}, expected {severity}")
            check(f["wrong"] and f["remedy"] and f["what"], f"{name} does not say what to do")
            return f
    raise harness.Failed(f"no {name} at {path}:{line}: " +
                         ", ".join(f"{f['name']} {f['file']}:{f['line']}" for f in found))


LISTENER = """listeners:
  - name: sensors
    listen: 0.0.0.0:5684
    backend: echo
"""


@case
def check_finds_verification_off_cwe_295_807():
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", LISTENER + "    cert: server.pem\n    key: server.key\n"
                 "    client-auth: insecure-none\n")
    found = findings(path)
    for cwe in (295, 807):
        expect(found, "verification-off", cwe, path, 7, "critical")
    check(not any(f["name"] == "refused" for f in found), "the server refuses what it should warn of")


@case
def check_finds_addresses_taken_on_faith_cwe_345():
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", "address-change: newest\nrrc: no\n" + LISTENER + "    psk-file: psk.txt\n")
    expect(findings(path), "address-faith", 345, path, 2, "medium")
    path.write_text(path.read_text().replace("rrc: no", "rrc: enhanced"))
    check(not any(f["name"] == "address-faith" for f in findings(path)), "found where nothing is")


@case
def check_finds_clients_known_by_what_nobody_proved_cwe_807():
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", LISTENER + "    cert: server.pem\n    key: server.key\n"
                 "    client-auth: insecure-none\n    rules:\n      - name: plant\n        from: 10.0.0.0/8\n"
                 "        action: allow\n        backend: echo\n      - action: deny\n")
    expect(findings(path), "untrusted-decision", 807, path, line_of(path, "name: plant"), "critical")
    # The same rule where clients prove themselves is no such decision.
    path.write_text(path.read_text().replace("    client-auth: insecure-none\n", "    client-ca: ca.pem\n"))
    check(not any(f["name"] == "untrusted-decision" for f in findings(path)), "found where nothing is")


@case
def check_finds_a_key_in_the_configuration_cwe_798_259_312():
    credentials = Credentials()
    key = secrets.token_hex(32)
    path = write(credentials.path / "c.yaml", LISTENER + f"    psk-file: psk.txt\n    psk: \"sensor-1:{key}\"\n", 0o644)
    found = findings(path)
    for cwe in (798, 259):
        expect(found, "secret-in-configuration", cwe, path, 6, "critical")
    expect(found, "secret-stored-open", 312, path, 6, "critical")
    _status, text = run([DTLSGATE, "check", "-c", path])
    check(key not in text and key not in json.dumps(found), "the key is shown")
    path.write_text(LISTENER + f"    psk-file: {key}\n")
    expect(findings(path), "secret-in-configuration", 798, path, 5, "critical")


@case
def check_finds_resources_without_bounds_cwe_770_772():
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", "handshakes-max: 65536\nanswers-rate: 1000000\nfailures-rate: 1000000\n"
                 "idle-timeout: 31536000\nbackoff-max: 0\n" + LISTENER + "    psk-file: psk.txt\n")
    found = findings(path)
    for line in (1, 2, 3):
        expect(found, "limit-loose", 770, path, line, "medium")
    expect(found, "long-life", 772, path, 4)
    expect(found, "guessing", 307, path, 5)
    expect(found, "no-rates", 770, path, line_of(path, "- name: sensors"))
    networks = [f"{name}-rate-network" for name in ("answers", "handshakes", "failures")]
    path.write_text("".join(f"{name}: 10000000\n" for name in networks) + LISTENER + "    psk-file: psk.txt\n")
    found = findings(path)
    for line, name in enumerate(networks, 1):
        check(name in expect(found, "limit-loose", 770, path, line, "medium")["what"], f"no word of {name}")


@case
def check_finds_weak_pre_shared_keys_by_their_lines():
    credentials = Credentials()
    shared = secrets.token_hex(32)
    word = b"password for everything".hex()
    psk = write(credentials.path / "psk.txt", f"one:{shared}\n# a comment\ntwo:{shared}\nshort:{secrets.token_hex(12)}\n"
                f"pattern:{'00' * 16}\ncounted:{bytes(range(32)).hex()}\nword:{word}\nnonsense\n"
                f"fine:{secrets.token_hex(16)}\n\x1b[31mred:{'00' * 16}\n")
    path = write(credentials.path / "c.yaml", LISTENER + "    psk-file: psk.txt\n    profile: iot\n")
    found = findings(path)
    expect(found, "psk-group", 287, psk, 3, "high")
    expect(found, "psk-short", 326, psk, 4, "high")
    for line in (5, 6, 7, 10):
        expect(found, "psk-trivial", 1391, psk, line, "critical")
    expect(found, "psk-not-readable", None, psk, 8)
    expect(found, "plain-psk", 326, path, 6)
    expect(found, "short-tags", 326, path, 6)
    expect(found, "refused", None, path, 2)
    check(not any(f["file"] == str(psk) and f["line"] in (1, 2, 9) for f in found), "a good key was found")
    text = json.dumps(found)
    check(shared not in text and word not in text, "a key is shown")
    _status, text = run([DTLSGATE, "check", "-c", path])
    check("\x1b" not in text and "\\x1b[31mred" in text.lower(), f"an identity drives the terminal: {text}")


@case
def check_takes_a_key_that_is_commented_out_for_a_comment():
    credentials = Credentials()
    shared, (three, four) = secrets.token_hex(32), (name.encode().hex() for name in ("sensor-3", "sensor-4"))
    psk = write(credentials.path / "psk.txt", f"# before: sensor-1:{shared}\n#sensor-1:{'00' * 16}\nsensor-2:{shared}\n"
                f"#{three}:{secrets.token_hex(32)}\n#{four}:{'00' * 16}\n")
    path = write(credentials.path / "c.yaml", LISTENER + "    psk-file: psk.txt\n")
    found = [f for f in findings(path) if f["file"] == str(psk)]
    check_equal([(f["name"], f["line"]) for f in found], [("psk-trivial", 5)], "findings in the file of keys")
    check("sensor-4" in found[0]["what"], "the identity is not shown as it is meant")


@case
def check_finds_weak_keys_in_a_store_by_their_identities():
    credentials = Credentials()
    shared, store = secrets.token_hex(32), credentials.path / "fleet"
    keys = write(credentials.path / "keys", f"one:{shared}\ntwo:{shared}\nzeros:{'00' * 32}\nfine:{secrets.token_hex(32)}\n")
    status, text = run([DTLSGATE, "psk", "import", keys, "--store", store])
    check_equal(status, 0, text)
    path = write(credentials.path / "c.yaml", LISTENER + "    psk-store: fleet\n")
    found = findings(path)
    check("one" in expect(found, "psk-group", 287, store, 0)["what"], "it does not say which identities")
    check("zeros" in expect(found, "psk-trivial", 1391, store, 0)["what"], "it does not say which identity")
    check("fine" not in json.dumps(found), "a good key was found")


@case
def check_finds_files_of_strangers():
    if os.geteuid() != 0:
        raise harness.Skipped("only root gives files away")
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", LISTENER + "    psk-file: psk.txt\n")
    os.chown(credentials["psk.txt"], 12345, 12345)
    found = findings(path)
    expect(found, "file-owner", 282, path, 5, "medium")
    check("12345" in expect(found, "refused", None, path, 2)["what"], "the refusal does not say whose it is")


@case
def check_finds_folders_where_others_may_replace_a_file():
    credentials, place = Credentials(), folder() / "place"
    place.mkdir()
    place.chmod(0o777)
    (place / "ca.pem").write_bytes((credentials.path / "ca.pem").read_bytes())
    (place / "ca.pem").chmod(0o644)
    (credentials.path / "link.pem").symlink_to(place / "ca.pem")
    path = write(credentials.path / "c.yaml", LISTENER + "    client-ca: link.pem\n    cert: server.pem\n    key: server.key\n")
    line = line_of(path, "client-ca")
    check("ca.pem" in expect(findings(path), "file-writable", 732, path, line, "high")["what"], "it does not say which file")
    place.chmod(0o755)
    check(not any(f["name"] == "file-writable" for f in findings(path)), "found where nothing is")
    # By whatever name the folder is called, it is found once.
    (credentials.path / "lane").symlink_to(place)
    place.chmod(0o777)
    path.write_text(path.read_text().replace("link.pem", "lane/ca.pem"))
    check_equal(sum(f["name"] == "file-writable" for f in findings(path)), 1, "findings of one folder")
    place.chmod(0o755)
    if os.geteuid() != 0:
        raise harness.Skipped("only root gives folders away")
    os.chown(place, 12345, 12345)
    check("12345" in expect(findings(path), "file-owner", 282, path, line, "medium")["what"], "it does not say whose it is")


@case
def check_finds_files_that_others_can_use():
    credentials = Credentials()
    service = f"proxy-unix:{credentials.path}/open/service"
    path = write(credentials.path / "c.yaml", "control-socket: open/control\n" + LISTENER.replace("echo", service) +
                 "    client-ca: ca.pem\n    psk-file: psk.txt\n    certificates:\n      - cert: server.pem\n"
                 "        key: server.key\n", 0o666)
    os.chmod(credentials["psk.txt"], 0o640)
    os.chmod(credentials["server.key"], 0o604)
    os.chmod(credentials["ca.pem"], 0o664)
    (credentials.path / "open").mkdir()
    (credentials.path / "open").chmod(0o777)
    found = findings(path)
    expect(found, "secret-readable", 732, path, line_of(path, "psk-file"), "high")
    expect(found, "secret-readable", 732, path, line_of(path, "- cert"), "high")
    expect(found, "file-writable", 732, path, line_of(path, "client-ca"), "high")
    expect(found, "file-writable", 732, path, 1, "high")
    expect(found, "socket-open", 732, path, 1, "high")
    expect(found, "service-open", 732, path, line_of(path, "backend"), "high")
    for name in ("psk.txt", "server.key"):
        os.chmod(credentials[name], 0o600)
    os.chmod(credentials["ca.pem"], 0o644)
    path.chmod(0o644)
    (credentials.path / "open").chmod(0o700)
    names = {f["name"] for f in findings(path)}
    check(not names & {"secret-readable", "file-writable", "socket-open", "service-open"}, f"found where nothing is: {names}")


@case
def check_finds_certificates_that_are_expired_weak_or_not_their_keys():
    credentials = Credentials()
    credentials.make_certificate("old", common_name="localhost", extension="serverAuth",
                                 dates=("200101000000Z", "200201000000Z"))
    openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "90", "-subj", "/CN=localhost",
            "-keyout", credentials.path / "weak.key", "-out", credentials.path / "weak.pem")
    path = write(credentials.path / "c.yaml", LISTENER + "    expiry-warning: 40\n    client-ca: ca.pem\n    certificates:\n"
                 "      - cert: old.pem\n        key: old.key\n      - cert: weak.pem\n        key: weak.key\n"
                 "      - cert: server.pem\n        key: client.key\n")
    found = findings(path)
    expect(found, "certificate-expired", 298, credentials.path / "old.pem", 1, "high")
    expect(found, "key-weak", 326, credentials.path / "weak.pem", 1, "high")
    expect(found, "pair-differs", 326, path, line_of(path, "server.pem"), "high")
    expect(found, "no-revocation", 299, path, line_of(path, "client-ca"), "low")
    expect(found, "certificate-ends", 298, credentials.path / "server.pem", 1, "note")


@case
def check_finds_revocation_that_does_not_work():
    credentials = Credentials()
    work = folder()
    (work / "index").write_text("")
    (work / "conf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={work}/index\ndefault_md=sha256\n")
    for name, dates in (("now.crl", ["-crldays", "2"]),
                        ("old.crl", ["-crl_lastupdate", "200101000000Z", "-crl_nextupdate", "200201000000Z"])):
        openssl("ca", "-gencrl", "-config", work / "conf", "-cert", credentials["ca.pem"], "-keyfile",
                credentials["ca.key"], "-out", credentials.path / name, *dates)
    path = write(credentials.path / "c.yaml", LISTENER + "    client-ca: ca.pem\n    cert: server.pem\n"
                 "    key: server.key\n    client-crl: [old.crl]\n    crl-missing: accept\n")
    found = findings(path)
    expect(found, "crl-stale", 299, credentials.path / "old.crl", 1, "medium")
    expect(found, "crl-optional", 299, path, 9, "medium")
    old = (credentials.path / "old.crl").read_text()
    big = write(credentials.path / "big.crl", "a list of many\n" * 400000 + old, 0o644)  # 6 MB; a server takes ten times that
    write(credentials.path / "big.yaml", path.read_text().replace("old.crl", "big.crl"))
    expect(findings(credentials.path / "big.yaml"), "crl-stale", 299, big, 400001, "medium")
    check(not any(f["name"] == "no-revocation" for f in found), "there is a list")
    path.write_text(path.read_text().replace("old.crl", "now.crl").replace("accept", "refuse"))
    check(not any(f["cwe"] == 299 for f in findings(path)), "found where nothing is")


@case
def check_finds_a_loose_host():
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", "sandbox: none\nlog-contents: yes\nkey-log: keys\n"
                 "metrics: 127.0.0.1:9684\n" + LISTENER.replace(
        "echo", "udp:192.0.2.1:5683") + "    backend-network: any\n    psk-file: psk.txt\n")
    found = findings(path)
    expect(found, "root-without-sandbox", 250, path, 1, "high")
    expect(found, "contents-logged", 532, path, 2)
    expect(found, "keys-logged", 532, path, 3, "high")
    expect(found, "counters-open", 497, path, 4, "note")
    expect(found, "backend-plaintext", 319, path, line_of(path, "192.0.2.1"), "high")


@case
def check_believes_the_server_that_looks_names_of_backends_up():
    """It takes none that leads beyond loopback, unless it is told to."""
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", LISTENER.replace("echo", "udp:coap.invalid:5683") + "    psk-file: psk.txt\n")
    check(not any(f["name"] == "backend-plaintext" for f in findings(path)), "found where a server would refuse")
    path.write_text(path.read_text() + "    backend-network: any\n")
    expect(findings(path), "backend-plaintext", 319, path, line_of(path, "coap.invalid"), "high")


@case
def check_of_two_files_is_refused():
    credentials = Credentials()
    file = credentials["dtlsgate.yaml"]
    status, text = run([DTLSGATE, "check", "-c", file, f"--config={file}"])
    check_equal(status, 2, text)
    check("-c stands there twice" in text, text)


@case
def check_tells_all_errors_and_why_the_server_refuses():
    credentials = Credentials()
    path = write(credentials.path / "c.yaml", "workers: 99\nlog-levl: x\n" + LISTENER + "    psk-file: psk.txt\n")
    found = findings(path)
    for line in (1, 2):
        expect(found, "refused", None, path, line, "high")
    path.write_text(LISTENER + "    psk-file: missing.txt\n")
    check("missing.txt" in expect(findings(path), "refused", None, path, 2)["what"], "it does not say which file")
    status, text = run([DTLSGATE, "check", "-c", folder() / "none.yaml"])
    check_equal(status, 2, text)


@case
def check_finds_nothing_above_a_note_in_what_make_run_serves():
    credentials = Credentials()
    for f in findings(credentials.path / "dtlsgate.yaml"):
        check_equal(f["severity"], "note", f"{f['name']}: {f['what']}")
    # scripts/run serves that very file, but for the address and the profile.
    script = (SOURCE / "scripts" / "run").read_text()
    check("serve -c $demo/run.yaml" in script and "$demo/dtlsgate.yaml >$demo/run.yaml" in script, "make run changed")


@case
def check_list_is_what_the_documentation_shows():
    status, text = run([DTLSGATE, "check", "--list"])
    check_equal(status, 0, text)
    check(text in (SOURCE / "docs" / "check.md").read_text(), "docs/check.md is not what `dtlsgate check --list` prints")
    check(len(re.findall(r"CWE-\d+", text)) > 30, "the list is short")


@case
def check_names_a_user_that_a_start_by_root_refuses():
    place = folder()
    (place / "psk.txt").write_text("a:" + secrets.token_hex(32))
    (place / "psk.txt").chmod(0o600)
    for name in ("no-such-user", "root"):
        file = write(place / "gate.yaml", f"log-level: info\nuser: {name}\nlisteners:\n  - {{name: a, listen: '127.0.0.1:0', "
                                          "backend: echo, psk-file: psk.txt}\n")
        found = findings(file)
        if os.geteuid() == 0:
            f = expect(found, "refused", None, file, 2, "high")
            check(name in f["what"], f["what"])
        else:
            expect(found, "may-be-root", 250, file, 2)


@case
def check_finds_a_key_of_several_lines_in_the_configuration():
    credentials = Credentials()
    key = (credentials.path / "server.key").read_text()
    block = "".join(f"      {line}\n" for line in key.splitlines())
    file = write(credentials.path / "gate.yaml", f"""listeners:
  - name: a
    listen: 127.0.0.1:0
    backend: echo
    psk-file: psk.txt
    cert: server.pem
    key: |
{block}""")
    expect(findings(file), "secret-in-configuration", 798, file, 7, "critical")
    status, text = run([DTLSGATE, "check", "-c", file])
    check(key.splitlines()[1] not in text, "the key is shown")


@case
def check_takes_a_sandbox_of_everything_for_none():
    place = folder()
    (place / "psk.txt").write_text("a:" + secrets.token_hex(32))
    (place / "psk.txt").chmod(0o600)
    file = write(place / "gate.yaml", "log-level: info\nsandbox-path: [/srv, /]\nlisteners:\n  - {name: a, listen: '127.0.0.1:0', "
                                      "backend: echo, psk-file: psk.txt}\n")
    found = [f for f in findings(file) if f["name"] == "no-sandbox"]
    check_equal([(f["line"], f["what"]) for f in found], [(2, "sandbox-path: /")], "findings about the sandbox")


@case
def check_tells_the_place_of_a_refusal_once_and_rightly():
    credentials = Credentials()
    file = write(credentials.path / "gate.yaml", f"""listeners:
  - name: a
    listen: 127.0.0.1:0
    backend: echo
    client-ca: ca.pem
    cert: server.pem
    key: client.key
""")
    found = findings(file)
    expect(found, "pair-differs", 326, file, 7)
    refused = [f for f in found if f["name"] == "refused"]
    check(len(refused) == 1 and refused[0]["line"] > 1, f"refused: {refused}")
    check(not refused[0]["what"].startswith(str(file)), f"the place stands there twice: {refused[0]['what']}")


@case
def check_tells_of_a_certificates_key_once_at_its_place():
    credentials = Credentials()
    (credentials.path / "server.key").chmod(0o644)
    pairs = {"    cert: server.pem\n    key: server.key\n": "key: server.key",
             "    certificates:\n      - cert: server.pem\n        key: server.key\n": "cert: server.pem"}
    for lines, place in pairs.items():
        file = write(credentials.path / "gate.yaml", "listeners:\n  - name: a\n    listen: 127.0.0.1:0\n"
                     "    backend: echo\n    client-ca: ca.pem\n" + lines)
        found = [f for f in findings(file) if f["name"] == "secret-readable"]
        check_equal([f["line"] for f in found], [line_of(file, place)], "told at these lines")


@case
def check_says_how_many_errors_it_does_not_list():
    credentials = Credentials()
    file = write(credentials.path / "gate.yaml", "".join(f"word-{i}: 1\n" for i in range(70)))
    refused = [f["what"] for f in findings(file) if f["name"] == "refused"]
    check_equal(len(refused), 65, "refusals")
    check_equal(refused[-1], "and 7 more", "the last")  # 70 words, and no listeners


if __name__ == "__main__":
    main()
