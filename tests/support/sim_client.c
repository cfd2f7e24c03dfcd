// SPDX-License-Identifier: GPL-3.0-or-later
// wolfSSL's clients on the virtual clock: their timers are those that the library asks for, restarted
// whenever something arrived, as its own examples do. Trusts the books to notice what is wrong.
#include "support/sim_client.h"

#include "core/wire_constants.h"
#include "support/sim_clock.h"

#include <stdlib.h>
#include <string.h>

#define PING_RETRY (500 * DG_MILLISECOND)
#define RESTART_AFTER DG_SECOND

static uint32_t next_life;

// --- the gate --------------------------------------------------------------------------------------------

void sim_prepare(void)
{
    sim_clock_start(1);
    (void)rig_pki();
    sim_clock_stop();
}

struct rig *sim_gate_new(struct sim_world *world, enum dg_profile profile)
{
    struct rig *rig = calloc(1, sizeof *rig);
    DG_BUG_UNLESS(rig != NULL);
    const struct rig_options options = {.with_psk = true,
                                        .with_certificate = true,
                                        .with_client_ca = true,
                                        .with_raw_keys = true,
                                        .profile = profile,
                                        .secrets = world->memory.secrets};
    if (!rig_new(rig, &options)) {
        fprintf(stderr, "sim: no gate: %s\n", rig->error);
        abort();
    }
    return rig;
}

void sim_gate_free(struct rig *rig)
{
    rig_free(rig);
    free(rig);
}

// --- kinds of clients ------------------------------------------------------------------------------------

struct kind {
    const char *name;
    int version;
    const char *suites;
    int group;       // 0: the library's choice
    enum { BY_PSK, BY_CERTIFICATE, BY_RAW_KEY } proof;
    int cid_size;    // -1: does not offer
    bool empty_key_share;
};

static const struct kind KINDS[] = {
    {"1.3 psk x25519", 13, NULL, WOLF_GROUP_X25519, BY_PSK, -1, false},
    {"1.2 ecdhe-psk", 12, "ECDHE-PSK-AES128-GCM-SHA256", 0, BY_PSK, -1, false},
    {"1.3 certificate p-256 cid", 13, NULL, WOLF_GROUP_P256, BY_CERTIFICATE, 4, false},
    {"1.2 certificate cid", 12, "ECDHE-ECDSA-AES128-GCM-SHA256", 0, BY_CERTIFICATE, 4, false},
    {"1.3 psk x25519 cid", 13, NULL, WOLF_GROUP_X25519, BY_PSK, 0, false},
    {"1.2 ecdhe-psk cid", 12, "ECDHE-PSK-AES128-GCM-SHA256", 0, BY_PSK, 0, false},
    {"1.3 certificate x25519", 13, "TLS13-AES256-GCM-SHA384", WOLF_GROUP_X25519, BY_CERTIFICATE, -1, false},
    {"1.2 certificate", 12, "ECDHE-ECDSA-AES256-GCM-SHA384", 0, BY_CERTIFICATE, -1, false},
    {"1.3 certificate mlkem cid", 13, NULL, WOLF_GROUP_X25519_MLKEM768, BY_CERTIFICATE, 8, true},
    {"1.2 certificate chacha cid", 12, "ECDHE-ECDSA-CHACHA20-POLY1305", 0, BY_CERTIFICATE, 20, false},
    {"1.3 psk chacha", 13, "TLS13-CHACHA20-POLY1305-SHA256", WOLF_GROUP_P256, BY_PSK, -1, false},
    {"1.2 certificate chacha", 12, "ECDHE-ECDSA-CHACHA20-POLY1305", 0, BY_CERTIFICATE, -1, false},
    {"1.3 raw public key x25519", 13, "TLS13-AES128-GCM-SHA256", WOLF_GROUP_X25519, BY_RAW_KEY, -1, false},
    {"1.2 raw public key", 12, "ECDHE-ECDSA-AES128-GCM-SHA256", 0, BY_RAW_KEY, -1, false},
};
#define KIND_COUNT (sizeof KINDS / sizeof KINDS[0])
_Static_assert(SIM_MIX % KIND_COUNT == 0, "every kind comes equally often");

const char *sim_mix_name(unsigned number) { return KINDS[number % KIND_COUNT].name; }

struct wolf_client_config sim_mix(unsigned number)
{
    const struct kind *kind = &KINDS[number % KIND_COUNT];
    const struct rig_pki *pki = rig_pki();
    struct wolf_client_config config = {
        .version = kind->version,
        .suites = kind->suites,
        .groups = {kind->group},
        .empty_key_share = kind->empty_key_share,
        .offer_cid = kind->cid_size >= 0,
        .cid_size = kind->cid_size > 0 ? (size_t)kind->cid_size : 0,
    };
    for (size_t i = 0; i < config.cid_size; i++) {
        config.cid[i] = (uint8_t)(number + 37 * i);
    }
    switch (kind->proof) {
    case BY_PSK:
        config.psk_identity = RIG_IDENTITY;
        config.psk_key = rig_psk;
        config.psk_key_size = sizeof rig_psk;
        break;
    case BY_CERTIFICATE:
        config.ca = pki->ca.certificate;
        config.certificate = pki->client.certificate;
        config.key = pki->client.key;
        break;
    case BY_RAW_KEY: // both ways (RFC 7250 4.2)
        config.public_key = pki->raw_client.public_key;
        config.key = pki->raw_client.key;
        config.accept_server_raw_key = true;
        break;
    }
    return config;
}

