// SPDX-License-Identifier: GPL-3.0-or-later
// A server through the public library in the test's own process, with a pre-shared key made at random, and
// one client's visit to it over a real socket. Never reaches into the server.
#ifndef DG_TESTS_LIVE_SERVER_H
#define DG_TESTS_LIVE_SERVER_H

#include "dtlsgate/dtlsgate.h"

#include <stdbool.h>
#include <stdint.h>

#define LIVE_KEY 32 // bytes

struct live_psk {
    char path[64]; // of the file "device:hex key", mode 0600
    uint8_t key[LIVE_KEY];
};

void live_psk_make(struct live_psk *psk);
void live_psk_remove(struct live_psk *psk);

// One worker, loopback, a port of the kernel's choice, the echo backend. Aborts with the reason when that fails.
dtlsgate_server *live_server_start(const struct live_psk *psk);

struct live_visit {
    int version;   // 12 or 13
    bool has_cid;
    bool vanishes; // ends without close_notify
    unsigned echoes;
};
// Handshake, echoes, end. False: it did not get that far within ten seconds for each step.
bool live_server_visit(const dtlsgate_server *server, const struct live_psk *psk, const struct live_visit *visit);

#endif
