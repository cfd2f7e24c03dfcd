// SPDX-License-Identifier: GPL-3.0-or-later
//
// Our dial against our gate over everything that they can agree on, each time followed by data between two
// engines, one in each role. These cases guard against another version of wolfSSL as the take-over's do.

#include "check.h"
#include "support/dial_credentials.h"
#include "support/sim_clock.h"

static struct dial_rig rig;

DG_TEST(dial_every_version_credential_and_connection_id)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        for (enum credential credential = PSK; credential <= RAW; credential++) {
            for (int cid = 0; cid < 2; cid++) {
                struct dial_options options = options_of(credential, version);
                options.offer_cid = cid;
                if (!dial_rig_dialer(&rig, &options)) {
                    CHECK_MSG(false, "%s: %s", credential_names[credential], rig.error);
                    continue;
                }
                if (dial_and_talk(&rig, credential_names[credential], DG_SECOND)) {
                    const struct dg_handover *client = &rig.client_handover, *server = &rig.server_handover;
                    CHECK_EQ(client->version, version);
                    CHECK_EQ(client->is_client, 1);
                    CHECK_EQ(server->is_client, 0);
                    CHECK_EQ(client->resumed, 0);
                    CHECK_EQ(client->cid_size, cid ? DG_CID_SIZE_DEFAULT : 0);
                    CHECK_EQ(client->peer_cid_size, cid ? DG_CID_SIZE_DEFAULT : 0);
                    CHECK_MEM(client->peer_cid, server->cid, client->peer_cid_size);
                    CHECK_MEM(client->tx.key, server->rx.key, 16);
                    CHECK_MEM(client->rx.key, server->tx.key, 16);
                    CHECK_EQ(client->suite, server->suite);
                    CHECK_EQ(client->group, server->group);
                    bool is_psk = credential == PSK || credential == PSK_OF_IOT;
                    CHECK_EQ(client->identity_kind, is_psk ? DG_IDENTITY_PSK : DG_IDENTITY_CERTIFICATE);
                    CHECK_EQ(client->identity_size, strlen(is_psk ? RIG_IDENTITY : "gate.example"));
                    CHECK_MEM(client->identity, is_psk ? RIG_IDENTITY : "gate.example", client->identity_size);
                }
                dial_rig_hang_up(&rig);
            }
        }
    }
    dial_rig_free(&rig);
}

// Each side chooses its own length.
DG_TEST(dial_connection_ids_of_every_length)
{
    static const uint32_t LENGTHS[][2] = {{4, 16}, {16, 4}, {5, 15}, {15, 8}, {8, 5}, {4, 4}, {16, 16}};
    REQUIRE(rig_new(&rig.gate, &everything));
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        for (int version = 12; version <= 13; version++) {
            struct dial_options options = options_of(PSK, version);
            options.offer_cid = true;
            rig.cid_size = LENGTHS[i][0];
            rig.gate.cid_size = LENGTHS[i][1];
            if (!dial_rig_dialer(&rig, &options)) {
                CHECK_MSG(false, "%s", rig.error);
                continue;
            }
            if (dial_and_talk(&rig, "lengths", DG_SECOND)) {
                CHECK_EQ(rig.client_handover.cid_size, LENGTHS[i][0]);
                CHECK_EQ(rig.client_handover.peer_cid_size, LENGTHS[i][1]);
                CHECK_EQ(rig.server_handover.cid_size, LENGTHS[i][1]);
                CHECK_EQ(rig.server_handover.peer_cid_size, LENGTHS[i][0]);
            }
            dial_rig_hang_up(&rig);
        }
    }
    rig.cid_size = 0;
    dial_rig_free(&rig);
}

