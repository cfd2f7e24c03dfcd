// SPDX-License-Identifier: GPL-3.0-or-later
//
// What a dialer refuses: servers that are not the dialled one, and configurations that could not tell. Each with
// words that say what is wrong; no data ever goes to such a server.

#include "check.h"
#include "crypto/chain.h"
#include "support/dial_credentials.h"
#include "support/sim_clock.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

static struct dial_rig rig;

// Dials and expects this end with these words; the server never gets an association.
static void ends_now_as(enum dg_dial_step expected, const char *what, const char *words)
{
    enum dg_dial_step step = dial_rig_run(&rig, 60 * DG_SECOND);
    const char *why = rig.dial != NULL ? dg_wolf_dial.why(rig.dial, NULL) : "no dial";
    CHECK_MSG(step == expected, "%s: not refused (%s)\n%s", what, why, rig.told);
    CHECK_MSG(strstr(why, words) != NULL, "%s: \"%s\", expected \"%s\"\n%s", what, why, words, rig.told);
    struct dg_handover handover;
    CHECK_MSG(!dg_wolf_dial.take(rig.dial, &handover), "%s: handed over", what);
    CHECK_MSG(step != DG_DIAL_FAILED || dg_wolf_dial.deadline(rig.dial) == 0, "%s: says when, although over", what);
    dial_rig_hang_up(&rig);
}

static void refuses_now(const char *what, const char *words) { ends_now_as(DG_DIAL_FAILED, what, words); }

// With a dialer of its own. GOES_ON: the server is silent; the dial does not end by itself, the caller gives it up and
// finds the words all the same.
static void ends_as(enum dg_dial_step expected, const char *what, const struct dial_options *options,
                    const char *words)
{
    if (!dial_rig_dialer(&rig, options)) {
        CHECK_MSG(false, "%s: %s", what, rig.error);
        return;
    }
    ends_now_as(expected, what, words);
}
static void refuses(const char *what, const struct dial_options *options, const char *words)
{
    ends_as(DG_DIAL_FAILED, what, options, words);
}

DG_TEST(dial_refuses_a_server_of_another_ca)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(CERTIFICATE, version);
        options.ca = rig_pki()->other_ca.certificate; // of the same name
        refuses("other CA", &options, "the server's certificate is of an unknown CA");
    }
    dial_rig_free(&rig);
}

DG_TEST(dial_refuses_a_server_of_another_name)
{
    // RFC 9525 6: no part of a name will do, nor an address for a name.
    static const char *const wrong[] = {"gate.example.org", "ate.example", "example", "www.gate.example", "127.0.0.2",
                                        "::2", "gate.exampl"};
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++)
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            struct dial_options options = options_of(CERTIFICATE, version);
            options.name = wrong[i];
            refuses(wrong[i], &options, "for another name than the one that was dialled");
        }
    dial_rig_free(&rig);
}

DG_TEST(dial_refuses_a_server_of_another_key)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++)
        for (int with_ca = 0; with_ca < 2; with_ca++) {
            struct dial_options options = options_of(CERTIFICATE, version);
            options.pin = rig_pin(&rig_pki()->client);
            options.ca = with_ca ? options.ca : NULL;
            refuses("other pin", &options, "the server's public key is not the pinned one");
        }
    dial_rig_free(&rig);
}

// The gate checked its certificate when it was made; the dialer checks it when it is dialled.
DG_TEST(dial_refuses_an_expired_server)
{
    static struct dg_pki_pem brief;
    char error[256];
    struct rig_options options = everything;
    REQUIRE(dg_pki_make(DG_PKI_SERVER, "gate.example", 1, &rig_pki()->ca, &brief, error, sizeof error));
    options.server = &brief;
    REQUIRE(rig_new(&rig.gate, &options));
    for (int by_pin = 0; by_pin < 2; by_pin++)
        for (int version = 12; version <= 13; version++) {
            struct dial_options dial = options_of(CERTIFICATE, version);
            dial.pin = by_pin ? rig_pin(&brief) : NULL;
            sim_clock_set(rig.gate.now);
            REQUIRE(dial_rig_dialer(&rig, &dial));
            rig.gate.now += 2 * 24 * DG_HOUR;
            sim_clock_set(rig.gate.now);
            refuses_now("expired", "the server's certificate has expired");
            rig.gate.now -= 2 * 24 * DG_HOUR;
        }
    sim_clock_set(rig.gate.now);
    dial_rig_free(&rig);
}

