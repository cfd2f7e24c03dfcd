// SPDX-License-Identifier: GPL-3.0-or-later
// The public library: a server made, refused, started, stopped and freed through include/dtlsgate alone.
#include "check.h"

#include "base/random.h"
#include "dtlsgate/dtlsgate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char error[DTLSGATE_ERROR_SIZE];

static void write_psk(char path[64])
{
    snprintf(path, 64, "/tmp/dg-library-XXXXXX");
    int fd = mkstemp(path);
    char line[64];
    int size = snprintf(line, sizeof line, "device:%016llx%016llx\n", (unsigned long long)dg_random_u64(),
                        (unsigned long long)dg_random_u64());
    if (fd < 0 || write(fd, line, (size_t)size) != size || close(fd) != 0)
        abort();
}

static dtlsgate_options *options_for(const char *psk_file, const char *backend)
{
    dtlsgate_options *options = dtlsgate_options_new();
    if (!options || !dtlsgate_options_set(options, "listen", "127.0.0.1:0", error, sizeof error) ||
        !dtlsgate_options_set(options, "backend", backend, error, sizeof error) ||
        !dtlsgate_options_set(options, "workers", "2", error, sizeof error) ||
        (psk_file && !dtlsgate_options_set(options, "psk-file", psk_file, error, sizeof error)))
        abort();
    return options;
}

static void no_datagram(void *context, const dtlsgate_peer *peer, const uint8_t *data, size_t size)
{
    (void)context;
    (void)peer;
    (void)data;
    (void)size;
}

DG_TEST(library_server_starts_and_stops)
{
    char path[64];
    write_psk(path);
    dtlsgate_options *options = options_for(path, "callback");
    dtlsgate_server *server = dtlsgate_server_new(options, no_datagram, NULL, error, sizeof error);
    CHECK_MSG(server != NULL, "%s", error);
    dtlsgate_options_free(options);
    if (server) {
        CHECK(dtlsgate_server_port(server, 0) != 0);
        CHECK_EQ(dtlsgate_server_port(server, 1), 0);
        CHECK_MSG(dtlsgate_server_start(server, error, sizeof error), "%s", error);
        CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
        CHECK_EQ(dtlsgate_server_associations(server), 0);
        CHECK_EQ(dtlsgate_server_counter(server, "no_such_counter"), 0);
        dtlsgate_server_stop(server, 1000);
    }
    dtlsgate_server_free(server);
    unlink(path);
}

// CWE-807: no server without something to check clients by.
DG_TEST(library_refuses_a_server_that_could_not_check_clients)
{
    dtlsgate_options *options = options_for(NULL, "echo");
    CHECK(!dtlsgate_server_new(options, NULL, NULL, error, sizeof error));
    CHECK_MSG(strstr(error, "--psk-file") != NULL, "%s", error);
    dtlsgate_options_free(options);
}

DG_TEST(library_refuses_a_callback_backend_without_callback)
{
    char path[64];
    write_psk(path);
    dtlsgate_options *options = options_for(path, "callback");
    CHECK(!dtlsgate_server_new(options, NULL, NULL, error, sizeof error));
    CHECK_MSG(strstr(error, "--backend: found \"callback\"") != NULL, "%s", error);
    dtlsgate_options_free(options);
    unlink(path);
}

