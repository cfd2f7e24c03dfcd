// SPDX-License-Identifier: GPL-3.0-or-later
// The rig of two ends: queues between them, the front in miniature of gate_rig on the one side.
#include "support/dial_rig.h"

#include "core/engine_internal.h"
#include "core/record.h"
#include "crypto/wolf_aead.h"
#include "support/sim_clock.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/hash.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// --- the dialer ---------------------------------------------------------------

static const char *put_file(const char *folder, const char *name, const char *text, char path[128])
{
    if (text == NULL)
        return NULL;
    snprintf(path, 128, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, 0600) != 0)
        abort();
    return path;
}

bool dial_rig_dialer(struct dial_rig *rig, const struct dial_options *options)
{
    sim_clock_set(rig->gate.now); // a case before may have left it later; tickets are good from their issue on
    char folder[] = "/tmp/dtlsgate-dial-XXXXXX";
    char paths[4][128] = {"", "", "", ""};
    (void)rig_pki();
    if (mkdtemp(folder) == NULL)
        abort();
    const struct dg_pki_pem *client = options->client;
    const struct dg_credential_files files = {
        .is_client = true,
        .psk_file = put_file(folder, "psk", options->psk_lines, paths[0]),
        .certificate_file = put_file(folder, "cert.pem", client != NULL && !options->raw ? client->certificate : NULL,
                                     paths[1]),
        .key_file = put_file(folder, "key.pem", client != NULL ? client->key : NULL, paths[2]),
        .client_ca_file = put_file(folder, "ca.pem", options->ca, paths[3]),
    };
    struct dg_dialer_config config = {
        .psk_identity = options->psk_identity,
        .use_raw_public_key = options->raw,
        .server_name = options->name,
        .pin = options->pin,
        .insecure_no_verify = options->insecure,
        .profile = options->profile,
        .version_min = options->version_min > 0 ? options->version_min : 12,
        .version_max = options->version_max > 0 ? options->version_max : 13,
        .offer_cid = options->offer_cid,
        .offer_rrc = options->offer_rrc,
        .resume = options->resume,
        .datagram_max = options->datagram_max > 0 ? options->datagram_max : 1200,
        .retransmit_seconds = 1,
    };
    dg_dialer_free(rig->dialer);
    rig->error[0] = '\0';
    config.credentials = dg_credentials_new(&files, rig->error, sizeof rig->error);
    rig->dialer = config.credentials != NULL ? dg_dialer_new(&config, rig->error, sizeof rig->error) : NULL;
    dg_credentials_put(config.credentials);
    for (size_t i = 0; i < 4; i++)
        if (paths[i][0] != '\0')
            (void)unlink(paths[i]);
    (void)rmdir(folder);
    return rig->dialer != NULL;
}

static uint32_t cid_size_of(const struct dial_rig *rig)
{
    return rig->cid_size > 0 ? rig->cid_size : DG_CID_SIZE_DEFAULT;
}

static void go_to(struct dial_rig *rig, dg_time when)
{
    if (when > rig->gate.now)
        rig->gate.now = when;
    sim_clock_set(rig->gate.now); // of no effect unless the test has started it
}

// --- the wire -----------------------------------------------------------------

static uint8_t *reserve(void *context, size_t capacity)
{
    struct dial_rig *rig = context;
    return capacity <= sizeof rig->scratch ? rig->scratch : NULL;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    (void)path;
    struct dial_rig *rig = context;
    if (rig->seen != NULL)
        rig->seen(rig->seen_context, rig->scratch, size);
    if (size > rig->client_largest)
        rig->client_largest = size;
    if (++rig->client_datagrams != rig->lose_from_client)
        (void)rig_queue_put(&rig->gate.to_server, rig->scratch, size);
}

static void note_told(struct dial_rig *rig)
{
    struct dg_dial_event event;
    while (dg_wolf_dial.told(rig->dial, &event)) {
        size_t used = strlen(rig->told);
        snprintf(rig->told + used, sizeof rig->told - used, "%s: %s\n", event.what, event.detail);
    }
}