// RFC 5280 4.2.1.12: who may only be a client is no server, whatever its name. (A gate of ours would not be made
// with such a certificate: the judgement is asked directly.)
DG_TEST(dial_refuses_a_certificate_for_clients)
{
    static const struct {
        enum dg_pki_use use;
        bool of_server;
        enum dg_chain_problem problem;
    } uses[] = {
        {DG_PKI_SERVER, true, DG_CHAIN_FINE},
        {DG_PKI_CLIENT, true, DG_CHAIN_OTHER_PURPOSE},
        {DG_PKI_CLIENT, false, DG_CHAIN_FINE},
        {DG_PKI_SERVER, false, DG_CHAIN_OTHER_PURPOSE},
    };
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        static struct dg_pki_pem pem;
        char error[256];
        uint8_t der[4096];
        REQUIRE(dg_pki_make(uses[i].use, "gate.example", 30, &rig_pki()->ca, &pem, error, sizeof error));
        int size = wc_CertPemToDer((const uint8_t *)pem.certificate, (int)strlen(pem.certificate), der, sizeof der,
                                   CERT_TYPE);
        REQUIRE(size > 0);
        WOLFSSL_BUFFER_INFO chain = {.buffer = der, .length = (unsigned)size};
        WOLFSSL_X509_STORE_CTX store;
        memset(&store, 0, sizeof store);
        store.certs = &chain;
        store.totalCerts = 1;
        struct dg_proof proof;
        CHECK_EQ(dg_chain_judge(NULL, &store, uses[i].of_server, &proof), uses[i].problem);
    }
}

DG_TEST(dial_refuses_a_server_with_another_psk)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(PSK, version);
        options.psk_lines = psk_text(RIG_IDENTITY, rig_wrong_psk);
        // RFC 6347 4.1.2.7: in DTLS 1.2 the server drops what does not open, and says nothing.
        ends_as(version == 12 ? DG_DIAL_GOES_ON : DG_DIAL_FAILED, "wrong key", &options, "another");
        options.psk_lines = psk_text("nobody", rig_psk);
        ends_as(version == 12 ? DG_DIAL_GOES_ON : DG_DIAL_FAILED, "unknown identity", &options, "does not know");
    }
    dial_rig_free(&rig);
}

// A server that has no PSK shows a certificate, which nothing here can verify.
DG_TEST(dial_with_a_psk_alone_refuses_certificates)
{
    struct rig_options options = everything;
    options.with_psk = false;
    REQUIRE(rig_new(&rig.gate, &options));
    for (int version = 12; version <= 13; version++) {
        struct dial_options dial = options_of(PSK, version);
        refuses("certificate for a PSK", &dial, version == 13 ? "instead of the pre-shared key" : "nothing in common");
    }
    dial_rig_free(&rig);
}

DG_TEST(dial_says_that_the_server_refused_us)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(CERTIFICATE, version);
        options.client = &rig_pki()->stranger;
        refuses("stranger", &options, "the server refused our certificate or key");
        options = options_of(RAW, version);
        options.client = &rig_pki()->raw_stranger;
        refuses("raw stranger", &options, "the server refused our certificate or key");
        options.client = NULL;
        options.raw = false;
        refuses("nothing", &options, "certificate of ours");
    }
    dial_rig_free(&rig);
}

// Nobody there: the words say so, and the hello goes out again (RFC 9147 5.8.1).
DG_TEST(dial_to_nobody_says_that_nobody_answers)
{
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(CERTIFICATE, version);
        REQUIRE(dial_rig_dialer(&rig, &options));
        rig.lose_all_from_server = true;
        CHECK_EQ(dial_rig_run(&rig, 10 * DG_SECOND), DG_DIAL_GOES_ON);
        CHECK_STR(dg_wolf_dial.why(rig.dial, NULL), "the server does not answer");
        CHECK_MSG(rig.client_datagrams >= 3, "only %u hellos in ten seconds", rig.client_datagrams);
        rig.lose_all_from_server = false;
        dial_rig_hang_up(&rig);
    }
    dial_rig_free(&rig);
}

