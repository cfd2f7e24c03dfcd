// SPDX-License-Identifier: GPL-3.0-or-later
// The engine's outer face: made from a piece of memory and its shards, taking over finished handshakes,
// ending associations, answering questions about them. Never judges a record (engine_receive.c) and never
// takes a record number (engine_send.c).
#include "core/engine.h"

#include "core/engine_internal.h"

#include <stdlib.h>
#include <string.h>

struct dg_engine_config dg_engine_config_default(void)
{
    return (struct dg_engine_config){
        .idle_timeout = 10 * DG_MINUTE,
        .idle_timeout_cid = 24 * DG_HOUR, // devices that sleep keep their association (RFC 9146 1)
        .maximal_age = 7 * 24 * DG_HOUR,
        .retransmit_initial = DG_SECOND,
        .datagram_max = 1232, // IPv6's least MTU less its headers and UDP's
        .ccm8_open_limit = DG_LIMIT_OPEN_CCM_8,
        .ccm8_open_rate = 16,
        .open_rate = 1000,
        .drain_per_second = 5000,
        .path_timeout = DG_SECOND, // RFC 9853 5.5
        .closes_removed = true,
    };
}

struct dg_engine *dg_engine_new(const struct dg_engine_config *config, const struct dg_memory *memory,
                                const uint32_t *shard_numbers, size_t shard_count, const struct dg_aead_ops *aead,
                                const struct dg_output *output, const struct dg_engine_hooks *hooks,
                                struct dg_counters *counters)
{
    struct dg_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->config = *config;
    engine->memory = memory;
    engine->aead = aead;
    engine->output = *output;
    engine->hooks = *hooks;
    engine->counters = counters;
    engine->shards = calloc(shard_count > 0 ? shard_count : 1, sizeof *engine->shards);
    if (engine->shards == NULL)
        goto fail;
    for (size_t i = 0; i < shard_count; i++) {
        DG_BUG_UNLESS(shard_numbers[i] < DG_SHARDS_MAX && engine->by_number[shard_numbers[i]] == NULL);
        if (!dg_shard_attach(&engine->shards[i], memory, shard_numbers[i], counters))
            goto fail;
        engine->by_number[shard_numbers[i]] = &engine->shards[i];
        engine->shard_count++;
        engine->shards[i].soonest = &engine->soonest;
        // Where there never was anything, there is nothing to be judged either.
        if (engine->shards[i].fresh_slot + engine->shards[i].fresh_wide + engine->shards[i].fresh_flight == 0)
            while (dg_shard_settle(&engine->shards[i], UINT32_MAX)) {
            }
    }
    return engine;
fail:
    dg_engine_free(engine);
    return NULL;
}

void dg_engine_free(struct dg_engine *engine)
{
    if (engine == NULL)
        return;
    dg_engine_policy_clear(engine);
    for (size_t i = 0; i < engine->shard_count; i++)
        dg_shard_clear(&engine->shards[i]);
    free(engine->shards);
    free(engine);
}

// The association without a connection ID at this address, if there is one here.
static bool find_at(struct dg_engine *engine, dg_time now, const struct dg_address *peer, uint64_t listener,
                    struct dg_association *ret)
{
    struct dg_shard *shard = engine->by_number[dg_steer_address_shard(&engine->memory->header->steer, peer)];
    struct dg_slot *slot = shard != NULL ? dg_shard_find_address(shard, peer, listener) : NULL;
    if (slot == NULL)
        return false;
    *ret = dg_association_of(engine, now, shard, slot);
    return true;
}

// No alert: whoever is at its address now has other keys.
static void end_replaced(const struct dg_association *old)
{
    dg_association_end(old, DG_COUNT_CLOSED_REPLACED, DG_NO_ALERT);
}

