# SPDX-License-Identifier: GPL-3.0-or-later
#
# A store of pre-shared keys where root, a server's own user and others have to do with it, as docs/psk.md has it: what works
# works, and each message that says what to do leads to where it does.

import os
import shutil

from harness import DTLSGATE, Server, Skipped, case, check, check_equal, folder, main, run

SERVICE, OTHER = 65534, 12345  # who are nobody's


def as_user(user):
    return [shutil.which("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def place(owner):
    """A folder for a store, as `install -d -o OWNER -m 755` makes it."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        raise Skipped("needs root and setpriv")
    status, _ = run([*as_user(SERVICE), "test", "-x", DTLSGATE])
    if status != 0:
        raise Skipped("other users do not reach the program")
    path = folder()
    path.chmod(0o755)
    os.chown(path, owner, owner)
    return path


def psk(user, action, *arguments, store, status=0):
    command = [DTLSGATE, "psk", action, *arguments, "--store", store]
    found, text = run([*as_user(user), *command] if user else command)
    check_equal(found, status, f"status of psk {action} by user {user}: {text}")
    return text


def server_of(user, store, up=True):
    return Server("--psk-store", store, up=up, program=[*as_user(user), DTLSGATE])


def refused_by_server(store):
    server = server_of(SERVICE, store, up=False)
    check(server.wait() != 0, "it started")
    return server.text()


def expect(text, *words):
    for word in words:
        check(word in text, f"expected {word!r} in: {text}")


@case
def psk_store_of_the_servers_own_user_in_its_own_folder():
    """The layout of docs/psk.md: one user for the folder, the store, the commands and the server."""
    store = place(SERVICE) / "fleet.db"
    psk(SERVICE, "add", "sensor-17", "--out", store.parent / "sensor-17", store=store)
    psk(SERVICE, "rotate", "sensor-17", "--out", store.parent / "next", store=store)
    expect(psk(SERVICE, "list", store=store), "two keys")
    server_of(SERVICE, store).stop()


@case
def psk_of_root_opens_no_store_in_another_users_folder_and_makes_none():
    """SQLite goes by names: who owns the folder could lead root's writes to any file, by a link."""
    store = place(SERVICE) / "fleet.db"
    out = folder() / "out"
    for action, arguments in (("add", ["sensor-17", "--out", out]), ("import", ["-"])):
        expect(psk(0, action, *arguments, store=store, status=1), "sudo -u nobody dtlsgate psk")
        check_equal(os.listdir(store.parent), [], "files in the other user's folder")
    check(not out.exists(), "a key was written that nobody has stored")
    psk(SERVICE, "add", "sensor-17", "--out", store.parent / "sensor-17", store=store)
    for action, arguments in (("add", ["sensor-18", "--out", out]), ("list", []), ("export", ["--out", out])):
        text = psk(0, action, *arguments, store=store, status=1)
        expect(text, "sudo -u nobody dtlsgate psk")
        check("chown" not in text, text)
    check(not out.exists(), "a key was written")
    os.chown(store, 0, 0)  # as one has it who has copied it there
    expect(psk(0, "list", store=store, status=1), "chown nobody", "sudo -u nobody dtlsgate psk")
    expect(psk(SERVICE, "list", store=store, status=1), "Permission denied", "belongs to user 0", "chown")
    os.chown(store, OTHER, OTHER)
    expect(psk(0, "list", store=store, status=1), "chown nobody", "sudo -u nobody dtlsgate psk")


@case
def psk_store_that_root_has_made_is_not_the_servers_and_messages_lead_to_where_it_is():
    store = place(0) / "fleet.db"
    psk(0, "add", "sensor-17", "--out", store.parent / "sensor-17", store=store)
    expect(refused_by_server(store), "cannot be opened", "Permission denied", "belongs to user 0", f"user {SERVICE}",
           "folder of that user")

    # Given to that user alone, it serves; but neither root nor that user changes it.
    os.chown(store, SERVICE, SERVICE)
    server_of(SERVICE, store).stop()
    for action, arguments in (("add", ["sensor-18", "--out", store.parent / "sensor-18"]), ("list", []),
                              ("export", ["--out", store.parent / "all"])):
        expect(psk(0, action, *arguments, store=store, status=1), "install -d -o nobody", "sudo -u nobody dtlsgate psk")
    text = psk(SERVICE, "add", "sensor-18", store=store, status=1)
    expect(text, "folder", f"user {SERVICE}", "journal")
    check("as its owner" not in text, text)

    # With its folder it is as it should be.
    os.chown(store.parent, SERVICE, SERVICE)
    psk(SERVICE, "add", "sensor-18", "--out", store.parent / "sensor-18", store=store)
    server_of(SERVICE, store).stop()


@case
def psk_of_a_third_user_is_told_whose_the_store_is():
    store = place(SERVICE) / "fleet.db"
    psk(SERVICE, "add", "sensor-17", "--out", store.parent / "sensor-17", store=store)
    store.parent.chmod(0o700)
    expect(psk(OTHER, "list", store=store, status=1), "sudo -u nobody dtlsgate psk")
    expect(psk(OTHER, "add", "sensor-18", store=store, status=1), "sudo -u nobody dtlsgate psk")


@case
def psk_store_that_may_only_be_read_says_so():
    store = place(SERVICE) / "fleet.db"
    psk(SERVICE, "add", "sensor-17", "--out", store.parent / "sensor-17", store=store)
    store.chmod(0o400)
    expect(psk(SERVICE, "remove", "sensor-17", store=store, status=1), "mode 0400")


if __name__ == "__main__":
    main()
