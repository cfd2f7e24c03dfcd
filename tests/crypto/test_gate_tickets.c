// SPDX-License-Identifier: GPL-3.0-or-later
//
// Resumption: the ticket carries who the client is, ends with its credential, with its key and with any changed
// bit, and never becomes somebody else's (RFC 9325 3.4, RFC 8446 4.6.1).

#include "check.h"
#include "core/wire_constants.h"
#include "crypto/inner.h"
#include "support/gate_rig.h"

#include <stdio.h>
#include <string.h>

static struct rig rig, second;
static struct dg_handover handover;

static const struct rig_options everything = {.with_psk = true,
                                              .with_certificate = true,
                                              .with_client_ca = true,
                                              .with_raw_keys = true,
                                              .profile = DG_PROFILE_IOT};

enum kind { PSK, CERTIFICATE, RAW_KEY, KINDS };

static struct wolf_client_config client_of(int version, enum kind kind)
{
    struct wolf_client_config config = {.version = version,
                                        .ca = rig_pki()->ca.certificate,
                                        .groups = {WOLF_GROUP_X25519},
                                        .tickets = true,
                                        .offer_cid = true,
                                        .cid_size = 3,
                                        .cid = {1, 2, 3}};
    if (kind == PSK) {
        config.psk_identity = RIG_IDENTITY;
        config.psk_key = rig_psk;
        config.psk_key_size = sizeof rig_psk;
    } else if (kind == CERTIFICATE) {
        config.certificate = rig_pki()->client.certificate;
        config.key = rig_pki()->client.key;
    } else {
        config.public_key = rig_pki()->raw_client.public_key;
        config.key = rig_pki()->raw_client.key;
    }
    return config;
}

// A full handshake and the session that it left. NULL: it failed.
static struct wolf_session *first_session(struct rig *r, const struct wolf_client_config *config,
                                          struct dg_handover *ret)
{
    uint8_t data[16];
    if (!rig_client(r, config) || !rig_take(r, ret) ||
        !rig_seal(r, ret, DG_CONTENT_APPLICATION_DATA, "t", 1) ||
        wolf_client_read(r->client, data, sizeof data) != 1) // takes in the ticket of 1.3 on the way
        return NULL;
    struct wolf_session *session = wolf_client_session(r->client);
    rig_hang_up(r);
    return session;
}

static bool resume(struct rig *r, const struct wolf_client_config *config, const struct wolf_session *session,
                   struct dg_handover *ret)
{
    if (!rig_client(r, config) || !wolf_client_resume(r->client, session))
        return false;
    return rig_take(r, ret);
}

DG_TEST(ticket_keeps_identity_credential_and_expiry)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        for (int kind = 0; kind < KINDS; kind++) {
            struct wolf_client_config config = client_of(version, (enum kind)kind);
            struct dg_handover full;
            struct wolf_session *session = first_session(&rig, &config, &full);
            REQUIRE(session != NULL);
            rig.cid[0]++; // the front gives another ID to every handshake
            bool resumed = resume(&rig, &config, session, &handover);
            CHECK_MSG(resumed, "version %d kind %d", version, kind);
            CHECK_MSG(handover.resumed == 1, "version %d kind %d", version, kind);
            CHECK_EQ(handover.identity_kind, full.identity_kind);
            CHECK_EQ(handover.identity_size, full.identity_size);
            CHECK_MEM(handover.identity, full.identity, full.identity_size);
            CHECK_EQ(handover.credential, full.credential);
            CHECK_EQ(handover.expires_s, full.expires_s);
            CHECK_MEM(handover.cid, rig.cid, DG_CID_SIZE_DEFAULT); // RFC 9146 3: negotiated afresh
            CHECK(rig_exchange(&rig, &handover));
            // RFC 8446 4.2.9, RFC 9325 3.4: a fresh key exchange in 1.3
            CHECK_EQ(handover.group, version == 13 ? WOLF_GROUP_X25519 : 0);
            wolf_session_free(session);
            rig_hang_up(&rig);
        }
    }
    rig_free(&rig);
}

