// SPDX-License-Identifier: GPL-3.0-or-later
//
// Ticket keys from a file: a session made at one server goes on at another, the order of the keys says which one is given
// out, and a key that is gone ends its tickets.

#include "check.h"
#include "crypto/inner.h"
#include "support/gate_rig.h"
#include "support/sim_clock.h"

#include <string.h>

#define KEY_A "000102030405060708090a0b0c0d0e0f:101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\n"
#define KEY_B "b00102030405060708090a0b0c0d0e0f:b01112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\n"
#define KEY_C "c00102030405060708090a0b0c0d0e0f:c01112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\n"
// Another key under A's name.
#define KEY_D "000102030405060708090a0b0c0d0e0f:d01112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\n"

static struct rig rig;
static struct dg_handover handover;

static struct wolf_client_config client_of(int version)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = rig_pki()->client.certificate,
                                       .key = rig_pki()->client.key,
                                       .tickets = true,
                                       .groups = {WOLF_GROUP_X25519}};
}

static struct dg_memory_secrets *secrets; // that a server takes over; NULL: it has its own

// A server with nothing of another one's but the file.
static bool start(const char *keys)
{
    const struct rig_options options = {
        .with_certificate = true, .with_client_ca = true, .ticket_keys = keys, .secrets = secrets};
    return rig_new(&rig, &options);
}

static struct wolf_session *session_of(const char *keys, int version)
{
    struct wolf_client_config config = client_of(version);
    struct wolf_session *session = NULL;
    if (start(keys) && rig_client(&rig, &config) && rig_take(&rig, &handover) && rig_exchange(&rig, &handover))
        session = wolf_client_session(rig.client);
    CHECK(session != NULL);
    rig_free(&rig);
    return session;
}

static bool resumes(const char *keys, int version, const struct wolf_session *session)
{
    struct wolf_client_config config = client_of(version);
    bool is_taken = start(keys) && rig_client(&rig, &config) && wolf_client_resume(rig.client, session) &&
                    rig_take(&rig, &handover);
    CHECK(is_taken); // a full handshake at least
    if (is_taken) {
        CHECK(rig_exchange(&rig, &handover));
        CHECK_EQ(handover.identity_size, 8);
        CHECK_MEM(handover.identity, "client-1", 8);
    }
    rig_free(&rig);
    return is_taken && handover.resumed == 1;
}

DG_TEST(session_goes_on_at_a_server_with_the_same_ticket_keys)
{
    for (int version = 12; version <= 13; version++) {
        struct wolf_session *session = session_of("# shared\n" KEY_A KEY_B, version);
        REQUIRE(session != NULL);
        CHECK(resumes(KEY_A, version, session));
        CHECK(resumes(KEY_B KEY_A, version, session));
        CHECK(resumes(KEY_C KEY_B KEY_A, version, session)); // the one that comes next stands first
        CHECK(!resumes(KEY_B, version, session));            // it was not sealed under the second
        CHECK(!resumes(KEY_D, version, session));
        CHECK(!resumes(NULL, version, session));
        wolf_session_free(session);
    }
}

DG_TEST(tickets_under_own_keys_end_where_a_file_is_named)
{
    for (int version = 12; version <= 13; version++) {
        static struct dg_memory_secrets kept;
        secrets = &kept;
        struct wolf_session *session = session_of(NULL, version);
        REQUIRE(session != NULL);
        CHECK(resumes(NULL, version, session));
        CHECK(!resumes(KEY_A, version, session));
        wolf_session_free(session);
        secrets = NULL;
    }
}

// RFC 8446 4.6.1: seven days at most; here two periods of a day, however long the keys stay. Clients forget such sessions
// by themselves, so the library's call-back is asked.
DG_TEST(tickets_under_shared_keys_grow_old)
{
    uint8_t name[16], iv[16], mac[32], buffer[600] = "the library's part", sealed[600];
    struct wolf_client_config config = client_of(13);
    int size = sizeof buffer, out = 0;
    REQUIRE(start(KEY_A) && rig_client(&rig, &config) && rig_run(&rig) == DG_STEP_DONE);
    WOLFSSL *ssl = rig.handshake->ssl;
    sim_clock_set(1000 * DG_SECOND);
    REQUIRE(dg_tickets_on_ticket(ssl, name, iv, mac, 1, buffer, 18, &size, NULL) == WOLFSSL_TICKET_RET_OK);
    memcpy(sealed, buffer, sizeof sealed);
    static const struct {
        uint64_t at_s;
        bool is_taken;
    } cases[] = {{1000, true},  {1000 + 24 * 3600, true}, {1000 + 48 * 3600, true}, {1001 + 48 * 3600, false},
                 {800, true},   {600, false}}; // from a server whose clock is ahead, a little or too much
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(buffer, sealed, sizeof buffer);
        out = size;
        rig.handshake->ticket_seen = false;
        sim_clock_set(cases[i].at_s * DG_SECOND);
        int result = dg_tickets_on_ticket(ssl, name, iv, mac, 0, buffer, size, &out, NULL);
        CHECK_MSG((result == WOLFSSL_TICKET_RET_OK) == cases[i].is_taken, "case %zu", i);
    }
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(session_goes_on_at_a_server_with_the_same_ticket_keys),
        DG_CASE(tickets_under_own_keys_end_where_a_file_is_named),
        DG_CASE(tickets_under_shared_keys_grow_old),
    };
    sim_clock_start(dg_test_seed()); // before the certificates are made
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
