// SPDX-License-Identifier: GPL-3.0-or-later
// Addresses as text and back, beside the C library's own conversion; which sources can be a peer.
#include "check.h"
#include "core/address.h"
#include "support/random.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void reads_as(const char *text, const char *expected)
{
    struct dg_address address;
    char again[DG_ADDRESS_TEXT];

    CHECK_MSG(dg_address_parse(text, &address), "%s", text);
    if (!dg_address_parse(text, &address))
        return;
    dg_address_format(&address, again);
    CHECK_STR(again, expected);
}

DG_TEST(address_text_both_ways)
{
    reads_as("192.0.2.1:5684", "192.0.2.1:5684");
    reads_as("0.0.0.0:0", "0.0.0.0:0");
    reads_as("255.255.255.255:65535", "255.255.255.255:65535");
    reads_as("[::]:1", "[::]:1");
    reads_as("[::1]:5684", "[::1]:5684");
    reads_as("[2001:db8::1%3]:5684", "[2001:db8::1%3]:5684");
    reads_as("[fe80::1%4294967295]:1", "[fe80::1%4294967295]:1");
    reads_as("[2001:DB8:0:0:0:0:0:A]:1", "[2001:db8::a]:1");
    reads_as("[1:0:0:2:0:0:0:3]:1", "[1:0:0:2::3]:1");
    reads_as("[1:0:2:3:4:5:6:7]:1", "[1:0:2:3:4:5:6:7]:1"); // RFC 5952 4.2.2: one group stays
    reads_as("[1:0:0:2:3:0:0:4]:1", "[1::2:3:0:0:4]:1");    // RFC 5952 4.2.3: the first of equals
    reads_as("[1:2:3:4:5:6:7::]:1", "[1:2:3:4:5:6:7:0]:1");
    reads_as("[1::]:1", "[1::]:1");
    reads_as("[::ffff:192.0.2.1]:7", "192.0.2.1:7");
    reads_as("[64:ff9b::192.0.2.33]:7", "[64:ff9b::c000:221]:7");
}

DG_TEST(address_text_that_is_none)
{
    static const char *const texts[] = {
        "", ":", "1", "1.2.3.4", "1.2.3:4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4: 1",
        " 1.2.3.4:1", "1.2.3.4:1 ", "1.2.3.4.5:1", "256.2.3.4:1", "01.2.3.4:1", "1.2.3.4:01", "1..3.4:1",
        "localhost:1", "::1:1", "[::1]", "[::1]:", "[::1:1", "::1]:1", "[]:1", "[:]:1", "[:::]:1", "[1:2:3]:1",
        "[1:2:3:4:5:6:7:8:9]:1", "[1:2:3:4:5:6:7:8::]:1", "[1::2::3]:1", "[::12345]:1", "[::g]:1", "[:1]:1", "[1:]:1",
        "[::1:]:1", "[::1%]:1", "[::1%eth0]:1", "[::1%4294967296]:1", "[1.2.3.4]:1", "[1:2:3:4:5:6:7:1.2.3.4]:1",
        "[::1.2.3]:1", "[::1.2.3.4:5]:1", "[1:2:3:4:5:6:7:]:1", "99999999999999999999999:1", "1.2.3.4:99999999999999999999",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct dg_address address;

        CHECK_MSG(!dg_address_parse(texts[i], &address), "\"%s\" was taken", texts[i]);
    }
}

// The oracle: inet_ntop and inet_pton, which src/core does without.
DG_TEST(address_text_matches_the_c_library)
{
    struct test_random random = {.state = dg_test_seed()};

    for (unsigned round = 0; round < 50000; round++) {
        struct dg_address address = {0}, back;
        char host[INET6_ADDRSTRLEN], expected[128], got[DG_ADDRESS_TEXT];

        for (unsigned i = 0; i < 16; i += 2) {
            if (test_random_permille(&random, 500))
                continue; // many zero groups, or there would never be a run of them
            address.ip[i] = (uint8_t)test_random_next(&random);
            address.ip[i + 1] = (uint8_t)(test_random_next(&random) >> test_random_below(&random, 60));
        }
        address.port = (uint16_t)test_random_next(&random);
        if (dg_address_is_ipv4(&address) || memcmp(address.ip, (uint8_t[12]){0}, 12) == 0)
            continue; // the library writes these with dots; they have cases of their own
        REQUIRE(inet_ntop(AF_INET6, address.ip, host, sizeof host) != NULL);
        (void)snprintf(expected, sizeof expected, "[%s]:%u", host, address.port);
        dg_address_format(&address, got);
        CHECK_STR(got, expected);
        REQUIRE(dg_address_parse(got, &back));
        CHECK(dg_address_equal(&back, &address));
    }
}

