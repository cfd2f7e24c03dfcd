// SPDX-License-Identifier: GPL-3.0-or-later
// A keyed hash for tables whose keys strangers choose: SipHash-2-4 (Aumasson and Bernstein, 2012).
// Never a substitute for a message authentication code on the wire.
#ifndef DG_BASE_HASH_H
#define DG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct dg_hash_key {
    uint64_t k0, k1; // random for each process
};

struct dg_hash_key dg_hash_key_new(void);
uint64_t dg_hash(const struct dg_hash_key *key, const void *data, size_t size_bytes);

#endif
