// SPDX-License-Identifier: GPL-3.0-or-later
// CWE-772, resources leaked by create and destroy: servers made, used and destroyed, associations opened and
// closed, each many thousand times in one process. Afterwards no descriptor, thread, mapping or byte of heap
// is left over; the sanitized build runs fewer rounds under LeakSanitizer, which looks closer.
// ctest: serial timeout=400
#include "check.h"

#include "base/log.h"
#include "support/fake_peer.h"
#include "support/front_rig.h"
#include "support/live_server.h"

#include <dirent.h>
#include <malloc.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED
#define SERVERS 1000u
#define ASSOCIATIONS 10000u
#define REAL_ASSOCIATIONS 300u
#else
#define SERVERS 10000u
#define ASSOCIATIONS 100000u
#define REAL_ASSOCIATIONS 3000u
#endif

#define HEAP_SLACK 16384u // bytes: fragments of the allocator's; less than two for each server

static unsigned entries(const char *folder)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    while (dir && readdir(dir))
        count++;
    if (dir)
        closedir(dir);
    return count;
}

static unsigned mappings(void)
{
    unsigned count = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    for (int c; file && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

struct usage {
    size_t heap_bytes;
    unsigned descriptors, threads, mappings;
};

static struct usage usage_now(void)
{
    malloc_trim(0);
    return (struct usage){.heap_bytes = mallinfo2().uordblks,
                          .descriptors = entries("/proc/self/fd"),
                          .threads = entries("/proc/self/task"),
                          .mappings = mappings()};
}

static bool is_back(const struct usage *before, const struct usage *after)
{
    bool back = after->descriptors == before->descriptors && after->threads == before->threads;
#ifndef SANITIZED // its allocator does not say, and maps as it likes
    back = back && after->mappings <= before->mappings + 8 && after->heap_bytes <= before->heap_bytes + HEAP_SLACK;
#endif
    return back;
}

// A thread that has just been told something (to use other credentials, to end) may still hold the old for a
// moment. What leaked does not come back however long one waits.
static struct usage settled_usage(const struct usage *before)
{
    struct usage now = usage_now();
    for (int wait_ms = 0; wait_ms < 10000 && !is_back(before, &now); wait_ms += 10) {
        poll(NULL, 0, 10);
        now = usage_now();
    }
    return now;
}

// What may differ: nothing but the heap's and the thread library's own caches.
static void check_back(const char *what, const struct usage *before)
{
    const struct usage settled = settled_usage(before), *after = &settled;
    CHECK_MSG(after->descriptors == before->descriptors, "%s: %u descriptors, %u before", what, after->descriptors,
              before->descriptors);
    CHECK_MSG(after->threads == before->threads, "%s: %u threads, %u before", what, after->threads, before->threads);
#ifndef SANITIZED // its allocator does not say, and maps as it likes
    CHECK_MSG(after->mappings <= before->mappings + 8, "%s: %u mappings, %u before", what, after->mappings,
              before->mappings);
    CHECK_MSG(after->heap_bytes <= before->heap_bytes + HEAP_SLACK, "%s: %zu bytes of heap, %zu before", what,
              after->heap_bytes, before->heap_bytes);
#endif
}

static void serve_once(const struct live_psk *psk, unsigned number)
{
    const struct live_visit visit = {
        .version = number & 1 ? 13 : 12, .has_cid = number & 2, .vanishes = number & 4, .echoes = 1};
    dtlsgate_server *server = live_server_start(psk);
    CHECK_MSG(live_server_visit(server, psk, &visit), "the visit to server %u failed", number);
    if (number & 8)
        dtlsgate_server_stop(server, 100);
    dtlsgate_server_free(server);
}

DG_TEST(ten_thousand_servers_leave_nothing_behind)
{
    struct live_psk psk;
    live_psk_make(&psk);
    for (unsigned i = 0; i < 32; i++) // what is set up once in a process is set up now
        serve_once(&psk, i);
    struct usage before = usage_now();
    for (unsigned i = 0; i < SERVERS; i++)
        serve_once(&psk, i);
    check_back("after the servers", &before);
    live_psk_remove(&psk);
}

DG_TEST(servers_that_never_start_or_are_refused_leave_nothing_behind)
{
    static const char *const wrong[] = {"", "/nonexistent", "/dev/null", "/tmp"};
    struct live_psk psk;
    struct usage before = {0};
    live_psk_make(&psk);
    for (unsigned i = 0; i < 400; i++) {
        char error[DTLSGATE_ERROR_SIZE];
        if (i == 40)
            before = usage_now();
        dtlsgate_options *options = dtlsgate_options_new();
        REQUIRE(options != NULL);
        CHECK(dtlsgate_options_set(options, "listen", "127.0.0.1:0", error, sizeof error));
        CHECK(dtlsgate_options_set(options, "backend", "echo", error, sizeof error));
        CHECK(dtlsgate_options_set(options, "log-level", "error", error, sizeof error));
        CHECK(!dtlsgate_options_set(options, "workers", "1000", error, sizeof error));
        const char *file = i % 5 == 4 ? psk.path : wrong[i % 5];
        if (file[0])
            CHECK(dtlsgate_options_set(options, "psk-file", file, error, sizeof error));
        dtlsgate_server *server = dtlsgate_server_new(options, NULL, NULL, error, sizeof error);
        CHECK((server != NULL) == (i % 5 == 4));
        dtlsgate_server_free(server);
        dtlsgate_options_free(options);
    }
    check_back("after the refusals", &before);
    live_psk_remove(&psk);
}

DG_TEST(reloads_leave_nothing_behind)
{
    struct live_psk psk;
    struct usage before = {0};
    live_psk_make(&psk);
    dtlsgate_server *server = live_server_start(&psk);
    for (unsigned i = 0; i < 3000; i++) {
        const struct live_visit visit = {.version = i % 100 ? 13 : 12, .echoes = 1};
        char error[DTLSGATE_ERROR_SIZE];
        if (i == 1000)
            before = usage_now();
        CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
        if (i % 50 == 0)
            CHECK(live_server_visit(server, &psk, &visit));
    }
    check_back("after the reloads", &before);
    dtlsgate_server_free(server);
    live_psk_remove(&psk);
}

DG_TEST(real_associations_opened_and_closed_leave_nothing_behind)
{
    struct live_psk psk;
    struct usage before = {0};
    live_psk_make(&psk);
    dtlsgate_server *server = live_server_start(&psk);
    for (unsigned i = 0; i < REAL_ASSOCIATIONS + 100; i++) {
        const struct live_visit visit = {.version = i & 1 ? 13 : 12, .has_cid = i & 2, .echoes = 1};
        if (i == 100)
            before = usage_now();
        CHECK(live_server_visit(server, &psk, &visit));
    }
    check_back("after the associations", &before);
    CHECK_EQ(dtlsgate_server_counter(server, "associations_opened"), REAL_ASSOCIATIONS + 100);
    dtlsgate_server_free(server);
    live_psk_remove(&psk);
}

// One life through front and engine, without cryptography: hello, cookie, proofs, take-over, a record,
// and an end of one of three kinds.
static bool live_once(struct rig *rig, struct fake_server *server, unsigned number)
{
    struct toy_client client = toy_client_new("192.0.2.9:4000", "192.0.2.1:5684", number & 1, number + 1);
    client.path.peer.port = (uint16_t)(1024 + number % 50000);
    client.offers_cid = number & 2;
    client.cid_size = 4;
    if (front_rig_run(rig, server->now, &client) != TOY_DONE)
        return false;
    if (!dg_engine_take_over(server->engine, server->now, &rig->handover))
        return false;
    fake_server_forget(server);
    struct dg_ref ref = server->ref;
    (void)dg_engine_send(server->engine, server->now, ref, (const uint8_t *)"hello", 5);
    if (number % 3 != 0) // the third kind stays until the next client at its address, or the idle time
        dg_engine_close(server->engine, server->now, ref, DG_COUNT_CLOSED_BY_PEER);
    fake_server_forget(server);
    return true;
}

DG_TEST(hundred_thousand_associations_leave_nothing_behind)
{
    static struct rig rig;
    static struct fake_server server;
    struct usage before = {0};
    struct dg_engine_config config = dg_engine_config_default();
    config.idle_timeout = config.idle_timeout_cid = 60 * DG_SECOND;
    front_rig_init(&rig);
    rig.gate.negotiates_cid = true;
    front_rig_open(&rig);
    fake_server_start(&server, &dg_null_aead, &config);
    for (unsigned i = 0; i < ASSOCIATIONS + 1000; i++) {
        if (i == 1000)
            before = usage_now();
        CHECK_MSG(live_once(&rig, &server, i), "association %u", i);
        fake_server_run(&server, DG_SECOND);
        dg_front_advance(rig.front, server.now);
    }
    fake_server_run(&server, 120 * DG_SECOND); // the vanished ones idle out
    check_back("after the associations", &before);
    CHECK_EQ(dg_engine_live(server.engine), 0);
    CHECK_EQ(dg_front_busy(rig.front), 0);
    CHECK_EQ(rig.gate.live, 0);
    CHECK_EQ(server.opened, ASSOCIATIONS + 1000);
    CHECK_EQ(server.closed, ASSOCIATIONS + 1000);
    fake_server_stop(&server);
    front_rig_close(&rig);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(ten_thousand_servers_leave_nothing_behind),
        DG_CASE(servers_that_never_start_or_are_refused_leave_nothing_behind),
        DG_CASE(reloads_leave_nothing_behind),
        DG_CASE(real_associations_opened_and_closed_leave_nothing_behind),
        DG_CASE(hundred_thousand_associations_leave_nothing_behind),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