static void resume_once(int version, enum credential credential, bool cid)
{
    struct dial_options options = options_of(credential, version);
    options.resume = true;
    options.offer_cid = cid;
    if (!dial_rig_dialer(&rig, &options)) {
        CHECK_MSG(false, "%s", rig.error);
        return;
    }
    for (int round = 0; round < 4; round++) {
        if (dial_and_talk(&rig, credential_names[credential], DG_SECOND)) {
            CHECK_MSG(rig.client_handover.resumed == (round > 0), "%s, DTLS 1.%d, round %d: resumed %u\n%s",
                      credential_names[credential], version - 10, round, rig.client_handover.resumed, rig.told);
            CHECK_EQ(rig.server_handover.resumed, rig.client_handover.resumed);
            // Who the server is stays known, and by what.
            bool is_psk = credential == PSK;
            CHECK_EQ(rig.client_handover.identity_kind, is_psk ? DG_IDENTITY_PSK : DG_IDENTITY_CERTIFICATE);
            CHECK_EQ(rig.client_handover.identity_size, strlen(is_psk ? RIG_IDENTITY : "gate.example"));
            CHECK(rig.client_handover.credential != 0);
            CHECK_EQ(rig.client_handover.expires_s > 0, !is_psk);
            // The client speaks last in an abbreviated handshake of DTLS 1.2 (RFC 5246 7.3, RFC 6347 4.2.4).
            CHECK_EQ(rig.client_handover.finished_size > 0, version == 12 && round > 0);
            CHECK_EQ(rig.client_handover.ticket_size, 0);
            dial_rig_pass(&rig, 30 * DG_SECOND); // no message of either waits for an answer
            CHECK_EQ(dg_counter_read(&rig.server.region.counters, DG_COUNT_RETRANSMISSIONS), 0);
            CHECK_EQ(dg_counter_read(&rig.client.region.counters, DG_COUNT_RETRANSMISSIONS), 0);
        }
        dial_rig_hang_up(&rig);
    }
}

// RFC 8446 2.2, RFC 5077: the ticket of each handshake opens the next one.
DG_TEST(dial_resumes_with_the_last_ticket)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++)
        for (int cid = 0; cid < 2; cid++) {
            resume_once(version, PSK, cid);
            resume_once(version, CERTIFICATE, cid);
        }
    dial_rig_free(&rig);
}

DG_TEST(dial_without_resumption_leaves_tickets_alone)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(CERTIFICATE, version);
        REQUIRE(dial_rig_dialer(&rig, &options));
        for (int round = 0; round < 2; round++) {
            if (dial_and_talk(&rig, "no resumption", DG_SECOND)) {
                CHECK_EQ(rig.client_handover.resumed, 0);
                // RFC 9147 5.8.4: the ticket that came all the same is acknowledged once and not repeated.
                dial_rig_pass(&rig, 30 * DG_SECOND);
                CHECK_EQ(dg_counter_read(&rig.server.region.counters, DG_COUNT_RETRANSMISSIONS), 0);
            }
            dial_rig_hang_up(&rig);
        }
    }
    dial_rig_free(&rig);
}

// A ticket that the server does not take any more costs nothing but the full handshake.
DG_TEST(dial_with_a_ticket_of_another_server_is_a_full_handshake)
{
    for (int version = 12; version <= 13; version++) {
        REQUIRE(rig_new(&rig.gate, &everything));
        struct dial_options options = options_of(CERTIFICATE, version);
        options.resume = true;
        REQUIRE(dial_rig_dialer(&rig, &options));
        (void)dial_and_talk(&rig, "first", DG_SECOND);
        dial_rig_hang_up(&rig);
        rig_free(&rig.gate);
        REQUIRE(rig_new(&rig.gate, &everything)); // new ticket keys
        if (dial_and_talk(&rig, "second", DG_SECOND))
            CHECK_EQ(rig.client_handover.resumed, 0);
        dial_rig_hang_up(&rig);
        // wolfSSL's server gives out no new ticket of 1.2 with a full handshake that it was offered a bad one in.
        for (int round = 0; round < 2; round++) {
            if (dial_and_talk(&rig, "later", DG_SECOND))
                CHECK_EQ(rig.client_handover.resumed, version == 13 || round == 1);
            dial_rig_hang_up(&rig);
        }
        dial_rig_free(&rig);
    }
}

