// SPDX-License-Identifier: GPL-3.0-or-later
// An engine and a front that stand in for the real ones, under their names: they say which thread got what, and
// answer. No cryptography, no protocol. For one program only.
#ifndef DG_TESTS_IO_STAND_INS_H
#define DG_TESTS_IO_STAND_INS_H

#include "check.h"
#include "core/ahead.h"
#include "core/cid.h"
#include "core/engine.h"
#include "core/front.h"
#include "io/mesh.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WORKERS_MAX 4
#define ANSWER_SIZE 6
// The last byte of a datagram tells the stand-ins what to do.
#define MARK_KNOWN 'K'   // answer
#define MARK_FORGED 'X'  // an association's that does not open
#define MARK_UNKNOWN 'U' // name no association
#define MARK_FORWARD 'F' // front: forward it
#define MARK_HAND 'H'    // front: finish a handshake, with two early records
#define MARK_STAND 'S'   // front: do not return while is_stuck

// --- the stand-in engine ---------------------------------------------------------------------------------

struct dg_engine {
    struct dg_output output;
    struct dg_engine_hooks hooks;
    struct dg_counters *counters;
    struct dg_path path; // of the datagram in hand
    uint32_t worker;
    _Atomic uint32_t live, taken_over, early, replaced, closed, generation;
    _Atomic uint64_t early_order; // first bytes of the early records, one after the other
    bool is_draining;
    _Atomic bool is_full; // refuses hand-overs
    _Atomic uint32_t is_stuck, stands; // closes no association while it is
};
static struct dg_engine *engines[WORKERS_MAX];

static bool answer_path(const struct dg_output *output, const struct dg_path *path, const uint8_t *data, size_t size)
{
    uint8_t *room = output->reserve(output->context, size);
    if (room == NULL) {
        return false;
    }
    memcpy(room, data, size);
    output->commit(output->context, path, size);
    return true;
}

struct dg_engine_config dg_engine_config_default(void) { return (struct dg_engine_config){.datagram_max = 1200}; }

struct dg_engine *dg_engine_new(const struct dg_engine_config *config, const struct dg_memory *memory,
                                const uint32_t *shard_numbers, size_t shard_count, const struct dg_aead_ops *aead,
                                const struct dg_output *output, const struct dg_engine_hooks *hooks,
                                struct dg_counters *counters)
{
    (void)config, (void)memory, (void)aead;
    struct dg_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL || shard_count == 0) {
        abort();
    }
    engine->output = *output;
    engine->hooks = *hooks;
    engine->counters = counters;
    engine->worker = shard_numbers[0]; // the first of worker w's shards is w
    engines[engine->worker] = engine;
    return engine;
}
void dg_engine_free(struct dg_engine *engine) { free(engine); }

