// SPDX-License-Identifier: GPL-3.0-or-later
// The server side of the toy handshake: cookies and proofs are keyed hashes, flights are padding. Never
// includes the TLS library, never keeps a pointer into what it was given.
#include "support/fake_handshake.h"

#include "base/hash.h"
#include "core/record.h"
#include "support/read_hello.h"
#include "support/toy_wire.h"

#include <stdlib.h>
#include <string.h>

struct dg_handshake {
    struct fake_gate *gate;
    struct dg_path path;
    bool is_13;
    bool is_done, is_failed;
    uint8_t random[32];
    uint8_t cid[DG_CID_SIZE_MAX];
    size_t cid_size;
    bool has_cid, peer_has_cid;
    uint8_t peer_cid[DG_CID_PEER_MAX];
    uint8_t peer_cid_size;
    unsigned proofs;
    unsigned retransmissions;
    dg_time deadline;
    uint64_t plain_next;
    enum dg_counter why;
    const char *reason;
    uint8_t alert_sent, alert_received;
};

struct fake_gate fake_gate_default(void)
{
    return (struct fake_gate){.secret = 1,
                              .previous_secret = 0,
                              .flights = 1,
                              .flight_bytes = 600,
                              .negotiates_cid = true,
                              .cid_size = DG_CID_SIZE_DEFAULT,
                              .retransmit = DG_SECOND,
                              .rotate_at = DG_NEVER,
                              .rotate_period = DG_MINUTE};
}

void fake_key_material(const uint8_t random[32], char label, struct dg_key_material *ret)
{
    uint8_t *bytes = (uint8_t *)ret;
    for (size_t i = 0; i < sizeof *ret; i += sizeof(uint64_t)) {
        struct dg_hash_key key = {.k0 = (uint64_t)(unsigned char)label, .k1 = i};
        uint64_t word = dg_hash(&key, random, 32);
        size_t left = sizeof *ret - i;
        memcpy(bytes + i, &word, left < sizeof word ? left : sizeof word);
    }
}

static void make_cookie(uint64_t secret, const struct dg_path *path, const uint8_t *random, uint8_t cookie[FAKE_COOKIE])
{
    struct {
        struct dg_address peer;
        uint8_t random[32];
    } bound = {.peer = path->peer};
    memcpy(bound.random, random, 32);
    for (uint64_t half = 0; half < 2; half++) {
        struct dg_hash_key key = {.k0 = secret, .k1 = half};
        uint64_t word = dg_hash(&key, &bound, sizeof bound);
        memcpy(cookie + 8 * half, &word, 8);
    }
}

static enum dg_cookie_verdict check_cookie(void *context, dg_time now, const struct dg_path *path,
                                           const struct dg_hello *hello)
{
    struct fake_gate *gate = context;
    (void)now;
    gate->check_cookie_calls++;
    struct dg_bytes cookie = hello->offers_13 ? hello->cookie_extension : hello->cookie;
    if (cookie.size == 0) {
        return DG_COOKIE_NONE;
    }
    uint64_t secrets[2] = {gate->secret, gate->previous_secret};
    for (int i = 0; i < 2; i++) {
        uint8_t expected[FAKE_COOKIE];
        make_cookie(secrets[i], path, hello->random.data, expected);
        if (cookie.size == FAKE_COOKIE && memcmp(cookie.data, expected, FAKE_COOKIE) == 0) {
            return DG_COOKIE_VALID;
        }
    }
    return DG_COOKIE_INVALID;
}

static void send_datagram(const struct dg_output *output, const struct dg_path *path, const uint8_t *data, size_t size)
{
    uint8_t *room = output->reserve(output->context, size);
    if (room != NULL) {
        memcpy(room, data, size);
        output->commit(output->context, path, size);
    }
}

static void send_alert(const struct dg_output *output, const struct dg_path *path, uint8_t description)
{
    uint8_t datagram[64];
    struct dg_writer writer = dg_writer_of(datagram, sizeof datagram);
    size_t length = toy_open_record(&writer, DG_CONTENT_ALERT, 0, 9);
    dg_write_u8(&writer, DG_ALERT_LEVEL_FATAL);
    dg_write_u8(&writer, description);
    dg_write_close(&writer, length, 2);
    send_datagram(output, path, datagram, dg_writer_size(&writer));
}