// Noise is refused or read in the way that the C library reads it; never a crash.
DG_TEST(address_parse_random_text_matches_the_c_library)
{
    static const char letters[] = "0123456789abcdef::::....";
    struct test_random random = {.state = dg_test_seed()};

    for (unsigned round = 0; round < 200000; round++) {
        size_t size = (size_t)test_random_below(&random, 24);
        char host[32], text[64];
        struct dg_address address;
        uint8_t ip[16];
        bool expected;

        for (size_t i = 0; i < size; i++)
            host[i] = letters[test_random_below(&random, sizeof letters - 1)];
        host[size] = '\0';
        expected = inet_pton(AF_INET6, host, ip) == 1;
        (void)snprintf(text, sizeof text, "[%s]:9", host);
        CHECK_MSG(dg_address_parse(text, &address) == expected, "%s", text);
        if (expected)
            CHECK_MEM(address.ip, ip, 16);
    }
}

DG_TEST(address_longest_text_fits)
{
    struct dg_address address = {.scope = UINT32_MAX, .port = UINT16_MAX};
    char text[DG_ADDRESS_TEXT];

    memset(address.ip, 0xee, sizeof address.ip);
    dg_address_format(&address, text);
    CHECK(strlen(text) < DG_ADDRESS_TEXT);
    CHECK_STR(text, "[eeee:eeee:eeee:eeee:eeee:eeee:eeee:eeee%4294967295]:65535");
}

DG_TEST(address_equality_counts_every_part)
{
    struct dg_address a, b;

    REQUIRE(dg_address_parse("[fe80::1%3]:5684", &a));
    b = a;
    CHECK(dg_address_equal(&a, &b));
    for (unsigned i = 0; i < 16; i++) {
        b = a;
        b.ip[i] ^= 1;
        CHECK(!dg_address_equal(&a, &b));
    }
    b = a;
    b.port++;
    CHECK(!dg_address_equal(&a, &b));
    b = a;
    b.scope++;
    CHECK(!dg_address_equal(&a, &b));
}

// CWE-345: what cannot be a peer; also IPv4 in its IPv6 dress
DG_TEST(address_impossible_sources)
{
    static const char *const impossible[] = {
        "192.0.2.1:0", "0.0.0.0:1", "0.1.2.3:1", "224.0.0.1:1", "239.255.255.255:1", "255.255.255.255:1", "[::]:1",
        "[2001:db8::1]:0", "[ff02::1]:1", "[ffff::]:1", "[::ffff:224.0.0.1]:1", "[::ffff:0.0.0.0]:1",
        "[::ffff:255.255.255.255]:1",
    };
    static const char *const possible[] = {
        "192.0.2.1:1", "127.0.0.1:65535", "223.255.255.255:1", "10.0.0.255:9", "[::1]:1", "[fe80::1%2]:1",
        "[2001:db8::1]:1", "1.0.0.0:1", "[fe00::]:1",
    };
    struct dg_address address;

    for (size_t i = 0; i < COUNT(impossible); i++) {
        REQUIRE(dg_address_parse(impossible[i], &address));
        CHECK_MSG(!dg_address_can_be_peer(&address), "%s", impossible[i]);
    }
    for (size_t i = 0; i < COUNT(possible); i++) {
        REQUIRE(dg_address_parse(possible[i], &address));
        CHECK_MSG(dg_address_can_be_peer(&address), "%s", possible[i]);
    }
}

static const struct dg_test_case CASES[] = {
    DG_CASE(address_text_both_ways),
    DG_CASE(address_text_that_is_none),
    DG_CASE(address_text_matches_the_c_library),
    DG_CASE(address_parse_random_text_matches_the_c_library),
    DG_CASE(address_longest_text_fits),
    DG_CASE(address_equality_counts_every_part),
    DG_CASE(address_impossible_sources),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
