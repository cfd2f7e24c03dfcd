// SPDX-License-Identifier: GPL-3.0-or-later
//
// Handshake messages ahead of their turn, of clients that have proven nothing: the library keeps them, so there must be
// few (Pion CVE-2022-29189, OpenSSL CVE-2026-54874). And those that come again, for which it repeats its flight.

#include "check.h"
#include "core/record12.h"
#include "core/record13.h"
#include "core/wire_constants.h"
#include "crypto/inner.h"
#include "crypto/wolf_aead.h"
#include "support/gate_rig.h"

#include <string.h>

#define LENGTH 16000 // of a message
#define PART 1000    // of it in a record
#define MANY 100     // parts in one record
#define HEADER 13    // of a record in clear

static struct rig rig;

static const struct rig_options everything = {.with_certificate = true, .with_client_ca = true};

// Up to the server's flight. What the client answers lies in the queue, if it is to answer.
static bool begin(int version, bool answers)
{
    struct wolf_client_config config = {.version = version,
                                        .ca = rig_pki()->ca.certificate,
                                        .certificate = rig_pki()->client.certificate,
                                        .key = rig_pki()->client.key,
                                        .groups = {WOLF_GROUP_X25519}};
    if (!rig_client(&rig, &config))
        return false;
    for (int i = 0; i < 2; i++) {
        (void)wolf_client_connect(rig.client);
        rig_give_all(&rig);
    }
    if (answers)
        (void)wolf_client_connect(rig.client);
    return rig.handshake != NULL && rig.step == DG_STEP_GOES_ON;
}

static size_t part_of_message(uint8_t type, uint16_t message_seq, uint8_t *out, size_t capacity)
{
    static const uint8_t body[PART];
    struct dg_writer writer = dg_writer_of(out, capacity);
    dg_write_u8(&writer, type);
    dg_write_u24(&writer, LENGTH);
    dg_write_u16(&writer, message_seq);
    dg_write_u24(&writer, 0);
    dg_write_u24(&writer, PART);
    dg_write_bytes(&writer, body, sizeof body);
    return dg_writer_size(&writer);
}

// Parts of one byte each, in clear behind the header of a record.
static size_t many_parts(uint8_t type, uint16_t message_seq, uint32_t length, uint8_t *out, size_t capacity)
{
    struct dg_writer writer = dg_writer_of(out, capacity);
    dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 0);
    dg_write_u48(&writer, 100);
    dg_write_u16(&writer, MANY * (DG_HANDSHAKE_HEADER + 1));
    for (unsigned i = 0; i < MANY; i++) {
        dg_write_u8(&writer, type);
        dg_write_u24(&writer, length);
        dg_write_u16(&writer, message_seq);
        dg_write_u24(&writer, i % length);
        dg_write_u24(&writer, 1);
        dg_write_u8(&writer, 0);
    }
    return dg_writer_size(&writer);
}

// Under the keys of the client's handshake, which it has without a credential.
static void seal_and_give(int version, uint64_t number, const uint8_t *message, size_t size)
{
    uint8_t record[MANY * (DG_HANDSHAKE_HEADER + 1) + 128];
    struct dg_tap *tap = &rig.handshake->io.tap;
    const struct dg_suite *suite = dg_suite_find((uint16_t)wolfSSL_get_current_cipher_suite(rig.handshake->ssl));
    struct dg_key_material keys12;
    const struct dg_key_material *keys = dg_tap_keys(tap, DG_TAP_CLIENT_HANDSHAKE);
    if (version == 12)
        keys = dg_tap_keys12(tap, true, &keys12) ? &keys12 : NULL;
    REQUIRE(suite != NULL && keys != NULL);
    const struct dg_key_view view = {.aead = suite->aead,
                                     .hash = suite->hash,
                                     .key = keys->key,
                                     .number_key = version == 13 ? keys->number_key : NULL,
                                     .iv = keys->iv,
                                     .secret = version == 13 ? keys->secret : NULL};
    size = version == 13 ? dg_record13_seal(&dg_wolf_aead, &view, DG_EPOCH13_HANDSHAKE, number, DG_CONTENT_HANDSHAKE, NULL, 0,
                                            message, size, record, sizeof record)
                         : dg_record12_seal(&dg_wolf_aead, &view, DG_EPOCH12_PROTECTED, number, DG_CONTENT_HANDSHAKE, NULL, 0,
                                            message, size, record, sizeof record);
    REQUIRE(size > 0);
    rig_give(&rig, record, size);
}

