// SPDX-License-Identifier: GPL-3.0-or-later
// Asks the tally for each association of this worker that a limit concerns, and carries out what it says.
#include "io/worker_limits.h"

#include "core/steer.h"

// Under the tally's lock. True: it will be ended.
static bool end_one(void *context, struct dg_ref ref)
{
    struct dg_worker_limits *limits = context;
    uint32_t owner = dg_steer_worker(ref.shard, limits->worker_count);
    if (owner == limits->worker) {
        if (limits->surplus_count == DG_POLICY_ASSOCIATIONS_MAX)
            return false;
        limits->surplus[limits->surplus_count++] = ref;
        return true;
    }
    const struct dg_message_close close = {.ref = ref, .reason = DG_COUNT_CLOSED_IDENTITY_LIMIT};
    const struct dg_ring_part part = {&close, sizeof close};
    if (dg_mesh_put(limits->loop->mesh, limits->loop->self, dg_mesh_worker(owner), DG_MESSAGE_CLOSE_REF, &part, 1))
        return true;
    dg_count(limits->loop->counters, DG_COUNT_DROP_RING_FULL);
    return false;
}

// Ending one calls back (dg_worker_limits_closed), and what it says may end others.
static void end_surplus(struct dg_worker_limits *limits, dg_time now)
{
    while (limits->surplus_count > 0)
        dg_engine_close(limits->engine, now, limits->surplus[--limits->surplus_count], DG_COUNT_CLOSED_IDENTITY_LIMIT);
}

static bool join_identity(struct dg_worker_limits *limits, const struct dg_policy *rules, dg_time now, struct dg_ref ref,
                          const struct dg_slot *slot, struct dg_bytes identity)
{
    const struct dg_policy_rule *rule = rules != NULL ? dg_policy_rule_at(rules, slot->rule) : NULL;
    if (rule == NULL || rule->associations_max == 0) {
        dg_tally_leave(limits->tally, ref);
        return true;
    }
    const struct dg_tally_entry entry = {
        .ref = ref,
        .opened_tick = slot->opened_tick,
        .now_tick = dg_slot_tick(now),
        .key = dg_tally_identity_key(limits->tally, dg_policy_listener_of(rules, slot->rule), slot->identity_kind,
                                     identity.data, identity.size),
        .max = rule->associations_max,
        .replaces_oldest = rule->when_full == DG_POLICY_FULL_REPLACE,
        .end = end_one,
        .context = limits,
    };
    bool is_in = dg_tally_join(limits->tally, &entry);
    end_surplus(limits, now);
    return is_in;
}

enum dg_counter dg_worker_limits_join(struct dg_worker_limits *limits, const struct dg_policy *rules,
                                      uint32_t prefix_max, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                                      struct dg_bytes identity, bool is_new)
{
    if (limits->tally == NULL)
        return DG_COUNT_NONE;
    if (prefix_max != 0) {
        uint64_t key = dg_tally_prefix_key(limits->tally, &slot->peer);
        if (!dg_tally_prefix_join(limits->tally, ref, key, prefix_max, is_new))
            return DG_COUNT_FAIL_PREFIX_LIMIT;
    }
    if (join_identity(limits, rules, now, ref, slot, identity))
        return DG_COUNT_NONE;
    dg_tally_prefix_leave(limits->tally, ref);
    return DG_COUNT_FAIL_IDENTITY_LIMIT;
}

void dg_worker_limits_moved(struct dg_worker_limits *limits, uint32_t prefix_max, struct dg_ref ref,
                            const struct dg_slot *slot)
{
    if (limits->tally != NULL && prefix_max != 0)
        (void)!dg_tally_prefix_join(limits->tally, ref, dg_tally_prefix_key(limits->tally, &slot->peer), prefix_max,
                                    false);
}

void dg_worker_limits_closed(struct dg_worker_limits *limits, struct dg_ref ref)
{
    if (limits->tally == NULL)
        return;
    dg_tally_leave(limits->tally, ref);
    dg_tally_prefix_leave(limits->tally, ref);
}
