// SPDX-License-Identifier: GPL-3.0-or-later
// The book of failures: what is found again, what is counted together, and who can push out whom.
#include "check.h"

#include "admin/failures.h"
#include "core/slot.h"

#include <stdio.h>
#include <string.h>

static const char WRONG[] = "wrong key for this identity";

static struct dg_address address_of(const char *text)
{
    struct dg_address address;
    CHECK(dg_address_parse(text, &address));
    return address;
}

static struct dg_bytes name_of(const char *name)
{
    return (struct dg_bytes){(const uint8_t *)name, strlen(name)};
}

// A claim, with a wrong key, from an address.
static void claim(struct dg_failures *book, uint64_t at, const char *peer, const char *name)
{
    const struct dg_address from = address_of(peer);
    dg_failures_note(book, at, &(struct dg_failure){.counter = DG_COUNT_FAIL_WRONG_KEY, .reason = WRONG, .peer = &from,
                                                    .identity = name_of(name), .identity_kind = DG_IDENTITY_PSK,
                                                    .alert_sent = 51, .alert_received = 255});
}

static void end(struct dg_failures *book, uint64_t at, const char *peer, const char *name, enum dg_counter reason)
{
    const struct dg_address from = address_of(peer);
    dg_failures_note(book, at, &(struct dg_failure){.counter = reason, .peer = &from, .identity = name_of(name),
                                                    .identity_kind = DG_IDENTITY_PSK, .is_proven = true, .alert_sent = 255,
                                                    .alert_received = 255, .association = 7});
}

DG_TEST(failures_of_one_kind_are_counted_together)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    REQUIRE(book != NULL);
    CHECK(!dg_failures_of_identity(book, name_of("sensor-17"), &page));
    claim(book, 1000, "192.0.2.1:5000", "sensor-17");
    claim(book, 1010, "192.0.2.1:5001", "sensor-17");
    claim(book, 1020, "192.0.2.1:5002", "sensor-17");
    REQUIRE(dg_failures_of_identity(book, name_of("sensor-17"), &page));
    REQUIRE(page.run_count == 1);
    CHECK_EQ(page.total, 3);
    CHECK_EQ(page.runs[0].count, 3);
    CHECK_EQ(page.runs[0].first_s, 1000);
    CHECK_EQ(page.runs[0].last_s, 1020);
    CHECK_EQ(page.runs[0].peer.port, 5002);
    CHECK_EQ(page.runs[0].alert_sent, 51);
    CHECK(page.runs[0].reason == WRONG);
    CHECK(!dg_failures_of_identity(book, name_of("sensor-1"), &page));
    dg_failures_free(book);
}

DG_TEST(failures_are_found_by_address_and_by_subnet)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    REQUIRE(book != NULL);
    claim(book, 1000, "192.0.2.1:5000", "sensor-1");
    claim(book, 1001, "192.0.2.1:5000", "sensor-2");
    claim(book, 1002, "[2001:db8:0:7::1]:5000", "sensor-3");
    const struct dg_address one = address_of("192.0.2.1:1"), other = address_of("192.0.2.2:5000");
    const struct dg_address subnet = address_of("[2001:db8:0:7:ffff::9]:1"), next = address_of("[2001:db8:0:8::1]:5000");
    REQUIRE(dg_failures_of_address(book, &one, &page));
    CHECK_EQ(page.run_count, 2);
    CHECK_MEM(page.runs[0].claim, "sensor-2", 8); // the newest first
    CHECK(!dg_failures_of_address(book, &other, &page));
    CHECK(dg_failures_of_address(book, &subnet, &page));
    CHECK(!dg_failures_of_address(book, &next, &page));
    dg_failures_free(book);
}

