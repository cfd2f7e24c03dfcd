// SPDX-License-Identifier: GPL-3.0-or-later
// Builds all that a reload replaces, whole or not at all, and sends each hello to the gate of its listener. Secrets of
// cookies and tickets are one set for all gates; what keeps a ticket at its listener is in the ticket.
#include "server/snapshot.h"

#include "base/hash.h"
#include "crypto/gate.h"
#include "io/socket.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listener {
    char name[DG_CONFIG_NAME];
    struct dg_gate *gate;
};

struct route {
    uint64_t digest; // of a listening address
    size_t listener;
};

struct dg_snapshot {
    atomic_uint users;
    uint32_t generation;
    struct dg_options process;
    struct dg_policy *policy;
    size_t listener_count;
    size_t route_count;
    struct route routes[DG_CONFIG_ADDRESSES_MAX];
    struct listener listeners[DG_CONFIG_LISTENERS_MAX];
};

// --- building --------------------------------------------------------------------------------------------

// A ticket is good at the listener that gave it (crypto/tickets.c): known by its name, so that its addresses may change.
static uint64_t ticket_realm(const char *name)
{
    static const struct dg_hash_key key = {.k0 = UINT64_C(0x7469636b6574206f), .k1 = UINT64_C(0x66206c697374656e)};
    return dg_hash(&key, name, strlen(name));
}

static struct dg_gate *make_gate(const struct dg_snapshot_source *source, const struct dg_config_listener *listener,
                                 char *error, size_t error_size)
{
    const struct dg_options *options = &listener->options;
    const struct dg_options *process = &source->config->process;
    struct dg_certificate_files further[DG_CONFIG_CERTIFICATES_MAX]; // than the first, which the options name
    size_t further_count = 0;
    for (size_t i = 1; i < listener->certificate_count; i++)
        further[further_count++] =
            (struct dg_certificate_files){listener->certificates[i].cert, listener->certificates[i].key};
    const char *crls[DG_OPTION_TEXTS], *names[DG_OPTION_TEXTS];
    for (uint32_t i = 0; i < options->client_crl.count; i++)
        crls[i] = options->client_crl.items[i];
    for (uint32_t i = 0; i < options->client_names.count; i++)
        names[i] = options->client_names.items[i];
    const struct dg_credential_files files = {
        .psk_file = options->psk_file[0] ? options->psk_file : NULL,
        .psk_store_file = options->psk_store[0] ? options->psk_store : NULL,
        .certificate_file = options->cert[0] ? options->cert : NULL,
        .key_file = options->key[0] ? options->key : NULL,
        .client_ca_file = options->client_ca[0] ? options->client_ca : NULL,
        .client_keys_file = options->client_keys[0] ? options->client_keys : NULL,
        .further = further,
        .further_count = further_count,
        .client_crl_files = crls,
        .client_crl_count = options->client_crl.count,
        .accepts_missing_crl = options->crl_missing == DG_CRL_MISSING_ACCEPT,
        .client_fingerprints_file = options->client_fingerprints[0] ? options->client_fingerprints : NULL,
        .client_names = names,
        .client_name_count = options->client_names.count,
        .ticket_keys_file = options->ticket_keys[0] ? options->ticket_keys : NULL,
    };
    struct dg_credentials *credentials = dg_credentials_new(&files, error, error_size);
    if (!credentials)
        return NULL;
    const struct dg_gate_config config = {
        .credentials = credentials,
        .profile = (enum dg_profile)options->profile,
        .authenticate_clients = options->client_auth == DG_CLIENT_AUTH_REQUIRED,
        .secrets = source->secrets,
        .turns = source->turns,
        .ticket_realm = ticket_realm(listener->name),
        .offer_rrc = process->rrc != DG_RRC_NO,
        .datagram_max = (uint16_t)process->datagram_max,
        .cookie_period = process->cookie_period * DG_SECOND,
        .ticket_period = process->ticket_period * DG_SECOND,
        .retransmit_seconds = process->retransmit,
        .policy_generation = source->generation,
        .expiry_warning_days = options->expiry_warning,
        .name = listener->name,
    };
    struct dg_gate *gate = dg_gate_new(&config, error, error_size);
    dg_credentials_put(credentials);
    return gate;
}

