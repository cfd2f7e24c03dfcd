// SPDX-License-Identifier: GPL-3.0-or-later
// Everything wolfSSL needs to dial servers in the client's role: credentials, how the server is verified, and
// the last session ticket for resumption. Includes no wolfSSL header. Used by one thread.
#ifndef DG_CRYPTO_DIALER_H
#define DG_CRYPTO_DIALER_H

#include "core/dial.h"
#include "crypto/gate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_dialer_config {
    // What we show. PEM texts (secret memory of the caller's, copied); NULL where there is none.
    const char *certificate_file; // PEM chain
    const char *key_file;         // PEM private key, mode 0600
    bool use_raw_public_key;      // show key_file's public key (RFC 7250) instead of a certificate
    const char *psk_file;         // "identity:hex key", mode 0600; its first line is ours, or psk_identity's
    const char *psk_identity;     // NULL: the file's only one
    // How the server is verified: at least one of these, or psk, or the explicit word.
    const char *ca_file;          // PEM CAs that its chain must end in
    const char *server_name;      // name its certificate must be for (SAN or CN), and SNI; NULL: none
    const char *pin;              // "sha256:HEX" of its SubjectPublicKeyInfo; also pins a raw public key
    bool insecure_no_verify;      // only by the operator's explicit word
    enum dg_profile profile;
    int version_min, version_max; // 12 or 13
    bool offer_cid;
    bool offer_rrc;               // RFC 9853; only with offer_cid
    bool resume;                  // keep the last ticket and offer it
    uint16_t datagram_max;
    uint32_t retransmit_seconds;
};

struct dg_dialer;

// Reads and checks files. NULL: error in words (file, what was found, what is expected, what to do).
struct dg_dialer *dg_dialer_new(const struct dg_dialer_config *config, char *error, size_t error_size);
void dg_dialer_free(struct dg_dialer *dialer); // wipes

extern const struct dg_dial_ops dg_wolf_dial; // context: a struct dg_dialer

#endif
