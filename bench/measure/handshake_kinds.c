// SPDX-License-Identifier: GPL-3.0-or-later
// One suite for all: what differs is how the peers prove themselves and agree on keys.
#include "measure/handshake_kinds.h"

#define SUITE13 "TLS13-AES128-GCM-SHA256"

const struct bench_kind bench_handshake_kinds[BENCH_HANDSHAKE_KINDS] = {
    {.name = "DTLS 1.2, mutual ECDSA P-256", .version = 12, .suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
     .group = WOLF_GROUP_P256},
    {.name = "DTLS 1.3, mutual ECDSA P-256, X25519", .version = 13, .suites = SUITE13, .group = WOLF_GROUP_X25519,
     .datagrams_after = 1},
    {.name = "DTLS 1.2, ECDHE-PSK, P-256", .version = 12, .suites = "ECDHE-PSK-AES128-GCM-SHA256",
     .group = WOLF_GROUP_P256, .with_psk = true},
    {.name = "DTLS 1.3, PSK with X25519", .version = 13, .suites = SUITE13, .group = WOLF_GROUP_X25519,
     .with_psk = true, .datagrams_after = 1},
    {.name = "DTLS 1.2, plain PSK", .version = 12, .suites = "PSK-AES128-GCM-SHA256", .with_psk = true},
    {.name = "DTLS 1.2, resumed", .version = 12, .suites = "ECDHE-ECDSA-AES128-GCM-SHA256",
     .group = WOLF_GROUP_P256, .resumes = true},
    {.name = "DTLS 1.3, resumed, X25519", .version = 13, .suites = SUITE13, .group = WOLF_GROUP_X25519,
     .resumes = true, .datagrams_after = 1},
    {.name = "DTLS 1.3, mutual ECDSA P-256, X25519MLKEM768", .version = 13, .suites = SUITE13,
     .group = WOLF_GROUP_X25519_MLKEM768, .datagrams_after = 1},
};
