// SPDX-License-Identifier: GPL-3.0-or-later
// The one place where something is kept for a stranger before the cookie: parts of fragmented ClientHellos,
// in a fixed number of fixed-size entries, for a short time (RFC 9147 5.5). Never allocates after init,
// never answers, never looks inside the message.
#ifndef DG_CORE_REASSEMBLY_H
#define DG_CORE_REASSEMBLY_H

#include "base/hash.h"
#include "base/time_value.h"
#include "core/address.h"
#include "core/counters.h"
#include "core/hello.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_reassembly_entry;

// Entries belong to (peer, listener, message_seq). A prefix (/24, /48) has at most half of them: beyond
// that its own oldest one makes room. When all are in use the oldest of all does. Both are counted as
// DROP_FRAGMENTS_FULL: a flood of first fragments costs fragmented hellos, never memory, never whole hellos.
struct dg_reassembly {
    struct dg_reassembly_entry *entries;
    uint64_t *prefixes;  // of each entry, apart so that counting one prefix's is quick; 0: unused
    uint32_t *heads;     // hash chains, by key
    uint32_t capacity;
    uint32_t head_mask;
    uint32_t free_first; // chain of unused entries
    uint32_t oldest, newest;
    uint32_t used;
    dg_time timeout;
    struct dg_hash_key key;
};

DG_MUST_USE bool dg_reassembly_init(struct dg_reassembly *area, uint32_t capacity, dg_time timeout);
void dg_reassembly_clear(struct dg_reassembly *area); // fine on a zeroed struct

// Takes one part that is not the whole message. record_sequence: of the record that carried it; wire_bytes:
// what its datagram's share was, for the 3x rule. NONE and ret_record->size 0: more is to come. NONE and a
// size: one record, plaintext header and whole message, valid until the next call; its record number is that
// of the part that opened the entry (RFC 9147 5.3 has one number to copy; any of the client's will do), and
// ret_wire_bytes the sum over its parts. DROP_FRAGMENT_CONFLICT: it contradicts what was there, and both
// are forgotten.
DG_MUST_USE enum dg_counter dg_reassembly_add(struct dg_reassembly *area, dg_time now, const struct dg_path *path,
                                              const struct dg_handshake_fragment *fragment, uint64_t record_sequence,
                                              size_t wire_bytes, struct dg_counters *counters,
                                              struct dg_bytes *ret_record, size_t *ret_wire_bytes);
dg_time dg_reassembly_deadline(const struct dg_reassembly *area);
// Forgets what is too old; each is a DROP_FRAGMENT_EXPIRED.
void dg_reassembly_advance(struct dg_reassembly *area, dg_time now, struct dg_counters *counters);

#endif
