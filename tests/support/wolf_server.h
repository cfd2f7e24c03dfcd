// SPDX-License-Identifier: GPL-3.0-or-later
// A DTLS server for tests of our client: wolfSSL's own, without anything of ours between, so that it can do what our
// gate never does. Over two functions of the caller's instead of a socket, one step at a time, without timers.
#ifndef DG_TESTS_WOLF_SERVER_H
#define DG_TESTS_WOLF_SERVER_H

#include "support/wolf_client.h"

// Strings are PEM and copied.
struct wolf_server_config {
    struct wolf_client_wire wire;
    int version;             // 12 or 13
    const char *certificate; // leaf first
    const char *public_key;  // show this raw public key (RFC 7250) instead, asked for or not
    const char *key;
    int groups[6];           // WOLF_GROUP_*, the only ones; all 0: the default
};

struct wolf_server;

struct wolf_server *wolf_server_new(const struct wolf_server_config *config);
void wolf_server_free(struct wolf_server *server);
enum wolf_client_step wolf_server_accept(struct wolf_server *server); // takes in all that has arrived
// One record of application data out, and in: its size, 0: there is none, -1: it has ended.
bool wolf_server_write(struct wolf_server *server, const void *data, size_t size);
int wolf_server_read(struct wolf_server *server, void *data, size_t capacity);

#endif
