// SPDX-License-Identifier: GPL-3.0-or-later
// The layout of the region: shapes, parts, refusals in words, and docs/memory.md beside the structs.
#include "check.h"
#include "core/memory.h"
#include "support/random.h"
#include "support/shard_region.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- docs/memory.md -----------------------------------------------------------

struct field {
    const char *name;
    size_t offset, size;
};
#define FIELD(type, field) {#type "." #field, offsetof(struct dg_##type, field), sizeof((struct dg_##type *)0)->field}

static const struct field FIELDS[] = {
    FIELD(memory_header, magic), FIELD(memory_header, version), FIELD(memory_header, slot_size),
    FIELD(memory_header, wide_size), FIELD(memory_header, flight_size), FIELD(memory_header, feature_bits),
    FIELD(memory_header, shape), FIELD(memory_header, steer), FIELD(memory_header, total_bytes),
    FIELD(memory_header, secrets_offset), FIELD(memory_header, heads_offset), FIELD(memory_header, ports_offset),
    FIELD(memory_header, shards_offset),
    FIELD(memory_header, shard_stride), FIELD(memory_header, wide_offset), FIELD(memory_header, flight_offset),
    FIELD(memory_header, check), FIELD(memory_header, policy_generation),

    FIELD(memory_secrets, cookie_generation), FIELD(memory_secrets, ticket_generation),
    FIELD(memory_secrets, cookie_rotated_at), FIELD(memory_secrets, cookie), FIELD(memory_secrets, ticket_rotated_at),
    FIELD(memory_secrets, ticket_key), FIELD(memory_secrets, ticket_name),

    FIELD(memory_shard_head, slots_used), FIELD(memory_shard_head, wides_used),
    FIELD(memory_shard_head, flights_used), FIELD(memory_shard_head, has_spares),
    FIELD(memory_shard_head, serving), FIELD(memory_shard_head, crashed), FIELD(memory_shard_head, suspects),
    FIELD(memory_shard_head, live),
    FIELD(memory_shard_head, spare),

    FIELD(slot, state), FIELD(slot, version), FIELD(slot, aead), FIELD(slot, hash), FIELD(slot, flags),
    FIELD(slot, id), FIELD(slot, tx_place), FIELD(slot, rx_place), FIELD(slot, rx_old_place),
    FIELD(slot, policy_generation), FIELD(slot, active_at), FIELD(slot, cid), FIELD(slot, peer_cid),
    FIELD(slot, peer_cid_size), FIELD(slot, identity_kind), FIELD(slot, identity_size), FIELD(slot, garbage),
    FIELD(slot, peer), FIELD(slot, keysets), FIELD(slot, local_ip), FIELD(slot, listener),
    FIELD(slot, opened_tick), FIELD(slot, credential), FIELD(slot, leaf),
    FIELD(slot, side), FIELD(slot, tx_message_seq), FIELD(slot, rx_message_seq),
    FIELD(slot, expires_s), FIELD(slot, suite), FIELD(slot, group), FIELD(slot, backend_port),
    FIELD(slot, local_port), FIELD(slot, check), FIELD(slot, identity),
    FIELD(slot, failures_second), FIELD(slot, failures_in_second), FIELD(slot, rtt_ms),
    FIELD(slot, rule),

    FIELD(side_wide, owner), FIELD(side_wide, reserved), FIELD(side_wide, keyset), FIELD(side_wide, spare),

    FIELD(side_flight, owner), FIELD(side_flight, next), FIELD(side_flight, kind), FIELD(side_flight, message_type),
    FIELD(side_flight, message_seq), FIELD(side_flight, size), FIELD(side_flight, attempts),
    FIELD(side_flight, deadline), FIELD(side_flight, next_send), FIELD(side_flight, plain_sequence),
    FIELD(side_flight, sent_epoch), FIELD(side_flight, sent_sequence), FIELD(side_flight, sent_count),
    FIELD(side_flight, ticket_size), FIELD(side_flight, spare), FIELD(side_flight, bytes),

    FIELD(keyset, epoch), FIELD(keyset, next), FIELD(keyset, replay), FIELD(keyset, failures),
};
#define FIELD_COUNT (sizeof FIELDS / sizeof FIELDS[0])

static size_t size_of_struct(const char *name)
{
    static const struct {
        const char *prefix;
        size_t size;
    } STRUCTS[] = {
        {"memory_header.", sizeof(struct dg_memory_header)}, {"memory_secrets.", sizeof(struct dg_memory_secrets)},
        {"memory_shard_head.", sizeof(struct dg_memory_shard_head)}, {"slot.", sizeof(struct dg_slot)},
        {"side_wide.", sizeof(struct dg_side_wide)}, {"side_flight.", sizeof(struct dg_side_flight)},
        {"keyset.", DG_KEYSET_HEAD},
    };
    for (size_t i = 0; i < sizeof STRUCTS / sizeof STRUCTS[0]; i++) {
        if (strncmp(name, STRUCTS[i].prefix, strlen(STRUCTS[i].prefix)) == 0) {
            return STRUCTS[i].size;
        }
    }
    return 0;
}

