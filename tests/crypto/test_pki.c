// SPDX-License-Identifier: GPL-3.0-or-later
//
// Throwaway certificates are what they say, and the gate's words about certificates that it does not take.

#include "check.h"
#include "crypto/certificate.h"
#include "crypto/pki.h"
#include "support/gate_rig.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn_public.h>

#include <string.h>
#include <time.h>

static struct rig rig;

static bool read_pem(const char *pem, struct dg_certificate_facts *facts)
{
    static uint8_t der[8192];
    int size = wc_CertPemToDer((const byte *)pem, (int)strlen(pem), der, sizeof der, CERT_TYPE);
    return size > 0 && dg_certificate_read((struct dg_bytes){der, (size_t)size}, facts);
}

DG_TEST(pki_makes_what_it_was_asked_for)
{
    const struct rig_pki *pki = rig_pki();
    struct dg_certificate_facts ca, server, client;
    REQUIRE(read_pem(pki->ca.certificate, &ca) && read_pem(pki->server.certificate, &server) &&
            read_pem(pki->client.certificate, &client));
    CHECK(ca.is_ca && !server.is_ca && !client.is_ca);
    CHECK(!ca.may_sign);
    CHECK(server.may_be_server && !server.may_be_client);
    CHECK(client.may_be_client && !client.may_be_server);
    CHECK(ca.weakness == NULL && server.weakness == NULL && client.weakness == NULL);
    CHECK(!ca.is_expired && !ca.is_not_yet_valid);
    CHECK_MEM(server.issuer_hash, ca.subject_hash, 32);
    CHECK_MEM(server.issuer_key_id, ca.key_id, 32);
    uint32_t in_30_days = (uint32_t)time(NULL) + 30 * 86400;
    CHECK(client.expires_s <= in_30_days && client.expires_s + 600 > in_30_days);
    CHECK_EQ(client.identity_size, 8);
    CHECK_MEM(client.identity, "client-1", 8);
    CHECK(strstr(pki->client.public_key, "BEGIN PUBLIC KEY") != NULL);
}

DG_TEST(pki_refuses_what_it_cannot_make)
{
    struct dg_pki_pem pem;
    char error[128];
    CHECK(!dg_pki_make(DG_PKI_CA, "", 1, NULL, &pem, error, sizeof error));
    CHECK(strstr(error, "name") != NULL);
    CHECK(!dg_pki_make(DG_PKI_CA, "x", 0, NULL, &pem, error, sizeof error));
    CHECK(strstr(error, "days") != NULL);
    static const struct dg_pki_pem garbage = {.certificate = "no PEM", .key = "no PEM"};
    CHECK(!dg_pki_make(DG_PKI_CLIENT, "x", 1, &garbage, &pem, error, sizeof error));
    CHECK(strstr(error, "issuer") != NULL);
    CHECK(dg_pki_make(DG_PKI_CA, "long-lived", 36500, NULL, &pem, error, sizeof error)); // GeneralizedTime
    struct dg_certificate_facts facts;
    CHECK(read_pem(pem.certificate, &facts) && !facts.is_expired);
}

// --- what the gate says -------------------------------------------------------

static void says(struct rig_options options, const char *expected)
{
    CHECK(!rig_new(&rig, &options));
    CHECK_MSG(strstr(rig.error, expected) != NULL, "said \"%s\", expected \"%s\"", rig.error, expected);
    CHECK(strstr(rig.error, "PRIVATE") == NULL);
    rig_free(&rig);
}

DG_TEST(gate_says_what_is_wrong_with_its_files)
{
    const struct rig_pki *pki = rig_pki();
    static struct dg_pki_pem other;
    struct rig_options usual = {.with_certificate = true, .with_client_ca = true};

    struct rig_options options = usual;
    other = pki->server;
    memcpy(other.key, pki->client.key, sizeof other.key);
    options.server = &other;
    says(options, "does not belong to the certificate");

    options = usual;
    options.server = &pki->client;
    says(options, "is not for servers");

    options = usual;
    options.client_ca = pki->client.certificate;
    says(options, "is no CA");

    options = usual;
    static char damaged[8192];
    strcpy(damaged, "# a comment first\n");
    strcat(damaged, pki->ca.certificate);
    char *body = strstr(damaged, "-----\n") + 40;
    memset(body, '*', 60);
    options.client_ca = damaged;
    says(options, "ca.pem:2:");

    options = (struct rig_options){.with_certificate = true};
    says(options, "nothing to check clients by");

    options = (struct rig_options){.with_client_ca = true};
    says(options, "nothing to show to clients");
}

DG_TEST(gate_reads_a_chain_in_a_file_with_text)
{
    const struct rig_pki *pki = rig_pki();
    static struct dg_pki_pem chain;
    chain = pki->server;
    REQUIRE(strlen(chain.certificate) + strlen(pki->ca.certificate) < sizeof chain.certificate);
    strcat(chain.certificate, pki->ca.certificate);
    struct rig_options options = {.with_certificate = true, .with_client_ca = true, .server = &chain};
    REQUIRE(rig_new(&rig, &options));
    struct wolf_client_config config = {.version = 13,
                                        .ca = pki->ca.certificate,
                                        .certificate = pki->client.certificate,
                                        .key = pki->client.key,
                                        .groups = {WOLF_GROUP_X25519}};
    struct dg_handover handover;
    CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
    rig_free(&rig);
}

DG_TEST(pem_blocks_are_found_with_their_lines)
{
    static const char text[] = "text\r\n-----BEGIN X-----\nAA\n-----END X-----\n\n-----BEGIN Y-----\nBB\n"
                               "-----END Y-----\n-----BEGIN X-----\nunfinished";
    struct dg_pem_reader reader = {.left = {(const uint8_t *)text, sizeof text - 1}};
    struct dg_pem_block block;
    REQUIRE(dg_pem_next(&reader, "X", &block));
    CHECK(block.is_label_wanted && block.line == 2 && block.text.size == 37);
    REQUIRE(dg_pem_next(&reader, "X", &block));
    CHECK(!block.is_label_wanted && block.line == 6);
    REQUIRE(dg_pem_next(&reader, "X", &block));
    CHECK(block.is_label_wanted && block.line == 9 && block.text.size == 0);
    CHECK(!dg_pem_next(&reader, "X", &block));
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(pki_makes_what_it_was_asked_for),
        DG_CASE(pki_refuses_what_it_cannot_make),
        DG_CASE(gate_says_what_is_wrong_with_its_files),
        DG_CASE(gate_reads_a_chain_in_a_file_with_text),
        DG_CASE(pem_blocks_are_found_with_their_lines),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
