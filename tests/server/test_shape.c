// SPDX-License-Identifier: GPL-3.0-or-later
// The memory's shape beside chance: as many associations as were asked for find room, wherever they fall.
#include "check.h"
#include "config/options.h"
#include "server/server_state.h"
#include "support/random.h"

#include <string.h>

// design.md: a shard is the first byte of a random connection ID, or a hash of the address.
DG_TEST(associations_max_find_room_wherever_they_fall)
{
    static const uint32_t SIZES[] = {64, 65, 100, 1000, 4096, 50000, 1048576};
    struct test_random random = {.state = dg_test_seed()};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct dg_options options;
        dg_options_default(&options);
        options.associations_max = SIZES[i];
        struct dg_memory_shape shape = dg_server_shape(&options);
        CHECK(dg_memory_size(&shape) > 0);
        CHECK(shape.flights_per_shard > shape.slots_per_shard); // all may have long identities
        unsigned rounds = SIZES[i] < 10000 ? 200 : 4;
        uint32_t refused = 0;
        for (unsigned round = 0; round < rounds; round++) {
            uint32_t used[DG_SHARDS_MAX] = {0};
            for (uint32_t k = 0; k < SIZES[i]; k++) {
                uint32_t shard = (uint32_t)test_random_below(&random, shape.shard_count);
                if (used[shard] == shape.slots_per_shard)
                    refused++;
                else
                    used[shard]++;
            }
        }
        CHECK_EQ(refused, 0);
    }
}

DG_TEST(largest_associations_max_has_a_shape)
{
    struct dg_options options;
    dg_options_default(&options);
    options.associations_max = 67108864;
    struct dg_memory_shape shape = dg_server_shape(&options);
    CHECK(dg_memory_size(&shape) > 0);
    CHECK((uint64_t)shape.slots_per_shard * shape.shard_count >= options.associations_max);
}

// Every length that the options let pass, with as many associations as it may carry.
DG_TEST(every_connection_id_length_has_a_shape)
{
    struct dg_options options;
    dg_options_default(&options);
    for (uint32_t length = DG_CID_SIZE_MIN; length <= DG_CID_SIZE_MAX; length++) {
        uint64_t most = dg_cid_associations_max(length);
        options.connection_id_length = length;
        options.associations_max = most < 67108864 ? (uint32_t)most : 67108864;
        struct dg_memory_shape shape = dg_server_shape(&options);
        CHECK_EQ(shape.cid_size, length);
        CHECK(dg_memory_size(&shape) > 0);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(associations_max_find_room_wherever_they_fall),
    DG_CASE(largest_associations_max_has_a_shape),
    DG_CASE(every_connection_id_length_has_a_shape),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
