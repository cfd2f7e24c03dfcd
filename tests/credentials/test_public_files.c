// SPDX-License-Identifier: GPL-3.0-or-later
//
// Files of fingerprints and of ticket keys: every form that is taken, every refusal with its line, and no key in a message.

#include "check.h"

#include "base/random.h"
#include "credentials/fingerprint_file.h"
#include "credentials/ticket_key_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char error[512];

// --- fingerprints -------------------------------------------------------------

#define DIGITS "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define COLONS                                                                                                            \
    "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F"

static size_t read_prints(const char *text, struct dg_fingerprints *ret)
{
    memset(ret, 0, sizeof *ret);
    error[0] = '\0';
    return dg_fingerprints_parse(ret, text, strlen(text), "prints", error, sizeof error) ? ret->count : 0;
}

DG_TEST(fingerprints_are_read_in_every_form)
{
    static const char *const forms[] = {
        DIGITS,
        DIGITS "\n",
        DIGITS "\r\n",
        "\n# a comment\n   " DIGITS "   meter 17\n",
        DIGITS "\tmeter",
        "sha256:" DIGITS "\n",
        "SHA256:" DIGITS " x",
        COLONS,
        "sha256 Fingerprint=" COLONS "\n",
        "SHA256 Fingerprint=" COLONS "\n",
    };
    uint8_t wanted[DG_FINGERPRINT];
    struct dg_fingerprints prints;
    for (size_t i = 0; i < sizeof wanted; i++)
        wanted[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        CHECK_MSG(read_prints(forms[i], &prints) == 1, "form %zu: %s", i, error);
        CHECK(dg_fingerprints_hold(&prints, wanted));
        CHECK(dg_fingerprints_begin(&prints, UINT64_C(0x0001020304050607)));
        CHECK(!dg_fingerprints_begin(&prints, UINT64_C(0x0001020304050608)));
        wanted[31] ^= 1;
        CHECK(!dg_fingerprints_hold(&prints, wanted));
        wanted[31] ^= 1;
        dg_fingerprints_clear(&prints);
    }
}

DG_TEST(fingerprints_that_are_none_are_refused_with_their_line)
{
    static const char *const wrong[] = {
        "\n\nsha1:000102030405060708090a0b0c0d0e0f10111213\n",
        "\n# x\n000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e\n",
        DIGITS "\n" DIGITS "\n" DIGITS "00\n",
        DIGITS "\n\nsha256:" DIGITS "g\n",
        DIGITS "\n\n00::01" DIGITS "\n",
        DIGITS "\n\nhello\n",
    };
    struct dg_fingerprints prints;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_EQ(read_prints(wrong[i], &prints), 0);
        CHECK_MSG(strncmp(error, "prints:3: ", 10) == 0, "%zu: %s", i, error);
        dg_fingerprints_clear(&prints);
    }
    CHECK_EQ(read_prints("# nothing\n", &prints), 0);
    CHECK_STR(error, "prints: holds no fingerprint; expected one a line");
    dg_fingerprints_clear(&prints);
}

// Beside a plain search.
DG_TEST(fingerprints_of_a_fleet_are_found)
{
    enum { COUNT = 3000 };
    static uint8_t all[COUNT][DG_FINGERPRINT];
    static char text[COUNT * 66 + 1];
    struct dg_fingerprints prints;
    dg_random_bytes(all, sizeof all);
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(all[i], all[i % 7], 4); // many that begin alike
        for (size_t k = 0; k < DG_FINGERPRINT; k++)
            snprintf(text + 65 * i + 2 * k, 3, "%02x", all[i][k]);
        text[65 * i + 64] = '\n';
    }
    REQUIRE(read_prints(text, &prints) == COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t first = 0;
        for (size_t k = 0; k < 8; k++)
            first = first << 8 | all[i][k];
        CHECK(dg_fingerprints_hold(&prints, all[i]) && dg_fingerprints_begin(&prints, first));
        all[i][7] ^= 0x80;
        bool is_there = false;
        for (size_t k = 0; k < COUNT && !is_there; k++)
            is_there = memcmp(prints.items[k], all[i], 8) == 0;
        CHECK_EQ(dg_fingerprints_begin(&prints, first ^ 0x80), is_there);
    }
    dg_fingerprints_clear(&prints);
}

