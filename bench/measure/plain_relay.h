// SPDX-License-Identifier: GPL-3.0-or-later
// The yardstick of the backend `udp:`: a relay without cryptography that speaks to the service through one connected
// socket for each client, with the gate's batches, buffers and packet info.
#ifndef DG_BENCH_PLAIN_RELAY_H
#define DG_BENCH_PLAIN_RELAY_H

#include <stdint.h>

struct plain_relay {
    int fd;           // clients come here
    uint16_t service; // port on 127.0.0.1
};

// Relays for clients of a wire (wire.h), whose addresses begin at 127.0.1.1. context: a struct plain_relay.
void plain_relay_run(void *context);

#endif
