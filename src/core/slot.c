// SPDX-License-Identifier: GPL-3.0-or-later
// Words for what a slot says of its peer. Never reads a slot.
#include "core/slot.h"

const char *dg_identity_kind_name(uint8_t identity_kind)
{
    switch ((enum dg_identity_kind)identity_kind) {
    case DG_IDENTITY_NONE:
        return "none";
    case DG_IDENTITY_PSK:
        return "psk";
    case DG_IDENTITY_CERTIFICATE:
        return "certificate";
    case DG_IDENTITY_RAW_PUBLIC_KEY:
        return "raw-public-key";
    }
    return "unknown";
}
