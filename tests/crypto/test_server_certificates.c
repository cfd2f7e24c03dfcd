// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a server shows of itself: every kind of key in both versions, one of several certificates by the name that a
// client asks for and by what it can verify, and certificates that no server may start with.

#include "check.h"
#include "crypto/choice.h"
#include "crypto/inner.h"
#include "support/credential_kit.h"
#include "support/gate_rig.h"

#include <stdio.h>
#include <string.h>

static struct rig rig;
static struct dg_handover handover;

static const enum dg_key_kind kinds[] = {DG_KEY_P256, DG_KEY_P384, DG_KEY_RSA, DG_KEY_ED25519};
static const char *const kind_names[] = {"P-256", "P-384", "RSA", "Ed25519"};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const struct dg_pki_pem *of_kind(size_t kind)
{
    static struct dg_pki_pem made[KINDS];
    if (made[kind].key[0] == '\0') {
        const struct kit_request request = {.kind = kinds[kind], .use = DG_PKI_SERVER, .common_name = "gate.example",
                                            .dns = {"gate.example"}, .issuer = &rig_pki()->ca};
        const char *problem = kit_make(&request, &made[kind]);
        CHECK_MSG(problem == NULL, "%s: %s", kind_names[kind], problem);
    }
    return &made[kind];
}

static struct wolf_client_config client_of(int version)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = rig_pki()->client.certificate,
                                       .key = rig_pki()->client.key,
                                       .groups = {WOLF_GROUP_X25519, WOLF_GROUP_P256, WOLF_GROUP_P384}};
}

static const struct rig_options usual = {.with_certificate = true, .with_client_ca = true};

static bool is_shown(const struct dg_pki_pem *pem)
{
    uint8_t wanted[4096], shown[4096];
    size_t size = kit_der(pem, wanted, sizeof wanted);
    return size > 0 && wolf_client_server_certificate(rig.client, shown, sizeof shown) == size &&
           memcmp(wanted, shown, size) == 0;
}

DG_TEST(server_keys_of_every_kind_in_both_versions)
{
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct rig_options options = usual;
        (void)rig_pki();
        options.server = of_kind(kind);
        CHECK_MSG(rig_new(&rig, &options), "%s: %s", kind_names[kind], rig.error);
        for (int version = 12; rig.gate != NULL && version <= 13; version++) {
            struct wolf_client_config config = client_of(version);
            CHECK_MSG(rig_client(&rig, &config) && rig_take(&rig, &handover), "%s in 1.%d: %d", kind_names[kind],
                      version - 10, rig.client != NULL ? wolf_client_error(rig.client) : 0);
            CHECK(is_shown(options.server));
            CHECK(rig_exchange(&rig, &handover));
            rig_hang_up(&rig);
            config.accept_server_raw_key = true; // RFC 7250
            config.ca = NULL;
            if (version == 13)
                CHECK_MSG(rig_client(&rig, &config) && rig_take(&rig, &handover), "%s raw", kind_names[kind]);
            rig_hang_up(&rig);
        }
        rig_free(&rig);
    }
}

// Clients with every kind of key too.
DG_TEST(client_keys_of_every_kind_in_both_versions)
{
    REQUIRE(rig_new(&rig, &usual));
    for (size_t kind = 0; kind < KINDS; kind++) {
        struct dg_pki_pem pem;
        const struct kit_request request = {.kind = kinds[kind], .use = DG_PKI_CLIENT, .common_name = "meter",
                                            .uri = "urn:meter:7", .issuer = &rig_pki()->ca};
        REQUIRE(kit_make(&request, &pem) == NULL);
        for (int version = 12; version <= 13; version++) {
            struct wolf_client_config config = client_of(version);
            config.certificate = pem.certificate;
            config.key = pem.key;
            CHECK_MSG(rig_client(&rig, &config) && rig_take(&rig, &handover), "%s in 1.%d", kind_names[kind],
                      version - 10);
            CHECK_EQ(handover.identity_size, 11);
            CHECK_MEM(handover.identity, "urn:meter:7", 11);
            CHECK(handover.leaf != 0);
            rig_hang_up(&rig);
        }
    }
    rig_free(&rig);
}

// --- by name ------------------------------------------------------------------

static struct dg_pki_pem first, exact, wildcard;

