// SPDX-License-Identifier: GPL-3.0-or-later
// The admission ladder before a handshake exists (RFC 9147 5.1 and 11): token buckets and penalties by source address
// and network and in all, and waits by prefix and identity (backoff.h), in bounded tables. A rung returns a counted
// reason or lets pass. A full table replaces the entry that was quiet longest among those the prefix may lie in; what
// that means is in docs/threat-model.md.
#ifndef DG_CORE_ADMISSION_H
#define DG_CORE_ADMISSION_H

#include "base/bucket.h"
#include "base/hash.h"
#include "base/wire.h"
#include "core/address.h"
#include "core/counters.h"

#include <stdint.h>

struct dg_admission;

// All three have to have a token.
struct dg_admission_rates {
    struct dg_bucket_rate address; // of an IPv4 address, or an IPv6 /64
    struct dg_bucket_rate network; // of an IPv4 /24, or an IPv6 /48
    struct dg_bucket_rate all;     // of everybody together; burst 0: no limit
};

struct dg_admission_config {
    struct dg_admission_rates answers;  // HelloVerifyRequests, HelloRetryRequests, alerts before the cookie
    struct dg_admission_rates starts;   // handshakes begun after a valid cookie
    struct dg_admission_rates failures; // failed handshakes that one may have; above: a penalty. Never in all
    uint32_t prefixes_max;              // entries of each table
    dg_time backoff_max;                // longest wait of an identity whose key is wrong; 0: none waits
};
struct dg_admission_config dg_admission_config_default(void);

struct dg_admission *dg_admission_new(const struct dg_admission_config *config);
// Other rates from now on; prefixes_max stays.
void dg_admission_set_rates(struct dg_admission *admission, const struct dg_admission_config *config);
void dg_admission_free(struct dg_admission *admission);

// May a hello of this unvalidated address be answered? COUNT_NONE lets pass (and takes a token of each bucket), else
// DROP_ANSWER_LIMITED, DROP_ANSWER_NETWORK or DROP_ANSWER_GLOBAL, and nothing is taken. The 3x rule on bytes is the
// front's.
enum dg_counter dg_admission_answer(struct dg_admission *admission, dg_time now, const struct dg_address *peer);
// May a validated address begin a handshake, for all that failed before? COUNT_NONE, DROP_PENALTY or
// DROP_PENALTY_NETWORK. Takes nothing.
enum dg_counter dg_admission_begin(struct dg_admission *admission, dg_time now, const struct dg_address *peer);
// It begins one: COUNT_NONE takes a token of each bucket, else DROP_START_LIMITED, DROP_START_NETWORK or
// DROP_START_GLOBAL.
enum dg_counter dg_admission_start(struct dg_admission *admission, dg_time now, const struct dg_address *peer);
// A handshake of the validated address failed.
void dg_admission_failed(struct dg_admission *admission, dg_time now, const struct dg_address *peer);
// May this identity behind this validated address try? COUNT_NONE or DROP_BACKOFF. Then: its key was wrong, or right.
enum dg_counter dg_admission_identity(const struct dg_admission *admission, dg_time now, const struct dg_address *peer,
                                      struct dg_bytes identity);
void dg_admission_identity_failed(struct dg_admission *admission, dg_time now, const struct dg_address *peer,
                                  struct dg_bytes identity);
void dg_admission_identity_proven(struct dg_admission *admission, const struct dg_address *peer, struct dg_bytes identity);

#endif
