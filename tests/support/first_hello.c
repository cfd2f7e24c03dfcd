// SPDX-License-Identifier: GPL-3.0-or-later
// A client over a wire that takes what comes first and carries nothing.
#include "support/first_hello.h"

#include "support/wolf_client.h"

#include <stdlib.h>
#include <string.h>

struct taker {
    uint8_t *bytes;
    size_t capacity, size;
};

static void take(void *context, const uint8_t *bytes, size_t size)
{
    struct taker *taker = context;
    if (taker->size == 0 && size <= taker->capacity) {
        memcpy(taker->bytes, bytes, size);
        taker->size = size;
    }
}

static size_t nothing_arrives(void *context, uint8_t *buffer, size_t capacity)
{
    (void)context, (void)buffer, (void)capacity;
    return 0;
}

size_t first_hello(int version, uint8_t *hello, size_t capacity)
{
    static const uint8_t key[32] = {1}; // of nobody: the handshake goes no further
    struct taker taker = {.bytes = hello, .capacity = capacity};
    const struct wolf_client_config config = {
        .wire = {.context = &taker, .send = take, .receive = nothing_arrives},
        .version = version,
        .psk_identity = "device",
        .psk_key = key,
        .psk_key_size = sizeof key,
        .groups = {WOLF_GROUP_X25519},
        .empty_key_share = version == 13,
    };
    struct wolf_client *client = wolf_client_new(&config);
    if (client == NULL || wolf_client_connect(client) != WOLF_CLIENT_GOES_ON || taker.size == 0)
        abort();
    wolf_client_free(client);
    return taker.size;
}
