// SPDX-License-Identifier: GPL-3.0-or-later
// Two keys of one identity while it is rotated, through real clients of both versions: who gets in with which, at which
// try, under which credential, and what becomes of the associations of a key that is dropped.
#include "check.h"
#include "crypto/inner.h"
#include "support/gate_rig.h"

#include <stdio.h>
#include <string.h>

#define IDENTITY "meter-1"

static struct rig rig;
static struct dg_handover handover;
static uint8_t current[32], next[32], wrong[32];
static struct dg_key_turns *shared_turns; // NULL: each gate has its own

static void make_keys(void)
{
    for (size_t i = 0; i < sizeof current; i++) {
        current[i] = (uint8_t)(i + 1);
        next[i] = (uint8_t)(i + 101);
        wrong[i] = (uint8_t)(i + 201);
    }
}

static size_t add_line(char *lines, size_t used, size_t capacity, const uint8_t key[32])
{
    used += (size_t)snprintf(lines + used, capacity - used, IDENTITY ":");
    for (size_t i = 0; i < 32; i++)
        used += (size_t)snprintf(lines + used, capacity - used, "%02x", key[i]);
    return used + (size_t)snprintf(lines + used, capacity - used, "\n");
}

// A gate whose identity has these keys; second may be NULL.
static bool open_gate(const uint8_t first[32], const uint8_t *second, bool with_certificate)
{
    static char lines[512];
    size_t used = add_line(lines, 0, sizeof lines, first);
    if (second != NULL)
        (void)add_line(lines, used, sizeof lines, second);
    const struct rig_options options = {.with_psk = true,
                                        .with_certificate = with_certificate,
                                        .with_client_ca = with_certificate,
                                        .psk_lines = lines,
                                        .turns = shared_turns,
                                        .profile = DG_PROFILE_IOT};
    return rig_new(&rig, &options);
}

static struct wolf_client_config client_of(int version, const uint8_t key[32])
{
    return (struct wolf_client_config){
        .version = version, .psk_identity = IDENTITY, .psk_key = key, .psk_key_size = 32, .groups = {WOLF_GROUP_X25519}};
}

// How many tries it takes; 0: more than four.
static unsigned tries(int version, const uint8_t key[32], const char *suites)
{
    for (unsigned i = 1; i <= 4; i++) {
        struct wolf_client_config config = client_of(version, key);
        config.suites = suites;
        bool done = rig_client(&rig, &config) && rig_take(&rig, &handover) && rig_exchange(&rig, &handover);
        rig_hang_up(&rig);
        if (done)
            return i;
    }
    return 0;
}

static uint64_t credential_of(const uint8_t key[32])
{
    const struct dg_psk psk = {.identity = {(const uint8_t *)IDENTITY, strlen(IDENTITY)}, .key = {key, 32}};
    return dg_credential_of_psk(&psk);
}

// RFC 8446 4.2.11.2: the binder says which key it is before anything is answered.
DG_TEST(rotation_13_takes_both_keys_at_the_first_try)
{
    make_keys();
    for (int with_certificate = 0; with_certificate < 2; with_certificate++) {
        REQUIRE(open_gate(current, next, with_certificate != 0));
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(tries(13, next, NULL), 1);
            CHECK_EQ(handover.credential, credential_of(next));
            CHECK_EQ(tries(13, current, NULL), 1);
            CHECK_EQ(handover.credential, credential_of(current));
        }
        CHECK_EQ(tries(13, wrong, NULL), 0);
        CHECK_EQ(tries(13, current, NULL), 1);
        rig_free(&rig);
    }
}

// Only the client's Finished shows the key: the other one's turn is next, and stays where it was right.
DG_TEST(rotation_12_takes_both_keys_at_the_second_try_at_the_latest)
{
    static const char *const suites[] = {NULL, "ECDHE-PSK-AES128-GCM-SHA256", "PSK-AES128-CCM-8"};
    make_keys();
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        REQUIRE(open_gate(current, next, false));
        CHECK_EQ(tries(12, current, suites[i]), 1);
        CHECK_EQ(handover.credential, credential_of(current));
        CHECK_EQ(tries(12, next, suites[i]), 2);
        CHECK_EQ(handover.credential, credential_of(next));
        CHECK_EQ(tries(12, next, suites[i]), 1);
        CHECK_EQ(tries(12, next, suites[i]), 1);
        CHECK_EQ(tries(12, current, suites[i]), 2);
        CHECK_EQ(tries(12, wrong, suites[i]), 0);
        CHECK(tries(12, next, suites[i]) <= 2);
        rig_free(&rig);
    }
}

// Whose turn it is is known behind a prefix: what one client tries changes nothing for another.
DG_TEST(rotation_12_turns_are_not_moved_by_others)
{
    make_keys();
    REQUIRE(open_gate(current, next, false));
    CHECK_EQ(tries(12, next, NULL), 2);
    const struct dg_path mine = rig.path;
    REQUIRE(dg_address_parse("203.0.113.9:40000", &rig.path.peer));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tries(12, current, NULL), 1);
    CHECK_EQ(tries(12, wrong, NULL), 0);
    rig.path = mine;
    CHECK_EQ(tries(12, next, NULL), 1);
    rig_free(&rig);
}

