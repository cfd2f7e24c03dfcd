// SPDX-License-Identifier: GPL-3.0-or-later
// Handshakes under way: records in, early data kept, time-outs, failure, hand-over. Owns every handshake
// between its valid cookie and its end; each has a deadline and is freed on every way out.
#include "base/secret.h"
#include "core/front_state.h"

#include <string.h>

bool dg_front_is_busy(const struct dg_front *front, uint32_t place)
{
    if (place == DG_NO_ENTRY) {
        return false;
    }
    enum dg_entry_state state = front->table.entries[place].state;
    return state == DG_ENTRY_RUNNING || state == DG_ENTRY_PROVEN || state == DG_ENTRY_TAKEN;
}

static void free_early(struct dg_front *front, struct dg_handshake_entry *entry)
{
    for (uint8_t i = 0; i < entry->early_count; i++) {
        dg_early_free(&front->early, entry->early[i]);
    }
    entry->early_count = 0;
}

static void free_pending(struct dg_front *front, const struct dg_handshake_entry *entry)
{
    dg_wipe(&front->pending[entry->pending], sizeof front->pending[entry->pending]);
    front->pending_used &= ~(UINT64_C(1) << entry->pending);
}

// What the entry holds, but not the entry.
static void release(struct dg_front *front, struct dg_handshake_entry *entry)
{
    free_early(front, entry);
    if (entry->state == DG_ENTRY_TAKEN) {
        free_pending(front, entry);
    }
    if (entry->handshake != NULL) {
        front->ops->free(entry->handshake);
        entry->handshake = NULL;
    }
}

void dg_front_discard(struct dg_front *front, uint32_t place)
{
    release(front, &front->table.entries[place]);
    dg_handshake_table_remove(&front->table, place);
}

void dg_front_count_given_up(struct dg_front *front, uint32_t place, enum dg_counter reason)
{
    bool is_proven = front->table.entries[place].state == DG_ENTRY_TAKEN;
    dg_count(front->counters, is_proven ? DG_COUNT_HANDOVERS_GIVEN_UP : reason);
}

// What of a failure its identity pays for (backoff.h).
static void note_wrong_key(struct dg_front *front, dg_time now, const struct dg_path *path,
                           const struct dg_handshake_failure *failure)
{
    bool is_wrong = failure->counter == DG_COUNT_FAIL_WRONG_KEY || failure->counter == DG_COUNT_FAIL_UNKNOWN_IDENTITY;
    if (is_wrong && !failure->is_contested && failure->identity_kind == DG_IDENTITY_PSK) {
        const struct dg_bytes identity = {failure->identity, failure->identity_size};
        dg_admission_identity_failed(front->admission, now, &path->peer, identity);
    }
}

void dg_front_backs_off(struct dg_front *front, dg_time now, const struct dg_path *path, const struct dg_psk_claim *claim,
                        enum dg_counter counter)
{
    struct dg_handshake_failure failure = {
        .counter = counter,
        .reason = "not tried: the key of this identity was wrong too often from this network, and it must wait",
        .identity_kind = DG_IDENTITY_PSK,
        .identity_size = claim->identity_size,
        .alert_sent = 255,
        .alert_received = 255,
    };
    memcpy(failure.identity, claim->identity, claim->identity_size);
    front->hooks.failed(front->hooks.context, now, path, &failure);
}

static void report(struct dg_front *front, dg_time now, uint32_t place, const struct dg_handshake_failure *failure)
{
    const struct dg_path path = front->table.entries[place].path;
    note_wrong_key(front, now, &path, failure);
    dg_front_discard(front, place);
    front->hooks.failed(front->hooks.context, now, &path, failure);
}

