// SPDX-License-Identifier: GPL-3.0-or-later
// What a worker asks of a backend, and how a backend's answers come back. One backend object a worker,
// used by that worker's thread only.
#ifndef DG_CORE_BACKEND_H
#define DG_CORE_BACKEND_H

#include "base/time_value.h"
#include "base/wire.h"
#include "core/association_ref.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dg_port_claim {
    DG_PORT_ELSEWHERE, // the slot is another worker's
    DG_PORT_NOBODYS,
    DG_PORT_CLAIMED,
};

// Given to the backend when it is made.
struct dg_backend_sink {
    void *context;
    // An answer of the service for the association. False: dropped and counted (it has ended, too large).
    bool (*answer)(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size);
    // The association's local port towards the service changed (0: none): kept in its slot.
    void (*port_changed)(void *context, struct dg_ref ref, uint16_t port);
    // The identity that the association's peer has proven, valid until the callback that asks returns; size 0
    // where it has ended.
    struct dg_bytes (*identity)(void *context, struct dg_ref ref);
    // For who goes on after another process; NULL: nobody does. The port that the association holds, 0: none.
    uint16_t (*port_of)(void *context, struct dg_ref ref);
    // Who holds this port, if it is the association in this slot.
    enum dg_port_claim (*claim)(void *context, uint32_t shard, uint32_t slot, uint16_t port, struct dg_ref *ret_ref);
};

struct dg_backend_ops {
    // Plaintext of an association. data is the caller's and may be changed after the return.
    void (*deliver)(void *backend, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size);
    // The association has ended: free what belongs to it.
    void (*closed)(void *backend, dg_time now, struct dg_ref ref);
    // A descriptor that is readable when `ready` should be called, -1: none.
    int (*descriptor)(void *backend);
    void (*ready)(void *backend, dg_time now);
    dg_time (*deadline)(void *backend); // DG_NEVER: none
    void (*advance)(void *backend, dg_time now);
    void (*free)(void *backend);
};

struct dg_backend {
    const struct dg_backend_ops *ops;
    void *self;
};

#endif
