// SPDX-License-Identifier: GPL-3.0-or-later
// A network that lies: it loses, doubles, delays, reorders, cuts and damages datagrams and changes their
// senders' addresses, each at a rate of its own, on a virtual clock. The same seed and the same calls give
// the same deliveries, byte for byte. Never opens a socket, never reads a clock, never sleeps.
#ifndef DG_TESTS_NETSIM_H
#define DG_TESTS_NETSIM_H

#include "base/attributes.h"
#include "base/time_value.h"
#include "core/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum netsim_direction { NETSIM_TO_SERVER, NETSIM_TO_CLIENT };
#define NETSIM_DIRECTIONS 2

// What goes wrong in one direction. Rates are parts per thousand; all zeros is a perfect network.
struct netsim_faults {
    unsigned loss;      // the datagram never arrives
    unsigned duplicate; // it arrives twice; each copy meets its own delay and damage
    unsigned reorder;   // it is held back by up to reorder_delay, so that later ones overtake it
    unsigned truncate;  // only its beginning arrives, possibly none of it
    unsigned flip;      // one bit of it is wrong (a quarter of the time: a whole byte)
    // Of use to the server only (ignored in the other direction, where nobody translates):
    unsigned rewrite; // this one datagram comes from an address never seen before
    unsigned rebind;  // so does everything that this client sends from now on, as behind a NAT that forgot
    dg_time delay_min;
    dg_time delay_max; // below delay_min: taken as delay_min. Never reorders by itself.
    dg_time reorder_delay; // 0: ten milliseconds
    size_t mtu_bytes;      // larger datagrams never arrive; 0: no limit
};

// What happened in one direction, so far.
struct netsim_counts {
    uint64_t sent;      // given to netsim_send
    uint64_t delivered; // taken out by netsim_receive, copies included
    uint64_t lost, too_big, duplicated, reordered, truncated, flipped, rewritten, rebound;
    uint64_t overflowed;  // the queue was full
    uint64_t unreachable; // to an address that the NAT has forgotten
};

struct netsim;

// A perfect network, which the caller frees. Aborts when memory is short, as everything here does.
DG_MUST_USE struct netsim *netsim_new(uint64_t seed);
void netsim_free(struct netsim *net); // NULL is fine

void netsim_set_faults(struct netsim *net, enum netsim_direction direction, const struct netsim_faults *faults);
// How many datagrams may be under way at once (16,384 at first); what does not fit is lost and counted.
void netsim_set_queue_limit(struct netsim *net, size_t datagrams);
// Whether answers to an address that a client had before (by rewrite or rebind) still reach it (they do at
// first) or are lost and counted as unreachable.
void netsim_set_old_addresses_work(struct netsim *net, bool work);
// Gives the client at `client` a new address from now on, as the fault `rebind` does, and returns it.
struct dg_address netsim_rebind(struct netsim *net, const struct dg_address *client);

// Gives the network one datagram, which it copies. Towards the server, `from` is the client's own
// address; the server sees the one that the network made of it. Towards the client, `to` is the address
// that the server saw, and the datagram is delivered to the client's own. New addresses are taken from
// 198.18.0.0/15 and 2001:2::/48 (RFC 2544, RFC 5180), which tests leave alone.
void netsim_send(struct netsim *net, dg_time now, enum netsim_direction direction, const struct dg_address *from,
                 const struct dg_address *to, const void *bytes, size_t size);
// When the next datagram arrives, DG_NEVER when none is under way.
dg_time netsim_next(const struct netsim *net);
// Takes out the first datagram that has arrived by now, as recvfrom would: what goes over capacity is
// cut. False when there is none. ret_from and ret_to are as the receiver sees them.
DG_MUST_USE bool netsim_receive(struct netsim *net, dg_time now, struct dg_address *ret_from,
                                struct dg_address *ret_to, void *buffer, size_t capacity, size_t *ret_size);
size_t netsim_under_way(const struct netsim *net);

const struct netsim_counts *netsim_counts(const struct netsim *net, enum netsim_direction direction);
uint64_t netsim_seed(const struct netsim *net);
// The seed and the counts, for a failed test to show.
void netsim_print(const struct netsim *net, FILE *out);

#endif
