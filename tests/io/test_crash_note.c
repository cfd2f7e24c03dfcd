// SPDX-License-Identifier: GPL-3.0-or-later
// Whom a crash is laid at: a worker's at what it was serving, any other thread's at nobody, a signal from outside at
// everybody who was being served. Each in a process of its own, which dies of it.
#include "io/crash_note.h"

#include "check.h"
#include "support/shard_region.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 2
#define SHARDS 4

static struct shard_region region;

static void *crash(void *context)
{
    const int *worker = context;
    if (worker != NULL)
        dg_crash_note_worker((uint32_t)*worker);
    abort();
}

static void crash_in_thread(int *worker)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, crash, worker) == 0)
        (void)pthread_join(thread, NULL);
}

static void crash_of_worker_1(void)
{
    int worker = 1;
    crash_in_thread(&worker);
}

static void crash_of_front(void) { crash_in_thread(NULL); }

static void abort_from_outside(void) { (void)kill(getpid(), SIGABRT); }

// The numbers of the slots that are suspected, by shard.
static void dies_by(void (*act)(void), uint32_t suspected[SHARDS])
{
    REQUIRE(shard_region_make(&region, SHARDS, 16, 16));
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        atomic_store(&dg_memory_shard_head(&region.memory, shard)->serving, shard != 2 ? 10 + shard : 0);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        (void)!freopen("/dev/null", "w", stderr); // what a sanitizer says of it
        dg_crash_note_install();
        dg_crash_note_memory(&region.memory, WORKERS);
        act();
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        suspected[shard] = atomic_load(&dg_memory_shard_head(&region.memory, shard)->crashed);
    shard_region_free(&region);
}

DG_TEST(crash_of_a_worker_is_laid_at_what_it_serves)
{
    uint32_t suspected[SHARDS] = {0};
    dies_by(crash_of_worker_1, suspected);
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        CHECK_EQ(suspected[shard], dg_steer_worker(shard, WORKERS) == 1 && shard != 2 ? 10 + shard : 0);
}

DG_TEST(crash_of_the_front_is_laid_at_nobody)
{
    uint32_t suspected[SHARDS] = {0};
    dies_by(crash_of_front, suspected);
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        CHECK_EQ(suspected[shard], 0);
}

DG_TEST(abort_from_outside_is_laid_at_all_who_are_served)
{
    uint32_t suspected[SHARDS] = {0};
    dies_by(abort_from_outside, suspected);
    for (uint32_t shard = 0; shard < SHARDS; shard++)
        CHECK_EQ(suspected[shard], shard != 2 ? 10 + shard : 0);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(crash_of_a_worker_is_laid_at_what_it_serves),
    DG_CASE(crash_of_the_front_is_laid_at_nobody),
    DG_CASE(abort_from_outside_is_laid_at_all_who_are_served),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
