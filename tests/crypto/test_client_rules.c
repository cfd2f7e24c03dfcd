// SPDX-License-Identifier: GPL-3.0-or-later
//
// Clients that are known by the fingerprint of their certificate, rules for the names in certificates, and what becomes
// of an association when its fingerprint or its rule is gone.

#include "check.h"
#include "crypto/inner.h"
#include "support/credential_kit.h"
#include "support/gate_rig.h"

#include <stdio.h>
#include <string.h>

static struct rig rig;
static struct dg_handover handover;

static struct wolf_client_config client_with(int version, const struct dg_pki_pem *pem)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = pem->certificate,
                                       .key = pem->key,
                                       .groups = {WOLF_GROUP_X25519}};
}

static void check_refused(const struct dg_pki_pem *pem, enum dg_counter counter, const char *reason)
{
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = client_with(version, pem);
        struct dg_handshake_failure failure = {.reason = "it was let in"};
        REQUIRE(rig_client(&rig, &config));
        CHECK(rig_run(&rig) != DG_STEP_DONE);
        if (rig.handshake != NULL)
            dg_wolf_handshake.why(rig.handshake, &failure);
        CHECK_STR(failure.reason, reason);
        CHECK_EQ(failure.counter, counter);
        rig_hang_up(&rig);
    }
}

static void check_taken(const struct dg_pki_pem *pem, const char *identity)
{
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = client_with(version, pem);
        CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
        CHECK_EQ(handover.identity_kind, DG_IDENTITY_CERTIFICATE);
        CHECK_EQ(handover.identity_size, strlen(identity));
        CHECK_MEM(handover.identity, identity, handover.identity_size);
        CHECK(rig_exchange(&rig, &handover));
        rig_hang_up(&rig);
    }
}

static bool is_known(void)
{
    struct dg_bytes identity = {handover.identity, handover.identity_size};
    return dg_gate_knows_credential(rig.gate, handover.identity_kind, handover.credential, handover.leaf, identity);
}

// --- fingerprints -------------------------------------------------------------

#define UNKNOWN_CA "the client's certificate is of an unknown CA"

DG_TEST(fingerprint_lets_a_self_signed_certificate_in)
{
    static const enum dg_key_kind kinds[] = {DG_KEY_P256, DG_KEY_RSA, DG_KEY_ED25519};
    char lines[512] = "# meters\n";
    struct dg_pki_pem pinned[3], stranger;
    for (size_t i = 0; i < 3; i++) {
        const struct kit_request request = {.kind = kinds[i], .use = DG_PKI_CLIENT, .common_name = "own"};
        REQUIRE(kit_make(&request, &pinned[i]) == NULL);
        kit_fingerprint(&pinned[i], lines + strlen(lines));
        strcat(lines, "  a comment\n");
    }
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "own"};
    REQUIRE(kit_make(&request, &stranger) == NULL);
    for (int with_ca = 0; with_ca < 2; with_ca++) {
        struct rig_options options = {.with_certificate = true, .with_client_ca = with_ca == 1, .fingerprints = lines};
        REQUIRE(rig_new(&rig, &options));
        for (size_t i = 0; i < 3; i++)
            check_taken(&pinned[i], "own");
        CHECK(is_known());
        check_refused(&stranger, DG_COUNT_FAIL_CERTIFICATE, UNKNOWN_CA);
        if (with_ca == 1)
            check_taken(&rig_pki()->client, "client-1");
        else
            check_refused(&rig_pki()->client, DG_COUNT_FAIL_CERTIFICATE, UNKNOWN_CA);
        rig_free(&rig);
    }
    // Its line is gone.
    kit_fingerprint(&stranger, lines);
    struct rig_options options = {.with_certificate = true, .with_client_ca = true, .fingerprints = lines};
    REQUIRE(rig_new(&rig, &options));
    struct dg_pki_pem last = pinned[2];
    check_refused(&last, DG_COUNT_FAIL_CERTIFICATE, UNKNOWN_CA);
    check_taken(&stranger, "own");
    const uint64_t leaf = handover.leaf;
    CHECK(is_known());
    handover.leaf ^= 1;
    CHECK(!is_known());
    handover.leaf = leaf;
    rig_free(&rig);
    options.fingerprints = NULL;
    REQUIRE(rig_new(&rig, &options));
    CHECK(!is_known());
    rig_free(&rig);
}

