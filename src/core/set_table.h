// SPDX-License-Identifier: GPL-3.0-or-later
// A bounded set-associative table of what is remembered of prefixes and identities: buckets, waits, turns. A number has
// eight places, its set's; where all are taken, the entry of the lowest rank is forgotten. Numbers come from a keyed hash
// (prefix.h), so that nobody can aim at a set. Never grows, knows no clock, never says what a rank means.
#ifndef DG_CORE_SET_TABLE_H
#define DG_CORE_SET_TABLE_H

#include "base/attributes.h"
#include "base/bucket.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_SET_WAYS 8

// Half a cache line. What is kept is the owner's: a bucket or a count.
struct dg_set_entry {
    uint64_t number; // 0: unused
    uint64_t rank;
    union {
        struct dg_bucket bucket;
        uint64_t count;
    };
};

struct dg_set_table {
    void *memory;
    struct dg_set_entry *entries; // in it, from a cache line's beginning
    uint64_t set_mask;
};

DG_MUST_USE bool dg_set_table_init(struct dg_set_table *table, uint32_t entries_max); // false: memory is short
void dg_set_table_clear(struct dg_set_table *table);                                  // fine on a zeroed struct
// NULL: not there, or forgotten.
struct dg_set_entry *dg_set_table_find(const struct dg_set_table *table, uint64_t number);
// A place for a number that is not there: unused, or that of the lowest rank, zeroed but for the number.
struct dg_set_entry *dg_set_table_add(struct dg_set_table *table, uint64_t number);
void dg_set_table_remove(struct dg_set_entry *entry);

#endif
