// SPDX-License-Identifier: GPL-3.0-or-later
// Session tickets: AES-256-GCM under our own rotating keys (RFC 9325 3.4). Inside lies the library's own
// ticket and, which that lacks, who the peer is and what proved it, so that a resumed association keeps its
// identity and a removed credential ends its tickets too. Never keeps state for a ticket.
#include "base/random.h"
#include "base/secret.h"
#include "crypto/inner.h"

#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include <string.h>

_Static_assert(DG_SHARED_TICKET_NAME == DG_TICKET_KEY_NAME && DG_SHARED_TICKET_KEY == DG_TICKET_KEY, "one size of keys");

#define TICKET_SECONDS_MAX (7 * 24 * 3600) // RFC 8446 4.6.1
#define NONCE_SIZE 12
#define BOUND_SIZE (DG_TICKET_KEY_NAME + 8 + 1)
#define TAG_SIZE 16
// What may lie around a ticket in the datagram in which our record layer repeats it: its name, IV and tag, the
// message's header and fields, the record with the longest connection ID, and in 1.2 ChangeCipherSpec and Finished.
#define AROUND_TICKET 240
#define ENVELOPE_FIXED (2 + 1 + 8 + 8 + 4 + 4 + 1) // inner size, kind, credential, leaf, expiry, issue, identity size
#define CLOCKS_APART 300 // seconds between two servers that share keys

// What the tag covers beside the ticket: the key's name, the realm and the profile. All gates seal under the same keys;
// a ticket of another listener, with other credentials and rules, opens nowhere else (RFC 8446 4.6.1 leaves to the
// server where a ticket is good). Its client gets a full handshake.
// Keys from a file are shared on purpose, with servers that may know the listener by another name.
// The library resumes DTLS 1.2 with the suite of the session, whether the gate would still choose it or not: without forward
// secrecy, or with short tags, where the profile has forbidden that since (RFC 9325 3.4).
static void bind_to(const struct dg_gate *gate, const uint8_t *name, uint8_t bound[BOUND_SIZE])
{
    struct dg_writer writer = dg_writer_of(bound, BOUND_SIZE);
    dg_write_bytes(&writer, name, DG_TICKET_KEY_NAME);
    dg_write_u64(&writer, dg_credentials_ticket_keys(gate->credentials)->count > 0 ? 0 : gate->config.ticket_realm);
    dg_write_u8(&writer, (uint8_t)gate->config.profile);
}

static bool seal(const uint8_t key[DG_TICKET_KEY], const uint8_t *bound, const uint8_t *nonce, uint8_t *data,
                 size_t size, uint8_t tag[TAG_SIZE])
{
    Aes aes;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return false;
    bool done = wc_AesGcmSetKey(&aes, key, DG_TICKET_KEY) == 0 &&
                wc_AesGcmEncrypt(&aes, data, data, (word32)size, nonce, NONCE_SIZE, tag, TAG_SIZE, bound,
                                 BOUND_SIZE) == 0;
    wc_AesFree(&aes);
    return done;
}

static bool unseal(const uint8_t key[DG_TICKET_KEY], const uint8_t *bound, const uint8_t *nonce, uint8_t *data,
                   size_t size, const uint8_t tag[TAG_SIZE])
{
    Aes aes;
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return false;
    bool done = wc_AesGcmSetKey(&aes, key, DG_TICKET_KEY) == 0 &&
                wc_AesGcmDecrypt(&aes, data, data, (word32)size, nonce, NONCE_SIZE, tag, TAG_SIZE, bound,
                                 BOUND_SIZE) == 0;
    wc_AesFree(&aes);
    return done;
}

// The key under that name; NULL: none, or no longer. Our own two come from memory that outlives the process.
static const uint8_t *find_key(const struct dg_gate *gate, const uint8_t *name)
{
    const struct dg_ticket_keys *shared = dg_credentials_ticket_keys(gate->credentials);
    const struct dg_memory_secrets *secrets = gate->config.secrets;
    for (size_t i = 0; i < shared->count; i++)
        if (dg_secret_equal(name, shared->name[i], DG_TICKET_KEY_NAME))
            return shared->key[i];
    for (size_t i = 0; shared->count == 0 && i < 2; i++)
        if (dg_secret_equal(name, secrets->ticket_name[i], DG_TICKET_KEY_NAME))
            return secrets->ticket_key[i];
    return NULL;
}

