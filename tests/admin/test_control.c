// SPDX-License-Identifier: GPL-3.0-or-later
// The administration's thread beside a worker that the test plays: answers come whole, whoever does not read them makes
// nobody work, and whoever goes away in the middle is forgotten.
#include "check.h"

#include "admin/admin.h"
#include "admin/answer.h"
#include "admin/client.h"
#include "core/slot.h"
#include "io/local_socket.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SILENCE_MS 300

struct scene {
    char folder[64], path[128];
    struct dg_mesh *mesh;
    struct dg_failures *failures;
    struct dg_admin *admin;
    uint32_t slices;   // that the worker has
    uint32_t asked;    // how often it was asked
    _Atomic bool reload_works; // the reload has a thread of its own
    uint8_t message[DG_MESSAGE_BYTES_MAX];
};

static void tell_status(void *context, struct dg_admin_status *ret)
{
    (void)context;
    memset(ret, 0, sizeof *ret);
    ret->worker_count = 1;
    ret->live[0] = 5;
    ret->counters[DG_COUNT_DROP_KERNEL] = 3;
    ret->warning_count = 1;
    snprintf(ret->warnings[0], sizeof ret->warnings[0], "something");
}

static bool do_reload(void *context, char *error, size_t error_size)
{
    const struct scene *scene = context;
    snprintf(error, error_size, "the file is broken\nin two lines");
    return scene->reload_works;
}

static void tell_names(void *context, const struct dg_scan_row *row, struct dg_admin_names *ret)
{
    (void)context;
    (void)row;
    snprintf(ret->listener, sizeof ret->listener, "gate");
}

static struct scene *begin_with(dg_time worker_patience)
{
    char error[256] = "";
    struct scene *scene = calloc(1, sizeof *scene);
    if (!scene)
        abort();
    snprintf(scene->folder, sizeof scene->folder, "/tmp/dtlsgate-admin-XXXXXX");
    CHECK(mkdtemp(scene->folder) != NULL);
    snprintf(scene->path, sizeof scene->path, "%s/control.sock", scene->folder);
    scene->mesh = dg_mesh_new(dg_mesh_size(1), DG_MESH_RING_BYTES);
    scene->failures = dg_failures_new();
    const struct dg_admin_config config = {
        .path = scene->path,
        .mesh = scene->mesh,
        .worker_count = 1,
        .failures = scene->failures,
        .worker_patience = worker_patience,
        .server = {.context = scene, .status = tell_status, .reload = do_reload, .name = tell_names},
    };
    scene->admin = dg_admin_new(&config, error, sizeof error);
    CHECK_MSG(scene->admin != NULL && dg_admin_start(scene->admin), "%s", error);
    return scene;
}

static struct scene *begin(void) { return begin_with(DG_MINUTE); }

static void finish(struct scene *scene)
{
    dg_admin_free(scene->admin);
    CHECK(access(scene->path, F_OK) != 0);
    dg_failures_free(scene->failures);
    dg_mesh_free(scene->mesh);
    rmdir(scene->folder);
    free(scene);
}

// A worker's turn: false where nothing has been asked for a while.
static bool serve_worker(struct scene *scene, int patience_ms)
{
    static struct dg_scan_answer answer;
    struct dg_wake *wake = dg_mesh_wake(scene->mesh, dg_mesh_worker(0));
    struct dg_scan_request request;
    uint32_t kind;
    size_t size;
    for (int waited = 0; !dg_mesh_get(scene->mesh, dg_mesh_worker(0), &kind, scene->message, &size);) {
        struct pollfd wait = {.fd = wake->fd, .events = POLLIN};
        uint64_t ignored;
        dg_wake_will_sleep(wake);
        if (!dg_mesh_is_empty(scene->mesh, dg_mesh_worker(0)))
            continue;
        if (poll(&wait, 1, patience_ms) == 0 && waited++ > 0)
            return false;
        if (wait.revents && read(wake->fd, &ignored, sizeof ignored) < 0)
            continue;
    }
    CHECK_EQ(kind, DG_MESSAGE_SCAN);
    memcpy(&request, scene->message, sizeof request);
    memset(&answer, 0, sizeof answer);
    scene->asked++;
    answer.query = request.query;
    answer.cursor = request.cursor + 1;
    answer.is_over = answer.cursor >= scene->slices;
    answer.row_count = scene->slices > 0 ? DG_SCAN_ROWS_MAX : 0;
    for (uint32_t i = 0; i < answer.row_count; i++) {
        answer.rows[i].ref.id = 1 + request.cursor * DG_SCAN_ROWS_MAX + i;
        answer.rows[i].version = 13;
        answer.rows[i].identity_kind = DG_IDENTITY_PSK;
        answer.rows[i].identity_size = DG_IDENTITY_MAX;
        memset(answer.rows[i].identity, '\n', DG_IDENTITY_MAX);
    }
    const struct dg_ring_part part = {&answer, offsetof(struct dg_scan_answer, rows) + answer.row_count * sizeof answer.rows[0]};
    CHECK(dg_mesh_put(scene->mesh, dg_mesh_worker(0), dg_mesh_admin(1), DG_MESSAGE_SCANNED, &part, 1));
    return true;
}

