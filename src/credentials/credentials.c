// SPDX-License-Identifier: GPL-3.0-or-later
// The credential snapshot: reads its files, counts its users, wipes itself with the last. Never changes
// after it is built, so that any thread may read it.
#include "credentials/credentials.h"

#include "base/secret.h"
#include "credentials/file.h"
#include "credentials/psk_file.h"
#include "credentials/psk_store.h"
#include "credentials/psk_table.h"
#include "credentials/public_files.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEM_FILE_MAX (4u << 20) // bytes

struct dg_credentials {
    atomic_uint users;
    struct dg_credential_files paths; // strings of our own
    struct dg_psk_table psks;
    struct dg_file certificate, key, client_ca, client_keys;
    struct dg_public_files publics;
};

static bool copy_path(const char *path, const char **ret)
{
    *ret = path ? strdup(path) : NULL;
    return !path || *ret;
}

static bool copy_paths(const struct dg_credential_files *files, struct dg_credential_files *ret)
{
    ret->is_client = files->is_client;
    return copy_path(files->psk_file, &ret->psk_file) && copy_path(files->psk_store_file, &ret->psk_store_file) &&
           copy_path(files->certificate_file, &ret->certificate_file) &&
           copy_path(files->key_file, &ret->key_file) && copy_path(files->client_ca_file, &ret->client_ca_file) &&
           copy_path(files->client_keys_file, &ret->client_keys_file);
}

static bool read_pem(const char *path, const char *what, bool is_secret, const char *marker, struct dg_file *ret,
                     char *error, size_t error_size)
{
    return !path || dg_file_read_pem(path, what, is_secret, marker, PEM_FILE_MAX, ret, error, error_size);
}

static bool read_files(struct dg_credentials *credentials, char *error, size_t error_size)
{
    const struct dg_credential_files *paths = &credentials->paths;
    bool is_raw_key = paths->is_client && paths->key_file && !paths->certificate_file; // RFC 7250
    if (!paths->certificate_file != !paths->key_file && !is_raw_key) {
        snprintf(error, error_size, "a certificate and its private key come together: %s is given, %s is missing",
                 paths->certificate_file ? "--cert" : "--key", paths->certificate_file ? "--key" : "--cert");
        return false;
    }
    if (paths->psk_file && !dg_psk_file_load(&credentials->psks, paths->psk_file, error, error_size))
        return false;
    if (paths->psk_store_file && !dg_psk_store_load(&credentials->psks, paths->psk_store_file, error, error_size))
        return false;
    bool is_client = paths->is_client;
    return read_pem(paths->certificate_file, is_client ? "client certificate" : "server certificate", false,
                    "-----BEGIN CERTIFICATE", &credentials->certificate, error, error_size) &&
           read_pem(paths->key_file, is_client ? "client's private key" : "server's private key", true, "-----BEGIN ",
                    &credentials->key, error, error_size) &&
           read_pem(paths->client_ca_file, is_client ? "servers' CA certificates" : "clients' CA certificates", false,
                    "-----BEGIN CERTIFICATE", &credentials->client_ca, error, error_size) &&
           read_pem(paths->client_keys_file, "clients' raw public keys", false, "-----BEGIN PUBLIC KEY",
                    &credentials->client_keys, error, error_size);
}

struct dg_credentials *dg_credentials_new(const struct dg_credential_files *files, char *error, size_t error_size)
{
    struct dg_credentials *credentials = calloc(1, sizeof *credentials);
    if (!credentials) {
        snprintf(error, error_size, "no memory for the credentials");
        return NULL;
    }
    atomic_init(&credentials->users, 1);
    if (!copy_paths(files, &credentials->paths)) {
        snprintf(error, error_size, "no memory for the credentials");
        dg_credentials_put(credentials);
        return NULL;
    }
    if (!read_files(credentials, error, error_size) ||
        !dg_public_files_load(&credentials->publics, files, error, error_size)) {
        dg_credentials_put(credentials);
        return NULL;
    }
    return credentials;
}

struct dg_credentials *dg_credentials_get(struct dg_credentials *credentials)
{
    atomic_fetch_add_explicit(&credentials->users, 1, memory_order_relaxed);
    return credentials;
}

static void free_paths(struct dg_credential_files *paths)
{
    free((char *)(uintptr_t)paths->psk_file);
    free((char *)(uintptr_t)paths->psk_store_file);
    free((char *)(uintptr_t)paths->certificate_file);
    free((char *)(uintptr_t)paths->key_file);
    free((char *)(uintptr_t)paths->client_ca_file);
    free((char *)(uintptr_t)paths->client_keys_file);
}