// Appends who the peer is to the library's ticket; returns the new size. Where it does not fit the ticket
// says that nobody is proven, which is refused when it comes back: a full handshake, never another identity.
static size_t append_proof(const struct dg_proof *proof, uint8_t *buffer, size_t size, size_t capacity)
{
    static const struct dg_proof nobody = {.kind = 0xff};
    if (ENVELOPE_FIXED + (size_t)proof->identity_size > capacity - size)
        proof = &nobody;
    struct dg_writer writer = dg_writer_of(buffer + size, capacity - size);
    dg_write_u8(&writer, proof->kind);
    dg_write_u64(&writer, proof->credential);
    dg_write_u64(&writer, proof->leaf);
    dg_write_u32(&writer, proof->expires_s);
    dg_write_u32(&writer, (uint32_t)wc_Time(NULL));
    dg_write_bytes(&writer, proof->identity, proof->identity_size);
    dg_write_u8(&writer, proof->identity_size);
    dg_write_u16(&writer, (uint16_t)size);
    return writer.failed ? 0 : size + dg_writer_size(&writer);
}

// Reads from the end, since only the library knows where its own part ends. 0: not one of ours.
static size_t split_proof(const uint8_t *buffer, size_t size, struct dg_proof *ret, uint32_t *ret_issued_s)
{
    if (size < ENVELOPE_FIXED)
        return 0;
    struct dg_reader tail = dg_reader_of(buffer + size - 3, 3);
    uint8_t identity_size = dg_read_u8(&tail);
    uint16_t inner = dg_read_u16(&tail);
    if ((size_t)inner + ENVELOPE_FIXED + identity_size != size)
        return 0;
    struct dg_reader reader = dg_reader_of(buffer + inner, size - inner);
    memset(ret, 0, sizeof *ret);
    ret->kind = dg_read_u8(&reader);
    ret->credential = dg_read_u64(&reader);
    ret->leaf = dg_read_u64(&reader);
    ret->expires_s = dg_read_u32(&reader);
    *ret_issued_s = dg_read_u32(&reader);
    struct dg_bytes identity = dg_read_bytes(&reader, identity_size);
    if (reader.failed)
        return 0;
    memcpy(ret->identity, identity.data, identity.size);
    ret->identity_size = identity_size;
    ret->known = true;
    return inner;
}

static uint64_t lifetime_s(const struct dg_gate *gate)
{
    uint64_t seconds = gate->config.ticket_period / DG_SECOND;
    return seconds < TICKET_SECONDS_MAX ? seconds : TICKET_SECONDS_MAX;
}

// Two periods at most, as with keys that change by themselves: those of a file may never do.
static bool is_fresh(const struct dg_gate *gate, uint32_t issued_s)
{
    uint64_t now_s = (uint64_t)wc_Time(NULL);
    uint64_t most = 2 * lifetime_s(gate);
    return issued_s <= now_s + CLOCKS_APART && now_s <= issued_s + (most < TICKET_SECONDS_MAX ? most : TICKET_SECONDS_MAX);
}