static bool make_named(void)
{
    const struct kit_request requests[] = {
        {.kind = DG_KEY_P256, .use = DG_PKI_SERVER, .common_name = "first", .dns = {"first.example"}, .issuer = &rig_pki()->ca},
        {.kind = DG_KEY_P256, .use = DG_PKI_SERVER, .common_name = "a", .dns = {"other.example", "a.b.example"}, .issuer = &rig_pki()->ca},
        {.kind = DG_KEY_P256, .use = DG_PKI_SERVER, .common_name = "w", .dns = {"*.B.example"}, .issuer = &rig_pki()->ca}};
    return first.key[0] != '\0' || (kit_make(&requests[0], &first) == NULL && kit_make(&requests[1], &exact) == NULL &&
                                    kit_make(&requests[2], &wildcard) == NULL);
}

// RFC 6066 3, RFC 9525 6.3
DG_TEST(server_certificate_is_chosen_by_name)
{
    REQUIRE(make_named());
    const struct {
        const char *name;
        const struct dg_pki_pem *shown;
        bool is_answered;
    } cases[] = {
        {NULL, &first, false},          {"first.example", &first, true},   {"FIRST.example", &first, true},
        {"other.example", &exact, true}, {"a.b.example", &exact, true},    {"c.b.example", &wildcard, true},
        {"C.B.EXAMPLE", &wildcard, true}, {"b.example", &first, false},    {"c.d.b.example", &first, false},
        {"unknown.example", &first, false}, {".b.example", &first, false}, {"x", &first, false},
    };
    struct rig_options options = usual;
    options.server = &first;
    options.more_servers[0] = &wildcard;
    options.more_servers[1] = &exact;
    REQUIRE(rig_new(&rig, &options));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int version = 12; version <= 13; version++) {
            struct wolf_client_config config = client_of(version);
            config.server_name = cases[i].name;
            const char *name = cases[i].name != NULL ? cases[i].name : "(none)";
            CHECK_MSG(rig_client(&rig, &config) && rig_take(&rig, &handover), "%s in 1.%d", name, version - 10);
            CHECK_MSG(is_shown(cases[i].shown), "%s in 1.%d", name, version - 10);
            if (cases[i].name != NULL)
                CHECK_MSG(wolf_client_sni_answered(rig.client) == cases[i].is_answered, "%s in 1.%d", name, version - 10);
            CHECK(rig_exchange(&rig, &handover));
            rig_hang_up(&rig);
        }
    rig_free(&rig);
}

// A session goes on under the name that it was made under.
DG_TEST(sessions_resume_under_a_chosen_certificate)
{
    REQUIRE(make_named());
    struct rig_options options = usual;
    options.server = &first;
    options.more_servers[0] = &exact;
    REQUIRE(rig_new(&rig, &options));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = client_of(version);
        config.server_name = "a.b.example";
        config.tickets = true;
        REQUIRE(rig_client(&rig, &config) && rig_take(&rig, &handover) && rig_exchange(&rig, &handover));
        uint64_t leaf = handover.leaf;
        struct wolf_session *session = wolf_client_session(rig.client);
        REQUIRE(session != NULL);
        rig_hang_up(&rig);
        REQUIRE(rig_client(&rig, &config) && wolf_client_resume(rig.client, session));
        CHECK(rig_take(&rig, &handover));
        CHECK_EQ(handover.resumed, 1);
        CHECK_EQ(wolf_client_sni_answered(rig.client), version == 13); // RFC 6066 3: never in a resumed one of 1.2
        CHECK_EQ(handover.leaf, leaf);
        CHECK(leaf != 0);
        rig_hang_up(&rig);
        config.server_name = "first.example"; // RFC 6066 3: under another name it does not go on
        REQUIRE(rig_client(&rig, &config) && wolf_client_resume(rig.client, session));
        CHECK(rig_take(&rig, &handover));
        CHECK_EQ(handover.resumed, 0);
        rig_hang_up(&rig);
        wolf_session_free(session);
    }
    rig_free(&rig);
}

// --- by what the client verifies ----------------------------------------------

static size_t chosen(const enum dg_key_kind own_kinds[3], const struct dg_peek *peek)
{
    static char names[1][DG_OWN_NAME_MAX] = {"gate.example"};
    struct dg_own own[3] = {0};
    for (size_t i = 0; i < 3; i++)
        own[i] = (struct dg_own){.kind = own_kinds[i], .names = names, .name_count = 1};
    return dg_choose_certificate(own, 3, peek);
}

