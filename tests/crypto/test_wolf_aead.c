// SPDX-License-Identifier: GPL-3.0-or-later
// wolfCrypt behind struct dg_aead_ops: the same bytes as OpenSSL's (make_record_vectors.py), in place at any
// alignment, from several threads, and nothing that is not authentic.
#include "check.h"
#include "crypto/wolf_aead.h"
#include "record_vectors.h"
#include "support/random.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/sha256.h>

#include <pthread.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void pattern(uint8_t *out, unsigned start, size_t size)
{
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(start + 7 * i);
}

// True when every seal, open and mask of the series succeeds; ret_*: what came out, hashed.
static bool run_series(enum dg_aead_id aead, size_t misalign, uint8_t ret_sealed[32], uint8_t ret_masks[32])
{
    size_t tag_size = dg_aead_table[aead].tag_size;
    wc_Sha256 sealed, masks;
    bool good = wc_InitSha256(&sealed) == 0 && wc_InitSha256(&masks) == 0;

    for (unsigned size = 0; size <= 300; size++) {
        uint8_t key_room[DG_AEAD_KEY_MAX + 16], nonce[12], aad[40], room[16 + 300 + 16], plain[300], sample[16], mask[16];
        uint8_t *data = room + misalign, *key = key_room + misalign; // key sets lie at any multiple of 4

        pattern(key, size, dg_aead_table[aead].key_size);
        pattern(nonce, size + 1, sizeof nonce);
        pattern(plain, size + 2, size);
        pattern(aad, size + 3, size % 40);
        pattern(sample, size + 4, sizeof sample);
        memcpy(data, plain, size);
        good = good && dg_wolf_aead.seal(aead, key, nonce, aad, size % 40, data, size);
        good = good && wc_Sha256Update(&sealed, data, (word32)(size + tag_size)) == 0;
        good = good && dg_wolf_aead.open(aead, key, nonce, aad, size % 40, data, size);
        good = good && memcmp(data, plain, size) == 0;
        good = good && dg_wolf_aead.number_mask(aead, key, sample, mask);
        good = good && wc_Sha256Update(&masks, mask, sizeof mask) == 0;
    }
    return good && wc_Sha256Final(&sealed, ret_sealed) == 0 && wc_Sha256Final(&masks, ret_masks) == 0;
}

DG_TEST(wolf_aead_matches_openssl_at_every_size_and_alignment)
{
    CHECK_EQ(COUNT(AEAD_DIGESTS), DG_AEAD_COUNT - 1);
    for (size_t i = 0; i < COUNT(AEAD_DIGESTS); i++) {
        for (size_t misalign = 0; misalign < 16; misalign++) {
            uint8_t sealed[32] = {0}, masks[32] = {0};

            CHECK(run_series(AEAD_DIGESTS[i].aead, misalign, sealed, masks));
            CHECK_MEM(sealed, AEAD_DIGESTS[i].sealed, 32);
            CHECK_MEM(masks, AEAD_DIGESTS[i].masks, 32);
        }
    }
}

struct worker {
    pthread_t thread;
    enum dg_aead_id aead;
    const struct aead_digest *expected;
    bool good;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    uint8_t sealed[32] = {0}, masks[32] = {0};

    worker->good = true;
    for (unsigned round = 0; round < 20; round++)
        worker->good = worker->good && run_series(worker->expected->aead, round % 16, sealed, masks) &&
                       memcmp(sealed, worker->expected->sealed, 32) == 0 &&
                       memcmp(masks, worker->expected->masks, 32) == 0;
    return NULL;
}

DG_TEST(wolf_aead_from_several_threads)
{
    struct worker workers[8];

    for (size_t i = 0; i < COUNT(workers); i++) {
        workers[i].expected = &AEAD_DIGESTS[i % COUNT(AEAD_DIGESTS)];
        REQUIRE(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (size_t i = 0; i < COUNT(workers); i++) {
        CHECK_EQ(pthread_join(workers[i].thread, NULL), 0);
        CHECK(workers[i].good);
    }
}

// Any bit of key, nonce, AAD, ciphertext or tag that differs: not authentic
DG_TEST(wolf_aead_refuses_every_flipped_bit)
{
    for (unsigned id = DG_AEAD_NONE + 1; id < DG_AEAD_COUNT; id++) {
        enum dg_aead_id aead = (enum dg_aead_id)id;
        struct {
            uint8_t key[DG_AEAD_KEY_MAX], nonce[12], aad[13], data[20 + DG_AEAD_TAG_MAX];
        } good, bad;
        size_t offset = DG_AEAD_KEY_MAX - dg_aead_table[aead].key_size; // unused key bytes do not count
        size_t end = sizeof good - DG_AEAD_TAG_MAX + dg_aead_table[aead].tag_size;

        pattern((uint8_t *)&good, 3, sizeof good);
        REQUIRE(dg_wolf_aead.seal(aead, good.key + offset, good.nonce, good.aad, sizeof good.aad, good.data, 20));
        for (size_t bit = 8 * offset; bit < 8 * end; bit++) {
            bad = good;
            ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1 << bit % 8);
            CHECK_MSG(!dg_wolf_aead.open(aead, bad.key + offset, bad.nonce, bad.aad, sizeof bad.aad, bad.data, 20),
                      "%s, bit %zu", dg_aead_table[aead].name, bit);
        }
        bad = good;
        CHECK(!dg_wolf_aead.open(aead, bad.key + offset, bad.nonce, bad.aad, sizeof bad.aad - 1, bad.data, 20));
        bad = good;
        CHECK(dg_wolf_aead.open(aead, bad.key + offset, bad.nonce, bad.aad, sizeof bad.aad, bad.data, 20));
    }
}

DG_TEST(wolf_aead_refuses_what_is_none)
{
    uint8_t key[32] = {0}, nonce[12] = {0}, data[64] = {0}, mask[16];
    static const enum dg_aead_id none[] = {DG_AEAD_NONE, DG_AEAD_COUNT};

    for (size_t i = 0; i < COUNT(none); i++) {
        CHECK(!dg_wolf_aead.seal(none[i], key, nonce, NULL, 0, data, 16));
        CHECK(!dg_wolf_aead.open(none[i], key, nonce, NULL, 0, data, 16));
        CHECK(!dg_wolf_aead.number_mask(none[i], key, data, mask));
    }
    CHECK(!dg_wolf_aead.seal(DG_AEAD_AES_128_GCM, key, nonce, key, 65536, data, 16));
    CHECK(!dg_wolf_aead.open(DG_AEAD_AES_128_GCM, key, nonce, key, 13, data, SIZE_MAX));
    CHECK(!dg_wolf_aead.expand_label(DG_HASH_SHA256, key, "key", data, 256));
}

static const struct dg_test_case CASES[] = {
    DG_CASE(wolf_aead_matches_openssl_at_every_size_and_alignment),
    DG_CASE(wolf_aead_from_several_threads),
    DG_CASE(wolf_aead_refuses_every_flipped_bit),
    DG_CASE(wolf_aead_refuses_what_is_none),
};

int main(int argc, char **argv)
{
    record_vectors_used();
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
