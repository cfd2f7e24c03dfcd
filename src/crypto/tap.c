// SPDX-License-Identifier: GPL-3.0-or-later
// The watch on what goes in and out of the library. Rests on facts about wolfSSL 5.9.2 that
// tests/crypto/test_takeover_*.c prove anew: every record passes the send call-back as it goes out, the keys
// of an epoch are there before its first record (docs/wolfssl.md).
#include "crypto/tap.h"

#include "base/secret.h"
#include "core/record12.h"
#include "core/record13.h"
#include "crypto/inner.h"
#include "crypto/key_log.h"
#include "crypto/wolf_aead.h"

#include <string.h>

// Explicit nonces of GCM and CCM in DTLS 1.2: ours are epoch and number (RFC 9325 7.2.1), so that epoch 1
// begins here; more numbers than the limit of one key (RFC 9325 4.4) cannot be reached.
#define NONCE_BASE (UINT64_C(1) << 48)
#define NONCE_RANGE (UINT64_C(1) << 25)

void dg_tap_begin(struct dg_tap *tap, WOLFSSL *ssl, bool is_client)
{
    dg_wipe(tap, sizeof *tap);
    tap->ssl = ssl;
    tap->is_client = is_client;
}

void dg_tap_secret(struct dg_tap *tap, int which, const uint8_t *secret, size_t size)
{
    if (size > DG_SECRET_MAX) {
        tap->broken = true;
        return;
    }
    tap->secret_size = (uint8_t)size;
    memcpy(tap->keys[which].secret, secret, size);
    tap->secrets_known = (uint8_t)(tap->secrets_known | 1 << which);
    tap->keys_made = (uint8_t)(tap->keys_made & ~(1 << which));
}

int dg_tap_on_secret(WOLFSSL *ssl, int id, const unsigned char *secret, int size, void *tap)
{
    int which = id == CLIENT_HANDSHAKE_TRAFFIC_SECRET   ? DG_TAP_CLIENT_HANDSHAKE
                : id == SERVER_HANDSHAKE_TRAFFIC_SECRET ? DG_TAP_SERVER_HANDSHAKE
                : id == CLIENT_TRAFFIC_SECRET           ? DG_TAP_CLIENT_DATA
                : id == SERVER_TRAFFIC_SECRET           ? DG_TAP_SERVER_DATA
                                                        : -1;
    if (which < 0 || size <= 0)
        return 0;
    static const char *const labels[] = {
        [DG_TAP_CLIENT_HANDSHAKE] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        [DG_TAP_SERVER_HANDSHAKE] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        [DG_TAP_CLIENT_DATA] = "CLIENT_TRAFFIC_SECRET_0",
        [DG_TAP_SERVER_DATA] = "SERVER_TRAFFIC_SECRET_0",
    };
    dg_key_log_secret(ssl, labels[which], secret, (size_t)size);
    dg_tap_secret(tap, which, secret, (size_t)size);
    return 0;
}

static const struct dg_suite *current_suite(const struct dg_tap *tap)
{
    return dg_suite_find((uint16_t)wolfSSL_get_current_cipher_suite(tap->ssl));
}

const struct dg_key_material *dg_tap_keys(struct dg_tap *tap, int which)
{
    const struct dg_suite *suite = current_suite(tap);
    if (suite == NULL || suite->exchange != DG_EXCHANGE_13 || (tap->secrets_known & 1 << which) == 0 ||
        tap->secret_size != dg_hash_size(suite->hash))
        return NULL;
    if ((tap->keys_made & 1 << which) == 0) {
        if (!dg_key_material_derive(&tap->keys[which], &dg_wolf_aead, suite->aead, suite->hash))
            return NULL;
        tap->keys_made = (uint8_t)(tap->keys_made | 1 << which);
    }
    return &tap->keys[which];
}

