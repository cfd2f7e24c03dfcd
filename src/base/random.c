// SPDX-License-Identifier: GPL-3.0-or-later
// getrandom(2) until the buffer is full. Owns no state; never falls back to anything weaker.
#include "base/random.h"

#include "base/attributes.h"

#include <errno.h>
#include <sys/random.h>

void dg_random_bytes(void *data, size_t size_bytes)
{
    uint8_t *at = data;
    while (size_bytes > 0) {
        ssize_t got = getrandom(at, size_bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            DG_BUG("the kernel gives no random bytes");
        }
        at += got;
        size_bytes -= (size_t)got;
    }
}

uint64_t dg_random_u64(void)
{
    uint64_t value;
    dg_random_bytes(&value, sizeof value);
    return value;
}
