// SPDX-License-Identifier: GPL-3.0-or-later
// Our record layer beside wolfSSL's with the same keys: after a real handshake a wolfSSL client and a copy of
// its keys here get the same datagrams. What wolfSSL hands out as application data we must hand out as well,
// the same and in the same order; what we hand out wolfSSL must too, but for the cases of `is_excused`.
//
// Input: a byte that chooses the association, then datagrams: a byte (number of records, or raw bytes), for each
// record what is unusual about it, its body; then bytes that are damaged.
#include "fuzz.h"

#include "core/record12.h"
#include "core/record13.h"
#include "crypto/wolf_aead.h"
#include "support/gate_rig.h"
#include "support/peer_records.h"
#include "support/sim_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATAGRAM 1100
#define OUTPUTS 16
#define WOLF_WINDOW 64 // numbers that wolfSSL looks back; ours is wider

static const struct {
    int version;
    const char *suite;
    bool has_cid;
} KINDS[] = {
    {12, "PSK-AES128-GCM-SHA256", false},       {12, "PSK-AES128-GCM-SHA256", true},
    {12, "PSK-CHACHA20-POLY1305", true},        {12, "PSK-AES128-CCM-8", false},
    {13, "TLS13-AES128-GCM-SHA256", false},     {13, "TLS13-AES128-GCM-SHA256", true},
    {13, "TLS13-CHACHA20-POLY1305-SHA256", true}, {13, "TLS13-AES128-CCM-SHA256", false},
};

struct outputs {
    unsigned count;
    struct {
        size_t size;
        uint8_t bytes[DATAGRAM];
    } items[OUTPUTS];
};

static struct rig rig;
static struct dg_handover handover;
static struct outputs ours, ours_owed, theirs;

// Our receiver: what is known of the server's epoch at the client.
static struct {
    uint64_t next;
    struct dg_replay replay;
    bool is_excused;    // from here on the two may differ
    bool is_clean;      // so far the datagram held nothing but fresh application data
    unsigned owed;      // outputs up to there
    uint64_t highest;   // number used by the sender so far + 1
} mine;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const struct rig_options options = {.with_psk = true, .profile = DG_PROFILE_IOT};
    sim_clock_start(1);
    CHECK_MSG(rig_new(&rig, &options), "%s", rig.error);
    fuzz_keep(rig.gate);
    return 0;
}

static bool shake_hands(unsigned kind)
{
    const struct wolf_client_config config = {
        .version = KINDS[kind].version,
        .suites = KINDS[kind].suite,
        .groups = {WOLF_GROUP_X25519},
        .psk_identity = RIG_IDENTITY,
        .psk_key = rig_psk,
        .psk_key_size = sizeof rig_psk,
        .offer_cid = KINDS[kind].has_cid,
        .cid = {1, 2, 3, 4, 5},
        .cid_size = 5,
    };
    uint8_t data[64];
    if (!rig_client(&rig, &config) || !rig_take(&rig, &handover))
        return false;
    if (wolf_client_read(rig.client, data, sizeof data) != 0) // takes the ticket in
        return false;
    mine.next = mine.highest = handover.tx_next;
    for (size_t i = 0; i < sizeof mine.replay.seen / sizeof *mine.replay.seen; i++)
        mine.replay.seen[i] = 0;
    for (uint64_t number = 0; number < handover.tx_next; number++)
        mine.replay.seen[number % DG_REPLAY_WIDTH / 64] |= UINT64_C(1) << number % 64;
    mine.is_excused = false;
    return true;
}

static size_t cid_size(void) { return handover.peer_has_cid ? handover.peer_cid_size : 0; }

// --- ours ------------------------------------------------------------------------------------------------

static void put(struct outputs *outputs, const uint8_t *data, size_t size)
{
    // wolfSSL's interface cannot show an empty record.
    if (size == 0 || outputs->count == OUTPUTS)
        return;
    memcpy(outputs->items[outputs->count].bytes, data, size);
    outputs->items[outputs->count++].size = size;
}

