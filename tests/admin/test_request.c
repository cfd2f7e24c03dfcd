// SPDX-License-Identifier: GPL-3.0-or-later
// Requests of the control socket, as lines that anybody may write.
#include "check.h"

#include "admin/request.h"

#include <string.h>

static struct dg_request request;
static char error[256];

static bool parse(const char *line)
{
    error[0] = '\0';
    return dg_request_parse(line, strlen(line), &request, error, sizeof error);
}

DG_TEST(request_of_each_command)
{
    CHECK(parse("text status") && request.command == DG_REQUEST_STATUS && !request.is_json);
    CHECK(parse("json status") && request.is_json);
    CHECK(parse("json associations") && request.command == DG_REQUEST_ASSOCIATIONS && request.pattern[0] == '\0');
    CHECK(parse("text associations sensor-*") && strcmp(request.pattern, "sensor-*") == 0);
    CHECK(parse("text close 00ff00ff00FF00FF") && request.command == DG_REQUEST_CLOSE && request.id == 0x00ff00ff00ff00ff);
    CHECK(parse("text close-identity *") && request.command == DG_REQUEST_CLOSE_IDENTITY);
    CHECK(parse("text reload") && request.command == DG_REQUEST_RELOAD);
    CHECK(parse("text why a b  c") && request.identity_size == 6);
    CHECK_MEM(request.identity, "a b  c", 6);
}

DG_TEST(request_that_is_none_is_told_what_is_expected)
{
    static const char *const LINES[][2] = {
        {"", "begins with"},         {"status", "begins with"},       {"text", "begins with"},
        {"text ", "unknown"},        {"text dance", "unknown"},       {"text status x", "no argument"},
        {"text reload x", "no argument"}, {"text close", "16 hexa"},  {"text close 123", "16 hexa"},
        {"text close 0000000000000000", "16 hexa"}, {"text close 00ff00ff00ff00ff0", "16 hexa"},
        {"text close-identity", "pattern"}, {"text why", "an identity"}, {"text why ", "an identity"},
    };
    for (size_t i = 0; i < sizeof LINES / sizeof LINES[0]; i++) {
        CHECK_MSG(!parse(LINES[i][0]), "%s", LINES[i][0]);
        CHECK_MSG(strstr(error, LINES[i][1]) != NULL, "%s: %s", LINES[i][0], error);
    }
    CHECK(!dg_request_parse("text why a\0b", 12, &request, error, sizeof error));
}

DG_TEST(request_identities_are_read_as_they_are_shown)
{
    CHECK(parse("text why a\\x0ab\\x5c\\xC3\\xa9\\x3d"));
    CHECK_EQ(request.identity_size, 7);
    CHECK_MEM(request.identity, "a\nb\\\xc3\xa9=", 7);
    CHECK(parse("text why a\\xzz\\x4"));
    CHECK_MEM(request.identity, "a\\xzz\\x4", 8);
    char line[DG_REQUEST_MAX + 2] = "text why ";
    for (int i = 0; i < DG_IDENTITY_MAX; i++)
        strcat(line, "\\x00");
    CHECK(parse(line) && request.identity_size == DG_IDENTITY_MAX);
    strcat(line, "x");
    CHECK(!parse(line));
}

DG_TEST(request_patterns_keep_what_was_escaped_as_itself)
{
    const struct dg_bytes star = {(const uint8_t *)"a*", 2}, letter = {(const uint8_t *)"ab", 2};
    const struct dg_bytes backslash = {(const uint8_t *)"a\\", 2}, zero = {(const uint8_t *)"a\0", 2};
    CHECK(parse("text associations a\\x2a"));
    CHECK(dg_policy_pattern_fits(request.pattern, star));
    CHECK(!dg_policy_pattern_fits(request.pattern, letter));
    CHECK(parse("text associations a\\x5c"));
    CHECK(dg_policy_pattern_fits(request.pattern, backslash));
    CHECK(!dg_policy_pattern_fits(request.pattern, letter));
    CHECK(parse("text associations a\\x00"));
    CHECK(dg_policy_pattern_fits(request.pattern, zero));
    char line[400] = "text associations ";
    memset(line + strlen(line), 'a', 300);
    CHECK(!parse(line));
}

DG_TEST(request_addresses_are_known_from_identities)
{
    CHECK(parse("text why 192.0.2.1") && request.has_address && request.address.port == 0);
    CHECK(parse("text why 192.0.2.1:5684") && request.has_address && request.address.port == 5684);
    CHECK(parse("text why 2001:db8::1") && request.has_address);
    CHECK(parse("text why [2001:db8::1]:5684") && request.has_address && request.address.port == 5684);
    CHECK(parse("text why sensor-17") && !request.has_address && request.identity_size == 9);
    CHECK(parse("text why 192.0.2") && !request.has_address);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(request_of_each_command),
        DG_CASE(request_that_is_none_is_told_what_is_expected),
        DG_CASE(request_identities_are_read_as_they_are_shown),
        DG_CASE(request_patterns_keep_what_was_escaped_as_itself),
        DG_CASE(request_addresses_are_known_from_identities),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
