// SPDX-License-Identifier: GPL-3.0-or-later
// Key sets: what was filled in is what the view shows, within the size that the AEAD and hash ask for; the
// next generation follows from the last secret alone. The null AEAD's derivation; wolfCrypt's is in
// test_record_vectors.c.
#include "check.h"
#include "core/keyset.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct dg_key_material material_of(uint8_t fill)
{
    struct dg_key_material material;

    memset(material.key, fill, sizeof material.key);
    memset(material.number_key, fill + 1, sizeof material.number_key);
    memset(material.iv, fill + 2, sizeof material.iv);
    memset(material.secret, fill + 3, sizeof material.secret);
    return material;
}

DG_TEST(keyset_width_follows_aead_and_hash)
{
    CHECK(!dg_keyset_is_wide(DG_AEAD_AES_128_GCM, DG_HASH_SHA256));
    CHECK(!dg_keyset_is_wide(DG_AEAD_AES_128_CCM, DG_HASH_SHA256));
    CHECK(!dg_keyset_is_wide(DG_AEAD_AES_128_CCM_8, DG_HASH_SHA256));
    CHECK(dg_keyset_is_wide(DG_AEAD_AES_256_GCM, DG_HASH_SHA384));
    CHECK(dg_keyset_is_wide(DG_AEAD_CHACHA20_POLY1305, DG_HASH_SHA256));
    CHECK(dg_keyset_is_wide(DG_AEAD_AES_128_GCM, DG_HASH_SHA384));
}

DG_TEST(keyset_fill_then_view_within_its_size)
{
    for (unsigned aead = DG_AEAD_NONE + 1; aead < DG_AEAD_COUNT; aead++) {
        for (unsigned hash = DG_HASH_SHA256; hash <= DG_HASH_SHA384; hash++) {
            size_t size = dg_keyset_is_wide(aead, hash) ? DG_KEYSET_WIDE : DG_KEYSET_NARROW;
            size_t key_size = dg_aead_table[aead].key_size;
            _Alignas(8) uint8_t room[DG_KEYSET_WIDE + 8];
            struct dg_keyset *keyset = (struct dg_keyset *)room;
            struct dg_key_material material = material_of(0x10);
            struct dg_key_view view;

            memset(room, 0xee, sizeof room);
            dg_keyset_fill(keyset, aead, hash, UINT64_C(0x123456789), &material);
            CHECK_EQ(keyset->epoch, UINT64_C(0x123456789));
            CHECK_EQ(keyset->next, 0);
            CHECK_EQ(keyset->replay.seen[0] | keyset->replay.seen[1] | keyset->failures, 0);
            for (size_t i = size; i < sizeof room; i++)
                CHECK_EQ(room[i], 0xee);

            view = dg_keyset_view(keyset, aead, hash, true);
            CHECK_EQ(view.aead, aead);
            CHECK_EQ(view.hash, hash);
            CHECK_MEM(view.key, material.key, key_size);
            CHECK_MEM(view.number_key, material.number_key, key_size);
            CHECK_MEM(view.iv, material.iv, 12);
            CHECK_MEM(view.secret, material.secret, dg_hash_size(hash));
            CHECK(view.secret + dg_hash_size(hash) <= room + size);

            view = dg_keyset_view(keyset, aead, hash, false);
            CHECK(view.number_key == NULL && view.secret == NULL);
            CHECK_MEM(view.key, material.key, key_size);
            CHECK_MEM(view.iv, material.iv, 12);
        }
    }
}