DG_TEST(failures_known_by_proof_are_not_pushed_out_by_claims)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    char peer[32];
    REQUIRE(book != NULL);
    end(book, 1000, "192.0.2.1:5000", "sensor-17", DG_COUNT_CLOSED_UNAUTHORISED);
    for (int i = 0; i < 200; i++) {
        snprintf(peer, sizeof peer, "198.51.100.%d:5000", i);
        claim(book, 2000 + (uint64_t)i, peer, "sensor-17");
    }
    REQUIRE(dg_failures_of_identity(book, name_of("sensor-17"), &page));
    CHECK_EQ(page.run_count, 1 + DG_FAILURE_RUNS - DG_FAILURE_RUNS_PROVEN);
    const struct dg_failure_run *oldest = &page.runs[page.run_count - 1];
    CHECK(oldest->is_proven);
    CHECK_EQ(oldest->counter, DG_COUNT_CLOSED_UNAUTHORISED);
    CHECK_EQ(page.total, 201);
    dg_failures_free(book);
}

// One network that claims a name for different reasons does not push out what the client itself did elsewhere.
DG_TEST(failures_of_one_prefix_make_room_for_each_other)
{
    static const enum dg_counter REASONS[] = {DG_COUNT_FAIL_WRONG_KEY, DG_COUNT_FAIL_NO_COMMON, DG_COUNT_HANDSHAKES_EXPIRED,
                                              DG_COUNT_FAIL_CERTIFICATE, DG_COUNT_FAIL_BACKOFF, DG_COUNT_FAIL_TAKEOVER};
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    REQUIRE(book != NULL);
    claim(book, 1000, "192.0.2.1:5000", "sensor-17");
    const struct dg_address attacker = address_of("198.51.100.1:5000");
    for (uint64_t i = 0; i < 600; i++)
        dg_failures_note(book, 2000 + i, &(struct dg_failure){.counter = REASONS[i % 6], .peer = &attacker,
                                                              .identity = name_of("sensor-17")});
    REQUIRE(dg_failures_of_identity(book, name_of("sensor-17"), &page));
    CHECK(page.runs[page.run_count - 1].last_s == 1000);
    dg_failures_free(book);
}

DG_TEST(failures_of_names_that_one_prefix_makes_up_stay_on_its_account)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    char name[32];
    REQUIRE(book != NULL);
    claim(book, 1000, "192.0.2.1:5000", "sensor-17");
    for (uint32_t i = 0; i < 3 * DG_FAILURE_IDENTITIES; i++) {
        snprintf(name, sizeof name, "made-up-%u", i);
        claim(book, 2000 + i, "198.51.100.1:5000", name);
    }
    CHECK(dg_failures_of_identity(book, name_of("sensor-17"), &page));
    CHECK(dg_failures_of_identity(book, name_of(name), &page)); // the newest
    uint32_t known = 0;
    for (uint32_t i = 0; i < 3 * DG_FAILURE_IDENTITIES; i++) {
        snprintf(name, sizeof name, "made-up-%u", i);
        known += dg_failures_of_identity(book, name_of(name), &page);
    }
    CHECK_EQ(known, DG_FAILURE_OWNED);
    dg_failures_free(book);
}

// A page that a claim made is the client's own from its proof on: whoever made it can no longer give it away.
DG_TEST(failures_page_of_a_proven_client_is_nobodys_to_replace)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    char name[32];
    REQUIRE(book != NULL);
    claim(book, 1000, "198.51.100.1:5000", "sensor-17");
    end(book, 1001, "192.0.2.1:5000", "sensor-17", DG_COUNT_CLOSED_IDLE);
    for (uint32_t i = 0; i < 2 * DG_FAILURE_OWNED; i++) {
        snprintf(name, sizeof name, "made-up-%u", i);
        claim(book, 2000 + i, "198.51.100.1:5000", name);
    }
    CHECK(dg_failures_of_identity(book, name_of("sensor-17"), &page));
    dg_failures_free(book);
}