static void fail(struct dg_front *front, dg_time now, uint32_t place, enum dg_counter otherwise)
{
    struct dg_handshake_failure failure = {.alert_sent = 255, .alert_received = 255};
    front->ops->why(front->table.entries[place].handshake, &failure);
    if (failure.counter == DG_COUNT_NONE || failure.counter >= DG_COUNTER_COUNT) {
        failure.counter = otherwise;
    }
    if (failure.reason == NULL) {
        failure.reason = "the handshake failed";
    }
    // The handshake may give up waiting before we do: then it has expired, and has not failed besides.
    if (failure.counter != DG_COUNT_HANDSHAKES_EXPIRED) {
        dg_count(front->counters, DG_COUNT_HANDSHAKES_FAILED);
    }
    if (failure.counter != DG_COUNT_NONE) {
        dg_count(front->counters, failure.counter);
    }
    if (failure.counter != DG_COUNT_FAIL_MEMORY) { // which is ours
        dg_admission_failed(front->admission, now, &front->table.entries[place].path.peer);
    }
    report(front, now, place, &failure);
}

// T7: whoever stops in the middle loses the handshake, and his prefix a token. Who is proven has done his part: it is our
// workers that were late.
static void expire(struct dg_front *front, dg_time now, uint32_t place)
{
    struct dg_handshake_failure failure = {.alert_sent = 255, .alert_received = 255};
    if (front->table.entries[place].handshake != NULL) {
        front->ops->why(front->table.entries[place].handshake, &failure);
    }
    dg_front_count_given_up(front, place, DG_COUNT_HANDSHAKES_EXPIRED);
    if (failure.counter == DG_COUNT_NONE || failure.counter == DG_COUNT_HANDSHAKES_EXPIRED) {
        failure.counter = front->table.entries[place].state == DG_ENTRY_TAKEN ? DG_COUNT_HANDOVERS_GIVEN_UP
                                                                              : DG_COUNT_HANDSHAKES_EXPIRED;
        failure.reason = front->table.entries[place].state == DG_ENTRY_RUNNING
                             ? "the client did not finish in time"
                             : "no worker had room for the association in time";
    } else { // the handshake knows better: a wrong key of DTLS 1.2 never ends otherwise (RFC 6347 4.1.2.7)
        dg_count(front->counters, failure.counter);
    }
    if (front->table.entries[place].state == DG_ENTRY_RUNNING) {
        dg_admission_failed(front->admission, now, &front->table.entries[place].path.peer);
    }
    report(front, now, place, &failure);
}

static void schedule(struct dg_front *front, dg_time now, uint32_t place)
{
    const struct dg_handshake_entry *entry = &front->table.entries[place];
    dg_time deadline = front->ops->deadline(entry->handshake);
    if (deadline <= now) {
        deadline = now + DG_FRONT_TIMER_MIN;
    }
    dg_timer_heap_set(&front->table.timers, place, dg_time_min(deadline, entry->give_up_at));
}

static void tell_doubts(struct dg_front *front, dg_time now, uint32_t place)
{
    const struct dg_handshake_entry *entry = &front->table.entries[place];
    struct dg_handshake_failure failure = {.alert_sent = 255, .alert_received = 255};
    if (front->ops->doubts != NULL && front->hooks.doubted != NULL && front->ops->doubts(entry->handshake, &failure)) {
        front->hooks.doubted(front->hooks.context, now, &entry->path, &failure);
    }
}

// DTLS 1.2 tells its identity after our first flight. Without a word, as where the key is wrong.
static bool must_wait(struct dg_front *front, dg_time now, uint32_t place)
{
    struct dg_handshake_entry *entry = &front->table.entries[place];
    struct dg_psk_claim claim;
    if (entry->has_claimed || front->ops->claims == NULL || !front->ops->claims(entry->handshake, &claim)) {
        return false;
    }
    const struct dg_bytes identity = {claim.identity, claim.identity_size};
    entry->has_claimed = true;
    if (dg_admission_identity(front->admission, now, &entry->path.peer, identity) == DG_COUNT_NONE) {
        return false;
    }
    const struct dg_path path = entry->path;
    dg_count(front->counters, DG_COUNT_HANDSHAKES_FAILED);
    dg_count(front->counters, DG_COUNT_FAIL_BACKOFF);
    dg_admission_failed(front->admission, now, &path.peer);
    dg_front_discard(front, place);
    dg_front_backs_off(front, now, &path, &claim, DG_COUNT_FAIL_BACKOFF);
    return true;
}