// From here on wolfSSL may drop the rest of the datagram.
static void spoil(void)
{
    mine.owed = mine.is_clean ? ours.count : mine.owed;
    mine.is_clean = false;
}

// What only a whole DTLS endpoint can answer for; from then on both may be in another state.
//   alert              wolfSSL ends, or not, as the alert says; our record layer only opens it
//   handshake, ACK     wolfSSL acts on it: KeyUpdate, ticket, an error for what makes no sense
//   RRC, inner types   wolfSSL 5.9.2 knows no RRC and ends on types that it does not know
//   unprotected        wolfSSL looks at unprotected alerts, CCS and handshake records after the handshake
//   other epochs       1.3: wolfSSL keeps no keys of a next epoch, but of the handshake's
//   far back           wolfSSL's window is narrower than ours
//   above 2^14         not reached: datagrams here are smaller
// Besides, at what does not open or parse wolfSSL drops the rest of the datagram or ends, while we drop the record
// (RFC 9147 4.5.2): it owes what came before.
static void open_mine(struct dg_record *record)
{
    bool is_13 = handover.version == 13;
    const struct dg_key_view view = {.aead = (enum dg_aead_id)handover.aead,
                                     .hash = (enum dg_hash_id)handover.hash,
                                     .key = handover.tx.key,
                                     .number_key = is_13 ? handover.tx.number_key : NULL,
                                     .iv = handover.tx.iv,
                                     .secret = is_13 ? handover.tx.secret : NULL};
    uint64_t number = record->sequence;
    uint8_t type = 0;
    struct dg_bytes body = {0};
    if (!record->is_unified && record->epoch == 0) {
        mine.is_excused = true;
        return;
    }
    if (record->is_unified != is_13 || record->epoch != (is_13 ? 3 : 1)) {
        spoil();
        return;
    }
    struct dg_result result =
        is_13 ? dg_record13_open(&dg_wolf_aead, &view, record, handover.peer_cid, cid_size(), mine.next, &number,
                                 &type, &body)
              : dg_record12_open(&dg_wolf_aead, &view, record, handover.peer_cid, cid_size(), &type, &body);
    if (result.outcome != DG_OK) {
        spoil();
        mine.is_excused = mine.is_excused || result.reason == DG_COUNT_DROP_INNER_TYPE;
        return;
    }
    if (!dg_replay_is_fresh(&mine.replay, mine.next, number)) {
        spoil();
        return;
    }
    // Behind what spoiled the datagram: wolfSSL may not have seen this number, and then still takes it.
    if (number + WOLF_WINDOW <= mine.next || type != DG_CONTENT_APPLICATION_DATA || !mine.is_clean)
        mine.is_excused = true;
    _Atomic uint64_t next = mine.next;
    dg_replay_accept(&mine.replay, &next, number);
    mine.next = next;
    if (type == DG_CONTENT_APPLICATION_DATA)
        put(&ours, body.data, body.size);
}

static void give_mine(const uint8_t *datagram, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    CHECK(copy != NULL);
    memcpy(copy, datagram, size);
    for (size_t at = 0; at < size;) {
        struct dg_record record;
        if (dg_record_parse(copy + at, size - at, cid_size(), &record).outcome != DG_OK) {
            spoil();
            break;
        }
        at += record.size;
        open_mine(&record);
    }
    free(copy);
}

// --- wolfSSL's -------------------------------------------------------------------------------------------

// False: it has ended.
static bool give_theirs(const uint8_t *datagram, size_t size)
{
    uint8_t data[4096];
    int got;
    CHECK(rig_queue_put(&rig.to_client, datagram, size));
    // An error that is no end leaves the datagram done with: the next call goes on.
    while ((got = wolf_client_read(rig.client, data, sizeof data)) > 0)
        put(&theirs, data, (size_t)got);
    rig.to_client.count = 0;
    rig.to_server.count = 0;
    return got == 0;
}

