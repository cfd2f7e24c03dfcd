// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate init DIR`: throwaway credentials, fresh at random each time. Owns the file names; never
// writes over a file, never prints a secret.
#include "cli/cli.h"

#include "base/random.h"
#include "base/secret.h"
#include "cli/process.h"
#include "crypto/gate.h"
#include "crypto/pki.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAYS 30
#define PSK_BYTES 32 // 160 bits of chance

static bool write_file(int folder, const char *folder_name, const char *name, mode_t mode, const char *text)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        fprintf(stderr, "dtlsgate init: cannot create %s/%s: %s%s\n", folder_name, name, strerror(errno),
                errno == EEXIST ? "; nothing is written over: choose an empty folder" : "");
        return false;
    }
    size_t size = strlen(text);
    bool done = write(fd, text, size) == (ssize_t)size;
    if (close(fd) != 0)
        done = false;
    if (!done)
        fprintf(stderr, "dtlsgate init: cannot write %s/%s: %s\n", folder_name, name, strerror(errno));
    return done;
}

// Letters and digits, so that tools that take a key as text (libcoap's) can be given it too.
static void random_text(char *text, size_t size)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567"; // 32: five bits of each byte
    dg_random_bytes(text, size);
    for (size_t i = 0; i < size; i++)
        text[i] = digits[(uint8_t)text[i] % 32];
}

static bool write_psk(int folder, const char *folder_name)
{
    char key[PSK_BYTES];
    char text[sizeof "demo:\n" + 2 * PSK_BYTES];
    random_text(key, sizeof key);
    size_t at = (size_t)snprintf(text, sizeof text, "demo:");
    for (size_t i = 0; i < sizeof key; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%02x", (uint8_t)key[i]);
    snprintf(text + at, sizeof text - at, "\n");
    bool done = write_file(folder, folder_name, "psk.txt", 0600, text);
    dg_wipe(key, sizeof key);
    dg_wipe(text, sizeof text);
    return done;
}

// Makes one certificate with its key and writes NAME.pem, NAME.key and, for clients, NAME.pub.
static bool make_one(int folder, const char *folder_name, enum dg_pki_use use, const char *name, const char *common_name,
                     const struct dg_pki_pem *issuer, struct dg_pki_pem *ret)
{
    char error[256], file[64];
    if (!dg_pki_make(use, common_name, DAYS, issuer, ret, error, sizeof error)) {
        fprintf(stderr, "dtlsgate init: %s\n", error);
        return false;
    }
    snprintf(file, sizeof file, "%s.pem", name);
    if (!write_file(folder, folder_name, file, 0644, ret->certificate))
        return false;
    snprintf(file, sizeof file, "%s.key", name);
    if (!write_file(folder, folder_name, file, 0600, ret->key))
        return false;
    snprintf(file, sizeof file, "%s.pub", name);
    return use == DG_PKI_CA || write_file(folder, folder_name, file, 0644, ret->public_key);
}

// Names of files are relative to it, so the folder can be moved.
static const char configuration[] =
    "# dtlsgate serve -c this file. Made by dtlsgate init with throwaway credentials: for trying out only.\n"
    "# docs/configuration.md says what else may stand here; dtlsgate check -c FILE looks it over.\n"
    "listeners:\n"
    "  - name: demo\n"
    "    listen: 127.0.0.1:5684\n"
    "    backend: echo\n"
    "    profile: modern\n"
    "    psk-file: psk.txt\n"
    "    client-ca: ca.pem\n"
    "    expiry-warning: 3\n"
    "    certificates:\n"
    "      - cert: server.pem\n"
    "        key: server.key\n";

static bool make_all(int folder, const char *folder_name)
{
    struct dg_pki_pem ca, leaf;
    bool done = write_psk(folder, folder_name) &&
                write_file(folder, folder_name, "dtlsgate.yaml", 0644, configuration) &&
                make_one(folder, folder_name, DG_PKI_CA, "ca", "dtlsgate demo CA", NULL, &ca) &&
                make_one(folder, folder_name, DG_PKI_SERVER, "server", "localhost", &ca, &leaf) &&
                make_one(folder, folder_name, DG_PKI_CLIENT, "client", "demo-client", &ca, &leaf);
    dg_wipe(&ca, sizeof ca);
    dg_wipe(&leaf, sizeof leaf);
    return done;
}

int dg_cli_init(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: dtlsgate init DIR\n"
                        "Makes DIR with psk.txt, dtlsgate.yaml, and certificates, keys and public keys of a CA, a server and a "
                        "client (ca.pem, ca.key, server.pem, server.key, server.pub, ...), good for %d days, for trying out "
                        "only.\n",
                DAYS);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? DG_EXIT_OK : DG_EXIT_USAGE;
    }
    dg_process_forbid_core_dumps();
    if (mkdir(argv[1], 0700) != 0 && errno != EEXIST) {
        fprintf(stderr, "dtlsgate init: cannot make the folder %s: %s\n", argv[1], strerror(errno));
        return DG_EXIT_FAILURE;
    }
    int folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        fprintf(stderr, "dtlsgate init: cannot open the folder %s: %s\n", argv[1], strerror(errno));
        return DG_EXIT_FAILURE;
    }
    if (!dg_crypto_init()) {
        fprintf(stderr, "dtlsgate init: the TLS library does not start\n");
        close(folder);
        return DG_EXIT_FAILURE;
    }
    bool done = make_all(folder, argv[1]);
    dg_crypto_cleanup();
    close(folder);
    if (done)
        printf("%s: throwaway credentials for %d days: a CA, a server and a client certificate, and the pre-shared key "
               "of identity \"demo\" in psk.txt; dtlsgate serve -c %s/dtlsgate.yaml serves with them\n",
               argv[1], DAYS, argv[1]);
    return done ? DG_EXIT_OK : DG_EXIT_FAILURE;
}
