// SPDX-License-Identifier: GPL-3.0-or-later
//
// Who gets in and who does not, and that those who do not learn nothing from it: PSKs, certificates, raw public
// keys, and what the log says of each failure.

#include "check.h"
#include "core/wire_constants.h"
#include "crypto/inner.h"
#include "support/credential_kit.h"
#include "support/gate_rig.h"

#include <wolfssl/wolfcrypt/asn_public.h>

#include <string.h>
#include <time.h>

static struct rig rig;
static struct dg_handover handover;

static const struct rig_options everything = {.with_psk = true,
                                              .with_certificate = true,
                                              .with_client_ca = true,
                                              .with_raw_keys = true,
                                              .profile = DG_PROFILE_IOT};

static struct wolf_client_config psk_client(int version, const char *identity, const uint8_t *key)
{
    return (struct wolf_client_config){
        .version = version, .psk_identity = identity, .psk_key = key, .psk_key_size = 32, .groups = {WOLF_GROUP_X25519}};
}

static struct wolf_client_config certificate_client(int version, const struct dg_pki_pem *pem)
{
    return (struct wolf_client_config){.version = version,
                                       .ca = rig_pki()->ca.certificate,
                                       .certificate = pem != NULL ? pem->certificate : NULL,
                                       .key = pem != NULL ? pem->key : NULL,
                                       .groups = {WOLF_GROUP_X25519}};
}

static struct dg_handshake_failure refused(const struct wolf_client_config *config)
{
    struct dg_handshake_failure failure = {.reason = "it was let in"};
    if (!rig_client(&rig, config))
        return failure;
    enum dg_handshake_step step = rig_run(&rig);
    CHECK(step != DG_STEP_DONE);
    if (rig.handshake != NULL) {
        CHECK(!dg_wolf_handshake.take(rig.handshake, &handover));
        dg_wolf_handshake.why(rig.handshake, &failure);
    }
    return failure;
}

// --- PSK ----------------------------------------------------------------------

struct seen {
    unsigned datagrams;
    size_t bytes;
    int alert;
    enum dg_handshake_step step;
    bool doubts; // told, with the reason that the end will have
};

static struct seen look(const struct wolf_client_config *config, struct dg_handshake_failure *ret)
{
    unsigned datagrams = rig.server_datagrams;
    size_t bytes = rig.server_bytes;
    *ret = refused(config);
    struct seen seen = {.datagrams = rig.server_datagrams - datagrams,
                        .bytes = rig.server_bytes - bytes,
                        .alert = ret->alert_sent,
                        .step = rig.step};
    struct dg_handshake_failure doubted;
    seen.doubts = rig.handshake != NULL && dg_wolf_handshake.doubts(rig.handshake, &doubted);
    if (seen.doubts) {
        CHECK_STR(doubted.reason, ret->reason);
        CHECK(!dg_wolf_handshake.doubts(rig.handshake, &doubted)); // once
    }
    rig_hang_up(&rig);
    return seen;
}

// RFC 4279 2: an unknown identity and a wrong key cannot be told apart by what comes back; only the log says.
DG_TEST(psk_unknown_identity_looks_like_a_wrong_key)
{
    struct dg_handshake_failure wrong_why, unknown_why;
    for (int profile = 0; profile < 4; profile++) {
        struct rig_options options = everything;
        options.profile = profile & 1 ? DG_PROFILE_IOT : DG_PROFILE_MODERN;
        options.with_certificate = options.with_client_ca = options.with_raw_keys = (profile & 2) != 0;
        REQUIRE(rig_new(&rig, &options));
        for (int version = 12; version <= 13; version++) {
            struct wolf_client_config wrong = psk_client(version, RIG_IDENTITY, rig_wrong_psk);
            struct wolf_client_config unknown = psk_client(version, "meter-9", rig_wrong_psk);
            struct seen a = look(&wrong, &wrong_why);
            CHECK_EQ(a.doubts, version == 12); // DTLS 1.3 ends it at once
            struct seen b = look(&unknown, &unknown_why);
            CHECK_EQ(a.datagrams, b.datagrams);
            CHECK_EQ(a.bytes, b.bytes);
            CHECK_EQ(a.alert, b.alert);
            CHECK_EQ(a.step, b.step);
            CHECK_EQ(wrong_why.counter, DG_COUNT_FAIL_WRONG_KEY);
            CHECK_STR(wrong_why.reason, version == 13 ? "wrong key for this identity: the binder does not verify"
                                                      : "wrong key for this identity");
            CHECK_EQ(unknown_why.counter, DG_COUNT_FAIL_UNKNOWN_IDENTITY);
            CHECK_STR(unknown_why.reason, "unknown identity");
            CHECK_EQ(unknown_why.identity_kind, DG_IDENTITY_PSK);
            CHECK_EQ(unknown_why.identity_size, 7);
            CHECK_MEM(unknown_why.identity, "meter-9", 7);
        }
        rig_free(&rig);
    }
}