// RFC 8446 7.2: only the secret counts; RFC 9147 6.1: each generation differs in everything
DG_TEST(keyset_next_generation_comes_from_the_secret_alone)
{
    struct dg_key_material material = material_of(0x20), first = {0}, next, again, third;
    struct dg_key_view view = {.aead = DG_AEAD_AES_128_GCM, .hash = DG_HASH_SHA256, .key = material.key,
                               .number_key = material.number_key, .iv = material.iv, .secret = material.secret};

    REQUIRE(dg_key_material_next(&next, &view, &dg_null_aead));
    memcpy(first.secret, material.secret, sizeof first.secret);
    view.key = first.key; // others of these
    view.number_key = first.number_key;
    view.iv = first.iv;
    view.secret = first.secret;
    REQUIRE(dg_key_material_next(&again, &view, &dg_null_aead));
    CHECK_MEM(&again, &next, sizeof next);

    view.secret = next.secret;
    REQUIRE(dg_key_material_next(&third, &view, &dg_null_aead));
    CHECK(memcmp(third.secret, next.secret, 32) != 0);
    CHECK(memcmp(third.key, next.key, 16) != 0);
    CHECK(memcmp(third.number_key, next.number_key, 16) != 0);
    CHECK(memcmp(third.iv, next.iv, 12) != 0);
    CHECK(memcmp(third.key, third.number_key, 16) != 0);
}

static int calls_left;

static bool failing_expand(enum dg_hash_id hash, const uint8_t *secret, const char *label, uint8_t *out, size_t size)
{
    if (calls_left-- == 0)
        return false;
    return dg_null_aead.expand_label(hash, secret, label, out, size);
}

DG_TEST(keyset_failed_derivation_leaves_nothing_behind)
{
    struct dg_aead_ops ops = dg_null_aead;
    struct dg_key_material material = material_of(0x30), next;
    struct dg_key_view view = {.aead = DG_AEAD_AES_128_GCM, .hash = DG_HASH_SHA256, .secret = material.secret};
    static const struct dg_key_material zeros;

    ops.expand_label = failing_expand;
    for (int fail_at = 0; fail_at < 4; fail_at++) {
        calls_left = fail_at;
        memset(&next, 0xaa, sizeof next);
        CHECK(!dg_key_material_next(&next, &view, &ops));
        CHECK_MEM(&next, &zeros, sizeof next);
    }
    calls_left = 4;
    CHECK(dg_key_material_next(&next, &view, &ops));
}

// RFC 9147 4.5.3, RFC 9325 4.4
DG_TEST(aead_table_sizes_and_limits)
{
    static const struct {
        enum dg_aead_id aead;
        unsigned key, tag, iv12, explicit_part;
        uint64_t seal, open12, open13;
    } expected[] = {
        {DG_AEAD_AES_128_GCM, 16, 16, 4, 8, 23726566, UINT64_C(1) << 28, UINT64_C(1) << 36},
        {DG_AEAD_AES_256_GCM, 32, 16, 4, 8, 23726566, UINT64_C(1) << 28, UINT64_C(1) << 36},
        {DG_AEAD_AES_128_CCM, 16, 16, 4, 8, 8388608, 11863283, 11863283},
        {DG_AEAD_AES_128_CCM_8, 16, 8, 4, 8, 8388608, 65536, 65536},
        {DG_AEAD_CHACHA20_POLY1305, 32, 16, 12, 0, UINT64_MAX, UINT64_C(1) << 36, UINT64_C(1) << 36},
    };

    CHECK_EQ(COUNT(expected), DG_AEAD_COUNT - 1);
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct dg_aead_info *info = &dg_aead_table[expected[i].aead];

        CHECK_EQ(info->key_size, expected[i].key);
        CHECK_EQ(info->tag_size, expected[i].tag);
        CHECK_EQ(info->iv12_size, expected[i].iv12);
        CHECK_EQ(info->explicit_size, expected[i].explicit_part);
        CHECK_EQ(info->seal_limit, expected[i].seal);
        CHECK_EQ(info->open_limit12, expected[i].open12);
        CHECK_EQ(info->open_limit13, expected[i].open13);
        CHECK_EQ(info->iv12_size + info->explicit_size, DG_AEAD_NONCE);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(keyset_width_follows_aead_and_hash),
    DG_CASE(keyset_fill_then_view_within_its_size),
    DG_CASE(keyset_next_generation_comes_from_the_secret_alone),
    DG_CASE(keyset_failed_derivation_leaves_nothing_behind),
    DG_CASE(aead_table_sizes_and_limits),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
