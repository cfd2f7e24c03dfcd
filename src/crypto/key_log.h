// SPDX-License-Identifier: GPL-3.0-or-later
// The secrets of handshakes in the form that Wireshark reads (RFC 9850), for who debugs his own traffic: whoever has the
// file reads and forges everything that was said. The process', off unless it was opened. Never opened by itself.
#ifndef DG_CRYPTO_KEY_LOG_H
#define DG_CRYPTO_KEY_LOG_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct WOLFSSL;

// Appends to this file, made with mode 0600 where there is none; one that others may read, or that is no file of this
// user's, is refused. False: error says why.
DG_MUST_USE bool dg_key_log_open(const char *path, char *error, size_t error_size);
void dg_key_log_close(void); // when no handshake is under way any more
// A line, if it is open; label: of RFC 9850. The library must still know the client's random.
void dg_key_log_secret(struct WOLFSSL *ssl, const char *label, const uint8_t *secret, size_t size);

#endif