static void after_step(struct dg_front *front, dg_time now, uint32_t place, enum dg_handshake_step step)
{
    switch (step) {
    case DG_STEP_GOES_ON:
        if (must_wait(front, now, place)) {
            return;
        }
        schedule(front, now, place);
        tell_doubts(front, now, place);
        return;
    case DG_STEP_DONE:
        front->table.entries[place].state = DG_ENTRY_PROVEN; // dg_front_settle goes on from here
        front->table.entries[place].give_up_at = now + front->config.handover_timeout;
        return;
    case DG_STEP_FAILED:
        fail(front, now, place, DG_COUNT_NONE);
        return;
    }
    DG_BUG("a handshake step that is none");
}

// A client whose key does not fit in DTLS 1.2 begins anew before the time of its handshake is over.
static void note_former(struct dg_front *front, dg_time now, uint32_t place)
{
    const struct dg_handshake_entry *entry = &front->table.entries[place];
    struct dg_handshake_failure failure = {.alert_sent = 255, .alert_received = 255};
    if (entry->handshake == NULL) {
        return;
    }
    front->ops->why(entry->handshake, &failure);
    note_wrong_key(front, now, &entry->path, &failure);
}

void dg_front_begin(struct dg_front *front, dg_time now, const struct dg_path *path, const struct dg_hello *hello,
                    struct dg_bytes cid, struct dg_handshake *handshake)
{
    dg_front_use(front, DG_COUNT_DATAGRAMS_HANDSHAKES);
    uint32_t former = dg_handshake_table_find(&front->table, path);
    if (dg_front_is_busy(front, former)) {
        // The client began anew (RFC 6347 4.2.8), and its new cookie is as good as the old one was. It pays for the
        // handshake that came to nothing like for any other: each may have cost a signature.
        dg_front_count_given_up(front, former, DG_COUNT_HANDSHAKES_REPLACED);
        dg_admission_failed(front->admission, now, &path->peer);
        note_former(front, now, former);
        dg_front_discard(front, former);
    } else if (former != DG_NO_ENTRY) {
        dg_handshake_table_remove(&front->table, former);
    }
    uint32_t place = dg_handshake_table_add(&front->table, path, cid);
    DG_BUG_UNLESS(place != DG_NO_ENTRY); // the budget was checked
    struct dg_handshake_entry *entry = &front->table.entries[place];
    entry->handshake = handshake;
    entry->begun_at = now;
    entry->give_up_at = now + front->config.handshake_timeout;
    entry->repeat_at = now + DG_FRONT_REPEAT_INTERVAL;
    memcpy(entry->random, hello->random.data, sizeof entry->random);
    entry->offers_13 = hello->offers_13;
    entry->hello_seq = hello->message_seq;
    entry->plain_next = hello->record_sequence + 1;
    dg_count(front->counters, DG_COUNT_HANDSHAKES_STARTED);
    if (front->hooks.started != NULL)
        front->hooks.started(front->hooks.context, now, path);
    schedule(front, now, place);
}

void dg_front_feed(struct dg_front *front, dg_time now, uint32_t place, const uint8_t *record, size_t size)
{
    dg_front_use(front, DG_COUNT_DATAGRAMS_HANDSHAKES);
    dg_front_meter_validated(front);
    after_step(front, now, place,
               front->ops->receive(front->table.entries[place].handshake, now, record, size, &front->metered));
}

void dg_front_hold(struct dg_front *front, uint32_t place, const struct dg_record *record)
{
    struct dg_handshake_entry *entry = &front->table.entries[place];
    uint16_t buffer = DG_EARLY_NONE;
    if (entry->early_count < DG_EARLY_MAX) {
        buffer = dg_early_put(&front->early, record->start, record->size);
    }
    if (buffer == DG_EARLY_NONE) {
        dg_count(front->counters, DG_COUNT_DROP_EARLY_FULL);
        return;
    }
    entry->early[entry->early_count++] = buffer;
    dg_front_use(front, DG_COUNT_DATAGRAMS_HANDSHAKES);
}

// A full handshake's proof comes one round trip after its first flight. Where a flight may have gone out twice, nobody
// knows which one was answered (RFC 6298 3, Karn's rule): 0.
static uint16_t round_trip_ms(dg_time now, const struct dg_handshake_entry *entry)
{
    dg_time elapsed = dg_time_since(now, entry->begun_at);
    if (elapsed >= DG_FRONT_FIRST_REPETITION)
        return 0;
    return elapsed < DG_MILLISECOND ? 1 : (uint16_t)(elapsed / DG_MILLISECOND);
}