// A field that was added to a struct and not to the list above leaves a hole.
DG_TEST(memory_structs_have_no_field_beside_the_documented)
{
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        size_t end = FIELDS[i].offset + FIELDS[i].size;
        bool is_last = i + 1 == FIELD_COUNT || FIELDS[i + 1].offset == 0;
        size_t next = is_last ? size_of_struct(FIELDS[i].name) : FIELDS[i + 1].offset;
        size_t padding = next - end;
        CHECK_MSG(padding == 0, "behind %s: %zu bytes", FIELDS[i].name, padding);
    }
}

static FILE *open_document(void)
{
    const char *source = getenv("DTLSGATE_SOURCE");
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/docs/memory.md", source != NULL ? source : ".");
    return fopen(path, "r");
}

// Rows of the form: | `slot.state` | 0 | 4 | text |
DG_TEST(memory_document_agrees_with_the_structs)
{
    FILE *document = open_document();
    REQUIRE(document != NULL);
    unsigned seen[FIELD_COUNT] = {0};
    char line[2048];
    while (fgets(line, sizeof line, document) != NULL) {
        char name[64];
        size_t offset, size;
        if (sscanf(line, "| `%63[a-z0-9_.]` | %zu | %zu |", name, &offset, &size) != 3) {
            continue;
        }
        size_t i = 0;
        while (i < FIELD_COUNT && strcmp(FIELDS[i].name, name) != 0) {
            i++;
        }
        CHECK_MSG(i < FIELD_COUNT, "%s is documented and does not exist", name);
        if (i < FIELD_COUNT) {
            seen[i]++;
            CHECK_MSG(FIELDS[i].offset == offset && FIELDS[i].size == size, "%s is at %zu of size %zu", name,
                      FIELDS[i].offset, FIELDS[i].size);
        }
    }
    (void)fclose(document);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        CHECK_MSG(seen[i] == 1, "| `%s` | %zu | %zu | is in the document %u times", FIELDS[i].name, FIELDS[i].offset,
                  FIELDS[i].size, seen[i]);
    }
}

// --- shapes and parts ---------------------------------------------------------

DG_TEST(memory_shape_out_of_range_has_no_size)
{
    static const struct dg_memory_shape BAD[] = {
        {0, 1, 1, 8}, {3, 1, 1, 8}, {512, 1, 1, 8}, {1, 0, 1, 8}, {1, DG_SLOTS_PER_SHARD_MAX + 1, 1, 8}, {1, 1, 0, 8},
        {1, 1, DG_FLIGHTS_PER_SHARD_MAX + 1, 8}, {UINT32_MAX, UINT32_MAX, UINT32_MAX, 8}, {1, 1, 1, 0}, {1, 1, 1, 3},
        {1, 1, 1, 17}, {1, 1, 1, UINT32_MAX},
        {256, 8388605, 1, 4}, // with four further IDs for its one flight more than half of the 2^24 IDs of a shard
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        CHECK_EQ(dg_memory_size(&BAD[i]), 0);
    }
    struct dg_memory_shape fullest = {256, 8388604, 1, 4};
    CHECK(dg_memory_size(&fullest) > 0);
    struct dg_memory_shape largest = {DG_SHARDS_MAX, DG_SLOTS_PER_SHARD_MAX, DG_FLIGHTS_PER_SHARD_MAX, 8};
    CHECK(dg_memory_size(&largest) > (uint64_t)DG_SHARDS_MAX * DG_SLOTS_PER_SHARD_MAX * sizeof(struct dg_slot));
    CHECK_EQ(dg_memory_size(&largest) % 4096, 0);
}

static uint64_t at(const struct shard_region *region, const void *part)
{
    return (uint64_t)((const uint8_t *)part - (const uint8_t *)region->base);
}

DG_TEST(memory_parts_lie_one_behind_the_other)
{
    static const struct dg_memory_shape SHAPES[] = {{1, 1, 1, 8}, {2, 3, 5, 8}, {64, 7, 1, 8}, {256, 1, 3, 8}};
    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        const struct dg_memory_shape *shape = &SHAPES[i];
        struct shard_region region;
        REQUIRE(shard_region_make(&region, shape->shard_count, shape->slots_per_shard, shape->flights_per_shard));
        struct dg_memory *memory = &region.memory;
        CHECK(at(&region, memory->secrets) >= sizeof(struct dg_memory_header));
        uint64_t end = at(&region, memory->secrets) + sizeof(struct dg_memory_secrets);
        CHECK(at(&region, dg_memory_shard_head(memory, 0)) >= end);
        end = at(&region, dg_memory_shard_head(memory, DG_SHARDS_MAX - 1)) + sizeof(struct dg_memory_shard_head);
        for (uint32_t shard = 0; shard < shape->shard_count; shard++) {
            const struct dg_slot *slot = dg_memory_slot(memory, shard, 0);
            CHECK(at(&region, slot) >= end && at(&region, slot) % DG_CACHE_LINE == 0);
            end = at(&region, dg_memory_slot(memory, shard, shape->slots_per_shard));
            CHECK(at(&region, dg_memory_wide(memory, shard, 0)) >= end);
            end = at(&region, dg_memory_wide(memory, shard, dg_memory_wide_count(shape)));
            CHECK(at(&region, dg_memory_flight(memory, shard, 0)) >= end);
            end = at(&region, dg_memory_flight(memory, shard, shape->flights_per_shard));
        }
        CHECK(end <= region.size_bytes && region.size_bytes - end < 4096);
        shard_region_free(&region);
    }
}

