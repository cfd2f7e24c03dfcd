// SPDX-License-Identifier: GPL-3.0-or-later
// The keeper with a server that is none (stand_in.h): deaths, signals, ends, upgrades. Real processes, real signals; every
// wait is for a line or an end, with a limit.
#include "keeper/keeper.h"

#include "check.h"
#include "io/local_socket.h"
#include "keeper/stand_in.h"
#include "keeper/upgrade.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PATIENCE_MS 20000

struct scene {
    pid_t keeper;
    int lines; // of the server, whichever it is
    char folder[64];
    char socket[96];
    char text[256];
    size_t size;
    bool is_ended; // nobody is left who could write a line
};

// A keeper in a process of its own. binary: what an upgrade starts.
static bool begin(struct scene *scene, const char *mode, const char *binary)
{
    *scene = (struct scene){0};
    snprintf(scene->folder, sizeof scene->folder, "/tmp/dtlsgate-keeper-XXXXXX");
    int pipes[2];
    if (!mkdtemp(scene->folder) || pipe2(pipes, O_CLOEXEC) != 0)
        return false;
    snprintf(scene->socket, sizeof scene->socket, "%s/upgrade", scene->folder);
    scene->keeper = fork();
    if (scene->keeper == 0) {
        char program[] = "stand-in", word[] = STAND_IN_WORD;
        char *argv[] = {program, word, (char *)(uintptr_t)mode, NULL};
        dup2(pipes[1], STDOUT_FILENO);
        struct dg_keeper_config config = {
            .argv = argv, .binary = binary, .upgrade_socket = scene->socket, .above = {.fd = -1}};
        _exit(dg_keeper_run(&config));
    }
    close(pipes[1]);
    scene->lines = pipes[0];
    return scene->keeper > 0;
}

// Takes lines until one begins with word; its numbers. False: none came, or the writers have ended.
static bool wait_line(struct scene *scene, const char *word, unsigned long *ret_a, unsigned long *ret_b)
{
    for (;;) {
        char *end = memchr(scene->text, '\n', scene->size);
        if (end) {
            char found[32];
            unsigned long a = 0, b = 0;
            *end = '\0';
            bool is_it = sscanf(scene->text, "%31s %lu %lu", found, &a, &b) == 3 && strcmp(found, word) == 0;
            size_t length = (size_t)(end - scene->text) + 1;
            scene->size -= length;
            memmove(scene->text, end + 1, scene->size);
            if (!is_it)
                continue;
            *ret_a = a;
            *ret_b = b;
            return true;
        }
        struct pollfd wait = {.fd = scene->lines, .events = POLLIN};
        if (poll(&wait, 1, PATIENCE_MS) <= 0)
            return false;
        ssize_t size = read(scene->lines, scene->text + scene->size, sizeof scene->text - scene->size);
        scene->is_ended = size == 0;
        if (size <= 0)
            return false;
        scene->size += (size_t)size;
    }
}

// Every process that could write has ended.
static bool wait_silence(struct scene *scene)
{
    unsigned long none;
    return !wait_line(scene, "nothing", &none, &none) && scene->is_ended;
}

// The keeper's exit status; -1: it does not end, or a signal ended it.
static int wait_end(struct scene *scene)
{
    for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
        int status;
        if (waitpid(scene->keeper, &status, WNOHANG) == scene->keeper) {
            scene->keeper = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        (void)poll(NULL, 0, 5);
    }
    return -1;
}

static void end(struct scene *scene)
{
    if (scene->keeper > 0) {
        kill(scene->keeper, SIGTERM);
        (void)wait_end(scene);
    }
    if (scene->keeper > 0) {
        kill(scene->keeper, SIGKILL);
        waitpid(scene->keeper, NULL, 0);
    }
    close(scene->lines);
    unlink(scene->socket);
    rmdir(scene->folder);
}

DG_TEST(keeper_starts_a_killed_server_again_with_the_same_memory)
{
    struct scene scene;
    REQUIRE(begin(&scene, "well", NULL));
    for (unsigned long round = 1; round <= 4; round++) {
        unsigned long leaks, given, pid = 0, starts = 0, restarts = 0, none;
        CHECK(wait_line(&scene, "leaks", &leaks, &given));
        CHECK_EQ(leaks, 0);
        CHECK_EQ(given, round == 1 ? 0 : 1);
        CHECK(wait_line(&scene, "ready", &pid, &starts));
        CHECK_EQ(starts, round);
        CHECK(wait_line(&scene, "restarts", &restarts, &none));
        CHECK_EQ(restarts, round - 1);
        if (pid > 1 && round < 4)
            kill((pid_t)pid, SIGKILL);
    }
    kill(scene.keeper, SIGTERM);
    CHECK_EQ(wait_end(&scene), STAND_IN_STATUS);
    end(&scene);
}