static bool is_part(const struct outputs *some, const struct outputs *all)
{
    unsigned at = 0;
    for (unsigned i = 0; i < some->count; i++, at++) {
        while (at < all->count && (all->items[at].size != some->items[i].size ||
                                   memcmp(all->items[at].bytes, some->items[i].bytes, some->items[i].size) != 0))
            at++;
        if (at >= all->count)
            return false;
    }
    return true;
}

// --- datagrams -------------------------------------------------------------------------------------------

static size_t make_record(struct fuzz_input *input, uint8_t *out, size_t capacity)
{
    static const uint8_t TYPES[] = {23, 23, 23, 23, 21, 22, 26, 20, 27, 25, 0};
    uint8_t what = fuzz_u8(input), number = fuzz_u8(input);
    struct peer_keys keys = {.ops = &dg_wolf_aead,
                             .aead = (enum dg_aead_id)handover.aead,
                             .hash = (enum dg_hash_id)handover.hash,
                             .material = handover.tx};
    struct peer_record record = {.epoch = handover.version == 13 ? 3 : 1,
                                 .type = TYPES[(what & 15) % sizeof TYPES],
                                 .cid = handover.peer_cid,
                                 .cid_size = cid_size()};
    if (what & 16) { // an odd one: bytes say how
        uint8_t odd = fuzz_u8(input);
        record.epoch += (odd & 3) == 1;
        record.short_number = odd & 4;
        record.no_length = odd & 8;
        record.padding = odd & 16 ? fuzz_u8(input) : 0;
        record.zeros_only = odd & 32;
        record.cid_size = odd & 64 ? 0 : record.cid_size;
    }
    size_t room = capacity < 400 ? 0 : capacity - 400;
    record.data = fuzz_bytes(input, what & 32 ? fuzz_u8(input) : 8, &record.size);
    record.size = record.size < room ? record.size : room;
    if (number < 128) { // the next, or some ahead
        record.sequence = mine.highest + number;
        mine.highest = record.sequence + 1;
    } else { // some back
        record.sequence = mine.highest > number - 127u ? mine.highest - (number - 127u) : 0;
    }
    return handover.version == 13 ? peer_seal13(&keys, &record, out, capacity)
                                  : peer_seal12(&keys, &record, out, capacity);
}

static size_t make_datagram(struct fuzz_input *input, uint8_t out[DATAGRAM])
{
    uint8_t what = fuzz_u8(input);
    size_t size = 0;
    if ((what & 0xe0) == 0xe0) {
        const uint8_t *bytes = fuzz_bytes(input, fuzz_u8(input), &size);
        memcpy(out, bytes, size);
        return size;
    }
    for (unsigned records = 1 + (what & 3); records > 0 && size + 800 < DATAGRAM; records--)
        size += make_record(input, out + size, DATAGRAM - size);
    for (unsigned changes = what >> 2 & 3; changes > 0; changes--) {
        size_t at = fuzz_u16(input) % size;
        out[at] ^= fuzz_u8(input);
    }
    if ((what & 16) != 0)
        size -= fuzz_u8(input) % size;
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint8_t datagram[DATAGRAM];
    sim_clock_start(1);
    CHECK(shake_hands(fuzz_u8(&input) % (sizeof KINDS / sizeof KINDS[0])));
    bool goes_on = true;
    while (fuzz_more(&input) && goes_on && !mine.is_excused) {
        size_t length = make_datagram(&input, datagram);
        ours.count = theirs.count = 0;
        mine.is_clean = true;
        mine.owed = 0;
        give_mine(datagram, length);
        mine.owed = mine.is_clean ? ours.count : mine.owed;
        ours_owed = ours;
        ours_owed.count = mine.owed;
        goes_on = give_theirs(datagram, length);
        CHECK_MSG(is_part(&theirs, &ours), "wolfSSL opened what we did not");
        CHECK_MSG(mine.is_excused || is_part(&ours_owed, &theirs), "we opened %u, wolfSSL %u", mine.owed, theirs.count);
        CHECK_MSG(mine.is_excused || goes_on || !mine.is_clean, "wolfSSL ended with %d", wolf_client_error(rig.client));
    }
    rig_hang_up(&rig);
    return 0;
}
