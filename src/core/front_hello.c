// SPDX-License-Identifier: GPL-3.0-or-later
// The admission ladder for ClientHellos: shape, reassembly, repeated or new, cookie, buckets, budgets. Until
// the cookie is valid nothing changes but counters, buckets and the reassembly area.
#include "base/random.h"
#include "base/secret.h"
#include "core/front_state.h"

#include <string.h>

#define HEADERS (DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER)

static void count(struct dg_front *front, enum dg_counter reason) { dg_count(front->counters, reason); }

// RFC 9147 5.3: an invalid 1.3 cookie ends the handshake with illegal_parameter. Fifteen plaintext bytes
// under the number of the record that they answer, from the bucket of answers.
static void send_illegal_parameter(struct dg_front *front, const struct dg_front_datagram *datagram,
                                   uint64_t record_sequence)
{
    uint8_t *room = front->metered.reserve(front->metered.context, DG_RECORD12_HEADER + 2);
    if (room == NULL) {
        return;
    }
    struct dg_writer writer = dg_writer_of(room, DG_RECORD12_HEADER + 2);
    dg_write_u8(&writer, DG_CONTENT_ALERT);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, record_sequence);
    dg_write_u16(&writer, 2);
    dg_write_u8(&writer, DG_ALERT_LEVEL_FATAL);
    dg_write_u8(&writer, DG_ALERT_ILLEGAL_PARAMETER);
    DG_BUG_UNLESS(!writer.failed);
    front->metered.commit(front->metered.context, datagram->path, dg_writer_size(&writer));
}

static enum dg_cookie_verdict judge_cookie(struct dg_front *front, const struct dg_front_datagram *datagram,
                                           const struct dg_hello *hello)
{
    // RFC 9147 5.3: the old field is empty where 1.3 is offered; where it is not, the extension means nothing.
    if (hello->offers_13 && hello->cookie.size > 0) {
        return DG_COOKIE_INVALID;
    }
    bool has_cookie = hello->offers_13 ? hello->has_cookie_extension : hello->cookie.size > 0;
    if (!has_cookie) {
        return DG_COOKIE_NONE; // F2: whatever it offers to resume
    }
    return front->ops->check_cookie(front->gate, datagram->now, datagram->path, hello);
}

// No valid cookie: one answer from the bucket, three bytes for one at most, nothing kept.
static void answer(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_hello *hello,
                   enum dg_cookie_verdict verdict)
{
    if (verdict == DG_COOKIE_INVALID) {
        count(front, DG_COUNT_DROP_COOKIE_INVALID);
    }
    enum dg_counter reason = dg_admission_answer(front->admission, datagram->now, &datagram->path->peer);
    if (reason != DG_COUNT_NONE) {
        count(front, reason);
        return;
    }
    dg_front_meter_claimed(front, front->allowance); // a record before may have been of somebody validated
    if (verdict == DG_COOKIE_INVALID && hello->offers_13) {
        send_illegal_parameter(front, datagram, hello->record_sequence);
        return;
    }
    // RFC 6347 4.2.1: an invalid 1.2 cookie is no cookie, and gets a new HelloVerifyRequest.
    struct dg_handshake *handshake = NULL;
    const struct dg_bytes no_cid = {0};
    enum dg_hello_verdict done = front->ops->hello(front->gate, datagram->now, datagram->path, hello, no_cid,
                                                   &front->metered, &handshake);
    if (done == DG_HELLO_STARTED) {
        front->ops->free(handshake); // without a valid cookie there is none, whatever the library thinks
    }
    if (done != DG_HELLO_STARTED && front->committed > 0) {
        count(front, DG_COUNT_HELLOS_ANSWERED);
        dg_front_use(front, DG_COUNT_DATAGRAMS_HELLOS);
    } else if (done == DG_HELLO_NO_MEMORY) {
        count(front, DG_COUNT_DROP_HELLO_MEMORY);
    } else if (front->withheld == 0 && verdict != DG_COOKIE_INVALID) {
        count(front, DG_COUNT_DROP_HELLO_UNANSWERED); // else it has its name
    }
}

