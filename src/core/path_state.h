// SPDX-License-Identifier: GPL-3.0-or-later
// What the files about clients that move share: path.c (which address, where answers go, time), path_rrc.c (checks
// by RFC 9853), path_probe.c (proofs by acknowledgement). Never included elsewhere.
#ifndef DG_CORE_PATH_STATE_H
#define DG_CORE_PATH_STATE_H

#include "core/engine_internal.h"
#include "core/path.h"

#define DG_PATH_AMPLIFICATION 3                 // RFC 9853 5, RFC 9147 11
#define DG_PATH_TURN_MIN (100 * DG_MILLISECOND) // below, a busy peer would be taken for one that is gone

// path.c
// The side slot of the association's new address, or NULL. It has one unless it rests.
struct dg_side_flight *dg_path_side(const struct dg_association *association);
bool dg_path_has_candidate(struct dg_side_flight *side);
bool dg_path_is_candidate(struct dg_side_flight *side, const struct dg_path *path);
struct dg_path dg_path_candidate(const struct dg_association *association, const struct dg_side_path *side);
// The peer's address and ours: an answer from another address of ours would not pass the client's NAT.
bool dg_path_is_current(const struct dg_slot *slot, const struct dg_path *path);
size_t dg_path_budget(const struct dg_side_path *side); // bytes that may still go there
void dg_path_rest(const struct dg_association *association, struct dg_side_flight *side, dg_time duration);
void dg_path_move(const struct dg_association *association, struct dg_side_flight *side); // proven

// path_rrc.c
#define DG_PATH_REST_TIME (10 * DG_SECOND) // after a check that was settled: keeps the pace of the next
// The address is written already. The first challenge goes out at once, if the last one is a round trip ago.
void dg_path_check_start(const struct dg_association *association, struct dg_side_flight *side,
                         enum dg_path_phase phase);
void dg_path_check_due(const struct dg_association *association, struct dg_side_flight *side);

// path_kept.c
void dg_path_forget_kept(const struct dg_association *association);
void dg_path_send_kept(const struct dg_association *association); // the client has moved

// path_probe.c
// What waits for its acknowledgement goes to the new address, once in a round trip at most; a KeyUpdate where there is
// nothing.
void dg_path_probe(const struct dg_association *association, struct dg_side_flight *side);
void dg_path_probe_sent(struct dg_side_flight *side, struct dg_record_number number);

#endif
