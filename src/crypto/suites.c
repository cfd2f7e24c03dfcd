// SPDX-License-Identifier: GPL-3.0-or-later
// The table of cipher suites (RFC 9325 4.2, RFC 7925 4). AEAD only: no CBC, no NULL, no static RSA.
// TLS_AES_128_CCM_8_SHA256 is left out in every profile (RFC 9147 4.5.3).
#include "crypto/suites.h"

#include <string.h>

#define M DG_PROFILE_MODERN
#define I DG_PROFILE_IOT

static const struct dg_suite suites[] = {
    {0x1301, "TLS_AES_128_GCM_SHA256", "TLS13-AES128-GCM-SHA256", DG_AEAD_AES_128_GCM, DG_HASH_SHA256,
     DG_EXCHANGE_13, M},
    {0x1302, "TLS_AES_256_GCM_SHA384", "TLS13-AES256-GCM-SHA384", DG_AEAD_AES_256_GCM, DG_HASH_SHA384,
     DG_EXCHANGE_13, M},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256", "TLS13-CHACHA20-POLY1305-SHA256", DG_AEAD_CHACHA20_POLY1305,
     DG_HASH_SHA256, DG_EXCHANGE_13, M},
    {0x1304, "TLS_AES_128_CCM_SHA256", "TLS13-AES128-CCM-SHA256", DG_AEAD_AES_128_CCM, DG_HASH_SHA256,
     DG_EXCHANGE_13, M},
    {0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "ECDHE-PSK-AES128-GCM-SHA256", DG_AEAD_AES_128_GCM,
     DG_HASH_SHA256, DG_EXCHANGE_ECDHE_PSK, M},
    {0xccac, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305",
     DG_AEAD_CHACHA20_POLY1305, DG_HASH_SHA256, DG_EXCHANGE_ECDHE_PSK, M},
    {0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256", DG_AEAD_AES_128_GCM, DG_HASH_SHA256,
     DG_EXCHANGE_PSK, I},
    {0x00a9, "TLS_PSK_WITH_AES_256_GCM_SHA384", "PSK-AES256-GCM-SHA384", DG_AEAD_AES_256_GCM, DG_HASH_SHA384,
     DG_EXCHANGE_PSK, I},
    {0xccab, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "PSK-CHACHA20-POLY1305", DG_AEAD_CHACHA20_POLY1305,
     DG_HASH_SHA256, DG_EXCHANGE_PSK, I},
    {0xc0a4, "TLS_PSK_WITH_AES_128_CCM", "PSK-AES128-CCM", DG_AEAD_AES_128_CCM, DG_HASH_SHA256, DG_EXCHANGE_PSK,
     I},
    {0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM-8", DG_AEAD_AES_128_CCM_8, DG_HASH_SHA256,
     DG_EXCHANGE_PSK, I},
    {0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", DG_AEAD_AES_128_GCM,
     DG_HASH_SHA256, DG_EXCHANGE_ECDHE, M},
    {0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256", DG_AEAD_AES_128_GCM,
     DG_HASH_SHA256, DG_EXCHANGE_ECDHE, M},
    {0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", DG_AEAD_AES_256_GCM,
     DG_HASH_SHA384, DG_EXCHANGE_ECDHE, M},
    {0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384", DG_AEAD_AES_256_GCM,
     DG_HASH_SHA384, DG_EXCHANGE_ECDHE, M},
    {0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305",
     DG_AEAD_CHACHA20_POLY1305, DG_HASH_SHA256, DG_EXCHANGE_ECDHE, M},
    {0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305",
     DG_AEAD_CHACHA20_POLY1305, DG_HASH_SHA256, DG_EXCHANGE_ECDHE, M},
    {0xc0ac, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM", DG_AEAD_AES_128_CCM, DG_HASH_SHA256,
     DG_EXCHANGE_ECDHE, M},
    {0xc0ae, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM-8", DG_AEAD_AES_128_CCM_8,
     DG_HASH_SHA256, DG_EXCHANGE_ECDHE, I},
};
#define SUITE_COUNT (sizeof suites / sizeof suites[0])

const struct dg_suite *dg_suite_find(uint16_t number)
{
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (suites[i].number == number)
            return &suites[i];
    return NULL;
}

static bool is_wanted(const struct dg_suite *suite, enum dg_profile profile, bool with_psk, bool with_certificates)
{
    if (suite->profile > profile)
        return false;
    if (suite->exchange == DG_EXCHANGE_13)
        return true;
    return suite->exchange == DG_EXCHANGE_ECDHE ? with_certificates : with_psk;
}

void dg_suites_list(enum dg_profile profile, bool with_psk, bool with_certificates, char list[DG_SUITE_LIST_MAX])
{
    size_t used = 0;
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        if (!is_wanted(&suites[i], profile, with_psk, with_certificates))
            continue;
        size_t size = strlen(suites[i].wolf_name);
        DG_BUG_UNLESS(used + size + 2 <= DG_SUITE_LIST_MAX);
        if (used > 0)
            list[used++] = ':';
        memcpy(list + used, suites[i].wolf_name, size);
        used += size;
    }
    list[used] = '\0';
}

static bool is_offered(struct dg_bytes offered, uint16_t number)
{
    struct dg_reader reader = dg_reader_in(offered);
    while (dg_reader_left(&reader) >= 2)
        if (dg_read_u16(&reader) == number)
            return true;
    return false;
}

const struct dg_suite *dg_suite_for_psk13(struct dg_bytes offered)
{
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (suites[i].exchange == DG_EXCHANGE_13 && suites[i].hash == DG_HASH_SHA256 &&
            is_offered(offered, suites[i].number))
            return &suites[i];
    return NULL;
}
