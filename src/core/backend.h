// SPDX-License-Identifier: GPL-3.0-or-later
// What a worker asks of a backend, and how a backend's answers come back. One object for each backend and worker,
// used by that worker's thread only. Backends go by their numbers, which the whole process shares.
#ifndef DG_CORE_BACKEND_H
#define DG_CORE_BACKEND_H

#include "base/time_value.h"
#include "base/wire.h"
#include "core/address.h"
#include "core/association_ref.h"
#include "core/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_BACKENDS_MAX 64
#define DG_NO_BACKEND UINT16_MAX

enum dg_port_claim {
    DG_PORT_ELSEWHERE, // the slot is another worker's
    DG_PORT_NOBODYS,
    DG_PORT_LATER,     // its association may not go on and has not ended yet: ask again
    DG_PORT_CLAIMED,
};

// What a backend may tell its service about an association; what it points to is valid until the callback that asks
// returns.
struct dg_backend_subject {
    struct dg_address peer;    // the client's, as of now
    struct dg_address local;   // that it speaks to
    struct dg_bytes identity;  // any bytes; size 0 where the client has proven none
    const char *listener;      // name; empty where there is none
    const char *suite_name;    // IANA's; empty where it is not known
    uint16_t suite;            // IANA's number
    uint8_t identity_kind;     // dg_identity_kind
    uint8_t version;           // 12 or 13
    bool is_resumed;
};

// What keeps a backend from its service, for the log. The backend has limited how often it says so.
struct dg_backend_trouble {
    const char *event;  // a word
    const char *reason; // what it means and what to do
    uint64_t unsaid;    // as often it was left out since it was said last
    bool is_over;
};

// Given to the backend when it is made.
struct dg_backend_sink {
    void *context;
    // An answer of the service for the association. False: dropped and counted (it has ended, too large).
    bool (*answer)(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size);
    // The same where the reference came from the service: it may be of an association that has ended, was never there,
    // is another backend's (dropped and counted), or another worker's (passed on).
    void (*route)(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size);
    // The association's local port towards the service changed (0: none): kept in its slot.
    void (*port_changed)(void *context, struct dg_ref ref, uint16_t port);
    // The identity that the association's peer has proven, valid until the callback that asks returns; size 0
    // where it has ended.
    struct dg_bytes (*identity)(void *context, struct dg_ref ref);
    // False: it has ended.
    bool (*describe)(void *context, struct dg_ref ref, struct dg_backend_subject *ret);
    // For who goes on after another process; NULL: nobody does. The port that the association holds, 0: none.
    uint16_t (*port_of)(void *context, struct dg_ref ref);
    // Who holds this port, if it is the association in this slot, and which backend is its own now.
    enum dg_port_claim (*claim)(void *context, dg_time now, uint32_t shard, uint32_t slot, uint16_t port,
                                struct dg_ref *ret_ref, uint16_t *ret_backend);
    void (*trouble)(void *context, dg_time now, const struct dg_backend_trouble *trouble); // NULL: nobody listens
};

struct dg_backend_ops {
    // Plaintext of an association. data is the caller's and may be changed after the return.
    void (*deliver)(void *backend, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size);
    // The association has ended, or is another backend's from now on: free what belongs to it.
    void (*closed)(void *backend, dg_time now, struct dg_ref ref);
    // A descriptor that is readable when `ready` should be called, -1: none.
    int (*descriptor)(void *backend);
    void (*ready)(void *backend, dg_time now);
    // What deliver has only collected goes out. NULL: it collects nothing.
    void (*flush)(void *backend, dg_time now);
    dg_time (*deadline)(void *backend); // DG_NEVER: none
    void (*advance)(void *backend, dg_time now);
    void (*free)(void *backend);
};

struct dg_backend {
    const struct dg_backend_ops *ops;
    void *self;
};

// Makes a worker's object for a backend, from that worker's thread or before it runs. self NULL: error says why.
struct dg_backend_maker {
    void *context;
    struct dg_backend (*make)(void *context, uint16_t number, const struct dg_backend_sink *sink, uint32_t worker,
                              uint32_t worker_count, struct dg_counters *counters, char *error, size_t error_size);
};

#endif