// RFC 9147 4.5.2: an unprotected alert with a client's address, which anybody can send, ends nothing; where the
// client does not go on, it is what the log says.
DG_TEST(plaintext_alerts_do_not_end_a_handshake)
{
    static const uint8_t refused_certificate[15] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 48};
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config right = psk_client(version, RIG_IDENTITY, rig_psk);
        REQUIRE(rig_client(&rig, &right));
        for (int i = 0; i < 10 && rig.handshake == NULL; i++) {
            (void)wolf_client_connect(rig.client);
            rig_give_all(&rig);
        }
        REQUIRE(rig.handshake != NULL && rig.step == DG_STEP_GOES_ON);
        rig_give(&rig, refused_certificate, sizeof refused_certificate);
        CHECK_EQ(rig.step, DG_STEP_GOES_ON);
        struct dg_handshake_failure why;
        dg_wolf_handshake.why(rig.handshake, &why);
        CHECK_EQ(why.alert_received, 48);
        CHECK_STR(why.reason, "the client refused our certificate");
        CHECK(rig_take(&rig, &handover));
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// A failure leaves nothing that stops the next one.
DG_TEST(psk_failures_do_not_stick)
{
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config wrong = psk_client(version, RIG_IDENTITY, rig_wrong_psk);
        struct wolf_client_config right = psk_client(version, RIG_IDENTITY, rig_psk);
        for (int i = 0; i < 20; i++) {
            (void)refused(&wrong);
            rig_hang_up(&rig);
        }
        CHECK(rig_client(&rig, &right) && rig_take(&rig, &handover));
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

DG_TEST(psk_identity_of_255_bytes)
{
    static char lines[600], identity[256];
    memset(identity, 'i', 255);
    memcpy(lines, identity, 255);
    strcpy(lines + 255, ":0102030405060708090a0b0c0d0e0f1011000000000000000000000000000000\n");
    struct rig_options options = everything;
    options.psk_lines = lines;
    REQUIRE(rig_new(&rig, &options));
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = psk_client(version, identity, rig_psk);
        CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
        CHECK_EQ(handover.identity_size, 255);
        CHECK_MEM(handover.identity, identity, 255);
        CHECK(rig_exchange(&rig, &handover));
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

// RFC 9257 6: without forward secrecy only where the profile says so; psk_ke never.
DG_TEST(psk_without_forward_secrecy_is_refused_by_default)
{
    struct rig_options options = everything;
    options.profile = DG_PROFILE_MODERN;
    REQUIRE(rig_new(&rig, &options));
    static const char *suites[] = {"PSK-AES128-GCM-SHA256", "PSK-AES128-CCM-8", "PSK-CHACHA20-POLY1305",
                                   "ECDHE-ECDSA-AES128-CCM-8"};
    for (size_t i = 0; i < 4; i++) {
        struct wolf_client_config config = i < 3 ? psk_client(12, RIG_IDENTITY, rig_psk)
                                                 : certificate_client(12, &rig_pki()->client);
        config.suites = suites[i];
        struct dg_handshake_failure failure = refused(&config);
        CHECK_EQ(failure.counter, DG_COUNT_FAIL_NO_COMMON);
        rig_hang_up(&rig);
    }
    struct wolf_client_config plain = psk_client(13, RIG_IDENTITY, rig_psk);
    plain.psk_without_dhe = true;
    (void)refused(&plain);
    rig_free(&rig);
}

// RFC 9147 4.5.3: TLS_AES_128_CCM_8_SHA256 is off in every profile.
DG_TEST(suite_13_ccm_8_is_refused)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(13, &rig_pki()->client);
    config.suites = "TLS13-AES128-CCM-8-SHA256";
    (void)refused(&config);
    CHECK(rig.handshake == NULL);
    rig_free(&rig);
}

// RFC 9325 4.1, 4.2: none of these is ever negotiated.
DG_TEST(suites_that_are_never_negotiated)
{
    static const char *suites[] = {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-PSK-AES128-CBC-SHA256", "DHE-RSA-AES128-GCM-SHA256",
                                   "PSK-AES128-CBC-SHA256", "ECDHE-ECDSA-AES128-SHA"};
    REQUIRE(rig_new(&rig, &everything));
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        struct wolf_client_config config = psk_client(12, RIG_IDENTITY, rig_psk);
        config.suites = suites[i];
        CHECK_EQ(refused(&config).counter, DG_COUNT_FAIL_NO_COMMON);
        rig_hang_up(&rig);
    }
    rig_free(&rig);
}

