// SPDX-License-Identifier: GPL-3.0-or-later
// What threads tell each other through the rings of the mesh: plain data, no pointer into either side.
#ifndef DG_IO_MESSAGES_H
#define DG_IO_MESSAGES_H

#include "core/address.h"
#include "core/association_ref.h"
#include "core/counters.h"
#include "core/engine_scan.h"
#include "core/handover.h"
#include "core/wire_constants.h"

#include <stdint.h>

enum dg_message {
    // struct dg_message_datagram, then the datagram's bytes
    DG_MESSAGE_DATAGRAM = 1,
    // struct dg_handover, then early records, each behind its size (uint32_t): front to worker
    DG_MESSAGE_HANDOVER = 2,
    // struct dg_message_replace: a new association was proven there, in another worker's shards
    DG_MESSAGE_REPLACE_PATH = 3,
    // struct dg_message_close
    DG_MESSAGE_CLOSE_REF = 4,
    // uint32_t: associations must have been checked under this policy from now on; the newest that has been set counts
    // (worker_loop.h)
    DG_MESSAGE_POLICY_GENERATION = 5,
    // struct dg_scan_request: administration to worker, which answers with
    DG_MESSAGE_SCAN = 6,
    // struct dg_scan_answer up to its last row: one slice, at once
    DG_MESSAGE_SCANNED = 7,
    // struct dg_message_answer, then the answer's bytes: a backend answered an association of another worker's
    DG_MESSAGE_ANSWER = 8,
};

enum dg_datagram_errand {
    // Reached the wrong thread; to be treated as if it had come from the own socket.
    DG_ERRAND_MISROUTED = 1,
    // Worker to front: names no association; perhaps a handshake's. Never comes back.
    DG_ERRAND_UNKNOWN = 2,
    // Front to worker: no handshake's; perhaps an association's. Never comes back.
    DG_ERRAND_FORWARDED = 3,
};

struct dg_message_datagram {
    struct dg_path path;
    uint32_t errand; // dg_datagram_errand
    uint32_t is_rest; // 1: the end of a datagram that the front has counted as a handshake's
};

struct dg_message_replace {
    struct dg_path path;
    dg_time proven_at; // on a full ring it may arrive after what came later
};

struct dg_message_close {
    struct dg_ref ref;
    uint32_t reason; // dg_counter
    uint32_t reserved;
};

struct dg_message_answer {
    struct dg_ref ref;
    uint32_t backend; // its number
    uint32_t reserved;
};

// The largest message: a hand-over with all its early records.
#define DG_MESSAGE_BYTES_MAX (sizeof(struct dg_handover) + DG_EARLY_MAX * (sizeof(uint32_t) + DG_DATAGRAM_MAX))

#endif