bool dg_tap_keys12(struct dg_tap *tap, bool of_client, struct dg_key_material *ret)
{
    WOLFSSL *ssl = tap->ssl;
    const struct dg_suite *suite = current_suite(tap);
    if (suite == NULL || suite->exchange == DG_EXCHANGE_13)
        return false;
    const struct dg_aead_info *info = &dg_aead_table[suite->aead];
    const uint8_t *key = of_client ? wolfSSL_GetClientWriteKey(ssl) : wolfSSL_GetServerWriteKey(ssl);
    const uint8_t *iv = of_client ? wolfSSL_GetClientWriteIV(ssl) : wolfSSL_GetServerWriteIV(ssl);
    // What the library says of the suite must be what our table says.
    if (key == NULL || iv == NULL || wolfSSL_GetKeySize(ssl) != info->key_size ||
        wolfSSL_GetIVSize(ssl) != info->iv12_size || wolfSSL_GetAeadMacSize(ssl) != info->tag_size)
        return false;
    memset(ret, 0, sizeof *ret);
    memcpy(ret->key, key, info->key_size);
    memcpy(ret->iv, iv, info->iv12_size);
    return true;
}

static struct dg_key_view view_of(const struct dg_key_material *keys, const struct dg_suite *suite, bool is_13)
{
    return (struct dg_key_view){
        .aead = suite->aead,
        .hash = suite->hash,
        .key = keys->key,
        .number_key = is_13 ? keys->number_key : NULL,
        .iv = keys->iv,
        .secret = is_13 ? keys->secret : NULL,
    };
}

static size_t peer_cid(const struct dg_tap *tap, uint8_t cid[DG_CID_PEER_MAX])
{
    unsigned size = 0;
    if (wolfSSL_dtls_cid_get_tx_size(tap->ssl, &size) != WOLFSSL_SUCCESS || size == 0 || size > DG_CID_PEER_MAX ||
        wolfSSL_dtls_cid_get_tx(tap->ssl, cid, size) != WOLFSSL_SUCCESS)
        return 0;
    return size;
}

static size_t own_cid(const struct dg_tap *tap, uint8_t cid[DG_CID_SIZE_MAX])
{
    unsigned size = 0;
    if (wolfSSL_dtls_cid_get_rx_size(tap->ssl, &size) != WOLFSSL_SUCCESS || size == 0 || size > DG_CID_SIZE_MAX ||
        wolfSSL_dtls_cid_get_rx(tap->ssl, cid, size) != WOLFSSL_SUCCESS)
        return 0;
    return size;
}

// Puts one fragment of a message in its place; the library sends fragments in order.
static void keep(struct dg_tap_message *message, const struct dg_handshake_fragment *fragment)
{
    if (fragment->length + DG_HANDSHAKE_HEADER > sizeof message->bytes) {
        message->too_long = true;
        return;
    }
    struct dg_writer writer = dg_writer_of(message->bytes, DG_HANDSHAKE_HEADER);
    dg_handshake_head_write(&writer, fragment->type, fragment->length, fragment->message_seq);
    memcpy(message->bytes + DG_HANDSHAKE_HEADER + fragment->offset, fragment->bytes.data, fragment->bytes.size);
    message->size = (uint16_t)(DG_HANDSHAKE_HEADER + fragment->length);
}

// Calls on_message for every fragment in a handshake record's plaintext.
static bool each_message(struct dg_bytes plaintext, struct dg_tap *tap,
                         void (*on_message)(struct dg_tap *, const struct dg_handshake_fragment *))
{
    struct dg_reader reader = dg_reader_in(plaintext);
    while (dg_reader_left(&reader) > 0) {
        struct dg_handshake_fragment fragment;
        if (!dg_handshake_fragment_read(&reader, &fragment))
            return false;
        on_message(tap, &fragment);
    }
    return true;
}

static void on_own_message(struct dg_tap *tap, const struct dg_handshake_fragment *fragment)
{
    uint64_t end = (uint64_t)fragment->message_seq << 24 | (fragment->offset + fragment->bytes.size);
    tap->is_repeating = tap->sent_any_message && end <= tap->message_end;
    if (!tap->is_repeating)
        tap->message_end = end;
    if (!tap->sent_any_message || fragment->message_seq >= tap->message_next)
        tap->message_next = (uint16_t)(fragment->message_seq + 1);
    tap->sent_any_message = true;
    if (fragment->type == DG_HS_CERTIFICATE)
        tap->sent_certificate = true;
    if (fragment->type == DG_HS_NEW_SESSION_TICKET)
        keep(&tap->ticket, fragment);
    if (fragment->type == DG_HS_FINISHED)
        keep(&tap->finished, fragment);
}