// The library would not begin with a hello whose cookie is good.
static void refused(struct dg_front *front, const struct dg_front_datagram *datagram)
{
    struct dg_handshake_failure failure = {
        .counter = DG_COUNT_FAIL_NO_COMMON,
        .reason = "the hello was refused: no common version, suite, group or credential",
        .alert_sent = 255,
        .alert_received = 255,
    };
    dg_front_use(front, DG_COUNT_DATAGRAMS_HANDSHAKES);
    count(front, DG_COUNT_HANDSHAKES_STARTED); // and over at once
    count(front, DG_COUNT_HANDSHAKES_FAILED);
    count(front, failure.counter);
    dg_admission_failed(front->admission, datagram->now, &datagram->path->peer);
    front->hooks.failed(front->hooks.context, datagram->now, datagram->path, &failure);
}

static enum dg_counter within_budget(struct dg_front *front, const struct dg_front_datagram *datagram, uint32_t place)
{
    enum dg_counter reason = dg_admission_begin(front->admission, datagram->now, &datagram->path->peer);
    if (reason != DG_COUNT_NONE) {
        return reason;
    }
    uint32_t replaced = dg_front_is_busy(front, place) ? 1 : 0; // its place becomes free
    if (front->table.busy - replaced >= front->config.handshakes_max) {
        return DG_COUNT_DROP_HANDSHAKES_FULL;
    }
    uint32_t of_prefix = dg_handshake_table_of_prefix(&front->table, &datagram->path->peer);
    if (of_prefix - replaced >= front->config.handshakes_per_prefix) {
        return DG_COUNT_DROP_HANDSHAKES_PREFIX;
    }
    return DG_COUNT_NONE;
}

// The identity of a DTLS 1.3 hello is known before the handshake costs anything.
static bool must_wait(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_hello *hello)
{
    struct dg_psk_claim claim;
    if (front->ops->hello_claims == NULL ||
        !front->ops->hello_claims(front->gate, datagram->path, hello, &claim)) {
        return false;
    }
    const struct dg_bytes identity = {claim.identity, claim.identity_size};
    enum dg_counter reason =
        dg_admission_identity(front->admission, datagram->now, &datagram->path->peer, identity);
    if (reason == DG_COUNT_NONE) {
        return false;
    }
    count(front, reason);
    dg_front_backs_off(front, datagram->now, datagram->path, &claim, reason);
    return true;
}

static void not_begun(struct dg_front *front, const struct dg_front_datagram *datagram, enum dg_counter reason)
{
    count(front, reason);
    if (front->hooks.refused != NULL) {
        front->hooks.refused(front->hooks.context, datagram->now, datagram->path, reason);
    }
}

static void begin(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_hello *hello,
                  uint32_t place)
{
    enum dg_counter reason = within_budget(front, datagram, place);
    if (reason != DG_COUNT_NONE) {
        not_begun(front, datagram, reason);
        return;
    }
    if (must_wait(front, datagram, hello)) {
        return;
    }
    reason = dg_admission_start(front->admission, datagram->now, &datagram->path->peer);
    if (reason != DG_COUNT_NONE) {
        not_begun(front, datagram, reason);
        return;
    }
    uint8_t fresh[DG_CID_SIZE_MAX];
    struct dg_bytes cid = {0};
    if (front->config.offer_cid) {
        cid = (struct dg_bytes){.data = fresh, .size = front->config.cid_size};
        do {
            dg_random_bytes(fresh, cid.size); // RFC 9146 8: says nothing about the association
        } while (dg_handshake_table_find_cid(&front->table, cid) != DG_NO_ENTRY);
    }
    struct dg_handshake *handshake = NULL;
    dg_front_meter_validated(front);
    enum dg_hello_verdict done = front->ops->hello(front->gate, datagram->now, datagram->path, hello, cid,
                                                   &front->metered, &handshake);
    if (done == DG_HELLO_NO_MEMORY) {
        not_begun(front, datagram, DG_COUNT_DROP_HELLO_MEMORY); // our failure, not the client's
        return;
    }
    if (done != DG_HELLO_STARTED) {
        refused(front, datagram);
        return;
    }
    dg_front_begin(front, datagram->now, datagram->path, hello, cid, handshake);
}

