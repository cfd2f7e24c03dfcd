// SPDX-License-Identifier: GPL-3.0-or-later
// One array, a set after the other. Allocates once and touches no page before an entry of it is used.
#include "core/set_table.h"

#include <stdlib.h>

_Static_assert(sizeof(struct dg_set_entry) == DG_CACHE_LINE / 2, "no entry lies in two cache lines");

bool dg_set_table_init(struct dg_set_table *table, uint32_t entries_max)
{
    uint64_t sets = 1;
    while (sets * DG_SET_WAYS < entries_max) {
        sets *= 2;
    }
    uint8_t *memory = calloc(1, sets * DG_SET_WAYS * sizeof *table->entries + DG_CACHE_LINE);
    if (memory == NULL) {
        return false;
    }
    table->memory = memory;
    table->entries = (void *)(memory + DG_CACHE_LINE - (uintptr_t)memory % DG_CACHE_LINE);
    table->set_mask = sets - 1;
    return true;
}

void dg_set_table_clear(struct dg_set_table *table)
{
    free(table->memory);
    *table = (struct dg_set_table){0};
}

static uint64_t used(uint64_t number) { return number != 0 ? number : 1; }

static struct dg_set_entry *set_of(const struct dg_set_table *table, uint64_t number)
{
    return &table->entries[(number & table->set_mask) * DG_SET_WAYS];
}

struct dg_set_entry *dg_set_table_find(const struct dg_set_table *table, uint64_t number)
{
    number = used(number);
    struct dg_set_entry *set = set_of(table, number);
    for (size_t i = 0; i < DG_SET_WAYS; i++) {
        if (set[i].number == number) {
            return &set[i];
        }
    }
    return NULL;
}

struct dg_set_entry *dg_set_table_add(struct dg_set_table *table, uint64_t number)
{
    number = used(number);
    struct dg_set_entry *set = set_of(table, number);
    struct dg_set_entry *chosen = set;
    for (size_t i = 0; i < DG_SET_WAYS && chosen->number != 0; i++) {
        if (set[i].number == 0 || set[i].rank < chosen->rank) {
            chosen = &set[i];
        }
    }
    *chosen = (struct dg_set_entry){.number = number};
    return chosen;
}

void dg_set_table_remove(struct dg_set_entry *entry) { *entry = (struct dg_set_entry){0}; }