// HelloVerifyRequest or HelloRetryRequest, under the record number of the hello.
static void send_cookie(struct fake_gate *gate, const struct dg_path *path, const struct dg_hello *hello,
                        const struct dg_output *output)
{
    uint8_t cookie[FAKE_COOKIE];
    make_cookie(gate->secret, path, hello->random.data, cookie);
    uint8_t datagram[2048];
    struct dg_writer writer = dg_writer_of(datagram, sizeof datagram);
    size_t record = toy_open_record(&writer, DG_CONTENT_HANDSHAKE, 0, hello->record_sequence);
    uint8_t type = hello->offers_13 ? DG_HS_SERVER_HELLO : DG_HS_HELLO_VERIFY_REQUEST;
    struct toy_message message = toy_open_message(&writer, type, hello->message_seq);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    if (hello->offers_13) {
        toy_write_server_hello(&writer, toy_retry_random, cookie, FAKE_COOKIE, NULL, 0);
    } else {
        size_t block = dg_write_open(&writer, 1);
        dg_write_bytes(&writer, cookie, FAKE_COOKIE);
        dg_write_close(&writer, block, 1);
    }
    size_t size = dg_writer_size(&writer);
    if (size < gate->answer_bytes) {
        dg_write_zeros(&writer, gate->answer_bytes - size);
    }
    toy_close_message(&writer, message);
    dg_write_close(&writer, record, 2);
    send_datagram(output, path, datagram, dg_writer_size(&writer));
}

static void send_flight(struct dg_handshake *handshake, const struct dg_output *output)
{
    uint8_t datagram[2048];
    struct dg_writer writer = dg_writer_of(datagram, sizeof datagram);
    size_t record = toy_open_record(&writer, DG_CONTENT_HANDSHAKE, 0, handshake->plain_next++);
    struct toy_message message = toy_open_message(&writer, DG_HS_SERVER_HELLO, (uint16_t)(1 + handshake->proofs));
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    toy_write_server_hello(&writer, handshake->random, NULL, 0, handshake->has_cid ? handshake->cid : NULL,
                           handshake->cid_size);
    size_t size = dg_writer_size(&writer);
    if (size < handshake->gate->flight_bytes) {
        dg_write_zeros(&writer, handshake->gate->flight_bytes - size);
    }
    toy_close_message(&writer, message);
    dg_write_close(&writer, record, 2);
    send_datagram(output, &handshake->path, datagram, dg_writer_size(&writer));
}

static void send_end(struct dg_handshake *handshake, const struct dg_output *output)
{
    uint8_t datagram[128];
    struct dg_writer writer = dg_writer_of(datagram, sizeof datagram);
    if (!handshake->is_13) {
        size_t record = toy_open_record(&writer, DG_CONTENT_CHANGE_CIPHER_SPEC, 0, handshake->plain_next++);
        dg_write_u8(&writer, 1);
        dg_write_close(&writer, record, 2);
        record = toy_open_record(&writer, DG_CONTENT_HANDSHAKE, 1, 0);
        dg_write_zeros(&writer, 40);
        dg_write_close(&writer, record, 2);
    } else {
        dg_write_u8(&writer, DG_UNIFIED_FIXED | DG_UNIFIED_SEQ16 | 3);
        dg_write_u16(&writer, 0);
        dg_write_zeros(&writer, 35);
    }
    send_datagram(output, &handshake->path, datagram, dg_writer_size(&writer));
}

static void rearm(struct dg_handshake *handshake, dg_time now)
{
    handshake->deadline = handshake->gate->retransmit != 0 ? now + handshake->gate->retransmit : DG_NEVER;
}

