// SPDX-License-Identifier: GPL-3.0-or-later
//
// The dangerous part of the take-over: record numbers and nonces that the library has used, messages that may
// have to go out again, and refusal where anything does not fit (docs/wolfssl.md).

#include "check.h"
#include "core/record12.h"
#include "core/wire_constants.h"
#include "crypto/inner.h"
#include "crypto/wolf_aead.h"
#include "support/gate_rig.h"

#include <string.h>

static struct rig rig;
static struct dg_handover handover;

static const struct rig_options everything = {
    .with_psk = true, .with_certificate = true, .with_client_ca = true, .profile = DG_PROFILE_IOT};

static struct wolf_client_config certificate_client(int version)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = rig_pki()->client.certificate,
                                       .key = rig_pki()->client.key,
                                       .groups = {WOLF_GROUP_X25519},
                                       .tickets = true};
}

static struct wolf_client_config psk_client(const char *suite)
{
    return (struct wolf_client_config){.version = 12,
                                       .suites = suite,
                                       .psk_identity = RIG_IDENTITY,
                                       .psk_key = rig_psk,
                                       .psk_key_size = sizeof rig_psk};
}

DG_TEST(numbers_after_a_full_12_handshake)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(12);
    REQUIRE(rig_client(&rig, &config) && rig_take(&rig, &handover));
    CHECK_EQ(handover.tx_next, 1);    // our Finished was 1/0
    CHECK_EQ(handover.rx_next, 1);    // and so was the client's
    CHECK_EQ(handover.rx_replay.seen[0] & 1, 1);
    CHECK(handover.plain_next >= 4);
    // the last flight of a full handshake, whole messages with whole headers (RFC 6347 4.2.4)
    REQUIRE(handover.ticket_size > 12 && handover.finished_size == 24);
    CHECK_EQ(handover.flight[0], DG_HS_NEW_SESSION_TICKET);
    CHECK_EQ(handover.flight[handover.ticket_size], DG_HS_FINISHED);
    const uint8_t *finished = handover.flight + handover.ticket_size;
    CHECK_EQ(finished[4] << 8 | finished[5], handover.tx_message_seq - 1);
    CHECK_EQ(finished[11], 12); // verify_data
    CHECK(rig_exchange(&rig, &handover));
    rig_free(&rig);
}

DG_TEST(numbers_after_a_13_handshake)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(13);
    REQUIRE(rig_client(&rig, &config) && rig_take(&rig, &handover));
    CHECK_EQ(handover.tx_next, 2); // the ACK and the ticket
    CHECK_EQ(handover.rx_next, 0);
    CHECK(handover.handshake_rx_next >= 3); // Certificate, CertificateVerify, Finished
    CHECK_EQ(handover.ticket_epoch, 3);
    CHECK_EQ(handover.ticket_sequence, 1);
    REQUIRE(handover.ticket_size > 12);
    CHECK_EQ(handover.flight[0], DG_HS_NEW_SESSION_TICKET);
    CHECK_EQ(handover.flight[4] << 8 | handover.flight[5], handover.tx_message_seq - 1);
    CHECK_EQ(handover.finished_size, 0);
    CHECK(rig_exchange(&rig, &handover));
    rig_free(&rig);
}

// RFC 6347 4.2.4: in an abbreviated handshake our Finished goes first and is repeated by the timer, so that
// several numbers and nonces are used before the take-over.
static void resume_with_repeats(const char *suite)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(12);
    config.suites = suite;
    config.offer_cid = true;
    REQUIRE(rig_client(&rig, &config) && rig_take(&rig, &handover));
    struct wolf_session *session = wolf_client_session(rig.client);
    rig_hang_up(&rig);
    REQUIRE(rig_client(&rig, &config) && wolf_client_resume(rig.client, session));
    (void)wolf_client_connect(rig.client); // hello
    rig_give_all(&rig);                    // HelloVerifyRequest
    (void)wolf_client_connect(rig.client); // hello with cookie
    rig_give_all(&rig);                    // the flight
    REQUIRE(rig.handshake != NULL);
    struct dg_output output = rig_output(&rig);
    for (int i = 0; i < 3; i++) {
        rig.now = dg_wolf_handshake.deadline(rig.handshake);
        CHECK_EQ(dg_wolf_handshake.advance(rig.handshake, rig.now, &output), DG_STEP_GOES_ON);
    }
    REQUIRE(rig_take(&rig, &handover));
    CHECK_EQ(handover.resumed, 1);
    CHECK_EQ(handover.tx_next, 4);
    CHECK_EQ(handover.finished_size, 0); // the client's was the last flight
    CHECK_EQ(handover.identity_kind, DG_IDENTITY_CERTIFICATE);
    CHECK_EQ(handover.cid_size, DG_CID_SIZE_DEFAULT); // RFC 9146 3: negotiated afresh
    CHECK_MSG(rig_exchange(&rig, &handover), "%s", suite);
    wolf_session_free(session);
    rig_free(&rig);
}

