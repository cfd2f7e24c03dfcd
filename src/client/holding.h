// SPDX-License-Identifier: GPL-3.0-or-later
// Datagrams that wait for an association: the newest few, in order. What is pushed out is the oldest, which its
// sender has most likely given up already. Owns copies; never sends.
#ifndef DG_CLIENT_HOLDING_H
#define DG_CLIENT_HOLDING_H

#include "base/attributes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_HOLDING_MAX 64

struct dg_held; // one datagram

// All zeros: empty.
struct dg_holding {
    struct dg_held *items[DG_HOLDING_MAX]; // a ring
    uint32_t first, count;
};

// Copies data. max (1..DG_HOLDING_MAX) are kept. True: nothing was lost; false: the oldest one was pushed out, or
// memory is short and this one is lost.
DG_MUST_USE bool dg_holding_put(struct dg_holding *holding, uint32_t max, const uint8_t *data, size_t size);
// The oldest one; valid until it is popped. False: empty.
DG_MUST_USE bool dg_holding_peek(const struct dg_holding *holding, const uint8_t **ret_data, size_t *ret_size);
void dg_holding_pop(struct dg_holding *holding); // the oldest one; nothing where there is none
void dg_holding_clear(struct dg_holding *holding);

#endif
