// SPDX-License-Identifier: GPL-3.0-or-later
// Looks at every certificate, public key and revocation list of a listener: life, strength, whether keys belong to their
// certificates. Verifies no signature, shows no key.
#include "audit/audit_internal.h"

#include "crypto/inspect.h"

#include <string.h>

#define FILE_MAX (4u << 20)
#define CRL_FILE_MAX (64u << 20) // as a server takes them
#define DAY_S 86400

static struct dg_config_place at(unsigned line)
{
    return (struct dg_config_place){line, line > 0 ? 1 : 0};
}

static struct dg_pem_reader read_from(const struct dg_file *file)
{
    return (struct dg_pem_reader){.left = {(const uint8_t *)file->data, file->size_bytes}};
}

static void look_at_life(const struct dg_auditing *auditing, const struct dg_config_listener *listener, const char *path,
                         unsigned line, const struct dg_certificate_facts *facts)
{
    uint64_t warning_s = (uint64_t)listener->options.expiry_warning * DAY_S;
    if (facts->is_expired)
        DG_FIND(auditing, CERTIFICATE_EXPIRED, path, at(line), "it ended %lu days ago",
                (unsigned long)(auditing->now_s > facts->expires_s ? (auditing->now_s - facts->expires_s) / DAY_S : 0));
    else if (facts->is_not_yet_valid)
        DG_FIND(auditing, CERTIFICATE_EARLY, path, at(line), "its time has not begun");
    else if ((uint64_t)facts->expires_s < auditing->now_s + warning_s)
        DG_FIND(auditing, CERTIFICATE_ENDS, path, at(line), "it ends in %lu days",
                (unsigned long)((facts->expires_s - auditing->now_s) / DAY_S));
}

static void look_at_certificates(const struct dg_auditing *auditing, const struct dg_config_listener *listener,
                                 const char *path)
{
    struct dg_file file;
    struct dg_certificate_facts facts;
    unsigned line;
    bool is_readable;
    if (!dg_audit_read(path, FILE_MAX, &file))
        return;
    struct dg_pem_reader reader = read_from(&file);
    while (dg_inspect_certificate(&reader, &line, &is_readable, &facts)) {
        if (!is_readable)
            continue; // the server refuses it and says so
        look_at_life(auditing, listener, path, line, &facts);
        if (facts.weakness)
            DG_FIND(auditing, KEY_WEAK, path, at(line), "the certificate has %s", facts.weakness);
    }
    dg_file_clear(&file);
}

static void look_at_keys(const struct dg_auditing *auditing, const char *path)
{
    struct dg_file file;
    const char *weakness;
    unsigned line;
    if (!dg_audit_read(path, FILE_MAX, &file))
        return;
    struct dg_pem_reader reader = read_from(&file);
    while (dg_inspect_public_key(&reader, &line, &weakness))
        if (weakness)
            DG_FIND(auditing, KEY_WEAK, path, at(line), "this is %s", weakness);
    dg_file_clear(&file);
}

static void look_at_crls(const struct dg_auditing *auditing, const char *path)
{
    struct dg_file file;
    const char *wrong;
    int64_t next_s;
    unsigned line;
    if (!dg_audit_read(path, CRL_FILE_MAX, &file))
        return;
    struct dg_pem_reader reader = read_from(&file);
    while (dg_inspect_crl(&reader, &line, &next_s, &wrong)) {
        if (wrong)
            DG_FIND(auditing, CRL_STALE, path, at(line), "%s", wrong);
        else if (next_s <= (int64_t)auditing->now_s)
            DG_FIND(auditing, CRL_STALE, path, at(line), "the next list was due %lld days ago",
                    (long long)(((int64_t)auditing->now_s - next_s) / DAY_S));
    }
    dg_file_clear(&file);
}

static void look_at_pair(const struct dg_auditing *auditing, const struct dg_config_listener *listener,
                         const struct dg_config_certificate *pair)
{
    struct dg_file certificate = {0}, key = {0};
    bool are_read = dg_audit_read(pair->cert, FILE_MAX, &certificate) && dg_audit_read(pair->key, FILE_MAX, &key);
    enum dg_inspected_pair fit = DG_PAIR_FITS; // what cannot be read is the refusal's matter
    if (are_read)
        fit = dg_inspect_pair((struct dg_bytes){(const uint8_t *)certificate.data, certificate.size_bytes},
                              (struct dg_bytes){(const uint8_t *)key.data, key.size_bytes});
    if (fit != DG_PAIR_FITS)
        DG_FIND(auditing, PAIR_DIFFERS, auditing->config->path,
                pair->place.line > 0 ? pair->place : dg_config_place_of(auditing->config, listener, "key"),
                fit == DG_PAIR_DIFFERS ? "%s is not the key of %s" : "%s or %s cannot be read as PEM", pair->key, pair->cert);
    dg_file_clear(&certificate);
    dg_file_clear(&key);
}

void dg_audit_certificates(const struct dg_auditing *auditing, const struct dg_config_listener *listener)
{
    const struct dg_options *options = &listener->options;
    for (size_t i = 0; i < listener->certificate_count; i++) {
        look_at_certificates(auditing, listener, listener->certificates[i].cert);
        look_at_pair(auditing, listener, &listener->certificates[i]);
    }
    look_at_certificates(auditing, listener, options->client_ca);
    look_at_keys(auditing, options->client_keys);
    for (uint32_t i = 0; i < options->client_crl.count; i++)
        look_at_crls(auditing, options->client_crl.items[i]);
}
