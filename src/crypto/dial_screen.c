// SPDX-License-Identifier: GPL-3.0-or-later
// The screen before the library. Whoever guesses our port can send a record in clear, and whoever sees our hello can
// send one that looks right: what comes second and differs shows that one of the two was forged, so neither is used
// and the server's repetition decides. Decides by bytes alone.
#include "crypto/dial_screen.h"

#include "base/secret.h"
#include "core/handshake_fragment.h"
#include "crypto/suites.h"

#include <stdlib.h>
#include <string.h>

#define HEADERS (DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER)
_Static_assert(HEADERS + DG_SCREEN_MESSAGE_MAX == DG_SCREEN_RECORD_MAX, "what is given whole is one record");
#define NUMBERS_AHEAD 64 // RFC 6347 4.1.2.6: a number further ahead would shut out what the server itself sends

// RFC 8446 4.1.3: a ServerHello with this random is a HelloRetryRequest.
static const uint8_t RETRY_RANDOM[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                         0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                         0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

bool dg_screen_is_retry(struct dg_bytes random)
{
    return random.size == sizeof RETRY_RANDOM && dg_secret_equal(random.data, RETRY_RANDOM, sizeof RETRY_RANDOM);
}

static void forget(struct dg_screen_message *message)
{
    free(message->record);
    free(message->present);
    *message = (struct dg_screen_message){0};
}

void dg_screen_clear(struct dg_screen *screen)
{
    for (size_t i = 0; i < DG_SCREEN_MESSAGES; i++)
        forget(&screen->messages[i]);
}

void dg_screen_begin(struct dg_screen *screen, bool is_again)
{
    dg_screen_clear(screen);
    *screen = (struct dg_screen){.key = dg_hash_key_new(), .is_again = is_again};
}

// What was given was needed until this call.
static void forget_given(struct dg_screen *screen)
{
    if (screen->given != NULL)
        forget(screen->given);
    screen->given = NULL;
}

// --- what a message is -----------------------------------------------------------

enum kind { KIND_NONE, KIND_QUESTION, KIND_HELLO12, KIND_HELLO13, KIND_OTHER };

static enum kind kind_of_hello(struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    (void)dg_read_u16(&reader); // version
    struct dg_bytes random = dg_read_bytes(&reader, sizeof RETRY_RANDOM);
    (void)dg_read_block8(&reader); // session ID
    const struct dg_suite *suite = dg_suite_find(dg_read_u16(&reader));
    (void)dg_read_u8(&reader); // compression
    struct dg_reader extensions = {0};
    if (dg_reader_left(&reader) > 0)
        extensions = dg_reader_in(dg_read_block16(&reader));
    while (dg_reader_left(&extensions) > 0) {
        (void)dg_read_u16(&extensions);
        (void)dg_read_block16(&extensions);
    }
    if (!dg_reader_done(&reader) || extensions.failed || suite == NULL)
        return KIND_NONE;
    if (dg_screen_is_retry(random))
        return KIND_QUESTION;
    return suite->exchange == DG_EXCHANGE_13 ? KIND_HELLO13 : KIND_HELLO12;
}

// RFC 6347 4.2.1: version and cookie.
static bool is_verify_request(struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_in(body);
    (void)dg_read_u16(&reader);
    struct dg_bytes cookie = dg_read_block8(&reader);
    return dg_reader_done(&reader) && cookie.size > 0;
}

static struct dg_bytes body_of(const struct dg_screen_message *message)
{
    return (struct dg_bytes){message->record + HEADERS, message->length};
}

static enum kind kind_of(const struct dg_screen_message *message)
{
    switch (message->type) {
    case DG_HS_HELLO_VERIFY_REQUEST:
        return is_verify_request(body_of(message)) ? KIND_QUESTION : KIND_NONE;
    case DG_HS_SERVER_HELLO:
        return kind_of_hello(body_of(message));
    case DG_HS_SERVER_HELLO_DONE: // RFC 5246 7.4.5: empty
        return message->length == 0 ? KIND_OTHER : KIND_NONE;
    default:
        return KIND_OTHER;
    }
}

static uint64_t hash_of(const struct dg_screen *screen, const struct dg_screen_message *message)
{
    return dg_hash(&screen->key, message->record + DG_RECORD12_HEADER, DG_HANDSHAKE_HEADER + message->length);
}

static uint64_t *hash_at(struct dg_screen *screen, uint16_t message_seq)
{
    return &screen->hashes[message_seq % (sizeof screen->hashes / sizeof screen->hashes[0])];
}

// What a server sends in clear (RFC 5246 7.3, RFC 8446 2).
static bool is_of_server(uint8_t type)
{
    switch (type) {
    case DG_HS_SERVER_HELLO:
    case DG_HS_HELLO_VERIFY_REQUEST:
    case DG_HS_NEW_SESSION_TICKET:
    case DG_HS_CERTIFICATE:
    case DG_HS_CERTIFICATE_STATUS:
    case DG_HS_SERVER_KEY_EXCHANGE:
    case DG_HS_CERTIFICATE_REQUEST:
    case DG_HS_SERVER_HELLO_DONE:
        return true;
    default:
        return false;
    }
}

// --- putting together ------------------------------------------------------------

static struct dg_screen_message *find(struct dg_screen *screen, uint16_t message_seq)
{
    for (size_t i = 0; i < DG_SCREEN_MESSAGES; i++)
        if (screen->messages[i].record != NULL && screen->messages[i].message_seq == message_seq)
            return &screen->messages[i];
    return NULL;
}

static bool is_whole(const struct dg_screen_message *message)
{
    return message != NULL && message->received == message->length;
}

static struct dg_screen_message *take_place(struct dg_screen *screen, const struct dg_handshake_fragment *part)
{
    struct dg_screen_message *message = NULL;
    for (size_t i = 0; i < DG_SCREEN_MESSAGES && message == NULL; i++)
        if (screen->messages[i].record == NULL)
            message = &screen->messages[i];
    if (part->length > DG_SCREEN_MESSAGE_MAX)
        screen->has_refused_large = true;
    if (message == NULL || part->length > DG_SCREEN_MESSAGE_MAX)
        return NULL;
    message->record = malloc(HEADERS + part->length);
    message->present = calloc(1, part->length / 8 + 1);
    if (message->record == NULL || message->present == NULL) {
        forget(message);
        return NULL;
    }
    message->type = part->type;
    message->message_seq = part->message_seq;
    message->length = part->length;
    return message;
}

// False: a byte that was there before is another one now.
static bool put_bytes(struct dg_screen_message *message, const struct dg_handshake_fragment *part)
{
    for (uint32_t i = 0; i < part->bytes.size; i++) {
        uint32_t at = part->offset + i;
        uint8_t bit = (uint8_t)(1 << at % 8);
        uint8_t *byte = &message->record[HEADERS + at];
        if ((message->present[at / 8] & bit) != 0) {
            if (*byte != part->bytes.data[i])
                return false;
            continue;
        }
        *byte = part->bytes.data[i];
        message->present[at / 8] = (uint8_t)(message->present[at / 8] | bit);
        message->received++;
    }
    return true;
}

static void write_headers(struct dg_screen_message *message, uint16_t version, uint64_t number)
{
    struct dg_writer writer = dg_writer_of(message->record, HEADERS);
    dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
    dg_write_u16(&writer, version);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, number);
    dg_write_u16(&writer, (uint16_t)(DG_HANDSHAKE_HEADER + message->length));
    dg_handshake_head_write(&writer, message->type, message->length, message->message_seq);
    DG_BUG_UNLESS(!writer.failed);
}