enum dg_engine_verdict dg_engine_receive(struct dg_engine *engine, dg_time now, const struct dg_path *path,
                                         uint8_t *data, size_t size)
{
    if (size == 1) { // an early record
        engine->early++;
        engine->early_order = engine->early_order << 8 | data[0];
        return DG_ENGINE_OPENED;
    }
    if (data[size - 1] == MARK_HAND) { // known once there was a hand-over
        if (engine->taken_over == 0) {
            return DG_ENGINE_UNKNOWN;
        }
    } else if (data[size - 1] == MARK_FORGED) {
        memset(data, 0, size); // as an AEAD may
        dg_count(engine->counters, DG_COUNT_DROP_FORGED);
        return DG_ENGINE_NOT_OPENED;
    } else if (data[size - 1] != MARK_KNOWN) {
        return DG_ENGINE_UNKNOWN;
    }
    uint8_t plaintext[ANSWER_SIZE] = {(uint8_t)dg_mesh_worker(engine->worker)};
    memcpy(plaintext + 1, data + size - 5, 4); // the datagram's number
    engine->path = *path;
    engine->hooks.deliver(engine->hooks.context, now, (struct dg_ref){.id = 1}, NULL, plaintext, sizeof plaintext);
    return DG_ENGINE_OPENED;
}
bool dg_engine_send(struct dg_engine *engine, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    (void)now, (void)ref;
    return answer_path(&engine->output, &engine->path, data, size);
}
bool dg_engine_take_over(struct dg_engine *engine, dg_time now, const struct dg_handover *handover)
{
    dg_count(engine->counters, engine->is_full ? DG_COUNT_TABLE_FULL : DG_COUNT_ASSOCIATIONS_OPENED);
    if (engine->is_full) {
        engine->hooks.refused(engine->hooks.context, now, handover, DG_COUNT_TABLE_FULL, DG_POLICY_NO_RULE);
        return false;
    }
    engine->taken_over++;
    engine->live++;
    engine->hooks.opened(engine->hooks.context, now, (struct dg_ref){.id = 1}, NULL, handover);
    return true;
}
void dg_engine_replace_path(struct dg_engine *engine, dg_time now, const struct dg_path *path, dg_time proven_at)
{
    (void)path;
    CHECK(proven_at > 0 && proven_at <= now);
    engine->replaced++;
}
void dg_engine_close(struct dg_engine *engine, dg_time now, struct dg_ref ref, enum dg_counter reason)
{
    while (engine->is_stuck > 0) {
        engine->stands = 1;
        sched_yield();
    }
    engine->closed++;
    engine->live--;
    engine->hooks.closed(engine->hooks.context, now, ref, NULL, reason);
}
struct dg_bytes dg_engine_identity(const struct dg_engine *engine, struct dg_ref ref)
{
    (void)engine, (void)ref;
    return (struct dg_bytes){NULL, 0};
}
void dg_engine_set_backend_port(struct dg_engine *engine, struct dg_ref ref, uint16_t port)
{
    (void)engine, (void)ref, (void)port;
}
uint16_t dg_engine_backend_port(const struct dg_engine *engine, struct dg_ref ref)
{
    (void)engine, (void)ref;
    return 0;
}
bool dg_engine_holds_port(const struct dg_engine *engine, uint32_t shard, uint32_t slot, uint16_t port,
                          bool *ret_is_ours, struct dg_ref *ret_ref)
{
    (void)engine, (void)shard, (void)slot, (void)port, (void)ret_ref;
    *ret_is_ours = false;
    return false;
}
void dg_engine_set_config(struct dg_engine *engine, const struct dg_engine_config *config)
{
    (void)engine, (void)config;
}
const struct dg_slot *dg_engine_peek(const struct dg_engine *engine, struct dg_ref ref)
{
    (void)engine, (void)ref;
    return NULL;
}
const struct dg_slot *dg_engine_current(struct dg_engine *engine, dg_time now, struct dg_ref ref)
{
    (void)engine, (void)now, (void)ref;
    return NULL;
}
const struct dg_slot *dg_engine_holder(struct dg_engine *engine, dg_time now, struct dg_ref ref)
{
    (void)engine, (void)now, (void)ref;
    return NULL;
}
void dg_engine_scan(struct dg_engine *engine, dg_time now, const struct dg_scan_request *request,
                    struct dg_scan_answer *ret)
{
    (void)engine, (void)now, (void)request, (void)ret;
}
bool dg_engine_set_rules(struct dg_engine *engine, const struct dg_policy *policy)
{
    (void)engine;
    return policy == NULL;
}
void dg_engine_set_policy_generation(struct dg_engine *engine, uint32_t generation)
{
    engine->generation = generation;
}
void dg_engine_drain(struct dg_engine *engine, dg_time now)
{
    (void)now;
    engine->is_draining = true;
}
// Looking ahead is for the real one only: this one's memory is elsewhere.
void dg_ahead_batch(const struct dg_engine *engine, struct dg_ahead *all, size_t count)
{
    (void)engine, (void)all, (void)count;
}
void dg_ahead_slot(const struct dg_ahead *ahead) { (void)ahead; }
size_t dg_engine_live(const struct dg_engine *engine) { return engine->live; }

