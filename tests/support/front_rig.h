// SPDX-License-Identifier: GPL-3.0-or-later
// A front on a bench: fake gate below, captured output and hooks around it. Knows no socket and no clock.
#ifndef DG_TESTS_FRONT_RIG_H
#define DG_TESTS_FRONT_RIG_H

#include "core/front.h"
#include "support/fake_handshake.h"

#define RIG_QUEUE 16

struct rig {
    struct dg_front_config config;
    struct fake_gate gate;
    struct dg_front *front;
    struct dg_counters counters;
    // what went out, oldest first; older ones fall off the end of the count, never of sent
    struct dg_output output;
    struct rig_datagram {
        struct dg_path path;
        size_t size;
        uint8_t bytes[2048];
    } queue[RIG_QUEUE];
    size_t queued;
    uint64_t sent, sent_bytes;
    bool output_is_full;
    uint8_t room[2048];
    // hooks
    bool no_room;
    unsigned handed_over, offered;
    struct dg_handover handover;
    size_t early_count;
    size_t early_size[DG_EARLY_MAX];
    uint8_t early[DG_EARLY_MAX][256];
    unsigned forwarded;
    size_t forwarded_size;
    uint8_t forwarded_first;
    unsigned failed;
    struct dg_handshake_failure failure;
    char failed_peer[DG_ADDRESS_TEXT];
};

// Set rig->config and rig->gate between the two.
void front_rig_init(struct rig *rig);
void front_rig_open(struct rig *rig);
void front_rig_close(struct rig *rig);

// Gives a copy of exactly this size, so that a sanitizer sees who reads on. The queue is emptied first.
void front_rig_give(struct rig *rig, dg_time now, const struct dg_path *path, const void *data, size_t size);
void front_rig_give_passed_on(struct rig *rig, dg_time now, const struct dg_path *path, const void *data, size_t size);
// The client sends what its state says and reads all answers. True: its state moved.
bool front_rig_turn(struct rig *rig, dg_time now, struct toy_client *client);
// Turns until nothing moves.
enum toy_state front_rig_run(struct rig *rig, dg_time now, struct toy_client *client);
// Until the client is past the cookie and a handshake waits for its proof.
void front_rig_begin(struct rig *rig, dg_time now, struct toy_client *client);
uint64_t front_rig_count(const struct rig *rig, enum dg_counter counter);
#define RIG_COUNT(rig, suffix) front_rig_count((rig), DG_COUNT_##suffix)

#endif
