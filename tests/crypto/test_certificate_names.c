// SPDX-License-Identifier: GPL-3.0-or-later
//
// Whom a server's certificate is for (RFC 9525 6): alternative names first and whole, wildcards for one label, the
// common name only where nothing else names it. A table of certificates and names; the answers are written down.

#include "check.h"
#include "crypto/certificate.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include <string.h>

#define DER_SIZE 4096
#define DNS 0x82
#define URI 0x86
#define IP 0x87

struct alternative {
    uint8_t kind, size;
    const char *bytes;
};

static bool fill(Cert *cert, const char *common_name, const struct alternative *names, size_t count)
{
    size_t used = 2;
    strcpy(cert->subject.commonName, common_name);
    cert->sigType = CTC_SHA256wECDSA;
    cert->daysValid = 30;
    cert->selfSigned = 1;
    for (size_t i = 0; i < count; i++) {
        if (used + 2 + names[i].size > 120)
            return false;
        cert->altNames[used++] = names[i].kind;
        cert->altNames[used++] = names[i].size;
        memcpy(cert->altNames + used, names[i].bytes, names[i].size);
        used += names[i].size;
    }
    cert->altNames[0] = 0x30; // SEQUENCE
    cert->altNames[1] = (uint8_t)(used - 2);
    cert->altNamesSz = count > 0 ? (int)used : 0;
    return true;
}

// 0: the library refused it.
static size_t make(const char *common_name, const struct alternative *names, size_t count, uint8_t der[DER_SIZE])
{
    WC_RNG rng;
    ecc_key key;
    Cert cert;
    int size = -1;
    if (wc_InitRng(&rng) != 0)
        return 0;
    if (wc_ecc_init(&key) == 0) {
        if (wc_InitCert(&cert) == 0 && fill(&cert, common_name, names, count) &&
            wc_ecc_make_key_ex(&rng, 32, &key, ECC_SECP256R1) == 0 &&
            wc_MakeCert(&cert, der, DER_SIZE, NULL, &key, &rng) > 0)
            size = wc_SignCert(cert.bodySz, cert.sigType, der, DER_SIZE, NULL, &key, &rng);
        wc_ecc_free(&key);
    }
    wc_FreeRng(&rng);
    return size > 0 ? (size_t)size : 0;
}

static void expect(const char *common_name, const struct alternative *names, size_t count, const char *name, bool is_for)
{
    uint8_t der[DER_SIZE];
    size_t size = make(common_name, names, count, der);
    REQUIRE(size > 0);
    CHECK_MSG(dg_certificate_is_for((struct dg_bytes){der, size}, name) == is_for, "common name %s, %zu others, for %s",
              common_name, count, name);
}

DG_TEST(certificate_names_are_compared_whole)
{
    static const struct alternative names[] = {{DNS, 12, "gate.example"}, {DNS, 16, "*.fleet.example."}, {IP, 4, "\x7f\0\0\1"},
                                               {DNS, 15, "*.sites.example"}};
    static const struct {
        const char *name;
        bool is_for;
    } cases[] = {
        {"gate.example", true},      {"GATE.Example", true},      {"gate.example.", true},  {"a.sites.example", true},
        {"a.b.sites.example", false}, {"sites.example", false},   {".sites.example", false}, {"127.0.0.1", true},
        {"127.0.0.2", false},        {"::ffff:127.0.0.1", false}, {"other.example", false}, {"*.sites.example", true},
        {"", false},                 {".", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect("other.example", names, sizeof names / sizeof names[0], cases[i].name, cases[i].is_for);
}

DG_TEST(certificate_wildcards_need_two_labels_below)
{
    static const struct alternative names[] = {{DNS, 1, "*"}, {DNS, 9, "*.example"}, {DNS, 14, "g*e.b.example."},
                                               {DNS, 13, "a.*.b.example"}};
    static const char *const none[] = {"example", "gate.example", "gate", "gate.b.example", "a.c.b.example"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        expect("other.example", names, sizeof names / sizeof names[0], none[i], false);
}

// RFC 9525 6.3, RFC 5280 4.2.1.10: a CA's name constraints do not reach a common name beside alternative names.
DG_TEST(certificate_common_name_counts_only_alone)
{
    static const struct alternative address[] = {{IP, 4, "\xc0\0\2\1"}};
    static const struct alternative uri[] = {{URI, 11, "urn:other:1"}};
    expect("gate.example", NULL, 0, "gate.example", true);
    expect("gate.example", NULL, 0, "gate.example.org", false);
    expect("127.0.0.1", NULL, 0, "127.0.0.1", false); // addresses are alternative names only
    expect("gate.example", address, 1, "gate.example", false);
    expect("gate.example", uri, 1, "gate.example", false);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(certificate_names_are_compared_whole),
        DG_CASE(certificate_wildcards_need_two_labels_below),
        DG_CASE(certificate_common_name_counts_only_alone),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