// RFC 9146 3, RFC 9147 9: a server that takes no connection ID; also in the abbreviated handshake.
DG_TEST(dial_goes_on_without_the_connection_id_that_was_declined)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    rig.gate.declines_cid = true;
    for (int version = 12; version <= 13; version++)
        for (int both = 0; both < 2; both++) {
            struct dial_options options = options_of(CERTIFICATE, version);
            options.version_min = both ? 12 : version;
            options.offer_cid = options.offer_rrc = options.resume = true;
            REQUIRE(dial_rig_dialer(&rig, &options));
            for (int round = 0; round < 2; round++) {
                if (dial_and_talk(&rig, "declined", DG_SECOND)) {
                    CHECK_EQ(rig.client_handover.resumed, round);
                    CHECK_EQ(rig.client_handover.cid_size, 0);
                    CHECK_EQ(rig.client_handover.peer_has_cid, 0);
                    CHECK_EQ(rig.client_handover.has_rrc, 0);
                }
                dial_rig_hang_up(&rig);
            }
        }
    dial_rig_free(&rig);
}

// --verbose reads like a story, in order, and holds no secret.
DG_TEST(dial_tells_the_handshake_in_order)
{
    static const char *const steps[2][6] = {
        {"hello sent: DTLS 1.2; certificates", "server asks again: for its cookie (HelloVerifyRequest)",
         "server hello: DTLS 1.2 with TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "server's certificate: ",
         "server accepted: its certificate is under a CA of ours and for the name gate.example",
         "handshake done: full, group X25519, connection IDs (the server's of 8 bytes)"},
        {"hello sent: DTLS 1.3; pre-shared key", "server asks again: for its cookie and a key share",
         "server hello: DTLS 1.3 with TLS_AES_128_GCM_SHA256", "server accepted: it has the pre-shared key of meter-1",
         "handshake done: full, group X25519MLKEM768, connection IDs", "in 0 ms"},
    };
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(version == 12 ? CERTIFICATE : PSK, version);
        options.offer_cid = true;
        REQUIRE(dial_rig_dialer(&rig, &options));
        (void)dial_and_talk(&rig, "told", DG_SECOND);
        const char *at = rig.told;
        for (size_t i = 0; i < 6; i++) {
            const char *found = strstr(at, steps[version - 12][i]);
            CHECK_MSG(found != NULL, "\"%s\" is not said in its place:\n%s", steps[version - 12][i], rig.told);
            at = found != NULL ? found : at;
        }
        CHECK(strstr(rig.told, strchr(psk_text("x", rig_psk), ':') + 1) == NULL);
        dial_rig_hang_up(&rig);
    }
    dial_rig_free(&rig);
}

// RFC 7250, and a pin of the key in a certificate: no CA needed.
DG_TEST(dial_verifies_by_pin)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        for (int with_ca = 0; with_ca < 2; with_ca++) {
            struct dial_options options = options_of(CERTIFICATE, version);
            options.pin = rig_pin(&rig_pki()->server);
            options.ca = with_ca ? options.ca : NULL;
            options.name = with_ca ? options.name : NULL;
            REQUIRE(dial_rig_dialer(&rig, &options));
            if (dial_and_talk(&rig, "pin", DG_SECOND))
                CHECK_EQ(rig.client_handover.identity_kind,
                         with_ca ? DG_IDENTITY_CERTIFICATE : DG_IDENTITY_RAW_PUBLIC_KEY);
            dial_rig_hang_up(&rig);
        }
    }
    dial_rig_free(&rig);
}

DG_TEST(dial_without_verification_only_by_the_explicit_word)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    struct dial_options options = options_of(CERTIFICATE, 13);
    options.ca = options.name = NULL;
    CHECK(!dial_rig_dialer(&rig, &options));
    CHECK_MSG(strstr(rig.error, "nothing to verify the server by") != NULL, "%s", rig.error);
    options.insecure = true;
    for (int version = 12; version <= 13; version++) {
        options.version_min = options.version_max = version;
        REQUIRE(dial_rig_dialer(&rig, &options));
        if (dial_and_talk(&rig, "insecure", DG_SECOND)) {
            CHECK_EQ(rig.client_handover.identity_kind, DG_IDENTITY_NONE);
            CHECK_EQ(rig.client_handover.identity_size, 0);
            CHECK_MSG(strstr(rig.told, "NOT VERIFIED") != NULL, "%s", rig.told);
        }
        dial_rig_hang_up(&rig);
    }
    dial_rig_free(&rig);
}

