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
    uint32_t capacity; // places; those from fresh on are all zeros too
    uint32_t *fresh;
    _Atomic uint32_t *mark;
};

static struct area area_of(struct dg_shard *shard, uint32_t which)
{
    const struct dg_memory_shape *shape = &shard->memory->shape;
    switch (which) {
    case 0:
        return (struct area){&shard->vacant_flights,   shard->flights,      sizeof *shard->flights,
                             shape->flights_per_shard, &shard->fresh_flight, &shard->head->flights_used};
    case 1:
        return (struct area){&shard->vacant_wides,        shard->wides,       sizeof *shard->wides,
                             dg_memory_wide_count(shape), &shard->fresh_wide, &shard->head->wides_used};
    default:
        return (struct area){&shard->vacant_slots,   shard->slots,       sizeof *shard->slots,
                             shape->slots_per_shard, &shard->fresh_slot, &shard->head->slots_used};
    }
}

static bool is_unused(const struct area *area, uint32_t place)
{
    return place >= *area->fresh || dg_vacancy_has(area->vacancy, place);
}

static uint64_t offset_of(const struct dg_memory *memory, const struct area *area, uint32_t place)
{
    return (uint64_t)((const uint8_t *)area->places - memory->base) + (uint64_t)place * area->place_size;
}

// A page at an end of a run may lie under places beside it that became vacant before, when another one of the page was
// still in use: with these it is whole.
static void widen(const struct dg_memory *memory, const struct area *area, uint32_t *first, uint32_t *end)
{
    uint64_t low = offset_of(memory, area, *first) / PAGE * PAGE;
    uint64_t high = (offset_of(memory, area, *end) + PAGE - 1) / PAGE * PAGE;
    while (*first > 0 && offset_of(memory, area, *first) > low && is_unused(area, *first - 1)) {
        --*first;
    }
    while (*end < area->capacity && offset_of(memory, area, *end) < high && is_unused(area, *end)) {
        ++*end;
    }
}

// Gives back the whole pages between two places. Returns how many.
static uint32_t give_back(const struct dg_memory *memory, const struct area *area, uint32_t first, uint32_t end)
{
    uint64_t from = (offset_of(memory, area, first) + PAGE - 1) / PAGE * PAGE;
    uint64_t to = offset_of(memory, area, end) / PAGE * PAGE;
    if (to <= from) {
        return 0;
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
        uint32_t most = *pages * (PAGE / area->place_size) + 1;
        end = end - first > most ? first + most : end;
        widen(shard->memory, area, &first, &end);
        uint32_t given = give_back(shard->memory, area, first, end);
        dg_vacancy_settle(area->vacancy, first, end);
        shard->trim_at = end;
        *pages -= given < *pages ? given : *pages;
    }
    return false;
}

bool dg_shard_may_trim(const struct dg_shard *shard)
{
    bool is_under_way = shard->trim_area > 0 || shard->trim_at > 0;
    return (shard->wants_trim || is_under_way) && shard->memory->release != NULL && shard->backlog == NULL;
}

bool dg_shard_trim(struct dg_shard *shard, uint32_t pages)
{
    if (!dg_shard_may_trim(shard)) {
        return true;
    }
    if (shard->trim_area == 0 && shard->trim_at == 0) {
        shard->wants_trim = false; // what becomes vacant from now on may lie behind us, and is looked for again
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
    return true;
}
