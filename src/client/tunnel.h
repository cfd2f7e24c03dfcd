// SPDX-License-Identifier: GPL-3.0-or-later
// A local UDP port that leads to the server: an association of its own for each local sender, dialled when it has
// something to send, dialled again when it is lost. Owns the local socket, the senders and a client. Never judges
// what passes.
#ifndef DG_CLIENT_TUNNEL_H
#define DG_CLIENT_TUNNEL_H

#include "client/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_tunnel_config {
    struct dg_address listen;
    struct dg_client_config client; // links_max is the tunnel's to say
    uint32_t senders_max;
    uint32_t hold_max;     // datagrams of each while its association is made
    dg_time idle_timeout;
    dg_time answer_wait;   // DG_NEVER: an association is never doubted for silence
    dg_time rebind;        // DG_NEVER: our ports stay
    bool is_verbose;       // tells handshakes
};

struct dg_tunnel;

// NULL: error says why.
struct dg_tunnel *dg_tunnel_new(const struct dg_tunnel_config *config, char *error, size_t error_size);
void dg_tunnel_free(struct dg_tunnel *tunnel);
// Serves until a signal ends it, then says close_notify on each association. signal_fd is a signalfd: SIGUSR1 logs
// the counters, SIGUSR2 changes our ports, any other signal ends.
void dg_tunnel_run(struct dg_tunnel *tunnel, int signal_fd);

#endif
