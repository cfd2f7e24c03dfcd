// SPDX-License-Identifier: GPL-3.0-or-later
// The echo backend: the same bytes, to the same association, at once.
#include "backend/echo.h"
#include "check.h"

#include <string.h>

struct heard {
    struct dg_ref ref;
    unsigned count;
    size_t size;
    uint8_t data[16];
};

static bool on_answer(void *context, dg_time now, struct dg_ref ref, const uint8_t *data, size_t size)
{
    struct heard *heard = context;
    CHECK_EQ(now, DG_SECOND);
    heard->ref = ref;
    heard->count++;
    heard->size = size;
    if (size > 0 && size <= sizeof heard->data) {
        memcpy(heard->data, data, size);
    }
    return true;
}

DG_TEST(echo_backend_sends_back_what_came)
{
    struct heard heard = {.count = 0};
    const struct dg_backend_sink sink = {.context = &heard, .answer = on_answer};
    struct dg_backend echo = dg_backend_echo_new(&sink);
    REQUIRE(echo.self != NULL);
    struct dg_ref ref = {.id = 77, .shard = 3, .slot = 5};
    echo.ops->deliver(echo.self, DG_SECOND, ref, (const uint8_t *)"hello", 5);
    CHECK_EQ(heard.count, 1);
    CHECK_EQ(heard.size, 5);
    CHECK_MEM(heard.data, "hello", 5);
    CHECK_EQ(heard.ref.id, 77);
    CHECK_EQ(heard.ref.shard, 3);
    CHECK_EQ(heard.ref.slot, 5);
    echo.ops->deliver(echo.self, DG_SECOND, ref, (const uint8_t *)"", 0);
    CHECK_EQ(heard.count, 2);
    CHECK_EQ(heard.size, 0);
    echo.ops->closed(echo.self, DG_SECOND, ref);
    CHECK(echo.ops->descriptor(echo.self) == -1);
    CHECK(echo.ops->deadline(echo.self) == DG_NEVER);
    echo.ops->free(echo.self);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {DG_CASE(echo_backend_sends_back_what_came)};
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