DG_TEST(failures_full_book_forgets_who_was_quiet_longest)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    char name[32], peer[40];
    REQUIRE(book != NULL);
    for (uint32_t i = 0; i < DG_FAILURE_IDENTITIES + 10; i++) {
        snprintf(name, sizeof name, "sensor-%u", i);
        snprintf(peer, sizeof peer, "10.%u.%u.1:5000", i / 256, i % 256);
        claim(book, 1000 + i, peer, name);
        if (i % 1000 == 0)
            claim(book, 1000 + i, "10.0.0.1:5000", "sensor-0"); // this one is not quiet
    }
    CHECK(dg_failures_of_identity(book, name_of("sensor-0"), &page));
    CHECK(!dg_failures_of_identity(book, name_of("sensor-1"), &page));
    CHECK(dg_failures_of_identity(book, name_of(name), &page));
    const struct dg_address first = address_of("10.0.1.1:5000"), last = address_of(peer);
    CHECK(dg_failures_of_address(book, &last, &page));
    CHECK(!dg_failures_of_address(book, &first, &page));
    dg_failures_free(book);
}

DG_TEST(failures_without_a_name_stay_beside_many_with_one)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    char name[32];
    REQUIRE(book != NULL);
    const struct dg_address peer = address_of("192.0.2.1:5000");
    dg_failures_note(book, 1000, &(struct dg_failure){.counter = DG_COUNT_DROP_PENALTY, .peer = &peer});
    for (uint64_t i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "made-up-%u", (unsigned)i);
        claim(book, 2000 + i, "192.0.2.1:5000", name);
    }
    REQUIRE(dg_failures_of_address(book, &peer, &page));
    CHECK_EQ(page.runs[page.run_count - 1].counter, DG_COUNT_DROP_PENALTY);
    dg_failures_free(book);
}

DG_TEST(failures_take_the_longest_names_and_empty_ones)
{
    struct dg_failures *book = dg_failures_new();
    struct dg_failure_page page;
    uint8_t longest[DG_IDENTITY_MAX];
    REQUIRE(book != NULL);
    memset(longest, 0, sizeof longest); // any bytes will do
    const struct dg_address peer = address_of("192.0.2.1:5000");
    const struct dg_bytes identity = {longest, sizeof longest}, other = {longest, sizeof longest - 1}, none = {longest, 0};
    dg_failures_note(book, 1000, &(struct dg_failure){.counter = DG_COUNT_FAIL_NO_COMMON, .peer = &peer, .identity = identity,
                                                      .detail = "a rule whose name is far longer than the place for it, which is "
                                                                "sixty-four bytes"});
    dg_failures_note(book, 1000, &(struct dg_failure){.counter = DG_COUNT_FAIL_NO_COMMON, .peer = &peer, .identity = none});
    REQUIRE(dg_failures_of_identity(book, identity, &page));
    CHECK_EQ(page.runs[0].claim_size, DG_FAILURE_CLAIM);
    CHECK_EQ(strlen(page.runs[0].detail), DG_FAILURE_DETAIL - 1);
    CHECK_STR(page.runs[0].reason, dg_counter_text(DG_COUNT_FAIL_NO_COMMON));
    CHECK(!dg_failures_of_identity(book, other, &page));
    CHECK(!dg_failures_of_identity(book, none, &page));
    dg_failures_free(book);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(failures_of_one_kind_are_counted_together),
        DG_CASE(failures_are_found_by_address_and_by_subnet),
        DG_CASE(failures_known_by_proof_are_not_pushed_out_by_claims),
        DG_CASE(failures_of_one_prefix_make_room_for_each_other),
        DG_CASE(failures_of_names_that_one_prefix_makes_up_stay_on_its_account),
        DG_CASE(failures_page_of_a_proven_client_is_nobodys_to_replace),
        DG_CASE(failures_full_book_forgets_who_was_quiet_longest),
        DG_CASE(failures_without_a_name_stay_beside_many_with_one),
        DG_CASE(failures_take_the_longest_names_and_empty_ones),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