// Under the number of one that was given: once more, or another one. A question may come under the number of the
// second hello too, from a server that did not take our cookie (RFC 6347 4.2.1).
static enum dg_counter judge_second(struct dg_screen *screen, struct dg_screen_message *message, bool *ret_is_contested)
{
    bool is_same = message->message_seq < screen->next_seq &&
                   hash_of(screen, message) == *hash_at(screen, message->message_seq);
    forget(message);
    *ret_is_contested = *ret_is_contested || !is_same;
    return is_same ? DG_COUNT_DROP_MESSAGE_REPEATED : DG_COUNT_DROP_MESSAGE_CONTRADICTED;
}

static enum dg_counter judge_whole(struct dg_screen *screen, struct dg_screen_message *message, bool *ret_is_contested)
{
    enum kind kind = kind_of(message);
    if (kind == KIND_NONE) {
        forget(message);
        return DG_COUNT_DROP_RECORD_MALFORMED;
    }
    if (message->message_seq < screen->next_seq || (kind == KIND_QUESTION && screen->has_asked))
        return judge_second(screen, message, ret_is_contested);
    if (kind == KIND_OTHER || message->message_seq == screen->next_seq)
        return DG_COUNT_NONE;
    forget(message); // a hello or a question ahead of its turn
    return DG_COUNT_DROP_MESSAGE_UNEXPECTED;
}

