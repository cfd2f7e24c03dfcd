// SPDX-License-Identifier: GPL-3.0-or-later
// The HTTP side alone: where it listens and where not, its few answers, clients that misbehave, and which files it leaves.
#include "admin/http.h"
#include "check.h"
#include "io/local_address.h"
#include "io/local_socket.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool healthy;
static void view(void *context, struct dg_metrics *ret)
{
    (void)context;
    *ret = (struct dg_metrics){.version = "test"};
}
static bool is_healthy(void *context)
{
    (void)context;
    return healthy;
}

static struct dg_http *open_http(const char *address, char *error, size_t error_size)
{
    const struct dg_http_config config = {.address = address, .view = view, .is_healthy = is_healthy};
    struct dg_http *http = dg_http_new(&config, error, error_size);
    if (http == NULL || dg_http_start(http, error, error_size))
        return http;
    dg_http_free(http);
    return NULL;
}

static void in_folder(char path[64], const char *name)
{
    static char folder[40];
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/tmp/dtlsgate-http-XXXXXX");
        if (mkdtemp(folder) == NULL)
            abort();
    }
    snprintf(path, 64, "%s/%s", folder, name);
}

// The whole answer; empty: none within five seconds.
static void ask(int fd, const char *request, char *answer, size_t size)
{
    size_t got = 0;
    CHECK_EQ(send(fd, request, strlen(request), MSG_NOSIGNAL), (long long)strlen(request));
    for (;;) {
        struct pollfd polled = {.fd = fd, .events = POLLIN};
        ssize_t more = poll(&polled, 1, 20000) == 1 ? recv(fd, answer + got, size - 1 - got, 0) : 0;
        if (more <= 0)
            break;
        got += (size_t)more;
    }
    answer[got] = '\0';
    close(fd);
}

DG_TEST(http_listens_on_loopback_alone)
{
    static const char *const refused[] = {"0.0.0.0:9684", "192.0.2.1:9684", "[::]:9684", "9684", "unix:",
                                          "unix:metrics.sock", "unix:./x", "localhost", ""};
    struct dg_local_address address;
    char error[256];
    for (size_t i = 0; i < COUNT(refused); i++) {
        CHECK_MSG(!dg_local_address_read("metrics", refused[i], &address, error, sizeof error), "%s was taken", refused[i]);
        CHECK_MSG(strstr(error, "--metrics: found") != NULL && strstr(error, "expected") != NULL, "it says \"%s\"", error);
        CHECK(open_http(refused[i], error, sizeof error) == NULL);
    }
    CHECK(dg_local_address_read("metrics", "[::1]:9684", &address, error, sizeof error) && address.path == NULL);
    CHECK(dg_local_address_read("metrics", "127.9.9.9:0", &address, error, sizeof error));
    CHECK(dg_local_address_read("metrics", "unix:/x", &address, error, sizeof error));
    CHECK_STR(address.path, "/x");
}

DG_TEST(http_answers_three_paths_and_two_methods)
{
    static const struct {
        const char *request, *status, *holds;
    } cases[] = {
        {"GET /metrics", "200", "dtlsgate_build_info{version=\"test\"} 1"},
        {"GET /status.json", "200", "\"version\": \"test\""},
        {"HEAD /metrics", "200", "Content-Type: text/plain; version=0.0.4"},
        {"GET /healthz", "200", "ok"},
        {"GET /metrics/", "404", "/status.json"},
        {"GET /../../etc/passwd", "404", ""},
        {"GET /metrics%2f", "404", ""},
        {"DELETE /metrics", "405", "Allow: GET, HEAD"},
    };
    char path[64], address[80], error[256], request[256];
    static char answer[262144];
    in_folder(path, "answers");
    snprintf(address, sizeof address, "unix:%s", path);
    healthy = true;
    struct dg_http *http = open_http(address, error, sizeof error);
    REQUIRE(http != NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        int fd = dg_local_connect(path, SOCK_STREAM);
        CHECK(fd >= 0);
        snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", cases[i].request);
        ask(fd, request, answer, sizeof answer);
        CHECK_MSG(strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, cases[i].status, 3) == 0, "%s: %.40s",
                  cases[i].request, answer);
        CHECK_MSG(strstr(answer, cases[i].holds) != NULL, "%s: %.400s", cases[i].request, answer);
    }
    healthy = false;
    ask(dg_local_connect(path, SOCK_STREAM), "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, sizeof answer);
    CHECK_MSG(strncmp(answer, "HTTP/1.1 503", 12) == 0, "%.40s", answer);
    dg_http_free(http);
}

