// SPDX-License-Identifier: GPL-3.0-or-later
// A ring of copies. Plaintext lies here: wiped when it goes.
#include "client/holding.h"

#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

struct dg_held {
    size_t size;
    uint8_t data[];
};

bool dg_holding_put(struct dg_holding *holding, uint32_t max, const uint8_t *data, size_t size)
{
    DG_BUG_UNLESS(max >= 1 && max <= DG_HOLDING_MAX);
    struct dg_held *held = malloc(sizeof *held + size);
    if (!held)
        return false;
    held->size = size;
    if (size > 0)
        memcpy(held->data, data, size);
    bool is_lossless = true;
    while (holding->count >= max) {
        dg_holding_pop(holding);
        is_lossless = false;
    }
    holding->items[(holding->first + holding->count) % DG_HOLDING_MAX] = held;
    holding->count++;
    return is_lossless;
}

bool dg_holding_peek(const struct dg_holding *holding, const uint8_t **ret_data, size_t *ret_size)
{
    if (holding->count == 0)
        return false;
    *ret_data = holding->items[holding->first]->data;
    *ret_size = holding->items[holding->first]->size;
    return true;
}

void dg_holding_pop(struct dg_holding *holding)
{
    if (holding->count == 0)
        return;
    struct dg_held *held = holding->items[holding->first];
    holding->items[holding->first] = NULL;
    holding->first = (holding->first + 1) % DG_HOLDING_MAX;
    holding->count--;
    dg_wipe(held->data, held->size);
    free(held);
}

void dg_holding_clear(struct dg_holding *holding)
{
    while (holding->count > 0)
        dg_holding_pop(holding);
}
