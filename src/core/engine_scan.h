// SPDX-License-Identifier: GPL-3.0-or-later
// What operators ask of the associations of one engine: to list those that fit, or to end them. A slice at a time, so
// that a table of millions keeps no datagram waiting. Requests and rows are plain data: threads pass them to each other.
#ifndef DG_CORE_ENGINE_SCAN_H
#define DG_CORE_ENGINE_SCAN_H

#include "core/engine.h"
#include "core/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_SCAN_ROWS_MAX 32u   // of a slice
#define DG_SCAN_SLOTS_MAX 512u // looked at in a slice, live or not

enum dg_scan_what {
    DG_SCAN_LIST = 1,
    DG_SCAN_CLOSE = 2, // with close_notify, as closed_by_operator
};

struct dg_scan_request {
    uint64_t query;  // the asker's number, given back
    uint64_t id;     // of the one association that is meant; 0: all that fit
    uint32_t what;   // dg_scan_what
    uint32_t place;  // where to go on, 0 and 0 at first, then as the answer says
    uint32_t cursor;
    uint32_t identity_size;
    uint8_t identity[DG_IDENTITY_MAX + 1]; // this identity alone, or who is at
    struct dg_address peer;                // this address, whatever the port, where has_peer is 1; size 0:
    uint32_t has_peer;
    uint32_t reserved;
    char pattern[DG_POLICY_PATTERN];       // those that fit this pattern (policy.h); empty: everybody's
};

struct dg_scan_row {
    struct dg_ref ref;
    struct dg_address peer, local;
    uint64_t listener;      // digest
    dg_time age, idle;      // for how long
    uint32_t expires_s;     // CLOCK_REALTIME seconds; 0: never
    uint16_t suite, group;  // IANA
    uint8_t version;        // 12 or 13
    uint8_t flags;          // dg_slot_flags
    uint8_t identity_kind;  // dg_identity_kind
    uint8_t cid_size;       // ours, 0: none
    uint8_t cid[DG_CID_SIZE_MAX];
    uint8_t identity_size;
    uint8_t identity[DG_IDENTITY_MAX];
};

struct dg_scan_answer {
    uint64_t query;
    uint32_t place, cursor; // where to go on
    uint32_t is_over;       // 1: there is nothing left
    uint32_t row_count;
    struct dg_scan_row rows[DG_SCAN_ROWS_MAX]; // the first row_count are filled
};

void dg_engine_scan(struct dg_engine *engine, dg_time now, const struct dg_scan_request *request,
                    struct dg_scan_answer *ret);

#endif