// design.md, attack 39: removed, changed or listed no more: a full handshake, in which the client fails or proves
// itself anew. The secrets stay the same, as over a reload.
DG_TEST(ticket_ends_with_its_credential)
{
    for (int version = 12; version <= 13; version++) {
        for (int kind = 0; kind < KINDS; kind++) {
            REQUIRE(rig_new(&rig, &everything));
            struct wolf_client_config config = client_of(version, (enum kind)kind);
            struct wolf_session *session = first_session(&rig, &config, &handover);
            REQUIRE(session != NULL);
            struct rig_options changed = everything;
            changed.secrets = rig.secrets;
            changed.psk_lines = kind == PSK ? RIG_OTHER_IDENTITY ":00112233445566778899aabbccddeeff\n" : NULL;
            changed.client_ca = kind == CERTIFICATE ? rig_pki()->other_ca.certificate : NULL;
            changed.with_raw_keys = kind != RAW_KEY;
            REQUIRE(rig_new(&second, &changed));
            CHECK_MSG(!resume(&second, &config, session, &handover), "version %d kind %d", version, kind);
            rig_free(&second);
            // Over a reload that changes nothing it goes on.
            changed = everything;
            changed.secrets = rig.secrets;
            REQUIRE(rig_new(&second, &changed));
            CHECK(resume(&second, &config, session, &handover));
            CHECK_EQ(handover.resumed, 1);
            rig_free(&second);
            wolf_session_free(session);
            rig_free(&rig);
        }
    }
}

// A session without forward secrecy, or with short tags, ends with the profile that has such suites: the library would resume
// it with its own suite.
DG_TEST(ticket_of_another_profile_takes_a_full_handshake)
{
    static const char *const suites[] = {"PSK-AES128-GCM-SHA256", "PSK-AES128-CCM-8"};
    for (size_t i = 0; i < 2; i++) {
        char both[96];
        struct wolf_client_config config = client_of(12, PSK);
        config.suites = suites[i];
        REQUIRE(rig_new(&rig, &everything));
        struct wolf_session *session = first_session(&rig, &config, &handover);
        REQUIRE(session != NULL);
        struct rig_options modern = everything;
        modern.profile = DG_PROFILE_MODERN;
        modern.secrets = rig.secrets;
        REQUIRE(rig_new(&second, &modern));
        snprintf(both, sizeof both, "%s:ECDHE-PSK-AES128-GCM-SHA256", suites[i]);
        config.suites = both;
        CHECK(resume(&second, &config, session, &handover));
        CHECK_EQ(handover.resumed, 0);
        CHECK_STR(handover.suite_name, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256");
        rig_free(&second);
        wolf_session_free(session);
        rig_free(&rig);
    }
}

// Two listeners with the same secrets and even the same credentials: what one has given resumes nothing at the other.
DG_TEST(ticket_of_another_listener_takes_a_full_handshake)
{
    struct rig_options there = everything;
    there.ticket_realm = 1;
    for (int version = 12; version <= 13; version++) {
        for (int kind = 0; kind < KINDS; kind++) {
            REQUIRE(rig_new(&rig, &everything));
            struct wolf_client_config config = client_of(version, (enum kind)kind);
            struct wolf_session *session = first_session(&rig, &config, &handover);
            REQUIRE(session != NULL);
            there.secrets = rig.secrets;
            REQUIRE(rig_new(&second, &there));
            CHECK_MSG(resume(&second, &config, session, &handover), "version %d kind %d", version, kind);
            CHECK_MSG(handover.resumed == 0, "version %d kind %d", version, kind);
            rig_free(&second);
            wolf_session_free(session);
            rig_free(&rig);
        }
    }
}

// RFC 9325 3.4: keys rotate; a ticket is good for one to two periods.
DG_TEST(ticket_ends_with_its_key)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = client_of(version, CERTIFICATE);
        struct wolf_session *session = first_session(&rig, &config, &handover);
        REQUIRE(session != NULL);
        for (int rotations = 1; rotations <= 2; rotations++) {
            rig.now += 24 * DG_HOUR;
            dg_wolf_handshake.gate_advance(rig.gate, rig.now);
            CHECK(resume(&rig, &config, session, &handover)); // a stale one falls back to the full handshake
            CHECK_EQ(handover.resumed, rotations == 1);
            CHECK_EQ(handover.identity_kind, DG_IDENTITY_CERTIFICATE);
            rig_hang_up(&rig);
        }
        wolf_session_free(session);
    }
    rig_free(&rig);
}

DG_TEST(ticket_of_another_server_takes_the_full_handshake)
{
    REQUIRE(rig_new(&rig, &everything));
    REQUIRE(rig_new(&second, &everything)); // secrets of its own
    for (int version = 12; version <= 13; version++)
        for (int kind = 0; kind < KINDS; kind++) {
            struct wolf_client_config config = client_of(version, (enum kind)kind);
            struct wolf_session *session = first_session(&rig, &config, &handover);
            REQUIRE(session != NULL);
            CHECK_MSG(resume(&second, &config, session, &handover), "version %d kind %d", version, kind);
            CHECK_EQ(handover.resumed, 0);
            wolf_session_free(session);
            rig_hang_up(&second);
        }
    rig_free(&second);
    rig_free(&rig);
}

