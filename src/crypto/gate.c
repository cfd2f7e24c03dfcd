// SPDX-License-Identifier: GPL-3.0-or-later
// The gate itself: builds the library's context out of one snapshot of credentials, whole or not at all, and
// counts its users.
#include "crypto/gate.h"

#include "base/random.h"
#include "base/secret.h"
#include "crypto/chain.h"
#include "crypto/cookie.h"
#include "crypto/expiry.h"
#include "crypto/inner.h"
#include "crypto/rotation.h"
#include "crypto/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// In the server's order of preference.
static int groups[] = {WOLFSSL_X25519MLKEM768, WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};

#define DATAGRAM_MIN 512 // room for a flight's largest indivisible message and an ID

bool dg_crypto_init(void) { return wolfSSL_Init() == WOLFSSL_SUCCESS; } // the library counts
void dg_crypto_cleanup(void) { (void)wolfSSL_Cleanup(); }

static bool complain(char *error, size_t error_size, const char *text)
{
    snprintf(error, error_size, "%s", text);
    return false;
}

static bool check_config(const struct dg_gate_config *config, char *error, size_t error_size)
{
    const struct dg_credentials *credentials = config->credentials;
    if (credentials == NULL || config->secrets == NULL)
        return complain(error, error_size, "no credentials or no memory for secrets");
    DG_BUG_UNLESS(dg_secrets_are_attached(config->secrets));
    if (config->datagram_max < DATAGRAM_MIN || config->cookie_period == 0 || config->ticket_period < DG_SECOND ||
        config->retransmit_seconds == 0 || config->retransmit_seconds > 60)
        return complain(error, error_size, "a size or a time is out of range");
    if (config->authenticate_clients && !dg_credentials_can_check_clients(credentials))
        return complain(error, error_size,
                        "there is nothing to check clients by: give a PSK file, a client CA file, a file of "
                        "fingerprints or of client keys, or switch client authentication off by its explicit word");
    if (!dg_credentials_takes_psks(credentials) && dg_credentials_certificate(credentials).size == 0)
        return complain(error, error_size,
                        "there is nothing to show to clients: give a PSK file, or a certificate and its key");
    return true;
}

static void set_verification(const struct dg_gate *gate, WOLFSSL_CTX *context)
{
    const struct dg_trust *trust = &gate->trust;
    bool has_certificates = trust->anchor_count > 0 || trust->fingerprints->count > 0;
    if (!gate->config.authenticate_clients && !has_certificates && trust->raw_key_count == 0) {
        wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_NONE, NULL);
        return;
    }
    // Who comes with a PSK shows no certificate (RFC 8446 4.3.2); everybody else must.
    int mode = WOLFSSL_VERIFY_PEER;
    if (gate->config.authenticate_clients)
        mode |= WOLFSSL_VERIFY_FAIL_EXCEPT_PSK;
    wolfSSL_CTX_set_verify(context, mode, dg_verify_peer);
    static const char both[] = {WOLFSSL_CERT_TYPE_RPK, WOLFSSL_CERT_TYPE_X509};
    if (trust->raw_key_count > 0)
        wolfSSL_CTX_set_client_cert_type(context, both, has_certificates ? 2 : 1);
}

static bool set_protocol(const struct dg_gate *gate, WOLFSSL_CTX *context, char *error, size_t error_size)
{
    bool with_psk = dg_credentials_takes_psks(gate->credentials);
    bool with_certificates = dg_credentials_certificate(gate->credentials).size > 0;
    char list[DG_SUITE_LIST_MAX];
    dg_suites_list(gate->config.profile, with_psk, with_certificates, list);
    // DTLS 1.0 is compiled out (RFC 9325 3.1.1); this says so too.
    if (wolfSSL_CTX_SetMinVersion(context, WOLFSSL_DTLSV1_2) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(context, list) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(context, groups, sizeof groups / sizeof groups[0]) != WOLFSSL_SUCCESS)
        return complain(error, error_size, "the TLS library refused our cipher suites or groups");
    wolfSSL_CTX_SetMinRsaKey_Sz(context, 2048);
    wolfSSL_CTX_SetMinEccKey_Sz(context, 256);
    return true;
}

// One random generator for all handshakes of a context instead of one for each, made and tested anew: a fifth of a resumed
// handshake. It has no lock and needs none: whoever builds the gate is the only one to use its contexts until the front
// has it, and from then on the front is.
static bool share_generator(WOLFSSL_CTX *context)
{
#ifdef WOLFSSL_CTX_RNG // patches/wolfssl/0007
    return wolfSSL_CTX_new_rng(context) == WOLFSSL_SUCCESS;
#else
    (void)context;
    return true;
#endif
}

// A context for each of our certificates: what the library chooses among itself is one of each kind at best.
static bool build_side(struct dg_gate *gate, const struct dg_trust_source *from, char *error, size_t error_size)
{
    struct dg_side *side = &gate->sides[gate->side];
    side->context = wolfSSL_CTX_new(wolfDTLS_server_method());
    if (side->context == NULL || !share_generator(side->context))
        return complain(error, error_size, "out of memory, or of random bytes");
    dg_library_io_install(side->context);
    if (!dg_own_load(&gate->own[gate->side], from, gate->side, side->context, error, error_size) ||
        !dg_trust_install(&gate->trust, from, side->context, error, error_size) ||
        !set_protocol(gate, side->context, error, error_size))
        return false;
    set_verification(gate, side->context);
    if (!dg_psk_install(gate))
        return complain(error, error_size, "out of memory");
    dg_tickets_install(gate);
    dg_listener_install(side->context);
    side->listener = dg_listener_new(gate);
    return side->listener != NULL || complain(error, error_size, "out of memory");
}