DG_TEST(library_reload_keeps_the_old_credentials_when_the_new_are_bad)
{
    char path[64];
    write_psk(path);
    dtlsgate_options *options = options_for(path, "echo");
    dtlsgate_server *server = dtlsgate_server_new(options, NULL, NULL, error, sizeof error);
    dtlsgate_options_free(options);
    CHECK_MSG(server != NULL, "%s", error);
    if (server && dtlsgate_server_start(server, error, sizeof error)) {
        CHECK(chmod(path, 0644) == 0);
        CHECK(!dtlsgate_server_reload(server, error, sizeof error));
        CHECK_MSG(strstr(error, "chmod 600") != NULL, "%s", error);
        CHECK(chmod(path, 0600) == 0);
        CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
    }
    dtlsgate_server_free(server);
    unlink(path);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

DG_TEST(library_server_of_a_file_reads_it_again)
{
    char keys[64], path[64] = "/tmp/dg-library-XXXXXX", text[512];
    write_psk(keys);
    int fd = mkstemp(path);
    REQUIRE(fd >= 0 && close(fd) == 0);
    static const char form[] = "workers: 1\nassociations-max: 64\nlisteners:\n"
                               "  - {name: one, listen: \"127.0.0.1:0\", backend: callback, psk-file: %s}\n"
                               "  - {name: two, listen: \"127.0.0.1:0\", backend: echo, psk-file: %s}\n%s";
    snprintf(text, sizeof text, form, keys, keys, "");
    write_text(path, text);
    dtlsgate_server *server = dtlsgate_server_new_from_file(path, no_datagram, NULL, error, sizeof error);
    CHECK_MSG(server != NULL, "%s", error);
    REQUIRE(server && dtlsgate_server_start(server, error, sizeof error));
    CHECK(dtlsgate_server_port(server, 0) != 0 && dtlsgate_server_port(server, 1) != 0);
    CHECK_EQ(dtlsgate_server_port(server, 2), 0);
    CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
    snprintf(text, sizeof text, form, keys, keys, "no-such-key: 1\nnor-such-a-one: 2\n");
    write_text(path, text);
    CHECK(!dtlsgate_server_reload(server, error, sizeof error));
    CHECK_MSG(strstr(error, ":6:") && strstr(error, ":7:"), "%s", error); // all that is wrong, by its line
    dtlsgate_server_free(server);
    CHECK(!dtlsgate_server_new_from_file(path, NULL, NULL, error, sizeof error));
    CHECK_MSG(strstr(error, ":6:") && strstr(error, ":7:"), "%s", error);
    unlink(path);
    CHECK(!dtlsgate_server_new_from_file(path, NULL, NULL, error, sizeof error));
    CHECK_MSG(strstr(error, path) != NULL, "%s", error);
    unlink(keys);
}

DG_TEST(library_server_that_never_started_is_freed)
{
    char path[64];
    write_psk(path);
    dtlsgate_options *options = options_for(path, "echo");
    dtlsgate_server *server = dtlsgate_server_new(options, NULL, NULL, error, sizeof error);
    CHECK_MSG(server != NULL, "%s", error);
    dtlsgate_server_free(server);
    dtlsgate_server_free(NULL);
    dtlsgate_options_free(options);
    unlink(path);
}

// What a child makes of its parent's server, which lies in memory that it has no part in: the number of the first call
// that is not refused as the header says, 0: none.
static int use_in_a_child(dtlsgate_server *server)
{
    alarm(20); // threads that are not there are waited for in vain
    error[0] = 0;
    if (dtlsgate_server_start(server, error, sizeof error) || !strstr(error, "fork"))
        return 1;
    error[0] = 0;
    if (dtlsgate_server_reload(server, error, sizeof error) || !strstr(error, "fork"))
        return 2;
    if (dtlsgate_server_associations(server) != 0 || dtlsgate_server_counter(server, "datagrams_received") != 0)
        return 3;
    dtlsgate_server_stop(server, 1000);
    dtlsgate_server_free(server);
    return 0;
}

static void try_in_a_child(dtlsgate_server *server, const char *when)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        _exit(use_in_a_child(server));
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %d, signal %d", when, WEXITSTATUS(status),
              WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

DG_TEST(library_server_is_refused_in_a_child_and_goes_on_in_its_parent)
{
    char path[64];
    write_psk(path);
    dtlsgate_options *options = options_for(path, "echo");
    dtlsgate_server *server = dtlsgate_server_new(options, NULL, NULL, error, sizeof error);
    dtlsgate_options_free(options);
    CHECK_MSG(server != NULL, "%s", error);
    REQUIRE(server);
    try_in_a_child(server, "before its start");
    CHECK_MSG(dtlsgate_server_start(server, error, sizeof error), "%s", error);
    try_in_a_child(server, "after its start");
    CHECK_MSG(dtlsgate_server_reload(server, error, sizeof error), "%s", error);
    dtlsgate_server_stop(server, 1000);
    try_in_a_child(server, "after its end");
    dtlsgate_server_free(server);
    unlink(path);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(library_server_starts_and_stops),
        DG_CASE(library_refuses_a_server_that_could_not_check_clients),
        DG_CASE(library_refuses_a_callback_backend_without_callback),
        DG_CASE(library_reload_keeps_the_old_credentials_when_the_new_are_bad),
        DG_CASE(library_server_of_a_file_reads_it_again),
        DG_CASE(library_server_that_never_started_is_freed),
        DG_CASE(library_server_is_refused_in_a_child_and_goes_on_in_its_parent),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
