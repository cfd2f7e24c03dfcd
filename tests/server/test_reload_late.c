// SPDX-License-Identifier: GPL-3.0-or-later
// A reload while a worker stands still, here in the callback of the program that embeds the library: it ends, says who is
// late, and is in force there too as soon as the worker goes on.
#include "check.h"
#include "base/log.h"
#include "dtlsgate/dtlsgate.h"
#include "support/live_client.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char error[DTLSGATE_ERROR_SIZE];
static sem_t stands, may_go;

static void stand_still(void *context, const dtlsgate_peer *peer, const uint8_t *data, size_t size)
{
    (void)context;
    sem_post(&stands);
    while (sem_wait(&may_go) != 0) {
    }
    (void)dtlsgate_answer(peer, data, size);
}

static dtlsgate_server *start(const struct live_psk *psk)
{
    static const char *const settings[][2] = {{"listen", "127.0.0.1:0"}, {"workers", "1"}, {"backend", "callback"},
                                              {"associations-max", "64"}};
    dtlsgate_options *options = dtlsgate_options_new();
    bool done = options != NULL && dtlsgate_options_set(options, "psk-file", psk->path, error, sizeof error);
    for (size_t i = 0; done && i < sizeof settings / sizeof settings[0]; i++)
        done = dtlsgate_options_set(options, settings[i][0], settings[i][1], error, sizeof error);
    dtlsgate_server *server = done ? dtlsgate_server_new(options, stand_still, NULL, error, sizeof error) : NULL;
    dtlsgate_options_free(options);
    if (server == NULL || !dtlsgate_server_start(server, error, sizeof error)) {
        fprintf(stderr, "no server: %s\n", error);
        abort();
    }
    return server;
}

static void write_keys(const struct live_psk *psk, const char *line)
{
    FILE *file = fopen(psk->path, "w");
    if (file == NULL || fputs(line, file) < 0 || fclose(file) != 0)
        abort();
}

// How often this stands in the log.
static unsigned count_lines(int log, const char *words)
{
    static char text[1 << 16];
    ssize_t size = pread(log, text, sizeof text - 1, 0);
    unsigned count = 0;
    text[size > 0 ? size : 0] = '\0';
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
        count++;
    return count;
}

DG_TEST(reload_does_not_wait_for_a_stuck_worker_and_reaches_it_later)
{
    char log_path[] = "/tmp/dtlsgate-late-XXXXXX";
    struct live_psk psk;
    int log = mkstemp(log_path);
    REQUIRE(log >= 0 && unlink(log_path) == 0 && sem_init(&stands, 0, 0) == 0 && sem_init(&may_go, 0, 0) == 0);
    live_psk_make(&psk);
    dtlsgate_server *server = start(&psk);
    const struct live_visit visit = {.version = 13, .has_cid = true};
    struct live_client *client = live_client_open(server, &psk, &visit);
    REQUIRE(client != NULL);
    dg_log_set_fd(log);
    CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
    CHECK_EQ(count_lines(log, "event=reload-late"), 0);

    CHECK(wolf_client_write(live_client_wolf(client), "stop", 4));
    REQUIRE(sem_wait(&stands) == 0);
    write_keys(&psk, "another:00112233445566778899aabbccddeeff\n");
    for (unsigned i = 1; i <= 2; i++) {
        CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
        CHECK_EQ(count_lines(log, "event=reload-late thread=worker number=0"), i);
    }
    CHECK_EQ(count_lines(log, "thread=front"), 0); // takes the new one without the worker
    CHECK_EQ(dtlsgate_server_associations(server), 1);
    sem_post(&may_go);
    CHECK(live_client_ends(client)); // whose key is gone
    CHECK_EQ(dtlsgate_server_counter(server, "closed_unauthorised"), 1);
    CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
    CHECK_EQ(count_lines(log, "event=reload-late"), 2);

    live_client_free(client);
    dtlsgate_server_free(server);
    dg_log_set_fd(STDERR_FILENO);
    live_psk_remove(&psk);
    close(log);
}

// Whom the front lets in by the new configuration meanwhile is not judged by the one before, though the worker reads of him
// first and of the reload then.
DG_TEST(reload_late_worker_judges_newcomers_by_the_new_configuration)
{
    static const uint8_t key[] = {0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    struct live_psk psk;
    REQUIRE(sem_init(&stands, 0, 0) == 0 && sem_init(&may_go, 0, 0) == 0);
    live_psk_make(&psk);
    dtlsgate_server *server = start(&psk);
    const struct live_visit visit = {.version = 13, .has_cid = true};
    struct live_client *client = live_client_open(server, &psk, &visit);
    REQUIRE(client != NULL);
    CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
    CHECK(wolf_client_write(live_client_wolf(client), "stop", 4));
    REQUIRE(sem_wait(&stands) == 0);
    write_keys(&psk, "another:00112233445566778899aabbccddeeff\n");
    CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
    const struct wolf_client_config config = {.version = 12, // done before its worker knows of it
                                              .psk_identity = "another",
                                              .psk_key = key,
                                              .psk_key_size = sizeof key,
                                              .groups = {WOLF_GROUP_X25519}};
    struct live_client *newcomer = live_client_dial(dtlsgate_server_port(server, 0), &config, NULL);
    REQUIRE(newcomer != NULL);
    sem_post(&may_go);
    sem_post(&may_go); // for the newcomer's message too
    CHECK(live_client_echo(newcomer, 1));
    CHECK_EQ(dtlsgate_server_counter(server, "fail_policy"), 0);

    live_client_free(newcomer);
    live_client_free(client);
    dtlsgate_server_free(server);
    live_psk_remove(&psk);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(reload_does_not_wait_for_a_stuck_worker_and_reaches_it_later),
        DG_CASE(reload_late_worker_judges_newcomers_by_the_new_configuration),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
