// SPDX-License-Identifier: GPL-3.0-or-later
// Puts a front between a fake gate and captured output. Owns the front, copies everything it is given.
#include "support/front_rig.h"

#include <stdlib.h>
#include <string.h>

static uint8_t *reserve(void *context, size_t capacity)
{
    struct rig *rig = context;
    return rig->output_is_full || capacity > sizeof rig->room ? NULL : rig->room;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    struct rig *rig = context;
    rig->sent++;
    rig->sent_bytes += size;
    if (rig->queued < RIG_QUEUE) {
        struct rig_datagram *datagram = &rig->queue[rig->queued++];
        datagram->path = *path;
        datagram->size = size;
        memcpy(datagram->bytes, rig->room, size);
    }
}

static bool hand_over(void *context, dg_time now, const struct dg_handover *handover, const struct dg_bytes *early,
                      size_t early_count)
{
    struct rig *rig = context;
    (void)now;
    rig->offered++;
    if (rig->no_room) {
        return false;
    }
    rig->handed_over++;
    rig->handover = *handover;
    rig->early_count = early_count;
    for (size_t i = 0; i < early_count && i < DG_EARLY_MAX; i++) {
        rig->early_size[i] = early[i].size;
        memcpy(rig->early[i], early[i].data, early[i].size < 256 ? early[i].size : 256);
    }
    return true;
}

static void forward(void *context, dg_time now, const struct dg_path *path, const uint8_t *data, size_t size,
                    bool is_rest)
{
    struct rig *rig = context;
    (void)is_rest;
    (void)now;
    (void)path;
    rig->forwarded++;
    rig->forwarded_size = size;
    rig->forwarded_first = data[0];
}

static void failed(void *context, dg_time now, const struct dg_path *path, const struct dg_handshake_failure *failure)
{
    struct rig *rig = context;
    (void)now;
    rig->failed++;
    rig->failure = *failure;
    dg_address_format(&path->peer, rig->failed_peer);
}

void front_rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->config = dg_front_config_default();
    rig->gate = fake_gate_default();
    rig->output = (struct dg_output){.context = rig, .reserve = reserve, .commit = commit};
}

void front_rig_open(struct rig *rig)
{
    struct dg_front_hooks hooks = {.context = rig, .hand_over = hand_over, .forward = forward, .failed = failed};
    rig->front = dg_front_new(&rig->config, &fake_handshake_ops, &rig->gate, &rig->output, &hooks, &rig->counters);
    if (rig->front == NULL) {
        abort();
    }
}

void front_rig_close(struct rig *rig)
{
    dg_front_free(rig->front);
    rig->front = NULL;
}

static void give(struct rig *rig, dg_time now, const struct dg_path *path, const void *data, size_t size,
                 bool is_passed_on)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    rig->queued = 0;
    dg_front_receive(rig->front, now, path, copy, size, is_passed_on);
    free(copy);
}

void front_rig_give(struct rig *rig, dg_time now, const struct dg_path *path, const void *data, size_t size)
{
    give(rig, now, path, data, size, false);
}

void front_rig_give_passed_on(struct rig *rig, dg_time now, const struct dg_path *path, const void *data, size_t size)
{
    give(rig, now, path, data, size, true);
}

bool front_rig_turn(struct rig *rig, dg_time now, struct toy_client *client)
{
    uint8_t datagram[4096];
    size_t size = toy_send(client, false, datagram, sizeof datagram);
    if (size == 0) {
        return false;
    }
    front_rig_give(rig, now, &client->path, datagram, size);
    bool moved = false;
    for (size_t i = 0; i < rig->queued; i++) {
        moved |= toy_receive(client, rig->queue[i].bytes, rig->queue[i].size);
    }
    return moved;
}

enum toy_state front_rig_run(struct rig *rig, dg_time now, struct toy_client *client)
{
    while (front_rig_turn(rig, now, client)) {
    }
    return client->state;
}

void front_rig_begin(struct rig *rig, dg_time now, struct toy_client *client)
{
    while (client->state < TOY_PROVING && front_rig_turn(rig, now, client)) {
    }
}

uint64_t front_rig_count(const struct rig *rig, enum dg_counter counter)
{
    return dg_counter_read(&rig->counters, counter);
}
