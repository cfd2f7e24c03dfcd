// SPDX-License-Identifier: GPL-3.0-or-later
// Names and texts of the counters, from the one list, and their sums over threads. Never counts.
#include "core/counters.h"

static const char *const names[DG_COUNTER_COUNT] = {
    [DG_COUNT_NONE] = "none",
#define COUNTER_NAME(suffix, name, text) [DG_COUNT_##suffix] = name,
    DG_COUNTER_LIST(COUNTER_NAME)
#undef COUNTER_NAME
};

static const char *const texts[DG_COUNTER_COUNT] = {
    [DG_COUNT_NONE] = "nothing",
#define COUNTER_TEXT(suffix, name, text) [DG_COUNT_##suffix] = text,
    DG_COUNTER_LIST(COUNTER_TEXT)
#undef COUNTER_TEXT
};

const char *dg_counter_name(enum dg_counter counter)
{
    return (unsigned)counter < DG_COUNTER_COUNT ? names[counter] : "unknown";
}

const char *dg_counter_text(enum dg_counter counter)
{
    return (unsigned)counter < DG_COUNTER_COUNT ? texts[counter] : "unknown";
}

uint64_t dg_counters_sum(const struct dg_counters *const *sets, size_t set_count, enum dg_counter counter)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < set_count; i++)
        sum += dg_counter_read(sets[i], counter);
    return sum;
}

uint64_t dg_datagram_drops_sum(const struct dg_counters *const *sets, size_t set_count, enum dg_counter reason)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < set_count; i++)
        sum += dg_datagram_drops_read(sets[i], reason);
    return sum;
}
