// SPDX-License-Identifier: GPL-3.0-or-later
// Rules: which one decides, networks and patterns as text (the patterns beside a plain recursive matcher).
#include "check.h"
#include "core/policy.h"
#include "core/slot.h"
#include "support/random.h"

#include <stdio.h>
#include <string.h>

static struct dg_address address_of(const char *text)
{
    struct dg_address address = {.port = 0};
    CHECK_MSG(dg_address_parse(text, &address), "%s", text);
    return address;
}

static struct dg_bytes bytes_of(const char *text)
{
    return (struct dg_bytes){(const uint8_t *)text, strlen(text)};
}

static bool holds(const char *network, const char *address)
{
    struct dg_network parsed;
    struct dg_address peer = address_of(address);
    if (!dg_check_msg(dg_network_parse(network, &parsed), __FILE__, __LINE__, "parse", "%s", network))
        return false;
    return dg_network_holds(&parsed, &peer);
}

// --- networks ---------------------------------------------------------------------

DG_TEST(policy_network_holds_the_addresses_of_its_prefix)
{
    CHECK(holds("192.0.2.0/24", "192.0.2.255:5684"));
    CHECK(!holds("192.0.2.0/24", "192.0.3.0:5684"));
    CHECK(holds("192.0.2.128/25", "192.0.2.129:5684"));
    CHECK(!holds("192.0.2.128/25", "192.0.2.127:5684"));
    CHECK(holds("192.0.2.7", "192.0.2.7:1"));
    CHECK(!holds("192.0.2.7", "192.0.2.6:1"));
    CHECK(holds("0.0.0.0/0", "203.0.113.9:1"));
    CHECK(holds("2001:db8::/32", "[2001:db8:ffff::1]:1"));
    CHECK(!holds("2001:db8::/32", "[2001:db9::1]:1"));
    CHECK(holds("2001:db8::/29", "[2001:dbf::1]:1"));
    CHECK(holds("2001:db8::1", "[2001:db8::1]:1"));
    CHECK(holds("fe80::/10", "[fe80::1%3]:1"));
}

// Who writes ::/0 means IPv6, although IPv4 addresses are kept in their mapped form.
DG_TEST(policy_network_of_one_family_holds_nothing_of_the_other)
{
    CHECK(holds("::/0", "[2001:db8::1]:1"));
    CHECK(!holds("::/0", "192.0.2.1:1"));
    CHECK(!holds("::/64", "192.0.2.1:1"));
    CHECK(!holds("0.0.0.0/0", "[2001:db8::1]:1"));
    CHECK(holds("::ffff:c000:200/120", "192.0.2.1:1")); // the mapped form is IPv4
}

DG_TEST(policy_network_refuses_what_is_none)
{
    static const char *const WRONG[] = {"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.1/24", "192.0.2.0/24 ",
                                        "192.0.2.0/+24", "192.0.2/24", "192.0.2.0:1/24", "2001:db8::/129",
                                        "2001:db8::1/64", "[2001:db8::]/32", "fe80::1%3", "fe80::%3/64", "sensor",
                                        "192.0.2.0/1000", "192.0.2.0/24/24", "2001:db8::/-1",
                                        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff/32"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct dg_network network;
        CHECK_MSG(!dg_network_parse(WRONG[i], &network), "\"%s\" was taken", WRONG[i]);
    }
}

// --- patterns ---------------------------------------------------------------------

DG_TEST(policy_pattern_fits_as_operators_expect)
{
    CHECK(dg_policy_pattern_fits("", bytes_of("anybody")));
    CHECK(dg_policy_pattern_fits("*", bytes_of("anybody")));
    CHECK(dg_policy_pattern_fits("*", bytes_of("")));
    CHECK(dg_policy_pattern_fits("sensor-*", bytes_of("sensor-17")));
    CHECK(dg_policy_pattern_fits("sensor-*", bytes_of("sensor-")));
    CHECK(!dg_policy_pattern_fits("sensor-*", bytes_of("a-sensor-17")));
    CHECK(!dg_policy_pattern_fits("sensor", bytes_of("sensor-17")));
    CHECK(!dg_policy_pattern_fits("sensor-17", bytes_of("sensor")));
    CHECK(dg_policy_pattern_fits("sensor-??", bytes_of("sensor-17")));
    CHECK(!dg_policy_pattern_fits("sensor-??", bytes_of("sensor-1")));
    CHECK(dg_policy_pattern_fits("*-17", bytes_of("sensor-17-17")));
    CHECK(dg_policy_pattern_fits("a\\*b", bytes_of("a*b")));
    CHECK(!dg_policy_pattern_fits("a\\*b", bytes_of("axb")));
    CHECK(dg_policy_pattern_fits("a\\\\", bytes_of("a\\")));
    CHECK(dg_policy_pattern_fits("a\\", bytes_of("a\\")));
    CHECK(!dg_policy_pattern_fits("Sensor", bytes_of("sensor")));
    const uint8_t with_nul[] = {'a', 0, 'b'};
    CHECK(!dg_policy_pattern_fits("a", (struct dg_bytes){with_nul, sizeof with_nul})); // what comes after a NUL counts
    CHECK(dg_policy_pattern_fits("a?b", (struct dg_bytes){with_nul, sizeof with_nul}));
}

