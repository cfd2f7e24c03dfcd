// SPDX-License-Identifier: GPL-3.0-or-later
// The length of our connection IDs is the memory file's: a server that goes on with one keeps it, whatever its own
// options say.
#include "base/log.h"
#include "check.h"
#include "server/server_state.h"
#include "support/live_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct live_psk psk;

static struct dg_options options_with(uint32_t length)
{
    struct dg_options options;
    char error[512] = "";
    dg_options_default(&options);
    CHECK_MSG(dg_options_set(&options, "listen", "127.0.0.1:0", error, sizeof error) &&
              dg_options_set(&options, "backend", "echo", error, sizeof error) &&
              dg_options_set(&options, "workers", "1", error, sizeof error) &&
              dg_options_set(&options, "associations-max", "4096", error, sizeof error) &&
              dg_options_set(&options, "log-level", "warning", error, sizeof error) &&
              dg_options_set(&options, "psk-file", psk.path, error, sizeof error), "%s", error);
    options.connection_id_length = length;
    return options;
}

static bool says_so(struct dg_server *server)
{
    char error[512], text[8192] = "";
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    dg_log_set_fd(ends[1]);
    CHECK_MSG(dg_server_start(server, error, sizeof error), "%s", error);
    dg_server_stop(server, 1000);
    dg_log_set_fd(2);
    ssize_t size = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    close(ends[1]);
    return size > 0 && strstr(text, "event=memory") && strstr(text, "--connection-id-length is not what the memory file");
}

DG_TEST(server_that_goes_on_keeps_the_length_of_connection_ids)
{
    static struct dg_inherited kept[DG_INHERITANCE_MAX];
    char error[512] = "";
    live_psk_make(&psk);
    struct dg_options options = options_with(4);
    struct dg_server *first = dg_server_new(&options, NULL, NULL, error, sizeof error);
    REQUIRE(first != NULL);
    CHECK_EQ(first->memfile.memory.shape.cid_size, 4);
    CHECK_EQ(first->memfile.memory.header->steer.cid_size, 4);
    struct dg_inheritance inherited = {.items = kept, .count = dg_server_keep(first, kept)};
    for (size_t i = 0; i < inherited.count; i++) {
        kept[i].fd = fcntl(kept[i].fd, F_DUPFD_CLOEXEC, 0);
        REQUIRE(kept[i].fd >= 0);
    }
    dg_server_free(first);

    options = options_with(16);
    struct dg_server *next = dg_server_new_from(&options, NULL, NULL, &inherited, error, sizeof error);
    CHECK_MSG(next != NULL, "%s", error);
    if (next != NULL) {
        CHECK_EQ(next->memfile.memory.shape.cid_size, 4);
        CHECK_EQ(next->memfile.memory.header->steer.cid_size, 4);
        CHECK_MSG(says_so(next), "the log does not say that 16 has to wait");
        dg_server_free(next);
    }
    next = dg_server_new(&options, NULL, NULL, error, sizeof error);
    REQUIRE(next != NULL);
    CHECK_EQ(next->memfile.memory.shape.cid_size, 16);
    dg_server_free(next);
    live_psk_remove(&psk);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(server_that_goes_on_keeps_the_length_of_connection_ids),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
