// SPDX-License-Identifier: GPL-3.0-or-later
// Metrics of a server inside another program, through the public library alone: the program's signals stay its own, two
// servers show each their own numbers, and nothing is left behind.
#include "check.h"
#include "support/live_server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char error[DTLSGATE_ERROR_SIZE];

static dtlsgate_server *start(const struct live_psk *psk, const char *path)
{
    char address[128];
    snprintf(address, sizeof address, "unix:%s", path);
    const char *const settings[][2] = {{"listen", "127.0.0.1:0"}, {"backend", "echo"}, {"workers", "1"},
                                       {"associations-max", "16384"}, {"log-level", "error"}, {"metrics", address},
                                       {"psk-file", psk->path}};
    dtlsgate_options *options = dtlsgate_options_new();
    bool done = options != NULL;
    for (size_t i = 0; done && i < sizeof settings / sizeof settings[0]; i++)
        done = dtlsgate_options_set(options, settings[i][0], settings[i][1], error, sizeof error);
    dtlsgate_server *server = done ? dtlsgate_server_new(options, NULL, NULL, error, sizeof error) : NULL;
    dtlsgate_options_free(options);
    if (server != NULL && !dtlsgate_server_start(server, error, sizeof error)) {
        dtlsgate_server_free(server);
        return NULL;
    }
    return server;
}

// The value of a metric; -1: there is none.
static long long ask(const char *path, const char *metric)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    static char answer[262144];
    char line[128];
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t got = 0;
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof name) != 0)
        return -1;
    CHECK_EQ(send(fd, request, strlen(request), MSG_NOSIGNAL), (long long)strlen(request));
    for (ssize_t more = 1; more > 0 && got < sizeof answer - 1; got += more > 0 ? (size_t)more : 0)
        more = recv(fd, answer + got, sizeof answer - 1 - got, 0);
    answer[got] = '\0';
    close(fd);
    snprintf(line, sizeof line, "\n%s ", metric);
    const char *found = strstr(answer, line);
    return found != NULL ? atoll(found + strlen(line)) : -1;
}

// What a turn took is recorded at its end, which is after its answers have gone out.
static long long ask_until(const char *path, const char *metric, long long expected)
{
    long long found = ask(path, metric);
    for (int attempt = 0; attempt < 2000 && found != expected; attempt++) {
        usleep(10000);
        found = ask(path, metric);
    }
    return found;
}

DG_TEST(library_shows_metrics_of_each_server)
{
    char folder[] = "/tmp/dtlsgate-metrics-XXXXXX", paths[2][64];
    struct live_psk psk;
    struct stat file;
    sigset_t before, after;
    live_psk_make(&psk);
    REQUIRE(mkdtemp(folder) != NULL);
    snprintf(paths[0], sizeof paths[0], "%s/first", folder);
    snprintf(paths[1], sizeof paths[1], "%s/second", folder);
    sigemptyset(&before);
    sigemptyset(&after);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    dtlsgate_server *first = start(&psk, paths[0]), *second = start(&psk, paths[1]);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK_EQ(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
    CHECK(start(&psk, paths[0]) == NULL); // its place is taken
    CHECK_MSG(strstr(error, "--metrics") != NULL, "it says \"%s\"", error);
    REQUIRE(first != NULL && second != NULL);
    const struct live_visit visit = {.version = 13, .echoes = 3};
    CHECK(live_server_visit(first, &psk, &visit));
    CHECK_EQ(ask(paths[0], "dtlsgate_plaintext_delivered_total"), 3);
    CHECK_EQ(ask(paths[0], "dtlsgate_handshake_seconds_count{version=\"1.3\",resumed=\"no\"}"), 1);
    CHECK_EQ(ask_until(paths[0], "dtlsgate_through_seconds_count{direction=\"to_client\"}", 3), 3);
    CHECK_EQ(ask(paths[1], "dtlsgate_plaintext_delivered_total"), 0);
    dtlsgate_server_free(first);
    CHECK_EQ(stat(paths[0], &file), -1);
    CHECK_EQ(ask(paths[1], "dtlsgate_ending"), 0);
    dtlsgate_server_free(second);
    CHECK_EQ(stat(paths[1], &file), -1);
    CHECK_EQ(rmdir(folder), 0);
    live_psk_remove(&psk);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(library_shows_metrics_of_each_server),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