static bool fits_plainly(const char *pattern, const char *text)
{
    if (*pattern == '\0')
        return *text == '\0';
    if (*pattern == '*')
        return fits_plainly(pattern + 1, text) || (*text != '\0' && fits_plainly(pattern, text + 1));
    if (*text == '\0')
        return false;
    if (*pattern == '?')
        return fits_plainly(pattern + 1, text + 1);
    if (*pattern == '\\' && pattern[1] != '\0')
        pattern++;
    return *pattern == *text && fits_plainly(pattern + 1, text + 1);
}

DG_TEST(policy_pattern_agrees_with_a_plain_matcher)
{
    struct test_random random = {.state = dg_test_seed()};
    for (unsigned round = 0; round < 20000; round++) {
        static const char LETTERS[] = "ab*?\\";
        char pattern[9], text[9];
        size_t pattern_size = 1 + test_random_next(&random) % 8, text_size = test_random_next(&random) % 9;
        for (size_t i = 0; i < pattern_size; i++)
            pattern[i] = LETTERS[test_random_next(&random) % 5];
        for (size_t i = 0; i < text_size; i++)
            text[i] = LETTERS[test_random_next(&random) % 4];
        pattern[pattern_size] = text[text_size] = '\0';
        CHECK_MSG(dg_policy_pattern_fits(pattern, bytes_of(text)) == fits_plainly(pattern, text), "\"%s\" \"%s\"", pattern,
                  text);
    }
}

// --- rules ------------------------------------------------------------------------

enum { HERE = 11, THERE = 12, BARE = 13, ELSEWHERE = 14 };

static struct dg_policy_verdict judge(const struct dg_policy *policy, uint64_t listener, const char *identity,
                                      uint8_t kind, const char *from)
{
    struct dg_address peer = address_of(from);
    return dg_policy_judge(policy, &(struct dg_policy_subject){.listener = listener,
                                                               .identity = bytes_of(identity),
                                                               .identity_kind = kind,
                                                               .peer = &peer});
}

static struct dg_policy *make_policy(void)
{
    static struct dg_policy_rule rules[4], others[1];
    memset(rules, 0, sizeof rules);
    memset(others, 0, sizeof others);
    rules[0] = (struct dg_policy_rule){.name = "stolen", .identity = "sensor-13", .is_denied = true};
    rules[1] = (struct dg_policy_rule){.name = "sensors", .identity = "sensor-*", .proofs = 1 << DG_IDENTITY_PSK,
                                       .network_count = 2, .backend = 3, .messages_rate = 10};
    CHECK(dg_network_parse("192.0.2.0/24", &rules[1].networks[0]));
    CHECK(dg_network_parse("2001:db8::/32", &rules[1].networks[1]));
    rules[2] = (struct dg_policy_rule){.identity = "admin", .backend = 4,
                                       .proofs = 1 << DG_IDENTITY_CERTIFICATE | 1 << DG_IDENTITY_RAW_PUBLIC_KEY};
    rules[3] = (struct dg_policy_rule){.name = "nobody", .identity = "sensor-*", .is_denied = true};
    others[0] = (struct dg_policy_rule){.name = "all", .associations_max = 2};
    static const uint64_t first[] = {HERE, THERE}, second[] = {BARE}, third[] = {15};
    struct dg_policy_listener listeners[] = {
        {.digests = first, .digest_count = 2, .rules = rules, .rule_count = 4, .backend = 1},
        {.digests = second, .digest_count = 1, .backend = 2},
        {.digests = third, .digest_count = 1, .rules = others, .rule_count = 1},
    };
    struct dg_policy *policy = dg_policy_new(listeners, 3);
    memset(rules, 0xee, sizeof rules); // all of it was copied
    memset(others, 0xee, sizeof others);
    return policy;
}

