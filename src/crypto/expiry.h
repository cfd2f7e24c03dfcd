// SPDX-License-Identifier: GPL-3.0-or-later
// Which certificates, CAs and revocation lists of a gate are about to end or of no use any more: said in the log when it
// has been made, and to whoever asks later. Never refuses.
#ifndef DG_CRYPTO_EXPIRY_H
#define DG_CRYPTO_EXPIRY_H

#include <stdint.h>

struct dg_gate;

// One thing to renew. All texts are gone after the call.
struct dg_expiry {
    const char *event;    // "certificate_expires" and the like
    const char *listener; // NULL: without a name
    const char *path;     // of the file; NULL: none
    unsigned line;        // 0: none
    int64_t now_s, ends_s; // wall clock; ends_s 0: has no end
    const char *advice;
};

// As of now, within the gate's expiry_warning_days.
void dg_expiry_visit(const struct dg_gate *gate, const char *listener,
                     void (*tell)(void *context, const struct dg_expiry *expiry), void *context);
void dg_expiry_warn(const struct dg_gate *gate, const char *listener); // listener NULL: without a name

#endif
