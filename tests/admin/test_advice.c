// SPDX-License-Identifier: GPL-3.0-or-later
// What the server counts as a client's loss has a word of advice for the operator.
#include "check.h"

#include "admin/advice.h"

#include <string.h>

DG_TEST(advice_is_there_for_every_drop_and_failure)
{
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        enum dg_counter counter = (enum dg_counter)i;
        if (dg_advice_is_due(counter))
            CHECK_MSG(dg_advice(counter) != NULL, "%s has no advice in src/admin/advice.c", dg_counter_name(counter));
    }
}

DG_TEST(advice_is_one_line_that_does_not_end_in_a_full_stop)
{
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        const char *advice = dg_advice((enum dg_counter)i);
        if (!advice)
            continue;
        CHECK_MSG(!strchr(advice, '\n'), "%s", advice);
        CHECK_MSG(strlen(advice) > 10 && advice[strlen(advice) - 1] != '.', "%s", advice);
    }
}

DG_TEST(advice_of_no_counter_is_none)
{
    CHECK(dg_advice(DG_COUNT_NONE) == NULL);
    CHECK(dg_advice(DG_COUNTER_COUNT) == NULL);
    CHECK(!dg_advice_is_due(DG_COUNT_NONE));
    CHECK(!dg_advice_is_due(DG_COUNT_DATAGRAMS_RECEIVED));
    CHECK(dg_advice_is_due(DG_COUNT_DROP_REPLAY));
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(advice_is_there_for_every_drop_and_failure),
        DG_CASE(advice_is_one_line_that_does_not_end_in_a_full_stop),
        DG_CASE(advice_of_no_counter_is_none),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
