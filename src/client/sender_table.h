// SPDX-License-Identifier: GPL-3.0-or-later
// Which local sender (address and port) has which place, and which of them has been idle longest. Fixed in size;
// what lies in a place is its owner's. Never reads a clock.
#ifndef DG_CLIENT_SENDER_TABLE_H
#define DG_CLIENT_SENDER_TABLE_H

#include "base/attributes.h"
#include "base/hash.h"
#include "base/time_value.h"
#include "core/address.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_NO_SENDER UINT32_MAX

struct dg_sender_table {
    struct dg_sender_entry {
        struct dg_address address;
        dg_time active_at;
        uint32_t chain;           // next in its bucket, or in the free list
        uint32_t older, newer;    // by active_at; DG_NO_SENDER ends
    } *entries;
    uint32_t *buckets;
    struct dg_hash_key key;       // whoever sends chooses its port
    uint32_t capacity, bucket_mask, count;
    uint32_t free_first, oldest, newest;
};

DG_MUST_USE bool dg_sender_table_init(struct dg_sender_table *table, uint32_t capacity); // false: memory is short
void dg_sender_table_clear(struct dg_sender_table *table);
// The place of this sender, or DG_NO_SENDER.
uint32_t dg_sender_table_find(const struct dg_sender_table *table, const struct dg_address *address);
// A place for a sender that has none. DG_NO_SENDER: full; remove one (dg_sender_table_oldest) first.
uint32_t dg_sender_table_add(struct dg_sender_table *table, dg_time now, const struct dg_address *address);
void dg_sender_table_remove(struct dg_sender_table *table, uint32_t place);
// It is not idle: the youngest from now on.
void dg_sender_table_touch(struct dg_sender_table *table, dg_time now, uint32_t place);
// Idle longest; DG_NO_SENDER: there is none.
uint32_t dg_sender_table_oldest(const struct dg_sender_table *table);

#endif
