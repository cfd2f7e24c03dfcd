// SPDX-License-Identifier: GPL-3.0-or-later
//
// Revocation lists: whom they refuse, with which alert and in which words, what a missing, stale or forged one means, and
// that a ticket does not outlive a revocation.

#include "check.h"
#include "crypto/crl.h"
#include "crypto/inner.h"
#include "support/credential_kit.h"
#include "support/gate_rig.h"

#include <stdio.h>
#include <string.h>

#define ALERT_BAD_CERTIFICATE 42
#define ALERT_REVOKED 44

static struct rig rig;
static struct dg_handover handover;
static char lists[4][16384];
static struct dg_pki_pem other; // a second client of the usual CA

static struct rig_options usual(const char *crl)
{
    return (struct rig_options){.with_certificate = true, .with_client_ca = true, .crls = {crl}};
}

static const char *list_of(size_t place, const struct kit_crl *crl)
{
    CHECK(kit_make_crl(crl, lists[place], sizeof lists[place]) > 0);
    return lists[place];
}

static bool make_other(void)
{
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "client-2",
                                        .issuer = &rig_pki()->ca};
    return other.key[0] != '\0' || kit_make(&request, &other) == NULL;
}

static struct wolf_client_config client_with(int version, const struct dg_pki_pem *pem)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = pem->certificate,
                                       .key = pem->key,
                                       .tickets = true,
                                       .groups = {WOLF_GROUP_X25519}};
}

static void check_refused(const struct dg_pki_pem *pem, enum dg_counter counter, const char *reason, int alert)
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
        CHECK_EQ(failure.alert_sent, alert);
        rig_hang_up(&rig);
    }
}

static void check_taken(const struct dg_pki_pem *pem)
{
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = client_with(version, pem);
        CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
        rig_hang_up(&rig);
    }
}

// RFC 8446 6.2
DG_TEST(revoked_certificate_is_refused_and_told_so)
{
    REQUIRE(make_other());
    const struct kit_crl crl = {.issuer = &rig_pki()->ca, .revoked = {&rig_pki()->client}, .count = 3};
    struct rig_options options = usual(list_of(0, &crl));
    REQUIRE(rig_new(&rig, &options));
    check_refused(&rig_pki()->client, DG_COUNT_FAIL_REVOKED, "the client's certificate has been revoked", ALERT_REVOKED);
    check_taken(&other);
    // As the policy asks about running associations.
    uint8_t der[4096];
    struct dg_certificate_facts facts;
    REQUIRE(dg_certificate_read((struct dg_bytes){der, kit_der(&rig_pki()->client, der, sizeof der)}, &facts));
    struct dg_bytes identity = {(const uint8_t *)"x", 1};
    CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_CERTIFICATE, handover.credential, handover.leaf, identity));
    CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_CERTIFICATE, handover.credential, facts.leaf, identity));
    rig_free(&rig);
}

DG_TEST(without_a_list_of_the_ca_clients_are_refused_unless_told_otherwise)
{
    REQUIRE(make_other());
    char both[2 * sizeof rig_pki()->ca.certificate];
    snprintf(both, sizeof both, "%s%s", rig_pki()->ca.certificate, rig_pki()->other_ca.certificate);
    struct dg_pki_pem revoked;
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "client-3",
                                        .issuer = &rig_pki()->other_ca};
    REQUIRE(kit_make(&request, &revoked) == NULL);
    const struct kit_crl crl = {.issuer = &rig_pki()->other_ca, .revoked = {&revoked}, .count = 1};
    struct rig_options options = usual(list_of(0, &crl));
    options.client_ca = both; // two CAs of one name: the list is of the other one
    for (int accepts = 0; accepts < 2; accepts++) {
        options.accepts_missing_crl = accepts == 1;
        REQUIRE(rig_new(&rig, &options));
        if (accepts == 1)
            check_taken(&other);
        else
            check_refused(&other, DG_COUNT_FAIL_CRL,
                          "there is no revocation list of the CA that issued the client's certificate",
                          ALERT_BAD_CERTIFICATE);
        check_taken(&rig_pki()->stranger);
        check_refused(&revoked, DG_COUNT_FAIL_REVOKED, "the client's certificate has been revoked", ALERT_REVOKED);
        rig_free(&rig);
    }
}