static void sent_plain(struct dg_tap *tap, const struct dg_record *record)
{
    if (record->sequence >= tap->plain_next)
        tap->plain_next = record->sequence + 1;
    if (record->type != DG_CONTENT_HANDSHAKE)
        return;
    struct dg_bytes body = {record->start + record->header_size, record->size - record->header_size};
    if (!each_message(body, tap, on_own_message))
        tap->broken = true;
}

static void note_nonce(struct dg_tap *tap, uint64_t nonce)
{
    if (nonce >= NONCE_BASE && nonce < NONCE_BASE + NONCE_RANGE && nonce - NONCE_BASE + 1 > tap->nonce_next)
        tap->nonce_next = nonce - NONCE_BASE + 1;
}

static void sent12(struct dg_tap *tap, const struct dg_record *record)
{
    const struct dg_suite *suite = current_suite(tap);
    struct dg_key_material keys;
    if (record->epoch != DG_EPOCH12_PROTECTED || suite == NULL || !dg_tap_keys12(tap, tap->is_client, &keys)) {
        tap->broken = true;
        return;
    }
    if (dg_aead_table[suite->aead].explicit_size == 8) {
        struct dg_reader reader = dg_reader_of(record->start + record->header_size, 8);
        note_nonce(tap, dg_read_u64(&reader));
    }
    uint8_t cid[DG_CID_PEER_MAX];
    size_t cid_size = peer_cid(tap, cid);
    struct dg_key_view view = view_of(&keys, suite, false);
    uint8_t type = 0;
    struct dg_bytes plaintext = {0};
    struct dg_result result = dg_record12_open(&dg_wolf_aead, &view, record, cid, cid_size, &type, &plaintext);
    dg_wipe(&keys, sizeof keys);
    dg_wolf_aead.forget();
    if (result.outcome != DG_OK ||
        (type == DG_CONTENT_HANDSHAKE && !each_message(plaintext, tap, on_own_message))) {
        tap->broken = true;
        return;
    }
    if (record->sequence >= tap->sent_next)
        tap->sent_next = record->sequence + 1;
    tap->sent_protected = true;
}

static void sent13(struct dg_tap *tap, const struct dg_record *record)
{
    bool is_data = record->epoch == DG_EPOCH13_APPLICATION;
    const struct dg_suite *suite = current_suite(tap);
    const struct dg_key_material *keys =
        dg_tap_keys(tap, is_data ? dg_tap_own_data(tap) : dg_tap_own_handshake(tap));
    if (keys == NULL || suite == NULL || (!is_data && record->epoch != DG_EPOCH13_HANDSHAKE)) {
        tap->broken = true;
        return;
    }
    uint8_t cid[DG_CID_PEER_MAX];
    size_t cid_size = peer_cid(tap, cid);
    struct dg_key_view view = view_of(keys, suite, true);
    uint64_t *next = is_data ? &tap->sent_next : &tap->flight_next;
    uint64_t sequence = 0;
    uint8_t type = 0;
    struct dg_bytes plaintext = {0};
    struct dg_result result =
        dg_record13_open(&dg_wolf_aead, &view, record, cid, cid_size, *next, &sequence, &type, &plaintext);
    dg_wolf_aead.forget();
    bool had_ticket = tap->ticket.size > 0;
    if (result.outcome != DG_OK ||
        (type == DG_CONTENT_HANDSHAKE && !each_message(plaintext, tap, on_own_message))) {
        tap->broken = true;
        return;
    }
    if (sequence >= *next)
        *next = sequence + 1;
    tap->sent_protected = tap->sent_protected || is_data;
    if (is_data && !had_ticket && tap->ticket.size > 0) {
        tap->ticket_epoch = record->epoch;
        tap->ticket_sequence = sequence;
    }
}