// A nameless certificate goes by its fingerprint; dates and use count all the same.
DG_TEST(fingerprint_does_not_excuse_dates_and_use)
{
    char lines[512];
    struct dg_pki_pem nameless, expired;
    const struct kit_request without = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = ""};
    const struct kit_request old = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "old", .days = -1};
    REQUIRE(kit_make(&without, &nameless) == NULL && kit_make(&old, &expired) == NULL);
    kit_fingerprint(&nameless, lines);
    char name[7 + 32 + 1];
    snprintf(name, sizeof name, "%.39s", lines);
    strcat(lines, "\n");
    kit_fingerprint(&expired, lines + strlen(lines));
    strcat(lines, "\n");
    kit_fingerprint(&rig_pki()->server, lines + strlen(lines));
    struct rig_options options = {.with_certificate = true, .fingerprints = lines};
    REQUIRE(rig_new(&rig, &options));
    check_taken(&nameless, name);
    check_refused(&expired, DG_COUNT_FAIL_CERTIFICATE, "the client's certificate has expired");
    check_refused(&rig_pki()->server, DG_COUNT_FAIL_CERTIFICATE, "the client's certificate is for another purpose");
    rig_free(&rig);
}

// The certificate is public: whoever shows it must hold its key. And a CA sent along is nobody's, so that the library does
// not keep it as one of its own.
DG_TEST(fingerprint_is_no_proof_without_the_key)
{
    char lines[128];
    struct dg_pki_pem pinned, ca, forged;
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "own"};
    const struct kit_request authority = {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "own"};
    const struct kit_request child = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "child", .issuer = &ca};
    REQUIRE(kit_make(&request, &pinned) == NULL && kit_make(&authority, &ca) == NULL && kit_make(&child, &forged) == NULL);
    kit_fingerprint(&pinned, lines);
    struct rig_options options = {.with_certificate = true, .with_client_ca = true, .fingerprints = lines};
    REQUIRE(rig_new(&rig, &options));
    struct dg_pki_pem chain = pinned;
    strcat(chain.certificate, ca.certificate);
    check_refused(&chain, DG_COUNT_FAIL_CERTIFICATE, UNKNOWN_CA);
    check_refused(&forged, DG_COUNT_FAIL_CERTIFICATE, UNKNOWN_CA);
    check_taken(&pinned, "own");
    rig_free(&rig);
}

// --- names --------------------------------------------------------------------

#define OTHER_NAME "the client's certificate bears none of the names that client-names lets in"

DG_TEST(names_decide_among_certificates_of_one_ca)
{
    static const struct {
        const char *rule;
        struct kit_request request;
        bool is_taken;
    } cases[] = {
        {"dns:*.meters.example", {.dns = {"m1.meters.example"}}, true},
        {"dns:*.METERS.example", {.dns = {"x.example", "M1.Meters.Example"}}, true},
        {"dns:*.meters.example", {.dns = {"m1.meters.example.org"}}, false},
        {"dns:*.meters.example", {.uri = "coap:m1.meters.example"}, false},
        {"dns:m?", {.dns = {"m1"}}, true},
        {"dns:m?", {.dns = {"m12"}}, false},
        {"uri:urn:meter:*", {.uri = "urn:meter:7"}, true},
        {"uri:urn:meter:*", {.uri = "urn:Meter:7"}, false},
        {"email:*@example.org", {.email = "a@example.org"}, true},
        {"email:*@example.org", {.email = "a@example.com"}, false},
        {"cn:client", {0}, true},
        {"cn:clien", {0}, false},
        {"cn:*", {0}, true},
        {"ou:Metering", {.unit = "Metering"}, true},
        {"ou:Metering", {.unit = "Billing"}, false},
        {"ou:Metering", {.dns = {"Metering"}}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kit_request request = cases[i].request;
        struct dg_pki_pem pem;
        request.kind = DG_KEY_P256;
        request.use = DG_PKI_CLIENT;
        request.common_name = "client";
        request.issuer = &rig_pki()->ca;
        REQUIRE(kit_make(&request, &pem) == NULL);
        struct rig_options options = {.with_certificate = true, .with_client_ca = true,
                                      .names = {"dns:nobody.example", cases[i].rule}};
        REQUIRE(rig_new(&rig, &options));
        struct wolf_client_config config = client_with(13, &pem);
        REQUIRE(rig_client(&rig, &config));
        CHECK_MSG((rig_run(&rig) == DG_STEP_DONE) == cases[i].is_taken, "case %zu: %s", i, cases[i].rule);
        rig_hang_up(&rig);
        if (!cases[i].is_taken)
            check_refused(&pem, DG_COUNT_FAIL_CLIENT_NAME, OTHER_NAME);
        rig_free(&rig);
    }
}

DG_TEST(rule_for_names_that_is_gone_ends_what_it_let_in)
{
    struct dg_pki_pem pem;
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "client",
                                        .dns = {"m1.meters.example"}, .issuer = &rig_pki()->ca};
    REQUIRE(kit_make(&request, &pem) == NULL);
    struct rig_options options = {.with_certificate = true, .with_client_ca = true,
                                  .names = {"cn:nobody", "dns:*.meters.example"}};
    REQUIRE(rig_new(&rig, &options));
    check_taken(&pem, "m1.meters.example");
    CHECK(is_known());
    rig_free(&rig);
    static const struct {
        const char *rules[2];
        bool is_known;
    } after[] = {
        {{"dns:*.meters.example"}, true},           // the other rule is gone
        {{"cn:nobody"}, false},                     // its rule is gone
        {{"cn:nobody", "dns:*.meters.org"}, false}, // it is another now
        {{NULL}, true},                             // every name is let in
    };
    for (size_t i = 0; i < sizeof after / sizeof after[0]; i++) {
        options.names[0] = after[i].rules[0];
        options.names[1] = after[i].rules[1];
        REQUIRE(rig_new(&rig, &options));
        CHECK_MSG(is_known() == after[i].is_known, "case %zu", i);
        rig_free(&rig);
    }
    // Let in before there were rules: nobody has looked at its names.
    options.names[0] = options.names[1] = NULL;
    REQUIRE(rig_new(&rig, &options));
    check_taken(&pem, "m1.meters.example");
    rig_free(&rig);
    options.names[0] = "dns:*.meters.example";
    REQUIRE(rig_new(&rig, &options));
    CHECK(!is_known());
    rig_free(&rig);
}