void dial_rig_give(struct dial_rig *rig, const uint8_t *datagram, size_t size)
{
    const struct dg_output output = {.context = rig, .reserve = reserve, .commit = commit};
    uint8_t *copy = malloc(size > 0 ? size : 1); // of its size, so that a sanitizer sees who reads on
    if (copy == NULL)
        abort();
    memcpy(copy, datagram, size);
    for (size_t at = 0; at < size && rig->step == DG_DIAL_GOES_ON;) {
        struct dg_record record;
        if (dg_record_parse(copy + at, size - at, cid_size_of(rig), &record).outcome != DG_OK)
            break;
        rig->rest_size = size - at;
        memcpy(rig->rest, copy + at, rig->rest_size);
        rig->step = dg_wolf_dial.receive(rig->dial, rig->gate.now, record.start, record.size, &output);
        rig->dropped[dg_wolf_dial.dropped(rig->dial)]++;
        at += record.size;
    }
    free(copy);
}

static bool client_turn(struct dial_rig *rig)
{
    uint8_t datagram[RIG_DATAGRAM_MAX];
    size_t size = rig_queue_get(&rig->gate.to_client, datagram, sizeof datagram);
    if (size == 0)
        return false;
    if (++rig->server_datagrams == rig->forge_before)
        dial_rig_give(rig, rig->forged, rig->forged_size);
    if (rig->server_datagrams == rig->lose_from_server || rig->lose_all_from_server)
        return true;
    if (rig->server_datagrams == rig->late_from_server) {
        memcpy(rig->late, datagram, size);
        rig->late_size = size;
        return true;
    }
    if (rig->arrives != NULL)
        rig->arrives(rig, rig->server_datagrams, datagram, size);
    dial_rig_give(rig, datagram, size);
    if (rig->late_size > 0 && rig->gate.to_client.count == 0) {
        size = rig->late_size;
        rig->late_size = 0;
        dial_rig_give(rig, rig->late, size);
    }
    return true;
}

static bool server_turn(struct dial_rig *rig)
{
    uint8_t datagram[RIG_DATAGRAM_MAX];
    if (rig->gate.step == DG_STEP_DONE)
        return false; // what comes now is the engine's
    if (rig->gate.step == DG_STEP_FAILED && rig->gate.to_server.count > 0) { // the front forgets a handshake that failed
        dg_wolf_handshake.free(rig->gate.handshake);
        rig->gate.handshake = NULL;
        rig->gate.step = DG_STEP_GOES_ON;
    }
    size_t size = rig_queue_get(&rig->gate.to_server, datagram, sizeof datagram);
    if (size == 0)
        return false;
    rig_give(&rig->gate, datagram, size);
    return true;
}

// The server's engine is in place as soon as its handshake is over, as in the real thing.
static bool server_take_over(struct dial_rig *rig);