// Says which listener it is about, and where that stands, where there may be several.
static bool explain(const struct dg_snapshot_source *source, const struct dg_config_listener *listener,
                    struct dg_config_place place, const char *reason, char *error, size_t error_size)
{
    if (source->config->path[0])
        snprintf(error, error_size, "%s:%u:%u: listener %s: %s", source->config->path, place.line, place.column,
                 listener->name, reason);
    else
        snprintf(error, error_size, "%s", reason);
    return false;
}

static bool find_number(const struct dg_snapshot_source *source, const struct dg_config_listener *listener,
                        struct dg_config_place place, const char *backend, uint16_t *ret_number, char *error,
                        size_t error_size)
{
    char reason[400], text[420];
    bool beyond = listener->options.backend_network == DG_BACKEND_NETWORK_ANY;
    if (source->backend_number(source->context, backend, beyond, ret_number, reason, sizeof reason))
        return true;
    snprintf(text, sizeof text, "%sbackend: %s", source->config->path[0] ? "" : "--", reason);
    return explain(source, listener, place, text, error, error_size);
}

// The listener's rules with the numbers of their backends. False: error says what is wrong; ret->rules is the caller's
// in any case.
static bool number_rules(const struct dg_snapshot_source *source, const struct dg_config_listener *listener,
                         struct dg_policy_listener *ret, char *error, size_t error_size)
{
    struct dg_policy_rule *rules = calloc(listener->rule_count + 1, sizeof *rules);
    ret->rules = rules;
    ret->rule_count = listener->rule_count;
    if (!rules) {
        snprintf(error, error_size, "memory is short for the rules");
        return false;
    }
    struct dg_config_place place = dg_config_place_of(source->config, listener, "backend");
    if (!find_number(source, listener, place, listener->options.backend, &ret->backend, error, error_size))
        return false;
    for (size_t i = 0; i < listener->rule_count; i++) {
        const struct dg_config_rule *rule = &listener->rules[i];
        rules[i] = rule->rule;
        rules[i].backend = ret->backend;
        if (rule->backend[0] &&
            !find_number(source, listener, rule->place, rule->backend, &rules[i].backend, error, error_size))
            return false;
    }
    return true;
}

static bool add_policy(struct dg_snapshot *snapshot, const struct dg_snapshot_source *source, char *error,
                       size_t error_size)
{
    const struct dg_config *config = source->config;
    struct dg_policy_listener listeners[DG_CONFIG_LISTENERS_MAX] = {0};
    uint64_t digests[DG_CONFIG_ADDRESSES_MAX];
    for (size_t i = 0; i < snapshot->route_count; i++)
        digests[i] = snapshot->routes[i].digest;
    bool done = true;
    size_t address = 0;
    for (size_t i = 0; done && i < config->listener_count; i++) {
        listeners[i].digests = &digests[address];
        listeners[i].digest_count = config->listeners[i].options.listen.count;
        address += listeners[i].digest_count;
        done = number_rules(source, &config->listeners[i], &listeners[i], error, error_size);
    }
    if (done) {
        snapshot->policy = dg_policy_new(listeners, config->listener_count);
        done = snapshot->policy != NULL;
        if (!done)
            snprintf(error, error_size, "memory is short for the policy");
    }
    for (size_t i = 0; i < config->listener_count; i++)
        free((void *)(uintptr_t)listeners[i].rules);
    return done;
}

// Associations know their listener by 32 bits of a hash. Two addresses that share them would share their clients.
static bool is_route(const struct dg_snapshot *snapshot, uint64_t digest)
{
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (snapshot->routes[i].digest == digest)
            return true;
    return false;
}

