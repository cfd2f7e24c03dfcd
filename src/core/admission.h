// SPDX-License-Identifier: GPL-3.0-or-later
// The admission ladder before a handshake exists (RFC 9147 5.1 and 11): token buckets and penalties by
// source prefix, and waits by prefix and identity (backoff.h), in bounded tables. A rung returns a counted reason or lets pass. A full table replaces the
// entry that was quiet longest among those the prefix may lie in; what that means is in docs/threat-model.md.
#ifndef DG_CORE_ADMISSION_H
#define DG_CORE_ADMISSION_H

#include "base/bucket.h"
#include "base/hash.h"
#include "base/wire.h"
#include "core/address.h"
#include "core/counters.h"

#include <stdint.h>

struct dg_admission;

struct dg_admission_config {
    struct dg_bucket_rate answers_per_prefix; // HelloVerifyRequests, HelloRetryRequests, alerts before the cookie
    struct dg_bucket_rate answers_global;
    struct dg_bucket_rate failures_per_prefix; // failed handshakes that a validated prefix may have; above: PENALTY
    uint32_t prefixes_max;                     // entries of each table
    dg_time backoff_max;                       // longest wait of an identity whose key is wrong; 0: none waits
};
struct dg_admission_config dg_admission_config_default(void);

struct dg_admission *dg_admission_new(const struct dg_admission_config *config);
// Other rates from now on; prefixes_max stays.
void dg_admission_set_rates(struct dg_admission *admission, const struct dg_admission_config *config);
void dg_admission_free(struct dg_admission *admission);

// May a hello of this unvalidated address be answered? COUNT_NONE lets pass (and takes a token of the
// prefix's and the global bucket), else DROP_ANSWER_LIMITED. The 3x rule on bytes is the front's.
enum dg_counter dg_admission_answer(struct dg_admission *admission, dg_time now, const struct dg_address *peer);
// May a validated address begin a handshake? COUNT_NONE or DROP_PENALTY. Takes nothing.
enum dg_counter dg_admission_begin(struct dg_admission *admission, dg_time now, const struct dg_address *peer);
// A handshake of the validated address failed.
void dg_admission_failed(struct dg_admission *admission, dg_time now, const struct dg_address *peer);
// May this identity behind this validated address try? COUNT_NONE or DROP_BACKOFF. Then: its key was wrong, or right.
enum dg_counter dg_admission_identity(const struct dg_admission *admission, dg_time now, const struct dg_address *peer,
                                      struct dg_bytes identity);
void dg_admission_identity_failed(struct dg_admission *admission, dg_time now, const struct dg_address *peer,
                                  struct dg_bytes identity);
void dg_admission_identity_proven(struct dg_admission *admission, const struct dg_address *peer, struct dg_bytes identity);

#endif