// RFC 7627 5.3, RFC 9325 3.5.
DG_TEST(ticket_without_extended_master_secret_is_not_resumed)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = client_of(12, CERTIFICATE);
    config.without_ems = true;
    struct wolf_session *session = first_session(&rig, &config, &handover);
    REQUIRE(session != NULL);
    CHECK(resume(&rig, &config, session, &handover));
    CHECK_EQ(handover.resumed, 0);
    wolf_session_free(session);
    rig_free(&rig);
}

// RFC 9325 3.4, RFC 8446 4.2.9: no resumption without a fresh key exchange.
DG_TEST(ticket_without_key_exchange_takes_the_full_handshake)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = client_of(13, CERTIFICATE);
    struct wolf_session *session = first_session(&rig, &config, &handover);
    REQUIRE(session != NULL);
    config.psk_without_dhe = true;
    CHECK(resume(&rig, &config, session, &handover));
    CHECK_EQ(handover.resumed, 0);
    CHECK_EQ(handover.group, WOLF_GROUP_X25519);
    rig_hang_up(&rig);
    config.psk_without_dhe = false;
    CHECK(resume(&rig, &config, session, &handover)); // it was not the ticket's fault
    CHECK_EQ(handover.resumed, 1);
    wolf_session_free(session);
    rig_free(&rig);
}

// Attack 12, RFC 9147 5.1: a ticket, good or not, does not stand in for a cookie; what is answered is a cookie only.
DG_TEST(ticket_does_not_replace_the_cookie)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        for (int kind = 0; kind < KINDS; kind++) {
            struct wolf_client_config config = client_of(version, (enum kind)kind);
            struct wolf_session *session = first_session(&rig, &config, &handover);
            REQUIRE(session != NULL);
            for (int stale = 0; stale < 2; stale++) {
                if (stale) { // the full handshake that such a client falls back to begins with a cookie as well
                    rig.now += 48 * DG_HOUR;
                    dg_wolf_handshake.gate_advance(rig.gate, rig.now);
                }
                REQUIRE(rig_client(&rig, &config) && wolf_client_resume(rig.client, session));
                unsigned answered = rig.hellos_answered, datagrams = rig.server_datagrams;
                size_t bytes = rig.server_bytes, asked;
                (void)wolf_client_connect(rig.client);
                asked = rig.to_server.datagrams[rig.to_server.first].size;
                rig_give_all(&rig);
                CHECK_MSG(rig.handshake == NULL, "version %d kind %d", version, kind);
                CHECK_EQ(rig.hellos_answered, answered + 1);
                CHECK_EQ(rig.server_datagrams, datagrams + 1);
                CHECK(rig.server_bytes - bytes <= 3 * asked);
                rig_hang_up(&rig);
            }
            wolf_session_free(session);
        }
    }
    rig_free(&rig);
}

// The call-back itself: every byte of a ticket is authentic, and a hello gets one ticket at most.
DG_TEST(ticket_changed_in_any_byte_is_refused)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = client_of(13, CERTIFICATE);
    REQUIRE(rig_client(&rig, &config) && rig_run(&rig) == DG_STEP_DONE);
    WOLFSSL *ssl = rig.handshake->ssl;
    SessionTicketEncCb call_back = dg_tickets_on_ticket;
    uint8_t name[16], iv[16], mac[32], sealed[600], work[600], plain[140];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)i;
    memcpy(sealed, plain, sizeof plain);
    int size = 600;
    REQUIRE(call_back(ssl, name, iv, mac, 1, sealed, sizeof plain, &size, NULL) == WOLFSSL_TICKET_RET_OK);
    CHECK(size > (int)sizeof plain && memcmp(sealed, plain, 32) != 0);
    CHECK_EQ(name[0], 0); // no PSK identity begins like that (RFC 9257 6.1.2)
    int refused = 0, tried = 0, out;
    for (int part = 0; part < 4; part++) {
        uint8_t *bytes = part == 0 ? name : part == 1 ? iv : part == 2 ? mac : sealed;
        int count = part == 0 ? 16 : part == 1 ? 12 : part == 2 ? 16 : size;
        for (int i = 0; i < count; i++) {
            bytes[i] ^= 1;
            memcpy(work, sealed, sizeof work);
            out = size;
            rig.handshake->ticket_seen = false;
            refused += call_back(ssl, name, iv, mac, 0, work, size, &out, NULL) == WOLFSSL_TICKET_RET_REJECT;
            tried++;
            bytes[i] ^= 1;
        }
    }
    CHECK_EQ(refused, tried);
    memcpy(work, sealed, sizeof work);
    out = size;
    rig.handshake->ticket_seen = false;
    CHECK_EQ(call_back(ssl, name, iv, mac, 0, work, size, &out, NULL), WOLFSSL_TICKET_RET_OK);
    CHECK_EQ(out, sizeof plain);
    CHECK_MEM(work, plain, sizeof plain);
    CHECK_EQ(rig.handshake->ticket.kind, DG_IDENTITY_CERTIFICATE);
    // A second, other ticket of the same hello.
    uint8_t other[600];
    memcpy(other, plain, sizeof plain);
    size = 600;
    REQUIRE(call_back(ssl, name, iv, mac, 1, other, sizeof plain, &size, NULL) == WOLFSSL_TICKET_RET_OK);
    out = size;
    CHECK_EQ(call_back(ssl, name, iv, mac, 0, other, size, &out, NULL), WOLFSSL_TICKET_RET_REJECT);
    // Too little room for the identity: a ticket that nobody can resume with.
    memcpy(other, plain, sizeof plain);
    size = sizeof plain + 32;
    REQUIRE(call_back(ssl, name, iv, mac, 1, other, sizeof plain, &size, NULL) == WOLFSSL_TICKET_RET_OK);
    out = size;
    rig.handshake->ticket_seen = false;
    CHECK_EQ(call_back(ssl, name, iv, mac, 0, other, size, &out, NULL), WOLFSSL_TICKET_RET_REJECT);
    rig_free(&rig);
}