// A reload makes another gate: where gates share the turns, it forgets none.
DG_TEST(rotation_12_turns_outlive_a_reload)
{
    make_keys();
    for (int is_shared = 0; is_shared < 2; is_shared++) {
        shared_turns = is_shared ? dg_key_turns_new(64) : NULL;
        REQUIRE(open_gate(current, next, false));
        CHECK_EQ(tries(12, next, NULL), 2);
        rig_free(&rig);
        REQUIRE(open_gate(current, next, false));
        CHECK_EQ(tries(12, next, NULL), is_shared ? 1 : 2);
        rig_free(&rig);
        dg_key_turns_free(shared_turns);
        shared_turns = NULL;
    }
}

// A wrong key of an identity with two, of one with one, and of nobody's look the same.
DG_TEST(rotation_wrong_key_looks_like_any_wrong_key)
{
    make_keys();
    for (int version = 12; version <= 13; version++) {
        unsigned datagrams[3], alerts[3];
        size_t bytes[3];
        for (int kind = 0; kind < 3; kind++) {
            REQUIRE(open_gate(current, kind == 0 ? next : NULL, true));
            struct wolf_client_config config = client_of(version, wrong);
            if (kind == 2)
                config.psk_identity = "meter-9";
            REQUIRE(rig_client(&rig, &config));
            CHECK(rig_run(&rig) != DG_STEP_DONE);
            REQUIRE(rig.handshake != NULL);
            struct dg_handshake_failure failure;
            dg_wolf_handshake.why(rig.handshake, &failure);
            CHECK_EQ(failure.counter, kind < 2 ? DG_COUNT_FAIL_WRONG_KEY : DG_COUNT_FAIL_UNKNOWN_IDENTITY);
            datagrams[kind] = rig.server_datagrams;
            bytes[kind] = rig.server_bytes;
            alerts[kind] = rig.plain_alert;
            rig_free(&rig);
        }
        for (int kind = 1; kind < 3; kind++) {
            CHECK_EQ(datagrams[kind], datagrams[0]);
            CHECK_EQ(bytes[kind], bytes[0]);
            CHECK_EQ(alerts[kind], alerts[0]);
        }
    }
}

// Both keys' associations stay while both are there; with the old key gone, its own end and the others stay.
DG_TEST(rotation_finished_knows_the_new_key_alone)
{
    make_keys();
    const struct dg_bytes identity = {(const uint8_t *)IDENTITY, strlen(IDENTITY)};
    REQUIRE(open_gate(current, next, false));
    CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, credential_of(current), 0, identity));
    CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, credential_of(next), 0, identity));
    CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, credential_of(wrong), 0, identity));
    rig_free(&rig);
    REQUIRE(open_gate(next, NULL, false));
    CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, credential_of(current), 0, identity));
    CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, credential_of(next), 0, identity));
    CHECK_EQ(tries(13, current, NULL), 0);
    CHECK_EQ(tries(13, next, NULL), 1);
    CHECK_EQ(tries(12, current, NULL), 0);
    CHECK_EQ(tries(12, next, NULL), 1);
    rig_free(&rig);
}

// What a hello claims is known before its handshake begins (1.3), or with the client's second flight (1.2).
DG_TEST(rotation_claims_are_told_to_the_front)
{
    make_keys();
    REQUIRE(open_gate(current, next, false));
    struct dg_psk_claim claim;
    struct wolf_client_config config = client_of(12, current);
    REQUIRE(rig_client(&rig, &config));
    bool was_silent = false;
    for (int i = 0; i < 10 && rig.step == DG_STEP_GOES_ON; i++) {
        (void)wolf_client_connect(rig.client);
        rig_give_all(&rig);
        if (rig.handshake != NULL && rig.step == DG_STEP_GOES_ON)
            was_silent |= !dg_wolf_handshake.claims(rig.handshake, &claim);
    }
    CHECK(was_silent);
    CHECK_EQ(rig.step, DG_STEP_DONE);
    CHECK(dg_wolf_handshake.claims(rig.handshake, &claim));
    CHECK_EQ(claim.identity_size, strlen(IDENTITY));
    CHECK_MEM(claim.identity, IDENTITY, strlen(IDENTITY));
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(rotation_13_takes_both_keys_at_the_first_try),
        DG_CASE(rotation_12_takes_both_keys_at_the_second_try_at_the_latest),
        DG_CASE(rotation_12_turns_are_not_moved_by_others),
        DG_CASE(rotation_12_turns_outlive_a_reload),
        DG_CASE(rotation_wrong_key_looks_like_any_wrong_key),
        DG_CASE(rotation_finished_knows_the_new_key_alone),
        DG_CASE(rotation_claims_are_told_to_the_front),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
