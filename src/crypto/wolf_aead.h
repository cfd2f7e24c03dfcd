// SPDX-License-Identifier: GPL-3.0-or-later
// The AEADs, the record-number mask and HKDF-Expand-Label, by wolfCrypt.
#ifndef DG_CRYPTO_WOLF_AEAD_H
#define DG_CRYPTO_WOLF_AEAD_H

#include "core/aead.h"

extern const struct dg_aead_ops dg_wolf_aead;

#endif