enum dg_dial_step dial_rig_run(struct dial_rig *rig, dg_time limit)
{
    const struct dg_output output = {.context = rig, .reserve = reserve, .commit = commit};
    const struct dg_output server_output = rig_output(&rig->gate);
    dg_time end = rig->gate.now + limit;
    if (!dg_address_parse("198.51.100.1:5684", &rig->path.peer) ||
        !dg_address_parse("192.0.2.1:40000", &rig->path.local))
        abort();
    uint8_t id[DG_CID_SIZE_MAX];
    const struct dg_bytes cid = {.data = id, .size = cid_size_of(rig)};
    for (size_t i = 0; i < sizeof id; i++)
        id[i] = (uint8_t)(0xa1 + i);
    rig->told[0] = '\0';
    rig->rest_size = 0;
    rig->step = DG_DIAL_GOES_ON;
    rig->client_datagrams = rig->server_datagrams = 0;
    rig->client_largest = 0;
    rig->kept = 0;
    rig->late_size = 0;
    memset(rig->dropped, 0, sizeof rig->dropped);
    rig->dial = dg_wolf_dial.start(rig->dialer, rig->gate.now, &rig->path, cid, &output);
    if (rig->dial == NULL)
        return DG_DIAL_FAILED;
    while (rig->step == DG_DIAL_GOES_ON) {
        bool moved = server_turn(rig);
        if (rig->gate.step == DG_STEP_DONE && rig->server.engine == NULL && !server_take_over(rig))
            break;
        moved = client_turn(rig) || moved;
        note_told(rig);
        if (rig->server.engine != NULL) {
            uint8_t datagram[RIG_DATAGRAM_MAX];
            size_t size = rig_queue_get(&rig->gate.to_server, datagram, sizeof datagram);
            if (size > 0) {
                moved = true;
                if (dg_engine_receive(rig->server.engine, rig->gate.now, &rig->gate.path, datagram, size) ==
                    DG_ENGINE_UNKNOWN)
                    rig->unknown++;
            }
        }
        if (moved)
            continue;
        dg_time next = dg_wolf_dial.deadline(rig->dial);
        if (rig->gate.handshake != NULL && rig->gate.step == DG_STEP_GOES_ON)
            next = dg_time_min(next, dg_wolf_handshake.deadline(rig->gate.handshake));
        if (rig->server.engine != NULL)
            next = dg_time_min(next, dg_engine_deadline(rig->server.engine));
        if (next > end)
            break;
        go_to(rig, next);
        rig->rest_size = 0;
        rig->step = dg_wolf_dial.advance(rig->dial, rig->gate.now, &output);
        note_told(rig);
        if (rig->gate.handshake != NULL && rig->gate.step == DG_STEP_GOES_ON)
            rig->gate.step = dg_wolf_handshake.advance(rig->gate.handshake, rig->gate.now, &server_output);
        if (rig->server.engine != NULL)
            dg_engine_advance(rig->server.engine, rig->gate.now, 0);
    }
    // The server may have the client's last flight yet to come.
    while (rig->step == DG_DIAL_DONE && server_turn(rig)) {
    }
    if (rig->gate.step == DG_STEP_DONE && rig->server.engine == NULL)
        (void)server_take_over(rig);
    note_told(rig);
    return rig->step;
}

// --- the engines --------------------------------------------------------------

static uint8_t *side_reserve(void *context, size_t capacity)
{
    struct dial_side *side = context;
    return capacity <= sizeof side->scratch ? side->scratch : NULL;
}

static void server_commit(void *context, const struct dg_path *path, size_t size)
{
    struct dial_side *side = context;
    if (dg_address_equal(&path->peer, &side->reached->peer))
        (void)rig_queue_put(side->out, side->scratch, size);
}

static void client_commit(void *context, const struct dg_path *path, size_t size)
{
    (void)path;
    struct dial_rig *rig = context;
    if (rig->seen != NULL)
        rig->seen(rig->seen_context, rig->client.scratch, size);
    (void)rig_queue_put(&rig->gate.to_server, rig->client.scratch, size);
}

static uint8_t *client_reserve(void *context, size_t capacity)
{
    return side_reserve(&((struct dial_rig *)context)->client, capacity);
}

static void on_deliver(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                       size_t size)
{
    (void)now;
    (void)ref;
    (void)slot;
    struct dial_side *side = context;
    side->delivered++;
    side->data_size = size < sizeof side->data ? size : sizeof side->data;
    memcpy(side->data, data, side->data_size);
}

static void on_opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                      const struct dg_handover *handover)
{
    (void)now;
    (void)slot;
    (void)handover;
    ((struct dial_side *)context)->ref = ref;
}

static void on_closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason)
{
    (void)now;
    (void)ref;
    (void)slot;
    struct dial_side *side = context;
    side->closed++;
    side->reason = reason;
}