DG_TEST(numbers_after_a_repeated_abbreviated_handshake)
{
    resume_with_repeats("ECDHE-ECDSA-AES128-GCM-SHA256");
    resume_with_repeats("ECDHE-ECDSA-AES128-CCM-8");
    resume_with_repeats("ECDHE-ECDSA-CHACHA20-POLY1305");
}

// --- nonces -------------------------------------------------------------------

// A record of the library's own with any explicit nonce: what wolfSSL's random start may come to.
static size_t record_with_nonce(uint64_t number, uint64_t nonce, uint8_t *out, size_t capacity)
{
    static const uint8_t message[] = {20, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0}; // an empty handshake message
    struct dg_key_material keys;
    if (!dg_tap_keys12(&rig.handshake->io.tap, false, &keys))
        return 0;
    uint8_t aad[13], full[12];
    struct dg_writer writer = dg_writer_of(out, capacity);
    dg_write_u8(&writer, DG_CONTENT_HANDSHAKE);
    dg_write_u16(&writer, DG_VERSION_DTLS12);
    dg_write_u16(&writer, 1);
    dg_write_u48(&writer, number);
    dg_write_u16(&writer, 8 + sizeof message + 16);
    dg_write_u64(&writer, nonce);
    dg_write_bytes(&writer, message, sizeof message);
    dg_write_zeros(&writer, 16);
    struct dg_writer aad_writer = dg_writer_of(aad, sizeof aad);
    dg_write_bytes(&aad_writer, out + 3, 8);
    dg_write_bytes(&aad_writer, out, 3);
    dg_write_u16(&aad_writer, sizeof message);
    memcpy(full, keys.iv, 4);
    memcpy(full + 4, out + 13, 8);
    if (writer.failed || aad_writer.failed ||
        !dg_wolf_aead.seal(DG_AEAD_AES_128_GCM, keys.key, full, aad, sizeof aad, out + 21, sizeof message))
        return 0;
    return dg_writer_size(&writer);
}

static uint64_t next_after_nonce(uint64_t number, uint64_t nonce)
{
    uint64_t next = 0;
    uint8_t record[128];
    struct wolf_client_config config = psk_client("ECDHE-PSK-AES128-GCM-SHA256");
    if (rig_client(&rig, &config) && rig_run(&rig) == DG_STEP_DONE) {
        size_t size = record_with_nonce(number, nonce, record, sizeof record);
        dg_tap_sent(&rig.handshake->io.tap, record, size);
        if (dg_wolf_handshake.take(rig.handshake, &handover))
            next = handover.tx_next;
    }
    rig_hang_up(&rig);
    return next;
}

// RFC 9325 7.2.1: our explicit nonce is epoch and number; one that the library has used is passed over.
DG_TEST(numbers_pass_over_a_nonce_that_the_library_used)
{
    const uint64_t base = UINT64_C(1) << 48;
    REQUIRE(rig_new(&rig, &everything));
    CHECK_EQ(next_after_nonce(1, 77), 2);                          // outside our range
    CHECK_EQ(next_after_nonce(1, base - 1), 2);
    CHECK_EQ(next_after_nonce(1, base + 2), 3);                    // exactly the next one
    CHECK_EQ(next_after_nonce(1, base + 1000), 1001);
    CHECK_EQ(next_after_nonce(1, base + (1 << 25) - 1), 1 << 25);
    CHECK_EQ(next_after_nonce(1, base + (1 << 25)), 2);            // beyond what one key protects
    CHECK_EQ(next_after_nonce(5, base + 2), 6);                    // the number itself is higher
    rig_free(&rig);
}

// --- refusals -----------------------------------------------------------------

DG_TEST(takeover_is_refused_when_a_watched_record_does_not_open)
{
    REQUIRE(rig_new(&rig, &everything));
    struct dg_handshake_failure failure;
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = certificate_client(version);
        REQUIRE(rig_client(&rig, &config) && rig_run(&rig) == DG_STEP_DONE);
        uint8_t record[64] = {0};
        if (version == 12) {
            size_t size = record_with_nonce(1, 5, record, sizeof record);
            REQUIRE(size > 0);
            record[size - 1] ^= 1;
            dg_tap_sent(&rig.handshake->io.tap, record, size);
        } else {
            record[0] = DG_UNIFIED_FIXED | DG_UNIFIED_SEQ16 | DG_UNIFIED_LENGTH | 3;
            record[4] = 40;
            dg_tap_sent(&rig.handshake->io.tap, record, 45);
        }
        CHECK(!dg_wolf_handshake.take(rig.handshake, &handover));
        dg_wolf_handshake.why(rig.handshake, &failure);
        CHECK_EQ(failure.counter, DG_COUNT_FAIL_TAKEOVER);
        static const struct dg_handover blank;
        CHECK_MEM(&handover, &blank, sizeof blank);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

DG_TEST(takeover_is_refused_before_the_end_and_without_an_identity)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(13);
    REQUIRE(rig_client(&rig, &config));
    (void)wolf_client_connect(rig.client);
    rig_give_all(&rig);
    (void)wolf_client_connect(rig.client);
    rig_give_all(&rig);
    REQUIRE(rig.handshake != NULL);
    CHECK(!dg_wolf_handshake.take(rig.handshake, &handover));
    rig_hang_up(&rig);
    // Were everything else to let a nobody through, this would not.
    REQUIRE(rig_client(&rig, &config) && rig_run(&rig) == DG_STEP_DONE);
    memset(&rig.handshake->proof, 0, sizeof rig.handshake->proof);
    CHECK(!dg_wolf_handshake.take(rig.handshake, &handover));
    rig_free(&rig);
}

