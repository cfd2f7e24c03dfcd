// SPDX-License-Identifier: GPL-3.0-or-later
// The message ring: beside a plain queue in one thread, and with a writer and a reader in two, where the
// reader draws the same numbers as the writer and so knows each message beforehand.
#include "base/ring.h"
#include "check.h"
#include "support/random.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static bool put_text(struct dg_ring *ring, uint32_t kind, const char *text)
{
    struct dg_ring_part part = {.data = text, .size_bytes = strlen(text)};
    return dg_ring_put(ring, kind, &part, 1);
}

static bool all_zero(const struct dg_ring *ring)
{
    for (uint64_t i = 0; i < ring->size_bytes; i++) {
        if (ring->bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

DG_TEST(ring_gives_messages_in_order_with_their_kinds)
{
    struct dg_ring ring;
    REQUIRE(dg_ring_init(&ring, 64));
    CHECK(dg_ring_is_empty(&ring));
    CHECK(put_text(&ring, 7, "first"));
    struct dg_ring_part parts[] = {{"se", 2}, {NULL, 0}, {"co", 2}, {"nd", 2}};
    CHECK(dg_ring_put(&ring, 8, parts, 4));
    CHECK(dg_ring_put(&ring, 9, NULL, 0));
    CHECK(!dg_ring_is_empty(&ring));

    uint32_t kind = 0;
    size_t size = 0;
    char buffer[16] = "";
    REQUIRE(dg_ring_get(&ring, &kind, buffer, sizeof buffer, &size));
    CHECK_EQ(kind, 7);
    CHECK_EQ(size, 5);
    CHECK_MEM(buffer, "first", 5);
    REQUIRE(dg_ring_get(&ring, &kind, buffer, sizeof buffer, &size));
    CHECK_EQ(kind, 8);
    CHECK_EQ(size, 6);
    CHECK_MEM(buffer, "second", 6);
    REQUIRE(dg_ring_get(&ring, &kind, buffer, 0, &size));
    CHECK_EQ(kind, 9);
    CHECK_EQ(size, 0);
    CHECK(!dg_ring_get(&ring, &kind, buffer, sizeof buffer, &size));
    CHECK_EQ(kind, 9); // untouched on failure
    CHECK(dg_ring_is_empty(&ring));
    dg_ring_clear(&ring);
}

DG_TEST(ring_full_refuses_and_writes_nothing)
{
    struct dg_ring ring;
    REQUIRE(dg_ring_init(&ring, 64));
    char large[57];
    memset(large, 'x', sizeof large);
    struct dg_ring_part parts[] = {{large, 57}, {large, SIZE_MAX - 55}};
    CHECK(!dg_ring_put(&ring, 1, parts, 1)); // never fits
    parts[0].size_bytes = 56;
    CHECK(!dg_ring_put(&ring, 1, parts, 2)); // nor does a sum that wraps to 0
    CHECK(dg_ring_is_empty(&ring) && all_zero(&ring));
    CHECK(dg_ring_put(&ring, 1, parts, 1)); // exactly full
    CHECK(!dg_ring_put(&ring, 2, NULL, 0));
    uint32_t kind;
    size_t size;
    char buffer[64];
    REQUIRE(dg_ring_get(&ring, &kind, buffer, sizeof buffer, &size));
    CHECK_EQ(size, 56);
    CHECK(dg_ring_put(&ring, 2, NULL, 0));
    dg_ring_clear(&ring);
    dg_ring_clear(&ring);
}

DG_TEST(ring_wipes_what_was_read)
{
    struct dg_ring ring;
    REQUIRE(dg_ring_init(&ring, 64));
    uint32_t kind;
    size_t size;
    char buffer[64];
    // Steps of 24 in 64 bytes: messages wrap around the end at each place.
    for (int i = 0; i < 20; i++) {
        REQUIRE(put_text(&ring, 0xffffffff, "the key is here"));
        CHECK(!all_zero(&ring));
        REQUIRE(dg_ring_get(&ring, &kind, buffer, sizeof buffer, &size));
        CHECK_EQ(size, 15);
        CHECK_MEM(buffer, "the key is here", 15);
        CHECK(all_zero(&ring));
    }
    dg_ring_clear(&ring);
}

// The oracle: messages one behind the other in an array, each a kind and bytes.
struct plain_queue {
    struct plain_message {
        uint32_t kind;
        size_t size;
        uint8_t bytes[600];
    } messages[64];
    size_t first, count;
    size_t held_bytes; // as the ring's header says that a message counts
};

DG_TEST(ring_follows_a_plain_queue)
{
    struct test_random random = {dg_test_seed()};
    struct plain_queue *queue = malloc(sizeof *queue);
    REQUIRE(queue != NULL);
    for (int round = 0; round < 20; round++) {
        size_t ring_size = (size_t)16 << test_random_below(&random, 6);
        struct dg_ring ring;
        REQUIRE(dg_ring_init(&ring, ring_size));
        memset(queue, 0, sizeof *queue);
        for (int step = 0; step < 5000; step++) {
            if (test_random_permille(&random, 550)) {
                struct plain_message message = {.kind = (uint32_t)test_random_next(&random)};
                message.size = (size_t)test_random_below(&random, ring_size + 4);
                test_random_fill(&random, message.bytes, message.size);
                size_t cut = (size_t)test_random_below(&random, message.size + 1);
                struct dg_ring_part parts[] = {{message.bytes, cut}, {message.bytes + cut, message.size - cut}};
                size_t needed = 8 + (message.size + 7) / 8 * 8;
                bool fits = queue->held_bytes + needed <= ring_size;
                CHECK_EQ(dg_ring_put(&ring, message.kind, parts, 2), fits);
                if (fits) {
                    queue->messages[(queue->first + queue->count++) % 64] = message;
                    queue->held_bytes += needed;
                }
            } else {
                uint32_t kind = 0;
                size_t size = 0;
                uint8_t buffer[600];
                bool got = dg_ring_get(&ring, &kind, buffer, sizeof buffer, &size);
                CHECK_EQ(got, queue->count > 0);
                if (got) {
                    const struct plain_message *expected = &queue->messages[queue->first];
                    CHECK_EQ(kind, expected->kind);
                    CHECK_EQ(size, expected->size);
                    CHECK_MEM(buffer, expected->bytes, expected->size);
                    queue->first = (queue->first + 1) % 64;
                    queue->count--;
                    queue->held_bytes -= 8 + (size + 7) / 8 * 8;
                }
            }
            CHECK_EQ(dg_ring_is_empty(&ring), queue->count == 0);
        }
        dg_ring_clear(&ring);
    }
    free(queue);
}

enum { THREAD_LARGEST = 300 };

struct writer_job {
    struct dg_ring *ring;
    uint64_t seed;
    int messages;
};

static size_t next_message(struct test_random *random, uint32_t *ret_kind, uint8_t *bytes)
{
    uint64_t drawn = test_random_next(random);
    size_t size = (size_t)(drawn % THREAD_LARGEST);
    *ret_kind = (uint32_t)(drawn >> 32);
    memset(bytes, (int)(drawn >> 24 & 0xff), size);
    return size;
}

static void *write_messages(void *argument)
{
    const struct writer_job *job = argument;
    struct test_random random = {job->seed};
    uint8_t bytes[THREAD_LARGEST];
    for (int i = 0; i < job->messages; i++) {
        uint32_t kind;
        size_t size = next_message(&random, &kind, bytes);
        struct dg_ring_part parts[] = {{bytes, size / 3}, {bytes + size / 3, size - size / 3}};
        while (!dg_ring_put(job->ring, kind, parts, 2)) {
            sched_yield();
        }
    }
    return NULL;
}

static void run_two_threads(size_t ring_size, uint64_t seed, int messages)
{
    struct dg_ring ring;
    REQUIRE(dg_ring_init(&ring, ring_size));
    struct writer_job job = {.ring = &ring, .seed = seed, .messages = messages};
    pthread_t writer;
    REQUIRE(pthread_create(&writer, NULL, write_messages, &job) == 0);
    struct test_random random = {seed};
    unsigned wrong = 0;
    for (int i = 0; i < messages; i++) {
        uint8_t expected[THREAD_LARGEST], bytes[THREAD_LARGEST];
        uint32_t expected_kind, kind;
        size_t expected_size = next_message(&random, &expected_kind, expected), size;
        while (!dg_ring_get(&ring, &kind, bytes, sizeof bytes, &size)) {
            sched_yield();
        }
        if (kind != expected_kind || size != expected_size || memcmp(bytes, expected, size) != 0) {
            wrong++;
        }
    }
    pthread_join(writer, NULL);
    CHECK_EQ(wrong, 0);
    CHECK(dg_ring_is_empty(&ring));
    CHECK(all_zero(&ring));
    dg_ring_clear(&ring);
}

DG_TEST(ring_carries_messages_between_two_threads)
{
    // Mostly full, the threads wait for one another every few messages: on a busy machine each time for milliseconds.
    run_two_threads(512, dg_test_seed(), 10000);
    run_two_threads(1 << 16, dg_test_seed() + 1, 100000); // mostly not
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(ring_gives_messages_in_order_with_their_kinds),
        DG_CASE(ring_full_refuses_and_writes_nothing),
        DG_CASE(ring_wipes_what_was_read),
        DG_CASE(ring_follows_a_plain_queue),
        DG_CASE(ring_carries_messages_between_two_threads),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
