// SPDX-License-Identifier: GPL-3.0-or-later
// The associations of one worker that hold a socket: found by id, in the order of their last traffic, of
// fixed number. Never opens or closes a socket.
#ifndef DG_BACKEND_UDP_TABLE_H
#define DG_BACKEND_UDP_TABLE_H

#include "base/hash.h"
#include "base/time_value.h"
#include "core/association_ref.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_UDP_NONE UINT32_MAX

struct dg_udp_talker {
    struct dg_ref ref;    // id 0: unused
    dg_time active_at;
    int fd;
    uint16_t port;
    uint8_t wanted;       // answers to be read at once: about as many as came together lately
    uint8_t target;       // number of the backend that it talks to
    uint32_t generation;  // counts the uses of this place, so that an old event finds nobody
    uint32_t next_hashed; // or the next unused
    uint32_t older, newer;
};

struct dg_udp_table {
    struct dg_hash_key key;
    struct dg_udp_talker *talkers;
    uint32_t *buckets;
    uint32_t capacity;
    uint32_t bucket_mask;
    uint32_t count;
    uint32_t unused;       // first of the free list
    uint32_t fresh;        // first never used
    uint32_t oldest, newest;
};

bool dg_udp_table_init(struct dg_udp_table *table, uint32_t capacity); // false: memory is short
void dg_udp_table_clear(struct dg_udp_table *table);

struct dg_udp_talker *dg_udp_table_find(const struct dg_udp_table *table, uint64_t id);
// The caller fills fd and port. NULL: full.
struct dg_udp_talker *dg_udp_table_add(struct dg_udp_table *table, dg_time now, struct dg_ref ref);
void dg_udp_table_remove(struct dg_udp_table *table, struct dg_udp_talker *talker);
void dg_udp_table_touch(struct dg_udp_table *table, struct dg_udp_talker *talker, dg_time now);
struct dg_udp_talker *dg_udp_table_oldest(const struct dg_udp_table *table); // NULL: empty

// A number for an event, and back; NULL: the place has been used again since, or is not in use.
uint64_t dg_udp_table_token(const struct dg_udp_table *table, const struct dg_udp_talker *talker);
struct dg_udp_talker *dg_udp_table_by_token(const struct dg_udp_table *table, uint64_t token);

#endif
