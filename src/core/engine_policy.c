// SPDX-License-Identifier: GPL-3.0-or-later
// What the policy means for associations: who is taken over, who may go on, what passes of what a client says, how long
// it may be silent. Never decides by itself: the rules do (policy.c), and its owner counts against limits.
#include "base/bucket.h"
#include "core/engine_internal.h"

#include <stdlib.h>
#include <string.h>

#define BURST_SECONDS 2                // that may be saved up under a rule's rates
#define TOLD_AGAIN (60 * DG_SECOND)    // an association whose messages are dropped is spoken of so often

// What an association may still say, in memory of this process.
struct dg_slot_rates {
    uint64_t id; // of the association that it is about; another's is begun anew
    struct dg_bucket messages, bytes;
    dg_time said_at;
};
_Static_assert(sizeof(struct dg_slot_rates) == 48, "docs/memory.md says so");

// --- the rules in force ----------------------------------------------------------------

static void rates_free(struct dg_engine *engine)
{
    for (size_t i = 0; engine->rates != NULL && i < engine->shard_count; i++)
        free(engine->rates[i]);
    free(engine->rates);
    engine->rates = NULL;
}

// Only what is written to becomes memory.
static bool rates_new(struct dg_engine *engine)
{
    if (engine->rates != NULL)
        return true;
    engine->rates = calloc(engine->shard_count + 1, sizeof *engine->rates);
    for (size_t i = 0; engine->rates != NULL && i < engine->shard_count; i++) {
        engine->rates[i] = calloc(engine->memory->header->shape.slots_per_shard, sizeof *engine->rates[i]);
        if (engine->rates[i] == NULL)
            rates_free(engine);
    }
    return engine->rates != NULL;
}

void dg_engine_policy_clear(struct dg_engine *engine) { rates_free(engine); }

bool dg_engine_set_rules(struct dg_engine *engine, const struct dg_policy *policy)
{
    engine->policy = policy;
    engine->has_networks = policy != NULL && dg_policy_has_networks(policy);
    engine->has_rates = policy != NULL && dg_policy_has_rates(policy);
    engine->may_hold_back = engine->has_networks || engine->has_rates;
    if (!engine->has_rates)
        rates_free(engine);
    return !engine->has_rates || rates_new(engine);
}

// What a slot says of a rule is true only of the policy that it was asked under.
static const struct dg_policy_rule *rule_of(const struct dg_engine *engine, const struct dg_slot *slot)
{
    return engine->policy != NULL && slot->policy_generation == engine->policy_generation
               ? dg_policy_rule_at(engine->policy, slot->rule)
               : NULL;
}

static struct dg_policy_verdict judge_from(const struct dg_association *association, const struct dg_address *peer)
{
    const struct dg_slot *slot = association->slot;
    const struct dg_policy_subject subject = {.listener = slot->listener,
                                              .identity = dg_shard_identity(association->shard, slot),
                                              .identity_kind = slot->identity_kind,
                                              .peer = peer};
    return dg_policy_judge(association->engine->policy, &subject);
}

// --- who is taken over -----------------------------------------------------------------

struct dg_policy_verdict dg_engine_judge_newcomer(const struct dg_engine *engine, const struct dg_handover *handover)
{
    if (engine->hooks.authorise == NULL)
        return (struct dg_policy_verdict){.is_allowed = true, .rule = DG_POLICY_NO_RULE};
    struct dg_slot slot;
    memset(&slot, 0, sizeof slot);
    slot.version = handover->version;
    slot.identity_kind = handover->identity_kind;
    slot.peer = handover->path.peer;
    slot.listener = (uint32_t)handover->path.listener;
    slot.credential = handover->credential;
    slot.leaf = handover->leaf;
    slot.expires_s = handover->expires_s;
    return engine->hooks.authorise(engine->hooks.context, &slot,
                                   (struct dg_bytes){handover->identity, handover->identity_size});
}

static enum dg_counter join(const struct dg_association *association, bool is_new)
{
    const struct dg_engine_hooks *hooks = &association->engine->hooks;
    if (hooks->join == NULL)
        return DG_COUNT_NONE;
    return hooks->join(hooks->context, association->now, dg_shard_ref(association->shard, association->slot),
                       association->slot, dg_shard_identity(association->shard, association->slot), is_new);
}