// Of what was given, all is looked at again until something has opened: the second one may be the server's.
static bool has_place(struct dg_screen *screen, const struct dg_handshake_fragment *part)
{
    uint16_t next = screen->next_seq;
    if (part->message_seq < next)
        return screen->stage != DG_SCREEN_OVER;
    switch (screen->stage) {
    case DG_SCREEN_HELLO:
        // Behind a hello that is not there yet lies what may be meant for an earlier handshake of ours.
        return part->message_seq == next || (part->message_seq - next < DG_SCREEN_MESSAGES &&
                                             ((screen->has_asked && !screen->is_again) || is_whole(find(screen, next))));
    case DG_SCREEN_TICKET:
        return part->message_seq == next && part->type == DG_HS_NEW_SESSION_TICKET;
    case DG_SCREEN_FLIGHT:
    case DG_SCREEN_TRIED:
    case DG_SCREEN_OVER:
        return false;
    }
    return false;
}

static enum dg_counter receive_part(struct dg_screen *screen, const struct dg_handshake_fragment *part, uint16_t version,
                                    uint64_t number, bool *ret_is_contested)
{
    bool is_empty = part->bytes.size == 0 && part->length > 0;
    if (!is_of_server(part->type) || is_empty)
        return DG_COUNT_DROP_MESSAGE_UNEXPECTED;
    if (!has_place(screen, part))
        return part->message_seq < screen->next_seq ? DG_COUNT_DROP_MESSAGE_REPEATED : DG_COUNT_DROP_MESSAGE_UNEXPECTED;
    struct dg_screen_message *message = find(screen, part->message_seq);
    if (message == NULL)
        message = take_place(screen, part);
    if (message == NULL)
        return DG_COUNT_DROP_MESSAGE_UNEXPECTED;
    bool was_whole = is_whole(message) && part->length > 0;
    if (message->type != part->type || message->length != part->length || !put_bytes(message, part)) {
        forget(message); // one of the two is forged: the server's repetition shows which
        return DG_COUNT_DROP_MESSAGE_CONTRADICTED;
    }
    if (!is_whole(message))
        return DG_COUNT_NONE;
    // RFC 9147 7: the number of the record may be acknowledged, so it stays the server's where it can.
    uint64_t limit = screen->next_number + NUMBERS_AHEAD;
    write_headers(message, version, number >= screen->next_number && number < limit ? number : screen->next_number);
    return was_whole ? DG_COUNT_DROP_MESSAGE_REPEATED : judge_whole(screen, message, ret_is_contested);
}

enum dg_counter dg_screen_receive(struct dg_screen *screen, const uint8_t *record, size_t size, bool *ret_is_contested)
{
    struct dg_reader reader = dg_reader_of(record, size);
    *ret_is_contested = false;
    forget_given(screen);
    uint8_t type = dg_read_u8(&reader);
    uint16_t version = dg_read_u16(&reader);
    (void)dg_read_u16(&reader); // epoch
    uint64_t number = dg_read_u48(&reader);
    struct dg_bytes body = dg_read_block16(&reader);
    if (reader.failed || body.size == 0)
        return DG_COUNT_DROP_RECORD_MALFORMED;
    if (type == DG_CONTENT_CHANGE_CIPHER_SPEC && body.size == 1 && body.data[0] == 1)
        return DG_COUNT_NONE; // dg_screen_opened
    if (type != DG_CONTENT_HANDSHAKE)
        return DG_COUNT_DROP_PLAINTEXT_RECORD;
    struct dg_reader messages = dg_reader_in(body);
    enum dg_counter reason = DG_COUNT_NONE;
    while (dg_reader_left(&messages) > 0) {
        struct dg_handshake_fragment part;
        if (!dg_handshake_fragment_read(&messages, &part))
            return DG_COUNT_DROP_RECORD_MALFORMED;
        enum dg_counter now = receive_part(screen, &part, version, number, ret_is_contested);
        reason = now != DG_COUNT_NONE ? now : reason;
    }
    return reason;
}