DG_TEST(keeper_ends_with_a_server_that_was_never_ready)
{
    struct scene scene;
    unsigned long a, b;
    REQUIRE(begin(&scene, "fails-at-once", NULL));
    CHECK_EQ(wait_end(&scene), 3);
    CHECK(wait_line(&scene, "leaks", &a, &b));
    CHECK(!wait_line(&scene, "leaks", &a, &b) && scene.is_ended); // it was not tried twice
    end(&scene);
}

DG_TEST(keeper_ends_where_the_server_ended_by_itself)
{
    struct scene scene;
    REQUIRE(begin(&scene, "ends-by-itself", NULL));
    CHECK_EQ(wait_end(&scene), 0);
    end(&scene);
}

DG_TEST(keeper_passes_signals_on_and_ends_with_the_server)
{
    static const int numbers[] = {SIGHUP, SIGUSR1, SIGINT};
    struct scene scene;
    unsigned long pid, starts, number, none;
    REQUIRE(begin(&scene, "well", NULL));
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        kill(scene.keeper, numbers[i]);
        CHECK(wait_line(&scene, "signal", &number, &none));
        CHECK_EQ(number, numbers[i]);
    }
    CHECK_EQ(wait_end(&scene), STAND_IN_STATUS);
    end(&scene);
}

DG_TEST(keeper_does_not_let_a_server_leave_whose_memory_nobody_else_keeps)
{
    struct scene scene;
    unsigned long pid, starts, number, none;
    REQUIRE(begin(&scene, "well", NULL));
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    kill(scene.keeper, SIGUSR2); // would end it without a word to its clients
    const int later[] = {SIGUSR1, SIGHUP}; // two: the first may overtake it
    for (size_t i = 0; i < 2; i++) {
        kill(scene.keeper, later[i]);
        CHECK(wait_line(&scene, "signal", &number, &none));
        CHECK_EQ(number, later[i]);
    }
    end(&scene);
}

DG_TEST(keeper_does_not_give_up_in_a_crash_loop)
{
    struct scene scene;
    unsigned long pid, starts = 0;
    REQUIRE(begin(&scene, "crashes", NULL)); // three times
    for (unsigned long i = 1; i <= 4; i++) {
        CHECK(wait_line(&scene, "ready", &pid, &starts));
        CHECK_EQ(starts, i);
    }
    kill(scene.keeper, SIGTERM);
    CHECK_EQ(wait_end(&scene), STAND_IN_STATUS);
    end(&scene);
}

DG_TEST(a_server_lives_on_when_its_keeper_is_killed)
{
    struct scene scene;
    unsigned long pid = 0, starts, none, number;
    REQUIRE(begin(&scene, "well", NULL));
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    kill(scene.keeper, SIGKILL);
    CHECK(wait_line(&scene, "alone", &none, &none));
    REQUIRE(pid > 1);
    kill((pid_t)pid, SIGUSR1);
    CHECK(wait_line(&scene, "signal", &number, &none));
    kill((pid_t)pid, SIGTERM);
    CHECK(wait_silence(&scene)); // and ends
    waitpid(scene.keeper, NULL, 0);
    scene.keeper = 0;
    end(&scene);
}

DG_TEST(a_server_that_is_not_ready_dies_with_its_keeper)
{
    struct scene scene;
    unsigned long pid = 0, none;
    REQUIRE(begin(&scene, "never-ready", NULL));
    CHECK(wait_line(&scene, "unready", &pid, &none));
    kill(scene.keeper, SIGKILL);
    waitpid(scene.keeper, NULL, 0);
    scene.keeper = 0;
    CHECK(wait_silence(&scene));
    end(&scene);
}

// --- upgrades ------------------------------------------------------------------------------------------------------