static bool add_routes(struct dg_snapshot *snapshot, const struct dg_snapshot_source *source, char *error,
                       size_t error_size)
{
    for (size_t i = 0; i < source->config->listener_count; i++) {
        const struct dg_address_list *list = &source->config->listeners[i].options.listen;
        for (uint32_t k = 0; k < list->count; k++) {
            if (snapshot->route_count == DG_CONFIG_ADDRESSES_MAX) {
                snprintf(error, error_size, "there are more than %d listening addresses", DG_CONFIG_ADDRESSES_MAX);
                return false;
            }
            uint64_t digest =
                source->digests ? source->digests[snapshot->route_count] : dg_listener_digest(&list->items[k]);
            if (source->digests && is_route(snapshot, digest)) {
                snprintf(error, error_size, "listener %s: one of its addresses has by chance the number of another listening "
                         "address, and their clients could not be told apart: choose another port for one of the two",
                         source->config->listeners[i].name);
                return false;
            }
            snapshot->routes[snapshot->route_count++] = (struct route){digest, i};
        }
    }
    return true;
}

static bool add_gates(struct dg_snapshot *snapshot, const struct dg_snapshot_source *source, char *error,
                      size_t error_size)
{
    for (size_t i = 0; i < source->config->listener_count; i++) {
        const struct dg_config_listener *from = &source->config->listeners[i];
        struct listener *listener = &snapshot->listeners[snapshot->listener_count];
        char reason[512];
        listener->gate = make_gate(source, from, reason, sizeof reason);
        if (!listener->gate)
            return explain(source, from, from->place, reason, error, error_size);
        memcpy(listener->name, from->name, sizeof listener->name);
        snapshot->listener_count++;
    }
    return true;
}

struct dg_snapshot *dg_snapshot_new(const struct dg_snapshot_source *source, char *error, size_t error_size)
{
    struct dg_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot) {
        snprintf(error, error_size, "memory is short for a configuration");
        return NULL;
    }
    atomic_init(&snapshot->users, 1);
    snapshot->generation = source->generation;
    snapshot->process = source->config->process;
    // Backends before credentials: looking a name up may take time, and keys should not wait for it in memory.
    if (add_routes(snapshot, source, error, error_size) && add_policy(snapshot, source, error, error_size) &&
        add_gates(snapshot, source, error, error_size))
        return snapshot;
    dg_snapshot_put(snapshot);
    return NULL;
}

struct dg_snapshot *dg_snapshot_get(struct dg_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->users, 1, memory_order_relaxed);
    return snapshot;
}

void dg_snapshot_put(struct dg_snapshot *snapshot)
{
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->users, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < snapshot->listener_count; i++)
        dg_gate_put(snapshot->listeners[i].gate);
    dg_policy_free(snapshot->policy);
    free(snapshot);
}

// --- questions -------------------------------------------------------------------------------------------

static const struct listener *find(const struct dg_snapshot *snapshot, uint64_t digest)
{
    for (size_t i = 0; i < snapshot->route_count; i++)
        if (snapshot->routes[i].digest == digest)
            return &snapshot->listeners[snapshot->routes[i].listener];
    return NULL;
}

struct dg_policy_verdict dg_snapshot_authorise(const struct dg_snapshot *snapshot, const struct dg_slot *slot,
                                               struct dg_bytes identity)
{
    static const struct dg_policy_verdict REFUSED = {.is_allowed = false, .rule = DG_POLICY_NO_RULE};
    const struct listener *listener = find(snapshot, slot->listener);
    if (!listener || !dg_gate_knows_credential(listener->gate, slot->identity_kind, slot->credential, slot->leaf, identity))
        return REFUSED;
    const struct dg_policy_subject subject = {
        .listener = slot->listener,
        .identity = identity,
        .identity_kind = slot->identity_kind,
        .peer = &slot->peer,
    };
    return dg_policy_judge(snapshot->policy, &subject);
}

const struct dg_policy *dg_snapshot_policy(const struct dg_snapshot *snapshot) { return snapshot->policy; }

const struct dg_options *dg_snapshot_process(const struct dg_snapshot *snapshot) { return &snapshot->process; }

