// SPDX-License-Identifier: GPL-3.0-or-later
// The screen before the library of the client's role: unprotected records of a server or of anybody, in any order.
// What it lets through is whole, in order, each number once, no byte of it made up, and of a kind that has its turn.
//
// Input: steps. A byte says which: a record (its size in two bytes, its bytes), what is asked for, with which proof.
#include "fuzz.h"

#include "core/handshake_fragment.h"
#include "core/wire_constants.h"
#include "crypto/dial_screen.h"

#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 512
#define RECORD_MAX 2048

static struct {
    struct dg_handshake_fragment head;
    uint8_t bytes[RECORD_MAX];
} parts[PARTS_MAX]; // all that came, as it came
static size_t part_count;

static struct state {
    struct dg_screen screen;
    uint32_t next_seq;
    uint64_t number_floor;
    bool has_asked, has_hello, is_done, has_changed, is_13;
} state;

static void note_parts(const uint8_t *record, size_t size)
{
    if (size < DG_RECORD12_HEADER || record[0] != DG_CONTENT_HANDSHAKE)
        return;
    struct dg_reader reader = dg_reader_of(record + 11, size - 11);
    struct dg_reader body = dg_reader_in(dg_read_block16(&reader));
    struct dg_handshake_fragment part;
    while (dg_reader_left(&body) > 0 && dg_handshake_fragment_read(&body, &part) && part_count < PARTS_MAX) {
        parts[part_count].head = part;
        if (part.bytes.size > 0)
            memcpy(parts[part_count].bytes, part.bytes.data, part.bytes.size);
        part_count++;
    }
}

// Each byte of it came in some part of this very message.
static bool was_seen(const struct dg_handshake_fragment *message)
{
    static bool seen[DG_SCREEN_MESSAGE_MAX];
    uint32_t left = message->length;
    CHECK(message->length <= sizeof seen);
    memset(seen, 0, message->length);
    for (size_t i = 0; i < part_count && left > 0; i++) {
        const struct dg_handshake_fragment *head = &parts[i].head;
        if (head->type != message->type || head->message_seq != message->message_seq || head->length != message->length)
            continue;
        for (uint32_t k = 0; k < head->bytes.size; k++) {
            uint32_t at = head->offset + k;
            if (seen[at] || parts[i].bytes[k] != message->bytes.data[at])
                continue;
            seen[at] = true;
            left--;
        }
    }
    return left == 0;
}

static void check_number(const uint8_t *record)
{
    struct dg_reader reader = dg_reader_of(record + 3, 8);
    CHECK_EQ(dg_read_u16(&reader), 0); // epoch
    uint64_t number = dg_read_u48(&reader);
    CHECK(number >= state.number_floor && number < state.number_floor + 1000);
    state.number_floor = number + 1;
}

static bool is_retry(const struct dg_handshake_fragment *message)
{
    return message->bytes.size >= 34 && dg_screen_is_retry((struct dg_bytes){message->bytes.data + 2, 32});
}

static void check_turn(const struct dg_handshake_fragment *message, enum dg_screen_proof proof)
{
    bool is_question = message->type == DG_HS_HELLO_VERIFY_REQUEST ||
                       (message->type == DG_HS_SERVER_HELLO && is_retry(message));
    CHECK(!state.has_changed && !state.is_13); // after a hello of 1.3 nothing more is in clear
    if (is_question) {
        CHECK(!state.has_asked && !state.has_hello);
        state.has_asked = true;
    } else if (message->type == DG_HS_SERVER_HELLO) {
        CHECK(!state.has_hello);
        state.has_hello = true;
        state.is_13 = state.screen.stage == DG_SCREEN_TRIED;
        CHECK(!state.is_13 || proof == DG_SCREEN_RECORD13 || proof == DG_SCREEN_FINISHED);
    } else {
        CHECK(state.has_hello);
        CHECK(!state.is_done || proof == DG_SCREEN_FINISHED);
        state.is_done = state.is_done || message->type == DG_HS_SERVER_HELLO_DONE;
    }
}

static void take(enum dg_screen_proof proof, uint16_t message_seq)
{
    for (;;) {
        struct dg_bytes record = dg_screen_next(&state.screen, proof, message_seq);
        if (record.size == 0)
            return;
        struct dg_handshake_fragment message;
        struct dg_reader body = dg_reader_of(record.data + DG_RECORD12_HEADER, record.size - DG_RECORD12_HEADER);
        CHECK(record.data[0] == DG_CONTENT_HANDSHAKE && dg_handshake_fragment_read(&body, &message) &&
              dg_reader_done(&body));
        CHECK(message.offset == 0 && message.bytes.size == message.length);
        CHECK_EQ(message.message_seq, state.next_seq);
        CHECK(proof != DG_SCREEN_FINISHED || message.message_seq < message_seq);
        state.next_seq++;
        check_number(record.data);
        check_turn(&message, proof);
        CHECK(part_count == PARTS_MAX || was_seen(&message));
    }
}

static void open_one(void)
{
    bool is_12 = state.has_hello && !state.is_13 && !state.has_changed;
    struct dg_bytes change = dg_screen_opened(&state.screen);
    CHECK_EQ(change.size > 0, is_12);
    if (change.size > 0)
        check_number(change.data);
    state.has_changed = true;
}

static void begin(bool is_again)
{
    dg_screen_begin(&state.screen, is_again);
    state = (struct state){.screen = state.screen};
    part_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    begin(false);
    while (fuzz_more(&input)) {
        uint8_t step = fuzz_u8(&input) % 8;
        size_t record_size;
        switch (step) {
        case 3:
            take(DG_SCREEN_NOTHING, 0);
            break;
        case 4:
            take(fuzz_u8(&input) % 2 ? DG_SCREEN_RECORD13 : DG_SCREEN_RECORD12, 0);
            break;
        case 5:
            take(DG_SCREEN_FINISHED, fuzz_u8(&input));
            break;
        case 6:
            open_one();
            break;
        case 7:
            begin(true);
            break;
        default: {
            const uint8_t *record = fuzz_bytes(&input, fuzz_u16(&input) % RECORD_MAX, &record_size);
            bool is_contested = true;
            if (record_size > 0) {
                note_parts(record, record_size);
                (void)dg_screen_receive(&state.screen, record, record_size, &is_contested);
                CHECK(!is_contested || state.next_seq > 0); // nothing to contest before anything was given
            }
            break;
        }
        }
    }
    dg_screen_clear(&state.screen);
    return 0;
}