static int encrypt(struct dg_handshake *handshake, uint8_t *name, uint8_t *iv, uint8_t *mac, uint8_t *buffer,
                   int size, int *ret_size)
{
    struct dg_gate *gate = handshake->gate;
    const struct dg_memory_secrets *secrets = gate->config.secrets;
    dg_proof_resolve(handshake);
    struct dg_proof none = {.kind = DG_IDENTITY_NONE};
    if (!handshake->proof.known && gate->config.authenticate_clients)
        none.kind = 0xff;
    // It is never repeated in parts (RFC 9147 5.8.4), so it has to fit; a long identity may be too long for that.
    size_t capacity = (size_t)*ret_size;
    size_t fits = gate->config.datagram_max - (size_t)AROUND_TICKET;
    if (fits < capacity && fits >= (size_t)size + ENVELOPE_FIXED)
        capacity = fits;
    size_t whole = append_proof(handshake->proof.known ? &handshake->proof : &none, buffer, (size_t)size, capacity);
    if (whole == 0)
        return WOLFSSL_TICKET_RET_FATAL;
    const struct dg_ticket_keys *shared = dg_credentials_ticket_keys(gate->credentials);
    memcpy(name, shared->count > 0 ? shared->name[0] : secrets->ticket_name[0], DG_TICKET_KEY_NAME);
    memset(iv, 0, WOLFSSL_TICKET_IV_SZ);
    dg_random_bytes(iv, NONCE_SIZE);
    memset(mac, 0, WOLFSSL_TICKET_MAC_SZ);
    uint8_t bound[BOUND_SIZE];
    bind_to(gate, name, bound);
    if (!seal(shared->count > 0 ? shared->key[0] : secrets->ticket_key[0], bound, iv, buffer, whole, mac))
        return WOLFSSL_TICKET_RET_FATAL;
    *ret_size = (int)whole;
    return WOLFSSL_TICKET_RET_OK;
}

static bool decrypt(struct dg_handshake *handshake, const uint8_t *name, const uint8_t *iv, const uint8_t *mac,
                    uint8_t *buffer, int size, int *ret_size)
{
    struct dg_gate *gate = handshake->gate;
    // Resumption in DTLS 1.2 needs the extended master secret (RFC 7627 5.3, RFC 9325 3.5).
    if (!handshake->peek.offers_13 && !handshake->peek.has_ems)
        return false;
    // In 1.3 it needs a fresh key exchange (RFC 9325 3.4). The library would end the handshake over such a hello;
    // without its ticket it is a full one.
    if (handshake->peek.offers_13 && !handshake->peek.has_psk_dhe)
        return false;
    // One ticket for a hello: the identity must be that of the ticket which the library resumes with, and with
    // several it does not say which one that is.
    if (handshake->ticket_seen && !dg_secret_equal(handshake->ticket_iv, iv, sizeof handshake->ticket_iv))
        return false;
    const uint8_t *key = find_key(gate, name);
    uint8_t bound[BOUND_SIZE];
    bind_to(gate, name, bound);
    if (key == NULL || size <= 0 || !unseal(key, bound, iv, buffer, (size_t)size, mac))
        return false;
    struct dg_proof proof;
    uint32_t issued_s = 0;
    size_t inner = split_proof(buffer, (size_t)size, &proof, &issued_s);
    if (inner == 0 || !is_fresh(gate, issued_s) || !dg_proof_is_current(gate, &proof))
        return false;
    handshake->ticket_seen = true;
    memcpy(handshake->ticket_iv, iv, sizeof handshake->ticket_iv);
    handshake->ticket = proof;
    *ret_size = (int)inner;
    return true;
}

int dg_tickets_on_ticket(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac, int is_encrypt,
                         unsigned char *buffer, int size, int *ret_size, void *context)
{
    (void)context;
    struct dg_handshake *handshake = dg_library_io_owner(ssl);
    if (handshake == NULL)
        return WOLFSSL_TICKET_RET_FATAL;
    if (is_encrypt)
        return encrypt(handshake, name, iv, mac, buffer, size, ret_size);
    return decrypt(handshake, name, iv, mac, buffer, size, ret_size) ? WOLFSSL_TICKET_RET_OK
                                                                     : WOLFSSL_TICKET_RET_REJECT;
}

void dg_tickets_install(struct dg_gate *gate)
{
    WOLFSSL_CTX *context = gate->sides[gate->side].context;
    uint64_t seconds = lifetime_s(gate);
    wolfSSL_CTX_set_TicketEncCb(context, dg_tickets_on_ticket);
    wolfSSL_CTX_set_TicketHint(context, (int)seconds);
    wolfSSL_CTX_set_timeout(context, (unsigned)seconds);
    // The library's own cache belongs to one process and keeps what a ticket carries (RFC 5077).
    wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
}
