// SPDX-License-Identifier: GPL-3.0-or-later
// Buckets by source address and network in tables of fixed size. Allocates once; a stranger can push out entries but
// never make the tables grow.
#include "core/admission.h"

#include "core/backoff.h"
#include "core/prefix.h"
#include "core/set_table.h"

#include <stdlib.h>

// One kind of what is limited.
struct meter {
    struct dg_set_table addresses, networks;
    struct dg_bucket all;
    bool is_begun; // the bucket of all is full until its first use tells the time
};

struct dg_admission {
    struct dg_admission_config config;
    struct dg_hash_key key;
    struct meter answers, starts, failures;
    struct dg_backoff *backoff;
};

struct dg_admission_config dg_admission_config_default(void)
{
    return (struct dg_admission_config){
        .answers = {.address = {2500, 5000}, .network = {5000, 10000}, .all = {20000, 40000}},
        .starts = {.address = {2500, 5000}, .network = {5000, 10000}, .all = {20000, 40000}},
        .failures = {.address = {20, 200}, .network = {200, 2000}},
        .prefixes_max = 16384,
        .backoff_max = 300 * DG_SECOND,
    };
}

// The prefix's bucket, full where the prefix was not there. What is lost where a set is full is the memory of
// somebody who spoke less recently than seven others.
static struct dg_bucket *bucket_of(struct dg_set_table *table, uint64_t prefix, struct dg_bucket_rate rate, dg_time now)
{
    struct dg_set_entry *entry = dg_set_table_find(table, prefix);
    if (entry == NULL) {
        entry = dg_set_table_add(table, prefix);
        entry->bucket = dg_bucket_full(rate, now);
    }
    entry->rank = now;
    return &entry->bucket;
}

static bool meter_init(struct meter *meter, uint32_t entries_max)
{
    return dg_set_table_init(&meter->addresses, entries_max) && dg_set_table_init(&meter->networks, entries_max);
}

static void meter_clear(struct meter *meter)
{
    dg_set_table_clear(&meter->addresses);
    dg_set_table_clear(&meter->networks);
}

struct dg_admission *dg_admission_new(const struct dg_admission_config *config)
{
    struct dg_admission *admission = calloc(1, sizeof *admission);
    if (admission == NULL) {
        return NULL;
    }
    admission->config = *config;
    admission->key = dg_hash_key_new();
    admission->backoff = dg_backoff_new(config->prefixes_max);
    if (admission->backoff == NULL || !meter_init(&admission->answers, config->prefixes_max) ||
        !meter_init(&admission->starts, config->prefixes_max) ||
        !meter_init(&admission->failures, config->prefixes_max)) {
        dg_admission_free(admission);
        return NULL;
    }
    return admission;
}

void dg_admission_set_rates(struct dg_admission *admission, const struct dg_admission_config *config)
{
    admission->config.answers = config->answers;
    admission->config.starts = config->starts;
    admission->config.failures = config->failures;
    admission->config.backoff_max = config->backoff_max;
}

void dg_admission_free(struct dg_admission *admission)
{
    if (admission == NULL) {
        return;
    }
    dg_backoff_free(admission->backoff);
    meter_clear(&admission->answers);
    meter_clear(&admission->starts);
    meter_clear(&admission->failures);
    free(admission);
}

// --- the rungs ----------------------------------------------------------------------------

// What is said when one of the buckets is empty.
struct refusals {
    enum dg_counter address, network, all;
};

// Whom one of them refuses takes nothing from the others: an address that has had its share must not use up its
// network's, nor a network everybody's.
static enum dg_counter take(struct dg_admission *admission, struct meter *meter, const struct dg_admission_rates *rates,
                            dg_time now, const struct dg_address *peer, struct refusals refusals)
{
    uint64_t address = dg_prefix_number(&admission->key, peer, DG_PREFIX_VALIDATED);
    uint64_t network = dg_prefix_number(&admission->key, peer, DG_PREFIX_CLAIMED);
    struct dg_bucket *of_address = bucket_of(&meter->addresses, address, rates->address, now);
    struct dg_bucket *of_network = bucket_of(&meter->networks, network, rates->network, now);
    if (!meter->is_begun) {
        meter->all = dg_bucket_full(rates->all, now);
        meter->is_begun = true;
    }
    struct dg_bucket after_address = *of_address, after_network = *of_network, after_all = meter->all;
    if (!dg_bucket_take(&after_address, rates->address, 1, now)) {
        return refusals.address;
    }
    if (!dg_bucket_take(&after_network, rates->network, 1, now)) {
        return refusals.network;
    }
    if (rates->all.burst != 0 && !dg_bucket_take(&after_all, rates->all, 1, now)) {
        return refusals.all;
    }
    *of_address = after_address;
    *of_network = after_network;
    meter->all = after_all;
    return DG_COUNT_NONE;
}

