// SPDX-License-Identifier: GPL-3.0-or-later
// Cuts an address to its prefix and hashes it under a random key, so that nobody can aim at a table's
// place. Owns nothing.
#include "core/prefix.h"

#include <string.h>

#define IDENTITY_MAX 255 // bytes that count

uint64_t dg_prefix_number(const struct dg_hash_key *key, const struct dg_address *address, struct dg_prefix_bits bits)
{
    bool is_ipv4 = dg_address_is_ipv4(address);
    const uint8_t *ip = is_ipv4 ? address->ip + 12 : address->ip;
    size_t kept = is_ipv4 ? bits.ipv4 : bits.ipv6;
    uint8_t cut[16] = {0};
    memcpy(cut, ip, kept / 8);
    if (kept % 8 != 0) {
        cut[kept / 8] = (uint8_t)(ip[kept / 8] & (0xff00u >> (kept % 8)));
    }
    // No more than what counts. The families differ by its size, which the hash covers too.
    return dg_hash(key, cut, (kept + 7) / 8);
}

uint64_t dg_prefix_identity_number(const struct dg_hash_key *key, const struct dg_address *address,
                                   struct dg_prefix_bits bits, struct dg_bytes identity)
{
    uint8_t text[sizeof(uint64_t) + IDENTITY_MAX];
    uint64_t prefix = dg_prefix_number(key, address, bits);
    size_t size = identity.size < IDENTITY_MAX ? identity.size : IDENTITY_MAX;
    memcpy(text, &prefix, sizeof prefix);
    memcpy(text + sizeof prefix, identity.data, size);
    return dg_hash(key, text, sizeof prefix + size);
}
