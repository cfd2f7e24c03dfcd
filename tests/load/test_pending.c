// SPDX-License-Identifier: GPL-3.0-or-later
// Messages under way: each ends as answered or as given up, once, whatever comes back and in whatever order.
#include "check.h"

#include "load/pending.h"
#include "support/random.h"

static struct dg_load_pending pending;
static struct dg_load_message message;

DG_TEST(load_pending_answers_are_matched_once)
{
    REQUIRE(dg_load_pending_init(&pending, 4));
    REQUIRE(dg_load_pending_put(&pending, 100, 1100, 7));
    REQUIRE(dg_load_pending_put(&pending, 200, 1200, 8));
    CHECK_EQ(pending.open, 2);
    CHECK_EQ(dg_load_pending_answer(&pending, 1, 8, &message), DG_LOAD_ANSWERED);
    CHECK_EQ(message.due_at, 200);
    CHECK_EQ(dg_load_pending_answer(&pending, 1, 8, &message), DG_LOAD_ANSWERED_AGAIN);
    CHECK_EQ(dg_load_pending_answer(&pending, 0, 8, &message), DG_LOAD_ANSWERS_NOTHING); // another's
    CHECK_EQ(dg_load_pending_answer(&pending, 2, 8, &message), DG_LOAD_ANSWERS_NOTHING); // never sent
    CHECK_EQ(pending.open, 1);
    CHECK_EQ(dg_load_pending_answer(&pending, 0, 7, &message), DG_LOAD_ANSWERED);
    CHECK_EQ(pending.open, 0);
    CHECK_EQ(dg_load_pending_answer(&pending, 0, 7, &message), DG_LOAD_ANSWERED_LATE); // it is forgotten
    CHECK_EQ(dg_load_pending_deadline(&pending), DG_NEVER);
    dg_load_pending_clear(&pending);
}

DG_TEST(load_pending_gives_up_in_time_and_says_so_once)
{
    REQUIRE(dg_load_pending_init(&pending, 4));
    REQUIRE(dg_load_pending_put(&pending, 100, 1100, 7));
    REQUIRE(dg_load_pending_put(&pending, 200, 1200, 8));
    CHECK(!dg_load_pending_expire(&pending, 1099, &message));
    CHECK_EQ(dg_load_pending_deadline(&pending), 1100);
    CHECK(dg_load_pending_expire(&pending, 1100, &message));
    CHECK_EQ(message.seat, 7);
    CHECK(!dg_load_pending_expire(&pending, 1100, &message));
    CHECK_EQ(dg_load_pending_answer(&pending, 0, 7, &message), DG_LOAD_ANSWERED_LATE);
    CHECK_EQ(pending.open, 1);
    dg_load_pending_clear(&pending);
}

DG_TEST(load_pending_every_message_ends_once)
{
    enum { MESSAGES = 50000 };
    struct test_random random = {dg_test_seed()};
    uint64_t answered = 0, lost = 0, late = 0, sent = 0;
    REQUIRE(dg_load_pending_init(&pending, 1));
    for (dg_time now = 1; sent < MESSAGES || pending.open > 0; now++) {
        if (sent < MESSAGES && test_random_next(&random) % 4 != 0) {
            REQUIRE(dg_load_pending_put(&pending, now, now + 500, (uint32_t)sent % 10));
            sent++;
        }
        uint64_t number = test_random_next(&random) % (sent + 1);
        if (test_random_next(&random) % 2 == 0 && sent > 400)
            number = sent - 1 - test_random_next(&random) % 400;
        enum dg_load_answer answer = dg_load_pending_answer(&pending, number, (uint32_t)number % 10, &message);
        answered += answer == DG_LOAD_ANSWERED;
        late += answer == DG_LOAD_ANSWERED_LATE;
        while (dg_load_pending_expire(&pending, now, &message))
            lost++;
    }
    CHECK_EQ(answered + lost, MESSAGES);
    CHECK(answered > 0 && lost > 0 && late > 0);
    CHECK_EQ(pending.first, pending.next);
    dg_load_pending_clear(&pending);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(load_pending_answers_are_matched_once),
        DG_CASE(load_pending_gives_up_in_time_and_says_so_once),
        DG_CASE(load_pending_every_message_ends_once),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