bool dg_engine_is_found(const struct dg_engine *engine)
{
    (void)engine;
    return true;
}
dg_time dg_engine_deadline(const struct dg_engine *engine) { return engine->is_draining ? 1 : DG_NEVER; }
void dg_engine_advance(struct dg_engine *engine, dg_time now, uint32_t now_wall_s)
{
    (void)now_wall_s;
    if (engine->is_draining && engine->live > 0) {
        dg_engine_close(engine, now, (struct dg_ref){.id = 1}, DG_COUNT_CLOSED_SHUTDOWN);
    }
}

// --- the stand-in front ----------------------------------------------------------------------------------

struct dg_front {
    struct dg_counters *counters;
    struct dg_output output;
    struct dg_front_hooks hooks;
    _Atomic uint32_t passed_on;
    void *_Atomic gate;
    _Atomic uint32_t is_stuck, stands;
    bool is_stopped;
};
static struct dg_front *the_front;
static uint8_t next_cid[DG_CID_SIZE_DEFAULT];

struct dg_front *dg_front_new(const struct dg_front_config *config, const struct dg_handshake_ops *ops, void *gate,
                              const struct dg_output *output, const struct dg_front_hooks *hooks,
                              struct dg_counters *counters)
{
    (void)config, (void)ops;
    struct dg_front *front = calloc(1, sizeof *front);
    if (front == NULL) {
        abort();
    }
    front->counters = counters;
    front->output = *output;
    front->hooks = *hooks;
    front->gate = gate;
    the_front = front;
    return front;
}
void dg_front_free(struct dg_front *front) { free(front); }
void dg_front_receive(struct dg_front *front, dg_time now, const struct dg_path *path, uint8_t *data, size_t size,
                      bool is_passed_on)
{
    uint8_t mark = data[size - 1];
    front->passed_on += is_passed_on;
    while (mark == MARK_STAND && front->is_stuck > 0) {
        front->stands = 1;
        sched_yield();
    }
    if (mark == MARK_FORWARD || (mark == MARK_HAND && is_passed_on)) { // it crossed its hand-over
        front->hooks.forward(front->hooks.context, now, path, data, size, false);
        return;
    }
    dg_count(front->counters, DG_COUNT_DATAGRAMS_HANDSHAKES);
    if (mark == MARK_HAND) {
        static struct dg_handover handover;
        handover = (struct dg_handover){.path = *path, .cid_size = DG_CID_SIZE_DEFAULT};
        memcpy(handover.cid, next_cid, sizeof next_cid);
        dg_count(front->counters, DG_COUNT_HANDSHAKES_STARTED);
        dg_count(front->counters, DG_COUNT_HANDSHAKES_COMPLETED);
        const struct dg_bytes early[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
        CHECK(front->hooks.hand_over(front->hooks.context, now, &handover, early, 2));
    }
    uint8_t answer[ANSWER_SIZE] = {DG_MESH_FRONT};
    memcpy(answer + 1, data + size - 5, 4);
    answer[5] = is_passed_on;
    (void)answer_path(&front->output, path, answer, sizeof answer);
}
dg_time dg_front_deadline(const struct dg_front *front)
{
    (void)front;
    return DG_NEVER;
}
void dg_front_advance(struct dg_front *front, dg_time now) { (void)front, (void)now; }
void dg_front_set_config(struct dg_front *front, const struct dg_front_config *config)
{
    (void)front, (void)config;
}
void dg_front_set_gate(struct dg_front *front, void *gate) { front->gate = gate; }
void dg_front_stop(struct dg_front *front) { front->is_stopped = true; }
void dg_front_give_up(struct dg_front *front) { (void)front; }
size_t dg_front_busy(const struct dg_front *front)
{
    (void)front;
    return 0;
}

#endif
