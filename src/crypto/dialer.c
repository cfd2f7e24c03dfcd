// SPDX-License-Identifier: GPL-3.0-or-later
// The dialer: checks what the operator gave, whole, and builds the library's context for the client's role out
// of it. Refuses to be made where the server could not be verified. Dials nobody itself.
#include "crypto/dialer.h"

#include "base/secret.h"
#include "crypto/certificate.h"
#include "crypto/dial_inner.h"
#include "crypto/trust.h"

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATAGRAM_MIN 512 // room for a flight's largest indivisible message and an ID
#define KEY_DER_MAX 8192

static bool complain(char *error, size_t error_size, const char *text)
{
    snprintf(error, error_size, "%s", text);
    return false;
}

// --- checks -------------------------------------------------------------------

static const struct dg_credential_files *files_of(const struct dg_dialer_config *config)
{
    return dg_credentials_files(config->credentials);
}

static bool check_verification(const struct dg_dialer_config *config, char *error, size_t error_size)
{
    bool verifies = files_of(config)->client_ca_file != NULL || config->pin != NULL || files_of(config)->psk_file != NULL;
    if (!verifies && !config->insecure_no_verify)
        return complain(error, error_size,
                        "there is nothing to verify the server by: give the CA certificates that it is under and its "
                        "name, a pin of its public key, or a pre-shared key; or say by the explicit word that it "
                        "shall not be verified");
    if ((files_of(config)->client_ca_file != NULL || config->pin != NULL) && config->insecure_no_verify)
        return complain(error, error_size,
                        "the server is to be verified by a CA or a pin and also not to be verified; take one of the "
                        "two out");
    if (files_of(config)->client_ca_file != NULL && config->server_name == NULL && config->pin == NULL)
        return complain(error, error_size,
                        "there are CA certificates but no name that the server's certificate must be for: every "
                        "server of these CAs would do; give its name");
    return true;
}

