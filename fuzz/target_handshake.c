// SPDX-License-Identifier: GPL-3.0-or-later
// The real handshake behind the real front: a wolfSSL client whose datagrams are damaged, replaced, doubled and
// lost after its cookie was valid. Nobody gets in without the credential, whatever is sent.
//
// Input: a byte that chooses the client (bit 3: it resumes, if it can), then steps: a byte that says which, its arguments.
#include "damage.h"
#include "fuzz.h"

#include "core/front.h"
#include "support/credential_kit.h"
#include "support/gate_rig.h"
#include "support/sim_clock.h"

#include <stdlib.h>
#include <string.h>

#define DATAGRAM 2048

enum step { GIVE, GIVE_TWICE, LOSE, DAMAGE, REPLACE, INSERT, RAW, TIME, STEPS };

static struct rig rig; // for its gate and queues
static struct dg_front *front;
static struct dg_counters counters;
static struct wolf_client_config configs[8];
static struct wolf_session *sessions[8]; // of those that may enter
static dg_time now;
static bool may_enter;
static unsigned entered, started;

static uint8_t *reserve(void *context, size_t capacity)
{
    (void)context;
    return capacity <= sizeof rig.scratch ? rig.scratch : NULL;
}

static void commit(void *context, const struct dg_path *path, size_t size)
{
    (void)context, (void)path;
    (void)rig_queue_put(&rig.to_client, rig.scratch, size);
}

static bool hand_over(void *context, dg_time at, const struct dg_handover *handover, const struct dg_bytes *early,
                      size_t early_count)
{
    (void)context, (void)at, (void)early;
    CHECK_MSG(may_enter, "somebody got in without a credential");
    CHECK(early_count <= DG_EARLY_MAX);
    CHECK(handover->identity_kind != DG_IDENTITY_NONE && handover->identity_size > 0);
    if (handover->identity_kind == DG_IDENTITY_PSK)
        CHECK(handover->identity_size == strlen(RIG_IDENTITY) &&
              memcmp(handover->identity, RIG_IDENTITY, strlen(RIG_IDENTITY)) == 0);
    entered++;
    return true;
}

static void forward(void *context, dg_time at, const struct dg_path *path, const uint8_t *data, size_t size,
                    bool is_rest)
{
    (void)context, (void)at, (void)path, (void)data, (void)size, (void)is_rest;
}

static void failed(void *context, dg_time at, const struct dg_path *path, const struct dg_handshake_failure *failure)
{
    (void)context, (void)at, (void)path;
    CHECK(failure->reason != NULL);
    // Memory is not short, and nothing that a client says may look as if it were: it would pay for no failure.
    CHECK(failure->counter != DG_COUNT_FAIL_MEMORY);
}

static void on_started(void *context, dg_time at, const struct dg_path *path)
{
    (void)context, (void)at, (void)path;
    started++;
}

static bool has_credential(unsigned which) { return which < 4 || which == 7; }

// What a full handshake leaves, from whose tickets each resumption begins anew.
static struct wolf_session *make_session(const struct wolf_client_config *config)
{
    static struct dg_handover handover;
    uint8_t data[16];
    struct wolf_client_config with_tickets = *config;
    with_tickets.tickets = true;
    CHECK(rig_client(&rig, &with_tickets) && rig_take(&rig, &handover));
    CHECK(wolf_client_read(rig.client, data, sizeof data) == 0); // takes in the ticket of 1.3
    struct wolf_session *session = wolf_client_session(rig.client);
    CHECK(session != NULL);
    rig_hang_up(&rig);
    return session;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const struct rig_options options = {.with_psk = true,
                                        .with_certificate = true,
                                        .with_client_ca = true,
                                        .with_raw_keys = true,
                                        .profile = DG_PROFILE_IOT};
    sim_clock_start(1);
    CHECK_MSG(rig_new(&rig, &options), "%s", rig.error);
    fuzz_keep(rig.gate);
    const struct rig_pki *pki = rig_pki();
    static struct dg_pki_pem forged;
    CHECK(kit_forge(&pki->client, &forged));
    for (int i = 0; i < 8; i++) {
        struct wolf_client_config *config = &configs[i];
        config->version = i % 2 == 0 ? 12 : 13;
        config->groups[0] = WOLF_GROUP_P256;
        config->offer_cid = i >= 4;
        config->cid_size = 4;
        if (i < 6) { // the last two of these with a wrong key
            config->suites = i == 0 ? "PSK-AES128-GCM-SHA256" : i % 2 == 0 ? "ECDHE-PSK-AES128-GCM-SHA256" : NULL;
            config->psk_identity = RIG_IDENTITY;
            config->psk_key = i < 4 ? rig_psk : rig_wrong_psk;
            config->psk_key_size = sizeof rig_psk;
        } else { // a certificate that is of our CA by all but its signature, and one that is
            const struct dg_pki_pem *pem = i == 6 ? &forged : &pki->client;
            config->ca = pki->ca.certificate;
            config->certificate = pem->certificate;
            config->key = pem->key;
        }
    }
    sim_clock_set(rig.now);
    for (unsigned i = 0; i < 8; i++)
        sessions[i] = has_credential(i) ? make_session(&configs[i]) : NULL;
    return 0;
}