DG_TEST(policy_first_rule_that_fits_decides)
{
    struct dg_policy *policy = make_policy();
    REQUIRE(policy != NULL);
    struct dg_policy_verdict verdict = judge(policy, HERE, "sensor-1", DG_IDENTITY_PSK, "192.0.2.9:1");
    CHECK(verdict.is_allowed);
    CHECK_EQ(verdict.rule, 1);
    CHECK_EQ(dg_policy_rule_at(policy, verdict.rule)->backend, 3);
    CHECK(judge(policy, THERE, "sensor-1", DG_IDENTITY_PSK, "[2001:db8::1]:1").is_allowed);
    verdict = judge(policy, HERE, "sensor-13", DG_IDENTITY_PSK, "192.0.2.9:1");
    CHECK(!verdict.is_allowed);
    CHECK_EQ(verdict.rule, 0);
    verdict = judge(policy, HERE, "sensor-1", DG_IDENTITY_PSK, "203.0.113.9:1"); // from elsewhere
    CHECK(!verdict.is_allowed);
    CHECK_EQ(verdict.rule, 3);
    CHECK(!judge(policy, HERE, "sensor-1", DG_IDENTITY_CERTIFICATE, "192.0.2.9:1").is_allowed); // another proof
    CHECK(judge(policy, HERE, "admin", DG_IDENTITY_CERTIFICATE, "203.0.113.9:1").is_allowed);
    CHECK(judge(policy, HERE, "admin", DG_IDENTITY_RAW_PUBLIC_KEY, "203.0.113.9:1").is_allowed);
    CHECK(!judge(policy, HERE, "admin", DG_IDENTITY_PSK, "203.0.113.9:1").is_allowed);
    dg_policy_free(policy);
}

DG_TEST(policy_denies_whom_no_rule_fits)
{
    struct dg_policy *policy = make_policy();
    REQUIRE(policy != NULL);
    struct dg_policy_verdict verdict = judge(policy, HERE, "stranger", DG_IDENTITY_PSK, "192.0.2.9:1");
    CHECK(!verdict.is_allowed);
    CHECK_EQ(verdict.rule, DG_POLICY_NO_RULE);
    CHECK(!judge(policy, ELSEWHERE, "admin", DG_IDENTITY_CERTIFICATE, "192.0.2.9:1").is_allowed); // unknown listener
    CHECK(!judge(policy, BARE, "admin", 200, "192.0.2.9:1").is_allowed); // no such proof: a damaged slot
    struct dg_policy *none = dg_policy_new(NULL, 0);
    REQUIRE(none != NULL);
    CHECK(!judge(none, HERE, "admin", DG_IDENTITY_CERTIFICATE, "192.0.2.9:1").is_allowed);
    CHECK(dg_policy_rule_at(none, 0) == NULL);
    dg_policy_free(none);
    dg_policy_free(policy);
}

DG_TEST(policy_listener_without_rules_allows_the_proven)
{
    struct dg_policy *policy = make_policy();
    REQUIRE(policy != NULL);
    struct dg_policy_verdict verdict = judge(policy, BARE, "anybody", DG_IDENTITY_PSK, "203.0.113.9:1");
    CHECK(verdict.is_allowed);
    REQUIRE(dg_policy_rule_at(policy, verdict.rule) != NULL);
    CHECK_EQ(dg_policy_rule_at(policy, verdict.rule)->backend, 2);
    dg_policy_free(policy);
}

DG_TEST(policy_rules_are_known_by_name_or_place)
{
    struct dg_policy *policy = make_policy();
    REQUIRE(policy != NULL);
    char text[DG_POLICY_RULE_TEXT];
    dg_policy_rule_text(policy, 1, text);
    CHECK_STR(text, "sensors");
    dg_policy_rule_text(policy, 2, text);
    CHECK_STR(text, "rule 3");
    dg_policy_rule_text(policy, 4, text); // the second listener's, which nobody wrote
    CHECK_STR(text, "rule 1");
    dg_policy_rule_text(policy, DG_POLICY_NO_RULE, text);
    CHECK_STR(text, "no rule");
    CHECK(dg_policy_has_rates(policy));
    CHECK(dg_policy_has_limits(policy));
    dg_policy_free(policy);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(policy_network_holds_the_addresses_of_its_prefix),
        DG_CASE(policy_network_of_one_family_holds_nothing_of_the_other),
        DG_CASE(policy_network_refuses_what_is_none),
        DG_CASE(policy_pattern_fits_as_operators_expect),
        DG_CASE(policy_pattern_agrees_with_a_plain_matcher),
        DG_CASE(policy_first_rule_that_fits_decides),
        DG_CASE(policy_denies_whom_no_rule_fits),
        DG_CASE(policy_listener_without_rules_allows_the_proven),
        DG_CASE(policy_rules_are_known_by_name_or_place),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
