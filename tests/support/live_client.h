// SPDX-License-Identifier: GPL-3.0-or-later
// A client of a live server over a socket of its own, kept for as long as the test wants: wolfSSL's, with the
// pre-shared key of live_server.h. Each step waits for the server, ten seconds at most.
#ifndef DG_TESTS_LIVE_CLIENT_H
#define DG_TESTS_LIVE_CLIENT_H

#include "support/live_server.h"
#include "support/wolf_client.h"

#include <stddef.h>

struct live_client;

// After the handshake, which repeats what is lost. NULL: it failed (why is printed). `vanishes` and `echoes` of the
// visit do not matter here.
struct live_client *live_client_open(const dtlsgate_server *server, const struct live_psk *psk,
                                     const struct live_visit *visit);
// The same at any port of 127.0.0.1, as config says but for its wire, which is the client's socket. NULL: it failed. With
// a session, that is offered.
struct live_client *live_client_dial(uint16_t port, const struct wolf_client_config *config,
                                     const struct wolf_session *session);
struct wolf_client *live_client_wolf(struct live_client *client);
// Waits for the server's close_notify or another end, ten seconds at most. False: it did not come.
bool live_client_ends(struct live_client *client);
// One message, sent once; no two in a row with the same number. False: its echo did not come.
bool live_client_echo(struct live_client *client, unsigned number);
// The same, sent again as long as no echo comes, as a client over UDP does. Returns how often; 0: no echo came.
unsigned live_client_echo_repeated(struct live_client *client, unsigned number);
size_t live_client_server_cid(struct live_client *client, uint8_t cid[255]); // its size, 0: none
void live_client_close(struct live_client *client); // close_notify
void live_client_free(struct live_client *client);  // NULL is fine; says nothing

#endif