// --- ticket keys --------------------------------------------------------------

#define NAME_A "000102030405060708090a0b0c0d0e0f"
#define NAME_B "b00102030405060708090a0b0c0d0e0f"
#define NAME_C "c00102030405060708090a0b0c0d0e0f"
#define NAME_D "d00102030405060708090a0b0c0d0e0f"
#define SECRET_A "a0112131415161718191a1b1c1d1e1f1202122232425262728292a2b2c2d2e2f"
#define SECRET_B "b0112131415161718191a1b1c1d1e1f1202122232425262728292a2b2c2d2e2f"
#define SECRET_C "c0112131415161718191a1b1c1d1e1f1202122232425262728292a2b2c2d2e2f"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static size_t read_keys(const char *text, struct dg_ticket_keys *ret)
{
    error[0] = '\0';
    return dg_ticket_keys_parse(ret, text, strlen(text), "keys", error, sizeof error) ? ret->count : 0;
}

DG_TEST(ticket_keys_are_read_in_their_order)
{
    struct dg_ticket_keys keys;
    CHECK_EQ(read_keys("# shared\n" NAME_B ":" SECRET_B "\n\n" NAME_A ":" SECRET_A "  \r\n" NAME_C ":" SECRET_C, &keys), 3);
    CHECK_EQ(keys.name[0][0], 0xb0);
    CHECK_EQ(keys.key[0][0], 0xb0);
    CHECK_EQ(keys.name[1][0], 0);
    CHECK_EQ(keys.key[1][31], 0x2f);
    CHECK_EQ(keys.key[2][0], 0xc0);
    CHECK_EQ(read_keys(NAME_A ":" SECRET_A "\n", &keys), 1);
}

DG_TEST(ticket_keys_that_are_none_are_refused_and_never_shown)
{
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"", "keys: holds no ticket key"},
        {"# " NAME_A ":" SECRET_A "\n", "keys: holds no ticket key"},
        {NAME_A SECRET_A "\n", "keys:1: this is no ticket key"},
        {"\n" NAME_A ":" SECRET_A "00\n", "keys:2: this is no ticket key"},
        {NAME_A ":" SECRET_A " x\n", "keys:1: this is no ticket key"},
        {"g" NAME_A ":" SECRET_A "\n", "keys:1: this is no ticket key"},
        {NAME_A ":" ZEROS "\n", "keys:1: this key is all zero"},
        {NAME_A ":" SECRET_A "\n" NAME_A ":" SECRET_B "\n", "keys:2: the name of this key is there already"},
        {NAME_A ":" SECRET_A "\n" NAME_B ":" SECRET_A "\n", "keys:2: this key is there already"},
        {NAME_A ":" SECRET_A "\n" NAME_B ":" SECRET_B "\n" NAME_C ":" SECRET_C "\n" NAME_D ":" SECRET_C "\n",
         "keys:4: more than 3 keys"},
    };
    static const struct dg_ticket_keys nothing;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct dg_ticket_keys keys;
        memset(&keys, 0xff, sizeof keys);
        CHECK_EQ(read_keys(wrong[i].text, &keys), 0);
        CHECK_MSG(strncmp(error, wrong[i].words, strlen(wrong[i].words)) == 0, "%zu: %s", i, error);
        CHECK(strstr(error, "1121314151") == NULL);
        CHECK(memcmp(&keys, &nothing, sizeof keys) == 0);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(fingerprints_are_read_in_every_form),
        DG_CASE(fingerprints_that_are_none_are_refused_with_their_line),
        DG_CASE(fingerprints_of_a_fleet_are_found),
        DG_CASE(ticket_keys_are_read_in_their_order),
        DG_CASE(ticket_keys_that_are_none_are_refused_and_never_shown),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
