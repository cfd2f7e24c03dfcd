// SPDX-License-Identifier: GPL-3.0-or-later
// Which folders a server's sandbox leaves open for its sockets: theirs, and no other. Each case confines a child.
#include "check.h"

#include "server/sandbox.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// What a confined server could do (bits of its exit status).
enum { REMOVES_BESIDE = 1, REMOVES_AMONG_SOCKETS = 2, IS_FREE = 4, IS_BROKEN = 8 };

static const char *const files[] = {"elsewhere", "here/beside", "sockets/one", "keys/psk.txt"};
static const char *const folders[] = {"here", "sockets", "keys"};

static bool make_files(char folder[])
{
    bool done = mkdtemp(folder) != NULL && chdir(folder) == 0;
    for (size_t i = 0; done && i < sizeof folders / sizeof folders[0]; i++)
        done = mkdir(folders[i], 0700) == 0;
    for (size_t i = 0; done && i < sizeof files / sizeof files[0]; i++) {
        int fd = open(files[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        done = fd >= 0 && close(fd) == 0;
    }
    return done;
}

static void remove_files(const char *folder)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        (void)unlink(files[i]);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        (void)rmdir(folders[i]);
    (void)!chdir("/");
    (void)rmdir(folder);
}

// In the folder "here".
static int confine_and_try(const char *keys, const char *control_socket)
{
    char error[512];
    struct dg_options options;
    dg_options_default(&options);
    bool done = chdir("here") == 0 && dg_options_set(&options, "listen", "127.0.0.1:0", error, sizeof error) &&
                dg_options_set(&options, "backend", "echo", error, sizeof error) &&
                dg_options_set(&options, "psk-file", keys, error, sizeof error) &&
                dg_options_set(&options, "control-socket", control_socket, error, sizeof error);
    struct dg_config *config = done ? dg_config_of_options(&options, error, sizeof error) : NULL;
    if (config == NULL || !dg_server_confine(config, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return IS_BROKEN;
    }
    return (unlink("../elsewhere") == 0 ? IS_FREE : 0) | (unlink("../sockets/one") == 0 ? REMOVES_AMONG_SOCKETS : 0) |
           (unlink("beside") == 0 ? REMOVES_BESIDE : 0);
}

static int look(const char *control_socket)
{
    char folder[] = "/tmp/dtlsgate-sandbox-XXXXXX", keys[64], path[64];
    if (!make_files(folder))
        return IS_BROKEN;
    snprintf(keys, sizeof keys, "%s/keys/psk.txt", folder);
    snprintf(path, sizeof path, "%s/%s", folder, control_socket);
    pid_t pid = fork();
    if (pid == 0)
        _exit(confine_and_try(keys, control_socket[0] == '/' ? path : control_socket));
    int status = -1;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    remove_files(folder);
    return WEXITSTATUS(status);
}

DG_TEST(sandbox_lets_a_server_remove_what_stands_beside_its_control_socket)
{
    int found = look("/sockets/control");
    CHECK_MSG(found == REMOVES_AMONG_SOCKETS || (found & IS_FREE), "%d", found); // free: a kernel without Landlock
}

DG_TEST(sandbox_opens_no_folder_for_a_socket_that_is_not_there)
{
    int found = look("none");
    CHECK_MSG(found == 0 || (found & IS_FREE), "%d", found);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(sandbox_lets_a_server_remove_what_stands_beside_its_control_socket),
        DG_CASE(sandbox_opens_no_folder_for_a_socket_that_is_not_there),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
