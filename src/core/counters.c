// SPDX-License-Identifier: GPL-3.0-or-later
// Names and texts of the counters, from the one list. Never counts.
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
