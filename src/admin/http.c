// SPDX-License-Identifier: GPL-3.0-or-later
// Listening, and the three answers, by GNU libmicrohttpd. Owns the listening socket and the library's thread. Looks at
// method and path of a request, and at nothing else of it.
#include "admin/http.h"

#include "io/local_address.h"
#include "io/local_socket.h"
#include "io/sockaddr.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECTIONS_MAX 16u
#define CONNECTION_SECONDS 5u
#define CONNECTION_BYTES ((size_t)16 * 1024) // a request's line and headers, and our headers

struct dg_http {
    struct dg_http_config config;
    int fd;                    // listens; -1: the daemon's to close
    struct MHD_Daemon *daemon; // NULL: nobody answers yet
    uint16_t port;
    char path[DG_LOCAL_PATH_MAX]; // of the Unix socket, and which file that was
    dev_t device;
    ino_t inode;
};

// --- answers ---------------------------------------------------------------------------------------------------------

struct page {
    const char *path;
    const char *type;
    void (*print)(const struct dg_metrics *metrics, FILE *out);
};
static const struct page PAGES[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", dg_metrics_prometheus},
    {"/status.json", "application/json", dg_metrics_json},
};

// body: malloc'd, the library's from then on.
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *type, char *body, size_t size)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(size, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) {
        free(body);
        return MHD_NO;
    }
    bool done = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
                MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
                MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
                (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
                 MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES);
    enum MHD_Result result = done ? MHD_queue_response(connection, status, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_line(struct MHD_Connection *connection, unsigned status, const char *line)
{
    char *body = strdup(line);
    return body != NULL ? answer(connection, status, "text/plain; charset=utf-8", body, strlen(body)) : MHD_NO;
}

static enum MHD_Result answer_page(const struct dg_http *http, struct MHD_Connection *connection,
                                   const struct page *page)
{
    struct dg_metrics *metrics = calloc(1, sizeof *metrics);
    char *body = NULL;
    size_t size = 0;
    FILE *out = metrics != NULL ? open_memstream(&body, &size) : NULL;
    bool done = out != NULL;
    if (done) {
        http->config.view(http->config.context, metrics);
        page->print(metrics, out);
        done = ferror(out) == 0;
        done = fclose(out) == 0 && done;
    }
    free(metrics);
    if (!done) {
        free(body);
        return answer_line(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "memory is short\n");
    }
    return answer(connection, MHD_HTTP_OK, page->type, body, size);
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *size = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return (size != NULL && strcmp(size, "0") != 0) ||
           MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **request)
{
    const struct dg_http *http = context;
    static const char is_known;
    (void)version, (void)upload, (void)upload_size;
    if (*request == NULL) { // the headers are here, a body would come now: whoever is answered at once, its is not read
        *request = (void *)(uintptr_t)&is_known;
        if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
            return answer_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        return has_body(connection) ? answer_line(connection, MHD_HTTP_CONTENT_TOO_LARGE, "a request has no body\n") : MHD_YES;
    }
    for (size_t i = 0; i < sizeof PAGES / sizeof PAGES[0]; i++)
        if (strcmp(url, PAGES[i].path) == 0)
            return answer_page(http, connection, &PAGES[i]);
    if (strcmp(url, "/healthz") != 0)
        return answer_line(connection, MHD_HTTP_NOT_FOUND, "there are /metrics, /status.json and /healthz\n");
    return http->config.is_healthy(http->config.context)
               ? answer_line(connection, MHD_HTTP_OK, "ok\n")
               : answer_line(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "a thread does not turn, or the server ends\n");
}

// --- listening -------------------------------------------------------------------------------------------------------

static int listen_tcp(struct dg_http *http, const struct dg_address *address, char *error, size_t error_size)
{
    struct dg_address bound;
    union dg_sockaddr name;
    static const int one = 1;
    socklen_t size = dg_sockaddr_from(&name, address);
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool done = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                bind(fd, &name.any, size) == 0 && listen(fd, (int)CONNECTIONS_MAX) == 0;
    size = sizeof name;
    done = done && getsockname(fd, &name.any, &size) == 0 && dg_sockaddr_to(&name, size, &bound);
    if (done) {
        http->port = bound.port;
        return fd;
    }
    snprintf(error, error_size, "--metrics: %s: %s", http->config.address, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

static int listen_unix(struct dg_http *http, const char *path, char *error, size_t error_size)
{
    char reason[300];
    struct stat file;
    int fd = dg_local_listen(path, SOCK_STREAM, (int)CONNECTIONS_MAX, reason, sizeof reason);
    if (fd < 0) {
        snprintf(error, error_size, "--metrics: %s", reason);
        return -1;
    }
    snprintf(http->path, sizeof http->path, "%s", path);
    if (lstat(path, &file) == 0) {
        http->device = file.st_dev;
        http->inode = file.st_ino;
    }
    return fd;
}

// In the library's thread, which has only waited before that.
static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
    const struct dg_http *http = context;
    (void)connection, (void)socket_context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED && http->config.begin != NULL)
        http->config.begin();
}

// The library's thread takes no signal: they are the program's.
static struct MHD_Daemon *start(struct dg_http *http, int fd)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL, on_request, http,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        CONNECTION_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_END);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return daemon;
}

struct dg_http *dg_http_new(const struct dg_http_config *config, char *error, size_t error_size)
{
    struct dg_local_address address;
    if (!dg_local_address_read("metrics", config->address, &address, error, error_size))
        return NULL;
    struct dg_http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        snprintf(error, error_size, "--metrics: memory is short");
        return NULL;
    }
    http->config = *config;
    http->fd = address.path != NULL ? listen_unix(http, address.path, error, error_size)
                                    : listen_tcp(http, &address.address, error, error_size);
    if (http->fd >= 0)
        return http;
    free(http);
    return NULL;
}

bool dg_http_start(struct dg_http *http, char *error, size_t error_size)
{
    http->daemon = start(http, http->fd);
    if (http->daemon == NULL) {
        snprintf(error, error_size, "--metrics: the HTTP library does not start: descriptors or threads are short");
        return false;
    }
    http->fd = -1;
    return true;
}

// Another server, our successor perhaps, may listen under this name by now.
static void remove_socket(const struct dg_http *http)
{
    struct stat file;
    if (http->path[0] != '\0' && lstat(http->path, &file) == 0 && file.st_dev == http->device &&
        file.st_ino == http->inode)
        (void)unlink(http->path);
}

void dg_http_free(struct dg_http *http)
{
    if (http == NULL)
        return;
    remove_socket(http);
    if (http->daemon != NULL)
        MHD_stop_daemon(http->daemon); // closes the socket
    if (http->fd >= 0)
        close(http->fd);
    free(http);
}

const char *dg_http_path(const struct dg_http *http) { return http->path[0] != '\0' ? http->path : NULL; }

uint16_t dg_http_port(const struct dg_http *http) { return http->port; }
