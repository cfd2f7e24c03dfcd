// SPDX-License-Identifier: GPL-3.0-or-later
// wolfCrypt behind struct dg_aead_ops: the same bytes as OpenSSL's (make_record_vectors.py), in place at any
// alignment, from several threads, and nothing that is not authentic.
#include "base/secret.h"
#include "check.h"
#include "crypto/wolf_aead.h"
#include "record_vectors.h"
#include "support/random.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/sha256.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

// Keys of all sizes and kinds by turns: what one leaves behind in its thread's objects does not disturb the next.
DG_TEST(wolf_aead_keys_by_turns_do_not_disturb_each_other)
{
    enum { KEYS = 24, SIZE = 40 };
    struct test_random random = {.state = dg_test_seed()};
    struct {
        enum dg_aead_id aead;
        uint8_t key[DG_AEAD_KEY_MAX], nonce[12], sealed[SIZE + DG_AEAD_TAG_MAX], mask[16];
    } all[KEYS];
    static const uint8_t PLAIN[SIZE] = {1, 2, 3};

    for (size_t i = 0; i < KEYS; i++) {
        all[i].aead = (enum dg_aead_id)(1 + test_random_below(&random, DG_AEAD_COUNT - 1));
        test_random_fill(&random, all[i].key, sizeof all[i].key);
        test_random_fill(&random, all[i].nonce, sizeof all[i].nonce);
        memcpy(all[i].sealed, PLAIN, SIZE);
        dg_wolf_aead.forget(); // as if for the first time
        CHECK(dg_wolf_aead.seal(all[i].aead, all[i].key, all[i].nonce, NULL, 0, all[i].sealed, SIZE));
        dg_wolf_aead.forget();
        CHECK(dg_wolf_aead.number_mask(all[i].aead, all[i].key, all[i].sealed, all[i].mask));
    }
    for (unsigned turn = 0; turn < 4000; turn++) {
        size_t i = test_random_below(&random, KEYS);
        uint8_t data[SIZE + DG_AEAD_TAG_MAX], mask[16];
        memcpy(data, PLAIN, SIZE);
        switch (test_random_below(&random, 3)) {
        case 0:
            CHECK(dg_wolf_aead.seal(all[i].aead, all[i].key, all[i].nonce, NULL, 0, data, SIZE));
            CHECK_MEM(data, all[i].sealed, SIZE + dg_aead_table[all[i].aead].tag_size);
            break;
        case 1:
            memcpy(data, all[i].sealed, sizeof data);
            CHECK(dg_wolf_aead.open(all[i].aead, all[i].key, all[i].nonce, NULL, 0, data, SIZE));
            CHECK_MEM(data, PLAIN, SIZE);
            break;
        default:
            CHECK(dg_wolf_aead.number_mask(all[i].aead, all[i].key, all[i].sealed, mask));
            CHECK_MEM(mask, all[i].mask, sizeof mask);
            break;
        }
    }
}

#if !defined(__SANITIZE_ADDRESS__) // its shadow memory is too large to look through
// Is the key, given as its complement, anywhere in memory that this process can write?
static unsigned find_in_memory(const uint8_t complement[16])
{
    char line[512];
    unsigned found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    static uint8_t page[4096 + 15]; // with the end of the page before
    while (maps != NULL && memory >= 0 && fgets(line, sizeof line, maps) != NULL) {
        unsigned long long from, to;
        char access[8];
        if (sscanf(line, "%llx-%llx %7s", &from, &to, access) != 3 || access[1] != 'w')
            continue;
        for (unsigned long long at = from; at < to; at += 4096) {
            if (pread(memory, page + 15, 4096, (off_t)at) != 4096)
                continue;
            if (at <= (uintptr_t)page + sizeof page && at + 4096 > (uintptr_t)page)
                continue; // what is being looked through
            for (size_t i = 0; i + 16 <= sizeof page; i++) {
                size_t same = 0;
                while (same < 16 && (page[i + same] ^ complement[same]) == 0xff)
                    same++;
                found += same == 16;
            }
            memcpy(page, page + 4096, 15);
        }
    }
    if (maps != NULL)
        fclose(maps);
    if (memory >= 0)
        close(memory);
    memset(page, 0, sizeof page);
    return found;
}

// An expanded AES key begins with the key itself: it stays until it is forgotten, and then nothing of it is left.
DG_TEST(wolf_aead_forgets_expanded_keys)
{
    struct test_random random = {.state = dg_test_seed()};
    static const enum dg_aead_id aeads[] = {DG_AEAD_AES_128_GCM, DG_AEAD_AES_128_CCM};
    for (size_t i = 0; i < COUNT(aeads); i++) {
        uint8_t complement[16], key[16], nonce[12] = {0}, data[32] = {0}, mask[16];
        test_random_fill(&random, complement, sizeof complement);
        for (size_t k = 0; k < sizeof key; k++)
            key[k] = (uint8_t)~complement[k];
        CHECK(dg_wolf_aead.seal(aeads[i], key, nonce, NULL, 0, data, 16));
        CHECK(dg_wolf_aead.number_mask(aeads[i], key, data, mask));
        dg_wipe(key, sizeof key);
        CHECK(find_in_memory(complement) > 0);
        dg_wolf_aead.forget();
        CHECK_EQ(find_in_memory(complement), 0);
    }
}
#endif

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
    DG_CASE(wolf_aead_keys_by_turns_do_not_disturb_each_other),
#if !defined(__SANITIZE_ADDRESS__)
    DG_CASE(wolf_aead_forgets_expanded_keys),
#endif
    DG_CASE(wolf_aead_refuses_what_is_none),
};

int main(int argc, char **argv)
{
    record_vectors_used();
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
