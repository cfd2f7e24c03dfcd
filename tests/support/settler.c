// SPDX-License-Identifier: GPL-3.0-or-later
// The client's side of associations that outlive processes (settler.h).
#include "support/settler.h"

#include "core/record.h"
#include "core/record12.h"
#include "core/record13.h"
#include "core/shard.h"
#include "core/steer.h"
#include "core/wire_constants.h"
#include "credentials/credentials.h"
#include "crypto/inner.h"
#include "crypto/wolf_aead.h"
#include "io/clock.h"
#include "io/memfile.h"
#include "io/sockaddr.h"
#include "io/socket.h"
#include "support/random.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_MAX 2048
#define NONE UINT64_MAX
#define PATIENCE (10 * DG_SECOND)
#define REPEAT (100 * DG_MILLISECOND)

static void demand(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "settler: %s\n", what);
    abort();
}

// --- making ----------------------------------------------------------------------------------------------

static enum dg_hash_id hash_of(enum dg_aead_id aead)
{
    return aead == DG_AEAD_AES_256_GCM ? DG_HASH_SHA384 : DG_HASH_SHA256;
}

static struct peer_keys make_keys(const struct settler_setup *setup, unsigned which)
{
    struct test_random random = {.state = UINT64_C(1000) * setup->who + which + 1};
    uint8_t bytes[DG_SECRET_MAX + DG_AEAD_KEY_MAX];
    test_random_fill(&random, bytes, sizeof bytes);
    return setup->version == 13 ? peer_keys_13(&dg_wolf_aead, setup->aead, hash_of(setup->aead), bytes)
                                : peer_keys_12(&dg_wolf_aead, setup->aead, bytes, bytes + DG_AEAD_KEY_MAX);
}

static int open_socket(const struct dg_address *to, struct dg_address *ret_own)
{
    union dg_sockaddr name;
    socklen_t size = dg_sockaddr_from(&name, to);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int room = 4 << 20;
    demand(fd >= 0 && connect(fd, &name.any, size) == 0, "no socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    size = sizeof name;
    demand(getsockname(fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, ret_own), "no own address");
    return fd;
}

static void make(struct settler *settler, const struct settler_setup *setup, const struct dg_memory *memory)
{
    // But for the books, which are large, and empty at first and after settlers_free.
    memset(settler, 0, offsetof(struct settler, books));
    settler->said = settler->records = settler->answers = settler->repeats = settler->unopened = settler->updates = settler->alerts = 0;
    bool is_13 = setup->version == 13;
    settler->setup = *setup;
    settler->tx = make_keys(setup, 1);
    settler->rx = make_keys(setup, 2);
    if (is_13)
        settler->rx_next = peer_keys_next(&settler->rx);
    settler->tx_epoch = settler->rx_epoch = is_13 ? DG_EPOCH13_APPLICATION : DG_EPOCH12_PROTECTED;
    settler->tx_next = 1;
    settler->message_seq = 3;
    settler->update_from = NONE;
    settler->cid_size = setup->has_cid ? memory->shape.cid_size : 0;
    for (size_t i = 0; i < settler->cid_size; i++)
        settler->cid[i] = (uint8_t)(setup->who >> (i == 0 ? 0 : 8 * (i % 4)));
}

static const char *identity_of(const struct settler *settler)
{
    return settler->setup.identity ? settler->setup.identity : "device";
}

static uint64_t credential_of(const struct survivor *survivor, const char *identity)
{
    const struct dg_psk psk = {.identity = {(const uint8_t *)identity, strlen(identity)},
                               .key = {survivor->psk.key, sizeof survivor->psk.key}};
    return dg_credential_of_psk(&psk);
}

static void fill_handover(struct dg_handover *handover, const struct settler *settler, const struct survivor *survivor,
                          const struct dg_address *own)
{
    memset(handover, 0, sizeof *handover);
    handover->path.peer = *own;
    handover->path.local = survivor->address;
    handover->path.listener = dg_listener_digest(&survivor->address);
    handover->version = settler->setup.version;
    handover->aead = (uint8_t)settler->setup.aead;
    handover->hash = (uint8_t)hash_of(settler->setup.aead);
    handover->cid_size = (uint8_t)settler->cid_size;
    memcpy(handover->cid, settler->cid, sizeof handover->cid);
    handover->rx = settler->tx.material;
    handover->tx = settler->rx.material;
    handover->tx_next = 1;
    handover->rx_next = settler->setup.version == 12 ? 1 : 0;
    handover->rx_replay.seen[0] = settler->setup.version == 12 ? 1 : 0;
    handover->tx_message_seq = 8;
    handover->rx_message_seq = settler->message_seq;
    if (!settler->setup.is_anonymous) {
        bool has_certificate = settler->setup.leaf != 0;
        handover->identity_kind = has_certificate ? DG_IDENTITY_CERTIFICATE : DG_IDENTITY_PSK;
        const char *identity = identity_of(settler);
        handover->identity_size = (uint8_t)strlen(identity);
        memcpy(handover->identity, identity, handover->identity_size);
        handover->credential = has_certificate ? settler->setup.anchor : credential_of(survivor, identity);
        handover->leaf = settler->setup.leaf;
    }
}

static void plant(struct survivor *survivor, struct dg_shard *shards, const struct dg_memory *memory,
                  struct settler *settler, const struct settler_setup *setup)
{
    struct dg_address own;
    struct dg_handover handover;
    enum dg_counter reason = DG_COUNT_NONE;
    make(settler, setup, memory);
    settler->fd = open_socket(&survivor->address, &own);
    fill_handover(&handover, settler, survivor, &own);
    uint32_t shard = settler->cid_size > 0 ? dg_cid_shard(settler->cid, memory->shape.shard_count)
                                           : dg_steer_address_shard(&memory->header->steer, &own);
    demand(dg_shard_take_over(&shards[shard], dg_clock_now(), &handover, &reason) != NULL, "no place");
}

void settlers_plant(struct survivor *survivor, struct settler *settlers, const struct settler_setup *setups, size_t count)
{
    char error[DG_MEMFILE_ERROR];
    static struct dg_counters counters;
    static struct dg_memfile file;
    static struct dg_shard shards[DG_SHARDS_MAX];
    if (!dg_memfile_adopt(&file, survivor_memory(survivor), error, sizeof error))
        demand(false, error);
    for (uint32_t i = 0; i < file.memory.shape.shard_count; i++)
        demand(dg_shard_init(&shards[i], &file.memory, i, &counters), "no memory for a shard");
    for (size_t i = 0; i < count; i++)
        plant(survivor, shards, &file.memory, &settlers[i], &setups[i]);
    for (uint32_t i = 0; i < file.memory.shape.shard_count; i++)
        dg_shard_clear(&shards[i]);
    dg_memfile_let_go(&file);
}

void settlers_free(struct settler *settlers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        close(settlers[i].fd);
        for (size_t epoch = 0; epoch < SETTLER_EPOCHS; epoch++)
            if (settlers[i].books[epoch].bits) {
                free(settlers[i].books[epoch].bits);
                settlers[i].books[epoch] = (struct settler_book){0};
            }
    }
}

