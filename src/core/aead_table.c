// SPDX-License-Identifier: GPL-3.0-or-later
// The sizes and limits of each AEAD. Never a function.
#include "core/aead.h"

#include "core/wire_constants.h"

// Key and tag sizes: RFC 5116 5, RFC 6655 4, RFC 8439 2.8. Nonces of DTLS 1.2: RFC 5288 3, RFC 6655 3,
// RFC 7905 2. Limits: RFC 9147 4.5.3 and RFC 9325 4.4.
const struct dg_aead_info dg_aead_table[DG_AEAD_COUNT] = {
    [DG_AEAD_NONE] = {.name = "none"},
    [DG_AEAD_AES_128_GCM] =
        {
            .name = "AES-128-GCM",
            .key_size = 16,
            .tag_size = 16,
            .iv12_size = 4,
            .explicit_size = 8,
            .seal_limit = DG_LIMIT_SEAL_GCM,
            .open_limit12 = DG_LIMIT_OPEN_GCM12,
            .open_limit13 = DG_LIMIT_OPEN_GCM13,
        },
    [DG_AEAD_AES_256_GCM] =
        {
            .name = "AES-256-GCM",
            .key_size = 32,
            .tag_size = 16,
            .iv12_size = 4,
            .explicit_size = 8,
            .seal_limit = DG_LIMIT_SEAL_GCM,
            .open_limit12 = DG_LIMIT_OPEN_GCM12,
            .open_limit13 = DG_LIMIT_OPEN_GCM13,
        },
    [DG_AEAD_AES_128_CCM] =
        {
            .name = "AES-128-CCM",
            .key_size = 16,
            .tag_size = 16,
            .iv12_size = 4,
            .explicit_size = 8,
            .seal_limit = DG_LIMIT_SEAL_CCM,
            .open_limit12 = DG_LIMIT_OPEN_CCM,
            .open_limit13 = DG_LIMIT_OPEN_CCM,
        },
    [DG_AEAD_AES_128_CCM_8] =
        {
            .name = "AES-128-CCM-8",
            .key_size = 16,
            .tag_size = 8,
            .iv12_size = 4,
            .explicit_size = 8,
            .seal_limit = DG_LIMIT_SEAL_CCM,
            .open_limit12 = DG_LIMIT_OPEN_CCM_8,
            .open_limit13 = DG_LIMIT_OPEN_CCM_8,
        },
    [DG_AEAD_CHACHA20_POLY1305] =
        {
            .name = "CHACHA20-POLY1305",
            .key_size = 32,
            .tag_size = 16,
            .iv12_size = 12,
            .explicit_size = 0,
            .seal_limit = UINT64_MAX,
            .open_limit12 = DG_LIMIT_OPEN_CHACHA,
            .open_limit13 = DG_LIMIT_OPEN_CHACHA,
        },
};