DG_TEST(group_not_in_common_fails_cleanly)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(13, &rig_pki()->client);
    config.groups[0] = WOLF_GROUP_P521;
    (void)refused(&config);
    CHECK(rig.handshake == NULL);
    rig_hang_up(&rig);
    config = certificate_client(13, &rig_pki()->client);
    CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
    rig_free(&rig);
}

// --- certificates and raw keys ------------------------------------------------

// RFC 8446 4.4.2.4, RFC 5280: another CA of the same name, another purpose, nothing at all.
DG_TEST(certificates_that_are_refused)
{
    const struct rig_pki *pki = rig_pki();
    static const struct dg_pki_pem *const none = NULL;
    REQUIRE(rig_new(&rig, &everything));
    for (int version = 12; version <= 13; version++) {
        const struct {
            const struct dg_pki_pem *pem;
            enum dg_counter counter;
            const char *reason;
        } cases[] = {
            {&pki->stranger, DG_COUNT_FAIL_CERTIFICATE, "the client's certificate is of an unknown CA"},
            {&pki->server, DG_COUNT_FAIL_CERTIFICATE, "the client's certificate is for another purpose"},
            {&pki->ca, DG_COUNT_FAIL_CERTIFICATE, "the client's certificate is for another purpose"},
            {none, DG_COUNT_FAIL_NO_CERTIFICATE, "the client sent no certificate"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct wolf_client_config config = certificate_client(version, cases[i].pem);
            struct dg_handshake_failure failure = refused(&config);
            CHECK_MSG(failure.counter == cases[i].counter, "1.%d case %zu: %s", version - 10, i, failure.reason);
            CHECK_STR(failure.reason, cases[i].reason);
            CHECK(failure.alert_sent != 255);
            rig_hang_up(&rig);
        }
    }
    rig_free(&rig);
}

// Attack 37: a certificate whose key was never shown to be the client's. Its CertificateVerify is lost each time.
DG_TEST(certificate_without_its_proof_gets_nobody_in)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = certificate_client(12, &rig_pki()->client);
    REQUIRE(rig_client(&rig, &config));
    unsigned lost = 0;
    for (int i = 0; i < 30 && rig.step == DG_STEP_GOES_ON; i++) {
        uint8_t datagram[RIG_DATAGRAM_MAX];
        size_t size;
        if (wolf_client_connect(rig.client) == WOLF_CLIENT_GOES_ON && i > 5)
            (void)wolf_client_timeout(rig.client);
        while ((size = rig_queue_get(&rig.to_server, datagram, sizeof datagram)) > 0) {
            for (size_t at = 0; at + DG_RECORD12_HEADER < size;) {
                size_t record = DG_RECORD12_HEADER + ((size_t)datagram[at + 11] << 8 | datagram[at + 12]);
                bool is_proof = datagram[at] == DG_CONTENT_HANDSHAKE && datagram[at + 4] == 0 &&
                                datagram[at + DG_RECORD12_HEADER] == 15;
                lost += is_proof;
                if (!is_proof)
                    rig_give(&rig, datagram + at, record);
                at += record;
            }
        }
    }
    CHECK(lost > 0);
    CHECK(rig.step != DG_STEP_DONE);
    REQUIRE(rig.handshake != NULL);
    CHECK(!dg_wolf_handshake.take(rig.handshake, &handover));
    rig_free(&rig);
}

