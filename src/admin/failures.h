// SPDX-License-Identifier: GPL-3.0-or-later
// The book of failures: why clients are not connected, by what they claim to be and by where they come from. Only who
// has shown by a cookie that it receives at its address is written down; before that, there are the counters. What a
// client claims is not proven, and the book says which entries are. Bounded: the rules for a full book stand below.
// Forgotten when the process ends. Any thread may write and read.
#ifndef DG_ADMIN_FAILURES_H
#define DG_ADMIN_FAILURES_H

#include "base/wire.h"
#include "core/address.h"
#include "core/counters.h"
#include "core/handover.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_FAILURE_IDENTITIES 4096u // clients that are remembered; the one that was quiet longest makes room
#define DG_FAILURE_PREFIXES 4096u   // addresses (IPv4) or subnets (IPv6 /64), likewise
#define DG_FAILURE_OWNED 32u        // identities that one prefix can have claimed: a further one replaces its own oldest
#define DG_FAILURE_RUNS 8u          // different failures of one client; equal ones are counted together
#define DG_FAILURE_RUNS_PROVEN 3u   // of these, only for what was proven; by prefix, for what bears no name
#define DG_FAILURE_RUNS_PREFIX 2u   // of the others, for claims of one prefix, where there are several
#define DG_FAILURE_CLAIM 64u        // bytes of a claimed identity that are kept by address
#define DG_FAILURE_DETAIL 64u

// One thing that went wrong.
struct dg_failure {
    enum dg_counter counter;
    const char *reason;            // static text; NULL: the counter's
    const char *detail;            // a name of the configuration's, as a rule's; copied; NULL: none
    const struct dg_address *peer; // proven by cookie
    struct dg_bytes identity;      // size 0: nothing was claimed
    uint8_t identity_kind;         // dg_identity_kind
    bool is_proven;                // it ended an association: the identity is not merely claimed
    uint8_t alert_sent, alert_received; // 255: none
    uint64_t association;          // its id, 0: there was none
};

// Failures in a row of one kind, as the book keeps them.
struct dg_failure_run {
    uint64_t first_s, last_s; // wall clock
    uint64_t count;
    const char *reason;       // static text, never NULL
    uint64_t association;     // of the last
    struct dg_address peer;   // of the last
    uint64_t prefix;          // number of its prefix
    uint16_t counter;         // dg_counter
    uint8_t alert_sent, alert_received; // of the last
    bool is_proven;
    uint8_t identity_kind;
    uint8_t claim_size;       // of the claim of the last, cut to DG_FAILURE_CLAIM
    uint8_t claim[DG_FAILURE_CLAIM];
    char detail[DG_FAILURE_DETAIL];
};

// What is known of one client, newest first.
struct dg_failure_page {
    struct dg_failure_run runs[DG_FAILURE_RUNS];
    size_t run_count;
    uint64_t total; // failures, also those that the runs no longer show
};

struct dg_failures;

struct dg_failures *dg_failures_new(void); // NULL: memory is short; 17 MB, of which only what was written to is used
void dg_failures_free(struct dg_failures *book); // NULL is fine
// wall_s: CLOCK_REALTIME seconds.
void dg_failures_note(struct dg_failures *book, uint64_t wall_s, const struct dg_failure *failure);
// False: nothing is known.
bool dg_failures_of_identity(struct dg_failures *book, struct dg_bytes identity, struct dg_failure_page *ret);
// Of all who came from this IPv4 address, or from this address' /64.
bool dg_failures_of_address(struct dg_failures *book, const struct dg_address *address, struct dg_failure_page *ret);

#endif