// Lost final flights: the client's repeat opens with what was handed over (RFC 6347 4.2.4, RFC 9147 5.8.1).
DG_TEST(takeover_leaves_the_keys_for_a_repeated_final_flight)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(12);
    rig.lose_to_client = false;
    REQUIRE(rig_client(&rig, &config));
    for (int i = 0; i < 20 && rig.step == DG_STEP_GOES_ON; i++) {
        (void)wolf_client_connect(rig.client);
        // All but the flight that ends the handshake arrives.
        rig.lose_to_client = rig.handshake != NULL && rig.handshake->io.tap.message_next >= 6;
        rig_give_all(&rig);
    }
    REQUIRE(rig_take(&rig, &handover));
    CHECK(wolf_client_connect(rig.client) == WOLF_CLIENT_GOES_ON);
    rig.to_server.count = 0;
    CHECK(wolf_client_timeout(rig.client));
    rig.lose_to_client = false;
    uint8_t datagram[2048];
    size_t size;
    bool seen = false;
    while ((size = rig_queue_get(&rig.to_server, datagram, sizeof datagram)) > 0)
        for (size_t at = 0; at < size;) {
            struct dg_record record;
            REQUIRE(dg_record_parse(datagram + at, size - at, handover.cid_size, &record).outcome == DG_OK);
            at += record.size;
            if (record.epoch != 1)
                continue;
            struct dg_key_view view = {.aead = (enum dg_aead_id)handover.aead,
                                       .key = handover.rx.key,
                                       .iv = handover.rx.iv};
            uint8_t type;
            struct dg_bytes plaintext;
            CHECK(dg_replay_is_fresh(&handover.rx_replay, handover.rx_next, record.sequence));
            REQUIRE(dg_record12_open(&dg_wolf_aead, &view, &record, handover.cid, handover.cid_size, &type, &plaintext)
                        .outcome == DG_OK);
            seen = type == DG_CONTENT_HANDSHAKE && plaintext.data[0] == DG_HS_FINISHED;
            CHECK_EQ(plaintext.data[4] << 8 | plaintext.data[5], handover.rx_message_seq - 1);
        }
    CHECK(seen);
    // Our answer: the same messages under new numbers.
    uint8_t out[1024], change = 1;
    const uint8_t *ticket = handover.flight, *finished = ticket + handover.ticket_size;
    size_t used = dg_record12_plain(handover.plain_next++, DG_CONTENT_HANDSHAKE, ticket, handover.ticket_size, out,
                                    sizeof out);
    used += dg_record12_plain(handover.plain_next++, DG_CONTENT_CHANGE_CIPHER_SPEC, &change, 1, out + used,
                              sizeof out - used);
    REQUIRE(rig_queue_put(&rig.to_client, out, used));
    REQUIRE(rig_seal(&rig, &handover, DG_CONTENT_HANDSHAKE, finished, handover.finished_size));
    enum wolf_client_step step = WOLF_CLIENT_GOES_ON;
    for (int i = 0; i < 5 && step == WOLF_CLIENT_GOES_ON; i++)
        step = wolf_client_connect(rig.client);
    CHECK_EQ(step, WOLF_CLIENT_DONE);
    handover.rx_next = 0;
    memset(&handover.rx_replay, 0, sizeof handover.rx_replay);
    CHECK(rig_exchange(&rig, &handover));
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(numbers_after_a_full_12_handshake),
        DG_CASE(numbers_after_a_13_handshake),
        DG_CASE(numbers_after_a_repeated_abbreviated_handshake),
        DG_CASE(numbers_pass_over_a_nonce_that_the_library_used),
        DG_CASE(takeover_is_refused_when_a_watched_record_does_not_open),
        DG_CASE(takeover_is_refused_before_the_end_and_without_an_identity),
        DG_CASE(takeover_leaves_the_keys_for_a_repeated_final_flight),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
