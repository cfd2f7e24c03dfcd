// SPDX-License-Identifier: GPL-3.0-or-later
// The equations as data, and the sums. Owns nothing.
#include "core/balance.h"

const struct dg_equation dg_equations[] = {
#define EQUATION(says, left, every, ...) {.text = says, .whole = DG_COUNT_##left, .all = every, .parts = {__VA_ARGS__}},
    DG_EQUATION_LIST(EQUATION)
#undef EQUATION
};
const size_t dg_equation_count = sizeof dg_equations / sizeof dg_equations[0];

static uint64_t sum_drops(const struct dg_counters *const *sets, size_t set_count)
{
    uint64_t total = 0;
    for (int reason = 0; reason < DG_COUNTER_COUNT; reason++)
        total += dg_datagram_drops_sum(sets, set_count, (enum dg_counter)reason);
    return total;
}

static uint64_t sum_named(const struct dg_counters *const *sets, size_t set_count, const char *begins)
{
    uint64_t total = 0;
    for (int counter = DG_COUNT_NONE + 1; counter < DG_COUNTER_COUNT; counter++)
        if (strncmp(dg_counter_name((enum dg_counter)counter), begins, strlen(begins)) == 0)
            total += dg_counters_sum(sets, set_count, (enum dg_counter)counter);
    return total;
}

static uint64_t right_side(const struct dg_equation *equation, const struct dg_counters *const *sets, size_t set_count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < DG_EQUATION_PARTS && equation->parts[i] != DG_COUNT_NONE; i++)
        total += dg_counters_sum(sets, set_count, equation->parts[i]);
    if (strcmp(equation->all, "drops") == 0)
        return total + sum_drops(sets, set_count);
    return equation->all[0] != '\0' ? total + sum_named(sets, set_count, equation->all) : total;
}

bool dg_counters_balance(const struct dg_counters *const *sets, size_t set_count, struct dg_imbalance *ret)
{
    for (size_t i = 0; i < dg_equation_count; i++) {
        const struct dg_equation *equation = &dg_equations[i];
        const struct dg_imbalance found = {.text = equation->text,
                                           .name = dg_counter_name(equation->whole),
                                           .whole = dg_counters_sum(sets, set_count, equation->whole),
                                           .parts = right_side(equation, sets, set_count)};
        if (found.whole != found.parts) {
            *ret = found;
            return false;
        }
    }
    uint64_t unnamed = 0;
    for (size_t i = 0; i < set_count; i++)
        unnamed += dg_datagram_drops_read(sets[i], DG_COUNT_NONE);
    if (unnamed > 0)
        *ret = (struct dg_imbalance){.text = "every drop has a name", .name = "none", .whole = 0, .parts = unnamed};
    return unnamed == 0;
}
