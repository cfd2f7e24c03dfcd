// SPDX-License-Identifier: GPL-3.0-or-later
// What the server parses itself of the files about public keys: revocation lists, names of certificates, fingerprints,
// ticket keys. What is taken lies inside the input and can be found; what is refused says where and why.
//
// Input: a byte that chooses the parser, then the file (DER for the first two).
#include "fuzz.h"

#include "credentials/fingerprint_file.h"
#include "credentials/ticket_key_file.h"
#include "crypto/certificate.h"
#include "crypto/crl.h"
#include "crypto/der.h"
#include "crypto/name_rule.h"

#include <string.h>

static bool is_inside(struct dg_bytes part, const uint8_t *data, size_t size)
{
    return part.size == 0 || (part.data >= data && part.data + part.size <= data + size);
}

static void read_list(const uint8_t *data, size_t size)
{
    struct dg_crl crl;
    const char *problem = dg_crl_read((struct dg_bytes){data, size}, &crl);
    if (problem != NULL) {
        CHECK(problem[0] != '\0');
        return;
    }
    CHECK(is_inside(crl.signed_part, data, size) && is_inside(crl.signature, data, size) && crl.signature.size > 0);
    CHECK(is_inside(crl.issuer, data, size) && is_inside(crl.entries, data, size));
    struct dg_reader entries = dg_reader_in(crl.entries);
    struct dg_bytes serial;
    size_t count = 0;
    while (dg_crl_next(&entries, &serial)) {
        CHECK(is_inside(serial, data, size) && serial.size > 0);
        CHECK(serial.size == 1 || serial.data[0] != 0);
        CHECK(dg_certificate_leaf(crl.issuer, serial) != 0);
        count++;
    }
    CHECK(count == crl.entry_count && !entries.failed);
}

struct names {
    const uint8_t *data;
    size_t size, count;
};

static bool on_name(void *context, enum dg_name_kind kind, struct dg_bytes name)
{
    struct names *names = context;
    CHECK(kind <= DG_NAME_UNIT && name.size > 0 && is_inside(name, names->data, names->size));
    CHECK(memchr(name.data, 0, name.size) == NULL);
    names->count++;
    return false;
}

static void read_certificate(const uint8_t *data, size_t size)
{
    static struct dg_name_rule any[3];
    if (any[0].digest == 0)
        CHECK(dg_name_rule_parse("dns:*", &any[0]) == NULL && dg_name_rule_parse("cn:*", &any[1]) == NULL &&
              dg_name_rule_parse("ou:a?*", &any[2]) == NULL);
    struct dg_der_certificate places;
    struct names names = {data, size, 0};
    const struct dg_bytes der = {data, size};
    bool is_read = dg_der_certificate(der, &places);
    CHECK(!dg_certificate_names(der, on_name, &names));
    CHECK(is_read || names.count == 0);
    if (is_read)
        CHECK(is_inside(places.serial, data, size) && is_inside(places.issuer, data, size) &&
              is_inside(places.subject, data, size));
    const struct dg_name_rule *rule = dg_name_rule_find(any, 3, der);
    CHECK(rule == NULL || names.count > 0);
    struct dg_certificate_facts facts;
    if (dg_certificate_read(der, &facts))
        CHECK(facts.expires_s > 0);
}

static void read_fingerprints(const uint8_t *data, size_t size)
{
    struct dg_fingerprints fingerprints = {0};
    char error[256] = "";
    if (dg_fingerprints_parse(&fingerprints, (const char *)data, size, "file", error, sizeof error)) {
        CHECK(fingerprints.count > 0 && fingerprints.count <= size / (2 * (size_t)DG_FINGERPRINT));
        for (size_t i = 0; i < fingerprints.count; i++) {
            struct dg_reader reader = dg_reader_of(fingerprints.items[i], DG_FINGERPRINT);
            CHECK(dg_fingerprints_hold(&fingerprints, fingerprints.items[i]));
            CHECK(dg_fingerprints_begin(&fingerprints, dg_read_u64(&reader)));
        }
    } else {
        CHECK(strncmp(error, "file:", 5) == 0);
    }
    dg_fingerprints_clear(&fingerprints);
}

static void read_ticket_keys(const uint8_t *data, size_t size)
{
    static const struct dg_ticket_keys nothing;
    struct dg_ticket_keys keys;
    char error[256] = "";
    if (dg_ticket_keys_parse(&keys, (const char *)data, size, "file", error, sizeof error)) {
        CHECK(keys.count >= 1 && keys.count <= DG_SHARED_TICKET_KEYS);
        CHECK(keys.count < 2 || memcmp(keys.name[0], keys.name[1], DG_SHARED_TICKET_NAME) != 0);
    } else {
        CHECK(strncmp(error, "file:", 5) == 0 && memcmp(&keys, &nothing, sizeof keys) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] & 3) {
    case 0:
        read_list(data + 1, size - 1);
        break;
    case 1:
        read_certificate(data + 1, size - 1);
        break;
    case 2:
        read_fingerprints(data + 1, size - 1);
        break;
    default:
        read_ticket_keys(data + 1, size - 1);
        break;
    }
    return 0;
}
