// SPDX-License-Identifier: GPL-3.0-or-later
// SipHash-2-4 as the paper describes it: two rounds for each eight bytes, four at the end. Owns no
// state; never used where an attacker could see the result.
#include "base/hash.h"

#include "base/random.h"

#include <endian.h>
#include <string.h>

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(struct state *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate_left(s->v1, 13) ^ s->v0;
        s->v3 = rotate_left(s->v3, 16) ^ s->v2;
        s->v0 = rotate_left(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate_left(s->v1, 17) ^ s->v2;
        s->v3 = rotate_left(s->v3, 21) ^ s->v0;
        s->v2 = rotate_left(s->v2, 32);
    }
}

static void absorb(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    mix(s, 2);
    s->v0 ^= word;
}

static uint64_t whole_word(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return le64toh(word);
}

static uint64_t rest_of_word(const uint8_t *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

struct dg_hash_key dg_hash_key_new(void)
{
    return (struct dg_hash_key){.k0 = dg_random_u64(), .k1 = dg_random_u64()};
}

uint64_t dg_hash(const struct dg_hash_key *key, const void *data, size_t size_bytes)
{
    // The constants spell "somepseudorandomlygeneratedbytes".
    struct state s = {
        .v0 = key->k0 ^ UINT64_C(0x736f6d6570736575),
        .v1 = key->k1 ^ UINT64_C(0x646f72616e646f6d),
        .v2 = key->k0 ^ UINT64_C(0x6c7967656e657261),
        .v3 = key->k1 ^ UINT64_C(0x7465646279746573),
    };
    const uint8_t *bytes = data;
    size_t whole = size_bytes - size_bytes % 8;
    for (size_t i = 0; i < whole; i += 8) {
        absorb(&s, whole_word(bytes + i));
    }
    // The last word carries the rest and, in its top byte, the size modulo 256.
    uint64_t last = (uint64_t)(size_bytes & 0xff) << 56;
    if (size_bytes > whole) {
        last |= rest_of_word(bytes + whole, size_bytes - whole);
    }
    absorb(&s, last);
    s.v2 ^= 0xff;
    mix(&s, 4);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
