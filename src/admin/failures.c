// SPDX-License-Identifier: GPL-3.0-or-later
// Two books of the same form, by identity and by prefix: pages that a keyed hash finds and that a list keeps in the
// order of their last use. A lock is held for the time of a look-up and a copy.
#include "admin/failures.h"

#include "base/hash.h"
#include "base/secret.h"
#include "core/prefix.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

// A client's page.
struct page {
    uint64_t hash;
    uint32_t chained;        // the next of the same bucket
    uint32_t newer, older;   // by last use
    bool is_used;
    uint8_t identity_size;   // of the book by identity
    uint8_t identity[DG_IDENTITY_MAX];
    uint64_t prefix;         // by identity: whose claim made it, 0: a proof
    uint32_t owned[DG_FAILURE_OWNED]; // by prefix: pages by identity that its claims made
    uint64_t runs_at;        // the book's clock when it was last written to
    uint64_t total;
    struct dg_failure_run runs[DG_FAILURE_RUNS]; // count 0: vacant
};

struct book {
    struct page *pages;
    uint32_t *buckets; // as many as pages, a power of two
    uint32_t page_count;
    uint32_t used_count; // the first ones; none goes out of use again
    uint32_t newest, oldest;
};

struct dg_failures {
    pthread_mutex_t lock;
    struct dg_hash_key key;
    uint64_t clock; // counts what was written by identity
    struct book identities, prefixes;
};

// --- a book --------------------------------------------------------------------------------------------------------

static bool book_init(struct book *book, uint32_t page_count)
{
    book->pages = calloc(page_count, sizeof *book->pages);
    book->buckets = malloc(page_count * sizeof *book->buckets);
    book->page_count = page_count;
    book->newest = book->oldest = NONE;
    if (!book->pages || !book->buckets)
        return false;
    memset(book->buckets, 0xff, page_count * sizeof *book->buckets);
    return true;
}

static void book_clear(struct book *book)
{
    free(book->pages);
    free(book->buckets);
}

static void unlink_page(struct book *book, uint32_t number)
{
    const struct page *page = &book->pages[number];
    if (page->newer == NONE)
        book->newest = page->older;
    else
        book->pages[page->newer].older = page->older;
    if (page->older == NONE)
        book->oldest = page->newer;
    else
        book->pages[page->older].newer = page->newer;
}

static void link_newest(struct book *book, uint32_t number)
{
    struct page *page = &book->pages[number];
    page->newer = NONE;
    page->older = book->newest;
    if (book->newest == NONE)
        book->oldest = number;
    else
        book->pages[book->newest].newer = number;
    book->newest = number;
}

static uint32_t *bucket_of(struct book *book, uint64_t hash)
{
    return &book->buckets[hash & (book->page_count - 1)];
}

static void unchain(struct book *book, uint32_t number)
{
    uint32_t *at = bucket_of(book, book->pages[number].hash);
    while (*at != number)
        at = &book->pages[*at].chained;
    *at = book->pages[number].chained;
}

static bool is_page_of(const struct page *page, uint64_t hash, struct dg_bytes identity)
{
    return page->hash == hash && page->identity_size == identity.size &&
           (identity.size == 0 || dg_secret_equal(page->identity, identity.data, identity.size));
}

static uint32_t book_find(struct book *book, uint64_t hash, struct dg_bytes identity)
{
    uint32_t number = *bucket_of(book, hash);
    while (number != NONE && !is_page_of(&book->pages[number], hash, identity))
        number = book->pages[number].chained;
    return number;
}

// A fresh page, the newest: `again` if that is not NONE, else one that was never used, else the one that was quiet longest.
static uint32_t book_add(struct book *book, uint64_t hash, struct dg_bytes identity, uint32_t again)
{
    uint32_t number = again;
    if (number == NONE)
        number = book->used_count < book->page_count ? book->used_count++ : book->oldest;
    struct page *page = &book->pages[number];
    if (page->is_used) {
        unchain(book, number);
        unlink_page(book, number);
    }
    memset(page, 0, sizeof *page);
    memset(page->owned, 0xff, sizeof page->owned);
    page->is_used = true;
    page->hash = hash;
    page->identity_size = (uint8_t)identity.size;
    if (identity.size > 0)
        memcpy(page->identity, identity.data, identity.size);
    page->chained = *bucket_of(book, hash);
    *bucket_of(book, hash) = number;
    link_newest(book, number);
    return number;
}

static uint32_t book_get(struct book *book, uint64_t hash, struct dg_bytes identity)
{
    uint32_t number = book_find(book, hash, identity);
    if (number == NONE)
        return book_add(book, hash, identity, NONE);
    if (number != book->newest) {
        unlink_page(book, number);
        link_newest(book, number);
    }
    return number;
}