static time_t shift_s;
static time_t shifted_time(time_t *out)
{
    time_t now = time(NULL) + shift_s;
    if (out != NULL)
        *out = now;
    return now;
}

// RFC 5280 6.1.3: outside its dates a certificate proves nobody; its end goes into the hand-over.
DG_TEST(certificates_outside_their_dates_are_refused)
{
    static struct dg_pki_pem short_lived;
    char error[128];
    REQUIRE(dg_pki_make(DG_PKI_CLIENT, "short-lived", 1, &rig_pki()->ca, &short_lived, error, sizeof error));
    REQUIRE(rig_new(&rig, &everything));
    REQUIRE(wc_SetTimeCb(shifted_time) == 0);
    for (int version = 12; version <= 13; version++) {
        struct wolf_client_config config = certificate_client(version, &short_lived);
        config.ca = NULL; // the client's clock is the same one
        shift_s = 2 * 86400;
        struct dg_handshake_failure failure = refused(&config);
        CHECK_EQ(failure.counter, DG_COUNT_FAIL_CERTIFICATE);
        CHECK_STR(failure.reason, "the client's certificate has expired");
        rig_hang_up(&rig);
        shift_s = -7200;
        failure = refused(&config);
        CHECK_EQ(failure.counter, DG_COUNT_FAIL_CERTIFICATE);
        CHECK_STR(failure.reason, "the client's certificate is not valid yet");
        rig_hang_up(&rig);
        shift_s = 0;
        CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
        CHECK(handover.expires_s <= (uint32_t)time(NULL) + 86400);
        rig_hang_up(&rig);
    }
    // A gate does not start with a certificate that has expired.
    rig_free(&rig);
    shift_s = 40 * 86400;
    CHECK(!rig_new(&rig, &everything));
    CHECK_MSG(strstr(rig.error, "expired; renew it") != NULL, "%s", rig.error);
    shift_s = 0;
    rig_free(&rig);
}

// A server that runs on past the end of a CA: who comes with a certificate of it is refused then as after a restart,
// whether the client sends the CA along or not. One that was renewed in time has two certificates.
DG_TEST(certificates_of_a_ca_that_has_expired_meanwhile_are_refused)
{
    static struct dg_pki_pem ca, other, renewed, client;
    static char chain[8192], both[8192], all[12288];
    const struct kit_request requests[] = {
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "short-lived CA", .days = 1},
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "another CA"},
        {.kind = DG_KEY_P256, .use = DG_PKI_CLIENT, .common_name = "meter", .issuer = &ca},
        {.kind = DG_KEY_P256, .use = DG_PKI_CA, .common_name = "short-lived CA", .renewed = &ca}};
    REQUIRE(kit_make(&requests[0], &ca) == NULL && kit_make(&requests[1], &other) == NULL &&
            kit_make(&requests[2], &client) == NULL && kit_make(&requests[3], &renewed) == NULL);
    snprintf(chain, sizeof chain, "%s%s", client.certificate, ca.certificate);
    snprintf(both, sizeof both, "%s%s", ca.certificate, other.certificate);
    snprintf(all, sizeof all, "%s%s", both, renewed.certificate);
    struct rig_options options = {.with_certificate = true, .with_client_ca = true, .client_ca = both};
    static const char *const reasons[] = {"the CA that issued the client's certificate has expired",
                                          "the client's certificate has expired"};
    REQUIRE(rig_new(&rig, &options) && wc_SetTimeCb(shifted_time) == 0);
    for (int version = 12; version <= 13; version++)
        for (int is_sent = 0; is_sent < 2; is_sent++) {
            struct wolf_client_config config = certificate_client(version, &client);
            config.ca = NULL;
            config.certificate = is_sent ? chain : client.certificate;
            shift_s = 0;
            CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
            CHECK(handover.expires_s <= (uint32_t)time(NULL) + 86400);
            rig_hang_up(&rig);
            shift_s = 2 * 86400;
            struct dg_handshake_failure failure = refused(&config);
            CHECK_EQ(failure.counter, DG_COUNT_FAIL_CERTIFICATE);
            CHECK_STR(failure.reason, reasons[is_sent]);
            rig_hang_up(&rig);
        }
    shift_s = 0;
    rig_free(&rig);
    options.client_ca = all;
    REQUIRE(rig_new(&rig, &options));
    shift_s = 2 * 86400;
    struct wolf_client_config config = certificate_client(13, &client);
    config.ca = NULL;
    CHECK(rig_client(&rig, &config) && rig_take(&rig, &handover));
    CHECK(handover.expires_s > (uint32_t)time(NULL) + 20 * 86400);
    shift_s = 0;
    rig_free(&rig);
}

