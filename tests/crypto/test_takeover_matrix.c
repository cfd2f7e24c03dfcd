// SPDX-License-Identifier: GPL-3.0-or-later
//
// The take-over over everything that can be negotiated: versions, credentials, suites, groups, connection IDs.
// Each time the library's object is freed and data goes both ways under the hand-over's keys and numbers. These
// cases are what guards against another version of wolfSSL.

#include "check.h"
#include "core/wire_constants.h"
#include "support/gate_rig.h"

#include <string.h>

static struct rig rig;
static struct dg_handover handover;

static const struct rig_options everything = {
    .with_psk = true,
    .with_certificate = true,
    .with_client_ca = true,
    .with_raw_keys = true,
    .profile = DG_PROFILE_IOT,
};

static struct wolf_client_config psk_client(int version)
{
    return (struct wolf_client_config){
        .version = version, .psk_identity = RIG_IDENTITY, .psk_key = rig_psk, .psk_key_size = sizeof rig_psk};
}

static struct wolf_client_config certificate_client(int version)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = rig_pki()->client.certificate,
                                       .key = rig_pki()->client.key};
}

static struct wolf_client_config raw_client(int version)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .public_key = rig_pki()->raw_client.public_key,
                                       .key = rig_pki()->raw_client.key};
}

// One handshake, take-over and exchange; what every combination has in common is checked here.
static bool take_over(const char *what, const struct wolf_client_config *config)
{
    bool taken = rig_client(&rig, config) && rig_take(&rig, &handover);
    CHECK_MSG(taken, "%s: no take-over", what);
    if (taken) {
        CHECK_MSG(handover.version == config->version, "%s: version %u", what, handover.version);
        CHECK_MSG(handover.tx_next > 0, "%s: the library has sent under the application epoch", what);
        CHECK_EQ(handover.policy_generation, 7);
        CHECK_EQ(handover.resumed, 0);
        CHECK_MSG(rig_exchange(&rig, &handover), "%s: data", what);
    }
    rig_hang_up(&rig);
    return taken;
}