// --- runs of a page ------------------------------------------------------------------------------------------------

static bool is_same_kind(const struct dg_failure_run *run, const struct dg_failure_run *other)
{
    return run->count > 0 && run->counter == other->counter && run->is_proven == other->is_proven &&
           run->prefix == other->prefix && run->reason == other->reason && run->claim_size == other->claim_size &&
           (run->claim_size == 0 || dg_secret_equal(run->claim, other->claim, run->claim_size)) &&
           strcmp(run->detail, other->detail) == 0;
}

// The vacant one, or the oldest, of places first..end.
static struct dg_failure_run *oldest_run(struct page *page, size_t first, size_t end)
{
    struct dg_failure_run *oldest = &page->runs[first];
    for (size_t i = first; i < end; i++) {
        if (page->runs[i].count == 0)
            return &page->runs[i];
        if (page->runs[i].last_s < oldest->last_s)
            oldest = &page->runs[i];
    }
    return oldest;
}

// A page by identity: the first places are for what a proof tells, whatever others claim. In the others one prefix'
// claims make room for each other before they touch what other prefixes claimed.
static struct dg_failure_run *choose_by_identity(struct page *page, const struct dg_failure_run *fresh)
{
    if (fresh->is_proven)
        return oldest_run(page, 0, DG_FAILURE_RUNS_PROVEN);
    struct dg_failure_run *oldest = oldest_run(page, DG_FAILURE_RUNS_PROVEN, DG_FAILURE_RUNS);
    struct dg_failure_run *own = NULL;
    uint32_t own_count = 0;
    for (size_t i = DG_FAILURE_RUNS_PROVEN; i < DG_FAILURE_RUNS; i++) {
        struct dg_failure_run *run = &page->runs[i];
        if (run->count == 0 || run->prefix != fresh->prefix)
            continue;
        own_count++;
        if (!own || run->last_s < own->last_s)
            own = run;
    }
    return oldest->count > 0 && own_count >= DG_FAILURE_RUNS_PREFIX ? own : oldest;
}

// A page by prefix: many names that are claimed there do not push out what concerns the prefix itself.
static struct dg_failure_run *choose_by_prefix(struct page *page, const struct dg_failure_run *fresh)
{
    return fresh->claim_size == 0 ? oldest_run(page, 0, DG_FAILURE_RUNS_PROVEN)
                                  : oldest_run(page, DG_FAILURE_RUNS_PROVEN, DG_FAILURE_RUNS);
}

static void note_run(struct page *page, const struct dg_failure_run *fresh, bool is_by_identity)
{
    page->total++;
    struct dg_failure_run *run = NULL;
    for (size_t i = 0; i < DG_FAILURE_RUNS && !run; i++)
        if (is_same_kind(&page->runs[i], fresh))
            run = &page->runs[i];
    if (run) {
        uint64_t first_s = run->first_s, count = run->count + 1;
        *run = *fresh;
        run->first_s = first_s;
        run->count = count;
        return;
    }
    run = is_by_identity ? choose_by_identity(page, fresh) : choose_by_prefix(page, fresh);
    *run = *fresh;
}

// --- what is noted and asked ---------------------------------------------------------------------------------------

struct dg_failures *dg_failures_new(void)
{
    struct dg_failures *book = calloc(1, sizeof *book);
    if (!book)
        return NULL;
    pthread_mutex_init(&book->lock, NULL);
    book->key = dg_hash_key_new();
    if (!book_init(&book->identities, DG_FAILURE_IDENTITIES) || !book_init(&book->prefixes, DG_FAILURE_PREFIXES)) {
        dg_failures_free(book);
        return NULL;
    }
    return book;
}

void dg_failures_free(struct dg_failures *book)
{
    if (!book)
        return;
    book_clear(&book->identities);
    book_clear(&book->prefixes);
    pthread_mutex_destroy(&book->lock);
    free(book);
}

static struct dg_failure_run run_of(uint64_t wall_s, uint64_t prefix, const struct dg_failure *failure)
{
    size_t claim_size = failure->identity.size < DG_FAILURE_CLAIM ? failure->identity.size : DG_FAILURE_CLAIM;
    struct dg_failure_run run = {
        .first_s = wall_s,
        .last_s = wall_s,
        .count = 1,
        .reason = failure->reason ? failure->reason : dg_counter_text(failure->counter),
        .association = failure->association,
        .peer = *failure->peer,
        .prefix = prefix,
        .counter = (uint16_t)failure->counter,
        .alert_sent = failure->alert_sent,
        .alert_received = failure->alert_received,
        .is_proven = failure->is_proven,
        .identity_kind = failure->identity_kind,
        .claim_size = (uint8_t)claim_size,
    };
    if (claim_size > 0)
        memcpy(run.claim, failure->identity.data, claim_size);
    if (failure->detail)
        snprintf(run.detail, sizeof run.detail, "%s", failure->detail);
    return run;
}

