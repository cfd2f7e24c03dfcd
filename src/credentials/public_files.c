// SPDX-License-Identifier: GPL-3.0-or-later
// Reads the files of public keys, each whole.
#include "credentials/public_files.h"

#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEM_FILE_MAX (4u << 20)         // bytes
#define CRL_FILE_MAX (64u << 20)        // a list of a million serial numbers
#define FINGERPRINT_FILE_MAX (16u << 20)
#define TICKET_KEY_FILE_MAX (64u << 10)

static bool complain(char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "%s", what);
    return false;
}

static bool load_further(struct dg_public_files *files, const struct dg_credential_files *from, char *error,
                         size_t error_size)
{
    if (from->further_count > DG_CERTIFICATES_MAX - 1)
        return complain(error, error_size, "more than 16 certificates; one may hold several names");
    if (from->further_count > 0 && !from->certificate_file)
        return complain(error, error_size, "there are further certificates but no first one");
    for (size_t i = 0; i < from->further_count; i++) {
        const struct dg_certificate_files *pair = &from->further[i];
        if (!pair->certificate_file || !pair->key_file)
            return complain(error, error_size, "a certificate and its private key come together: one of them is missing");
        size_t at = files->further_count++;
        files->further[at].certificate_path = strdup(pair->certificate_file);
        files->further[at].key_path = strdup(pair->key_file);
        if (!files->further[at].certificate_path || !files->further[at].key_path)
            return complain(error, error_size, "no memory for the credentials");
        if (!dg_file_read_pem(pair->certificate_file, "server certificate", false, "-----BEGIN CERTIFICATE", PEM_FILE_MAX,
                              &files->further[at].certificate, error, error_size) ||
            !dg_file_read_pem(pair->key_file, "server's private key", true, "-----BEGIN ", PEM_FILE_MAX,
                              &files->further[at].key, error, error_size))
            return false;
    }
    return true;
}

static bool load_crls(struct dg_public_files *files, const struct dg_credential_files *from, char *error,
                      size_t error_size)
{
    if (from->client_crl_count > DG_CRL_FILES_MAX)
        return complain(error, error_size, "more than 16 files of revocation lists; one may hold several lists");
    for (size_t i = 0; i < from->client_crl_count; i++) {
        size_t at = files->crl_count++;
        files->crls[at].path = strdup(from->client_crl_files[i]);
        if (!files->crls[at].path)
            return complain(error, error_size, "no memory for the credentials");
        if (!dg_file_read_pem(from->client_crl_files[i], "certificate revocation lists", false, "-----BEGIN X509 CRL",
                              CRL_FILE_MAX, &files->crls[at].file, error, error_size))
            return false;
    }
    if (files->crl_count > 0 && !from->client_ca_file)
        return complain(error, error_size, "there are revocation lists (--client-crl) but no CA certificates that they "
                                           "are verified by; name them with --client-ca");
    files->accepts_missing_crl = from->accepts_missing_crl;
    return true;
}

static bool load_names(struct dg_public_files *files, const struct dg_credential_files *from, char *error,
                       size_t error_size)
{
    if (from->client_name_count > DG_CLIENT_NAMES_MAX)
        return complain(error, error_size, "more than 16 rules for clients' names; one pattern may fit many names");
    for (size_t i = 0; i < from->client_name_count; i++) {
        files->names[files->name_count] = strdup(from->client_names[i]);
        if (!files->names[files->name_count])
            return complain(error, error_size, "no memory for the credentials");
        files->name_count++;
    }
    return true;
}

static bool load_fingerprints(struct dg_public_files *files, const char *path, char *error, size_t error_size)
{
    struct dg_file file = {0};
    if (!path)
        return true;
    if (!dg_file_read(path, "fingerprints of clients' certificates", false, FINGERPRINT_FILE_MAX, &file, error, error_size))
        return false;
    bool done = dg_fingerprints_parse(&files->fingerprints, file.data, file.size_bytes, path, error, error_size);
    dg_file_clear(&file);
    return done;
}

static bool load_ticket_keys(struct dg_public_files *files, const char *path, char *error, size_t error_size)
{
    struct dg_file file = {0};
    if (!path)
        return true;
    if (!dg_file_read(path, "ticket keys", true, TICKET_KEY_FILE_MAX, &file, error, error_size))
        return false;
    files->ticket_keys = dg_secret_new(sizeof *files->ticket_keys);
    bool done = files->ticket_keys ? dg_ticket_keys_parse(files->ticket_keys, file.data, file.size_bytes, path, error, error_size)
                                   : complain(error, error_size, "no memory for the credentials");
    dg_file_clear(&file);
    return done;
}

bool dg_public_files_load(struct dg_public_files *files, const struct dg_credential_files *from, char *error,
                          size_t error_size)
{
    return load_further(files, from, error, error_size) && load_crls(files, from, error, error_size) &&
           load_names(files, from, error, error_size) &&
           load_fingerprints(files, from->client_fingerprints_file, error, error_size) &&
           load_ticket_keys(files, from->ticket_keys_file, error, error_size);
}

void dg_public_files_clear(struct dg_public_files *files)
{
    for (size_t i = 0; i < files->further_count; i++) {
        free(files->further[i].certificate_path);
        free(files->further[i].key_path);
        dg_file_clear(&files->further[i].certificate);
        dg_file_clear(&files->further[i].key);
    }
    for (size_t i = 0; i < files->crl_count; i++) {
        free(files->crls[i].path);
        dg_file_clear(&files->crls[i].file);
    }
    for (size_t i = 0; i < files->name_count; i++)
        free(files->names[i]);
    dg_fingerprints_clear(&files->fingerprints);
    if (files->ticket_keys)
        dg_secret_free(files->ticket_keys, sizeof *files->ticket_keys);
    memset(files, 0, sizeof *files);
}