struct suite_case {
    int version;
    bool psk;
    const char *name;
    uint16_t number;
    enum dg_aead_id aead;
};
static const struct suite_case suites[] = {
    {13, false, "TLS13-AES128-GCM-SHA256", 0x1301, DG_AEAD_AES_128_GCM},
    {13, false, "TLS13-AES256-GCM-SHA384", 0x1302, DG_AEAD_AES_256_GCM},
    {13, false, "TLS13-CHACHA20-POLY1305-SHA256", 0x1303, DG_AEAD_CHACHA20_POLY1305},
    {13, false, "TLS13-AES128-CCM-SHA256", 0x1304, DG_AEAD_AES_128_CCM},
    {13, true, "TLS13-AES128-GCM-SHA256", 0x1301, DG_AEAD_AES_128_GCM},
    {13, true, "TLS13-CHACHA20-POLY1305-SHA256", 0x1303, DG_AEAD_CHACHA20_POLY1305},
    {13, true, "TLS13-AES128-CCM-SHA256", 0x1304, DG_AEAD_AES_128_CCM},
    {12, false, "ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b, DG_AEAD_AES_128_GCM},
    {12, false, "ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c, DG_AEAD_AES_256_GCM},
    {12, false, "ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9, DG_AEAD_CHACHA20_POLY1305},
    {12, false, "ECDHE-ECDSA-AES128-CCM", 0xc0ac, DG_AEAD_AES_128_CCM},
    {12, false, "ECDHE-ECDSA-AES128-CCM-8", 0xc0ae, DG_AEAD_AES_128_CCM_8},
    {12, true, "ECDHE-PSK-AES128-GCM-SHA256", 0xd001, DG_AEAD_AES_128_GCM},
    {12, true, "ECDHE-PSK-CHACHA20-POLY1305", 0xccac, DG_AEAD_CHACHA20_POLY1305},
    {12, true, "PSK-AES128-GCM-SHA256", 0x00a8, DG_AEAD_AES_128_GCM},
    {12, true, "PSK-AES256-GCM-SHA384", 0x00a9, DG_AEAD_AES_256_GCM},
    {12, true, "PSK-CHACHA20-POLY1305", 0xccab, DG_AEAD_CHACHA20_POLY1305},
    {12, true, "PSK-AES128-CCM", 0xc0a4, DG_AEAD_AES_128_CCM},
    {12, true, "PSK-AES128-CCM-8", 0xc0a8, DG_AEAD_AES_128_CCM_8},
};
#define SUITES (sizeof suites / sizeof suites[0])

// RFC 9146 3, RFC 9147 9: sizes that the client asks for; -1: it offers none.
static const int cid_sizes[] = {-1, 0, 1, 5, 20, 64};
#define CID_SIZES (sizeof cid_sizes / sizeof cid_sizes[0])

DG_TEST(takeover_every_suite_and_cid_size)
{
    REQUIRE(rig_new(&rig, &everything));
    for (size_t s = 0; s < SUITES; s++) {
        for (size_t c = 0; c < CID_SIZES; c++) {
            struct wolf_client_config config =
                suites[s].psk ? psk_client(suites[s].version) : certificate_client(suites[s].version);
            config.suites = suites[s].name;
            config.groups[0] = WOLF_GROUP_X25519;
            config.offer_cid = cid_sizes[c] >= 0;
            config.cid_size = cid_sizes[c] > 0 ? (size_t)cid_sizes[c] : 0;
            for (size_t i = 0; i < config.cid_size; i++)
                config.cid[i] = (uint8_t)(0xc0 + i);
            if (!take_over(suites[s].name, &config))
                continue;
            CHECK_EQ(handover.suite, suites[s].number);
            CHECK_EQ(handover.aead, suites[s].aead);
            CHECK_EQ(handover.cid_size, config.offer_cid ? DG_CID_SIZE_DEFAULT : 0);
            CHECK_EQ(handover.peer_has_cid, config.offer_cid);
            CHECK_EQ(handover.peer_cid_size, config.cid_size);
            CHECK_MEM(handover.peer_cid, config.cid, config.cid_size);
            CHECK_MEM(handover.cid, rig.cid, handover.cid_size);
            CHECK_EQ(handover.identity_kind, suites[s].psk ? DG_IDENTITY_PSK : DG_IDENTITY_CERTIFICATE);
            CHECK_EQ(handover.hash, suites[s].number == 0x1302 || suites[s].number == 0xc02c ||
                                            suites[s].number == 0x00a9
                                        ? DG_HASH_SHA384
                                        : DG_HASH_SHA256);
        }
    }
    rig_free(&rig);
}

// Ours, in the lengths that a memory file may have; the client's are of another length.
DG_TEST(takeover_own_connection_ids_of_every_length)
{
    REQUIRE(rig_new(&rig, &everything));
    for (size_t length = DG_CID_SIZE_MIN; length <= DG_CID_SIZE_MAX; length++) {
        for (int version = 12; version <= 13; version++) {
            struct wolf_client_config config = psk_client(version);
            config.groups[0] = WOLF_GROUP_X25519;
            config.offer_cid = true;
            config.cid_size = 20 - length;
            memset(config.cid, 0xc1, config.cid_size);
            rig.cid_size = length;
            if (!take_over("own length", &config))
                continue;
            CHECK_EQ(handover.cid_size, length);
            CHECK_MEM(handover.cid, rig.cid, length);
            CHECK_EQ(handover.peer_cid_size, config.cid_size);
        }
    }
    rig_free(&rig);
}

// RFC 9853 3: whether it was negotiated, which takes both sides and connection IDs.
DG_TEST(takeover_says_whether_rrc_was_negotiated)
{
    struct rig_options options = everything;
    for (unsigned i = 0; i < 16; i++) {
        options.without_rrc = i & 8;
        REQUIRE(rig_new(&rig, &options));
        struct wolf_client_config config = certificate_client(i & 1 ? 13 : 12);
        config.groups[0] = WOLF_GROUP_X25519;
        config.offer_cid = i & 2;
        config.offer_rrc = i & 4;
        if (take_over("rrc", &config)) {
            CHECK_EQ(handover.has_rrc, config.offer_cid && config.offer_rrc && !options.without_rrc);
            CHECK_EQ(handover.cid_size, config.offer_cid ? DG_CID_SIZE_DEFAULT : 0);
        }
        rig_free(&rig);
    }
}

DG_TEST(takeover_every_group)
{
    static const struct {
        int version, group;
        bool empty_key_share;
        const char *name;
    } groups[] = {
        {13, WOLF_GROUP_X25519_MLKEM768, false, "X25519MLKEM768"},
        {13, WOLF_GROUP_X25519_MLKEM768, true, "X25519MLKEM768"},
        {13, WOLF_GROUP_X25519, false, "x25519"},
        {13, WOLF_GROUP_X25519, true, "x25519"},
        {13, WOLF_GROUP_P256, false, "secp256r1"},
        {13, WOLF_GROUP_P384, false, "secp384r1"},
        {12, WOLF_GROUP_X25519, false, "x25519"},
        {12, WOLF_GROUP_P256, false, "secp256r1"},
        {12, WOLF_GROUP_P384, false, "secp384r1"},
    };
    REQUIRE(rig_new(&rig, &everything));
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        for (int psk = 0; psk < 2; psk++) {
            struct wolf_client_config config =
                psk ? psk_client(groups[i].version) : certificate_client(groups[i].version);
            config.groups[0] = groups[i].group;
            config.empty_key_share = groups[i].empty_key_share;
            if (psk && groups[i].version == 12)
                config.suites = "ECDHE-PSK-AES128-GCM-SHA256";
            if (!take_over(groups[i].name, &config))
                continue;
            CHECK_EQ(handover.group, groups[i].group);
            CHECK_STR(handover.group_name, groups[i].name);
        }
    }
    struct wolf_client_config plain = psk_client(12);
    plain.suites = "PSK-AES128-GCM-SHA256";
    if (take_over("plain PSK", &plain))
        CHECK_EQ(handover.group, 0);
    rig_free(&rig);
}

DG_TEST(takeover_of_a_hello_in_one_big_record)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(13);
    config.groups[0] = WOLF_GROUP_X25519_MLKEM768;
    config.datagram_max = 4000;
    if (take_over("big hello", &config))
        CHECK_EQ(handover.group, WOLF_GROUP_X25519_MLKEM768);
    rig_free(&rig);
}

DG_TEST(takeover_keeps_who_the_client_is)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = psk_client(version);
        if (take_over("PSK", &config)) {
            CHECK_EQ(handover.identity_kind, DG_IDENTITY_PSK);
            CHECK_EQ(handover.identity_size, strlen(RIG_IDENTITY));
            CHECK_MEM(handover.identity, RIG_IDENTITY, strlen(RIG_IDENTITY));
            CHECK_EQ(handover.expires_s, 0);
            CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, handover.credential, handover.leaf,
                                           (struct dg_bytes){handover.identity, handover.identity_size}));
        }
        config = certificate_client(version);
        if (take_over("certificate", &config)) {
            CHECK_EQ(handover.identity_kind, DG_IDENTITY_CERTIFICATE);
            CHECK_EQ(handover.identity_size, strlen("client-1"));
            CHECK_MEM(handover.identity, "client-1", strlen("client-1"));
            CHECK(handover.expires_s > 1700000000);
            CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_CERTIFICATE, handover.credential, handover.leaf,
                                           (struct dg_bytes){NULL, 0}));
            CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_CERTIFICATE, handover.credential + (UINT64_C(1) << 32), handover.leaf,
                                            (struct dg_bytes){NULL, 0}));
        }
        for (int both = 0; both < 2; both++) {
            config = raw_client(version);
            config.accept_server_raw_key = both;
            config.ca = both ? NULL : config.ca;
            if (!take_over("raw public key", &config))
                continue;
            CHECK_EQ(handover.identity_kind, DG_IDENTITY_RAW_PUBLIC_KEY);
            CHECK_EQ(handover.identity_size, 7 + 32);
            CHECK_MEM(handover.identity, "sha256:", 7);
            CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_RAW_PUBLIC_KEY, handover.credential, handover.leaf,
                                           (struct dg_bytes){NULL, 0}));
        }
    }
    rig_free(&rig);
}

