// SPDX-License-Identifier: GPL-3.0-or-later
// Which records of the server's the library is given, which are kept for the engine and which are dropped, and why.
// What is unprotected goes through the screen; what is protected goes by whether it opens.
#include "crypto/dial_inner.h"

#include <stdlib.h>
#include <string.h>

// --- unprotected --------------------------------------------------------------

// An unprotected alert may be anybody's who guesses our port: it ends nothing by itself (RFC 9147 4.5.2). But a
// server that refuses us says so in just this way and then is silent: when nothing of the handshake moves although our
// flight is repeated, it is believed (dial.c).
static void note_alert(struct dg_dial *dial, struct dg_bytes body)
{
    dial->dropped = DG_COUNT_DROP_ALERT_UNPROVEN;
    if (body.size != 2 || body.data[0] != DG_ALERT_LEVEL_FATAL || dial->plain_alert >= 0 ||
        dial->state != DIAL_CONNECTING)
        return;
    dial->plain_alert = body.data[1];
    dial->alert_repetitions = 0;
    dg_dial_tell(dial, "alert received", "unprotected: %s", dg_dial_words_of_alert(dial, dial->plain_alert));
}

static void give_screened(struct dg_dial *dial, enum dg_screen_proof proof, uint16_t message_seq,
                          const struct dg_output *output)
{
    while (dial->state == DIAL_CONNECTING && !dial->is_dead) {
        enum dg_screen_stage stage = dial->screen.stage;
        struct dg_bytes record = dg_screen_next(&dial->screen, proof, message_seq);
        if (record.size == 0)
            return;
        dial->is_contested = dial->is_contested && dial->screen.stage == stage; // what was asked anew is answered
        dg_dial_tell_received(dial, record.data, record.size);
        dg_dial_give(dial, record.data, record.size, output);
    }
}

static void receive_plain(struct dg_dial *dial, const uint8_t *record, size_t size, const struct dg_output *output)
{
    struct dg_bytes alert;
    if (dg_library_io_is_plain_alert(record, size, &alert)) {
        note_alert(dial, alert);
        return;
    }
    if (dial->state != DIAL_CONNECTING) {
        dial->dropped = DG_COUNT_DROP_PLAINTEXT_RECORD;
        return;
    }
    bool is_contested = false;
    dial->dropped = dg_screen_receive(&dial->screen, record, size, &is_contested);
    dial->is_contested = dial->is_contested || is_contested;
    give_screened(dial, DG_SCREEN_NOTHING, 0, output);
}

// --- protected ----------------------------------------------------------------

enum fate {
    FATE_GIVE,
    FATE_KEEP, // it is the engine's
    FATE_END,  // it is the engine's, and so is the association
    FATE_DROP, // it does not open
    FATE_LEAVE // it says nothing new
};

static enum fate fate_of12(const struct dg_dial *dial, const struct dg_tap_look *look)
{
    if (!look->is_opened)
        return FATE_DROP;
    if (dial->state != DIAL_CONNECTING)
        return FATE_LEAVE;
    return look->type == DG_CONTENT_HANDSHAKE || look->type == DG_CONTENT_ALERT ? FATE_GIVE : FATE_KEEP;
}

// The library would swallow application data, and a KeyUpdate would change the keys under our feet.
static enum fate fate_of13(struct dg_dial *dial, const struct dg_tap_look *look)
{
    bool is_connecting = dial->state == DIAL_CONNECTING;
    bool is_data = look->epoch == DG_EPOCH13_APPLICATION;
    if (!look->is_opened) // what overtakes the server's Finished opens after it
        return is_connecting && is_data && dg_tap_keys(&dial->io.tap, DG_TAP_SERVER_DATA) == NULL ? FATE_KEEP : FATE_DROP;
    if (!is_data)
        return is_connecting ? FATE_GIVE : FATE_LEAVE;
    if (look->is_ticket)
        return FATE_GIVE;
    if (is_connecting)
        return look->type == DG_CONTENT_ACK || look->type == DG_CONTENT_ALERT ? FATE_GIVE : FATE_KEEP;
    return look->type == DG_CONTENT_ACK ? FATE_LEAVE : FATE_END;
}