// RFC 7250, attack 40's sibling: any key proves itself; only a listed one proves a client.
DG_TEST(raw_keys_that_are_not_listed_are_refused)
{
    const struct rig_pki *pki = rig_pki();
    for (int listed = 0; listed < 2; listed++) {
        struct rig_options options = everything;
        options.with_raw_keys = listed;
        REQUIRE(rig_new(&rig, &options));
        for (int version = 12; version <= 13; version++) {
            struct wolf_client_config config = {.version = version,
                                                .ca = pki->ca.certificate,
                                                .public_key = pki->raw_stranger.public_key,
                                                .key = pki->raw_stranger.key,
                                                .groups = {WOLF_GROUP_X25519}};
            struct dg_handshake_failure failure = refused(&config);
            CHECK(!listed || failure.counter == DG_COUNT_FAIL_CERTIFICATE);
            rig_hang_up(&rig);
        }
        rig_free(&rig);
    }
}

DG_TEST(credential_is_known_by_the_snapshot_that_has_it)
{
    REQUIRE(rig_new(&rig, &everything));
    struct wolf_client_config config = psk_client(13, RIG_IDENTITY, rig_psk);
    REQUIRE(rig_client(&rig, &config) && rig_take(&rig, &handover));
    struct dg_bytes identity = {handover.identity, handover.identity_size};
    struct dg_bytes other = {(const uint8_t *)RIG_OTHER_IDENTITY, strlen(RIG_OTHER_IDENTITY)};
    CHECK(dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, handover.credential, handover.leaf, identity));
    CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, handover.credential, handover.leaf, other));
    CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_CERTIFICATE, handover.credential, handover.leaf, identity));
    CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_NONE, 0, handover.leaf, identity));
    CHECK(!dg_gate_knows_credential(rig.gate, 99, handover.credential, handover.leaf, identity));
    rig_free(&rig);
    // The same identity under another key is another credential.
    struct rig_options changed = everything;
    changed.psk_lines = RIG_IDENTITY ":ffffffffffffffffffffffffffffffff\n";
    REQUIRE(rig_new(&rig, &changed));
    CHECK(!dg_gate_knows_credential(rig.gate, DG_IDENTITY_PSK, handover.credential, handover.leaf, identity));
    rig_free(&rig);
}

static const uint8_t peek_suites[] = {0x13, 0x02, 0x13, 0x03};

// A hello that offers these identities, in order, with this ticket age.
static struct dg_peek peek_at(const char *const *identities, size_t count, uint32_t age)
{
    static uint8_t body[4096];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, 41);
    size_t extension = dg_write_open(&writer, 2);
    size_t list = dg_write_open(&writer, 2);
    for (size_t i = 0; i < count; i++) {
        dg_write_u16(&writer, (uint16_t)strlen(identities[i]));
        dg_write_bytes(&writer, identities[i], strlen(identities[i]));
        dg_write_u32(&writer, age);
    }
    dg_write_close(&writer, list, 2);
    dg_write_close(&writer, extension, 2);
    CHECK(!writer.failed);
    struct dg_hello hello = {.offers_13 = true,
                             .suites = {peek_suites, sizeof peek_suites},
                             .extensions = {body, dg_writer_size(&writer)}};
    struct dg_peek peek;
    dg_peek_hello(&hello, rig.credentials, &peek);
    return peek;
}

