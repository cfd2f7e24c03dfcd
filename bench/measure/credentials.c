// SPDX-License-Identifier: GPL-3.0-or-later
// Runs `dtlsgate init` and reads what it wrote.
#include "measure/credentials.h"

#include "measure/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const names[] = {"ca.pem",     "ca.key",     "server.pem", "server.key", "server.pub",
                                    "client.pem", "client.key", "client.pub", "psk.txt"};

static void read_file(const char *folder, const char *name, char text[BENCH_PEM_MAX])
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    size_t size = file != NULL ? fread(text, 1, BENCH_PEM_MAX - 1, file) : 0;
    if (size == 0)
        BENCH_FAIL("cannot read %s", path);
    fclose(file);
    text[size] = '\0';
}

static void read_psk(struct bench_credentials *ret)
{
    char text[BENCH_PEM_MAX];
    read_file(ret->folder, "psk.txt", text);
    char *colon = strchr(text, ':');
    if (colon == NULL || colon - text >= (ptrdiff_t)sizeof ret->psk_identity)
        BENCH_FAIL("psk.txt is not as expected");
    memcpy(ret->psk_identity, text, (size_t)(colon - text));
    unsigned byte;
    for (const char *at = colon + 1; ret->psk_size < sizeof ret->psk && sscanf(at, "%2x", &byte) == 1; at += 2)
        ret->psk[ret->psk_size++] = (uint8_t)byte;
}

void bench_credentials_make(const char *dtlsgate, struct bench_credentials *ret)
{
    memset(ret, 0, sizeof *ret);
    const char *base = getenv("TMPDIR");
    int length = snprintf(ret->folder, sizeof ret->folder, "%s/dtlsgate-bench.XXXXXX", base != NULL ? base : "/tmp");
    if (length >= (int)sizeof ret->folder || mkdtemp(ret->folder) == NULL)
        BENCH_FAIL("cannot make a folder for credentials");
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(STDERR_FILENO, STDOUT_FILENO); // stdout is the table
        execl(dtlsgate, dtlsgate, "init", ret->folder, (char *)NULL);
        _exit(127);
    }
    int status = 1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        BENCH_FAIL("%s init does not work", dtlsgate);
    snprintf(ret->psk_file, sizeof ret->psk_file, "%s/psk.txt", ret->folder);
    snprintf(ret->server_file, sizeof ret->server_file, "%s/server.pem", ret->folder);
    snprintf(ret->server_key_file, sizeof ret->server_key_file, "%s/server.key", ret->folder);
    snprintf(ret->ca_file, sizeof ret->ca_file, "%s/ca.pem", ret->folder);
    read_file(ret->folder, "ca.pem", ret->ca);
    read_file(ret->folder, "server.pem", ret->server);
    read_file(ret->folder, "server.key", ret->server_key);
    read_file(ret->folder, "client.pem", ret->client);
    read_file(ret->folder, "client.key", ret->client_key);
    read_psk(ret);
}

void bench_credentials_remove(const struct bench_credentials *credentials)
{
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", credentials->folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(credentials->folder);
}