static enum dg_hello_verdict hello(void *context, dg_time now, const struct dg_path *path,
                                   const struct dg_hello *given, struct dg_bytes cid, const struct dg_output *output,
                                   struct dg_handshake **ret)
{
    struct fake_gate *gate = context;
    gate->hello_calls++;
    gate->last_hello_bytes = given->record.size;
    gate->last_had_cid = cid.size > 0;
    if (cid.size > 0) {
        gate->cid_size = cid.size;
    }
    struct dg_hello parsed;
    if (!read_hello_record(given->record.data, given->record.size, &parsed) ||
        parsed.message_seq != given->message_seq || parsed.record_sequence != given->record_sequence ||
        parsed.random.data != given->random.data || parsed.offers_13 != given->offers_13) {
        gate->violations++; // only whole, well-formed hellos come here, read as they are
        return DG_HELLO_IGNORED;
    }
    if (gate->is_short) {
        return DG_HELLO_NO_MEMORY;
    }
    gate->last_sequence = parsed.record_sequence;
    unsigned checks = gate->check_cookie_calls;
    bool is_good = check_cookie(gate, now, path, &parsed) == DG_COOKIE_VALID;
    gate->check_cookie_calls = checks; // its own question does not count
    if (!is_good && !gate->starts_always) {
        send_cookie(gate, path, &parsed, output);
        return DG_HELLO_ANSWERED;
    }
    if (gate->refuses) {
        send_alert(output, path, DG_ALERT_HANDSHAKE_FAILURE);
        return DG_HELLO_ANSWERED;
    }
    struct dg_handshake *handshake = calloc(1, sizeof *handshake);
    if (handshake == NULL) {
        abort();
    }
    handshake->gate = gate;
    handshake->path = *path;
    handshake->is_13 = parsed.offers_13;
    handshake->plain_next = parsed.record_sequence;
    handshake->alert_sent = handshake->alert_received = 255;
    memcpy(handshake->random, parsed.random.data, 32);
    if (parsed.has_cid && gate->negotiates_cid && cid.size > 0) {
        handshake->has_cid = handshake->peer_has_cid = true;
        memcpy(handshake->cid, cid.data, cid.size);
        handshake->cid_size = cid.size;
        handshake->peer_cid_size = (uint8_t)parsed.cid.size;
        memcpy(handshake->peer_cid, parsed.cid.data, parsed.cid.size);
    }
    gate->started++;
    gate->live++;
    gate->signed_flights++;
    send_flight(handshake, output);
    rearm(handshake, now);
    *ret = handshake;
    return DG_HELLO_STARTED;
}

static enum dg_handshake_step fail(struct dg_handshake *handshake, enum dg_counter why, const char *reason)
{
    handshake->is_failed = true;
    handshake->why = why;
    handshake->reason = reason;
    return DG_STEP_FAILED;
}

static enum dg_handshake_step receive_protected(struct dg_handshake *handshake, dg_time now,
                                                const struct dg_record *record, const struct dg_output *output)
{
    const uint8_t *body = record->start + record->header_size;
    size_t size = record->size - record->header_size;
    uint8_t expected[TOY_PROOF], wrong[TOY_PROOF];
    toy_proof(handshake->random, handshake->proofs, false, expected);
    toy_proof(handshake->random, handshake->proofs, true, wrong);
    if (size >= TOY_PROOF && memcmp(body, wrong, TOY_PROOF) == 0) {
        handshake->alert_sent = DG_ALERT_BAD_RECORD_MAC;
        send_alert(output, &handshake->path, DG_ALERT_BAD_RECORD_MAC);
        return fail(handshake, DG_COUNT_FAIL_WRONG_KEY, "wrong key for this identity");
    }
    if (size < TOY_PROOF || memcmp(body, expected, TOY_PROOF) != 0) {
        return DG_STEP_GOES_ON; // forged or old
    }
    handshake->proofs++;
    if (handshake->proofs < handshake->gate->flights) {
        send_flight(handshake, output);
        rearm(handshake, now);
        return DG_STEP_GOES_ON;
    }
    handshake->is_done = true;
    send_end(handshake, output);
    return DG_STEP_DONE;
}

static enum dg_handshake_step receive(struct dg_handshake *handshake, dg_time now, const uint8_t *data, size_t size,
                                      const struct dg_output *output)
{
    struct fake_gate *gate = handshake->gate;
    gate->receive_calls++;
    uint8_t *copy = malloc(size); // of exactly this size, so that a sanitizer sees who reads on
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, data, size);
    enum dg_handshake_step step = DG_STEP_GOES_ON;
    struct dg_record record;
    bool is_record = dg_record_parse(copy, size, gate->cid_size, &record).outcome == DG_OK && record.size == size;
    bool is_data = is_record && (record.is_unified ? record.epoch == 3 : record.type == DG_CONTENT_APPLICATION_DATA);
    bool is_plain_handshake = is_record && !record.is_unified && record.epoch == 0 && record.type == DG_CONTENT_HANDSHAKE;
    bool is_misshapen =
        is_plain_handshake &&
        !dg_handshake_record_fits((struct dg_bytes){copy + DG_RECORD12_HEADER, size - DG_RECORD12_HEADER});
    // In clear it may be anybody's: that it names something must not count.
    bool names_records = is_record && record.type == DG_CONTENT_ACK && size != DG_RECORD12_HEADER + 2;
    if (!is_record || is_data || is_misshapen || names_records || handshake->is_done || handshake->is_failed) {
        gate->violations++;
    } else if (record.is_unified || record.epoch != 0) {
        step = receive_protected(handshake, now, &record, output);
    } else if (is_plain_handshake && copy[DG_RECORD12_HEADER] == DG_HS_CLIENT_HELLO) {
        gate->repeats++;
        send_flight(handshake, output);
    } else if (record.type == DG_CONTENT_ALERT && size == DG_RECORD12_HEADER + 2 && copy[13] == 2) {
        handshake->alert_received = copy[14];
        step = fail(handshake, DG_COUNT_NONE, "the client ended the handshake with an alert");
    }
    if (is_record && !record.is_unified && record.epoch == 0) {
        gate->last_plain_sequence = record.sequence;
    }
    free(copy);
    return step;
}

