// SPDX-License-Identifier: GPL-3.0-or-later
// The rig: a front in miniature (cookie check, hello, one record at a time) around the real operations.
#include "support/gate_rig.h"

#include "base/secret.h"
#include "core/hello.h"
#include "core/record12.h"
#include "core/record13.h"
#include "crypto/rotation.h"
#include "crypto/wolf_aead.h"
#include "support/read_hello.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const uint8_t rig_psk[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
const uint8_t rig_wrong_psk[32] = {9, 9, 9};

// --- queues -------------------------------------------------------------------

bool rig_queue_put(struct rig_queue *queue, const uint8_t *bytes, size_t size)
{
    if (queue->count == RIG_DATAGRAMS || size > RIG_DATAGRAM_MAX)
        return false;
    size_t at = (queue->first + queue->count++) % RIG_DATAGRAMS;
    queue->datagrams[at].size = size;
    memcpy(queue->datagrams[at].bytes, bytes, size);
    return true;
}

size_t rig_queue_get(struct rig_queue *queue, uint8_t *bytes, size_t capacity)
{
    if (queue->count == 0)
        return 0;
    size_t at = queue->first;
    queue->first = (queue->first + 1) % RIG_DATAGRAMS;
    queue->count--;
    size_t size = queue->datagrams[at].size < capacity ? queue->datagrams[at].size : capacity;
    memcpy(bytes, queue->datagrams[at].bytes, size);
    return size;
}

static void client_send(void *context, const uint8_t *bytes, size_t size)
{
    struct rig *rig = context;
    (void)rig_queue_put(&rig->to_server, bytes, size);
}

static size_t client_receive(void *context, uint8_t *buffer, size_t capacity)
{
    struct rig *rig = context;
    return rig_queue_get(&rig->to_client, buffer, capacity);
}

static uint8_t *reserve(void *context, size_t capacity)
{
    struct rig *rig = context;
    return capacity <= sizeof rig->scratch ? rig->scratch : NULL;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    (void)path;
    struct rig *rig = context;
    rig->server_datagrams++;
    rig->server_bytes += size;
    if (size > rig->server_largest)
        rig->server_largest = size;
    if (size == 15 && rig->scratch[0] == DG_CONTENT_ALERT)
        rig->plain_alert = rig->scratch[14] + 1u;
    if (!rig->lose_to_client)
        (void)rig_queue_put(&rig->to_client, rig->scratch, size);
}

struct dg_output rig_output(struct rig *rig)
{
    return (struct dg_output){.context = rig, .reserve = reserve, .commit = commit};
}

struct dg_bytes rig_cid(const struct rig *rig)
{
    return (struct dg_bytes){.data = rig->cid, .size = rig->declines_cid ? 0 : rig->cid_size};
}

// --- credentials --------------------------------------------------------------

const struct rig_pki *rig_pki(void)
{
    static struct rig_pki pki;
    static bool made;
    if (made)
        return &pki;
    char error[256] = "";
    bool done = dg_crypto_init() &&
                dg_pki_make(DG_PKI_CA, "test CA", 30, NULL, &pki.ca, error, sizeof error) &&
                dg_pki_make(DG_PKI_SERVER, "gate.example", 30, &pki.ca, &pki.server, error, sizeof error) &&
                dg_pki_make(DG_PKI_CLIENT, "client-1", 30, &pki.ca, &pki.client, error, sizeof error) &&
                dg_pki_make(DG_PKI_CA, "test CA", 30, NULL, &pki.other_ca, error, sizeof error) &&
                dg_pki_make(DG_PKI_CLIENT, "client-1", 30, &pki.other_ca, &pki.stranger, error, sizeof error) &&
                dg_pki_make(DG_PKI_CLIENT, "raw", 30, &pki.ca, &pki.raw_client, error, sizeof error) &&
                dg_pki_make(DG_PKI_CLIENT, "raw stranger", 30, &pki.ca, &pki.raw_stranger, error, sizeof error);
    if (!done) {
        fprintf(stderr, "gate_rig: %s\n", error);
        abort();
    }
    made = true;
    return &pki;
}