DG_TEST(upgrade_hands_the_memory_to_a_new_process)
{
    struct scene scene;
    char answer[DG_UPGRADE_ANSWER];
    unsigned long before = 0, after = 0, starts = 0;
    REQUIRE(begin(&scene, "well", NULL));
    CHECK(wait_line(&scene, "ready", &before, &starts));
    for (unsigned long round = 2; round < 5; round++) {
        CHECK(dg_upgrade_ask(scene.socket, answer));
        CHECK_STR(answer, DG_UPGRADE_DONE);
        CHECK(wait_line(&scene, "ready", &after, &starts));
        CHECK_EQ(starts, round);
        CHECK(after != before);
        before = after;
    }
    kill((pid_t)after, SIGKILL); // and the new one is kept as the old one was
    CHECK(wait_line(&scene, "ready", &before, &starts));
    CHECK_EQ(starts, 5);
    kill(scene.keeper, SIGTERM);
    CHECK_EQ(wait_end(&scene), STAND_IN_STATUS);
    end(&scene);
}

DG_TEST(upgrade_to_a_program_that_does_not_get_ready_leaves_the_old_one_serving)
{
    struct scene scene;
    char answer[DG_UPGRADE_ANSWER];
    unsigned long pid = 0, starts, number, none;
    REQUIRE(begin(&scene, "fails-before", NULL));
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    CHECK(dg_upgrade_ask(scene.socket, answer));
    CHECK_MSG(strstr(answer, "status 4") && strstr(answer, "the key is missing") && strstr(answer, "the old one goes on"),
              "%s", answer);
    kill((pid_t)pid, SIGUSR1);
    CHECK(wait_line(&scene, "signal", &number, &none));
    CHECK_EQ(number, SIGUSR1);
    end(&scene);
}

// The new program fails when the old one has gone: that is started again, and the caller reads how the new one ended.
static void check_goes_back(const char *new_program, const char *how)
{
    struct scene scene;
    char answer[DG_UPGRADE_ANSWER];
    unsigned long pid = 0, starts = 0;
    REQUIRE(begin(&scene, new_program, NULL));
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    CHECK(dg_upgrade_ask(scene.socket, answer));
    CHECK_MSG(strstr(answer, how) && strstr(answer, "the old one is started again"), "%s", answer);
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    CHECK_EQ(starts, 2);
    end(&scene);
}

DG_TEST(upgrade_that_fails_after_the_hand_over_goes_back_to_the_old_program)
{
    check_goes_back("fails-after", "status 5");
}

DG_TEST(upgrade_to_a_program_that_ends_before_it_is_ready_does_not_end_the_service)
{
    check_goes_back("ends-after", "status 0");
}

// The old one neither serves nor ends: it is not waited for, the caller is told, and the next one may ask.
DG_TEST(upgrade_whose_new_server_dies_beside_an_old_one_that_hangs_is_over)
{
    struct scene scene;
    char answer[DG_UPGRADE_ANSWER];
    unsigned long pid = 0, starts = 0;
    REQUIRE(begin(&scene, "hangs", NULL));
    for (unsigned long round = 0; round < 2; round++) {
        CHECK(wait_line(&scene, "ready", &pid, &starts));
        CHECK_EQ(starts, 1 + 2 * round);
        CHECK(dg_upgrade_ask(scene.socket, answer));
        CHECK_MSG(strstr(answer, "status 6") && strstr(answer, "as soon as it was ready"), "%s", answer);
        CHECK(wait_line(&scene, "ready", &pid, &starts)); // the one that died
        CHECK_EQ(starts, 2 + 2 * round);
    }
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    kill(scene.keeper, SIGTERM);
    CHECK_EQ(wait_end(&scene), STAND_IN_STATUS);
    end(&scene);
}

// The new one serves already, and the old one has not ended yet: whoever serves is told to end, and says goodbye.
DG_TEST(upgrade_that_is_stopped_when_the_new_server_serves_lets_that_one_say_goodbye)
{
    struct scene scene;
    unsigned long old = 0, new = 0, starts, number = 0, told = 0;
    REQUIRE(begin(&scene, "lingers", NULL));
    CHECK(wait_line(&scene, "ready", &old, &starts));
    int caller = dg_local_connect(scene.socket, SOCK_SEQPACKET);
    CHECK(caller >= 0);
    CHECK(wait_line(&scene, "signal", &number, &told));
    CHECK(number == SIGUSR2 && told == old);
    CHECK(wait_line(&scene, "ready", &new, &starts));
    CHECK(new != old && starts == 2);
    kill(scene.keeper, SIGTERM);
    CHECK(wait_line(&scene, "signal", &number, &told));
    CHECK_EQ(number, SIGTERM);
    CHECK_EQ(told, new);
    CHECK_EQ(wait_end(&scene), STAND_IN_STATUS);
    CHECK(wait_silence(&scene));
    close(caller);
    end(&scene);
}