// PROVEN to TAKEN: the result leaves the handshake, which is freed. False: it stays as it is, or is gone.
static bool take(struct dg_front *front, dg_time now, uint32_t place)
{
    struct dg_handshake_entry *entry = &front->table.entries[place];
    uint32_t pending = 0;
    while (pending < front->pending_max && (front->pending_used >> pending & 1) != 0) {
        pending++;
    }
    if (pending == front->pending_max) {
        return false; // others wait for a worker's room as well: later
    }
    struct dg_handover *handover = &front->pending[pending];
    if (!front->ops->take(entry->handshake, handover)) {
        dg_wipe(handover, sizeof *handover);
        fail(front, now, place, DG_COUNT_FAIL_TAKEOVER);
        return false;
    }
    handover->path = entry->path;
    handover->rtt_ms = round_trip_ms(now, entry);
    front->ops->free(entry->handshake);
    entry->handshake = NULL;
    front->pending_used |= UINT64_C(1) << pending;
    entry->pending = pending;
    entry->state = DG_ENTRY_TAKEN;
    dg_count(front->counters, DG_COUNT_HANDSHAKES_COMPLETED);
    if (handover->resumed) {
        dg_count(front->counters, DG_COUNT_HANDSHAKES_RESUMED);
    }
    if (handover->identity_kind == DG_IDENTITY_PSK) {
        const struct dg_bytes identity = {handover->identity, handover->identity_size};
        dg_admission_identity_proven(front->admission, &handover->path.peer, identity);
    }
    return true;
}

static bool hand_over(struct dg_front *front, dg_time now, uint32_t place)
{
    struct dg_handshake_entry *entry = &front->table.entries[place];
    struct dg_bytes early[DG_EARLY_MAX];
    for (uint8_t i = 0; i < entry->early_count; i++) {
        early[i] = dg_early_borrow(&front->early, entry->early[i]);
    }
    return front->hooks.hand_over(front->hooks.context, now, &front->pending[entry->pending], early,
                                  entry->early_count);
}

void dg_front_settle(struct dg_front *front, dg_time now, uint32_t place)
{
    if (place == DG_NO_ENTRY) {
        return;
    }
    struct dg_handshake_entry *entry = &front->table.entries[place];
    if (entry->state == DG_ENTRY_PROVEN && !take(front, now, place) && entry->state != DG_ENTRY_PROVEN) {
        return; // its result could not be used: gone
    }
    if (entry->state == DG_ENTRY_TAKEN && hand_over(front, now, place)) {
        if (front->hooks.timed != NULL) {
            front->hooks.timed(front->hooks.context, &front->pending[entry->pending], dg_time_since(now, entry->begun_at));
        }
        release(front, entry);
        dg_handshake_table_finish(&front->table, place);
        entry->returns_left = DG_FRONT_RETURNS_MAX;
        dg_timer_heap_set(&front->table.timers, place, now + DG_FRONT_FINISHED_TIME);
        return;
    }
    if (entry->state == DG_ENTRY_PROVEN || entry->state == DG_ENTRY_TAKEN) {
        dg_time retry_at = now + DG_FRONT_RETRY_INTERVAL;
        dg_timer_heap_set(&front->table.timers, place, dg_time_min(retry_at, entry->give_up_at));
    }
}

void dg_front_timer(struct dg_front *front, dg_time now, uint32_t place)
{
    struct dg_handshake_entry *entry = &front->table.entries[place];
    if (entry->state == DG_ENTRY_FINISHED) {
        dg_handshake_table_remove(&front->table, place);
        return;
    }
    if (now >= entry->give_up_at) {
        expire(front, now, place);
        return;
    }
    if (entry->state == DG_ENTRY_RUNNING) {
        dg_front_meter_validated(front);
        after_step(front, now, place, front->ops->advance(entry->handshake, now, &front->metered));
        if (entry->state != DG_ENTRY_PROVEN) {
            return;
        }
    }
    dg_front_settle(front, now, place);
}