DG_TEST(a_list_that_is_not_current_refuses_all_unless_told_otherwise)
{
    static const struct {
        int64_t this_s, next_s;
    } dates[] = {{-7200, -60}, {3600, 86400}};
    REQUIRE(make_other());
    for (size_t i = 0; i < 2; i++)
        for (int accepts = 0; accepts < 2; accepts++) {
            const struct kit_crl crl = {.issuer = &rig_pki()->ca, .revoked = {&rig_pki()->client}, .count = 1,
                                        .this_s = dates[i].this_s, .next_s = dates[i].next_s};
            struct rig_options options = usual(list_of(0, &crl));
            options.accepts_missing_crl = accepts == 1;
            REQUIRE(rig_new(&rig, &options));
            if (accepts == 1)
                check_taken(&other);
            else
                check_refused(&other, DG_COUNT_FAIL_CRL,
                              "the revocation list of the CA that issued the client's certificate is not current",
                              ALERT_BAD_CERTIFICATE);
            // What it says of a certificate it says for good.
            check_refused(&rig_pki()->client, DG_COUNT_FAIL_REVOKED, "the client's certificate has been revoked",
                          ALERT_REVOKED);
            rig_free(&rig);
        }
    // A current list beside the old one.
    const struct kit_crl old = {.issuer = &rig_pki()->ca, .this_s = -7200, .next_s = -60};
    const struct kit_crl current = {.issuer = &rig_pki()->ca};
    struct rig_options options = usual(list_of(0, &current));
    options.crls[1] = list_of(1, &old);
    REQUIRE(rig_new(&rig, &options));
    check_taken(&other);
    rig_free(&rig);
}

static void check_no_start(const char *crl, const char *words)
{
    struct rig_options options = usual(crl);
    CHECK(!rig_new(&rig, &options));
    CHECK_MSG(strstr(rig.error, words) != NULL, "wanted \"%s\" in: %s", words, rig.error);
    CHECK(strstr(rig.error, "crl-0.pem:1: ") != NULL);
    rig_free(&rig);
}

DG_TEST(lists_that_nobody_can_rely_on_are_refused)
{
    const struct rig_pki *pki = rig_pki();
    // Of one name, but by another key.
    const struct kit_crl forged = {.issuer = &pki->ca, .signer = &pki->other_ca, .revoked = {&pki->client}, .count = 1};
    check_no_start(list_of(0, &forged), "does not verify under its CA's key");
    struct dg_pki_pem foreign;
    const struct kit_request request = {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "foreign CA"};
    REQUIRE(kit_make(&request, &foreign) == NULL);
    const struct kit_crl strange = {.issuer = &foreign};
    check_no_start(list_of(0, &strange), "is not among the clients' CAs");
    const struct kit_crl endless = {.issuer = &pki->ca, .without_next = true};
    check_no_start(list_of(0, &endless), "nextUpdate");
    for (int is_mild = 0; is_mild < 2; is_mild++) { // some CAs forget to mark them critical
        const struct kit_crl delta = {.issuer = &pki->ca, .is_delta = true, .is_mild = is_mild};
        check_no_start(list_of(0, &delta), "a delta or a partial list");
        const struct kit_crl partial = {.issuer = &pki->ca, .is_partial = true, .is_mild = is_mild};
        check_no_start(list_of(0, &partial), "a delta or a partial list");
        const struct kit_crl indirect = {.issuer = &pki->ca, .count = 1, .is_indirect = true, .is_mild = is_mild};
        check_no_start(list_of(0, &indirect), "an indirect list");
    }
    const struct kit_crl plain = {.issuer = &pki->ca};
    char *list = lists[0];
    REQUIRE(kit_make_crl(&plain, list, sizeof lists[0]) > 0);
    char *middle = strchr(list, '\n') + 20; // the CA's name, in base 64
    *middle = *middle == 'A' ? 'B' : 'A';
    struct rig_options options = usual(list);
    CHECK(!rig_new(&rig, &options));
    rig_free(&rig);
}

