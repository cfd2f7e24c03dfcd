// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL clients as the load of a measurement: whole handshakes, and associations that seal bursts. Their own
// cost is never measured.
#ifndef DG_BENCH_CLIENTS_H
#define DG_BENCH_CLIENTS_H

#include "measure/credentials.h"
#include "measure/wire.h"
#include "support/wolf_client.h"

struct bench_kind {
    const char *name;
    int version;
    const char *suites;
    int group;
    bool with_psk;         // else certificates, both ways
    bool without_cid;
    bool resumes;          // with a session of a handshake before
    int datagrams_after;   // that the server sends when the client is done already
};

// One handshake over the wire, from its current source; the association stays, the client is gone. Fails the
// run when it does not complete. echo: one message there and back, after which nothing of the handshake is
// left at the server in DTLS 1.2.
void bench_handshake(struct bench_wire *wire, const struct bench_kind *kind,
                     const struct bench_credentials *credentials, bool echo);
// For kinds that resume: a full handshake, whose session the wire offers from then on.
void bench_session_begin(struct bench_wire *wire, const struct bench_kind *kind,
                         const struct bench_credentials *credentials);
struct wolf_client_config bench_client_config(const struct bench_kind *kind,
                                              const struct bench_credentials *credentials);

// The first datagram of such a client, without the client.
void bench_client_hello(struct bench_wire *wire, const struct bench_kind *kind,
                        const struct bench_credentials *credentials, struct bench_datagram *ret);

struct bench_clients;

// So many associations, each from an address of its own.
struct bench_clients *bench_clients_new(struct bench_wire *wire, const struct bench_kind *kind,
                                        const struct bench_credentials *credentials, uint32_t count);
void bench_clients_free(struct bench_clients *clients);
// Datagrams of the next associations in turn, each protecting size bytes.
void bench_clients_burst(struct bench_clients *clients, size_t size, struct bench_burst *ret);

#endif