static bool check_config(const struct dg_dialer_config *config, char *error, size_t error_size)
{
    if (config->version_min < 12 || config->version_max > 13 || config->version_min > config->version_max)
        return complain(error, error_size, "the versions must be 12 or 13, the lower one first");
    if (config->datagram_max < DATAGRAM_MIN || config->retransmit_seconds == 0 || config->retransmit_seconds > 60)
        return complain(error, error_size, "a size or a time is out of range");
    if (config->offer_rrc && !config->offer_cid)
        return complain(error, error_size, "return routability checks go with a connection ID only (RFC 9853 3)");
    if (!files_of(config)->is_client)
        return complain(error, error_size, "the credentials are a server's");
    if (files_of(config)->certificate_file != NULL && config->use_raw_public_key)
        return complain(error, error_size,
                        "a certificate and a raw public key cannot both be shown; take one of the two out");
    if (config->use_raw_public_key && files_of(config)->key_file == NULL)
        return complain(error, error_size, "a raw public key is to be shown but no private key is given; name its file");
    if (files_of(config)->key_file != NULL && files_of(config)->certificate_file == NULL && !config->use_raw_public_key)
        return complain(error, error_size, "a private key is given but no certificate; name it, or show the key itself "
                                           "as a raw public key");
    if (config->psk_identity != NULL && files_of(config)->psk_file == NULL)
        return complain(error, error_size, "a PSK identity is given but no file with its key");
    return check_verification(config, error, error_size);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_pin(struct dg_dialer *dialer, const char *pin, char *error, size_t error_size)
{
    if (pin == NULL)
        return true;
    bool fits = strncmp(pin, "sha256:", 7) == 0 && strlen(pin) == 7 + 2 * sizeof dialer->pin;
    for (size_t i = 0; fits && i < sizeof dialer->pin; i++) {
        int high = hex_digit(pin[7 + 2 * i]), low = hex_digit(pin[8 + 2 * i]);
        fits = high >= 0 && low >= 0;
        dialer->pin[i] = (uint8_t)(high << 4 | low);
    }
    if (!fits)
        return complain(error, error_size,
                        "the pin is not of the form sha256:HEX with 64 digits; it is the SHA-256 of the server's "
                        "public key: openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform DER "
                        "| sha256sum");
    dialer->has_pin = true;
    return true;
}

static bool read_name(struct dg_dialer *dialer, const char *name, char *error, size_t error_size)
{
    if (name == NULL)
        return true;
    if (name[0] == '\0' || strlen(name) > DG_IDENTITY_MAX)
        return complain(error, error_size, "the server's name must have 1 to 255 bytes");
    dialer->server_name = strdup(name);
    if (dialer->server_name == NULL)
        return complain(error, error_size, "out of memory");
    uint8_t address[16];
    dialer->name_is_address = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    return true;
}

// --- what we show -------------------------------------------------------------

static bool find_own_psk(struct dg_dialer *dialer, const struct dg_dialer_config *config, char *error, size_t error_size)
{
    const char *path = files_of(config)->psk_file;
    if (path == NULL)
        return true;
    size_t count = dg_credentials_psk_count(dialer->credentials), keys = 0;
    struct dg_psk psks[DG_PSK_KEYS_MAX];
    if (config->psk_identity != NULL) {
        const struct dg_bytes identity = {(const uint8_t *)config->psk_identity, strlen(config->psk_identity)};
        keys = dg_credentials_find_psk(dialer->credentials, identity, psks);
    } else if (count == 1) {
        keys = dg_credentials_first_psk(dialer->credentials, psks);
    }
    if (keys == 1) {
        dialer->own_psk = psks[0];
        dialer->psk = &dialer->own_psk;
        return true;
    }
    if (keys > 1) {
        snprintf(error, error_size, "%s: holds two keys of our identity, in lines %u and %u: a client has one; take one of "
                 "them out", path, psks[0].line, psks[1].line);
        return false;
    }
    snprintf(error, error_size, "%s: %s", path,
             config->psk_identity != NULL ? "holds no key for the identity that was named"
             : count == 0                 ? "holds no key; expected a line \"identity:hex key\""
                                          : "holds keys of several identities; name the one that is ours");
    return false;
}

// The SubjectPublicKeyInfo of a private key. Returns its size, 0: not a key of a kind that we take.
static int public_part(const uint8_t *key, word32 key_size, uint8_t *out, word32 capacity)
{
    int size = 0;
    word32 at = 0;
    ecc_key ecc;
    if (wc_ecc_init(&ecc) == 0) {
        if (wc_EccPrivateKeyDecode(key, &at, &ecc, key_size) == 0 && wc_ecc_make_pub(&ecc, NULL) == 0)
            size = wc_EccPublicKeyToDer(&ecc, out, capacity, 1);
        wc_ecc_free(&ecc);
    }
    RsaKey rsa;
    at = 0;
    if (size <= 0 && wc_InitRsaKey(&rsa, NULL) == 0) {
        if (wc_RsaPrivateKeyDecode(key, &at, &rsa, key_size) == 0)
            size = wc_RsaKeyToPublicDer(&rsa, out, capacity);
        wc_FreeRsaKey(&rsa);
    }
    ed25519_key ed;
    at = 0;
    if (size <= 0 && wc_ed25519_init(&ed) == 0) {
        uint8_t point[ED25519_PUB_KEY_SIZE];
        if (wc_Ed25519PrivateKeyDecode(key, &at, &ed, key_size) == 0 &&
            (ed.pubKeySet || (wc_ed25519_make_public(&ed, point, sizeof point) == 0 &&
                              wc_ed25519_import_public(point, sizeof point, &ed) == 0)))
            size = wc_Ed25519PublicKeyToDer(&ed, out, capacity, 1);
        wc_ed25519_free(&ed);
    }
    return size > 0 ? size : 0;
}

// RFC 7250 3: the library shows what it has for a certificate as it is.
static bool use_raw_public_key(struct dg_dialer *dialer, char *error, size_t error_size)
{
    static const char types[] = {WOLFSSL_CERT_TYPE_RPK};
    const char *path = dg_credentials_files(dialer->credentials)->key_file;
    struct dg_bytes key = dg_credentials_key(dialer->credentials);
    uint8_t der[KEY_DER_MAX], spki[KEY_DER_MAX];
    int der_size = wc_KeyPemToDer(key.data, (int)key.size, der, sizeof der, NULL);
    int spki_size = der_size > 0 ? public_part(der, (word32)der_size, spki, sizeof spki) : 0;
    dg_wipe(der, sizeof der);
    const char *weakness = spki_size > 0 ? dg_public_key_weakness((struct dg_bytes){spki, (size_t)spki_size}) : NULL;
    if (weakness != NULL) { // as a server would find it
        snprintf(error, error_size, "%s: the key has %s; expected ECDSA P-256 or better, RSA of 2048 bits or more, or Ed25519", path,
                 weakness);
        return false;
    }
    bool done = spki_size > 0 &&
                wolfSSL_CTX_use_certificate_buffer(dialer->context, spki, spki_size, WOLFSSL_FILETYPE_ASN1) ==
                    WOLFSSL_SUCCESS &&
                wolfSSL_CTX_use_PrivateKey_buffer(dialer->context, key.data, (long)key.size, WOLFSSL_FILETYPE_PEM) ==
                    WOLFSSL_SUCCESS &&
                wolfSSL_CTX_set_client_cert_type(dialer->context, types, 1) == WOLFSSL_SUCCESS;
    if (!done)
        snprintf(error, error_size, "%s: holds no private key that can be used; expected an unencrypted PEM key "
                                    "(ECDSA, RSA of 2048 bits or more, or Ed25519)",
                 path);
    return done;
}

static unsigned give_psk(const struct dg_dialer *dialer, char *identity, unsigned identity_max, unsigned char *key,
                         unsigned key_max)
{
    const struct dg_psk *psk = dialer->psk;
    if (psk->identity.size > identity_max || psk->key.size > key_max) // the library leaves room for the NUL
        return 0;
    memcpy(identity, psk->identity.data, psk->identity.size);
    identity[psk->identity.size] = '\0';
    memcpy(key, psk->key.data, psk->key.size);
    return (unsigned)psk->key.size;
}

static unsigned on_psk12(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                         unsigned key_max)
{
    (void)hint; // RFC 4279 5.2: ours is configured
    const struct dg_dial *dial = dg_library_io_owner(ssl);
    return dial == NULL ? 0 : give_psk(dial->dialer, identity, identity_max, key, key_max);
}

#define PSK_SUITE13 "TLS13-AES128-GCM-SHA256" // RFC 8446 9.1: the one that everybody has

static unsigned on_psk13(WOLFSSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                         unsigned key_max, const char **suite)
{
    *suite = PSK_SUITE13;
    return on_psk12(ssl, hint, identity, identity_max, key, key_max);
}

// --- what is agreed on --------------------------------------------------------

static bool uses_certificates(const struct dg_dialer_config *config)
{
    return files_of(config)->client_ca_file != NULL || config->pin != NULL || config->insecure_no_verify;
}

static bool set_suites(struct dg_dialer *dialer, const struct dg_dialer_config *config)
{
    char list[DG_SUITE_LIST_MAX];
    dg_suites_list(config->profile, files_of(config)->psk_file != NULL, uses_certificates(config), list);
    if (!uses_certificates(config)) {
        // The library binds a PSK to one suite, and a server may choose any that is offered: only that one is.
        const char *rest = strchr(list, ':');
        while (rest != NULL && strncmp(rest, ":TLS13-", 7) == 0)
            rest = strchr(rest + 1, ':');
        char psk_list[DG_SUITE_LIST_MAX];
        snprintf(psk_list, sizeof psk_list, "%s%s", PSK_SUITE13, rest != NULL ? rest : "");
        memcpy(list, psk_list, sizeof list);
    }
    return wolfSSL_CTX_set_cipher_list(dialer->context, list) == WOLFSSL_SUCCESS;
}

static bool set_groups(struct dg_dialer *dialer, const struct dg_dialer_config *config)
{
    static int groups[] = {WOLFSSL_X25519MLKEM768, WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
    int skipped = config->version_max == 12 ? 1 : 0; // the hybrid is of DTLS 1.3 only
    return wolfSSL_CTX_set_groups(dialer->context, groups + skipped, (int)(sizeof groups / sizeof groups[0]) - skipped) ==
           WOLFSSL_SUCCESS;
}

static bool set_protocol(struct dg_dialer *dialer, const struct dg_dialer_config *config)
{
    WOLFSSL_CTX *context = dialer->context;
    // A pin is of a key, which a raw public key is with less around it (RFC 7250); under a CA it is a certificate.
    static const char any[] = {WOLFSSL_CERT_TYPE_RPK, WOLFSSL_CERT_TYPE_X509};
    if (config->pin != NULL && files_of(config)->client_ca_file == NULL &&
        wolfSSL_CTX_set_server_cert_type(context, any, sizeof any) != WOLFSSL_SUCCESS)
        return false;
    wolfSSL_CTX_only_dhe_psk(context); // RFC 9257 6, RFC 9325 3.4
    wolfSSL_CTX_SetMinRsaKey_Sz(context, 2048);
    wolfSSL_CTX_SetMinEccKey_Sz(context, 256);
    wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF); // the session is kept here
    wolfSSL_CTX_set_verify(context, WOLFSSL_VERIFY_PEER, dg_dial_verify);
    if (files_of(config)->psk_file != NULL) {
        wolfSSL_CTX_set_psk_client_callback(context, on_psk12);
        wolfSSL_CTX_set_psk_client_tls13_callback(context, on_psk13);
    }
    if (config->resume && wolfSSL_CTX_UseSessionTicket(context) != WOLFSSL_SUCCESS)
        return false;
    return set_suites(dialer, config) && set_groups(dialer, config);
}

static WOLFSSL_METHOD *method_of(const struct dg_dialer_config *config)
{
    if (config->version_max == 12)
        return wolfDTLSv1_2_client_method();
    return config->version_min == 13 ? wolfDTLSv1_3_client_method() : wolfDTLS_client_method();
}

static bool build(struct dg_dialer *dialer, const struct dg_dialer_config *config, char *error, size_t error_size)
{
    if (!read_pin(dialer, config->pin, error, error_size) ||
        !read_name(dialer, config->server_name, error, error_size) || !find_own_psk(dialer, config, error, error_size))
        return false;
    dialer->context = wolfSSL_CTX_new(method_of(config));
    if (dialer->context == NULL)
        return complain(error, error_size, "out of memory");
    dg_library_io_install(dialer->context);
    const struct dg_trust_source from = {.credentials = dialer->credentials, .is_client = true};
    if (!dg_trust_load(&dialer->trust, &from, error, error_size) ||
        !dg_trust_install(&dialer->trust, &from, dialer->context, error, error_size) ||
        !dg_own_load(&dialer->own, &from, 0, dialer->context, error, error_size))
        return false;
    if (config->use_raw_public_key && !use_raw_public_key(dialer, error, error_size))
        return false;
    if (config->version_min == 12 && config->version_max == 13 &&
        wolfSSL_CTX_SetMinVersion(dialer->context, WOLFSSL_DTLSV1_2) != WOLFSSL_SUCCESS)
        return complain(error, error_size, "the TLS library refused the versions");
    if (!set_protocol(dialer, config))
        return complain(error, error_size, "the TLS library refused our cipher suites or groups");
    return true;
}

struct dg_dialer *dg_dialer_new(const struct dg_dialer_config *config, char *error, size_t error_size)
{
    if (!check_config(config, error, error_size))
        return NULL;
    struct dg_dialer *dialer = calloc(1, sizeof *dialer);
    if (dialer == NULL) {
        (void)complain(error, error_size, "out of memory");
        return NULL;
    }
    dialer->config = *config;
    dialer->credentials = dg_credentials_get(config->credentials);
    dialer->shows_key = files_of(config)->certificate_file != NULL || config->use_raw_public_key;
    if (!build(dialer, config, error, error_size)) {
        dg_dialer_free(dialer);
        return NULL;
    }
    // The strings are the caller's, and have been read.
    struct dg_dialer_config *kept = &dialer->config;
    kept->psk_identity = kept->server_name = kept->pin = NULL;
    return dialer;
}

void dg_dialer_free(struct dg_dialer *dialer)
{
    if (dialer == NULL)
        return;
    wolfSSL_SESSION_free(dialer->session);
    wolfSSL_CTX_free(dialer->context);
    dg_own_clear(&dialer->own);
    dg_trust_clear(&dialer->trust);
    dg_credentials_put(dialer->credentials);
    free(dialer->server_name);
    dg_wipe(dialer, sizeof *dialer);
    free(dialer);
}