DG_TEST(peek_chooses_the_known_identity)
{
    static const char *const mixed[] = {"nobody-a", "nobody-b", RIG_OTHER_IDENTITY, RIG_IDENTITY};
    REQUIRE(rig_new(&rig, &everything));
    struct dg_peek peek = peek_at(mixed, 4, 0);
    CHECK(peek.has_psk && peek.psk_is_known);
    CHECK_STR(peek.psk_identity, RIG_OTHER_IDENTITY);
    CHECK_STR(peek.psk_suite, "TLS13-CHACHA20-POLY1305-SHA256");
    peek = peek_at(mixed, 2, 0); // none is known: the first, so that it fails as a wrong key does
    CHECK(peek.has_psk && !peek.psk_is_known);
    CHECK_STR(peek.psk_identity, "nobody-a");
    peek = peek_at(mixed, 4, 17); // tickets, not external identities (RFC 8446 4.2.11)
    CHECK(!peek.has_psk);
    rig_free(&rig);
}

// Attack 35: what stands behind a NUL byte does not make somebody else of a known identity.
DG_TEST(peek_passes_over_identities_with_a_nul)
{
    uint8_t body[256];
    REQUIRE(rig_new(&rig, &everything));
    for (int tail = 0; tail < 3; tail++) {
        struct dg_writer writer = dg_writer_of(body, sizeof body);
        dg_write_u16(&writer, 41);
        size_t extension = dg_write_open(&writer, 2);
        size_t list = dg_write_open(&writer, 2);
        size_t identity = dg_write_open(&writer, 2);
        dg_write_bytes(&writer, RIG_IDENTITY, strlen(RIG_IDENTITY));
        dg_write_bytes(&writer, "\0x", (size_t)tail);
        dg_write_close(&writer, identity, 2);
        dg_write_u32(&writer, 0);
        dg_write_close(&writer, list, 2);
        dg_write_close(&writer, extension, 2);
        struct dg_hello hello = {.offers_13 = true,
                                 .suites = {peek_suites, sizeof peek_suites},
                                 .extensions = {body, dg_writer_size(&writer)}};
        struct dg_peek peek;
        dg_peek_hello(&hello, rig.credentials, &peek);
        CHECK_EQ(peek.has_psk, tail == 0);
        CHECK_EQ(peek.psk_is_known, tail == 0);
    }
    rig_free(&rig);
}

// RFC 9147 11: what a stranger's hello may cost does not grow with the identities in it.
DG_TEST(peek_looks_at_few_identities)
{
    const char *identities[40];
    for (int i = 0; i < 40; i++)
        identities[i] = i == 39 ? RIG_IDENTITY : "nobody";
    REQUIRE(rig_new(&rig, &everything));
    struct dg_peek peek = peek_at(identities, 40, 0);
    CHECK(peek.has_psk && !peek.psk_is_known); // the known one comes too late to be looked at
    rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(psk_unknown_identity_looks_like_a_wrong_key),
        DG_CASE(plaintext_alerts_do_not_end_a_handshake),
        DG_CASE(psk_failures_do_not_stick),
        DG_CASE(psk_identity_of_255_bytes),
        DG_CASE(psk_without_forward_secrecy_is_refused_by_default),
        DG_CASE(suite_13_ccm_8_is_refused),
        DG_CASE(suites_that_are_never_negotiated),
        DG_CASE(group_not_in_common_fails_cleanly),
        DG_CASE(certificates_that_are_refused),
        DG_CASE(certificate_without_its_proof_gets_nobody_in),
        DG_CASE(certificates_outside_their_dates_are_refused),
        DG_CASE(certificates_of_a_ca_that_has_expired_meanwhile_are_refused),
        DG_CASE(raw_keys_that_are_not_listed_are_refused),
        DG_CASE(credential_is_known_by_the_snapshot_that_has_it),
        DG_CASE(peek_chooses_the_known_identity),
        DG_CASE(peek_passes_over_identities_with_a_nul),
        DG_CASE(peek_looks_at_few_identities),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