DG_TEST(ticket_of_a_long_identity_fits)
{
    static char lines[600], identity[256];
    memset(identity, 'i', 255);
    memcpy(lines, identity, 255);
    strcpy(lines + 255, ":0102030405060708090a0b0c0d0e0f1011000000000000000000000000000000\n");
    struct rig_options options = everything;
    options.psk_lines = lines;
    REQUIRE(rig_new(&rig, &options));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = client_of(version, PSK);
        config.psk_identity = identity;
        struct wolf_session *session = first_session(&rig, &config, &handover);
        REQUIRE(session != NULL);
        CHECK(handover.ticket_size + handover.finished_size <= DG_FLIGHT_BYTES);
        CHECK(resume(&rig, &config, session, &handover));
        CHECK_EQ(handover.resumed, 1);
        CHECK_EQ(handover.identity_size, 255);
        wolf_session_free(session);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// RFC 9147 4.3 and 5.8.4: our record layer repeats a ticket whole, so with small datagrams one of a long identity is
// left without it, and its client takes the full handshake again. Shorter ones do not notice.
DG_TEST(ticket_fits_the_smallest_datagram)
{
    static const size_t lengths[] = {1, 32, 100, 200, 255};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        static char lines[600], identity[256];
        memset(identity, 'i', lengths[i]);
        identity[lengths[i]] = '\0';
        memcpy(lines, identity, lengths[i]);
        strcpy(lines + lengths[i], ":0102030405060708090a0b0c0d0e0f1011000000000000000000000000000000\n");
        struct rig_options options = everything;
        options.psk_lines = lines;
        options.datagram_max = 548;
        REQUIRE(rig_new(&rig, &options));
        for (int version = 12; version <= 13; version++) {
            struct wolf_client_config config = client_of(version, PSK);
            config.psk_identity = identity;
            config.cid_size = 64;
            struct wolf_session *session = first_session(&rig, &config, &handover);
            REQUIRE(session != NULL);
            const size_t record = version == 12 ? 13 : 5 + 64 + 1 + 16, end = version == 12 ? 14 + 13 + 64 + 8 + 16 : 0;
            REQUIRE(handover.ticket_size > 0);
            CHECK_MSG(record + handover.ticket_size + end + handover.finished_size <= 548, "1.%d, %zu bytes: %u + %u",
                      version - 10, lengths[i], handover.ticket_size, handover.finished_size);
            CHECK(resume(&rig, &config, session, &handover));
            CHECK_EQ(handover.resumed, lengths[i] <= 100);
            CHECK_EQ(handover.identity_size, lengths[i]);
            wolf_session_free(session);
            rig_hang_up(&rig);
        }
        rig_free(&rig);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(ticket_keeps_identity_credential_and_expiry),
        DG_CASE(ticket_ends_with_its_credential),
        DG_CASE(ticket_of_another_profile_takes_a_full_handshake),
        DG_CASE(ticket_of_another_listener_takes_a_full_handshake),
        DG_CASE(ticket_ends_with_its_key),
        DG_CASE(ticket_of_another_server_takes_the_full_handshake),
        DG_CASE(ticket_without_extended_master_secret_is_not_resumed),
        DG_CASE(ticket_without_key_exchange_takes_the_full_handshake),
        DG_CASE(ticket_does_not_replace_the_cookie),
        DG_CASE(ticket_changed_in_any_byte_is_refused),
        DG_CASE(ticket_of_a_long_identity_fits),
        DG_CASE(ticket_fits_the_smallest_datagram),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
