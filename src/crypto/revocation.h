// SPDX-License-Identifier: GPL-3.0-or-later
// Which certificates the CAs have revoked, out of the lists of a snapshot: a set of digests that a handshake and a
// running association are judged by alike, and how long each CA's list is good. Never keeps the lists themselves.
#ifndef DG_CRYPTO_REVOCATION_H
#define DG_CRYPTO_REVOCATION_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_credentials;
struct dg_trust;

struct dg_revocation {
    bool is_checked;      // there are lists
    bool accepts_missing; // a CA without a current list refuses nobody
    uint64_t *leaves;     // dg_certificate_leaf of each revoked certificate, ascending
    size_t count, capacity;
};

// Reads and verifies the lists by the anchors of trust, and marks in these what was found. False: error says file, line,
// what is wrong and what to do.
DG_MUST_USE bool dg_revocation_load(struct dg_trust *trust, const struct dg_credentials *credentials, char *error,
                                    size_t error_size);
void dg_revocation_clear(struct dg_revocation *revocation); // fine on a zeroed struct
bool dg_revocation_holds(const struct dg_revocation *revocation, uint64_t leaf);

#endif