static bool build(struct dg_gate *gate, char *error, size_t error_size)
{
    const struct dg_trust_source from = {.credentials = gate->credentials};
    if (!dg_trust_load(&gate->trust, &from, error, error_size))
        return false;
    size_t count = dg_credentials_certificate_count(gate->credentials);
    gate->side_count = count > 0 ? count : 1;
    for (gate->side = 0; gate->side < gate->side_count; gate->side++)
        if (!build_side(gate, &from, error, error_size))
            return false;
    gate->side = 0;
    return true;
}

struct dg_gate *dg_gate_new(const struct dg_gate_config *config, char *error, size_t error_size)
{
    if (!check_config(config, error, error_size))
        return NULL;
    struct dg_gate *gate = dg_secret_new(sizeof *gate);
    if (gate == NULL) {
        (void)complain(error, error_size, "out of memory");
        return NULL;
    }
    atomic_init(&gate->users, 1);
    gate->config = *config;
    gate->config.name = NULL;
    gate->credentials = dg_credentials_get(config->credentials);
    gate->cookie_generation = 1; // odd: no keys made yet
    dg_random_bytes(gate->dummy_secret, sizeof gate->dummy_secret);
    if (!build(gate, error, error_size)) {
        dg_gate_put(gate);
        return NULL;
    }
    dg_expiry_warn(gate, config->name);
    return gate;
}

struct dg_gate *dg_gate_get(struct dg_gate *gate)
{
    atomic_fetch_add_explicit(&gate->users, 1, memory_order_relaxed);
    return gate;
}

void dg_gate_put(struct dg_gate *gate)
{
    if (gate == NULL || atomic_fetch_sub_explicit(&gate->users, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < gate->side_count; i++) {
        dg_handshake_free(gate->sides[i].listener);
        wolfSSL_CTX_free(gate->sides[i].context);
        dg_own_clear(&gate->own[i]);
    }
    if (gate->turns != gate->config.turns)
        dg_key_turns_free(gate->turns);
    dg_trust_clear(&gate->trust);
    dg_credentials_put(gate->credentials);
    dg_secret_free(gate, sizeof *gate);
}

void dg_gate_rotate(struct dg_gate *gate, dg_time now)
{
    dg_secrets_rotate(gate->config.secrets, now, gate->config.cookie_period, gate->config.ticket_period);
    dg_cookie_refresh(gate);
}

static bool knows_psk(const struct dg_gate *gate, uint64_t credential, struct dg_bytes identity)
{
    struct dg_psk keys[DG_PSK_KEYS_MAX];
    size_t count = dg_credentials_find_psk(gate->credentials, identity, keys);
    for (size_t i = 0; i < count; i++)
        if (dg_credential_of_psk(&keys[i]) == credential)
            return true;
    return false;
}

static bool knows_rule(const struct dg_trust *trust, uint32_t digest)
{
    for (size_t i = 0; i < trust->rule_count; i++)
        if (trust->rules[i].digest == digest)
            return true;
    return trust->rule_count == 0;
}

static bool knows_anchor(const struct dg_trust *trust, uint32_t digest)
{
    for (size_t i = 0; i < trust->anchor_count; i++)
        if (!trust->anchors[i].is_revoked && trust->anchors[i].credential >> DG_CREDENTIAL_ANCHOR_BITS == digest)
            return true;
    return false;
}

static bool knows_certificate(const struct dg_trust *trust, uint64_t credential, uint64_t leaf)
{
    uint32_t anchor = (uint32_t)(credential >> DG_CREDENTIAL_ANCHOR_BITS);
    if (!knows_rule(trust, (uint32_t)credential))
        return false;
    if (anchor == 0)
        return dg_fingerprints_begin(trust->fingerprints, leaf);
    return knows_anchor(trust, anchor) && !dg_revocation_holds(&trust->revocation, leaf);
}

static bool knows_raw_key(const struct dg_gate *gate, uint64_t credential)
{
    for (size_t i = 0; i < gate->trust.raw_key_count; i++) {
        struct dg_reader reader = dg_reader_of(gate->trust.raw_keys[i], 8);
        if (dg_read_u64(&reader) == credential)
            return true;
    }
    return false;
}

bool dg_gate_knows_credential(const struct dg_gate *gate, uint8_t identity_kind, uint64_t credential,
                              uint64_t leaf, struct dg_bytes identity)
{
    switch (identity_kind) {
    case DG_IDENTITY_PSK:
        return knows_psk(gate, credential, identity);
    case DG_IDENTITY_CERTIFICATE:
        return knows_certificate(&gate->trust, credential, leaf);
    case DG_IDENTITY_RAW_PUBLIC_KEY:
        return knows_raw_key(gate, credential);
    case DG_IDENTITY_NONE:
        return !gate->config.authenticate_clients;
    default:
        return false;
    }
}
