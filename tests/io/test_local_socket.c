// SPDX-License-Identifier: GPL-3.0-or-later
// Sockets in the file system: which are replaced, which are left alone, and that whoever listens is never bothered.
#include "check.h"
#include "io/local_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const int TYPES[] = {SOCK_STREAM, SOCK_SEQPACKET};

struct place {
    char folder[64];
    char path[96];
};

static bool place_make(struct place *place)
{
    snprintf(place->folder, sizeof place->folder, "/tmp/dtlsgate-local-XXXXXX");
    if (mkdtemp(place->folder) == NULL)
        return false;
    snprintf(place->path, sizeof place->path, "%s/socket", place->folder);
    return true;
}

static void place_remove(const struct place *place)
{
    (void)unlink(place->path);
    (void)rmdir(place->folder);
}

// To connect to an upgrade socket is to ask for an upgrade: a second start by mistake must not.
DG_TEST(local_socket_second_listener_is_refused_and_does_not_call_the_first)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        struct place place;
        char error[512] = "";
        bool is_refused;
        REQUIRE(place_make(&place));
        int first = dg_local_listen(place.path, TYPES[i], 4, error, sizeof error);
        REQUIRE(first >= 0);
        CHECK(dg_local_listen(place.path, TYPES[i], 4, error, sizeof error) < 0);
        CHECK_MSG(strstr(error, "another server listens there") != NULL, "%s", error);
        CHECK(dg_local_accept(first, &is_refused) < 0 && !is_refused); // nobody called
        int caller = dg_local_connect(place.path, TYPES[i]);           // and it can still be
        int called = dg_local_accept(first, &is_refused);
        CHECK(caller >= 0 && called >= 0);
        close(called);
        close(caller);
        close(first);
        place_remove(&place);
    }
}

DG_TEST(local_socket_that_a_dead_process_left_is_replaced)
{
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        struct place place;
        char error[512] = "";
        struct stat status;
        REQUIRE(place_make(&place));
        close(dg_local_listen(place.path, TYPES[i], 4, error, sizeof error));
        REQUIRE(lstat(place.path, &status) == 0);
        int second = dg_local_listen(place.path, TYPES[i], 4, error, sizeof error);
        CHECK_MSG(second >= 0, "%s", error);
        CHECK(lstat(place.path, &status) == 0 && (status.st_mode & 0777) == 0600);
        close(second);
        place_remove(&place);
    }
}

// Another server at its start, between the two calls; a file; a queue that is full: none of them is taken away.
DG_TEST(local_socket_leaves_alone_what_is_not_left_behind)
{
    struct place place;
    char error[512] = "";
    struct stat status;
    REQUIRE(place_make(&place));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, place.path, strlen(place.path));
    int bound = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(bound, (struct sockaddr *)&name, sizeof name) == 0);
    CHECK(dg_local_listen(place.path, SOCK_STREAM, 4, error, sizeof error) < 0);
    CHECK(listen(bound, 0) == 0);
    int callers[4];
    for (size_t i = 0; i < 4; i++)
        callers[i] = dg_local_connect(place.path, SOCK_STREAM | SOCK_NONBLOCK);
    CHECK(callers[0] >= 0 && callers[3] < 0); // no more can wait
    CHECK(dg_local_listen(place.path, SOCK_STREAM, 4, error, sizeof error) < 0);
    for (size_t i = 0; i < 4; i++)
        if (callers[i] >= 0)
            close(callers[i]);
    close(bound);
    (void)unlink(place.path);
    FILE *file = fopen(place.path, "we");
    REQUIRE(file != NULL);
    fclose(file);
    CHECK(dg_local_listen(place.path, SOCK_STREAM, 4, error, sizeof error) < 0);
    CHECK(lstat(place.path, &status) == 0 && S_ISREG(status.st_mode));
    place_remove(&place);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(local_socket_second_listener_is_refused_and_does_not_call_the_first),
        DG_CASE(local_socket_that_a_dead_process_left_is_replaced),
        DG_CASE(local_socket_leaves_alone_what_is_not_left_behind),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