DG_TEST(names_count_for_fingerprints_and_not_for_keys)
{
    char lines[128];
    struct dg_pki_pem pinned;
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "own", .unit = "Metering"};
    REQUIRE(kit_make(&request, &pinned) == NULL);
    kit_fingerprint(&pinned, lines);
    struct rig_options options = {.with_certificate = true, .with_raw_keys = true, .fingerprints = lines,
                                  .names = {"ou:Metering"}};
    REQUIRE(rig_new(&rig, &options));
    check_taken(&pinned, "own");
    struct wolf_client_config raw = client_with(13, &rig_pki()->raw_client);
    raw.certificate = NULL;
    raw.public_key = rig_pki()->raw_client.public_key;
    CHECK(rig_client(&rig, &raw) && rig_take(&rig, &handover));
    CHECK_EQ(handover.identity_kind, DG_IDENTITY_RAW_PUBLIC_KEY);
    rig_free(&rig);
    options.names[0] = "ou:Billing";
    REQUIRE(rig_new(&rig, &options));
    check_refused(&pinned, DG_COUNT_FAIL_CLIENT_NAME, OTHER_NAME);
    rig_free(&rig);
}

DG_TEST(rules_for_names_that_are_none_are_refused)
{
    static const char *const rules[] = {"meters.example", "dns:", "DNS:x", "ip:192.0.2.1", ""};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        struct rig_options options = {.with_certificate = true, .with_client_ca = true, .names = {rules[i]}};
        CHECK(!rig_new(&rig, &options));
        CHECK_MSG(strstr(rig.error, "--client-names") != NULL, "%s", rig.error);
        rig_free(&rig);
    }
    // What looks like a key is not repeated.
    static const char *const keys[] = {"x:00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct rig_options options = {.with_certificate = true, .with_client_ca = true, .names = {"cn:x", keys[i]}};
        CHECK(!rig_new(&rig, &options));
        CHECK_MSG(strstr(rig.error, "--client-names, rule 2: ") != NULL && strstr(rig.error, "8899aa") == NULL, "%s", rig.error);
        rig_free(&rig);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(fingerprint_lets_a_self_signed_certificate_in),
        DG_CASE(fingerprint_does_not_excuse_dates_and_use),
        DG_CASE(fingerprint_is_no_proof_without_the_key),
        DG_CASE(names_decide_among_certificates_of_one_ca),
        DG_CASE(rule_for_names_that_is_gone_ends_what_it_let_in),
        DG_CASE(names_count_for_fingerprints_and_not_for_keys),
        DG_CASE(rules_for_names_that_are_none_are_refused),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