// design.md, default deny: nobody is anybody only where the operator has said so.
DG_TEST(takeover_without_client_authentication_names_nobody)
{
    struct rig_options options = {.with_certificate = true, .without_authentication = true};
    REQUIRE(rig_new(&rig, &options));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = {.version = version, .ca = rig_pki()->ca.certificate};
        if (!take_over("anonymous", &config))
            continue;
        CHECK_EQ(handover.identity_kind, DG_IDENTITY_NONE);
        CHECK_EQ(handover.identity_size, 0);
        CHECK_EQ(handover.credential, 0);
    }
    rig_free(&rig);
}

// A PSK that a client offers and that is then not used proves nobody, however well its name is known.
DG_TEST(takeover_names_nobody_by_a_psk_that_was_not_used)
{
    struct rig_options options = everything;
    options.without_authentication = true;
    options.with_client_ca = options.with_raw_keys = false;
    REQUIRE(rig_new(&rig, &options));
    struct wolf_client_config config = psk_client(13);
    config.ca = rig_pki()->ca.certificate;
    config.groups[0] = WOLF_GROUP_X25519;
    if (take_over("usable PSK", &config))
        CHECK_EQ(handover.identity_kind, DG_IDENTITY_PSK);
    config.suites = "TLS13-AES256-GCM-SHA384"; // a PSK goes with SHA-256
    if (take_over("PSK without its hash", &config)) {
        CHECK_EQ(handover.identity_kind, DG_IDENTITY_NONE);
        CHECK_EQ(handover.identity_size, 0);
    }
    rig_free(&rig);
}

