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
    // Names are read while the dialer is made and not kept; NULL where there is none.
    // What we show, and the CAs that the server's chain must end in: a snapshot of a client's (is_client). One more
    // user of it.
    struct dg_credentials *credentials;
    bool use_raw_public_key;      // show the private key's public key (RFC 7250) instead of a certificate
    const char *psk_identity;     // NULL: the only one of the snapshot
    // How the server is verified: by the snapshot's CAs and its name, by a pin, or by the PSK; else there must be the explicit word.
    // Where both a CA and a pin are given both must hold, and the name may be missing. A PSK suffices by itself.
    const char *server_name;      // DNS name or IP address that its certificate must be for, and SNI
    const char *pin;              // "sha256:HEX" of its SubjectPublicKeyInfo, in a certificate or raw (RFC 7250)
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

// Checks all of that. NULL: error in words (file, what was found, what is expected, what to do).
struct dg_dialer *dg_dialer_new(const struct dg_dialer_config *config, char *error, size_t error_size);
void dg_dialer_free(struct dg_dialer *dialer); // wipes

extern const struct dg_dial_ops dg_wolf_dial; // context: a struct dg_dialer

#endif
