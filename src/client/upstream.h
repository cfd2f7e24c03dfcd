// SPDX-License-Identifier: GPL-3.0-or-later
// A UDP socket towards the server, connected, so that the kernel names our address and tells of ICMP errors. Never
// judges bytes.
#ifndef DG_CLIENT_UPSTREAM_H
#define DG_CLIENT_UPSTREAM_H

#include "base/attributes.h"
#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A new socket with a port of the kernel's choice. -1: errno says why.
int dg_upstream_open(const struct dg_address *server, struct dg_address *ret_local);

enum dg_upstream_sent {
    DG_UPSTREAM_SENT,
    DG_UPSTREAM_FULL,    // not now
    DG_UPSTREAM_REFUSED, // the server's host said that nobody listens there; sent all the same
    DG_UPSTREAM_CUT,     // our address or the way there is gone: another socket may find another
    DG_UPSTREAM_FAILED,  // anything else, as a datagram that is too large
};
enum dg_upstream_sent dg_upstream_send(int fd, const uint8_t *data, size_t size);

// The size of the next datagram; -1: there is none now. refused is set where the host said that nobody listens.
ssize_t dg_upstream_receive(int fd, uint8_t *data, size_t capacity, bool *refused);

#endif
