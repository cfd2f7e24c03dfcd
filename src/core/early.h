// SPDX-License-Identifier: GPL-3.0-or-later
// A fixed pool of buffers for application data that overtakes the end of its handshake (RFC 9147 5.8.1,
// RFC 6347 4.2.4: bounded). Holds ciphertext of peers whose cookie was valid; never opens it.
#ifndef DG_CORE_EARLY_H
#define DG_CORE_EARLY_H

#include "base/attributes.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stdint.h>

#define DG_EARLY_BUFFERS 256 // at most
#define DG_EARLY_BUFFER_BYTES 2048 // a record that fits an Ethernet frame; longer ones are dropped, and repeated

struct dg_early {
    struct dg_early_buffer {
        uint16_t next;
        uint16_t size;
        uint8_t bytes[DG_EARLY_BUFFER_BYTES];
    } *buffers;
    uint16_t count;
    uint16_t unused_first;
    uint16_t fresh; // from here on none was ever used, nor touched
};

#define DG_EARLY_NONE UINT16_MAX

DG_MUST_USE bool dg_early_init(struct dg_early *early, uint16_t count);
void dg_early_clear(struct dg_early *early); // fine on a zeroed struct
// Copies the record. DG_EARLY_NONE: no buffer is left, or it is too long for one.
DG_MUST_USE uint16_t dg_early_put(struct dg_early *early, const uint8_t *record, size_t size);
struct dg_bytes dg_early_borrow(const struct dg_early *early, uint16_t buffer);
void dg_early_free(struct dg_early *early, uint16_t buffer);

#endif
