// SPDX-License-Identifier: GPL-3.0-or-later
// Cuts an address to its prefix and hashes it under a random key, so that nobody can aim at a table's
// place. Owns nothing.
#include "core/prefix.h"

#include <string.h>

#define IDENTITY_MAX 255 // bytes that count

uint64_t dg_prefix_number(const struct dg_hash_key *key, const struct dg_address *address, struct dg_prefix_bits bits)
{
    size_t kept = dg_address_is_ipv4(address) ? 96u + bits.ipv4 : bits.ipv6;
    uint8_t cut[16] = {0};
    memcpy(cut, address->ip, kept / 8);
    if (kept % 8 != 0) {
        cut[kept / 8] = (uint8_t)(address->ip[kept / 8] & (0xff00u >> (kept % 8)));
    }
    return dg_hash(key, cut, sizeof cut);
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