// --- timers ----------------------------------------------------------------------------------------------

static void schedule(struct sim_client *client)
{
    dg_time at = dg_time_min(client->handshake_at, dg_time_min(client->ping_at, client->update_at));
    at = dg_time_min(at, client->restart_at);
    sim_host_set_timer(client->world, client->host, at);
}

static dg_time library_timer(struct sim_client *client)
{
    return client->world->now + wolf_client_timer_ms(client->wolf) * DG_MILLISECOND;
}

static void end(struct sim_client *client, enum sim_client_state state)
{
    client->state = state;
    client->is_ended = true;
    client->handshake_at = client->ping_at = client->update_at = DG_NEVER;
    client->last_error = wolf_client_error(client->wolf);
    if (client->restarts < client->restarts_max) {
        client->restart_at = client->world->now + RESTART_AFTER;
    }
}

// --- what it does ----------------------------------------------------------------------------------------

static void ping(struct sim_client *client)
{
    uint8_t data[2048];
    size_t size = client->ping_size > SIM_PLAINTEXT ? client->ping_size : SIM_PLAINTEXT;
    uint64_t serial = sim_plaintext_make(client->world, client->life, data, size);
    if (!client->is_pinging) {
        client->is_pinging = true;
        client->ping_serial = serial;
    }
    client->pings_sent++;
    client->ping_at = client->world->now + PING_RETRY;
    (void)wolf_client_write(client->wolf, data, size); // false while a KeyUpdate is under way: again later
}

// A KeyUpdate is through when records go out under the next epoch (RFC 9147 8: not before its ACK).
static bool is_updating(const struct sim_client *client)
{
    return client->updates_begun > 0 && client->epoch_bits != ((3 + client->updates_begun) & DG_UNIFIED_EPOCH_MASK);
}

static void go_on(struct sim_client *client)
{
    if (client->state != SIM_CONNECTED || client->is_ended) {
        return;
    }
    if (client->updates_begun < client->updates && client->updates_begun <= client->echoes &&
        !is_updating(client) && wolf_client_update_keys(client->wolf)) {
        client->updates_begun++;
    }
    if (!is_updating(client)) {
        client->update_at = DG_NEVER;
    } else if (client->update_at == DG_NEVER) {
        wolf_client_reset_timer(client->wolf);
        client->update_at = library_timer(client);
    }
    if (!client->is_pinging && (client->echoes < client->pings || is_updating(client))) {
        ping(client);
    }
}

static void read_all(struct sim_client *client)
{
    uint8_t data[2048];
    int size;
    uint64_t serial;
    while ((size = wolf_client_read(client->wolf, data, sizeof data)) > 0) {
        if (!sim_plaintext_echoed(client->world, client->life, data, (size_t)size, &serial)) {
            continue;
        }
        if (client->is_pinging && serial >= client->ping_serial) {
            client->is_pinging = false;
            client->ping_at = DG_NEVER;
            client->echoes++;
        }
    }
    if (size < 0) {
        end(client, client->state);
    }
}

static void connect_on(struct sim_client *client)
{
    switch (wolf_client_connect(client->wolf)) {
    case WOLF_CLIENT_GOES_ON:
        client->handshake_at = library_timer(client);
        return;
    case WOLF_CLIENT_FAILED:
        end(client, SIM_FAILED);
        return;
    case WOLF_CLIENT_DONE:
        client->state = SIM_CONNECTED;
        client->connected_at = client->world->now;
        client->handshake_at = DG_NEVER;
        read_all(client); // the rest of what arrived
        return;
    }
}

static void arrived(void *context, const uint8_t *data, size_t size)
{
    struct sim_client *client = context;
    if (client->is_deaf || client->is_ended || size == 0 || client->inbox_count == SIM_INBOX) {
        return;
    }
    size_t at = (client->inbox_first + client->inbox_count++) % SIM_INBOX;
    client->inbox[at].size = size;
    client->inbox[at].bytes = malloc(size);
    DG_BUG_UNLESS(client->inbox[at].bytes != NULL);
    memcpy(client->inbox[at].bytes, data, size);
    if (client->state == SIM_CONNECTING) {
        connect_on(client);
    } else {
        read_all(client);
    }
    go_on(client);
    schedule(client);
}

static void forget_inbox(struct sim_client *client)
{
    while (client->inbox_count > 0) {
        free(client->inbox[client->inbox_first].bytes);
        client->inbox_first = (client->inbox_first + 1) % SIM_INBOX;
        client->inbox_count--;
    }
}

