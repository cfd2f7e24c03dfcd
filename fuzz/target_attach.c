// SPDX-License-Identifier: GPL-3.0-or-later
// A process that attaches to a damaged region: it refuses it in words, or quarantines what is damaged and
// serves the rest; what it lets through, an engine can use to the end. In a whole region every association opens
// what its peer sends.
//
// Input: changes: a byte that says where and how, 2 bytes of place, a byte of value.
#include "fuzz.h"

#include "core/engine.h"
#include "core/shard_private.h"
#include "core/wire_constants.h"
#include "support/shard_region.h"
#include "support/sim_audit.h"
#include "support/sim_clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 12u
#define NOW (1000 * DG_SECOND)

static struct shard_region pristine;
static void *place; // of the copy that is damaged, whole and anew for each input
static uint8_t room[2048];

static void populate(void)
{
    static struct dg_handover handover;
    struct test_random random = {.state = 1};
    struct dg_shard shard;
    CHECK(shard_region_make(&pristine, 1, SLOTS + 4, SLOTS * 4));
    CHECK(dg_shard_init(&shard, &pristine.memory, 0, &pristine.counters));
    for (uint32_t who = 0; who < SLOTS; who++) {
        enum dg_counter reason;
        handover_make(&handover, &random, who < 4 ? HANDOVER_KINDS - 1 - (who & 1) : who * 7 % HANDOVER_KINDS, who);
        CHECK(dg_shard_take_over(&shard, NOW, &handover, &reason) != NULL);
    }
    dg_shard_give_back(&shard, &shard.slots[SLOTS - 1]); // one that has ended
    dg_shard_clear(&shard);
    place = mmap(NULL, pristine.size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(place != MAP_FAILED);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    sim_clock_start(1);
    populate();
    sim_clock_stop();
    return 0;
}

static uint8_t *reserve(void *context, size_t capacity)
{
    (void)context;
    return capacity <= sizeof room ? room : NULL;
}

static void commit(void *context, const struct dg_path *path, size_t size) { (void)context, (void)path, (void)size; }

static unsigned ended;

static void deliver(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, const uint8_t *data,
                    size_t size)
{
    (void)context, (void)now, (void)ref, (void)slot;
    CHECK(size > 0);
    for (size_t i = 0; i < size; i++)
        CHECK_EQ(data[i], DG_CONTENT_APPLICATION_DATA); // what write_record filled it with
}

static void opened(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot,
                   const struct dg_handover *handover)
{
    (void)context, (void)now, (void)ref, (void)slot, (void)handover;
}

static void closed(void *context, dg_time now, struct dg_ref ref, const struct dg_slot *slot, enum dg_counter reason)
{
    (void)context, (void)now, (void)ref, (void)slot, (void)reason;
    ended++;
}

static void change(struct shard_region *region, struct fuzz_input *input)
{
    const struct dg_memory *memory = &pristine.memory;
    uint8_t how = fuzz_u8(input);
    const uint64_t shard = memory->shards_offset;
    const struct {
        uint64_t at, size;
    } PARTS[] = {
        {0, sizeof(struct dg_memory_header)},
        {memory->heads_offset, sizeof(struct dg_memory_shard_head)},
        {shard, (SLOTS + 1) * sizeof(struct dg_slot)},
        {shard, (SLOTS + 1) * sizeof(struct dg_slot)},
        {shard + memory->wide_offset, (SLOTS * DG_WIDE_PER_SLOT) * sizeof(struct dg_side_wide)},
        {shard + memory->flight_offset, SLOTS * 4 * sizeof(struct dg_side_flight)},
        {shard + memory->flight_offset, 8 * sizeof(struct dg_side_flight)},
        {shard, sizeof(struct dg_slot)},
    };
    uint8_t *bytes = region->base;
    uint64_t at = PARTS[how % 8].at + fuzz_u16(input) % PARTS[how % 8].size;
    uint8_t value = fuzz_u8(input);
    switch (how >> 3 & 3) {
    case 0: bytes[at] ^= value; break;
    case 1: bytes[at] = value; break;
    case 2: memset(bytes + (at & ~UINT64_C(3)), value, 4); break;
    default: { // the damaged slot's sum is right again
        struct dg_shard shard_of_it = {.memory = memory, .slots = dg_memory_slot(&region->memory, 0, 0)};
        shard_of_it.memory = &region->memory;
        struct dg_slot *slot = dg_memory_slot(&region->memory, 0, value % SLOTS);
        bool is_plain = slot->identity_size <= DG_SLOT_IDENTITY;
        slot->check = is_plain ? dg_shard_slot_check(&shard_of_it, slot) : slot->check;
        break;
    }
    }
}

// A record of the association's peer, number 64 of the epoch that all of them begin with. The type of the data stands
// inside, before the tag; what follows the header is filled with it, and fuzz_open_aead opens that.
static void write_record(const struct dg_slot *slot, uint8_t *out, size_t size)
{
    struct dg_writer writer = dg_writer_of(out, size);
    bool has_cid = (slot->flags & DG_SLOT_HAS_CID) != 0;
    size_t cid_size = has_cid ? DG_CID_SIZE_DEFAULT : 0;
    if (slot->version == 13) { // no length: it takes the datagram
        dg_write_u8(&writer, DG_UNIFIED_FIXED | DG_UNIFIED_SEQ16 | (has_cid ? DG_UNIFIED_CID : 0) | 3);
        dg_write_bytes(&writer, slot->cid, cid_size);
        dg_write_u16(&writer, 64);
    } else {
        dg_write_u8(&writer, has_cid ? DG_CONTENT_TLS12_CID : DG_CONTENT_APPLICATION_DATA);
        dg_write_u16(&writer, DG_VERSION_DTLS12);
        dg_write_u16(&writer, 1);
        dg_write_u48(&writer, 64);
        dg_write_bytes(&writer, slot->cid, cid_size);
        dg_write_u16(&writer, (uint16_t)(size - DG_RECORD12_HEADER - cid_size));
    }
    size_t header_size = dg_writer_size(&writer);
    memset(out + header_size, DG_CONTENT_APPLICATION_DATA, size - header_size);
}

// All that an attaching process does, to the end of every association. Those of a whole region open what they get.
static void serve(struct shard_region *region, bool is_whole)
{
    const uint32_t numbers[] = {0};
    const struct dg_output output = {.reserve = reserve, .commit = commit};
    const struct dg_engine_hooks hooks = {.deliver = deliver, .opened = opened, .closed = closed};
    struct dg_engine_config config = dg_engine_config_default();
    struct dg_engine *engine = dg_engine_new(&config, &region->memory, numbers, 1, &fuzz_open_aead, &output, &hooks,
                                             &region->counters);
    CHECK(engine != NULL);
    size_t live = dg_engine_live(engine);
    ended = 0;
    for (uint32_t number = 0; number < SLOTS; number++) {
        struct dg_slot *slot = dg_memory_slot(&region->memory, 0, number);
        struct dg_ref ref = {.id = slot->id, .slot = number};
        if (dg_engine_identity(engine, ref).size == 0)
            continue; // not taken over
        CHECK(dg_engine_identity(engine, ref).size <= DG_IDENTITY_MAX);
        (void)dg_engine_send(engine, NOW, ref, (const uint8_t *)"x", 1);
        if (dg_engine_identity(engine, ref).size == 0) {
            CHECK(!is_whole);
            continue; // its numbers were at their end: it has said so and ended
        }
        struct dg_path path = {.peer = slot->peer, .listener = slot->listener};
        uint8_t datagram[64];
        write_record(slot, datagram, sizeof datagram);
        enum dg_engine_verdict verdict = dg_engine_receive(engine, NOW, &path, datagram, sizeof datagram);
        CHECK(verdict != DG_ENGINE_UNKNOWN);
        CHECK(verdict == DG_ENGINE_OPENED || !is_whole);
    }
    CHECK(live == SLOTS - 1 || !is_whole);
    dg_time now = NOW;
    for (unsigned i = 0; i < 200; i++) {
        dg_time next = dg_engine_deadline(engine);
        if (next == DG_NEVER || now > NOW + DG_MINUTE)
            break;
        // A little late: a sweep is due in each tenth of a second, and costs more than all that it finds here.
        now = next > now ? next + DG_SECOND / 2 : now;
        dg_engine_advance(engine, now, 1900000000);
        // 0: what another process left is being judged, bit by bit.
        dg_time after = dg_engine_deadline(engine);
        CHECK_MSG(after > now || (after == 0 && i < 100), "the deadline stays in the past");
    }
    now = NOW + 2 * DG_MINUTE;
    dg_engine_drain(engine, now);
    for (unsigned i = 0; i < 1000 && dg_engine_live(engine) > 0; i++) {
        dg_time next = dg_time_min(dg_engine_deadline(engine), now + DG_SECOND);
        now = next > now ? next : now;
        dg_engine_advance(engine, now, 1900000000);
    }
    CHECK_EQ(dg_engine_live(engine), 0);
    CHECK_EQ(ended, live);
    dg_engine_free(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    struct shard_region region = {.base = place, .size_bytes = pristine.size_bytes};
    struct dg_shard shard;
    char error[256] = "";
    sim_clock_start(1);
    sim_audit_start();
    memcpy(region.base, pristine.base, region.size_bytes);
    region.memory = pristine.memory;
    region.memory.base = region.base;
    region.memory.header = region.base;
    region.memory.secrets = (struct dg_memory_secrets *)(void *)(region.memory.base + region.memory.header->secrets_offset);
    while (fuzz_more(&input))
        change(&region, &input);
    bool is_whole = memcmp(region.base, pristine.base, region.size_bytes) == 0;
    if (dg_memory_attach(&region.memory, region.base, region.size_bytes, error, sizeof error)) {
        CHECK(dg_shard_attach(&shard, &region.memory, 0, &region.counters));
        // All judged at once, or each when it is found, with others judged in between.
        for (uint32_t cursor = 0; size % 2 != 0 && dg_shard_next_live(&shard, &cursor) != NULL;)
            (void)dg_shard_settle(&shard, 1);
        while (dg_shard_settle(&shard, UINT32_MAX)) {
        }
        uint32_t live = shard_account(&shard);
        CHECK_EQ(live, shard.live);
        dg_shard_clear(&shard);
        serve(&region, is_whole);
    } else {
        CHECK(!is_whole);
        CHECK(strlen(error) > 0 && strlen(error) < sizeof error);
    }
    sim_audit_stop();
    sim_clock_stop();
    return 0;
}
