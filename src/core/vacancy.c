// SPDX-License-Identifier: GPL-3.0-or-later
// Two bit maps and the lowest word that may have a bit. Never reads or writes what it keeps the books of.
#include "core/vacancy.h"

#include <stdlib.h>

static uint64_t bit(uint32_t place) { return UINT64_C(1) << place % 64; }

bool dg_vacancy_init(struct dg_vacancy *vacancy, uint32_t capacity)
{
    uint32_t words = capacity / 64 + 1;
    uint64_t *vacant = calloc(words, sizeof *vacant);
    uint64_t *resident = calloc(words, sizeof *resident);
    if (vacant == NULL || resident == NULL) {
        free(resident);
        free(vacant);
        return false;
    }
    *vacancy = (struct dg_vacancy){.vacant = vacant, .resident = resident, .words = words, .lowest = words};
    return true;
}

void dg_vacancy_clear(struct dg_vacancy *vacancy)
{
    free(vacancy->resident);
    free(vacancy->vacant);
    *vacancy = (struct dg_vacancy){0};
}

bool dg_vacancy_has(const struct dg_vacancy *vacancy, uint32_t place)
{
    DG_BUG_UNLESS(place / 64 < vacancy->words);
    return (vacancy->vacant[place / 64] & bit(place)) != 0;
}

void dg_vacancy_put(struct dg_vacancy *vacancy, uint32_t place)
{
    DG_BUG_UNLESS(!dg_vacancy_has(vacancy, place));
    vacancy->vacant[place / 64] |= bit(place);
    vacancy->resident[place / 64] |= bit(place);
    if (place / 64 < vacancy->lowest) {
        vacancy->lowest = place / 64;
    }
}

static void remove(struct dg_vacancy *vacancy, uint32_t place)
{
    vacancy->vacant[place / 64] &= ~bit(place);
    vacancy->resident[place / 64] &= ~bit(place);
}

uint32_t dg_vacancy_take(struct dg_vacancy *vacancy)
{
    while (vacancy->lowest < vacancy->words && vacancy->vacant[vacancy->lowest] == 0) {
        vacancy->lowest++;
    }
    if (vacancy->lowest == vacancy->words) {
        return DG_NOTHING_VACANT;
    }
    uint32_t place = vacancy->lowest * 64 + (uint32_t)__builtin_ctzll(vacancy->vacant[vacancy->lowest]);
    remove(vacancy, place);
    return place;
}

static bool is_resident(const struct dg_vacancy *vacancy, uint32_t place)
{
    return (vacancy->resident[place / 64] & bit(place)) != 0;
}

uint32_t dg_vacancy_resident_run(const struct dg_vacancy *vacancy, uint32_t from, uint32_t end, uint32_t *ret_end)
{
    DG_BUG_UNLESS(end <= vacancy->words * 64);
    while (from < end && !is_resident(vacancy, from)) {
        from = vacancy->resident[from / 64] == 0 ? (from / 64 + 1) * 64 : from + 1;
    }
    if (from >= end) {
        return DG_NOTHING_VACANT;
    }
    uint32_t after = from + 1;
    while (after < end && is_resident(vacancy, after)) {
        after++;
    }
    *ret_end = after;
    return from;
}

void dg_vacancy_settle(struct dg_vacancy *vacancy, uint32_t first, uint32_t end)
{
    for (uint32_t place = first; place < end; place++) {
        vacancy->resident[place / 64] &= ~bit(place);
    }
}

uint32_t dg_vacancy_cut(struct dg_vacancy *vacancy, uint32_t used)
{
    while (used > 0 && dg_vacancy_has(vacancy, used - 1) && !is_resident(vacancy, used - 1)) {
        remove(vacancy, --used);
    }
    return used;
}