static void keep(struct dg_dial *dial, const uint8_t *record, size_t size)
{
    uint8_t *bytes = dial->kept_count < DG_DIAL_KEPT ? malloc(size) : NULL;
    if (bytes == NULL) {
        dial->dropped = DG_COUNT_DROP_EARLY_FULL;
        return;
    }
    memcpy(bytes, record, size);
    dial->kept[dial->kept_count].bytes = bytes;
    dial->kept[dial->kept_count++].size = size;
}

// The record that is given next has opened: the server is known, and what it said in clear before that counts.
// False: something is missing before it, which the server will repeat with it.
static bool catch_up(struct dg_dial *dial, const struct dg_tap_look *look, const struct dg_output *output)
{
    if (dial->screen.stage == DG_SCREEN_OVER)
        return true;
    bool is_message = look->type == DG_CONTENT_HANDSHAKE;
    if (dial->screen.stage != DG_SCREEN_TRIED) {
        give_screened(dial, DG_SCREEN_FINISHED, is_message ? look->message_seq : UINT16_MAX, output);
        if (is_message && dial->screen.next_seq != look->message_seq)
            return false;
    }
    dial->is_contested = false;
    struct dg_bytes change = dg_screen_opened(&dial->screen);
    if (change.size > 0 && dial->state == DIAL_CONNECTING)
        dg_dial_give(dial, change.data, change.size, output);
    return true;
}

static void receive_protected(struct dg_dial *dial, const uint8_t *record, size_t size, const struct dg_output *output)
{
    // The ServerHello, so that its keys can be tried. DTLS 1.2 has such a record right behind it only where it resumes.
    bool is_13 = (record[0] & DG_UNIFIED_FIXED_MASK) == DG_UNIFIED_FIXED;
    if (dial->screen.stage == DG_SCREEN_HELLO && (is_13 || dial->offers_session))
        give_screened(dial, is_13 ? DG_SCREEN_RECORD13 : DG_SCREEN_RECORD12, 0, output);
    if (dial->state == DIAL_FAILED || dial->is_dead)
        return;
    struct dg_tap_look look = dg_tap_peek(&dial->io.tap, record, size);
    switch (look.is_unified ? fate_of13(dial, &look) : fate_of12(dial, &look)) {
    case FATE_GIVE:
        if (!catch_up(dial, &look, output))
            dial->dropped = DG_COUNT_DROP_HANDSHAKE_GAP;
        else if (dial->state == DIAL_CONNECTING || dial->state == DIAL_AWAITS_TICKET)
            dg_dial_give(dial, record, size, output);
        return;
    case FATE_KEEP:
        keep(dial, record, size);
        return;
    case FATE_END:
        dg_dial_finish(dial);
        return;
    case FATE_DROP:
        dial->dropped = DG_COUNT_DROP_FORGED;
        return;
    case FATE_LEAVE:
        return;
    }
}

// --- all ----------------------------------------------------------------------

void dg_dial_receive(struct dg_dial *dial, const uint8_t *record, size_t size, const struct dg_output *output)
{
    bool is_unified = (record[0] & DG_UNIFIED_FIXED_MASK) == DG_UNIFIED_FIXED;
    struct dg_reader epoch = dg_reader_of(record, size);
    (void)dg_read_bytes(&epoch, 3);
    bool is_plain = !is_unified && dg_read_u16(&epoch) == 0;
    if (is_plain)
        receive_plain(dial, record, size, output);
    else if (dial->is_dead) // there are no keys
        dial->dropped = DG_COUNT_DROP_EPOCH_UNKNOWN;
    else
        receive_protected(dial, record, size, output);
}

size_t dg_dial_kept(struct dg_dial *dial, uint8_t **ret_record)
{
    if (dial->kept_taken == dial->kept_count)
        return 0;
    *ret_record = dial->kept[dial->kept_taken].bytes;
    return dial->kept[dial->kept_taken++].size;
}

void dg_dial_forget_kept(struct dg_dial *dial)
{
    for (unsigned i = 0; i < dial->kept_count; i++)
        free(dial->kept[i].bytes); // ciphertext
    dial->kept_count = dial->kept_taken = 0;
}