static dg_time deadline(const struct dg_handshake *handshake) { return handshake->deadline; }

static enum dg_handshake_step advance(struct dg_handshake *handshake, dg_time now, const struct dg_output *output)
{
    handshake->gate->advance_calls++;
    if (handshake->is_done || handshake->is_failed) {
        handshake->gate->violations++;
    }
    if (now < handshake->deadline) {
        return DG_STEP_GOES_ON;
    }
    handshake->retransmissions++;
    if (handshake->gate->retransmit_max != 0 && handshake->retransmissions > handshake->gate->retransmit_max) {
        return fail(handshake, handshake->gate->gives_up_as, "the client does not answer");
    }
    send_flight(handshake, output);
    handshake->deadline = now + (handshake->gate->retransmit << (handshake->retransmissions & 7));
    return DG_STEP_GOES_ON;
}

static bool take(struct dg_handshake *handshake, struct dg_handover *ret)
{
    handshake->gate->taken++;
    if (!handshake->is_done) {
        handshake->gate->violations++;
    }
    if (handshake->gate->take_fails) {
        return false;
    }
    *ret = (struct dg_handover){.version = handshake->is_13 ? 13 : 12,
                                .aead = DG_AEAD_AES_128_GCM,
                                .hash = DG_HASH_SHA256,
                                .resumed = handshake->gate->resumes,
                                .suite = FAKE_SUITE,
                                .group = 23,
                                .cid_size = (uint8_t)handshake->cid_size,
                                .peer_has_cid = handshake->peer_has_cid,
                                .peer_cid_size = handshake->peer_cid_size,
                                .identity_kind = DG_IDENTITY_PSK,
                                .tx_next = 1,
                                .rx_next = handshake->is_13 ? 0 : 1,
                                .tx_message_seq = 4,
                                .rx_message_seq = 4,
                                .plain_next = handshake->plain_next,
                                .credential = 7,
                                .identity_size = 3};
    memcpy(ret->cid, handshake->cid, sizeof ret->cid);
    memcpy(ret->peer_cid, handshake->peer_cid, sizeof ret->peer_cid);
    memcpy(ret->identity, "toy", 3);
    memcpy(ret->suite_name, "TOY", 4);
    memcpy(ret->group_name, "TOY", 4);
    fake_key_material(handshake->random, 's', &ret->tx);
    fake_key_material(handshake->random, 'c', &ret->rx);
    if (handshake->is_13) {
        fake_key_material(handshake->random, 'h', &ret->handshake_rx);
    } else {
        ret->rx_replay.seen[0] = 1; // number 0 was the client's Finished
    }
    return true;
}

static void why(const struct dg_handshake *handshake, struct dg_handshake_failure *ret)
{
    *ret = (struct dg_handshake_failure){.counter = handshake->why,
                                         .reason = handshake->reason,
                                         .identity_kind = DG_IDENTITY_PSK,
                                         .identity_size = 3,
                                         .alert_sent = handshake->alert_sent,
                                         .alert_received = handshake->alert_received};
    memcpy(ret->identity, "toy", 3);
}

static void free_handshake(struct dg_handshake *handshake)
{
    handshake->gate->live--;
    handshake->gate->freed++;
    free(handshake);
}

static dg_time gate_deadline(const void *context) { return ((const struct fake_gate *)context)->rotate_at; }

static void gate_advance(void *context, dg_time now)
{
    struct fake_gate *gate = context;
    gate->gate_advances++;
    gate->previous_secret = gate->secret;
    gate->secret++;
    gate->rotate_at = now + gate->rotate_period;
}

const struct dg_handshake_ops fake_handshake_ops = {
    .check_cookie = check_cookie,
    .hello = hello,
    .receive = receive,
    .deadline = deadline,
    .advance = advance,
    .take = take,
    .why = why,
    .free = free_handshake,
    .gate_deadline = gate_deadline,
    .gate_advance = gate_advance,
};