void dg_credentials_put(struct dg_credentials *credentials)
{
    if (!credentials || atomic_fetch_sub_explicit(&credentials->users, 1, memory_order_acq_rel) > 1)
        return;
    dg_psk_table_clear(&credentials->psks);
    dg_file_clear(&credentials->certificate);
    dg_file_clear(&credentials->key);
    dg_file_clear(&credentials->client_ca);
    dg_file_clear(&credentials->client_keys);
    dg_public_files_clear(&credentials->publics);
    free_paths(&credentials->paths);
    free(credentials);
}

size_t dg_credentials_find_psk(const struct dg_credentials *credentials, struct dg_bytes identity,
                               struct dg_psk keys[DG_PSK_KEYS_MAX])
{
    return dg_psk_table_find(&credentials->psks, identity, keys);
}

size_t dg_credentials_first_psk(const struct dg_credentials *credentials, struct dg_psk keys[DG_PSK_KEYS_MAX])
{
    return dg_psk_table_first(&credentials->psks, keys);
}

size_t dg_credentials_psk_count(const struct dg_credentials *credentials)
{
    return credentials->psks.count;
}

size_t dg_credentials_psk_rotating(const struct dg_credentials *credentials)
{
    return credentials->psks.rotating;
}

bool dg_credentials_takes_psks(const struct dg_credentials *credentials)
{
    return credentials->psks.count > 0 || credentials->paths.psk_store_file;
}

static struct dg_bytes bytes_of(const struct dg_file *file)
{
    return (struct dg_bytes){(const uint8_t *)file->data, file->size_bytes};
}

struct dg_bytes dg_credentials_certificate(const struct dg_credentials *credentials)
{
    return bytes_of(&credentials->certificate);
}

struct dg_bytes dg_credentials_key(const struct dg_credentials *credentials)
{
    return bytes_of(&credentials->key);
}

struct dg_bytes dg_credentials_client_ca(const struct dg_credentials *credentials)
{
    return bytes_of(&credentials->client_ca);
}

struct dg_bytes dg_credentials_client_keys(const struct dg_credentials *credentials)
{
    return bytes_of(&credentials->client_keys);
}

size_t dg_credentials_certificate_count(const struct dg_credentials *credentials)
{
    return credentials->certificate.size_bytes > 0 ? 1 + credentials->publics.further_count : 0;
}

struct dg_own_certificate dg_credentials_certificate_at(const struct dg_credentials *credentials, size_t index)
{
    if (index == 0)
        return (struct dg_own_certificate){credentials->paths.certificate_file, credentials->paths.key_file,
                                           bytes_of(&credentials->certificate), bytes_of(&credentials->key)};
    const struct dg_public_files *files = &credentials->publics;
    if (index > files->further_count)
        return (struct dg_own_certificate){0};
    return (struct dg_own_certificate){files->further[index - 1].certificate_path, files->further[index - 1].key_path,
                                       bytes_of(&files->further[index - 1].certificate),
                                       bytes_of(&files->further[index - 1].key)};
}

size_t dg_credentials_crl_count(const struct dg_credentials *credentials) { return credentials->publics.crl_count; }

struct dg_bytes dg_credentials_crl_at(const struct dg_credentials *credentials, size_t index, const char **ret_path)
{
    *ret_path = credentials->publics.crls[index].path;
    return bytes_of(&credentials->publics.crls[index].file);
}

bool dg_credentials_accept_missing_crl(const struct dg_credentials *credentials)
{
    return credentials->publics.accepts_missing_crl;
}

const struct dg_fingerprints *dg_credentials_fingerprints(const struct dg_credentials *credentials)
{
    return &credentials->publics.fingerprints;
}

size_t dg_credentials_client_name_count(const struct dg_credentials *credentials)
{
    return credentials->publics.name_count;
}

const char *dg_credentials_client_name_at(const struct dg_credentials *credentials, size_t index)
{
    return credentials->publics.names[index];
}

const struct dg_ticket_keys *dg_credentials_ticket_keys(const struct dg_credentials *credentials)
{
    static const struct dg_ticket_keys none;
    return credentials->publics.ticket_keys ? credentials->publics.ticket_keys : &none;
}

bool dg_credentials_can_check_clients(const struct dg_credentials *credentials)
{
    return dg_credentials_takes_psks(credentials) || credentials->client_ca.size_bytes > 0 || credentials->client_keys.size_bytes > 0 ||
           credentials->publics.fingerprints.count > 0;
}

const struct dg_credential_files *dg_credentials_files(const struct dg_credentials *credentials)
{
    return &credentials->paths;
}