// RFC 8446 6.2, RFC 5246 7.2.2: access_denied is for who is proven and not let in.
static bool refuse(struct dg_engine *engine, dg_time now, const struct dg_handover *handover, enum dg_counter reason,
                   uint16_t rule)
{
    bool is_denied = reason == DG_COUNT_FAIL_POLICY || reason == DG_COUNT_FAIL_IDENTITY_LIMIT ||
                     reason == DG_COUNT_FAIL_PREFIX_LIMIT;
    dg_count(engine->counters, reason);
    if (reason != DG_COUNT_FAIL_TAKEOVER) // its fields are sane
        dg_refusal_send(engine, handover, is_denied ? DG_ALERT_ACCESS_DENIED : DG_ALERT_INTERNAL_ERROR);
    if (engine->hooks.refused != NULL)
        engine->hooks.refused(engine->hooks.context, now, handover, reason, rule);
    return false;
}

bool dg_engine_take_over(struct dg_engine *engine, dg_time now, const struct dg_handover *handover)
{
    const struct dg_memory_header *header = engine->memory->header;
    uint32_t number = handover->cid_size > 0 ? dg_cid_shard(handover->cid, header->shape.shard_count)
                                             : dg_steer_address_shard(&header->steer, &handover->path.peer);
    struct dg_shard *shard = engine->by_number[number];
    if (shard == NULL) {
        dg_count(engine->counters, DG_COUNT_MISROUTED);
        return false;
    }
    if (!dg_shard_handover_is_sane(shard, handover))
        return refuse(engine, now, handover, DG_COUNT_FAIL_TAKEOVER, DG_POLICY_NO_RULE);
    struct dg_policy_verdict verdict = dg_engine_judge_newcomer(engine, handover);
    if (!verdict.is_allowed)
        return refuse(engine, now, handover, DG_COUNT_FAIL_POLICY, verdict.rule);
    // RFC 9147 5.11, RFC 6347 4.2.8: the new handshake is proven, so the old association at its path must go.
    struct dg_association old;
    if (find_at(engine, now, &handover->path.peer, handover->path.listener, &old))
        end_replaced(&old);

    enum dg_counter reason = DG_COUNT_NONE;
    struct dg_slot *slot = dg_shard_take_over(shard, now, handover, &reason);
    if (slot == NULL)
        return refuse(engine, now, handover, reason, DG_POLICY_NO_RULE);
    struct dg_association association = dg_association_of(engine, now, shard, slot);
    reason = dg_association_enter(&association, verdict.rule);
    if (reason != DG_COUNT_NONE)
        return refuse(engine, now, handover, reason, verdict.rule);
    dg_final_flight_begin(&association);
    engine->any_sweep = true;
    if (engine->sweep_next == 0)
        engine->sweep_next = now + DG_SWEEP_PERIOD / DG_SWEEP_SLICES;
    dg_count(engine->counters, DG_COUNT_ASSOCIATIONS_OPENED);
    if (engine->hooks.opened != NULL)
        engine->hooks.opened(engine->hooks.context, now, dg_shard_ref(shard, slot), slot, handover);
    return true;
}

void dg_engine_replace_path(struct dg_engine *engine, dg_time now, const struct dg_path *path, dg_time proven_at)
{
    struct dg_association old;
    if (find_at(engine, now, &path->peer, path->listener, &old) && !dg_slot_was_opened_after(old.slot, proven_at))
        end_replaced(&old);
}

void dg_engine_close(struct dg_engine *engine, dg_time now, struct dg_ref ref, enum dg_counter reason)
{
    struct dg_association association;
    if (!dg_association_find(engine, now, ref, &association))
        return;
    bool says_so = reason != DG_COUNT_CLOSED_REPLACED && reason != DG_COUNT_CLOSED_BY_ALERT;
    dg_association_end(&association, reason, says_so ? DG_ALERT_CLOSE_NOTIFY : DG_NO_ALERT);
}

