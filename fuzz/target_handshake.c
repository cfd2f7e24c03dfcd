// SPDX-License-Identifier: GPL-3.0-or-later
// The real handshake behind the real front: a wolfSSL client whose datagrams are damaged, replaced, doubled and
// lost after its cookie was valid. Nobody gets in without the credential, whatever is sent.
//
// Input: a byte that chooses the client, then steps: a byte that says which, its arguments.
#include "fuzz.h"

#include "core/front.h"
#include "core/record.h"
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
}

static void on_started(void *context, dg_time at, const struct dg_path *path)
{
    (void)context, (void)at, (void)path;
    started++;
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
        } else { // a certificate of a CA that is not ours, and one that is
            const struct dg_pki_pem *pem = i == 6 ? &pki->stranger : &pki->client;
            config->ca = pki->ca.certificate;
            config->certificate = pem->certificate;
            config->key = pem->key;
        }
    }
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

static void damage(struct fuzz_input *input, uint8_t *datagram, size_t size)
{
    for (unsigned changes = 1 + fuzz_u8(input) % 4u; changes > 0 && size > 0; changes--) {
        size_t at = fuzz_u16(input) % size;
        datagram[at] ^= fuzz_u8(input);
    }
}

// What follows the message header of a plaintext record is of the fuzzer's; lengths stay.
static void replace_body(struct fuzz_input *input, uint8_t *datagram, size_t size)
{
    const size_t heads = DG_RECORD12_HEADER + DG_HANDSHAKE_HEADER;
    struct dg_record record;
    size_t at = 0;
    for (unsigned skip = fuzz_u8(input) % 4; at < size; at += record.size) {
        if (dg_record_parse(datagram + at, size - at, DG_CID_SIZE_DEFAULT, &record).outcome != DG_OK)
            return;
        if (skip-- == 0 || at + record.size == size)
            break;
    }
    if (at >= size || record.size <= heads)
        return;
    size_t from = fuzz_u8(input) % (record.size - heads), taken;
    const uint8_t *bytes = fuzz_bytes(input, fuzz_u8(input), &taken);
    taken = taken < record.size - heads - from ? taken : record.size - heads - from;
    memcpy(datagram + at + heads + from, bytes, taken);
}

// A plaintext record of any type with the numbers that the fuzzer chose.
static void insert(struct fuzz_input *input)
{
    uint8_t datagram[512], epoch;
    size_t size;
    struct dg_writer writer = dg_writer_of(datagram, sizeof datagram);
    dg_write_u8(&writer, fuzz_u8(input));
    dg_write_u16(&writer, 0xfefd);
    epoch = fuzz_u8(input);
    dg_write_u16(&writer, epoch % 3);
    dg_write_u48(&writer, fuzz_u8(input));
    size_t place = dg_write_open(&writer, 2);
    const uint8_t *bytes = fuzz_bytes(input, fuzz_u8(input), &size);
    dg_write_bytes(&writer, bytes, size);
    dg_write_close(&writer, place, 2);
    give(datagram, dg_writer_size(&writer));
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
        damage(input, datagram, size);
        give(datagram, size);
        break;
    case REPLACE:
        size = next_datagram(datagram);
        replace_body(input, datagram, size);
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
    may_enter = which % 8 < 4 || which % 8 == 7;
    entered = started = 0;
    CHECK(rig_client(&rig, &configs[which % 8]));
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
    dg_front_free(front);
    rig_hang_up(&rig);
    return 0;
}