static void give(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    memcpy(copy, data, size);
    dg_front_receive(front, now, &rig.path, copy, size, false);
    free(copy);
}

// The client's next datagram; 0: it has none.
static size_t next_datagram(uint8_t *datagram)
{
    if (rig.to_server.count == 0)
        (void)wolf_client_connect(rig.client);
    return rig_queue_get(&rig.to_server, datagram, DATAGRAM);
}

static void insert(struct fuzz_input *input)
{
    uint8_t record[512];
    give(record, fuzz_plain_record(input, record, sizeof record));
}

static void let_pass(dg_time duration)
{
    dg_time end = now + duration;
    for (dg_time next; (next = dg_front_deadline(front)) <= end;) {
        now = next > now ? next : now;
        sim_clock_set(now);
        dg_front_advance(front, now);
        CHECK_MSG(dg_front_deadline(front) > now, "the deadline stays in the past");
    }
    now = end;
    sim_clock_set(now);
}

static void take_step(struct fuzz_input *input)
{
    uint8_t datagram[DATAGRAM];
    size_t size;
    const uint8_t *bytes;
    switch ((enum step)(fuzz_u8(input) % STEPS)) {
    case GIVE:
        if ((size = next_datagram(datagram)) > 0)
            give(datagram, size);
        break;
    case GIVE_TWICE:
        if ((size = next_datagram(datagram)) > 0) {
            give(datagram, size);
            give(datagram, size);
        }
        break;
    case LOSE:
        (void)next_datagram(datagram);
        break;
    case DAMAGE:
        size = next_datagram(datagram);
        fuzz_damage(input, datagram, size);
        give(datagram, size);
        break;
    case REPLACE:
        size = next_datagram(datagram);
        fuzz_replace_body(input, datagram, size);
        give(datagram, size);
        break;
    case INSERT:
        insert(input);
        break;
    case RAW:
        bytes = fuzz_bytes(input, fuzz_u16(input) % 1400, &size);
        give(bytes, size);
        break;
    case TIME:
        let_pass(fuzz_u8(input) * DG_SECOND / 8);
        (void)wolf_client_timeout(rig.client);
        break;
    case STEPS:
        break;
    }
}

static void begin(uint8_t which)
{
    const struct dg_output output = {.reserve = reserve, .commit = commit};
    const struct dg_front_hooks hooks = {.hand_over = hand_over, .forward = forward, .failed = failed,
                                         .started = on_started};
    struct dg_front_config config = dg_front_config_default();
    config.handshakes_max = 4;
    config.reassembly_max = 4;
    config.finished_max = 32;
    config.admission.prefixes_max = 64;
    now = 1000 * DG_SECOND;
    sim_clock_set(now);
    memset(&counters, 0, sizeof counters);
    front = dg_front_new(&config, &dg_wolf_handshake, rig.gate, &output, &hooks, &counters);
    CHECK(front != NULL);
    may_enter = has_credential(which % 8);
    entered = started = 0;
    struct wolf_client_config client = configs[which % 8];
    const struct wolf_session *session = (which & 8) != 0 ? sessions[which % 8] : NULL;
    client.tickets = session != NULL;
    CHECK(rig_client(&rig, &client));
    CHECK(session == NULL || wolf_client_resume(rig.client, session));
    uint8_t datagram[DATAGRAM];
    for (size_t size, i = 0; i < 6 && started == 0 && (size = next_datagram(datagram)) > 0; i++)
        give(datagram, size);
    CHECK_MSG(started == 1, "no handshake began");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    sim_clock_start(1);
    begin(fuzz_u8(&input));
    while (fuzz_more(&input))
        take_step(&input);
    dg_front_stop(front);
    let_pass(3 * DG_MINUTE);
    CHECK_EQ(dg_front_busy(front), 0);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_HELLO_MEMORY), 0);
    dg_front_free(front);
    rig_hang_up(&rig);
    return 0;
}
