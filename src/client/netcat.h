// SPDX-License-Identifier: GPL-3.0-or-later
// Standard input and output through one association, as netcat does it. Owns a client with one link. Never dials a
// second time.
#ifndef DG_CLIENT_NETCAT_H
#define DG_CLIENT_NETCAT_H

#include "client/client.h"

#include <stdbool.h>

enum dg_netcat_input {
    DG_NETCAT_LINES,     // each line is a datagram, with its newline
    DG_NETCAT_DATAGRAMS, // each read(2) is one
    DG_NETCAT_HEX,       // each line of hexadecimal digits is one; answers come so too
};

struct dg_netcat_config {
    struct dg_client_config client; // links_max is netcat's to say
    enum dg_netcat_input input;
    dg_time wait;   // after the input's end, until nothing has come for so long; 0: not at all
    dg_time rebind; // DG_NEVER: our port stays
    bool is_verbose;
};

enum dg_netcat_end {
    DG_NETCAT_DONE,     // all was sent, and something came back where that was waited for
    DG_NETCAT_FAILED,   // said why on the standard error
    DG_NETCAT_NOTHING,  // all was sent, and nothing came back
};

// signal_fd is a signalfd: SIGUSR2 changes our port, any other signal ends as the input's end and an over wait do.
enum dg_netcat_end dg_netcat_run(const struct dg_netcat_config *config, int signal_fd);

#endif
