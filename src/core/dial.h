// SPDX-License-Identifier: GPL-3.0-or-later
// A handshake in the client's role, step by step and without I/O: what src/client asks of src/crypto. At
// its end it is plain data like a server's (struct dg_handover with is_client), and the library is let go.
#ifndef DG_CORE_DIAL_H
#define DG_CORE_DIAL_H

#include "base/attributes.h"
#include "base/time_value.h"
#include "base/wire.h"
#include "core/counters.h"
#include "core/handover.h"
#include "core/output.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dg_dial; // one handshake under way

enum dg_dial_step {
    DG_DIAL_GOES_ON,
    DG_DIAL_DONE,   // proven in both directions; ask for the hand-over
    DG_DIAL_FAILED, // ask why, then free
};

// What is told about a handshake while it runs, for people (--verbose): static words and plain facts.
struct dg_dial_event {
    const char *what;   // "hello sent", "server hello", "certificate verified", ...
    char detail[192];   // facts, already fit for showing; never a secret
};

struct dg_dial_ops {
    // Starts: queues the first hello. to_path: peer is the server, local our address. context is what
    // dg_dialer_new made (src/crypto/dialer.h). NULL: memory is short.
    struct dg_dial *(*start)(void *dialer, dg_time now, const struct dg_path *path, struct dg_bytes cid,
                             const struct dg_output *output);
    // Gives exactly one record, as dg_handshake_ops.receive does. At DONE the datagram belongs to the engine from
    // this record on, itself included: what the library has taken in is marked in the hand-over's window, and a
    // record that was not the handshake's any more is still whole. DONE may also come of advance.
    enum dg_dial_step (*receive)(struct dg_dial *dial, dg_time now, const uint8_t *record, size_t size,
                                 const struct dg_output *output);
    // Why the record that was given last was dropped; DG_COUNT_NONE: it was not, or there is no more to say about it.
    enum dg_counter (*dropped)(const struct dg_dial *dial);
    dg_time (*deadline)(const struct dg_dial *dial);
    enum dg_dial_step (*advance)(struct dg_dial *dial, dg_time now, const struct dg_output *output);
    // Once, after DONE; path as given to start. False: the watched records did not open with the extracted keys.
    bool (*take)(struct dg_dial *dial, struct dg_handover *ret);
    // After take: the next record that overtook the end of the handshake, oldest first, for the engine; valid until the
    // next call. 0: there is none.
    size_t (*kept)(struct dg_dial *dial, uint8_t **ret_record);
    // Why it failed, in words for people; static text. ret_alert: received alert description, or -1.
    const char *(*why)(const struct dg_dial *dial, int *ret_alert);
    // The next thing to tell about the handshake; false: nothing new.
    bool (*told)(struct dg_dial *dial, struct dg_dial_event *ret);
    void (*free)(struct dg_dial *dial); // sends nothing; wipes
};

#endif