static void write_program(char *path, size_t size, const struct scene *scene, const char *text, mode_t mode)
{
    snprintf(path, size, "%s/program", scene->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(fchmod(fd, mode) == 0);
    close(fd);
}

DG_TEST(upgrade_to_a_file_that_is_no_program_is_refused)
{
    struct scene scene;
    char answer[DG_UPGRADE_ANSWER], path[128], other[] = "/tmp/dtlsgate-program-XXXXXX";
    unsigned long pid = 0, starts, number, none;
    int fd = mkstemp(other);
    REQUIRE(fd >= 0 && write(fd, "nonsense", 8) == 8 && fchmod(fd, 0755) == 0);
    close(fd);
    REQUIRE(begin(&scene, "well", other));
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    CHECK(dg_upgrade_ask(scene.socket, answer));
    CHECK_MSG(strstr(answer, "the program cannot be run"), "%s", answer);
    CHECK(chmod(other, 0775) == 0);
    CHECK(dg_upgrade_ask(scene.socket, answer));
    CHECK_MSG(strstr(answer, "chmod go-w"), "%s", answer);
    CHECK(unlink(other) == 0);
    CHECK(dg_upgrade_ask(scene.socket, answer));
    CHECK_MSG(strstr(answer, "No such file"), "%s", answer);
    kill((pid_t)pid, SIGUSR1);
    CHECK(wait_line(&scene, "signal", &number, &none));
    write_program(path, sizeof path, &scene, "x", 0644);
    CHECK(dg_upgrade_open_binary(path, answer, sizeof answer) < 0);
    CHECK_MSG(strstr(answer, "not executable"), "%s", answer);
    CHECK(dg_upgrade_open_binary(scene.folder, answer, sizeof answer) < 0);
    CHECK_MSG(strstr(answer, "no file"), "%s", answer);
    unlink(path);
    end(&scene);
}

DG_TEST(upgrade_socket_is_for_this_user_alone_and_is_not_taken_from_a_living_keeper)
{
    struct scene scene;
    char error[256];
    struct stat status;
    unsigned long pid, starts;
    REQUIRE(begin(&scene, "well", NULL));
    CHECK(wait_line(&scene, "ready", &pid, &starts));
    CHECK(stat(scene.socket, &status) == 0 && (status.st_mode & 0777) == 0600);
    CHECK(dg_upgrade_listen(scene.socket, error, sizeof error) < 0);
    kill(scene.keeper, SIGKILL);
    waitpid(scene.keeper, NULL, 0);
    scene.keeper = 0;
    kill((pid_t)pid, SIGTERM);
    CHECK(wait_silence(&scene));
    int fd = dg_upgrade_listen(scene.socket, error, sizeof error); // what a dead one left
    CHECK(fd >= 0);
    close(fd);
    end(&scene);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(keeper_starts_a_killed_server_again_with_the_same_memory),
        DG_CASE(keeper_ends_with_a_server_that_was_never_ready),
        DG_CASE(keeper_ends_where_the_server_ended_by_itself),
        DG_CASE(keeper_passes_signals_on_and_ends_with_the_server),
        DG_CASE(keeper_does_not_let_a_server_leave_whose_memory_nobody_else_keeps),
        DG_CASE(keeper_does_not_give_up_in_a_crash_loop),
        DG_CASE(a_server_lives_on_when_its_keeper_is_killed),
        DG_CASE(a_server_that_is_not_ready_dies_with_its_keeper),
        DG_CASE(upgrade_hands_the_memory_to_a_new_process),
        DG_CASE(upgrade_to_a_program_that_does_not_get_ready_leaves_the_old_one_serving),
        DG_CASE(upgrade_that_fails_after_the_hand_over_goes_back_to_the_old_program),
        DG_CASE(upgrade_to_a_program_that_ends_before_it_is_ready_does_not_end_the_service),
        DG_CASE(upgrade_whose_new_server_dies_beside_an_old_one_that_hangs_is_over),
        DG_CASE(upgrade_that_is_stopped_when_the_new_server_serves_lets_that_one_say_goodbye),
        DG_CASE(upgrade_to_a_file_that_is_no_program_is_refused),
        DG_CASE(upgrade_socket_is_for_this_user_alone_and_is_not_taken_from_a_living_keeper),
    };
    if (argc == 3 && strcmp(argv[1], STAND_IN_WORD) == 0)
        _exit(stand_in_main(argv)); // however it ends, it frees nothing
    // What whoever runs the tests has left open would be counted as the keeper's leak.
    for (int fd = 3; fd < 256; fd++)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