// Nobody holds a connection by a body that comes slowly, or never: it is not waited for.
DG_TEST(http_answers_a_request_with_a_body_without_reading_it)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000000\r\n\r\n", "405"},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000000\r\n\r\n", "413"},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "413"},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "200"},
    };
    char path[64], address[80], error[256];
    static char answer[262144];
    in_folder(path, "bodies");
    snprintf(address, sizeof address, "unix:%s", path);
    struct dg_http *http = open_http(address, error, sizeof error);
    REQUIRE(http != NULL);
    for (size_t i = 0; i < COUNT(cases); i++) {
        ask(dg_local_connect(path, SOCK_STREAM), cases[i].request, answer, sizeof answer);
        CHECK_MSG(strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, cases[i].status, 3) == 0, "%s: %.40s",
                  cases[i].request, answer);
    }
    dg_http_free(http);
}

DG_TEST(http_serves_while_others_say_nothing)
{
    char path[64], address[80], error[256];
    static char answer[262144], flood[40000];
    int idle[8];
    in_folder(path, "idle");
    snprintf(address, sizeof address, "unix:%s", path);
    healthy = true;
    struct dg_http *http = open_http(address, error, sizeof error);
    REQUIRE(http != NULL);
    for (size_t i = 0; i < COUNT(idle); i++)
        CHECK((idle[i] = dg_local_connect(path, SOCK_STREAM)) >= 0);
    ask(dg_local_connect(path, SOCK_STREAM), "GET /healthz HTTP/1.0\r\n\r\n", answer, sizeof answer);
    CHECK_MSG(strncmp(answer, "HTTP/1", 6) == 0 && strstr(answer, "ok\n") != NULL, "%.60s", answer);
    // Headers beyond what a connection may take are an error, and garbage ends its connection: the server goes on.
    memset(flood, 'x', sizeof flood - 1);
    memcpy(flood, "GET /metrics HTTP/1.1\r\nX: ", 26);
    ask(dg_local_connect(path, SOCK_STREAM), flood, answer, sizeof answer);
    CHECK_MSG(strstr(answer, "200 OK") == NULL, "%.60s", answer);
    ask(dg_local_connect(path, SOCK_STREAM), "\x16\x03\x01 nonsense\r\n\r\n", answer, sizeof answer);
    CHECK_MSG(strstr(answer, "200 OK") == NULL, "%.60s", answer);
    ask(dg_local_connect(path, SOCK_STREAM), "GET /healthz HTTP/1.0\r\n\r\n", answer, sizeof answer);
    CHECK_MSG(strstr(answer, "ok\n") != NULL, "%.60s", answer);
    for (size_t i = 0; i < COUNT(idle); i++)
        close(idle[i]);
    dg_http_free(http);
}

DG_TEST(http_socket_is_its_users_and_removed_by_who_made_it)
{
    char path[64], address[80], error[256];
    struct stat file;
    in_folder(path, "mine");
    snprintf(address, sizeof address, "unix:%s", path);
    struct dg_http *first = open_http(address, error, sizeof error);
    REQUIRE(first != NULL);
    CHECK(stat(path, &file) == 0 && S_ISSOCK(file.st_mode));
    CHECK_EQ(file.st_mode & 07777, 0600);
    CHECK(open_http(address, error, sizeof error) == NULL); // somebody listens there
    CHECK_MSG(strstr(error, "another server listens there") != NULL, "it says \"%s\"", error);
    CHECK_EQ(unlink(path), 0); // as if its folder had been cleaned
    struct dg_http *second = open_http(address, error, sizeof error);
    REQUIRE(second != NULL);
    dg_http_free(first);
    CHECK_EQ(stat(path, &file), 0); // the second one's
    dg_http_free(second);
    CHECK_EQ(stat(path, &file), -1);
}

DG_TEST(http_listens_on_a_port_of_loopback)
{
    char error[256];
    static char answer[262144];
    healthy = true;
    struct dg_http *http = open_http("127.0.0.1:0", error, sizeof error);
    REQUIRE(http != NULL);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(dg_http_port(http)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(connect(fd, (const struct sockaddr *)&name, sizeof name), 0);
    ask(fd, "GET /healthz HTTP/1.0\r\n\r\n", answer, sizeof answer);
    CHECK_MSG(strstr(answer, "ok\n") != NULL, "%.60s", answer);
    dg_http_free(http);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(http_listens_on_loopback_alone),
    DG_CASE(http_answers_three_paths_and_two_methods),
    DG_CASE(http_answers_a_request_with_a_body_without_reading_it),
    DG_CASE(http_serves_while_others_say_nothing),
    DG_CASE(http_socket_is_its_users_and_removed_by_who_made_it),
    DG_CASE(http_listens_on_a_port_of_loopback),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