// --- giving ----------------------------------------------------------------------

static struct dg_bytes give(struct dg_screen *screen, struct dg_screen_message *message)
{
    // Its number, unless one that was given meanwhile is above it.
    struct dg_reader reader = dg_reader_of(message->record + 5, 6);
    uint64_t number = dg_read_u48(&reader);
    if (number < screen->next_number)
        number = screen->next_number;
    struct dg_writer writer = dg_writer_of(message->record + 5, 6);
    dg_write_u48(&writer, number);
    screen->next_number = number + 1;
    screen->next_seq++;
    screen->given = message;
    return (struct dg_bytes){message->record, HEADERS + message->length};
}

// DTLS 1.2: the hello and everything up to its end are there.
static bool has_whole_flight(struct dg_screen *screen)
{
    for (uint16_t seq = screen->next_seq;; seq++) {
        const struct dg_screen_message *message = find(screen, seq);
        if (!is_whole(message))
            return false;
        if (message->type == DG_HS_SERVER_HELLO_DONE)
            return true;
    }
}

// Notes what the library has by now.
static void note_given(struct dg_screen *screen, enum kind kind, const struct dg_screen_message *message)
{
    *hash_at(screen, message->message_seq) = hash_of(screen, message);
    screen->has_asked = screen->has_asked || kind == KIND_QUESTION;
    if (kind == KIND_HELLO12 || kind == KIND_HELLO13)
        screen->stage = kind == KIND_HELLO13 ? DG_SCREEN_TRIED : DG_SCREEN_FLIGHT;
    // Behind a hello that is tried by itself no flight follows: it resumes.
    if (message->type == DG_HS_SERVER_HELLO_DONE || (kind == KIND_HELLO12 && !has_whole_flight(screen)))
        screen->stage = DG_SCREEN_TICKET;
}

struct dg_bytes dg_screen_next(struct dg_screen *screen, enum dg_screen_proof proof, uint16_t message_seq)
{
    const struct dg_bytes nothing = {0};
    forget_given(screen);
    struct dg_screen_message *message = find(screen, screen->next_seq);
    bool is_proven = proof == DG_SCREEN_FINISHED;
    // Whatever is there under the number of a message that has opened, or behind it, is not the server's.
    if (!is_whole(message) || (is_proven && screen->next_seq >= message_seq))
        return nothing;
    enum kind kind = kind_of(message);
    bool is_tried = (proof == DG_SCREEN_RECORD12 && kind == KIND_HELLO12) ||
                    (proof == DG_SCREEN_RECORD13 && kind == KIND_HELLO13);
    bool is_12 = kind == KIND_HELLO12 || screen->stage == DG_SCREEN_FLIGHT; // not TICKET: that waits for the Finished
    if (kind != KIND_QUESTION && !is_proven && !is_tried && !(is_12 && has_whole_flight(screen)))
        return nothing;
    // Nothing of a server's stands in clear without its hello of DTLS 1.2 before it.
    if (kind == KIND_OTHER && screen->stage != DG_SCREEN_FLIGHT && screen->stage != DG_SCREEN_TICKET)
        return nothing;
    note_given(screen, kind, message);
    return give(screen, message);
}

struct dg_bytes dg_screen_opened(struct dg_screen *screen)
{
    bool changes = screen->stage == DG_SCREEN_FLIGHT || screen->stage == DG_SCREEN_TICKET;
    screen->stage = DG_SCREEN_OVER;
    dg_screen_clear(screen);
    screen->given = NULL;
    if (!changes)
        return (struct dg_bytes){0};
    struct dg_writer writer = dg_writer_of(screen->change, sizeof screen->change);
    dg_write_u8(&writer, DG_CONTENT_CHANGE_CIPHER_SPEC);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, screen->next_number++);
    dg_write_u16(&writer, 1);
    dg_write_u8(&writer, 1);
    return (struct dg_bytes){screen->change, sizeof screen->change};
}