void settler_move(struct settler *settler, const struct survivor *survivor)
{
    struct dg_address own;
    int before = settler->fd; // open until there is another: the kernel gives no port twice
    settler->fd = open_socket(&survivor->address, &own);
    close(before);
}

// --- the books -------------------------------------------------------------------------------------------

static void note(struct settler *settler, uint64_t epoch, uint64_t number)
{
    demand(epoch < SETTLER_EPOCHS && number < UINT64_C(1) << 30, "beyond what the books are made for");
    struct settler_book *book = &settler->books[epoch];
    if (number >= book->count) {
        uint64_t count = (number + 4096) / 4096 * 4096;
        book->bits = realloc(book->bits, count / 8);
        demand(book->bits != NULL, "no memory");
        memset((uint8_t *)book->bits + book->count / 8, 0, (count - book->count) / 8);
        book->count = count;
    }
    uint64_t bit = UINT64_C(1) << number % 64;
    if ((book->bits[number / 64] & bit) != 0) {
        fprintf(stderr, "settler %u: epoch %llu number %llu a second time\n", settler->setup.who,
                (unsigned long long)epoch, (unsigned long long)number);
        settler->repeats++;
    }
    book->bits[number / 64] |= bit;
    settler->records++;
}

// --- speaking --------------------------------------------------------------------------------------------

static uint64_t seal_and_send(struct settler *settler, uint8_t type, const void *data, size_t size)
{
    static uint8_t out[RECORD_MAX];
    const struct peer_record record = {.epoch = settler->tx_epoch,
                                       .sequence = settler->tx_next++,
                                       .type = type,
                                       .cid = settler->cid,
                                       .cid_size = settler->cid_size,
                                       .data = data,
                                       .size = size};
    size_t sealed = settler->setup.version == 13 ? peer_seal13(&settler->tx, &record, out, sizeof out)
                                                 : peer_seal12(&settler->tx, &record, out, sizeof out);
    (void)!send(settler->fd, out, sealed, MSG_DONTWAIT); // nobody may be there
    return record.sequence;
}

void settler_say(struct settler *settler, const char *text)
{
    settler->said++;
    (void)seal_and_send(settler, DG_CONTENT_APPLICATION_DATA, text, strlen(text));
}

void settler_update_keys(struct settler *settler)
{
    uint8_t message[13];
    struct dg_writer writer = dg_writer_of(message, sizeof message);
    demand(settler->setup.version == 13, "DTLS 1.2 has no KeyUpdate");
    dg_write_u8(&writer, DG_HS_KEY_UPDATE);
    dg_write_u24(&writer, 1);
    dg_write_u16(&writer, settler->message_seq);
    dg_write_u24(&writer, 0);
    dg_write_u24(&writer, 1);
    dg_write_u8(&writer, 1); // update_requested
    uint64_t number = seal_and_send(settler, DG_CONTENT_HANDSHAKE, message, sizeof message);
    if (settler->update_from == NONE)
        settler->update_from = number;
}