// RFC 9147 4.5.2: an alert that anybody could have sent ends nothing while the server goes on, not even where the
// server's own datagram is lost just then.
DG_TEST(dial_survives_a_forged_alert)
{
    static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    REQUIRE(rig_new(&rig.gate, &everything));
    for (int version = 12; version <= 13; version++)
        for (unsigned at = 1; at < 7; at++) {
            struct dial_options options = options_of(CERTIFICATE, version);
            REQUIRE(dial_rig_dialer(&rig, &options));
            rig.forged = alert;
            rig.forged_size = sizeof alert;
            rig.forge_before = (at + 1) / 2;
            rig.lose_from_server = at % 2 ? rig.forge_before : 0;
            CHECK(dial_and_talk(&rig, "forged alert", 10 * DG_SECOND));
            rig.forge_before = rig.lose_from_server = 0;
            dial_rig_hang_up(&rig);
        }
    dial_rig_free(&rig);
}

static unsigned flights; // datagrams of a dial that nobody gets
static uint8_t *reserve_scratch(void *context, size_t capacity)
{
    static uint8_t scratch[RIG_DATAGRAM_MAX];
    (void)context;
    return capacity <= sizeof scratch ? scratch : NULL;
}

static void count_flight(void *context, const struct dg_path *path, size_t size)
{
    (void)context;
    (void)path;
    (void)size;
    flights++;
}

// However late it comes: our flight is repeated twice before it is believed.
DG_TEST(dial_believes_a_late_alert_only_after_two_repetitions)
{
    static const uint8_t alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    static const uint8_t id[DG_CID_SIZE_DEFAULT] = {7};
    const struct dg_bytes cid = {.data = id, .size = sizeof id};
    const struct dg_output output = {.reserve = reserve_scratch, .commit = count_flight};
    REQUIRE(rig_new(&rig.gate, &everything));
    struct dial_options options = options_of(CERTIFICATE, 12);
    REQUIRE(dial_rig_dialer(&rig, &options));
    REQUIRE(dg_address_parse("198.51.100.1:5684", &rig.path.peer) && dg_address_parse("192.0.2.1:40000", &rig.path.local));
    for (unsigned before = 0; before < 4; before++) {
        struct dg_dial *dial = dg_wolf_dial.start(rig.dialer, rig.gate.now, &rig.path, cid, &output);
        REQUIRE(dial != NULL);
        enum dg_dial_step step = DG_DIAL_GOES_ON;
        dg_time now = rig.gate.now;
        for (unsigned i = 0; i < before; i++)
            step = dg_wolf_dial.advance(dial, now = dg_wolf_dial.deadline(dial), &output);
        CHECK_EQ(step, DG_DIAL_GOES_ON);
        CHECK_EQ(dg_wolf_dial.receive(dial, now, alert, sizeof alert, &output), DG_DIAL_GOES_ON);
        flights = 0;
        while (step == DG_DIAL_GOES_ON && flights < 10)
            step = dg_wolf_dial.advance(dial, now = dg_wolf_dial.deadline(dial), &output);
        CHECK_EQ(step, DG_DIAL_FAILED);
        CHECK_MSG(flights == 2, "%u repetitions after an alert that came behind %u", flights, before);
        CHECK(strstr(dg_wolf_dial.why(dial, NULL), "nothing in common") != NULL);
        dg_wolf_dial.free(dial);
    }
    dial_rig_free(&rig);
}

static void is_not_made(const char *what, const struct dial_options *options, const char *words)
{
    bool made = dial_rig_dialer(&rig, options);
    CHECK_MSG(!made, "%s: made", what);
    CHECK_MSG(made || strstr(rig.error, words) != NULL, "%s: \"%s\", expected \"%s\"", what, rig.error, words);
}

