// SPDX-License-Identifier: GPL-3.0-or-later
// Takes a finished handshake out of the library as plain data. Reads only; nothing is sent any more.
#ifndef DG_CRYPTO_TAKEOVER_H
#define DG_CRYPTO_TAKEOVER_H

#include "core/handover.h"

#include <stdbool.h>

struct dg_handshake;

// False: something that was seen does not fit what was taken; ret is wiped then.
DG_MUST_USE bool dg_takeover(struct dg_handshake *handshake, struct dg_handover *ret);

#endif