// Both versions offered: 1.3 is taken; small datagrams and other names work too.
DG_TEST(dial_prefers_version_13_and_keeps_to_its_datagram_size)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    static const char *const good[] = {"gate.example", "GATE.example", "localhost", "127.0.0.1", "::1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct dial_options options = options_of(CERTIFICATE, 13);
        options.version_min = 12;
        options.name = good[i];
        options.datagram_max = 600;
        REQUIRE(dial_rig_dialer(&rig, &options));
        if (dial_and_talk(&rig, good[i], DG_SECOND)) {
            CHECK_EQ(rig.client_handover.version, 13);
            CHECK_EQ(rig.client_handover.group, WOLF_GROUP_X25519_MLKEM768);
            CHECK_MSG(rig.client_largest <= 600, "largest datagram %zu", rig.client_largest);
        }
        dial_rig_hang_up(&rig);
    }
    dial_rig_free(&rig);
}

// RFC 9853: both want the check, and both have it from the hand-over on. The client comes from another port: the server
// asks, the client answers, the new address is proven.
DG_TEST(dial_agrees_on_return_routability_and_uses_it)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++)
        for (enum credential credential = PSK; credential <= RAW; credential++) {
            struct dial_options options = options_of(credential, version);
            options.offer_cid = options.offer_rrc = true;
            REQUIRE(dial_rig_dialer(&rig, &options));
            if (dial_and_talk(&rig, credential_names[credential], DG_SECOND)) {
                CHECK_EQ(rig.client_handover.has_rrc, 1);
                CHECK_EQ(rig.server_handover.has_rrc, 1);
                CHECK_MSG(strstr(rig.told, "and rrc") != NULL, "%s", rig.told);
                rig.gate.path.peer.port++; // and nobody hears what goes to the old one
                CHECK(dg_engine_send(rig.client.engine, rig.gate.now, rig.client.ref, (const uint8_t *)"moved", 5));
                dial_rig_pass(&rig, 10 * DG_SECOND);
                CHECK(dial_rig_exchange(&rig));
                const struct dg_counters *server = &rig.server.region.counters, *client = &rig.client.region.counters;
                CHECK(dg_counter_read(server, DG_COUNT_PATH_CHALLENGES) > 0);
                CHECK(dg_counter_read(client, DG_COUNT_PATH_CHALLENGES_ANSWERED) > 0);
                CHECK_EQ(dg_counter_read(server, DG_COUNT_PATHS_MOVED), 1);
                rig.gate.path.peer.port--;
            }
            dial_rig_hang_up(&rig);
        }
    // One that does not want it: neither has it.
    struct dial_options options = options_of(PSK, 13);
    options.offer_cid = true;
    REQUIRE(dial_rig_dialer(&rig, &options));
    if (dial_and_talk(&rig, "without", DG_SECOND))
        CHECK_EQ(rig.client_handover.has_rrc + rig.server_handover.has_rrc, 0);
    dial_rig_free(&rig);
}

