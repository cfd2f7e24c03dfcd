// SPDX-License-Identifier: GPL-3.0-or-later
// Our dial before a real gate whose datagrams are damaged, replaced, doubled, held back and lost on their way, with forged
// ones between them. No server is believed without its credential; who is done has the same keys as the other end.
//
// Input: a byte that chooses the dialer, then for each datagram of the server's bytes that say what becomes of it
// (enum step), each with its arguments.
#include "damage.h"
#include "fuzz.h"

#include "support/dial_credentials.h"
#include "support/sim_clock.h"

#include <string.h>

// The first two come before the datagram, and another step follows.
enum step { FORGE, BYTES, PASS, TWICE, DAMAGE, REPLACE, LOSE, NEXT_IS_LATE, STEPS };

#define DIALERS 8

static struct dial_rig rig;
static struct dg_dialer *dialers[DIALERS];
static struct fuzz_input input;

// The first four expect what the gate has to show, the others something else.
static struct dial_options options_for(unsigned which)
{
    struct dial_options options = options_of(which % 4 < 2 ? PSK : CERTIFICATE, which % 2 == 0 ? 12 : 13);
    options.offer_cid = options.offer_rrc = which % 4 >= 2;
    if (which == 4 || which == 5) {
        options.psk_lines = psk_text(RIG_IDENTITY, rig_wrong_psk);
    } else if (which == 6) {
        options.ca = rig_pki()->other_ca.certificate;
    } else if (which == 7) {
        options.ca = options.name = NULL;
        options.pin = rig_pin(&rig_pki()->client);
    }
    return options;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    sim_clock_start(1);
    CHECK_MSG(rig_new(&rig.gate, &everything), "%s", rig.gate.error);
    fuzz_keep(rig.gate.gate);
    for (unsigned i = 0; i < DIALERS; i++) {
        const struct dial_options options = options_for(i);
        CHECK_MSG(dial_rig_dialer(&rig, &options), "%s", rig.error);
        dialers[i] = rig.dialer;
        rig.dialer = NULL;
    }
    return 0;
}

static void forge(struct dial_rig *at, enum step how)
{
    uint8_t record[512];
    size_t size;
    if (how == FORGE) {
        size = fuzz_plain_record(&input, record, sizeof record);
        dial_rig_give(at, record, size);
    } else {
        const uint8_t *bytes = fuzz_bytes(&input, fuzz_u16(&input) % 1400, &size);
        dial_rig_give(at, bytes, size);
    }
}

static void on_arrival(struct dial_rig *at, unsigned number, uint8_t *datagram, size_t size)
{
    enum step how = PASS;
    while (fuzz_more(&input) && (how = (enum step)(fuzz_u8(&input) % STEPS)) <= BYTES)
        forge(at, how);
    switch (how) {
    case TWICE:
        dial_rig_give(at, datagram, size);
        break;
    case DAMAGE:
        fuzz_damage(&input, datagram, size);
        break;
    case REPLACE:
        fuzz_replace_body(&input, datagram, size);
        break;
    case LOSE:
        memset(datagram, 0, size); // no record begins with a zero
        break;
    case NEXT_IS_LATE:
        at->late_from_server = number + 1;
        break;
    case FORGE:
    case BYTES:
    case PASS:
    case STEPS:
        break;
    }
}

// For people: whatever the server has sent, nothing of it moves a terminal's cursor.
static void are_words(const char *text)
{
    for (; *text != '\0'; text++)
        CHECK(*text == '\n' || ((uint8_t)*text >= 0x20 && *text != 0x7f));
}

static void is_proven(const struct dg_handover *handover, bool by_psk)
{
    const char *who = by_psk ? RIG_IDENTITY : "gate.example";
    CHECK_EQ(handover->identity_kind, by_psk ? DG_IDENTITY_PSK : DG_IDENTITY_CERTIFICATE);
    CHECK(handover->identity_size == strlen(who) && memcmp(handover->identity, who, strlen(who)) == 0);
}

static void judge(enum dg_dial_step step, unsigned which)
{
    CHECK(rig.dial != NULL);
    are_words(rig.told);
    CHECK(step != DG_DIAL_FAILED || dg_wolf_dial.why(rig.dial, NULL) != NULL);
    CHECK_MSG(step != DG_DIAL_DONE || which < 4, "a server was believed without its credential");
    if (step != DG_DIAL_DONE || rig.server.engine == NULL)
        return; // the server is not done: its last datagram is lost, or the handshake was begun anew
    bool is_taken = dial_rig_take_over(&rig);
    CHECK_MSG(is_taken || rig.client.engine == NULL, "an engine refused what was taken over");
    if (!is_taken)
        return;
    is_proven(&rig.client_handover, which < 2);
    dial_rig_pass(&rig, DG_SECOND); // what is still on its way
    CHECK_MSG(dial_rig_exchange(&rig), "both ends are done and do not understand each other");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = fuzz_input_of(data, size);
    uint8_t first = fuzz_u8(&input);
    unsigned which = first % DIALERS;
    sim_clock_start(1);
    rig.gate.now = 1000 * DG_SECOND;
    sim_clock_set(rig.gate.now);
    rig.dialer = dialers[which];
    rig.arrives = on_arrival;
    rig.late_from_server = 0;
    rig.server_says = first / DIALERS % 2 != 0 ? "at once" : NULL;
    judge(dial_rig_run(&rig, DG_MINUTE), which);
    dial_rig_hang_up(&rig);
    rig.dialer = NULL;
    return 0;
}
