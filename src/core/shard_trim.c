// SPDX-License-Identifier: GPL-3.0-or-later
// Gives the memory of vacant places back to the system, a bounded piece at a time: after a storm of handshakes,
// or of associations, the process is as small as before. A vacant place is all zeros, and so is a page that was
// given back: no order of stores is needed, and a death in between changes nothing.
#include "core/shard_private.h"

#define PAGE 4096u

struct area {
    struct dg_vacancy *vacancy;
    const void *places;
    uint32_t place_size;
    uint32_t *fresh;
    _Atomic uint32_t *mark;
};

static struct area area_of(struct dg_shard *shard, uint32_t which)
{
    switch (which) {
    case 0:
        return (struct area){&shard->vacant_flights, shard->flights, sizeof *shard->flights, &shard->fresh_flight,
                             &shard->head->flights_used};
    case 1:
        return (struct area){&shard->vacant_wides, shard->wides, sizeof *shard->wides, &shard->fresh_wide,
                             &shard->head->wides_used};
    default:
        return (struct area){&shard->vacant_slots, shard->slots, sizeof *shard->slots, &shard->fresh_slot,
                             &shard->head->slots_used};
    }
}

// Gives back the whole pages between two places, at most `pages` of them. Returns how many; ret_end: the place
// that the last of them ends in, or `end` where they were all.
static uint32_t give_back(const struct dg_memory *memory, const struct area *area, uint32_t first, uint32_t end,
                          uint32_t pages, uint32_t *ret_end)
{
    uint64_t base = (uint64_t)((const uint8_t *)area->places - memory->base);
    uint64_t from = (base + (uint64_t)first * area->place_size + PAGE - 1) / PAGE * PAGE;
    uint64_t to = (base + (uint64_t)end * area->place_size) / PAGE * PAGE;
    *ret_end = end;
    if (to <= from) {
        return 0;
    }
    if ((to - from) / PAGE > pages) {
        to = from + (uint64_t)pages * PAGE;
        *ret_end = (uint32_t)((to - base) / area->place_size);
    }
    memory->release(memory->release_context, from, to - from);
    return (uint32_t)((to - from) / PAGE);
}

// True: this area has been gone through.
static bool trim_area(struct dg_shard *shard, const struct area *area, uint32_t *pages)
{
    while (*pages > 0) {
        uint32_t end;
        uint32_t first = dg_vacancy_resident_run(area->vacancy, shard->trim_at, *area->fresh, &end);
        if (first == DG_NOTHING_VACANT) {
            *area->fresh = dg_vacancy_cut(area->vacancy, *area->fresh);
            atomic_store_explicit(area->mark, *area->fresh, memory_order_release);
            return true;
        }
        uint32_t given = give_back(shard->memory, area, first, end, *pages, &end);
        dg_vacancy_settle(area->vacancy, first, end);
        shard->trim_at = end;
        *pages -= given;
    }
    return false;
}

bool dg_shard_may_trim(const struct dg_shard *shard)
{
    return shard->wants_trim && shard->memory->release != NULL && shard->backlog == NULL;
}

bool dg_shard_trim(struct dg_shard *shard, uint32_t pages)
{
    if (!dg_shard_may_trim(shard)) {
        return true;
    }
    while (shard->trim_area < DG_SHARD_AREAS) {
        struct area area = area_of(shard, shard->trim_area);
        if (!trim_area(shard, &area, &pages)) {
            return false;
        }
        shard->trim_area++;
        shard->trim_at = 0;
    }
    shard->trim_area = 0;
    shard->wants_trim = false;
    return true;
}