// RFC 9147 8, both ways, and the close: the engines know nothing of roles there, and so it must be.
DG_TEST(dial_then_key_updates_both_ways_and_close)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    struct dial_options options = options_of(CERTIFICATE, 13);
    options.offer_cid = true;
    REQUIRE(dial_rig_dialer(&rig, &options));
    REQUIRE(dial_and_talk(&rig, "key updates", DG_SECOND));
    for (int round = 0; round < 3; round++) {
        CHECK(dial_rig_update_keys(&rig, round != 1, round == 2));
        dial_rig_pass(&rig, DG_SECOND);
        CHECK(dial_rig_exchange(&rig));
    }
    CHECK_EQ(dg_counter_read(&rig.client.region.counters, DG_COUNT_KEY_UPDATES_RECEIVED), 2);
    CHECK_EQ(dg_counter_read(&rig.server.region.counters, DG_COUNT_KEY_UPDATES_RECEIVED), 2);
    dg_engine_close(rig.client.engine, rig.gate.now, rig.client.ref, DG_COUNT_CLOSED_SHUTDOWN);
    dial_rig_pass(&rig, 10 * DG_SECOND);
    CHECK_EQ(rig.server.closed, 1);
    CHECK_EQ(rig.server.reason, DG_COUNT_CLOSED_BY_PEER);
    dial_rig_free(&rig);
}

// --- several at once -------------------------------------------------------------------

static uint8_t *reserve_nothing(void *context, size_t capacity)
{
    (void)context;
    (void)capacity;
    return NULL;
}
static void commit_nothing(void *context, const struct dg_path *path, size_t size)
{
    (void)context;
    (void)path;
    (void)size;
}

// Another handshake of the same dialer begins and fails while the one that is watched goes on.
static void fail_another(void *context, const uint8_t *datagram, size_t size)
{
    static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    static const uint8_t id[DG_CID_SIZE_DEFAULT] = {7};
    const struct dg_bytes cid = {.data = id, .size = sizeof id};
    const struct dg_output output = {.reserve = reserve_nothing, .commit = commit_nothing};
    (void)context;
    (void)datagram;
    (void)size;
    rig.seen = NULL; // once
    struct dg_dial *other = dg_wolf_dial.start(rig.dialer, rig.gate.now, &rig.path, cid, &output);
    REQUIRE(other != NULL);
    CHECK_EQ(dg_wolf_dial.receive(other, rig.gate.now, alert, sizeof alert, &output), DG_DIAL_GOES_ON);
    enum dg_dial_step step = DG_DIAL_GOES_ON;
    for (unsigned i = 0; i < 100 && step == DG_DIAL_GOES_ON; i++)
        step = dg_wolf_dial.advance(other, dg_wolf_dial.deadline(other), &output);
    CHECK_EQ(step, DG_DIAL_FAILED);
    dg_wolf_dial.free(other);
}

// The dialer forgets its session when a handshake fails that offered it; another one that has offered it as well
// knows all the same who the server is that resumes it.
DG_TEST(dial_resumes_while_another_of_its_dialer_fails)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(CERTIFICATE, version);
        options.resume = true;
        REQUIRE(dial_rig_dialer(&rig, &options));
        (void)dial_and_talk(&rig, "first", DG_SECOND);
        dial_rig_hang_up(&rig);
        rig.seen = fail_another;
        if (dial_and_talk(&rig, "second", DG_SECOND)) {
            CHECK_EQ(rig.client_handover.resumed, 1);
            CHECK_EQ(rig.client_handover.identity_kind, DG_IDENTITY_CERTIFICATE);
        }
        CHECK(rig.seen == NULL);
        dial_rig_hang_up(&rig);
    }
    dial_rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(dial_every_version_credential_and_connection_id),
        DG_CASE(dial_connection_ids_of_every_length),
        DG_CASE(dial_resumes_with_the_last_ticket),
        DG_CASE(dial_resumes_while_another_of_its_dialer_fails),
        DG_CASE(dial_without_resumption_leaves_tickets_alone),
        DG_CASE(dial_with_a_ticket_of_another_server_is_a_full_handshake),
        DG_CASE(dial_goes_on_without_the_connection_id_that_was_declined),
        DG_CASE(dial_tells_the_handshake_in_order),
        DG_CASE(dial_verifies_by_pin),
        DG_CASE(dial_without_verification_only_by_the_explicit_word),
        DG_CASE(dial_prefers_version_13_and_keeps_to_its_datagram_size),
        DG_CASE(dial_agrees_on_return_routability_and_uses_it),
        DG_CASE(dial_then_key_updates_both_ways_and_close),
    };
    sim_clock_start(1); // the library's timers go by the wall clock
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