// The library's goodbyes go nowhere: whoever restarts is gone without a word.
static void restart(struct sim_client *client)
{
    bool was_deaf = client->is_deaf;
    client->is_deaf = true;
    wolf_client_free(client->wolf);
    forget_inbox(client);
    client->is_deaf = was_deaf;
    client->wolf = wolf_client_new(&client->config);
    DG_BUG_UNLESS(client->wolf != NULL);
    client->life = ++next_life;
    client->state = SIM_CONNECTING;
    client->is_ended = client->is_pinging = false;
    client->restart_at = DG_NEVER;
    client->echoes = client->updates_begun = client->epoch_bits = 0;
    client->restarts++;
    client->errors += client->last_error != 0;
    connect_on(client);
}

static void timer(void *context)
{
    struct sim_client *client = context;
    dg_time now = client->world->now;
    if (client->restart_at <= now) {
        restart(client);
    }
    if (client->handshake_at <= now) {
        if (!wolf_client_timeout(client->wolf)) {
            end(client, SIM_FAILED); // the library gives up
        } else {
            connect_on(client);
        }
    }
    if (client->update_at <= now && !client->is_ended) {
        (void)wolf_client_timeout(client->wolf);
        wolf_client_reset_timer(client->wolf);
        client->update_at = library_timer(client);
    }
    if (client->ping_at <= now && !client->is_ended) {
        ping(client);
    }
    go_on(client);
    schedule(client);
}

// --- the wire --------------------------------------------------------------------------------------------

static void on_send(void *context, const uint8_t *bytes, size_t size)
{
    struct sim_client *client = context;
    if (size > 0 && (bytes[0] & DG_UNIFIED_FIXED_MASK) == DG_UNIFIED_FIXED) {
        client->epoch_bits = bytes[0] & DG_UNIFIED_EPOCH_MASK;
    }
    if (!client->is_deaf) {
        sim_host_send(client->world, client->host, bytes, size);
    }
}

static size_t on_receive(void *context, uint8_t *buffer, size_t capacity)
{
    struct sim_client *client = context;
    if (client->inbox_count == 0) {
        return 0;
    }
    size_t at = client->inbox_first;
    size_t size = client->inbox[at].size < capacity ? client->inbox[at].size : capacity;
    client->inbox_first = (at + 1) % SIM_INBOX;
    client->inbox_count--;
    memcpy(buffer, client->inbox[at].bytes, size);
    free(client->inbox[at].bytes);
    return size;
}

// --- making and freeing ----------------------------------------------------------------------------------

static struct sim_client *make(struct sim_world *world, const struct wolf_client_config *config)
{
    struct sim_client *client = calloc(1, sizeof *client);
    DG_BUG_UNLESS(client != NULL);
    client->config = *config;
    client->config.wire = (struct wolf_client_wire){.context = client, .send = on_send, .receive = on_receive};
    client->world = world;
    client->life = ++next_life;
    client->handshake_at = client->ping_at = client->update_at = client->restart_at = DG_NEVER;
    client->wolf = wolf_client_new(&client->config);
    DG_BUG_UNLESS(client->wolf != NULL);
    return client;
}

struct sim_client *sim_client_new(struct sim_world *world, const struct wolf_client_config *config)
{
    struct sim_client *client = make(world, config);
    const struct sim_endpoint endpoint = {.context = client, .receive = arrived, .timer = timer};
    client->host = sim_host_add(world, &endpoint);
    return client;
}

void sim_client_start(struct sim_client *client)
{
    client->started_at = client->world->now;
    connect_on(client);
    schedule(client);
}

struct sim_client *sim_client_reboot(struct sim_client *client, const struct wolf_client_config *config)
{
    struct sim_client *next = make(client->world, config);
    client->is_deaf = true;
    sim_host_set_timer(client->world, client->host, DG_NEVER);
    next->host = client->host;
    client->world->hosts[client->host] =
        (struct sim_endpoint){.context = next, .receive = arrived, .timer = timer};
    return next;
}

void sim_client_free(struct sim_client *client)
{
    if (client == NULL) {
        return;
    }
    client->is_deaf = true; // the library says goodbye to nobody
    wolf_client_free(client->wolf);
    forget_inbox(client);
    free(client);
}

void sim_client_poke(struct sim_client *client)
{
    go_on(client);
    schedule(client);
}

bool sim_client_is_done(const struct sim_client *client)
{
    return client->state == SIM_CONNECTED && client->echoes >= client->pings &&
           client->updates_begun >= client->updates && !is_updating(client);
}

bool sim_run_until_done(struct sim_world *world, struct sim_client *const *clients, size_t count, dg_time limit)
{
    dg_time end_at = world->now + limit;
    size_t done = 0;
    for (;;) {
        while (done < count && sim_client_is_done(clients[done])) {
            done++; // nobody who is done comes undone
        }
        if (done == count) {
            return true;
        }
        if (!sim_world_step(world, end_at)) {
            return false;
        }
    }
}