enum dg_counter dg_admission_answer(struct dg_admission *admission, dg_time now, const struct dg_address *peer)
{
    static const struct refusals REFUSALS = {DG_COUNT_DROP_ANSWER_LIMITED, DG_COUNT_DROP_ANSWER_NETWORK,
                                             DG_COUNT_DROP_ANSWER_GLOBAL};
    return take(admission, &admission->answers, &admission->config.answers, now, peer, REFUSALS);
}

enum dg_counter dg_admission_start(struct dg_admission *admission, dg_time now, const struct dg_address *peer)
{
    static const struct refusals REFUSALS = {DG_COUNT_DROP_START_LIMITED, DG_COUNT_DROP_START_NETWORK,
                                             DG_COUNT_DROP_START_GLOBAL};
    return take(admission, &admission->starts, &admission->config.starts, now, peer, REFUSALS);
}

// Asking costs nothing: only failures do.
static bool has_failed_too_often(const struct dg_set_entry *entry, struct dg_bucket_rate rate, dg_time now)
{
    if (entry == NULL) {
        return false;
    }
    struct dg_bucket look = entry->bucket;
    return !dg_bucket_take(&look, rate, 1, now);
}

enum dg_counter dg_admission_begin(struct dg_admission *admission, dg_time now, const struct dg_address *peer)
{
    const struct dg_admission_rates *rates = &admission->config.failures;
    uint64_t address = dg_prefix_number(&admission->key, peer, DG_PREFIX_VALIDATED);
    if (has_failed_too_often(dg_set_table_find(&admission->failures.addresses, address), rates->address, now)) {
        return DG_COUNT_DROP_PENALTY;
    }
    uint64_t network = dg_prefix_number(&admission->key, peer, DG_PREFIX_CLAIMED);
    return has_failed_too_often(dg_set_table_find(&admission->failures.networks, network), rates->network, now)
               ? DG_COUNT_DROP_PENALTY_NETWORK
               : DG_COUNT_NONE;
}

// An empty bucket stays empty: the penalty ends by itself, however many failures came on top.
static void note_failure(struct dg_set_table *table, uint64_t number, struct dg_bucket_rate rate, dg_time now)
{
    bool had_one = dg_bucket_take(bucket_of(table, number, rate, now), rate, 1, now);
    (void)had_one;
}

void dg_admission_failed(struct dg_admission *admission, dg_time now, const struct dg_address *peer)
{
    const struct dg_admission_rates *rates = &admission->config.failures;
    note_failure(&admission->failures.addresses, dg_prefix_number(&admission->key, peer, DG_PREFIX_VALIDATED),
                 rates->address, now);
    note_failure(&admission->failures.networks, dg_prefix_number(&admission->key, peer, DG_PREFIX_CLAIMED),
                 rates->network, now);
}

enum dg_counter dg_admission_identity(const struct dg_admission *admission, dg_time now, const struct dg_address *peer,
                                      struct dg_bytes identity)
{
    if (admission->config.backoff_max == 0) {
        return DG_COUNT_NONE;
    }
    return dg_backoff_wait(admission->backoff, now, peer, identity) > 0 ? DG_COUNT_DROP_BACKOFF : DG_COUNT_NONE;
}

void dg_admission_identity_failed(struct dg_admission *admission, dg_time now, const struct dg_address *peer,
                                  struct dg_bytes identity)
{
    dg_backoff_failed(admission->backoff, now, peer, identity, admission->config.backoff_max);
}

void dg_admission_identity_proven(struct dg_admission *admission, const struct dg_address *peer, struct dg_bytes identity)
{
    dg_backoff_proven(admission->backoff, peer, identity);
}