// Counts of all shards, other workers' too. Who comes in the same moment as others, at the brim, may be refused with
// them: never are there more.
static bool is_table_full(const struct dg_engine *engine)
{
    uint64_t live = 0;
    for (uint32_t shard = 0; shard < engine->memory->header->shape.shard_count; shard++)
        live += atomic_load_explicit(&dg_memory_shard_head(engine->memory, shard)->live, memory_order_relaxed);
    return live > engine->config.associations_max;
}

enum dg_counter dg_association_enter(const struct dg_association *association, uint16_t rule)
{
    struct dg_engine *engine = association->engine;
    if (engine->hooks.authorise != NULL) {
        association->slot->rule = rule;
        association->slot->policy_generation = engine->policy_generation;
    }
    enum dg_counter reason = DG_COUNT_TABLE_FULL;
    if (engine->config.associations_max == 0 || !is_table_full(engine))
        reason = join(association, true);
    if (reason == DG_COUNT_NONE)
        return DG_COUNT_NONE;
    // It was never opened: nobody else has heard of it.
    dg_shard_give_back(association->shard, association->slot);
    dg_association_forget_keys(association);
    return reason;
}

// --- who may go on ---------------------------------------------------------------------

static bool go_on(const struct dg_association *association, uint16_t rule)
{
    const struct dg_engine_hooks *hooks = &association->engine->hooks;
    association->slot->rule = rule;
    association->slot->policy_generation = association->engine->policy_generation;
    if (join(association, false) == DG_COUNT_NONE) {
        if (hooks->allowed != NULL)
            hooks->allowed(hooks->context, association->now, dg_shard_ref(association->shard, association->slot),
                           association->slot);
        return true;
    }
    dg_association_end(association, DG_COUNT_CLOSED_IDENTITY_LIMIT, DG_ALERT_CLOSE_NOTIFY);
    return false;
}

static struct dg_policy_verdict ask(const struct dg_association *association)
{
    const struct dg_engine_hooks *hooks = &association->engine->hooks;
    return hooks->authorise(hooks->context, association->slot, dg_shard_identity(association->shard, association->slot));
}

static bool judge(const struct dg_association *association)
{
    struct dg_policy_verdict verdict = ask(association);
    if (verdict.is_allowed)
        return go_on(association, verdict.rule);
    dg_association_end(association, DG_COUNT_CLOSED_UNAUTHORISED, DG_ALERT_CLOSE_NOTIFY);
    return false;
}

bool dg_association_authorised(const struct dg_association *association)
{
    struct dg_engine *engine = association->engine;
    struct dg_slot *slot = association->slot;
    if (slot->policy_generation == engine->policy_generation)
        return true;
    if (engine->hooks.authorise != NULL)
        return judge(association);
    slot->policy_generation = engine->policy_generation;
    return true;
}

// Who is no longer allowed and is not to be ended before it speaks is left as it is: not checked.
bool dg_association_review(const struct dg_association *association)
{
    const struct dg_engine *engine = association->engine;
    if (engine->config.closes_removed || engine->hooks.authorise == NULL)
        return dg_association_authorised(association);
    struct dg_policy_verdict verdict = ask(association);
    return !verdict.is_allowed || go_on(association, verdict.rule);
}

bool dg_association_may_go_on(const struct dg_association *association)
{
    const struct dg_engine *engine = association->engine;
    if (association->slot->policy_generation == engine->policy_generation || engine->hooks.authorise == NULL)
        return dg_association_authorised(association);
    struct dg_policy_verdict verdict = ask(association);
    return verdict.is_allowed && go_on(association, verdict.rule);
}

bool dg_engine_has_limits(const struct dg_engine *engine)
{
    return engine->hooks.join != NULL &&
           (engine->config.prefix_max != 0 || (engine->policy != NULL && dg_policy_has_limits(engine->policy)));
}

// A rule by network is not escaped by moving away from it.
void dg_association_moved(const struct dg_association *association)
{
    const struct dg_engine *engine = association->engine;
    if (engine->has_networks && engine->hooks.authorise != NULL && dg_association_is_alive(association))
        (void)judge(association);
}

// --- what passes -----------------------------------------------------------------------

// Where answers go has not moved yet, perhaps never will: what comes from a place that no rule allows does not pass. It
// ends nothing, since whoever sees the client's records can send them from there too.
static bool is_from_allowed_place(const struct dg_receive *receive)
{
    const struct dg_slot *slot = receive->association.slot;
    const struct dg_address *peer = &receive->path->peer;
    return memcmp(slot->peer.ip, peer->ip, sizeof peer->ip) == 0 || judge_from(&receive->association, peer).is_allowed;
}