// RFC 9147 4.3, RFC 6347 4.1.1: no datagram above what was configured.
DG_TEST(takeover_flights_keep_to_the_datagram_size)
{
    static struct dg_pki_pem chain; // a Certificate message of more than one datagram
    chain = rig_pki()->server;
    REQUIRE(strlen(chain.certificate) + strlen(rig_pki()->ca.certificate) < sizeof chain.certificate);
    strcat(chain.certificate, rig_pki()->ca.certificate);
    static char client_chain[8192];
    strcpy(client_chain, rig_pki()->client.certificate);
    strcat(client_chain, rig_pki()->ca.certificate);
    strcat(client_chain, rig_pki()->ca.certificate);
    struct rig_options options = everything;
    options.datagram_max = 600;
    options.server = &chain;
    REQUIRE(rig_new(&rig, &options));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = certificate_client(version);
        config.groups[0] = WOLF_GROUP_P256;
        config.certificate = client_chain; // and a client that sends larger ones than we do
        config.datagram_max = 1400;
        (void)take_over("small datagrams", &config);
        CHECK_MSG(rig.server_largest <= 600, "largest datagram: %zu", rig.server_largest);
    }
    rig_free(&rig);
}

DG_TEST(takeover_prefers_version_13)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(0);
    REQUIRE(rig_client(&rig, &config));
    REQUIRE(rig_take(&rig, &handover));
    CHECK_EQ(handover.version, 13);
    CHECK(rig_exchange(&rig, &handover));
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(takeover_every_suite_and_cid_size),
        DG_CASE(takeover_own_connection_ids_of_every_length),
        DG_CASE(takeover_says_whether_rrc_was_negotiated),
        DG_CASE(takeover_every_group),
        DG_CASE(takeover_of_a_hello_in_one_big_record),
        DG_CASE(takeover_keeps_who_the_client_is),
        DG_CASE(takeover_without_client_authentication_names_nobody),
        DG_CASE(takeover_names_nobody_by_a_psk_that_was_not_used),
        DG_CASE(takeover_flights_keep_to_the_datagram_size),
        DG_CASE(takeover_prefers_version_13),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