static bool side_start(struct dial_side *side, const struct dg_output *output, const struct dg_handover *handover,
                       dg_time now, size_t cid_size)
{
    const struct dg_memory_shape shape = {
        .shard_count = 1, .slots_per_shard = 16, .flights_per_shard = 64, .cid_size = (uint32_t)cid_size};
    static const uint32_t shards[] = {0};
    const struct dg_engine_hooks hooks = {
        .context = side, .deliver = on_deliver, .opened = on_opened, .closed = on_closed};
    const struct dg_engine_config config = dg_engine_config_default();
    side->delivered = side->closed = 0;
    if (!shard_region_make_as(&side->region, &shape))
        return false;
    side->engine = dg_engine_new(&config, &side->region.memory, shards, 1, &dg_wolf_aead, output, &hooks,
                                 &side->region.counters);
    return side->engine != NULL && dg_engine_take_over(side->engine, now, handover);
}

static bool server_take_over(struct dial_rig *rig)
{
    rig->server.out = &rig->gate.to_client;
    rig->server.reached = &rig->gate.path;
    const struct dg_output output = {.context = &rig->server, .reserve = side_reserve, .commit = server_commit};
    if (!dg_wolf_handshake.take(rig->gate.handshake, &rig->server_handover))
        return false;
    dg_wolf_handshake.free(rig->gate.handshake);
    rig->gate.handshake = NULL;
    rig->server_handover.path = rig->gate.path;
    if (!side_start(&rig->server, &output, &rig->server_handover, rig->gate.now, rig->gate.cid_size))
        return false;
    for (unsigned i = 0; rig->server_says != NULL && i <= rig->server_says_more; i++)
        if (!dg_engine_send(rig->server.engine, rig->gate.now, rig->server.ref, (const uint8_t *)rig->server_says,
                            strlen(rig->server_says)))
            return false;
    return true;
}

static bool side_turn(struct dial_rig *rig, struct dial_side *side, struct rig_queue *in, const struct dg_path *path)
{
    uint8_t datagram[RIG_DATAGRAM_MAX];
    size_t size = rig_queue_get(in, datagram, sizeof datagram);
    if (size == 0)
        return false;
    if (dg_engine_receive(side->engine, rig->gate.now, path, datagram, size) == DG_ENGINE_UNKNOWN)
        rig->unknown++; // repeated plaintext of the handshake
    return true;
}

// An abbreviated handshake of DTLS 1.2 whose last flight was lost: the server asks for it again, and the client's
// engine answers (RFC 6347 4.2.4).
static bool let_server_finish(struct dial_rig *rig)
{
    const struct dg_output output = rig_output(&rig->gate);
    for (int i = 0; i < 100 && rig->gate.step == DG_STEP_GOES_ON; i++) {
        if (server_turn(rig) || side_turn(rig, &rig->client, &rig->gate.to_client, &rig->path))
            continue;
        go_to(rig, dg_wolf_handshake.deadline(rig->gate.handshake));
        rig->gate.step = dg_wolf_handshake.advance(rig->gate.handshake, rig->gate.now, &output);
    }
    return rig->gate.step == DG_STEP_DONE && server_take_over(rig);
}

bool dial_rig_take_over(struct dial_rig *rig)
{
    if (rig->step != DG_DIAL_DONE || !dg_wolf_dial.take(rig->dial, &rig->client_handover))
        return false;
    const struct dg_output output = {.context = rig, .reserve = client_reserve, .commit = client_commit};
    if (!side_start(&rig->client, &output, &rig->client_handover, rig->gate.now, cid_size_of(rig)))
        return false;
    uint8_t *record;
    size_t size;
    for (; (size = dg_wolf_dial.kept(rig->dial, &record)) > 0; rig->kept++)
        if (dg_engine_receive(rig->client.engine, rig->gate.now, &rig->path, record, size) == DG_ENGINE_UNKNOWN)
            rig->unknown++;
    dg_wolf_dial.free(rig->dial); // DG_BUG where the library sends now
    rig->dial = NULL;
    if (rig->rest_size > 0 && dg_engine_receive(rig->client.engine, rig->gate.now, &rig->path, rig->rest,
                                                rig->rest_size) == DG_ENGINE_UNKNOWN)
        rig->unknown++;
    return (rig->server.engine != NULL || let_server_finish(rig));
}

