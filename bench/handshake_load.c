// SPDX-License-Identifier: GPL-3.0-or-later
// So many handshakes of one kind and nothing else: against a gate that it starts, or, with "-" in the gate's
// place, of wolfSSL in memory. For profilers (bench/instructions), and to compare two builds in turn. Prints the
// server's CPU time of one handshake.
#include "measure/handshake_kinds.h"
#include "measure/process.h"
#include "measure/wolf_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double load_library(const struct bench_kind *kind, const struct bench_credentials *credentials, int count)
{
    struct wolf_server *server = wolf_server_new(kind, credentials);
    double seconds = 0;
    for (int i = 0; i < count; i++)
        seconds += wolf_server_handshake(server);
    wolf_server_free(server);
    return seconds;
}

static double load_gate(const char *dtlsgate, const struct bench_kind *kind,
                        const struct bench_credentials *credentials, int count)
{
    static const char *const more[] = {"--profile", "iot", NULL};
    struct bench_process gate = bench_start_gate(dtlsgate, credentials, more);
    bench_pin(BENCH_CLIENT_CPU);
    struct bench_wire wire;
    bench_wire_open(&wire, gate.port);
    if (kind->resumes)
        bench_session_begin(&wire, kind, credentials);
    double before = bench_cpu_seconds(&gate);
    for (int i = 0; i < count; i++) {
        wire.source++;
        bench_handshake(&wire, kind, credentials, false);
    }
    double seconds = bench_cpu_seconds(&gate) - before;
    wolf_session_free(wire.session);
    bench_wire_close(&wire);
    bench_end(&gate);
    return seconds;
}

int main(int argc, char **argv)
{
    int number = argc == 5 ? atoi(argv[3]) : -1, count = argc == 5 ? atoi(argv[4]) : 0;
    if (number < 0 || number >= BENCH_HANDSHAKE_KINDS || count < 1)
        BENCH_FAIL("usage: handshake_load DTLSGATE DTLSGATE|- KIND COUNT (the first makes the credentials)");
    static struct bench_credentials credentials;
    bench_credentials_make(argv[1], &credentials);
    const struct bench_kind *kind = &bench_handshake_kinds[number];
    bool is_library = strcmp(argv[2], "-") == 0;
    double seconds =
        is_library ? load_library(kind, &credentials, count) : load_gate(argv[2], kind, &credentials, count);
    printf("%s: %.1f us of CPU a handshake\n", kind->name, seconds / count * 1e6);
    bench_credentials_remove(&credentials);
    return 0;
}
