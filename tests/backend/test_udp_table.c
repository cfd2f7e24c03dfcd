// SPDX-License-Identifier: GPL-3.0-or-later
// The table of talking associations beside a naive model: arrays that are searched from end to end.
#include "backend/udp_table.h"
#include "check.h"
#include "support/random.h"

#include <string.h>

#define CAPACITY 40
#define IDS 64

struct model {
    bool is_in[IDS];
    uint64_t last[IDS]; // step of the last traffic
    size_t count;
};

static uint32_t model_oldest(const struct model *model)
{
    uint32_t oldest = IDS;
    for (uint32_t i = 0; i < IDS; i++) {
        if (model->is_in[i] && (oldest == IDS || model->last[i] < model->last[oldest])) {
            oldest = i;
        }
    }
    return oldest;
}

DG_TEST(udp_table_beside_a_naive_model)
{
    struct test_random random = {.state = dg_test_seed()};
    struct dg_udp_table table;
    struct model model = {.count = 0};
    uint64_t tokens[IDS] = {0};
    REQUIRE(dg_udp_table_init(&table, CAPACITY));
    for (uint64_t step = 1; step < 50000; step++) {
        uint32_t i = (uint32_t)test_random_below(&random, IDS);
        struct dg_ref ref = {.id = i + 1, .slot = i};
        struct dg_udp_talker *talker = dg_udp_table_find(&table, ref.id);
        CHECK_EQ(talker != NULL, model.is_in[i]);
        if (talker == NULL) {
            talker = dg_udp_table_add(&table, step, ref);
            CHECK_EQ(talker != NULL, model.count < CAPACITY);
            if (talker != NULL) {
                CHECK(dg_udp_table_by_token(&table, tokens[i]) == NULL || tokens[i] == 0);
                tokens[i] = dg_udp_table_token(&table, talker);
                model.is_in[i] = true;
                model.last[i] = step;
                model.count++;
            }
        } else if (test_random_permille(&random, 500)) {
            CHECK(dg_udp_table_by_token(&table, tokens[i]) == talker);
            dg_udp_table_remove(&table, talker);
            CHECK(dg_udp_table_by_token(&table, tokens[i]) == NULL);
            model.is_in[i] = false;
            model.count--;
        } else {
            CHECK_EQ(talker->ref.slot, i);
            dg_udp_table_touch(&table, talker, step);
            model.last[i] = step;
        }
        CHECK_EQ(table.count, model.count);
        const struct dg_udp_talker *oldest = dg_udp_table_oldest(&table);
        CHECK_EQ(oldest != NULL, model.count > 0);
        if (oldest != NULL) {
            CHECK_EQ(oldest->ref.slot, model_oldest(&model));
        }
    }
    dg_udp_table_clear(&table);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {DG_CASE(udp_table_beside_a_naive_model)};
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