// One flipped bit anywhere: nobody's list.
DG_TEST(a_list_with_any_bit_changed_verifies_under_no_key)
{
    uint8_t der[4096], ca[4096];
    const struct kit_crl crl = {.issuer = &rig_pki()->ca, .revoked = {&rig_pki()->client}, .count = 2};
    size_t size = kit_make_crl_der(&crl, der, sizeof der);
    const struct dg_bytes issuer = {ca, kit_der(&rig_pki()->ca, ca, sizeof ca)};
    struct dg_crl read;
    REQUIRE(size > 0 && dg_crl_read((struct dg_bytes){der, size}, &read) == NULL);
    CHECK(dg_crl_is_signed_by(&read, issuer));
    CHECK_EQ(read.entry_count, 2);
    for (size_t i = 0; i < size; i++) {
        der[i] ^= 0x10;
        CHECK_MSG(dg_crl_read((struct dg_bytes){der, size}, &read) != NULL || !dg_crl_is_signed_by(&read, issuer),
                  "byte %zu", i);
        der[i] ^= 0x10;
    }
}

// The ticket says who it is; what proved that is asked for again (RFC 8446 4.6.1 leaves its life to the server).
DG_TEST(a_ticket_does_not_outlive_a_revocation)
{
    static struct dg_memory_secrets secrets;
    REQUIRE(make_other());
    const struct kit_crl before = {.issuer = &rig_pki()->ca};
    const struct kit_crl after = {.issuer = &rig_pki()->ca, .revoked = {&rig_pki()->client}, .count = 1};
    const struct kit_crl stale = {.issuer = &rig_pki()->ca, .this_s = -7200, .next_s = -60};
    for (int version = 12; version <= 13; version++) {
        struct rig_options options = usual(list_of(0, &before));
        options.secrets = &secrets;
        struct wolf_client_config config = client_with(version, &rig_pki()->client);
        REQUIRE(rig_new(&rig, &options));
        REQUIRE(rig_client(&rig, &config) && rig_take(&rig, &handover) && rig_exchange(&rig, &handover));
        struct wolf_session *session = wolf_client_session(rig.client);
        rig_hang_up(&rig);
        REQUIRE(rig_client(&rig, &config) && wolf_client_resume(rig.client, session));
        CHECK(rig_take(&rig, &handover));
        CHECK_EQ(handover.resumed, 1);
        rig_free(&rig);
        for (size_t i = 0; i < 2; i++) {
            options = usual(list_of(0, i == 0 ? &after : &stale));
            options.secrets = &secrets;
            REQUIRE(rig_new(&rig, &options));
            struct dg_handshake_failure failure = {.reason = "it was let in"};
            REQUIRE(rig_client(&rig, &config) && wolf_client_resume(rig.client, session));
            CHECK(rig_run(&rig) != DG_STEP_DONE);
            if (rig.handshake != NULL)
                dg_wolf_handshake.why(rig.handshake, &failure);
            CHECK_MSG(failure.counter == (i == 0 ? DG_COUNT_FAIL_REVOKED : DG_COUNT_FAIL_CRL), "%s", failure.reason);
            rig_free(&rig);
        }
        wolf_session_free(session);
    }
}

// An intermediate CA that is a trust anchor itself, until the root revokes it.
DG_TEST(a_revoked_intermediate_proves_nobody)
{
    struct dg_pki_pem root, middle, client;
    char cas[8192];
    const struct kit_request requests[] = {
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "root"},
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "middle", .issuer = &root},
        {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "meter", .issuer = &middle}};
    REQUIRE(kit_make(&requests[0], &root) == NULL && kit_make(&requests[1], &middle) == NULL &&
            kit_make(&requests[2], &client) == NULL);
    snprintf(cas, sizeof cas, "%s%s", root.certificate, middle.certificate);
    strcat(client.certificate, middle.certificate);
    for (int revoked = 0; revoked < 2; revoked++) {
        const struct kit_crl of_root = {.issuer = &root, .revoked = {&middle}, .count = (size_t)revoked};
        const struct kit_crl of_middle = {.issuer = &middle};
        struct rig_options options = usual(list_of(0, &of_root));
        options.crls[1] = list_of(1, &of_middle);
        options.client_ca = cas;
        REQUIRE(rig_new(&rig, &options));
        struct dg_bytes identity = {(const uint8_t *)"meter", 5};
        if (revoked == 0) {
            struct wolf_client_config config = client_with(13, &client);
            config.ca = NULL;
            CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
            CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_CERTIFICATE, handover.credential, handover.leaf, identity));
        } else {
            struct wolf_client_config config = client_with(13, &client);
            config.ca = NULL;
            struct dg_handshake_failure failure = {.reason = "it was let in"};
            REQUIRE(rig_client(&rig, &config));
            CHECK(rig_run(&rig) != DG_STEP_DONE);
            if (rig.handshake != NULL)
                dg_wolf_handshake.why(rig.handshake, &failure);
            CHECK_STR(failure.reason, "the client's certificate has been revoked");
            CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_CERTIFICATE, handover.credential, handover.leaf, identity));
        }
        rig_free(&rig);
    }
}

