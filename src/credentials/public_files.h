// SPDX-License-Identifier: GPL-3.0-or-later
// What of a snapshot is about public keys beyond its first certificate: further certificates, revocation lists,
// fingerprints, name rules as texts, shared ticket keys. Owns the files' contents; never looks into a certificate.
#ifndef DG_CREDENTIALS_PUBLIC_FILES_H
#define DG_CREDENTIALS_PUBLIC_FILES_H

#include "credentials/credentials.h"
#include "credentials/file.h"

struct dg_public_files {
    struct {
        char *certificate_path, *key_path;
        struct dg_file certificate, key;
    } further[DG_CERTIFICATES_MAX - 1];
    size_t further_count;
    struct {
        char *path;
        struct dg_file file;
    } crls[DG_CRL_FILES_MAX];
    size_t crl_count;
    char *names[DG_CLIENT_NAMES_MAX];
    size_t name_count;
    bool accepts_missing_crl;
    struct dg_fingerprints fingerprints;
    struct dg_ticket_keys *ticket_keys; // in secret memory; NULL: none
};

// False: error says what is wrong; clear all the same.
DG_MUST_USE bool dg_public_files_load(struct dg_public_files *files, const struct dg_credential_files *from,
                                      char *error, size_t error_size);
void dg_public_files_clear(struct dg_public_files *files); // wipes; fine on a zeroed struct

#endif