uint32_t dg_snapshot_generation(const struct dg_snapshot *snapshot) { return snapshot->generation; }

void dg_snapshot_visit_expiries(const struct dg_snapshot *snapshot,
                                void (*tell)(void *context, const struct dg_expiry *expiry), void *context)
{
    for (size_t i = 0; i < snapshot->listener_count; i++)
        dg_expiry_visit(snapshot->listeners[i].gate, snapshot->listeners[i].name, tell, context);
}

const char *dg_snapshot_listener_name(const struct dg_snapshot *snapshot, uint64_t digest)
{
    const struct listener *listener = find(snapshot, digest);
    return listener ? listener->name : NULL;
}

// --- the front's operations ------------------------------------------------------------------------------

static enum dg_cookie_verdict check_cookie(void *snapshot, dg_time now, const struct dg_path *path,
                                           const struct dg_hello *hello)
{
    const struct listener *listener = find(snapshot, path->listener);
    return listener ? dg_wolf_handshake.check_cookie(listener->gate, now, path, hello) : DG_COOKIE_INVALID;
}

static enum dg_hello_verdict hello(void *snapshot, dg_time now, const struct dg_path *path,
                                   const struct dg_hello *hello, struct dg_bytes cid, const struct dg_output *output,
                                   struct dg_handshake **ret)
{
    const struct listener *listener = find(snapshot, path->listener);
    if (!listener)
        return DG_HELLO_IGNORED;
    return dg_wolf_handshake.hello(listener->gate, now, path, hello, cid, output, ret);
}

static enum dg_handshake_step receive(struct dg_handshake *handshake, dg_time now, const uint8_t *record, size_t size,
                                      const struct dg_output *output)
{
    return dg_wolf_handshake.receive(handshake, now, record, size, output);
}

static dg_time deadline(const struct dg_handshake *handshake) { return dg_wolf_handshake.deadline(handshake); }

static enum dg_handshake_step advance(struct dg_handshake *handshake, dg_time now, const struct dg_output *output)
{
    return dg_wolf_handshake.advance(handshake, now, output);
}

static bool take(struct dg_handshake *handshake, struct dg_handover *ret)
{
    return dg_wolf_handshake.take(handshake, ret);
}

static void why(const struct dg_handshake *handshake, struct dg_handshake_failure *ret)
{
    dg_wolf_handshake.why(handshake, ret);
}

static bool doubts(struct dg_handshake *handshake, struct dg_handshake_failure *ret)
{
    return dg_wolf_handshake.doubts(handshake, ret);
}

static bool hello_claims(void *snapshot, const struct dg_path *path, const struct dg_hello *hello, struct dg_psk_claim *ret)
{
    const struct listener *listener = find(snapshot, path->listener);
    return listener && dg_wolf_handshake.hello_claims(listener->gate, path, hello, ret);
}

static bool claims(const struct dg_handshake *handshake, struct dg_psk_claim *ret)
{
    return dg_wolf_handshake.claims(handshake, ret);
}

static void end(struct dg_handshake *handshake) { dg_wolf_handshake.free(handshake); }

// The secrets are one set and their periods the process', so that any gate speaks for all: the others see at their next
// hello that there are new ones.
static dg_time gate_deadline(const void *context)
{
    const struct dg_snapshot *snapshot = context;
    return dg_wolf_handshake.gate_deadline(snapshot->listeners[0].gate);
}

static void gate_advance(void *context, dg_time now)
{
    struct dg_snapshot *snapshot = context;
    dg_wolf_handshake.gate_advance(snapshot->listeners[0].gate, now);
}

const struct dg_handshake_ops dg_snapshot_handshake = {
    .check_cookie = check_cookie,
    .hello = hello,
    .receive = receive,
    .deadline = deadline,
    .advance = advance,
    .take = take,
    .why = why,
    .doubts = doubts,
    .hello_claims = hello_claims,
    .claims = claims,
    .free = end,
    .gate_deadline = gate_deadline,
    .gate_advance = gate_advance,
};
