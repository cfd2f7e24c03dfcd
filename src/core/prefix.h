// SPDX-License-Identifier: GPL-3.0-or-later
// Source prefixes as the admission ladder counts them: a keyed number that stands for all addresses of a
// network. Never keeps the address itself; two prefixes share a number with probability 2^-64.
#ifndef DG_CORE_PREFIX_H
#define DG_CORE_PREFIX_H

#include "base/hash.h"
#include "base/wire.h"
#include "core/address.h"

#include <stdint.h>

// Of different bytes: else two networks of the two families could have one number.
struct dg_prefix_bits {
    uint8_t ipv4;
    uint8_t ipv6;
};

// A network, as somebody is given: who can lie about one address of it can lie about all, and who was given it has all.
#define DG_PREFIX_CLAIMED ((struct dg_prefix_bits){.ipv4 = 24, .ipv6 = 48})
// One IPv4 host, or one IPv6 subnet, since a host has all addresses of its subnet to choose from.
#define DG_PREFIX_VALIDATED ((struct dg_prefix_bits){.ipv4 = 32, .ipv6 = 64})

uint64_t dg_prefix_number(const struct dg_hash_key *key, const struct dg_address *address, struct dg_prefix_bits bits);
// The same of an identity behind the prefix.
uint64_t dg_prefix_identity_number(const struct dg_hash_key *key, const struct dg_address *address,
                                   struct dg_prefix_bits bits, struct dg_bytes identity);

#endif