void dg_tap_sent(struct dg_tap *tap, const uint8_t *bytes, size_t size)
{
    uint8_t copy[DG_DATAGRAM_MAX];
    if (size > sizeof copy) {
        tap->broken = true;
        return;
    }
    memcpy(copy, bytes, size);
    uint8_t cid[DG_CID_PEER_MAX];
    size_t cid_size = peer_cid(tap, cid);
    for (size_t at = 0; at < size;) {
        struct dg_record record;
        if (dg_record_parse(copy + at, size - at, cid_size, &record).outcome != DG_OK) {
            tap->broken = true;
            break;
        }
        if (record.is_unified)
            sent13(tap, &record);
        else if (record.epoch == 0)
            sent_plain(tap, &record);
        else
            sent12(tap, &record);
        at += record.size;
    }
    dg_wipe(copy, size);
}

// RFC 9147 5.2: in turn, and of one message part by part. Anything else changes nothing: a number that the library has
// not reached must not count as taken in, or the engine would wait for the one after it. True: a message is whole.
static bool advance_ticket(uint16_t *next, uint32_t *have, const struct dg_handshake_fragment *fragment)
{
    if (fragment->message_seq != *next || fragment->offset != *have || *next == UINT16_MAX)
        return false;
    *have += (uint32_t)fragment->bytes.size;
    if (*have < fragment->length)
        return false;
    *have = 0;
    *next = (uint16_t)(*next + 1);
    return true;
}

static void on_peer_message(struct dg_tap *tap, const struct dg_handshake_fragment *fragment)
{
    if (fragment->message_seq > tap->peer_message_most)
        tap->peer_message_most = fragment->message_seq;
    if (fragment->type == DG_HS_FINISHED) {
        if (!tap->finished_seen)
            tap->peer_ticket_next = (uint16_t)(fragment->message_seq + 1);
        tap->finished_seen = true;
        tap->finished_message_seq = fragment->message_seq;
    } else if (fragment->type == DG_HS_NEW_SESSION_TICKET && tap->is_client) {
        tap->peer_ticket_seen = advance_ticket(&tap->peer_ticket_next, &tap->peer_ticket_have, fragment) ||
                                tap->peer_ticket_seen;
    }
}

static bool open12(struct dg_tap *tap, const struct dg_record *record, const struct dg_suite *suite, uint8_t *type,
                   struct dg_bytes *plaintext)
{
    struct dg_key_material keys;
    if (!dg_tap_keys12(tap, !tap->is_client, &keys))
        return false;
    uint8_t cid[DG_CID_SIZE_MAX];
    size_t cid_size = own_cid(tap, cid);
    struct dg_key_view view = view_of(&keys, suite, false);
    struct dg_result result = dg_record12_open(&dg_wolf_aead, &view, record, cid, cid_size, type, plaintext);
    dg_wipe(&keys, sizeof keys);
    dg_wolf_aead.forget();
    if (result.outcome != DG_OK)
        tap->unopened++;
    return result.outcome == DG_OK;
}

static bool open13(struct dg_tap *tap, const struct dg_record *record, const struct dg_suite *suite,
                   uint64_t *sequence, uint8_t *type, struct dg_bytes *plaintext)
{
    bool is_data = record->epoch == DG_EPOCH13_APPLICATION;
    const struct dg_key_material *keys =
        dg_tap_keys(tap, is_data ? dg_tap_peer_data(tap) : dg_tap_peer_handshake(tap));
    if (keys == NULL)
        return false;
    uint8_t cid[DG_CID_SIZE_MAX];
    size_t cid_size = own_cid(tap, cid);
    struct dg_key_view view = view_of(keys, suite, true);
    uint64_t next = is_data ? tap->data_received_next : tap->received_next;
    bool opened = dg_record13_open(&dg_wolf_aead, &view, record, cid, cid_size, next, sequence, type, plaintext)
                      .outcome == DG_OK;
    dg_wolf_aead.forget();
    if (!opened)
        tap->unopened++;
    return opened;
}