static bool write_file(const char *folder, const char *name, const char *text, char path[128])
{
    snprintf(path, 128, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return false;
    bool done = fputs(text, file) >= 0;
    done = fclose(file) == 0 && done;
    return done && chmod(path, 0600) == 0;
}

static void psk_lines(char *text, size_t capacity)
{
    size_t used = 0;
    const char *names[] = {RIG_IDENTITY, RIG_OTHER_IDENTITY};
    for (size_t i = 0; i < 2; i++) {
        used += (size_t)snprintf(text + used, capacity - used, "%s:", names[i]);
        for (size_t k = 0; k < sizeof rig_psk; k++)
            used += (size_t)snprintf(text + used, capacity - used, "%02x", rig_psk[k] ^ (unsigned)(i * 0x40));
        used += (size_t)snprintf(text + used, capacity - used, "\n");
    }
}

// The files of one rig, gone as soon as they have been read.
struct files {
    const char *folder;
    size_t count;
    char paths[20][128];
};

// Its path; NULL where there is nothing to write.
static const char *put(struct files *files, const char *name, const char *text)
{
    if (text == NULL)
        return NULL;
    char *path = files->paths[files->count];
    if (!write_file(files->folder, name, text, path)) {
        fprintf(stderr, "gate_rig: %s cannot be written\n", path);
        abort();
    }
    files->count++;
    return path;
}

static bool load(struct rig *rig, const struct rig_options *options, const char *folder)
{
    const struct rig_pki *pki = rig_pki();
    const struct dg_pki_pem *server = options->server != NULL ? options->server : &pki->server;
    struct files at = {.folder = folder};
    char lines[512], name[32];
    psk_lines(lines, sizeof lines);
    struct dg_credential_files files = {.accepts_missing_crl = options->accepts_missing_crl};
    if (options->with_psk)
        files.psk_file = put(&at, "psk", options->psk_lines != NULL ? options->psk_lines : lines);
    if (options->with_certificate) {
        files.certificate_file = put(&at, "certificate.pem", server->certificate);
        files.key_file = put(&at, "key.pem", server->key);
    }
    struct dg_certificate_files further[4];
    for (size_t i = 0; i < 4 && options->more_servers[i] != NULL; i++) {
        snprintf(name, sizeof name, "certificate-%zu.pem", i);
        further[i].certificate_file = put(&at, name, options->more_servers[i]->certificate);
        snprintf(name, sizeof name, "key-%zu.pem", i);
        further[i].key_file = put(&at, name, options->more_servers[i]->key);
        files.further_count++;
    }
    files.further = further;
    if (options->with_client_ca)
        files.client_ca_file =
            put(&at, "ca.pem", options->client_ca != NULL ? options->client_ca : pki->ca.certificate);
    if (options->with_raw_keys)
        files.client_keys_file = put(&at, "keys.pem", pki->raw_client.public_key);
    const char *crls[2];
    for (size_t i = 0; i < 2 && options->crls[i] != NULL; i++) {
        snprintf(name, sizeof name, "crl-%zu.pem", i);
        crls[files.client_crl_count++] = put(&at, name, options->crls[i]);
    }
    files.client_crl_files = crls;
    files.client_fingerprints_file = put(&at, "fingerprints", options->fingerprints);
    files.client_names = options->names;
    while (files.client_name_count < 4 && options->names[files.client_name_count] != NULL)
        files.client_name_count++;
    files.ticket_keys_file = put(&at, "ticket-keys", options->ticket_keys);
    rig->credentials = dg_credentials_new(&files, rig->error, sizeof rig->error);
    for (size_t i = 0; i < at.count; i++)
        (void)unlink(at.paths[i]);
    return rig->credentials != NULL;
}

bool rig_new(struct rig *rig, const struct rig_options *options)
{
    memset(rig, 0, sizeof *rig);
    (void)rig_pki();
    char folder[] = "/tmp/dtlsgate-rig-XXXXXX";
    if (mkdtemp(folder) == NULL)
        return false;
    bool loaded = load(rig, options, folder);
    (void)rmdir(folder);
    if (!loaded)
        return false;
    rig->now = 1000 * DG_SECOND;
    rig->secrets = options->secrets != NULL ? options->secrets : &rig->own_secrets;
    dg_secrets_attach(rig->secrets);
    struct dg_gate_config config = {
        .credentials = rig->credentials,
        .profile = options->profile,
        .authenticate_clients = !options->without_authentication,
        .secrets = rig->secrets,
        .turns = options->turns,
        .ticket_realm = options->ticket_realm,
        .offer_rrc = !options->without_rrc,
        .datagram_max = options->datagram_max > 0 ? options->datagram_max : 1200,
        .cookie_period = 30 * DG_SECOND,
        .ticket_period = 24 * DG_HOUR,
        .retransmit_seconds = 1,
        .policy_generation = 7,
    };
    rig->gate = dg_gate_new(&config, rig->error, sizeof rig->error);
    if (rig->gate == NULL)
        return false;
    dg_wolf_handshake.gate_advance(rig->gate, rig->now);
    if (!dg_address_parse("192.0.2.1:40000", &rig->path.peer) ||
        !dg_address_parse("198.51.100.1:5684", &rig->path.local))
        return false;
    for (size_t i = 0; i < sizeof rig->cid; i++)
        rig->cid[i] = (uint8_t)(0x51 + i);
    rig->cid_size = DG_CID_SIZE_DEFAULT;
    return true;
}

void rig_hang_up(struct rig *rig)
{
    if (rig->handshake != NULL)
        dg_wolf_handshake.free(rig->handshake);
    rig->handshake = NULL;
    wolf_client_free(rig->client);
    rig->client = NULL;
    rig->to_client.count = 0;
    rig->to_server.count = 0;
    rig->step = DG_STEP_GOES_ON;
    rig->plain_alert = 0;
    rig->hello_have = 0;
}

void rig_free(struct rig *rig)
{
    rig_hang_up(rig);
    dg_gate_put(rig->gate);
    dg_credentials_put(rig->credentials);
    rig->gate = NULL;
    rig->credentials = NULL;
}

// --- the front in miniature ---------------------------------------------------

bool rig_client(struct rig *rig, const struct wolf_client_config *config)
{
    struct wolf_client_config whole = *config;
    whole.wire = (struct wolf_client_wire){.context = rig, .send = client_send, .receive = client_receive};
    rig->client = wolf_client_new(&whole);
    return rig->client != NULL;
}

// Puts the fragments of a hello, which come in order here, into one record. 0: not whole yet.
static size_t whole_hello(struct rig *rig, const struct dg_record *record)
{
    struct dg_bytes body = {record->start + record->header_size, record->size - record->header_size};
    struct dg_handshake_fragment part;
    if (record->type != DG_CONTENT_HANDSHAKE || dg_handshake_fragment_parse(body, &part).outcome != DG_OK)
        return 0;
    const size_t head = DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER;
    if (part.offset != rig->hello_have || part.length + head > sizeof rig->hello)
        return 0;
    if (part.offset == 0)
        memcpy(rig->hello, record->start, head);
    memcpy(rig->hello + head + part.offset, part.bytes.data, part.bytes.size);
    rig->hello_have += part.bytes.size;
    if (rig->hello_have < part.length)
        return 0;
    struct dg_writer writer = dg_writer_of(rig->hello + 11, 2);
    dg_write_u16(&writer, (uint16_t)(DG_HANDSHAKE_HEADER + part.length));
    writer = dg_writer_of(rig->hello + DG_RECORD12_HEADER + 6, 6);
    dg_write_u24(&writer, 0);
    dg_write_u24(&writer, part.length);
    rig->hello_have = 0;
    return head + part.length;
}

// RFC 6347 4.2.8: a client that begins anew, with a first hello.
static bool is_first_hello(const struct dg_record *record)
{
    struct dg_reader body = dg_reader_of(record->start + record->header_size, record->size - record->header_size);
    struct dg_handshake_fragment part;
    return !record->is_unified && record->epoch == 0 && record->type == DG_CONTENT_HANDSHAKE &&
           dg_handshake_fragment_read(&body, &part) && part.type == DG_HS_CLIENT_HELLO && part.message_seq == 0;
}

static void give_record(struct rig *rig, const struct dg_record *record)
{
    struct dg_output output = rig_output(rig);
    if (rig->handshake != NULL && is_first_hello(record)) {
        dg_wolf_handshake.free(rig->handshake);
        rig->handshake = NULL;
    }
    if (rig->handshake != NULL) {
        rig->step = dg_wolf_handshake.receive(rig->handshake, rig->now, record->start, record->size, &output);
        return;
    }
    size_t size = whole_hello(rig, record);
    if (size == 0)
        return;
    struct dg_hello hello;
    if (!read_hello_record(rig->hello, size, &hello))
        return;
    enum dg_hello_verdict verdict =
        dg_wolf_handshake.hello(rig->gate, rig->now, &rig->path, &hello, rig_cid(rig), &output, &rig->handshake);
    if (verdict == DG_HELLO_ANSWERED)
        rig->hellos_answered++;
    if (verdict == DG_HELLO_STARTED && dg_wolf_handshake.deadline(rig->handshake) == 0)
        rig->step = dg_wolf_handshake.advance(rig->handshake, rig->now, &output);
}

void rig_give(struct rig *rig, const uint8_t *datagram, size_t size)
{
    uint8_t copy[RIG_DATAGRAM_MAX];
    memcpy(copy, datagram, size);
    for (size_t at = 0; at < size && rig->step == DG_STEP_GOES_ON;) {
        struct dg_record record;
        if (dg_record_parse(copy + at, size - at, rig->cid_size, &record).outcome != DG_OK)
            return;
        give_record(rig, &record);
        at += record.size;
    }
}

void rig_give_all(struct rig *rig)
{
    uint8_t datagram[RIG_DATAGRAM_MAX];
    size_t size;
    while (rig->step == DG_STEP_GOES_ON && (size = rig_queue_get(&rig->to_server, datagram, sizeof datagram)) > 0)
        rig_give(rig, datagram, size);
}

enum dg_handshake_step rig_run(struct rig *rig)
{
    for (int i = 0; i < 60 && rig->step == DG_STEP_GOES_ON; i++) {
        size_t before = rig->to_server.count + rig->to_client.count;
        unsigned sent = rig->server_datagrams;
        if (wolf_client_connect(rig->client) == WOLF_CLIENT_FAILED && rig->to_server.count == 0)
            break;
        rig_give_all(rig);
        if (before == 0 && rig->to_client.count == 0 && rig->server_datagrams == sent && i > 0)
            break;
    }
    return rig->step;
}

bool rig_take(struct rig *rig, struct dg_handover *ret)
{
    if (rig_run(rig) != DG_STEP_DONE || !dg_wolf_handshake.take(rig->handshake, ret))
        return false;
    dg_wolf_handshake.free(rig->handshake); // DG_BUG where the library sends now
    rig->handshake = NULL;
    return rig->lose_to_client || wolf_client_connect(rig->client) == WOLF_CLIENT_DONE;
}

// --- data ---------------------------------------------------------------------

static struct dg_key_view view_of(const struct dg_handover *handover, const struct dg_key_material *keys)
{
    bool is_13 = handover->version == 13;
    return (struct dg_key_view){
        .aead = (enum dg_aead_id)handover->aead,
        .hash = (enum dg_hash_id)handover->hash,
        .key = keys->key,
        .number_key = is_13 ? keys->number_key : NULL,
        .iv = keys->iv,
        .secret = is_13 ? keys->secret : NULL,
    };
}

bool rig_seal(struct rig *rig, struct dg_handover *handover, uint8_t type, const void *data, size_t size)
{
    uint8_t out[RIG_DATAGRAM_MAX];
    struct dg_key_view view = view_of(handover, &handover->tx);
    uint64_t number = handover->tx_next++;
    size_t cid_size = handover->peer_has_cid ? handover->peer_cid_size : 0;
    size_t sealed = handover->version == 13
                        ? dg_record13_seal(&dg_wolf_aead, &view, DG_EPOCH13_APPLICATION, number, type,
                                           handover->peer_cid, cid_size, data, size, out, sizeof out)
                        : dg_record12_seal(&dg_wolf_aead, &view, DG_EPOCH12_PROTECTED, number, type,
                                           handover->peer_cid, cid_size, data, size, out, sizeof out);
    return sealed > 0 && rig_queue_put(&rig->to_client, out, sealed);
}

static bool open_record(struct dg_handover *handover, const struct dg_record *record, uint8_t *type,
                        struct dg_bytes *plaintext)
{
    struct dg_key_view view = view_of(handover, &handover->rx);
    uint64_t number = record->sequence;
    if (handover->version == 13) {
        if (!record->is_unified || record->epoch != DG_EPOCH13_APPLICATION ||
            dg_record13_open(&dg_wolf_aead, &view, record, handover->cid, handover->cid_size, handover->rx_next,
                             &number, type, plaintext)
                    .outcome != DG_OK)
            return false;
    } else if (record->is_unified || record->epoch != DG_EPOCH12_PROTECTED ||
               dg_record12_open(&dg_wolf_aead, &view, record, handover->cid, handover->cid_size, type, plaintext)
                       .outcome != DG_OK) {
        return false;
    }
    if (!dg_replay_is_fresh(&handover->rx_replay, handover->rx_next, number))
        return false;
    _Atomic uint64_t next = handover->rx_next;
    dg_replay_accept(&handover->rx_replay, &next, number);
    handover->rx_next = next;
    return true;
}

int rig_open(struct rig *rig, struct dg_handover *handover, uint8_t *ret_type, uint8_t *data, size_t capacity)
{
    uint8_t datagram[RIG_DATAGRAM_MAX];
    size_t size;
    while ((size = rig_queue_get(&rig->to_server, datagram, sizeof datagram)) > 0) {
        for (size_t at = 0; at < size;) {
            struct dg_record record;
            struct dg_bytes plaintext;
            if (dg_record_parse(datagram + at, size - at, handover->cid_size, &record).outcome != DG_OK)
                break;
            at += record.size;
            if (!open_record(handover, &record, ret_type, &plaintext) || plaintext.size > capacity)
                continue;
            if (*ret_type != DG_CONTENT_APPLICATION_DATA)
                continue; // ACKs of the ticket and the like
            memcpy(data, plaintext.data, plaintext.size);
            return (int)plaintext.size;
        }
    }
    return -1;
}

bool rig_exchange(struct rig *rig, struct dg_handover *handover)
{
    static const char *texts[] = {"x", "a record of the server's", "and another one"};
    uint8_t data[2048];
    for (size_t i = 0; i < 3; i++) {
        int size = (int)strlen(texts[i]);
        uint8_t type = 0;
        if (!wolf_client_write(rig->client, texts[i], (size_t)size) ||
            rig_open(rig, handover, &type, data, sizeof data) != size || memcmp(data, texts[i], (size_t)size) != 0)
            return false;
        if (!rig_seal(rig, handover, DG_CONTENT_APPLICATION_DATA, texts[i], (size_t)size) ||
            wolf_client_read(rig->client, data, sizeof data) != size || memcmp(data, texts[i], (size_t)size) != 0)
            return false;
    }
    return true;
}