// A chain has to be one: who puts a certificate that the root did issue in front of the revoked intermediate, or in its
// place once the library has seen it, must not get around what is known of that.
DG_TEST(a_revoked_intermediate_does_not_hide_behind_another_certificate)
{
    static struct dg_pki_pem root, middle, client, bystander;
    static char chains[3][16384];
    const struct kit_request requests[] = {
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "root"},
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "middle", .issuer = &root},
        {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "meter", .issuer = &middle},
        {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "bystander", .issuer = &root}};
    REQUIRE(kit_make(&requests[0], &root) == NULL && kit_make(&requests[1], &middle) == NULL &&
            kit_make(&requests[2], &client) == NULL && kit_make(&requests[3], &bystander) == NULL);
    snprintf(chains[0], sizeof chains[0], "%s%s", client.certificate, middle.certificate);
    snprintf(chains[1], sizeof chains[1], "%s%s%s", client.certificate, bystander.certificate, middle.certificate);
    snprintf(chains[2], sizeof chains[2], "%s%s", client.certificate, bystander.certificate);
    static const char none[] = "the client's chain does not reach a CA that we know";
    static const char gone[] = "the client's certificate has been revoked";
    static const char *const reasons[2][3] = {{NULL, NULL, none}, {gone, gone, none}};
    for (size_t revoked = 0; revoked < 2; revoked++) {
        const struct kit_crl of_root = {.issuer = &root, .revoked = {&middle}, .count = revoked};
        struct rig_options options = usual(list_of(0, &of_root));
        options.client_ca = root.certificate;
        options.accepts_missing_crl = true; // there is no list of the intermediate
        REQUIRE(rig_new(&rig, &options));
        for (size_t i = 0; i < 3; i++) {
            struct wolf_client_config config = client_with(13, &client);
            struct dg_handshake_failure failure = {.reason = NULL};
            config.ca = NULL;
            config.certificate = chains[i];
            REQUIRE(rig_client(&rig, &config));
            bool is_in = rig_run(&rig) == DG_STEP_DONE;
            if (rig.handshake != NULL && !is_in)
                dg_wolf_handshake.why(rig.handshake, &failure);
            CHECK_EQ(is_in, reasons[revoked][i] == NULL);
            if (reasons[revoked][i] != NULL)
                CHECK_STR(failure.reason != NULL ? failure.reason : "it was let in", reasons[revoked][i]);
            rig_hang_up(&rig);
        }
        rig_free(&rig);
    }
}

// A list of a large fleet: read at once, asked in no time.
DG_TEST(a_list_of_fifty_thousand_is_read)
{
    static char list[4 << 20];
    REQUIRE(make_other());
    const struct kit_crl crl = {.issuer = &rig_pki()->ca, .revoked = {&rig_pki()->client}, .count = 50000};
    REQUIRE(kit_make_crl(&crl, list, sizeof list) > 0);
    struct rig_options options = usual(list);
    REQUIRE(rig_new(&rig, &options));
    check_refused(&rig_pki()->client, DG_COUNT_FAIL_REVOKED, "the client's certificate has been revoked", ALERT_REVOKED);
    check_taken(&other);
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(revoked_certificate_is_refused_and_told_so),
        DG_CASE(without_a_list_of_the_ca_clients_are_refused_unless_told_otherwise),
        DG_CASE(a_list_that_is_not_current_refuses_all_unless_told_otherwise),
        DG_CASE(lists_that_nobody_can_rely_on_are_refused),
        DG_CASE(a_list_with_any_bit_changed_verifies_under_no_key),
        DG_CASE(a_ticket_does_not_outlive_a_revocation),
        DG_CASE(a_revoked_intermediate_proves_nobody),
        DG_CASE(a_revoked_intermediate_does_not_hide_behind_another_certificate),
        DG_CASE(a_list_of_fifty_thousand_is_read),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
