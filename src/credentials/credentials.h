// SPDX-License-Identifier: GPL-3.0-or-later
// An immutable snapshot of everything that peers are checked by and that we show of ourselves, as a server or as a client.
// Built and checked whole from files, counted, wiped when the last user lets go. Never logs a secret,
// never changes after it is built. The parts that need a TLS library to check are checked by src/crypto.
#ifndef DG_CREDENTIALS_CREDENTIALS_H
#define DG_CREDENTIALS_CREDENTIALS_H

#include "base/attributes.h"
#include "base/wire.h"
#include "core/handover.h"
#include "credentials/fingerprint_file.h"
#include "credentials/ticket_key_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_PSK_KEY_MIN 16 // bytes; shorter keys are refused (RFC 9257 6)
#define DG_PSK_KEY_MAX 64

#define DG_PSK_KEYS_MAX 2 // that are good for one identity: the current one, and the next one while it is rotated

struct dg_psk {
    struct dg_bytes identity; // 1..DG_IDENTITY_MAX bytes without NUL (docs/wolfssl.md)
    struct dg_bytes key;      // secret
    unsigned line;            // of the file, for messages; 0: of the store
};

#define DG_CERTIFICATES_MAX 16 // that a server chooses from
#define DG_CRL_FILES_MAX 16
#define DG_CLIENT_NAMES_MAX 16

struct dg_certificate_files {
    const char *certificate_file; // PEM chain, leaf first
    const char *key_file;         // PEM private key of the leaf
};

// What a snapshot is made from. Paths, or what file_name.h takes for one; NULL where there is none. Files with secrets (psk_file, key_file)
// are refused when group or others can read them.
struct dg_credential_files {
    bool is_client;               // we are: the certificate is a client's, the CAs issue servers, a key may stand alone
    const char *psk_file;         // lines "identity:hex key", '#' comments, as psktool and stunnel write them
    const char *psk_store_file;   // made by dtlsgate psk (psk_store.h); an identity stands in one of the two
    const char *certificate_file; // PEM chain, leaf first
    const char *key_file;         // PEM private key of the leaf
    const char *client_ca_file;   // PEM certificates that client chains may end in; as a client: servers' chains
    const char *client_keys_file; // PEM public keys of clients that use raw public keys (RFC 7250)
    // as a server
    const struct dg_certificate_files *further; // certificates besides the first, which is for names that none is for
    size_t further_count;
    const char *const *client_crl_files; // PEM revocation lists of the CAs in client_ca_file
    size_t client_crl_count;
    bool accepts_missing_crl;            // where there are lists: a CA without a current one refuses nobody
    const char *client_fingerprints_file; // SHA-256 of client certificates that need no CA
    const char *const *client_names;     // "dns:PATTERN", "uri:", "email:", "cn:", "ou:": one must fit
    size_t client_name_count;
    const char *ticket_keys_file;        // shared with other servers; secret
};

struct dg_credentials; // counted

// Reads and checks the files. NULL: error says file, line where there is one, what was found, what is
// expected and what to do; never a secret.
struct dg_credentials *dg_credentials_new(const struct dg_credential_files *files, char *error, size_t error_size);
struct dg_credentials *dg_credentials_get(struct dg_credentials *credentials); // one more user
void dg_credentials_put(struct dg_credentials *credentials);                   // one less; wipes at none. NULL is fine

// The keys of an identity, the current one first; what they point to lives as long as the snapshot. Returns how many, 0:
// unknown. The time it takes depends on the number of keys only, not on the identity.
size_t dg_credentials_find_psk(const struct dg_credentials *credentials, struct dg_bytes identity,
                               struct dg_psk keys[DG_PSK_KEYS_MAX]);
size_t dg_credentials_first_psk(const struct dg_credentials *credentials, struct dg_psk keys[DG_PSK_KEYS_MAX]);
size_t dg_credentials_psk_count(const struct dg_credentials *credentials);    // identities
size_t dg_credentials_psk_rotating(const struct dg_credentials *credentials); // of these, with two keys
// Are clients proven by pre-shared keys? A store says so even while it holds none.
bool dg_credentials_takes_psks(const struct dg_credentials *credentials);
// File contents; size 0 where there is none. The key is a secret.
struct dg_bytes dg_credentials_certificate(const struct dg_credentials *credentials);
struct dg_bytes dg_credentials_key(const struct dg_credentials *credentials);
struct dg_bytes dg_credentials_client_ca(const struct dg_credentials *credentials);
struct dg_bytes dg_credentials_client_keys(const struct dg_credentials *credentials);
// All of ours, the first first; empty blocks beyond the last.
struct dg_own_certificate {
    const char *certificate_path, *key_path;
    struct dg_bytes certificate, key; // the key is a secret
};
size_t dg_credentials_certificate_count(const struct dg_credentials *credentials);
struct dg_own_certificate dg_credentials_certificate_at(const struct dg_credentials *credentials, size_t index);
size_t dg_credentials_crl_count(const struct dg_credentials *credentials);
struct dg_bytes dg_credentials_crl_at(const struct dg_credentials *credentials, size_t index, const char **ret_path);
bool dg_credentials_accept_missing_crl(const struct dg_credentials *credentials);
const struct dg_fingerprints *dg_credentials_fingerprints(const struct dg_credentials *credentials);
size_t dg_credentials_client_name_count(const struct dg_credentials *credentials);
const char *dg_credentials_client_name_at(const struct dg_credentials *credentials, size_t index);
const struct dg_ticket_keys *dg_credentials_ticket_keys(const struct dg_credentials *credentials); // count 0: none
// Is there anything that a client could be checked by?
bool dg_credentials_can_check_clients(const struct dg_credentials *credentials);
// The paths they came from, for messages; NULL where there is none.
const struct dg_credential_files *dg_credentials_files(const struct dg_credentials *credentials);

#endif
