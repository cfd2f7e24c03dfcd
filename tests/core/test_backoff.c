// SPDX-License-Identifier: GPL-3.0-or-later
// Waits of identities whose key was wrong, and turns of identities with two keys: who waits, who does not, and what a full
// table forgets. Beside a plain account of what should be.
#include "core/backoff.h"

#include "check.h"
#include "core/key_turns.h"

#include <stdio.h>
#include <string.h>

#define NOW (1000 * DG_SECOND)
#define WAIT_MAX (300 * DG_SECOND)

static struct dg_address address_of(const char *text)
{
    struct dg_address address = {0};
    CHECK(dg_address_parse(text, &address));
    return address;
}

static struct dg_bytes name(const char *text) { return (struct dg_bytes){(const uint8_t *)text, strlen(text)}; }

DG_TEST(backoff_is_free_at_first_and_doubles_up_to_its_limit)
{
    struct dg_backoff *backoff = dg_backoff_new(64);
    struct dg_address peer = address_of("192.0.2.1:4000");
    dg_time now = NOW;
    for (unsigned failure = 1; failure <= 40; failure++) {
        CHECK_EQ(dg_backoff_wait(backoff, now, &peer, name("sensor-17")), 0);
        dg_backoff_failed(backoff, now, &peer, name("sensor-17"), WAIT_MAX);
        unsigned doublings = failure - DG_BACKOFF_FREE - 1;
        dg_time expected = failure <= DG_BACKOFF_FREE ? 0 : doublings < 9 ? DG_BACKOFF_FIRST << doublings : WAIT_MAX;
        if (expected > WAIT_MAX)
            expected = WAIT_MAX;
        CHECK_EQ(dg_backoff_wait(backoff, now, &peer, name("sensor-17")), expected);
        now += expected;
        if (expected > 0)
            CHECK_EQ(dg_backoff_wait(backoff, now - 1, &peer, name("sensor-17")), 1);
    }
    dg_backoff_free(backoff);
}

// Nobody locks another out: another identity, another address and a /64 beside are as before.
DG_TEST(backoff_is_of_one_identity_behind_one_prefix)
{
    static const char *const others[] = {"192.0.2.2:4000", "[2001:db8:0:1::1]:4000", "[2001:db8::1]:4000"};
    struct dg_backoff *backoff = dg_backoff_new(64);
    struct dg_address peer = address_of("192.0.2.1:4000"), port = address_of("192.0.2.1:4001");
    for (int i = 0; i < 10; i++)
        dg_backoff_failed(backoff, NOW, &peer, name("sensor-17"), WAIT_MAX);
    CHECK(dg_backoff_wait(backoff, NOW, &peer, name("sensor-17")) > 0);
    CHECK(dg_backoff_wait(backoff, NOW, &port, name("sensor-17")) > 0);
    CHECK_EQ(dg_backoff_wait(backoff, NOW, &peer, name("sensor-1")), 0);
    CHECK_EQ(dg_backoff_wait(backoff, NOW, &peer, name("sensor-18")), 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        struct dg_address other = address_of(others[i]);
        CHECK_MSG(dg_backoff_wait(backoff, NOW, &other, name("sensor-17")) == 0, "%s", others[i]);
    }
    struct dg_address host = address_of("[2001:db8:0:1::1]:4000"), neighbour = address_of("[2001:db8:0:1::2]:9");
    for (int i = 0; i < 10; i++)
        dg_backoff_failed(backoff, NOW, &host, name("sensor-17"), WAIT_MAX);
    CHECK(dg_backoff_wait(backoff, NOW, &neighbour, name("sensor-17")) > 0); // one subnet is one client
    dg_backoff_free(backoff);
}