static struct dg_bucket_rate rate_of(uint32_t a_second, uint32_t at_least)
{
    uint32_t burst = a_second > UINT32_MAX / BURST_SECONDS ? UINT32_MAX : a_second * BURST_SECONDS;
    return (struct dg_bucket_rate){.rate = a_second, .burst = burst > at_least ? burst : at_least};
}

static enum dg_counter take_of_rates(const struct dg_association *association, const struct dg_policy_rule *rule,
                                     struct dg_slot_rates *rates, size_t size)
{
    dg_time now = association->now;
    // One datagram of any size passes now and then, however small the rate.
    const struct dg_bucket_rate messages = rate_of(rule->messages_rate, 1);
    const struct dg_bucket_rate bytes = rate_of(rule->bytes_rate, DG_PLAINTEXT_MAX);
    if (rates->id != association->id) {
        *rates = (struct dg_slot_rates){.id = association->id,
                                        .messages = dg_bucket_full(messages, now),
                                        .bytes = dg_bucket_full(bytes, now)};
    }
    if (rule->messages_rate != 0 && !dg_bucket_take(&rates->messages, messages, 1, now))
        return DG_COUNT_DROP_RATE_MESSAGES;
    if (rule->bytes_rate != 0 && !dg_bucket_take(&rates->bytes, bytes, (uint32_t)size, now))
        return DG_COUNT_DROP_RATE_BYTES;
    return DG_COUNT_NONE;
}

static void tell(const struct dg_association *association, dg_time *said_at, enum dg_counter reason)
{
    struct dg_engine *engine = association->engine;
    if (engine->hooks.limited == NULL || (*said_at != 0 && dg_time_since(association->now, *said_at) < TOLD_AGAIN))
        return;
    *said_at = association->now;
    engine->hooks.limited(engine->hooks.context, association->now, dg_shard_ref(association->shard, association->slot),
                          association->slot, reason);
}

static enum dg_counter within_rates(const struct dg_association *association, size_t size)
{
    struct dg_engine *engine = association->engine;
    const struct dg_policy_rule *rule = rule_of(engine, association->slot);
    if (rule == NULL || (rule->messages_rate == 0 && rule->bytes_rate == 0))
        return DG_COUNT_NONE;
    if (engine->rates == NULL)
        return DG_COUNT_DROP_RATE_MESSAGES; // no memory to count in: the rule is kept, not the message
    struct dg_slot_rates *all = engine->rates[association->shard - engine->shards];
    struct dg_slot_rates *rates = &all[dg_shard_slot_number(association->shard, association->slot)];
    enum dg_counter reason = take_of_rates(association, rule, rates, size);
    if (reason != DG_COUNT_NONE)
        tell(association, &rates->said_at, reason);
    return reason;
}

bool dg_policy_lets_pass(const struct dg_receive *receive, size_t size)
{
    struct dg_engine *engine = receive->association.engine;
    enum dg_counter reason = DG_COUNT_NONE;
    if (engine->has_networks && !is_from_allowed_place(receive)) {
        reason = DG_COUNT_DROP_POLICY_NETWORK;
        tell(&receive->association, &engine->told_at[receive->association.id % DG_WARNED_SLOTS], reason);
    } else if (engine->has_rates) {
        reason = within_rates(&receive->association, size);
    }
    if (reason != DG_COUNT_NONE)
        dg_count(engine->counters, reason);
    return reason == DG_COUNT_NONE;
}

// --- how long it may be silent ---------------------------------------------------------

dg_time dg_association_idle_time(const struct dg_association *association)
{
    const struct dg_engine *engine = association->engine;
    const struct dg_slot *slot = association->slot;
    const struct dg_policy_rule *rule = rule_of(engine, slot);
    // Not checked yet under this policy, and perhaps not before it speaks.
    if (rule == NULL && engine->policy != NULL) {
        struct dg_policy_verdict verdict = judge_from(association, &slot->peer);
        rule = verdict.is_allowed ? dg_policy_rule_at(engine->policy, verdict.rule) : NULL;
    }
    if (rule != NULL && rule->idle_seconds != 0)
        return rule->idle_seconds * DG_SECOND;
    return (slot->flags & DG_SLOT_HAS_CID) != 0 ? engine->config.idle_timeout_cid : engine->config.idle_timeout;
}
