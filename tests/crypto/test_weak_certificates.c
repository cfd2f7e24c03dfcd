// SPDX-License-Identifier: GPL-3.0-or-later
//
// Certificates that are too weak (RFC 9325 4.5): as the server's own, as a CA for clients, as a client's; and what only
// looks like a certificate of our CA. Strong and right ones made in the same way pass.

#include "check.h"
#include "crypto/certificate.h"
#include "support/credential_kit.h"
#include "support/gate_rig.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include <string.h>

// Self-signed CAs made by openssl, valid for a hundred years; nobody has their keys any more.
static const char rsa_1024[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIICCjCCAXOgAwIBAgIUbtWjpbW6nR43KoLgBj3q4mE/vCMwDQYJKoZIhvcNAQEL\n"
    "BQAwFjEUMBIGA1UEAwwLd2VhayBSU0EgQ0EwIBcNMjYxMTIyMTI1NTU3WhgPMjEy\n"
    "NjEwMjkxMjU1NTdaMBYxFDASBgNVBAMMC3dlYWsgUlNBIENBMIGfMA0GCSqGSIb3\n"
    "DQEBAQUAA4GNADCBiQKBgQCsnUmPT68AFhvdQ5Yahine4Nw3EXLirIzd47vWlem9\n"
    "fqoFzdmrm24OfDw/SBEZcTIISuI6ASjwSk9pZO+dgpstHhMl2NHBTAYYUrFI4wUt\n"
    "c1nMt8/Wz1InvEFo2Syhiib3waJknRhgU1radkzDpv1XMDhuIvdozvHoqoN+Jlgo\n"
    "CQIDAQABo1MwUTAdBgNVHQ4EFgQUzHtZ2fFbAEnxJ7QgYh3PDryhKcEwHwYDVR0j\n"
    "BBgwFoAUzHtZ2fFbAEnxJ7QgYh3PDryhKcEwDwYDVR0TAQH/BAUwAwEB/zANBgkq\n"
    "hkiG9w0BAQsFAAOBgQBb0DxcBHazqfLaO3Ui38hqowCI0X0qeNOtJFwO7Ws11GM0\n"
    "FwbqDgdDNqlm/FaBc8wEOXKLOvYEoTxYhZhiIj4vuYioUPYHbnoK3g3krqQo/lzs\n"
    "Cz31yB8XSL5lVnwJJauWP1bpBYD67t1W5Q47JMnuaLVSKqsBvwQ2i31K9qnbOA==\n"
    "-----END CERTIFICATE-----\n";

static const char p_192[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBcDCCASegAwIBAgIUQ8EdLiyXgKPDzAZjEsYjxG1Wl48wCgYIKoZIzj0EAwIw\n"
    "HTEbMBkGA1UEAwwSd2VhayBwcmltZTE5MnYxIENBMCAXDTI2MTEyMjEyNTU1N1oY\n"
    "DzIxMjYxMDI5MTI1NTU3WjAdMRswGQYDVQQDDBJ3ZWFrIHByaW1lMTkydjEgQ0Ew\n"
    "STATBgcqhkjOPQIBBggqhkjOPQMBAQMyAAT9Oiq6h3SxR7njxbWGsGCORTlH6Fs9\n"
    "fnPPs/IxyKrziC4ic5K6tf7nHwITPAjwreWjUzBRMB0GA1UdDgQWBBRWj24yqh3C\n"
    "43kKDmqDsGDwsGwW1TAfBgNVHSMEGDAWgBRWj24yqh3C43kKDmqDsGDwsGwW1TAP\n"
    "BgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCAzcAMDQCGE3Bg+tdOrH7vzTGDOyS\n"
    "t/q0ukm3d6phNQIYFQE6wBwVgzh2OR0vVaFL4k79ElFcBjLJ\n"
    "-----END CERTIFICATE-----\n";

static const char p_224[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBfDCCASqgAwIBAgIUeIPyKUSPyO77DD40vTMl+PGbSEkwCgYIKoZIzj0EAwIw\n"
    "HDEaMBgGA1UEAwwRd2VhayBzZWNwMjI0cjEgQ0EwIBcNMjYxMTIyMTI1NTU3WhgP\n"
    "MjEyNjEwMjkxMjU1NTdaMBwxGjAYBgNVBAMMEXdlYWsgc2VjcDIyNHIxIENBME4w\n"
    "EAYHKoZIzj0CAQYFK4EEACEDOgAElUm19qzirZ1pigTPRVYS7Y33CTGUfIaCWeib\n"
    "96Iy851RQqdHLf6HPy+33RJ0Hl6WC3kjN4cJ0BGjUzBRMB0GA1UdDgQWBBQ8H5dQ\n"
    "tad0lqsGFSblxUaIKH7FizAfBgNVHSMEGDAWgBQ8H5dQtad0lqsGFSblxUaIKH7F\n"
    "izAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0AAMD0CHQDrD6tPWEu57e/P\n"
    "Jc/yywO4pFnc8d+WaqnthnUpAhwqEaR0TEiv5Anpk3UYa6TPcCPLulBMVq9tmdA5\n"
    "-----END CERTIFICATE-----\n";

static struct rig rig;
static struct dg_handover handover;

static const struct rig_options everything = {
    .with_psk = true, .with_certificate = true, .with_client_ca = true, .profile = DG_PROFILE_IOT};

// --- certificates whose signature is chosen -----------------------------------

#define DER_SIZE 4096

static bool sign_with_ca(Cert *cert, ecc_key *key, WC_RNG *rng, uint8_t *der, int *ret_size)
{
    uint8_t ca[DER_SIZE], ca_key[DER_SIZE];
    const struct dg_pki_pem *issuer = &rig_pki()->ca;
    int ca_size = wc_CertPemToDer((const byte *)issuer->certificate, (int)strlen(issuer->certificate), ca, sizeof ca,
                                  CERT_TYPE);
    int key_size = wc_KeyPemToDer((const byte *)issuer->key, (int)strlen(issuer->key), ca_key, sizeof ca_key, NULL);
    ecc_key signer;
    word32 at = 0;
    if (ca_size <= 0 || key_size <= 0 || wc_ecc_init(&signer) != 0)
        return false;
    bool done = wc_EccPrivateKeyDecode(ca_key, &at, &signer, (word32)key_size) == 0 &&
                wc_SetIssuerBuffer(cert, ca, ca_size) == 0 && wc_SetAuthKeyIdFromCert(cert, ca, ca_size) == 0 &&
                wc_MakeCert(cert, der, DER_SIZE, NULL, key, rng) > 0;
    *ret_size = done ? wc_SignCert(cert->bodySz, cert->sigType, der, DER_SIZE, NULL, &signer, rng) : -1;
    wc_ecc_free(&signer);
    return *ret_size > 0;
}

// A certificate under the rig's CA with a P-256 key, signed with this hash. use NULL: no extendedKeyUsage.
static bool make_certificate(int signature, const char *key_usage, const char *use, struct dg_pki_pem *ret)
{
    uint8_t der[DER_SIZE];
    int size = 0;
    WC_RNG rng;
    ecc_key key;
    Cert cert;
    if (wc_InitRng(&rng) != 0 || wc_ecc_init(&key) != 0 || wc_InitCert(&cert) != 0)
        return false;
    strcpy(cert.subject.commonName, "client-1");
    cert.sigType = signature;
    cert.daysValid = 30;
    bool done = wc_ecc_make_key_ex(&rng, 32, &key, ECC_SECP256R1) == 0 &&
                wc_SetKeyUsage(&cert, key_usage) == 0 &&
                (use == NULL || wc_SetExtKeyUsage(&cert, use) == 0) &&
                wc_SetSubjectKeyIdFromPublicKey(&cert, NULL, &key) == 0 && sign_with_ca(&cert, &key, &rng, der, &size);
    memset(ret, 0, sizeof *ret);
    done = done && wc_DerToPem(der, (word32)size, (byte *)ret->certificate, sizeof ret->certificate - 1, CERT_TYPE) > 0;
    size = done ? wc_EccKeyToDer(&key, der, sizeof der) : 0;
    done = size > 0 &&
           wc_DerToPem(der, (word32)size, (byte *)ret->key, sizeof ret->key - 1, ECC_PRIVATEKEY_TYPE) > 0;
    wc_ecc_free(&key);
    wc_FreeRng(&rng);
    return done;
}

// --- what becomes of them -----------------------------------------------------

static bool gate_starts_with(const struct rig_options *options)
{
    bool started = rig_new(&rig, options);
    rig_free(&rig);
    return started;
}

DG_TEST(weak_ca_certificates_are_refused)
{
    static const char *const weak[] = {rsa_1024, p_192, p_224};
    for (size_t i = 0; i < 3; i++) {
        struct rig_options options = everything;
        options.client_ca = weak[i];
        CHECK_MSG(!gate_starts_with(&options), "case %zu", i);
        CHECK_MSG(strstr(rig.error, "this CA certificate has") != NULL ||
                      strstr(rig.error, "cannot be read") != NULL,
                  "case %zu: %s", i, rig.error);
    }
    CHECK(gate_starts_with(&everything));
}

DG_TEST(weak_own_certificates_are_refused)
{
    static struct dg_pki_pem weak, strong;
    REQUIRE(make_certificate(CTC_SHAwECDSA, "digitalSignature", "serverAuth", &weak));
    REQUIRE(make_certificate(CTC_SHA256wECDSA, "digitalSignature", "serverAuth", &strong));
    struct rig_options options = everything;
    options.server = &weak;
    CHECK(!gate_starts_with(&options));
    CHECK_MSG(strstr(rig.error, "SHA-1") != NULL, "%s", rig.error);
    options.server = &strong;
    CHECK_MSG(gate_starts_with(&options), "%s", rig.error);
    // A weak one in the middle of the chain is no better.
    static struct dg_pki_pem chain;
    chain = strong;
    strcat(chain.certificate, weak.certificate);
    options.server = &chain;
    CHECK(!gate_starts_with(&options));
    CHECK_MSG(strstr(rig.error, "SHA-1") != NULL, "%s", rig.error);
}

// RFC 8446 4.4.2.4, RFC 9325 4.5: nobody gets in by a signature with SHA-1.
DG_TEST(weak_client_certificates_are_refused)
{
    static struct dg_pki_pem weak, strong;
    REQUIRE(make_certificate(CTC_SHAwECDSA, "digitalSignature", "clientAuth", &weak));
    REQUIRE(make_certificate(CTC_SHA256wECDSA, "digitalSignature", "clientAuth", &strong));
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = {.version = version,
                                            .ca = rig_pki()->ca.certificate,
                                            .certificate = strong.certificate,
                                            .key = strong.key,
                                            .groups = {WOLF_GROUP_X25519}};
        CHECK_MSG(rig_client(&rig, &config) && rig_take(&rig, &handover), "1.%d: the strong one", version - 10);
        rig_hang_up(&rig);
        config.certificate = weak.certificate;
        config.key = weak.key;
        struct dg_handshake_failure failure = {0};
        REQUIRE(rig_client(&rig, &config));
        CHECK(rig_run(&rig) != DG_STEP_DONE);
        REQUIRE(rig.handshake != NULL);
        CHECK(!dg_wolf_handshake.take(rig.handshake, &handover));
        dg_wolf_handshake.why(rig.handshake, &failure);
        CHECK_MSG(failure.counter == DG_COUNT_FAIL_CERTIFICATE && strstr(failure.reason, "too weak") != NULL,
                  "1.%d: %s", version - 10, failure.reason);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// RFC 8446 4.4.2.2, RFC 5280 4.2.1.3 and 4.2.1.12: what a certificate may be used for. None of these is weak.
DG_TEST(client_certificates_are_used_as_they_may_be)
{
    static const struct {
        const char *key_usage, *use;
        bool gets_in;
    } cases[] = {
        {"digitalSignature", "clientAuth", true},
        {"digitalSignature", NULL, true},
        {"digitalSignature", "any", true},
        {"digitalSignature", "serverAuth,clientAuth", true},
        {"digitalSignature", "serverAuth", false},
        {"digitalSignature", "emailProtection", false},
        {"digitalSignature", "codeSigning,timeStamping,OCSPSigning", false},
        {"keyAgreement", "clientAuth", false},
        {"keyEncipherment", NULL, false},
    };
    REQUIRE(rig_new(&rig, &everything));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct dg_pki_pem pem;
        REQUIRE(make_certificate(CTC_SHA256wECDSA, cases[i].key_usage, cases[i].use, &pem));
        for (int version = 12; version <= 13; version++) {
            struct wolf_client_config config = {.version = version,
                                                .ca = rig_pki()->ca.certificate,
                                                .certificate = pem.certificate,
                                                .key = pem.key,
                                                .groups = {WOLF_GROUP_X25519}};
            REQUIRE(rig_client(&rig, &config));
            bool taken = rig_run(&rig) == DG_STEP_DONE && dg_wolf_handshake.take(rig.handshake, &handover);
            CHECK_MSG(taken == cases[i].gets_in, "1.%d, case %zu", version - 10, i);
            rig_hang_up(&rig);
        }
    }
    rig_free(&rig);
}

static struct dg_handshake_failure refused(int version, const struct dg_pki_pem *pem)
{
    struct dg_handshake_failure failure = {.reason = "it was let in"};
    struct wolf_client_config config = {.version = version,
                                        .ca = rig_pki()->ca.certificate,
                                        .certificate = pem->certificate,
                                        .key = pem->key,
                                        .groups = {WOLF_GROUP_X25519}};
    if (rig_client(&rig, &config) && rig_run(&rig) != DG_STEP_DONE && rig.handshake != NULL)
        dg_wolf_handshake.why(rig.handshake, &failure);
    rig_hang_up(&rig);
    return failure;
}

// Name and key identifier of the CA are anybody's to write (RFC 5280 4.2.1.1): the chain of this certificate ends in our CA by
// all but its signature, which the library alone has verified.
DG_TEST(client_certificate_that_only_names_our_ca_is_refused)
{
    static struct dg_pki_pem forged;
    REQUIRE(kit_forge(&rig_pki()->client, &forged));
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dg_handshake_failure failure = refused(version, &forged);
        CHECK_EQ(failure.counter, DG_COUNT_FAIL_CERTIFICATE);
        CHECK_STR(failure.reason, "the signature on the client's certificate does not verify");
    }
    rig_free(&rig);
}

// The library keeps the intermediate that one client has shown, and verifies the next one's certificate by it: that it
// reaches a CA of ours is judged by what the client itself shows.
DG_TEST(client_certificate_needs_its_own_intermediate)
{
    static struct dg_pki_pem middle, client, chain;
    const struct kit_request requests[] = {
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "middle", .issuer = &rig_pki()->ca},
        {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "meter", .issuer = &middle}};
    REQUIRE(kit_make(&requests[0], &middle) == NULL && kit_make(&requests[1], &client) == NULL);
    chain = client;
    REQUIRE(strlen(client.certificate) + strlen(middle.certificate) < sizeof chain.certificate);
    strcat(chain.certificate, middle.certificate);
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = {.version = version,
                                            .ca = rig_pki()->ca.certificate,
                                            .certificate = chain.certificate,
                                            .key = chain.key,
                                            .groups = {WOLF_GROUP_X25519}};
        REQUIRE(rig_client(&rig, &config) && rig_take(&rig, &handover));
        rig_hang_up(&rig);
        struct dg_handshake_failure failure = refused(version, &client);
        CHECK_EQ(failure.counter, DG_COUNT_FAIL_CERTIFICATE);
        CHECK_STR(failure.reason, "the client's chain does not reach a CA that we know");
    }
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(weak_ca_certificates_are_refused),
        DG_CASE(weak_own_certificates_are_refused),
        DG_CASE(weak_client_certificates_are_refused),
        DG_CASE(client_certificates_are_used_as_they_may_be),
        DG_CASE(client_certificate_that_only_names_our_ca_is_refused),
        DG_CASE(client_certificate_needs_its_own_intermediate),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