DG_TEST(backoff_ends_with_the_right_key_or_with_time)
{
    struct dg_backoff *backoff = dg_backoff_new(64);
    struct dg_address peer = address_of("192.0.2.1:4000");
    for (int i = 0; i < 10; i++)
        dg_backoff_failed(backoff, NOW, &peer, name("a"), WAIT_MAX);
    dg_backoff_proven(backoff, &peer, name("b"));
    CHECK(dg_backoff_wait(backoff, NOW, &peer, name("a")) > 0);
    dg_backoff_proven(backoff, &peer, name("a"));
    CHECK_EQ(dg_backoff_wait(backoff, NOW, &peer, name("a")), 0);
    dg_backoff_failed(backoff, NOW, &peer, name("a"), WAIT_MAX);
    CHECK_EQ(dg_backoff_wait(backoff, NOW, &peer, name("a")), 0); // from the beginning
    for (int i = 0; i < 10; i++)
        dg_backoff_failed(backoff, NOW, &peer, name("c"), WAIT_MAX);
    dg_time later = NOW + dg_backoff_wait(backoff, NOW, &peer, name("c")) + DG_BACKOFF_FORGET;
    dg_backoff_failed(backoff, later, &peer, name("c"), WAIT_MAX);
    CHECK_EQ(dg_backoff_wait(backoff, later, &peer, name("c")), 0);
    dg_backoff_free(backoff);
}

// The rule for a full table: whoever fills it makes others' waits shorter, never longer, and nobody wait who has not failed.
DG_TEST(backoff_table_that_is_full_forgets_and_blames_nobody)
{
    struct dg_backoff *backoff = dg_backoff_new(64);
    struct dg_address victim = address_of("192.0.2.1:4000"), attacker = address_of("203.0.113.1:4000");
    for (int i = 0; i < 10; i++)
        dg_backoff_failed(backoff, NOW, &victim, name("sensor-17"), WAIT_MAX);
    char text[32];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "made-up-%u", i);
        CHECK_EQ(dg_backoff_wait(backoff, NOW, &attacker, name(text)), 0);
        for (int k = 0; k < 5; k++)
            dg_backoff_failed(backoff, NOW, &attacker, name(text), WAIT_MAX);
    }
    CHECK(dg_backoff_wait(backoff, NOW, &victim, name("sensor-17")) <= WAIT_MAX);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "made-up-%u", i);
        CHECK_EQ(dg_backoff_wait(backoff, NOW, &victim, name(text)), 0);
    }
    // The longest wait is the last to be forgotten: shorter ones do not push it out.
    for (int i = 0; i < 12; i++)
        dg_backoff_failed(backoff, NOW, &victim, name("sensor-17"), WAIT_MAX);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof text, "others-%u", i);
        dg_backoff_failed(backoff, NOW, &attacker, name(text), WAIT_MAX);
    }
    CHECK(dg_backoff_wait(backoff, NOW, &victim, name("sensor-17")) > 0);
    dg_backoff_free(backoff);
}

DG_TEST(key_turns_are_of_one_identity_behind_one_prefix)
{
    struct dg_key_turns *turns = dg_key_turns_new(64);
    struct dg_address peer = address_of("192.0.2.1:4000"), port = address_of("192.0.2.1:4001");
    struct dg_address other = address_of("192.0.2.2:4000");
    CHECK_EQ(dg_key_turns_next(turns, &peer, name("a")), 0);
    dg_key_turns_set(turns, &peer, name("a"), 1);
    CHECK_EQ(dg_key_turns_next(turns, &port, name("a")), 1);
    CHECK_EQ(dg_key_turns_next(turns, &other, name("a")), 0);
    CHECK_EQ(dg_key_turns_next(turns, &peer, name("ab")), 0);
    dg_key_turns_set(turns, &peer, name("a"), 0);
    CHECK_EQ(dg_key_turns_next(turns, &peer, name("a")), 0);
    char text[32];
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "device-%u", i);
        dg_key_turns_set(turns, &peer, name(text), 1);
        CHECK_EQ(dg_key_turns_next(turns, &peer, name(text)), 1); // the newest is never the one that is forgotten
    }
    unsigned remembered = 0;
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(text, sizeof text, "device-%u", i);
        remembered += dg_key_turns_next(turns, &peer, name(text));
    }
    CHECK(remembered > 0 && remembered <= 64);
    dg_key_turns_free(turns);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(backoff_is_free_at_first_and_doubles_up_to_its_limit),
        DG_CASE(backoff_is_of_one_identity_behind_one_prefix),
        DG_CASE(backoff_ends_with_the_right_key_or_with_time),
        DG_CASE(backoff_table_that_is_full_forgets_and_blames_nobody),
        DG_CASE(key_turns_are_of_one_identity_behind_one_prefix),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
