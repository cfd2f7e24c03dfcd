// SPDX-License-Identifier: GPL-3.0-or-later
// Certificates that are accepted by themselves: a file of their SHA-256 fingerprints, and a look-up. Never computes one.
#ifndef DG_CREDENTIALS_FINGERPRINT_FILE_H
#define DG_CREDENTIALS_FINGERPRINT_FILE_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_FINGERPRINT 32         // bytes of SHA-256
#define DG_FINGERPRINTS_MAX 65536 // of one file

struct dg_fingerprints {
    uint8_t (*items)[DG_FINGERPRINT]; // in ascending order
    size_t count;
};

// One fingerprint a line, 64 hexadecimal digits, with colons between the bytes or without; before it may stand
// "sha256:" or "sha256 Fingerprint=" as openssl x509 -fingerprint -sha256 writes it, behind it, after a space, a comment.
// Lines that begin with '#', and empty ones, are passed over. False: error names path, line and what is wrong.
DG_MUST_USE bool dg_fingerprints_parse(struct dg_fingerprints *fingerprints, const char *text, size_t size,
                                       const char *path, char *error, size_t error_size);
void dg_fingerprints_clear(struct dg_fingerprints *fingerprints); // fine on a zeroed struct
bool dg_fingerprints_hold(const struct dg_fingerprints *fingerprints, const uint8_t fingerprint[DG_FINGERPRINT]);
// Is there one that begins with these 64 bits?
bool dg_fingerprints_begin(const struct dg_fingerprints *fingerprints, uint64_t first);

#endif