static void acknowledge(struct settler *settler, uint64_t epoch, uint64_t sequence)
{
    uint8_t body[18];
    struct dg_writer writer = dg_writer_of(body, sizeof body);
    dg_write_u16(&writer, 16);
    dg_write_u64(&writer, epoch);
    dg_write_u64(&writer, sequence);
    (void)seal_and_send(settler, DG_CONTENT_ACK, body, sizeof body);
}

// --- listening -------------------------------------------------------------------------------------------

static void take_ack(struct settler *settler, struct dg_bytes body)
{
    struct dg_reader reader = dg_reader_of(body.data, body.size);
    (void)dg_read_u16(&reader);
    while (dg_reader_left(&reader) >= 16) {
        uint64_t epoch = dg_read_u64(&reader);
        uint64_t number = dg_read_u64(&reader);
        if (settler->update_from == NONE || epoch != settler->tx_epoch || number < settler->update_from)
            continue;
        settler->tx = peer_keys_next(&settler->tx);
        settler->tx_epoch++;
        settler->tx_next = 0;
        settler->message_seq++;
        settler->update_from = NONE;
    }
}

static void take_body(struct settler *settler, uint8_t type, uint64_t epoch, uint64_t number, struct dg_bytes body)
{
    switch (type) {
    case DG_CONTENT_APPLICATION_DATA:
        settler->answers++;
        snprintf(settler->last, sizeof settler->last, "%.*s", (int)body.size, (const char *)body.data);
        break;
    case DG_CONTENT_HANDSHAKE:
        acknowledge(settler, epoch, number);
        break;
    case DG_CONTENT_ACK:
        take_ack(settler, body);
        break;
    default:
        settler->alerts++;
        break;
    }
}

static void take12(struct settler *settler, const struct dg_record *record)
{
    struct dg_key_view view = peer_keys_view(&settler->rx, false);
    uint8_t type = 0;
    struct dg_bytes body = {0};
    if (dg_record12_open(&dg_wolf_aead, &view, record, NULL, 0, &type, &body).outcome != DG_OK) {
        settler->unopened++;
        return;
    }
    note(settler, record->epoch, record->sequence);
    take_body(settler, type, record->epoch, record->sequence, body);
}

static void take13(struct settler *settler, const struct dg_record *record)
{
    unsigned next = (settler->rx_epoch & DG_UNIFIED_EPOCH_MASK) != record->epoch;
    struct dg_key_view view = peer_keys_view(next ? &settler->rx_next : &settler->rx, true);
    uint64_t number = 0;
    uint8_t type = 0;
    struct dg_bytes body = {0};
    if (dg_record13_open(&dg_wolf_aead, &view, record, NULL, 0, settler->rx_numbers[next], &number, &type, &body)
            .outcome != DG_OK) {
        settler->unopened++;
        return;
    }
    if (number >= settler->rx_numbers[next])
        settler->rx_numbers[next] = number + 1;
    if (next) {
        settler->rx = settler->rx_next;
        settler->rx_next = peer_keys_next(&settler->rx);
        settler->rx_epoch++;
        settler->rx_numbers[0] = settler->rx_numbers[1];
        settler->rx_numbers[1] = 0;
        settler->updates++;
    }
    note(settler, settler->rx_epoch, number);
    take_body(settler, type, settler->rx_epoch, number, body);
}

unsigned settler_listen(struct settler *settler)
{
    static uint8_t in[RECORD_MAX];
    uint64_t before = settler->answers;
    for (;;) {
        ssize_t got = recv(settler->fd, in, sizeof in, MSG_DONTWAIT);
        if (got <= 0)
            break;
        for (size_t at = 0; at < (size_t)got;) {
            struct dg_record record;
            if (dg_record_parse(in + at, (size_t)got - at, 0, &record).outcome != DG_OK)
                break;
            at += record.size;
            if (settler->setup.version == 13)
                take13(settler, &record);
            else
                take12(settler, &record);
        }
    }
    return (unsigned)(settler->answers - before);
}

bool settler_converse(struct settler *settler, const char *text)
{
    dg_time now = dg_clock_now(), again = now, deadline = now + PATIENCE;
    for (; now < deadline; now = dg_clock_now()) {
        if (now >= again) {
            settler_say(settler, text);
            again = now + REPEAT;
        }
        struct pollfd readable = {.fd = settler->fd, .events = POLLIN};
        (void)poll(&readable, 1, (int)(REPEAT / DG_MILLISECOND));
        // Answers to what was said before may come first, thousands of them.
        if (settler_listen(settler) > 0 && strcmp(settler->last, text) == 0)
            return true;
    }
    return false;
}