// RFC 8446 4.4.2.2, RFC 5246 7.4.1.4.1, RFC 8422 5.1
DG_TEST(certificate_is_one_that_the_client_can_verify)
{
    static const enum dg_key_kind own[3] = {DG_KEY_ED25519, DG_KEY_P384, DG_KEY_RSA};
    struct dg_peek peek = {.offers_13 = true, .schemes = DG_SCHEME_RSA_PSS | DG_SCHEME_ECDSA_P256};
    CHECK_EQ(chosen(own, &peek), 2);
    peek.schemes = DG_SCHEME_ECDSA_P384 | DG_SCHEME_RSA_PSS;
    CHECK_EQ(chosen(own, &peek), 1);
    peek.schemes |= DG_SCHEME_ED25519;
    CHECK_EQ(chosen(own, &peek), 0);
    peek.schemes = DG_SCHEME_RSA_PKCS1; // of DTLS 1.2 alone: nothing fits, so the first
    CHECK_EQ(chosen(own, &peek), 0);
    peek = (struct dg_peek){.schemes = DG_SCHEME_RSA_PKCS1 | DG_SCHEME_ECDSA_P256, .has_rsa_suite = true};
    CHECK_EQ(chosen(own, &peek), 2);
    peek.has_ecdsa_suite = true;
    CHECK_EQ(chosen(own, &peek), 1); // in DTLS 1.2 any hash goes with any curve
    peek.has_groups = true;
    peek.curves = DG_CURVE_P256;
    CHECK_EQ(chosen(own, &peek), 2);
    peek.curves |= DG_CURVE_P384;
    CHECK_EQ(chosen(own, &peek), 1);
    // A name goes before that: the client judges what it gets.
    peek = (struct dg_peek){.offers_13 = true, .schemes = DG_SCHEME_RSA_PSS};
    strcpy(peek.server_name, "other.example");
    CHECK_EQ(chosen(own, &peek), 2);
    struct dg_own two[2] = {{.kind = DG_KEY_RSA}, {.kind = DG_KEY_P256}};
    static char names[1][DG_OWN_NAME_MAX] = {"other.example"};
    two[1].names = names;
    two[1].name_count = 1;
    CHECK_EQ(dg_choose_certificate(two, 2, &peek), 1);
}

DG_TEST(suites_of_dtls_12_choose_between_rsa_and_ecdsa)
{
    (void)rig_pki();
    struct rig_options options = usual;
    options.server = of_kind(0);
    options.more_servers[0] = of_kind(2);
    REQUIRE(rig_new(&rig, &options));
    static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"};
    for (size_t i = 0; i < 2; i++) {
        struct wolf_client_config config = client_of(12);
        config.suites = suites[i];
        config.server_name = "gate.example";
        CHECK_MSG(rig_client(&rig, &config) && rig_take(&rig, &handover), "%s", suites[i]);
        CHECK(is_shown(of_kind(i == 0 ? 0 : 2)));
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// --- what no server starts with ----------------------------------------------

static void check_refused(const struct rig_options *options, const char *words)
{
    CHECK(!rig_new(&rig, options));
    CHECK_MSG(strstr(rig.error, words) != NULL, "wanted \"%s\" in: %s", words, rig.error);
    rig_free(&rig);
}

DG_TEST(every_certificate_of_a_server_is_checked)
{
    REQUIRE(make_named());
    struct rig_options options = usual;
    struct dg_pki_pem bad = exact;
    strcpy(bad.key, first.key);
    options.server = &first;
    options.more_servers[0] = &bad;
    check_refused(&options, "certificate-0.pem");
    check_refused(&options, "does not belong to the certificate");
    const struct kit_request expired = {.kind = DG_KEY_P256, .use = DG_PKI_SERVER, .common_name = "old", .days = -1,
                                        .issuer = &rig_pki()->ca};
    REQUIRE(kit_make(&expired, &bad) == NULL);
    check_refused(&options, "has expired");
    bad = rig_pki()->client;
    check_refused(&options, "is not for servers");
    bad = exact;
    strcat(bad.certificate, rig_pki()->client.certificate);
    check_refused(&options, "did not issue the one before it");
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(server_keys_of_every_kind_in_both_versions),
        DG_CASE(client_keys_of_every_kind_in_both_versions),
        DG_CASE(server_certificate_is_chosen_by_name),
        DG_CASE(sessions_resume_under_a_chosen_certificate),
        DG_CASE(certificate_is_one_that_the_client_can_verify),
        DG_CASE(suites_of_dtls_12_choose_between_rsa_and_ecdsa),
        DG_CASE(every_certificate_of_a_server_is_checked),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