// --- formatting and attaching -------------------------------------------------

DG_TEST(memory_attach_finds_what_format_laid_out)
{
    struct shard_region region;
    struct dg_memory attached = {0};
    char error[256] = "";
    REQUIRE(shard_region_make(&region, 4, 10, 3));
    CHECK(dg_memory_attach(&attached, region.base, region.size_bytes, error, sizeof error));
    CHECK_STR(error, "");
    CHECK(attached.header == region.memory.header && attached.secrets == region.memory.secrets);
    CHECK_EQ(attached.shape.slots_per_shard, 10);
    CHECK_EQ(attached.header->steer.shard_count, 4);
    CHECK(dg_memory_flight(&attached, 3, 2) == dg_memory_flight(&region.memory, 3, 2));
    shard_region_free(&region);
}

DG_TEST(memory_secrets_are_never_known)
{
    struct shard_region one, two;
    static const struct dg_memory_secrets ZERO;
    REQUIRE(shard_region_make(&one, 1, 1, 1) && shard_region_make(&two, 1, 1, 1));
    CHECK(memcmp(one.memory.secrets->cookie[0], ZERO.cookie[0], DG_COOKIE_SECRET) != 0);
    CHECK(memcmp(one.memory.secrets->cookie[0], one.memory.secrets->cookie[1], DG_COOKIE_SECRET) != 0);
    CHECK(memcmp(one.memory.secrets->cookie, two.memory.secrets->cookie, sizeof ZERO.cookie) != 0);
    CHECK(memcmp(one.memory.secrets->ticket_key, two.memory.secrets->ticket_key, sizeof ZERO.ticket_key) != 0);
    CHECK(one.memory.header->steer.seed != two.memory.header->steer.seed);
    shard_region_free(&one);
    shard_region_free(&two);
}

static bool is_refused(struct shard_region *region, size_t size_bytes, const char *word)
{
    struct dg_memory memory = {0};
    char error[256] = "";
    bool refused = !dg_memory_attach(&memory, region->base, size_bytes, error, sizeof error);
    CHECK_MSG(strstr(error, word) != NULL, "\"%s\" does not say \"%s\"", error, word);
    return refused && memory.base == NULL; // untouched on failure
}

DG_TEST(memory_refuses_with_a_sentence_that_says_why)
{
    struct shard_region region;
    REQUIRE(shard_region_make(&region, 1, 4, 4));
    struct dg_memory_header good = *region.memory.header, *header = region.memory.header;
    CHECK(is_refused(&region, 100, "too short"));
    CHECK(is_refused(&region, region.size_bytes - 4096, "the file's size is"));
    header->magic++;
    CHECK(is_refused(&region, region.size_bytes, "no memory file of dtlsgate"));
    *header = good;
    header->version = 1;
    CHECK(is_refused(&region, region.size_bytes, "version is 1, this build expects 4: go on with the build"));
    *header = good;
    header->slot_size = 512;
    CHECK(is_refused(&region, region.size_bytes, "check does not fit"));
    *header = good;
    char tiny[4] = "xyz";
    struct dg_memory memory;
    header->magic++;
    CHECK(!dg_memory_attach(&memory, region.base, region.size_bytes, tiny, sizeof tiny)); // cut off, ended
    CHECK_STR(tiny, "thi");
    CHECK(!dg_memory_attach(&memory, region.base, region.size_bytes, tiny, 0));
    shard_region_free(&region);
}

DG_TEST(memory_refuses_any_damage_to_its_header)
{
    struct shard_region region;
    REQUIRE(shard_region_make(&region, 2, 4, 4));
    uint8_t *bytes = region.base;
    size_t covered = offsetof(struct dg_memory_header, check) + sizeof region.memory.header->check;
    for (size_t i = 0; i < covered; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1u << bit);
            CHECK(is_refused(&region, region.size_bytes, " "));
            bytes[i] ^= (uint8_t)(1u << bit);
        }
    }
    shard_region_free(&region);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(memory_structs_have_no_field_beside_the_documented),
        DG_CASE(memory_document_agrees_with_the_structs),
        DG_CASE(memory_shape_out_of_range_has_no_size),
        DG_CASE(memory_parts_lie_one_behind_the_other),
        DG_CASE(memory_attach_finds_what_format_laid_out),
        DG_CASE(memory_secrets_are_never_known),
        DG_CASE(memory_refuses_with_a_sentence_that_says_why),
        DG_CASE(memory_refuses_any_damage_to_its_header),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