static int ask(const struct scene *scene, const char *line)
{
    int fd = dg_local_connect(scene->path, SOCK_STREAM);
    CHECK(fd >= 0);
    CHECK_EQ(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
    return fd;
}

// Reads what has come; adds the lines that begin with '+'. False: the answer is over.
static bool read_some(int fd, uint64_t *rows, char *last)
{
    char text[65536];
    ssize_t size = recv(fd, text, sizeof text, MSG_DONTWAIT);
    if (size == 0)
        return false;
    for (ssize_t i = 0; i < size; i++) {
        *rows += *last == '\n' && text[i] == '+';
        *last = text[i];
    }
    return true;
}

DG_TEST(control_answer_waits_for_its_reader)
{
    struct scene *scene = begin();
    uint64_t rows = 0;
    char last = '\n';
    scene->slices = 500;
    int fd = ask(scene, "json associations\n");
    CHECK(serve_worker(scene, 10000));
    while (serve_worker(scene, SILENCE_MS)) {
    }
    CHECK_MSG(scene->asked > 0 && scene->asked < 100, "%u slices for somebody who reads nothing", scene->asked);
    while (read_some(fd, &rows, &last))
        while (!dg_mesh_is_empty(scene->mesh, dg_mesh_worker(0)))
            (void)serve_worker(scene, SILENCE_MS);
    CHECK_EQ(scene->asked, scene->slices);
    CHECK_EQ(rows, (uint64_t)scene->slices * DG_SCAN_ROWS_MAX);
    close(fd);
    finish(scene);
}

DG_TEST(control_caller_that_goes_away_is_forgotten)
{
    struct scene *scene = begin();
    scene->slices = 1000000;
    for (int i = 0; i < 40; i++) { // more than there are places
        int fd = ask(scene, i % 2 ? "text associations\n" : "text why nobody\n");
        CHECK(serve_worker(scene, 10000));
        close(fd);
        while (serve_worker(scene, 1) && scene->asked < 100000) {
        }
    }
    CHECK(scene->asked < 100000);
    finish(scene);
}

DG_TEST(control_ends_in_the_middle_of_an_answer)
{
    struct scene *scene = begin();
    scene->slices = 1000;
    int reader = ask(scene, "json associations\n"), waiter = ask(scene, "text close-identity *\n");
    CHECK(serve_worker(scene, 10000));
    finish(scene); // one has an answer in its hands, the other a question out
    close(reader);
    close(waiter);
}

static bool call(struct scene *scene, const char *command, char *text, size_t size, char word[512])
{
    memset(text, 0, size);
    FILE *out = fmemopen(text, size, "w");
    if (!out)
        abort();
    bool done = dg_control_ask(&(struct dg_control_call){.path = scene->path, .command = command}, out, word, 512);
    fclose(out);
    return done;
}

DG_TEST(control_status_and_reload_come_back_as_words)
{
    static char text[16384];
    char word[512];
    struct scene *scene = begin();
    CHECK(call(scene, "status", text, sizeof text, word));
    CHECK(strstr(text, "5 live") != NULL);
    CHECK(strstr(text, "WARNING       something\n") != NULL);
    CHECK(strstr(text, "drop_kernel is 3: ") != NULL); // with what to do
    CHECK(!call(scene, "reload", text, sizeof text, word));
    CHECK_STR(word, "refused, and nothing has changed: the file is broken in two lines");
    scene->reload_works = true;
    CHECK(call(scene, "reload", text, sizeof text, word));
    CHECK_STR(word, "reloaded");
    CHECK(!call(scene, "dance", text, sizeof text, word));
    finish(scene);
}

DG_TEST(control_worker_that_does_not_answer_is_said_so)
{
    static char text[1024];
    char word[512];
    struct scene *scene = begin_with(50 * DG_MILLISECOND);
    scene->slices = 1;
    CHECK(!call(scene, "associations", text, sizeof text, word));
    CHECK_MSG(strstr(word, "a worker does not answer") != NULL, "%s", word);
    CHECK(serve_worker(scene, 10000)); // its answer comes late, to nobody
    CHECK(call(scene, "status", text, sizeof text, word));
    finish(scene);
}

// More callers than there are places, or than the host has descriptors for: they wait, and the thread sleeps.
DG_TEST(control_callers_wait_for_a_place)
{
    static char text[16384];
    char word[512];
    struct scene *scene = begin();
    int waiting[2 * DG_ADMIN_CALLERS_MAX];
    for (size_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++)
        waiting[i] = ask(scene, "text sta");
    int late = ask(scene, "text status\n"); // behind those that say half a word
    struct pollfd wait = {.fd = late, .events = POLLIN};
    CHECK_EQ(poll(&wait, 1, SILENCE_MS), 0);
    close(waiting[3]);
    CHECK_EQ(poll(&wait, 1, 10000), 1);
    CHECK_EQ(recv(late, text, 1, 0), 1);
    CHECK_EQ(text[0], '+');
    close(late);
    for (size_t i = 0; i < DG_ADMIN_CALLERS_MAX; i++)
        if (i != 3)
            close(waiting[i]);
    CHECK(call(scene, "status", text, sizeof text, word));
    finish(scene);
}

DG_TEST(control_socket_that_somebody_listens_at_is_left_alone)
{
    char error[256];
    struct scene *scene = begin();
    const struct dg_admin_config config = {.path = scene->path, .mesh = scene->mesh, .worker_count = 1};
    CHECK(dg_admin_new(&config, error, sizeof error) == NULL);
    CHECK_MSG(strstr(error, "another server listens there") != NULL, "%s", error);
    CHECK(access(scene->path, F_OK) == 0);
    const struct dg_admin_config nowhere = {.path = "/nowhere/control.sock", .mesh = scene->mesh, .worker_count = 1};
    CHECK(dg_admin_new(&nowhere, error, sizeof error) == NULL);
    CHECK_MSG(strstr(error, "folder does not exist") != NULL, "%s", error);
    finish(scene);
}

// What a refusal quotes of a file reaches a terminal: no escape, no control character of UTF-8, no further line.
DG_TEST(control_words_carry_nothing_that_a_terminal_obeys)
{
    char *text = NULL;
    size_t size = 0;
    struct dg_answer answer = {.out = open_memstream(&text, &size)};
    REQUIRE(answer.out != NULL);
    dg_answer_refused(&answer, "%s", "a\x1b[2J\nb\xc2\x9b" "2Jc\x9b\x7f\xc3\xa9");
    CHECK_EQ(fclose(answer.out), 0);
    CHECK_STR(text, "!a [2J b\\xc2\\x9b2Jc\\x9b \\xc3\\xa9\n");
    free(text);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(control_words_carry_nothing_that_a_terminal_obeys),
        DG_CASE(control_answer_waits_for_its_reader),
        DG_CASE(control_caller_that_goes_away_is_forgotten),
        DG_CASE(control_ends_in_the_middle_of_an_answer),
        DG_CASE(control_status_and_reload_come_back_as_words),
        DG_CASE(control_worker_that_does_not_answer_is_said_so),
        DG_CASE(control_callers_wait_for_a_place),
        DG_CASE(control_socket_that_somebody_listens_at_is_left_alone),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
