// SPDX-License-Identifier: GPL-3.0-or-later
// Buckets by source prefix in two set-associative tables of fixed size. Allocates once; a stranger can push
// out entries but never make the tables grow.
#include "core/admission.h"

#include "core/backoff.h"
#include "core/prefix.h"

#include <stdlib.h>

#define WAYS 8 // entries a prefix may lie in

struct prefix_entry {
    uint64_t number; // of the prefix
    struct dg_bucket bucket;
    dg_time used_at; // 0: never
};

struct prefix_table {
    struct prefix_entry *entries;
    uint64_t set_mask;
};

struct dg_admission {
    struct dg_admission_config config;
    struct dg_hash_key key;
    struct dg_bucket answers;
    bool has_answered; // the global bucket is full until its first use tells the time
    struct prefix_table answered;
    struct prefix_table failed;
    struct dg_backoff *backoff;
};

struct dg_admission_config dg_admission_config_default(void)
{
    return (struct dg_admission_config){
        .answers_per_prefix = {.rate = 5000, .burst = 10000},
        .answers_global = {.rate = 20000, .burst = 40000},
        .failures_per_prefix = {.rate = 20, .burst = 200},
        .prefixes_max = 16384,
        .backoff_max = 300 * DG_SECOND,
    };
}

static bool table_init(struct prefix_table *table, uint32_t entries_max)
{
    uint64_t sets = 1;
    while (sets * WAYS < entries_max) {
        sets *= 2;
    }
    table->entries = calloc(sets * WAYS, sizeof *table->entries);
    table->set_mask = sets - 1;
    return table->entries != NULL;
}

static struct prefix_entry *table_find(struct prefix_table *table, uint64_t number)
{
    struct prefix_entry *set = &table->entries[(number & table->set_mask) * WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].used_at != 0 && set[i].number == number) {
            return &set[i];
        }
    }
    return NULL;
}

// The prefix's entry, or the one of its set that was quiet longest, made its own with a full bucket. What is
// lost there is the memory of somebody who spoke less recently than seven others.
static struct prefix_entry *table_get(struct prefix_table *table, uint64_t number, struct dg_bucket_rate rate,
                                      dg_time now)
{
    struct prefix_entry *entry = table_find(table, number);
    if (entry == NULL) {
        struct prefix_entry *set = &table->entries[(number & table->set_mask) * WAYS];
        entry = set;
        for (size_t i = 1; i < WAYS; i++) {
            if (set[i].used_at < entry->used_at) {
                entry = &set[i];
            }
        }
        *entry = (struct prefix_entry){.number = number, .bucket = dg_bucket_full(rate, now)};
    }
    entry->used_at = now != 0 ? now : 1;
    return entry;
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
    if (admission->backoff == NULL || !table_init(&admission->answered, config->prefixes_max) ||
        !table_init(&admission->failed, config->prefixes_max)) {
        dg_admission_free(admission);
        return NULL;
    }
    return admission;
}

void dg_admission_set_rates(struct dg_admission *admission, const struct dg_admission_config *config)
{
    admission->config.answers_per_prefix = config->answers_per_prefix;
    admission->config.answers_global = config->answers_global;
    admission->config.failures_per_prefix = config->failures_per_prefix;
    admission->config.backoff_max = config->backoff_max;
}

void dg_admission_free(struct dg_admission *admission)
{
    if (admission == NULL) {
        return;
    }
    dg_backoff_free(admission->backoff);
    free(admission->failed.entries);
    free(admission->answered.entries);
    free(admission);
}

enum dg_counter dg_admission_answer(struct dg_admission *admission, dg_time now, const struct dg_address *peer)
{
    const struct dg_admission_config *config = &admission->config;
    uint64_t number = dg_prefix_number(&admission->key, peer, DG_PREFIX_CLAIMED);
    struct prefix_entry *entry = table_get(&admission->answered, number, config->answers_per_prefix, now);
    // The prefix first: one that has had its share must not use up everybody's.
    if (!dg_bucket_take(&entry->bucket, config->answers_per_prefix, 1, now)) {
        return DG_COUNT_DROP_ANSWER_LIMITED;
    }
    if (!admission->has_answered) {
        admission->answers = dg_bucket_full(config->answers_global, now);
        admission->has_answered = true;
    }
    if (!dg_bucket_take(&admission->answers, config->answers_global, 1, now)) {
        return DG_COUNT_DROP_ANSWER_LIMITED;
    }
    return DG_COUNT_NONE;
}

enum dg_counter dg_admission_begin(struct dg_admission *admission, dg_time now, const struct dg_address *peer)
{
    uint64_t number = dg_prefix_number(&admission->key, peer, DG_PREFIX_VALIDATED);
    const struct prefix_entry *entry = table_find(&admission->failed, number);
    if (entry == NULL) {
        return DG_COUNT_NONE;
    }
    struct dg_bucket look = entry->bucket; // asking costs nothing: only failures do
    return dg_bucket_take(&look, admission->config.failures_per_prefix, 1, now) ? DG_COUNT_NONE : DG_COUNT_DROP_PENALTY;
}

void dg_admission_failed(struct dg_admission *admission, dg_time now, const struct dg_address *peer)
{
    struct dg_bucket_rate rate = admission->config.failures_per_prefix;
    uint64_t number = dg_prefix_number(&admission->key, peer, DG_PREFIX_VALIDATED);
    struct prefix_entry *entry = table_get(&admission->failed, number, rate, now);
    // An empty bucket stays empty: the penalty ends by itself, however many failures came on top.
    bool had_one = dg_bucket_take(&entry->bucket, rate, 1, now);
    (void)had_one;
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
