// SPDX-License-Identifier: GPL-3.0-or-later
// What a confined process can and cannot do. Each case confines a child of its own and asks it; changing the user is asked
// only where the tests run as root.
#include "host/confine.h"
#include "host/seccomp.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// A child leaves with the line of the first thing that was not as it should be.
#define SHOULD(condition)         \
    do {                          \
        if (!(condition))         \
            _exit(__LINE__ & 255); \
    } while (0)

static char folder[64], inside[96], outside[96], open_to_root[96];

static bool make_files(void)
{
    snprintf(folder, sizeof folder, "/tmp/dtlsgate-confine-XXXXXX");
    if (!mkdtemp(folder) || chmod(folder, 0755) != 0)
        return false;
    snprintf(inside, sizeof inside, "%s/in", folder);
    snprintf(open_to_root, sizeof open_to_root, "%s/in/key", folder);
    snprintf(outside, sizeof outside, "%s/out", folder);
    int key = -1, other = -1;
    bool done = mkdir(inside, 0777) == 0 && chmod(inside, 0777) == 0 &&
                (key = open(open_to_root, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) >= 0 &&
                (other = open(outside, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)) >= 0 && write(key, "key", 3) == 3;
    close(key);
    close(other);
    return done;
}

static void remove_files(void)
{
    (void)unlink(open_to_root);
    (void)unlink(outside);
    (void)rmdir(inside);
    (void)rmdir(folder);
}

static int status_of(void (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static bool can_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static struct dg_confined confine(const struct dg_user *user, bool is_off)
{
    const struct dg_confine_path paths[] = {{inside, DG_LANDLOCK_SOCKETS}, {inside, DG_LANDLOCK_READ}};
    const struct dg_confine_config config = {.user = user, .is_off = is_off, .paths = paths, .path_count = 2};
    struct dg_confined confined;
    char error[256];
    if (!dg_confine(&config, &confined, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        _exit(200);
    }
    return confined;
}

// --- files ---------------------------------------------------------------------------------------------------------

static void look_at_files(void)
{
    struct dg_confined confined = confine(NULL, false);
    if (confined.landlock == 0)
        _exit(0); // an old kernel; the log says so
    SHOULD(can_read(open_to_root));
    SHOULD(!can_read(outside) && errno == EACCES);
    SHOULD(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0);
    SHOULD(open(open_to_root, O_WRONLY | O_CLOEXEC) < 0); // reading is not writing
    SHOULD(can_read("/etc/hosts") && can_read("/dev/urandom"));
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s/socket", inside);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SHOULD(fd >= 0 && bind(fd, (struct sockaddr *)&name, sizeof name) == 0 && unlink(name.sun_path) == 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s/socket", folder);
    int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    SHOULD(other >= 0 && bind(other, (struct sockaddr *)&name, sizeof name) != 0);
}

DG_TEST(a_confined_process_reaches_only_the_files_it_was_given)
{
    REQUIRE(make_files());
    CHECK_EQ(status_of(look_at_files), 0);
    remove_files();
}

static void look_at_sockets_folder(void)
{
    const struct dg_confine_path paths[] = {{inside, DG_LANDLOCK_SOCKETS}};
    const struct dg_confine_config config = {.paths = paths, .path_count = 1};
    struct dg_confined confined;
    char error[256];
    SHOULD(dg_confine(&config, &confined, error, sizeof error));
    SHOULD(confined.landlock == 0 || !can_read(open_to_root));
}

DG_TEST(a_folder_of_sockets_is_not_read)
{
    REQUIRE(make_files());
    CHECK_EQ(status_of(look_at_sockets_folder), 0);
    remove_files();
}

static bool is_untouched(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && facts.st_size == 3 && (facts.st_mode & 0777) == 0600;
}

// Only Landlock since Linux 6.2 knows of emptying a file; the filter of system calls needs no version.
static void try_to_spoil_a_file(void)
{
    int opened_before = open(open_to_root, O_WRONLY | O_APPEND | O_CLOEXEC); // as a key log is
    struct dg_confined confined = confine(NULL, false);
    SHOULD(opened_before >= 0);
    if (confined.seccomp || confined.landlock >= 3) {
        SHOULD(open(open_to_root, O_RDONLY | O_TRUNC | O_CLOEXEC) < 0);
        SHOULD(openat(AT_FDCWD, open_to_root, O_RDONLY | O_TRUNC | O_CLOEXEC) < 0);
#ifdef SYS_open
        SHOULD(syscall(SYS_open, open_to_root, O_RDONLY | O_TRUNC | O_CLOEXEC) < 0);
#endif
        SHOULD(truncate(open_to_root, 0) != 0);
    }
    if (confined.seccomp) {
        SHOULD(ftruncate(opened_before, 0) != 0 && errno == EPERM);
        SHOULD(chmod(open_to_root, 0666) != 0 && errno == EPERM);
        SHOULD(chmod(outside, 0666) != 0 && errno == EPERM);
        SHOULD(fchmod(opened_before, 0666) != 0 && errno == EPERM);
        SHOULD(fchmodat(AT_FDCWD, open_to_root, 0666, 0) != 0 && errno == EPERM);
        SHOULD(rename(open_to_root, outside) != 0 && errno == EPERM);
        SHOULD(renameat(AT_FDCWD, open_to_root, AT_FDCWD, outside) != 0 && errno == EPERM);
        SHOULD(syscall(SYS_renameat2, AT_FDCWD, open_to_root, AT_FDCWD, outside, 0) != 0 && errno == EPERM);
        SHOULD(is_untouched(open_to_root));
    }
    SHOULD(can_read(open_to_root) || confined.landlock == 0);
}

DG_TEST(a_confined_process_empties_no_file_and_changes_no_name_or_mode)
{
    REQUIRE(make_files());
    CHECK_EQ(status_of(try_to_spoil_a_file), 0);
    remove_files();
}

// --- system calls --------------------------------------------------------------------------------------------------

static void *run(void *argument)
{
    *(int *)argument = 1;
    return NULL;
}

static void try_calls(void)
{
    struct dg_confined confined = confine(NULL, false);
    SHOULD(confined.seccomp == dg_seccomp_is_possible());
    if (!confined.seccomp)
        _exit(0); // a sanitized build
    static char *const none[] = {NULL};
    SHOULD(execve("/bin/true", none, none) != 0 && errno == EPERM);
    SHOULD(fork() < 0 && errno == EPERM);
    SHOULD(syscall(SYS_ptrace, 16, getppid(), 0, 0) != 0 && errno == EPERM);
    SHOULD(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
    SHOULD(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) < 0 && errno == EPERM);
    SHOULD(prctl(PR_SET_DUMPABLE, 1) != 0);
    SHOULD(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    SHOULD(syscall(SYS_unshare, 0x10000000) != 0 && errno == EPERM);
    int ran = 0;
    pthread_t thread;
    SHOULD(pthread_create(&thread, NULL, run, &ran) == 0 && pthread_join(thread, NULL) == 0 && ran == 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    SHOULD(fd >= 0 && close(fd) == 0);
    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE); // getaddrinfo(3)
    SHOULD(fd >= 0 && close(fd) == 0);
}

DG_TEST(a_confined_process_starts_threads_and_no_programs)
{
    REQUIRE(make_files());
    CHECK_EQ(status_of(try_calls), 0);
    remove_files();
}

// --- the user ------------------------------------------------------------------------------------------------------

static const struct dg_user nobody = {65534, 65534};

static void *forget(void *argument)
{
    dg_privilege_begin_serving();
    dg_privilege_wake_reading();
    *(int *)argument = can_read(open_to_root) ? -1 : 1;
    return NULL;
}

static void become_nobody(void)
{
    SHOULD(chmod(inside, 0700) == 0); // folders of keys are only for root to enter
    struct dg_confined confined = confine(&nobody, false);
    SHOULD(confined.changed_user && !confined.runs_as_root);
    SHOULD(getuid() == nobody.uid && geteuid() == nobody.uid && getgid() == nobody.gid);
    SHOULD(setuid(0) != 0 && seteuid(0) != 0);
    SHOULD(getgroups(0, NULL) == 0);
    SHOULD(prctl(PR_GET_DUMPABLE) == 0);
    SHOULD(!can_read(open_to_root));
    dg_privilege_wake_reading();
    SHOULD(can_read(open_to_root));           // root's, mode 0600
    SHOULD(!can_read(outside) || confined.landlock == 0); // but not elsewhere
    dg_privilege_end_reading();
    SHOULD(!can_read(open_to_root));
    int result = 0;
    pthread_t thread;
    SHOULD(pthread_create(&thread, NULL, forget, &result) == 0 && pthread_join(thread, NULL) == 0 && result == 1);
    dg_privilege_wake_reading();
    SHOULD(can_read(open_to_root)); // what another thread forgot is its own
    dg_privilege_forget();
    dg_privilege_wake_reading();
    SHOULD(!can_read(open_to_root));
}

DG_TEST(a_process_that_changed_its_user_reads_roots_files_only_while_it_reloads)
{
    if (geteuid() != 0)
        return;
    REQUIRE(make_files());
    CHECK_EQ(status_of(become_nobody), 0);
    remove_files();
}

struct capabilities {
    struct __user_cap_data_struct words[2];
};

static struct capabilities capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct capabilities found = {0};
    SHOULD(syscall(SYS_capget, &head, found.words) == 0);
    return found;
}

// As a program that embeds the library may be started by a service manager, with capabilities of its own choice.
static void wake_what_was_not_kept(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const uint32_t low = 1U << CAP_DAC_READ_SEARCH | 1U << CAP_NET_BIND_SERVICE;
    const uint32_t high = 1U << (CAP_SYSLOG - 32); // in the second word
    const struct __user_cap_data_struct given[2] = {{low, low, low}, {high, high, high}};
    SHOULD(prctl(PR_SET_KEEPCAPS, 1) == 0 && setresuid(nobody.uid, nobody.uid, nobody.uid) == 0);
    if (syscall(SYS_capset, &head, given) != 0)
        _exit(0); // root in a container has fewer
    const struct capabilities before = capabilities();
    dg_privilege_wake_reading();
    const struct capabilities awake = capabilities();
    SHOULD(memcmp(&awake, &before, sizeof awake) == 0);
    dg_privilege_end_reading();
    const struct capabilities after = capabilities();
    SHOULD(memcmp(&after, &before, sizeof after) == 0);
}

DG_TEST(capabilities_that_were_not_kept_for_reloads_are_left_alone)
{
    if (geteuid() == 0)
        CHECK_EQ(status_of(wake_what_was_not_kept), 0);
}

DG_TEST(users_that_are_none_or_root_are_refused)
{
    struct dg_user user;
    char error[256];
    CHECK(!dg_user_find("nobody-of-this-name", &user, error, sizeof error) && strstr(error, "nobody-of-this-name"));
    CHECK(!dg_user_find("root", &user, error, sizeof error) && strstr(error, "root"));
    CHECK(!dg_user_find("0", &user, error, sizeof error));
    CHECK(!dg_user_find("", &user, error, sizeof error));
    CHECK(dg_user_find("65534", &user, error, sizeof error) && user.uid == 65534);
}

DG_TEST(what_looks_like_a_key_is_not_repeated_as_a_users_name)
{
    static const char *const names[] = {"00112233445566778899aabbccddeeff", "demo:00112233445566778899aabbccddeeff"};
    struct dg_user user;
    char error[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CHECK(!dg_user_find(names[i], &user, error, sizeof error) && strstr(error, "--user: "));
        CHECK(!strstr(error, "00112233445566778899aabbccddeeff"));
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(a_confined_process_reaches_only_the_files_it_was_given),
        DG_CASE(a_folder_of_sockets_is_not_read),
        DG_CASE(a_confined_process_empties_no_file_and_changes_no_name_or_mode),
        DG_CASE(a_confined_process_starts_threads_and_no_programs),
        DG_CASE(a_process_that_changed_its_user_reads_roots_files_only_while_it_reloads),
        DG_CASE(capabilities_that_were_not_kept_for_reloads_are_left_alone),
        DG_CASE(users_that_are_none_or_root_are_refused),
        DG_CASE(what_looks_like_a_key_is_not_repeated_as_a_users_name),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