// The hello of the handshake that this address has already. It never begins another, so it never signs
// again; a running handshake may repeat what it sent, once a second, for whoever holds a valid cookie.
static void repeated(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_hello *hello,
                     uint32_t place)
{
    struct dg_handshake_entry *entry = &front->table.entries[place];
    if (entry->state != DG_ENTRY_RUNNING || datagram->now < entry->repeat_at ||
        judge_cookie(front, datagram, hello) != DG_COOKIE_VALID) {
        count(front, DG_COUNT_DROP_HELLO_REPEATED);
        return;
    }
    entry->repeat_at = datagram->now + DG_FRONT_REPEAT_INTERVAL;
    // Under its own number it would take that of the record to come, which the library would drop as a repeat.
    uint8_t record[DG_HELLO_RECORD_MAX];
    DG_BUG_UNLESS(hello->record.size <= sizeof record);
    memcpy(record, hello->record.data, hello->record.size);
    dg_front_renumber(entry, record);
    dg_front_feed(front, datagram->now, place, record, hello->record.size);
}

// Shape and reassembly: a whole hello as one record, the received one or one put together. False: nothing whole yet, or
// dropped and counted.
static bool complete(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_record *record,
                     struct dg_hello *ret)
{
    uint16_t version = (uint16_t)(record->start[1] << 8 | record->start[2]);
    if (version != DG_VERSION_DTLS12 && version != DG_VERSION_DTLS10) { // RFC 9147 5.3: one of these two
        count(front, DG_COUNT_DROP_RECORD_MALFORMED);
        return false;
    }
    struct dg_handshake_fragment fragment;
    struct dg_bytes body = {.data = record->start + record->header_size, .size = record->size - record->header_size};
    struct dg_result result = dg_handshake_fragment_parse(body, &fragment);
    if (result.outcome != DG_OK) {
        count(front, result.reason);
        return false;
    }
    struct dg_bytes whole = {.data = record->start, .size = record->size};
    uint64_t sequence = record->sequence;
    if (fragment.bytes.size != fragment.length) {
        size_t wire_bytes = 0;
        enum dg_counter reason =
            dg_reassembly_add(&front->area, datagram->now, datagram->path, &fragment, sequence, record->size,
                              front->counters, &whole, &wire_bytes);
        if (reason != DG_COUNT_NONE) {
            count(front, reason);
            return false;
        }
        if (whole.size == 0) {
            dg_front_use(front, DG_COUNT_DATAGRAMS_HELLOS); // kept until the rest comes
            return false;
        }
        // What came in earlier datagrams counts for the 3x rule too; this one's record is counted already.
        front->allowance += DG_FRONT_AMPLIFICATION * (wire_bytes - record->size);
        struct dg_reader reader = dg_reader_of(whole.data + 5, 6);
        sequence = dg_read_u48(&reader);
    }
    struct dg_bytes message = {.data = whole.data + HEADERS, .size = whole.size - HEADERS};
    result = dg_hello_parse(message, ret);
    if (result.outcome != DG_OK) {
        count(front, result.reason);
        return false;
    }
    ret->record = whole;
    ret->message_seq = fragment.message_seq;
    ret->record_sequence = sequence;
    return true;
}

void dg_front_hello(struct dg_front *front, const struct dg_front_datagram *datagram, const struct dg_record *record,
                    uint32_t place)
{
    struct dg_hello hello;
    if (!complete(front, datagram, record, &hello)) {
        return;
    }
    if (place != DG_NO_ENTRY &&
        dg_secret_equal(front->table.entries[place].random, hello.random.data, hello.random.size)) {
        repeated(front, datagram, &hello, place);
        return;
    }
    enum dg_cookie_verdict verdict = judge_cookie(front, datagram, &hello);
    // Who has proven his address while we stop comes again, and the next process knows the cookie: its secret is in the
    // memory file. So who has none yet is still given one.
    if (verdict == DG_COOKIE_VALID && front->is_stopping) {
        count(front, DG_COUNT_DROP_HANDSHAKES_FULL);
        return;
    }
    if (verdict == DG_COOKIE_VALID) {
        begin(front, datagram, &hello, place);
        return;
    }
    answer(front, datagram, &hello, verdict);
}
