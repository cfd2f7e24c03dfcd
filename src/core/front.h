// SPDX-License-Identifier: GPL-3.0-or-later
// The front without I/O: meets strangers. Shape check, admission ladder, cookie, reassembly of fragmented
// hellos, handshakes under way, hand-over to the workers. Used by one thread. Holds no association.
#ifndef DG_CORE_FRONT_H
#define DG_CORE_FRONT_H

#include "core/admission.h"
#include "core/counters.h"
#include "core/handshake.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_front;

#define DG_FRONT_OWN_MAX 64

struct dg_front_config {
    uint32_t handshakes_max;          // under way at once (each costs 13 to 33 KB)
    uint32_t handshakes_per_prefix;   // of these, for one /32 (IPv4) or /64 (IPv6)
    dg_time handshake_timeout;        // from the valid cookie to the proof
    dg_time handover_timeout;         // from the proof until a worker has taken it
    uint32_t reassembly_max;          // incomplete hellos kept, before the cookie
    dg_time reassembly_timeout;
    uint32_t finished_max;            // ended handshakes remembered for a while, whose clients may repeat themselves
    struct dg_admission_config admission;
    struct dg_address own[DG_FRONT_OWN_MAX]; // our listening addresses: never a peer
    uint32_t own_count;
    bool offer_cid;                   // answer connection_id (RFC 9146)
    uint32_t cid_size;                // bytes of our connection IDs, also of those that were offered before
};
struct dg_front_config dg_front_config_default(void);

struct dg_front_hooks {
    void *context;
    // A finished handshake. False: no room now, try again at the next advance (until its deadline).
    // early: records of application data that came before the end, whole, in order; may be 0. Their bytes
    // and the handover are gone after the return.
    bool (*hand_over)(void *context, dg_time now, const struct dg_handover *handover, const struct dg_bytes *early,
                      size_t early_count);
    // A protected record that is no handshake's under way here, and the rest of its datagram: repeated final
    // flights, epochs 6, 10, ... is_rest: records before it were a handshake's, and the datagram has been counted as such
    // (core/counters.h); else what becomes of it is counted by whoever gets it.
    void (*forward)(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size,
                    bool is_rest);
    void (*failed)(void *context, dg_time now, const struct dg_path *path, const struct dg_handshake_failure *failure);
    // It goes on, but see dg_handshake_ops.doubts. May be NULL.
    void (*doubted)(void *context, dg_time now, const struct dg_path *path,
                    const struct dg_handshake_failure *failure);
    // A hand-over was taken so long after the valid cookie. May be NULL.
    void (*timed)(void *context, const struct dg_handover *handover, dg_time elapsed);
    // No handshake: the cookie was valid, and admission refused it (DROP_PENALTY*, DROP_START_*, DROP_HANDSHAKES_*), or memory
    // is short (DROP_HELLO_MEMORY). May be NULL.
    void (*refused)(void *context, dg_time now, const struct dg_path *path, enum dg_counter reason);
    // A handshake begins at this path: its cookie was valid. May be NULL.
    void (*started)(void *context, dg_time now, const struct dg_path *path);
};

// output and hooks are copied. NULL: memory is short.
struct dg_front *dg_front_new(const struct dg_front_config *config, const struct dg_handshake_ops *ops, void *gate,
                              const struct dg_output *output, const struct dg_front_hooks *hooks,
                              struct dg_counters *counters);
void dg_front_free(struct dg_front *front);
// A datagram from a listening socket (is_passed_on false), or one that a worker did not know (true): the
// latter is forwarded back only a few times and only right after its path's hand-over, which it may have
// crossed on its way. The worker must never pass on what was forwarded to it.
void dg_front_receive(struct dg_front *front, dg_time now, const struct dg_path *path, uint8_t *data, size_t size,
                      bool is_passed_on);
dg_time dg_front_deadline(const struct dg_front *front);
void dg_front_advance(struct dg_front *front, dg_time now);
// New handshakes use this gate; those under way keep theirs (the gate counts its users).
void dg_front_set_gate(struct dg_front *front, void *gate);
// From now on. What is made room for once stays as it is: handshakes_max may fall and rise to what it was at the start,
// reassembly_max, finished_max, own and cid_size do not change.
void dg_front_set_config(struct dg_front *front, const struct dg_front_config *config);
// No new handshakes, though cookies are still given; those under way go on. dg_front_busy says how many.
void dg_front_stop(struct dg_front *front);
size_t dg_front_busy(const struct dg_front *front);
// Ends what is under way without a word, counted: nobody serves it any more.
void dg_front_give_up(struct dg_front *front);

#endif