// RFC 9325 4.5: what a server would refuse as too weak is not shown to it, in a certificate or alone.
DG_TEST(dialer_refuses_a_weak_key_of_its_own)
{
    static struct dg_pki_pem weak;
    uint8_t der[1024];
    WC_RNG rng;
    ecc_key key;
    REQUIRE(wc_InitRng(&rng) == 0 && wc_ecc_init(&key) == 0);
    bool made = wc_ecc_make_key_ex(&rng, 28, &key, ECC_SECP224R1) == 0;
    int size = made ? wc_EccKeyToDer(&key, der, sizeof der) : 0;
    made = size > 0 && wc_DerToPem(der, (word32)size, (byte *)weak.key, sizeof weak.key - 1, ECC_PRIVATEKEY_TYPE) > 0;
    wc_ecc_free(&key);
    wc_FreeRng(&rng);
    CHECK_MSG(made, "no key of P-224");
    for (int version = 12; version <= 13; version++) {
        struct dial_options options = options_of(RAW, version);
        options.client = &weak;
        is_not_made("weak raw key", &options, "expected ECDSA P-256 or better");
        options = options_of(RAW, version);
        CHECK_MSG(dial_rig_dialer(&rig, &options), "%s", rig.error);
    }
    dial_rig_free(&rig);
}

DG_TEST(dialer_refuses_configurations_in_words)
{
    struct dial_options good = options_of(CERTIFICATE, 13);
    struct dial_options options = good;
    options.ca = options.name = NULL;
    is_not_made("no verification", &options, "nothing to verify the server by");
    options = good;
    options.name = NULL;
    is_not_made("CA without a name", &options, "no name that the server's certificate must be for");
    options = good;
    options.insecure = true;
    is_not_made("both", &options, "take one of the two out");
    static const char *const pins[] = {"", "sha256:", "sha256:00", "md5:00", "sha256:zz", NULL};
    for (size_t i = 0; pins[i] != NULL; i++) {
        options = good;
        options.pin = pins[i];
        is_not_made(pins[i], &options, "sha256:HEX with 64 digits");
    }
    options = good;
    options.version_min = 13;
    options.version_max = 12;
    is_not_made("versions", &options, "versions");
    options = good;
    options.offer_rrc = true;
    is_not_made("rrc", &options, "RFC 9853 3");
    options = good;
    options.ca = "nothing\n";
    is_not_made("no CA", &options, "holds no PEM block");
    options = good;
    options.ca = rig_pki()->server.certificate;
    is_not_made("no CA but a certificate", &options, "servers are checked by the CA that issued theirs");
    static struct dg_pki_pem mixed;
    mixed = rig_pki()->client;
    memcpy(mixed.key, rig_pki()->server.key, sizeof mixed.key);
    options = good;
    options.client = &mixed;
    is_not_made("other key", &options, "does not belong to the certificate");
    options = good;
    options.client = &rig_pki()->server;
    is_not_made("a server's certificate", &options, "not for clients");
    static char two[1024];
    snprintf(two, sizeof two, "%s\n", psk_text("one", rig_psk));
    strcat(two, psk_text("two", rig_psk));
    options = options_of(PSK, 13);
    options.psk_lines = two;
    is_not_made("two identities", &options, "name the one that is ours");
    options.psk_identity = "three";
    is_not_made("third identity", &options, "no key for the identity");
    options.psk_identity = "two";
    CHECK_MSG(dial_rig_dialer(&rig, &options), "%s", rig.error);
    dial_rig_free(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(dial_refuses_a_server_of_another_ca),
        DG_CASE(dial_refuses_a_server_of_another_name),
        DG_CASE(dial_refuses_a_server_of_another_key),
        DG_CASE(dial_refuses_an_expired_server),
        DG_CASE(dial_refuses_a_certificate_for_clients),
        DG_CASE(dial_refuses_a_server_with_another_psk),
        DG_CASE(dial_with_a_psk_alone_refuses_certificates),
        DG_CASE(dial_says_that_the_server_refused_us),
        DG_CASE(dial_to_nobody_says_that_nobody_answers),
        DG_CASE(dial_survives_a_forged_alert),
        DG_CASE(dial_believes_a_late_alert_only_after_two_repetitions),
        DG_CASE(dialer_refuses_a_weak_key_of_its_own),
        DG_CASE(dialer_refuses_configurations_in_words),
    };
    sim_clock_start(1); // the library's timers go by the wall clock
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