static void give_protected(int version, uint64_t number, uint16_t message_seq)
{
    uint8_t message[PART + 64];
    // Behind the change of keys of DTLS 1.2 the library takes no other.
    uint8_t type = version == 12 ? DG_HS_FINISHED : DG_HS_CERTIFICATE;
    seal_and_give(version, number, message, part_of_message(type, message_seq, message, sizeof message));
}

// DTLS 1.2: the client's messages in clear and its change of keys, without its Finished.
static void give_unprotected(void)
{
    uint8_t datagram[RIG_DATAGRAM_MAX];
    size_t size;
    while ((size = rig_queue_get(&rig.to_server, datagram, sizeof datagram)) > 0)
        for (size_t at = 0; at < size;) {
            struct dg_record record;
            REQUIRE(dg_record_parse(datagram + at, size - at, 0, &record).outcome == DG_OK);
            if (!record.is_unified && record.epoch == 0)
                rig_give(&rig, record.start, record.size);
            at += record.size;
        }
}

static struct dg_handshake_failure why(void)
{
    struct dg_handshake_failure failure = {0};
    dg_wolf_handshake.why(rig.handshake, &failure);
    return failure;
}

DG_TEST(messages_that_no_client_sends_end_the_handshake)
{
    REQUIRE(rig_new(&rig, &everything));
    rig.declines_cid = true;
    for (int version = 12; version <= 13; version++) {
        REQUIRE(begin(version, version == 12));
        if (version == 12)
            give_unprotected();
        REQUIRE(rig.step == DG_STEP_GOES_ON);
        const uint16_t hello = rig.handshake->hello_seq;
        CHECK_EQ(hello, 1);
        give_protected(version, 7, (uint16_t)(hello + 4)); // ahead, and one that a client may have
        CHECK_EQ(rig.step, DG_STEP_GOES_ON);
        give_protected(version, 8, (uint16_t)(hello + 5));
        CHECK_EQ(rig.step, DG_STEP_FAILED);
        CHECK_EQ(why().counter, DG_COUNT_NONE);
        CHECK_STR(why().reason, "the client sent more messages than a handshake has");
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// In clear the front drops what is ahead; the library's own bound holds behind it, and is no matter of time.
DG_TEST(messages_in_clear_are_kept_within_the_librarys_bound)
{
    REQUIRE(rig_new(&rig, &everything));
    REQUIRE(begin(12, false));
    unsigned kept = 0;
    for (uint16_t seq = 3; seq < 40 && rig.step == DG_STEP_GOES_ON; seq++, kept++) {
        uint8_t message[PART + 64], record[PART + 128];
        size_t size = part_of_message(DG_HS_CERTIFICATE, seq, message, sizeof message);
        struct dg_writer writer = dg_writer_of(record, sizeof record);
        dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
        dg_write_u16(&writer, DG_VERSION_DTLS12);
        dg_write_u16(&writer, 0);
        dg_write_u48(&writer, seq);
        dg_write_u16(&writer, (uint16_t)size);
        dg_write_bytes(&writer, message, size);
        rig_give(&rig, record, dg_writer_size(&writer));
    }
    CHECK_EQ(rig.step, DG_STEP_FAILED);
    CHECK_MSG(kept <= 21, "%u messages", kept);
    CHECK_EQ(why().counter, DG_COUNT_NONE);
    CHECK_STR(why().reason, "the client sent more messages than a handshake has");
    rig_free(&rig);
}

// Fifty in each of three seconds, numbered as the front does. None brings a flight; our own timer does.
static void give_for_three_seconds(uint8_t *record, size_t size)
{
    unsigned sent = rig.server_datagrams;
    dg_time deadline = dg_wolf_handshake.deadline(rig.handshake);
    for (unsigned second = 1; second <= 3; second++) {
        rig.now += DG_SECOND;
        for (unsigned i = 0; i < 50; i++) {
            struct dg_writer number = dg_writer_of(record + 5, 6);
            dg_write_u48(&number, 100 * second + i);
            rig_give(&rig, record, size);
            rig.now += DG_MILLISECOND;
        }
    }
    CHECK_EQ(rig.step, DG_STEP_GOES_ON);
    CHECK_EQ(rig.server_datagrams, sent);
    CHECK_EQ(dg_wolf_handshake.deadline(rig.handshake), deadline);
    const struct dg_output output = rig_output(&rig);
    CHECK_EQ(dg_wolf_handshake.advance(rig.handshake, rig.now, &output), DG_STEP_GOES_ON);
    CHECK(rig.server_datagrams > sent);
}

// Certificate and change of keys are in clear: a copy of the client's own, sent by somebody in its name, must not bring it
// a flight of ours each time.
DG_TEST(messages_that_come_again_bring_no_flight)
{
    uint8_t datagram[RIG_DATAGRAM_MAX], first[RIG_DATAGRAM_MAX];
    REQUIRE(rig_new(&rig, &everything));
    REQUIRE(begin(12, true));
    size_t size = rig_queue_get(&rig.to_server, datagram, sizeof datagram);
    struct dg_record record;
    REQUIRE(dg_record_parse(datagram, size, 0, &record).outcome == DG_OK && record.epoch == 0);
    size_t first_size = record.size;
    memcpy(first, datagram, first_size);
    rig_give(&rig, first, first_size);
    give_for_three_seconds(first, first_size);
    rig_free(&rig);
}

// The library knows them by their type: one with the number of another message that it has had is a copy as well.
DG_TEST(messages_under_the_number_of_another_bring_no_flight)
{
    REQUIRE(rig_new(&rig, &everything));
    REQUIRE(begin(12, true));
    give_unprotected();
    uint8_t record[26] = {DG_CONTENT_HANDSHAKE, 0xfe, 0xfd, [12] = 13, DG_HS_CERTIFICATE, [16] = 1, [24] = 1};
    record[18] = (uint8_t)(rig.handshake->hello_seq + 2);
    give_for_three_seconds(record, sizeof record);
    rig_free(&rig);
}

// It would repeat its flight for each of them.
DG_TEST(many_messages_in_one_record_bring_no_flight)
{
    uint8_t record[MANY * (DG_HANDSHAKE_HEADER + 1) + HEADER];
    REQUIRE(rig_new(&rig, &everything));
    REQUIRE(begin(12, true));
    give_unprotected();
    uint16_t message_seq = (uint16_t)(rig.handshake->hello_seq + 2);
    give_for_three_seconds(record, many_parts(DG_HS_CERTIFICATE, message_seq, 1, record, sizeof record));
    rig_free(&rig);
}

// And for each Finished ahead of its turn, of a client that needs no credential for it.
DG_TEST(many_finished_ahead_in_one_record_bring_no_flight)
{
    static const struct rig_options open_to_all = {.with_certificate = true, .without_authentication = true};
    uint8_t record[MANY * (DG_HANDSHAKE_HEADER + 1) + HEADER];
    REQUIRE(rig_new(&rig, &open_to_all));
    rig.declines_cid = true;
    REQUIRE(begin(12, true));
    give_unprotected();
    uint16_t message_seq = (uint16_t)(rig.handshake->hello_seq + 3);
    size_t size = many_parts(DG_HS_FINISHED, message_seq, 12, record, sizeof record);
    unsigned sent = rig.server_datagrams;
    for (unsigned i = 0; i < 3; i++) {
        rig.now += DG_SECOND;
        seal_and_give(12, 10 + i, record + HEADER, size - HEADER);
    }
    CHECK_EQ(rig.step, DG_STEP_GOES_ON);
    CHECK_EQ(rig.server_datagrams, sent);
    rig_free(&rig);
}

// Our flight was lost where the client says its hello again.
DG_TEST(the_hello_that_comes_again_brings_the_flight)
{
    uint8_t hello[RIG_DATAGRAM_MAX];
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = {.version = 12, .ca = rig_pki()->ca.certificate};
    REQUIRE(rig_client(&rig, &config));
    (void)wolf_client_connect(rig.client);
    rig_give_all(&rig);
    (void)wolf_client_connect(rig.client);
    size_t size = rig_queue_get(&rig.to_server, hello, sizeof hello);
    rig_give(&rig, hello, size);
    REQUIRE(rig.handshake != NULL && rig.step == DG_STEP_GOES_ON);
    unsigned sent = rig.server_datagrams;
    hello[10] = 100; // its record's number, as the front gives it one
    rig_give(&rig, hello, size);
    CHECK(rig.server_datagrams > sent);
    CHECK_EQ(rig.step, DG_STEP_GOES_ON);
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(messages_that_no_client_sends_end_the_handshake),
        DG_CASE(messages_in_clear_are_kept_within_the_librarys_bound),
        DG_CASE(messages_that_come_again_bring_no_flight),
        DG_CASE(messages_under_the_number_of_another_bring_no_flight),
        DG_CASE(many_messages_in_one_record_bring_no_flight),
        DG_CASE(many_finished_ahead_in_one_record_bring_no_flight),
        DG_CASE(the_hello_that_comes_again_brings_the_flight),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