// Opens a copy of a record of the peer. False: not protected, of an epoch that is none of ours, or forged.
static bool open_copy(struct dg_tap *tap, uint8_t *copy, size_t size, struct dg_record *record, uint64_t *sequence,
                      uint8_t *type, struct dg_bytes *plaintext)
{
    const struct dg_suite *suite = current_suite(tap);
    uint8_t cid[DG_CID_SIZE_MAX];
    if (dg_record_parse(copy, size, own_cid(tap, cid), record).outcome != DG_OK || suite == NULL)
        return false;
    if (!record->is_unified) {
        *sequence = record->sequence;
        return record->epoch == DG_EPOCH12_PROTECTED && open12(tap, record, suite, type, plaintext);
    }
    // The server's side gives the library no data: the front holds it back.
    if (record->epoch != DG_EPOCH13_HANDSHAKE && !(tap->is_client && record->epoch == DG_EPOCH13_APPLICATION))
        return false;
    return open13(tap, record, suite, sequence, type, plaintext);
}

static void note_received(struct dg_replay *window, uint64_t *next, uint64_t sequence)
{
    if (!dg_replay_is_fresh(window, *next, sequence))
        return;
    _Atomic uint64_t moving = *next;
    dg_replay_accept(window, &moving, sequence);
    *next = moving;
}

void dg_tap_received(struct dg_tap *tap, const uint8_t *bytes, size_t size)
{
    uint8_t copy[DG_DATAGRAM_MAX];
    if (size > sizeof copy)
        return;
    memcpy(copy, bytes, size);
    struct dg_record record;
    uint64_t sequence = 0;
    uint8_t type = 0;
    struct dg_bytes plaintext = {0};
    if (open_copy(tap, copy, size, &record, &sequence, &type, &plaintext)) {
        if (record.is_unified && record.epoch == DG_EPOCH13_APPLICATION)
            note_received(&tap->data_received, &tap->data_received_next, sequence);
        else
            note_received(&tap->received, &tap->received_next, sequence);
        if (type == DG_CONTENT_HANDSHAKE)
            (void)each_message(plaintext, tap, on_peer_message);
    }
    dg_wipe(copy, size);
}

static bool holds_next_ticket(const struct dg_tap *tap, struct dg_bytes plaintext)
{
    struct dg_reader reader = dg_reader_in(plaintext);
    uint16_t next = tap->peer_ticket_next;
    uint32_t have = tap->peer_ticket_have;
    while (dg_reader_left(&reader) > 0) {
        struct dg_handshake_fragment fragment;
        if (!dg_handshake_fragment_read(&reader, &fragment) || fragment.type != DG_HS_NEW_SESSION_TICKET ||
            fragment.message_seq != next || fragment.offset != have)
            return false;
        (void)advance_ticket(&next, &have, &fragment);
    }
    return plaintext.size > 0;
}

static uint16_t first_message_seq(struct dg_bytes plaintext)
{
    struct dg_reader reader = dg_reader_in(plaintext);
    struct dg_handshake_fragment fragment;
    return dg_handshake_fragment_read(&reader, &fragment) ? fragment.message_seq : 0;
}

struct dg_tap_look dg_tap_peek(struct dg_tap *tap, const uint8_t *bytes, size_t size)
{
    struct dg_tap_look look = {.is_opened = false};
    uint8_t copy[DG_DATAGRAM_MAX];
    if (size > sizeof copy)
        return look;
    memcpy(copy, bytes, size);
    unsigned unopened = tap->unopened; // counted when the library has it
    struct dg_record record = {0};
    uint64_t sequence = 0;
    struct dg_bytes plaintext = {0};
    look.is_opened = open_copy(tap, copy, size, &record, &sequence, &look.type, &plaintext);
    tap->unopened = unopened;
    look.epoch = record.epoch;
    look.is_unified = record.is_unified;
    if (look.is_opened && look.type == DG_CONTENT_HANDSHAKE) {
        look.is_ticket = holds_next_ticket(tap, plaintext);
        look.message_seq = first_message_seq(plaintext);
    }
    dg_wipe(copy, size);
    return look;
}
