// SPDX-License-Identifier: GPL-3.0-or-later
// Takes a finished handshake out of the library as plain data. Reads only; nothing is sent any more.
#ifndef DG_CRYPTO_TAKEOVER_H
#define DG_CRYPTO_TAKEOVER_H

#include "base/wire.h"
#include "core/handover.h"

#include <stdbool.h>
#include <stdint.h>

struct dg_proof;
struct dg_tap;

// A handshake that is over, of either role.
struct dg_takeover_of {
    struct dg_tap *tap;
    struct dg_bytes cid;          // that was offered
    const struct dg_proof *proof; // who the peer is
    bool may_be_nobody;           // by the operator's word
    uint32_t policy_generation;
};

// False: something that was seen does not fit what was taken; ret is wiped then.
DG_MUST_USE bool dg_takeover(const struct dg_takeover_of *of, struct dg_handover *ret);

#endif
