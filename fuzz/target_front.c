// SPDX-License-Identifier: GPL-3.0-or-later
// A front with the fake handshake before clients that do right, clients whose datagrams are damaged on the
// way, and strangers: what is kept, what is answered, what reaches the handshake.
//
// Input: a byte of settings, then steps: a byte that says which and for whom, its arguments.
#include "fuzz.h"

#include "support/front_rig.h"
#include "support/sim_clock.h"

#include <stdio.h>
#include <string.h>

#define CLIENTS 6
#define HANDSHAKES 4
#define DATAGRAM 2048

enum step { RAW, TURN, DAMAGED, PART, TIME, ANEW, PASSED_ON, DATA, SWITCH, REPEAT, STEPS };

static struct rig rig;
static struct toy_client clients[CLIENTS];
static dg_time now;
static uint64_t lives;
static uint64_t claimed_in, claimed_out; // bytes from and to those without a valid cookie

static void begin_client(unsigned number)
{
    static const char *const PEERS[CLIENTS] = {"192.0.2.1:1000",       "192.0.2.1:1001",         "192.0.2.77:1000",
                                               "[2001:db8::1]:40000", "[2001:db8::2]:40000", "198.51.100.3:5000"};
    uint64_t life = ++lives;
    clients[number] = toy_client_new(PEERS[number], "203.0.113.1:5684", number % 2 == 1, 100 * life + number);
    clients[number].offers_cid = number % 3 != 0;
    clients[number].cid_size = number;
    clients[number].wrong_key = life % 8 == 7;
}

// RFC 9147 5.1: at most three bytes for one until the cookie has come back.
static void give(const struct dg_path *path, const uint8_t *data, size_t size, bool is_passed_on)
{
    unsigned known = rig.gate.started + rig.gate.receive_calls + rig.gate.advance_calls;
    uint64_t before = rig.sent_bytes;
    if (is_passed_on)
        front_rig_give_passed_on(&rig, now, path, data, size);
    else
        front_rig_give(&rig, now, path, data, size);
    claimed_in += size;
    if (known == rig.gate.started + rig.gate.receive_calls + rig.gate.advance_calls)
        claimed_out += rig.sent_bytes - before;
    CHECK(claimed_out <= 3 * claimed_in);
}

static void listen_to_answers(struct toy_client *client)
{
    for (size_t i = 0; i < rig.queued; i++)
        (void)toy_receive(client, rig.queue[i].bytes, rig.queue[i].size);
}

static void give_and_listen(struct toy_client *client, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    give(&client->path, data, size, false);
    listen_to_answers(client);
}

static void damage(struct fuzz_input *input, uint8_t *data, size_t *size)
{
    for (unsigned changes = fuzz_u8(input) % 8; changes > 0 && *size > 0; changes--) {
        size_t at = fuzz_u16(input) % *size;
        data[at] ^= fuzz_u8(input);
    }
    uint8_t cut = fuzz_u8(input);
    if (cut > 0 && *size > cut)
        *size -= cut;
}

static void turn_switch(uint8_t which)
{
    switch (which % 6) {
    case 0: rig.no_room = !rig.no_room; break;
    case 1: rig.output_is_full = !rig.output_is_full; break;
    case 2: rig.gate.refuses = !rig.gate.refuses; break;
    case 3: rig.gate.take_fails = !rig.gate.take_fails; break;
    case 4: rig.gate.flights = 1 + which % 3u; break;
    default: rig.gate.negotiates_cid = !rig.gate.negotiates_cid; break;
    }
}

static void let_pass(dg_time duration)
{
    dg_time end = now + duration;
    rig.queued = 0;
    for (dg_time next; (next = dg_front_deadline(rig.front)) <= end;) {
        now = next > now ? next : now;
        dg_front_advance(rig.front, now);
        CHECK_MSG(dg_front_deadline(rig.front) > now, "the deadline stays in the past");
    }
    now = end;
}

static void take_step(struct fuzz_input *input)
{
    static uint8_t datagram[4096];
    uint8_t what = fuzz_u8(input);
    struct toy_client *client = &clients[what / STEPS % CLIENTS];
    size_t size;
    const uint8_t *bytes;
    switch ((enum step)(what % STEPS)) {
    case RAW:
    case PASSED_ON:
        bytes = fuzz_bytes(input, fuzz_u16(input) % DATAGRAM, &size);
        give(&client->path, bytes, size, what % STEPS == PASSED_ON);
        break;
    case TURN:
    case REPEAT:
        give_and_listen(client, datagram, toy_send(client, what % STEPS == REPEAT, datagram, sizeof datagram));
        break;
    case DAMAGED:
        size = toy_send(client, false, datagram, sizeof datagram);
        damage(input, datagram, &size);
        give_and_listen(client, datagram, size);
        break;
    case PART: {
        struct toy_client before = *client;
        uint8_t part = fuzz_u8(input), part_bytes = fuzz_u8(input);
        if (client->state <= TOY_HELLO_COOKIE) {
            size = toy_hello_part(client, part % 16, 1u + part_bytes, datagram, sizeof datagram);
            give_and_listen(client, datagram, size);
        } else {
            *client = before;
        }
        break;
    }
    case TIME:
        let_pass(fuzz_u8(input) * DG_SECOND / 8);
        break;
    case ANEW:
        begin_client((unsigned)(client - clients));
        break;
    case DATA:
        give_and_listen(client, datagram, toy_data(client, datagram, sizeof datagram));
        break;
    case SWITCH:
        turn_switch(fuzz_u8(input));
        break;
    case STEPS:
        break;
    }
}

static void holds(void)
{
    CHECK_EQ(rig.gate.violations, 0);
    CHECK(rig.gate.live <= dg_front_busy(rig.front));
    CHECK(dg_front_busy(rig.front) <= HANDSHAKES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = fuzz_input_of(data, size);
    uint8_t settings = fuzz_u8(&input);
    sim_clock_start(1);
    front_rig_init(&rig);
    rig.config.handshakes_max = HANDSHAKES;
    rig.config.handshakes_per_prefix = 1 + (settings & 3);
    rig.config.reassembly_max = 4;
    rig.config.finished_max = 32;
    rig.config.admission.prefixes_max = 64;
    rig.gate.negotiates_cid = (settings & 4) != 0;
    rig.gate.flight_bytes = (settings & 8) != 0 ? 1000 : 0;
    rig.gate.answer_bytes = (settings & 16) != 0 ? 600 : 0;
    rig.gate.retransmit = (settings & 32) != 0 ? DG_SECOND : 0;
    rig.gate.retransmit_max = 4;
    front_rig_open(&rig);
    now = 1000 * DG_SECOND;
    lives = claimed_in = claimed_out = 0;
    for (unsigned i = 0; i < CLIENTS; i++)
        begin_client(i);
    while (fuzz_more(&input)) {
        take_step(&input);
        holds();
    }
    dg_front_stop(rig.front);
    let_pass(2 * DG_MINUTE); // longer than any handshake may take
    CHECK_EQ(dg_front_busy(rig.front), 0);
    CHECK_EQ(rig.gate.live, 0);
    front_rig_close(&rig);
    sim_clock_stop();
    return 0;
}