// The page of an identity that is not in the book. A claim makes it on its prefix' account: when that has
// DG_FAILURE_OWNED pages, the oldest of them becomes this one, so that nobody can push out others by claiming names.
static struct page *new_identity_page(struct dg_failures *book, struct page *owner, uint64_t prefix, uint64_t hash,
                                      struct dg_bytes identity)
{
    uint32_t place = 0, again = NONE;
    for (uint32_t i = 0; i < DG_FAILURE_OWNED; i++) {
        uint32_t number = owner->owned[i];
        bool is_owned = number != NONE && book->identities.pages[number].prefix == prefix;
        if (!is_owned) {
            place = i;
            again = NONE;
            break;
        }
        if (again == NONE || book->identities.pages[number].runs_at < book->identities.pages[again].runs_at) {
            place = i;
            again = number;
        }
    }
    uint32_t number = book_add(&book->identities, hash, identity, again);
    book->identities.pages[number].prefix = prefix;
    owner->owned[place] = number;
    return &book->identities.pages[number];
}

static void note_identity(struct dg_failures *book, struct page *owner, const struct dg_failure *failure,
                          const struct dg_failure_run *run)
{
    uint64_t hash = dg_hash(&book->key, failure->identity.data, failure->identity.size);
    uint32_t number = book_find(&book->identities, hash, failure->identity);
    struct page *page;
    if (number != NONE || failure->is_proven)
        page = &book->identities.pages[book_get(&book->identities, hash, failure->identity)];
    else
        page = new_identity_page(book, owner, run->prefix, hash, failure->identity);
    if (failure->is_proven)
        page->prefix = 0; // no longer anybody's to replace
    page->runs_at = ++book->clock;
    note_run(page, run, true);
}

void dg_failures_note(struct dg_failures *book, uint64_t wall_s, const struct dg_failure *failure)
{
    static const struct dg_bytes nobody = {0};
    uint64_t prefix = dg_prefix_number(&book->key, failure->peer, DG_PREFIX_VALIDATED);
    const struct dg_failure_run run = run_of(wall_s, prefix, failure);
    pthread_mutex_lock(&book->lock);
    struct page *owner = &book->prefixes.pages[book_get(&book->prefixes, prefix, nobody)];
    note_run(owner, &run, false);
    if (failure->identity.size > 0 && failure->identity.size <= DG_IDENTITY_MAX)
        note_identity(book, owner, failure, &run);
    pthread_mutex_unlock(&book->lock);
}

// Newest first.
static int by_time(const void *a, const void *b)
{
    const struct dg_failure_run *left = a, *right = b;
    if (left->last_s != right->last_s)
        return left->last_s < right->last_s ? 1 : -1;
    return left->first_s < right->first_s ? 1 : left->first_s > right->first_s ? -1 : 0;
}

static bool copy_page(struct dg_failures *book, struct book *of, uint64_t hash, struct dg_bytes identity,
                      struct dg_failure_page *ret)
{
    ret->run_count = 0;
    pthread_mutex_lock(&book->lock);
    uint32_t number = book_find(of, hash, identity);
    for (size_t i = 0; number != NONE && i < DG_FAILURE_RUNS; i++)
        if (of->pages[number].runs[i].count > 0)
            ret->runs[ret->run_count++] = of->pages[number].runs[i];
    ret->total = number != NONE ? of->pages[number].total : 0;
    pthread_mutex_unlock(&book->lock);
    qsort(ret->runs, ret->run_count, sizeof ret->runs[0], by_time);
    return ret->run_count > 0;
}

bool dg_failures_of_identity(struct dg_failures *book, struct dg_bytes identity, struct dg_failure_page *ret)
{
    if (identity.size == 0 || identity.size > DG_IDENTITY_MAX)
        return false;
    return copy_page(book, &book->identities, dg_hash(&book->key, identity.data, identity.size), identity, ret);
}

bool dg_failures_of_address(struct dg_failures *book, const struct dg_address *address, struct dg_failure_page *ret)
{
    static const struct dg_bytes nobody = {0};
    return copy_page(book, &book->prefixes, dg_prefix_number(&book->key, address, DG_PREFIX_VALIDATED), nobody, ret);
}