void dial_rig_pass(struct dial_rig *rig, dg_time duration)
{
    dg_time end = rig->gate.now + duration;
    for (;;) {
        bool moved = side_turn(rig, &rig->server, &rig->gate.to_server, &rig->gate.path);
        moved = side_turn(rig, &rig->client, &rig->gate.to_client, &rig->path) || moved;
        if (moved)
            continue;
        dg_time next = dg_time_min(dg_engine_deadline(rig->client.engine), dg_engine_deadline(rig->server.engine));
        if (next > end)
            break;
        go_to(rig, next);
        dg_engine_advance(rig->client.engine, rig->gate.now, 0);
        dg_engine_advance(rig->server.engine, rig->gate.now, 0);
    }
    go_to(rig, end);
}

static bool say(struct dial_rig *rig, struct dial_side *from, struct dial_side *to, const char *text)
{
    unsigned before = to->delivered;
    if (!dg_engine_send(from->engine, rig->gate.now, from->ref, (const uint8_t *)text, strlen(text)))
        return false;
    dial_rig_pass(rig, DG_MILLISECOND);
    return to->delivered == before + 1 && to->data_size == strlen(text) && memcmp(to->data, text, strlen(text)) == 0;
}

bool dial_rig_update_keys(struct dial_rig *rig, bool by_client, bool requested)
{
    struct dial_side *side = by_client ? &rig->client : &rig->server;
    struct dg_association association;
    return dg_association_find(side->engine, rig->gate.now, side->ref, &association) &&
           dg_key_update_start(&association, requested ? DG_UPDATE_REQUESTED : DG_UPDATE_NOT_REQUESTED);
}

const char *rig_pin(const struct dg_pki_pem *pem)
{
    static char text[7 + 64 + 1];
    uint8_t der[2048], digest[32];
    int size = wc_PubKeyPemToDer((const uint8_t *)pem->public_key, (int)strlen(pem->public_key), der, sizeof der);
    if (size <= 0 || wc_Sha256Hash(der, (word32)size, digest) != 0)
        abort();
    snprintf(text, sizeof text, "sha256:");
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", digest[i]);
    return text;
}

void dial_rig_show(const struct dial_rig *rig)
{
    const struct dial_side *sides[] = {&rig->client, &rig->server};
    for (size_t s = 0; s < 2; s++)
        for (enum dg_counter c = DG_COUNT_NONE; c < DG_COUNTER_COUNT; c++)
            if (dg_counter_read(&sides[s]->region.counters, c) > 0)
                fprintf(stderr, "%s %s %llu\n", s == 0 ? "client" : "server", dg_counter_name(c),
                        (unsigned long long)dg_counter_read(&sides[s]->region.counters, c));
}

bool dial_rig_exchange(struct dial_rig *rig)
{
    return say(rig, &rig->client, &rig->server, "from the client") &&
           say(rig, &rig->server, &rig->client, "from the server, something longer") &&
           say(rig, &rig->client, &rig->server, "again") && say(rig, &rig->server, &rig->client, "x");
}

static void side_stop(struct dial_side *side)
{
    if (side->engine != NULL)
        dg_engine_free(side->engine);
    side->engine = NULL;
    if (side->region.base != NULL)
        shard_region_free(&side->region);
    memset(side, 0, sizeof *side);
}

void dial_rig_hang_up(struct dial_rig *rig)
{
    dg_wolf_dial.free(rig->dial);
    rig->dial = NULL;
    side_stop(&rig->client);
    side_stop(&rig->server);
    rig_hang_up(&rig->gate);
    rig->step = DG_DIAL_GOES_ON;
}

void dial_rig_free(struct dial_rig *rig)
{
    dial_rig_hang_up(rig);
    dg_dialer_free(rig->dialer);
    rig->dialer = NULL;
    rig_free(&rig->gate);
}