void dg_engine_set_local(struct dg_engine *engine, struct dg_ref ref, const struct dg_address *local)
{
    struct dg_association association;
    if (!dg_association_find(engine, 0, ref, &association))
        return;
    struct dg_slot *slot = association.slot;
    DG_BUG_UNLESS((slot->flags & DG_SLOT_IS_CLIENT) != 0 && (slot->flags & DG_SLOT_HAS_CID) != 0);
    memcpy(slot->local_ip, local->ip, sizeof slot->local_ip);
    slot->local_port = local->port;
}

void dg_engine_set_backend_port(struct dg_engine *engine, struct dg_ref ref, uint16_t port)
{
    struct dg_association association;
    if (dg_association_find(engine, 0, ref, &association))
        association.slot->backend_port = port;
}

static struct dg_slot *find_ref(const struct dg_engine *engine, struct dg_ref ref)
{
    struct dg_shard *shard = ref.shard < DG_SHARDS_MAX ? engine->by_number[ref.shard] : NULL;
    return shard != NULL ? dg_shard_find_ref(shard, ref) : NULL;
}

const struct dg_slot *dg_engine_peek(const struct dg_engine *engine, struct dg_ref ref)
{
    return find_ref(engine, ref);
}

// The slot, where it may go on by this judgement.
static const struct dg_slot *find_current(struct dg_engine *engine, dg_time now, struct dg_ref ref,
                                          bool (*may_go_on)(const struct dg_association *association))
{
    struct dg_association association;
    if (!dg_association_find(engine, now, ref, &association))
        return NULL;
    uint32_t before = dg_shard_serve(association.shard, association.slot);
    bool is_current = may_go_on(&association);
    dg_shard_served(association.shard, before);
    return is_current ? association.slot : NULL;
}

const struct dg_slot *dg_engine_current(struct dg_engine *engine, dg_time now, struct dg_ref ref)
{
    return find_current(engine, now, ref, dg_association_authorised);
}

const struct dg_slot *dg_engine_holder(struct dg_engine *engine, dg_time now, struct dg_ref ref)
{
    return find_current(engine, now, ref, dg_association_may_go_on);
}

uint16_t dg_engine_backend_port(const struct dg_engine *engine, struct dg_ref ref)
{
    const struct dg_slot *slot = find_ref(engine, ref);
    return slot != NULL ? slot->backend_port : 0;
}

bool dg_engine_holds_port(const struct dg_engine *engine, uint32_t shard, uint32_t slot, uint16_t port,
                          bool *ret_is_ours, struct dg_ref *ret_ref)
{
    struct dg_shard *own = shard < DG_SHARDS_MAX ? engine->by_number[shard] : NULL;
    *ret_is_ours = own != NULL;
    if (own == NULL || slot >= own->fresh_slot)
        return false;
    *ret_ref = dg_shard_ref(own, dg_memory_slot(engine->memory, shard, slot));
    const struct dg_slot *found = dg_shard_find_ref(own, *ret_ref);
    return found != NULL && found->backend_port == port;
}

struct dg_bytes dg_engine_identity(const struct dg_engine *engine, struct dg_ref ref)
{
    struct dg_shard *shard = ref.shard < DG_SHARDS_MAX ? engine->by_number[ref.shard] : NULL;
    const struct dg_slot *slot = shard != NULL ? dg_shard_find_ref(shard, ref) : NULL;
    return slot != NULL ? dg_shard_identity(shard, slot) : (struct dg_bytes){NULL, 0};
}

void dg_engine_set_policy_generation(struct dg_engine *engine, uint32_t generation)
{
    engine->policy_generation = generation;
    dg_engine_review_begin(engine);
}

void dg_engine_set_config(struct dg_engine *engine, const struct dg_engine_config *config)
{
    engine->config = *config;
}

size_t dg_engine_live(const struct dg_engine *engine)
{
    size_t live = 0;
    for (size_t i = 0; i < engine->shard_count; i++)
        live += engine->shards[i].live;
    return live;
}
