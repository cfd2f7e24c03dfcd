// SPDX-License-Identifier: GPL-3.0-or-later
// The keeper's parts by themselves: what a message is taken for, what is kept, how long a crash loop waits, and what the
// environment of a server is read as.
#include "keeper/notice.h"
#include "keeper/restart.h"
#include "keeper/store.h"

#include "check.h"
#include "io/notify.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct dg_notice parsed(const char *text)
{
    struct dg_notice notice;
    dg_notice_parse(&notice, text, strlen(text));
    return notice;
}

DG_TEST(notices_are_taken_for_what_they_say)
{
    struct dg_notice notice = parsed("FDSTORE=1\nFDPOLL=0\nFDNAME=socket-12");
    CHECK(notice.stores && !notice.forgets && !notice.is_ready);
    CHECK_STR(notice.name, "socket-12");
    notice = parsed("READY=1\nSTATUS=all is well\n");
    CHECK(notice.is_ready && !notice.is_prepared);
    CHECK_STR(notice.status, "all is well");
    CHECK(parsed(DG_NOTIFY_PREPARED).is_prepared);
    CHECK(parsed("FDSTOREREMOVE=1\nFDNAME=memory").forgets);
    CHECK(parsed("STOPPING=1").is_stopping);
    notice = parsed("WATCHDOG_USEC=1500000");
    CHECK(notice.is_watched && notice.watchdog == 1500 * DG_MILLISECOND);
    notice = parsed("WATCHDOG_USEC=0");
    CHECK(notice.is_watched && notice.watchdog == 0);
    CHECK(!parsed("WATCHDOG_USEC=\nWATCHDOG_USEC=-1\nWATCHDOG_USEC=99999999999999999999").is_watched);
    CHECK(!parsed("READY=0\nREADY=11\nXREADY=1\nready=1\n=\n\n").is_ready);
}

DG_TEST(names_that_could_be_something_else_are_none)
{
    static const char *const bad[] = {"FDNAME=", "FDNAME=a:b", "FDNAME=a b", "FDNAME=../x",
                                      "FDNAME=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}; // 32, with the zero 33
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_MSG(parsed(bad[i]).name[0] == '\0', "%s", bad[i]);
    char text[600];
    memset(text, 'x', sizeof text);
    memcpy(text, "STATUS=", 7);
    struct dg_notice notice;
    dg_notice_parse(&notice, text, sizeof text); // no zero at its end
    CHECK_EQ(strlen(notice.status), DG_NOTICE_STATUS - 1);
}

DG_TEST(one_open_file_is_kept_once)
{
    static struct dg_store store;
    int first = memfd_create("a", MFD_CLOEXEC), second = memfd_create("b", MFD_CLOEXEC);
    REQUIRE(first >= 0 && second >= 0);
    int copy = dup(first);
    CHECK_EQ(dg_store_add(&store, "memory", first), DG_STORED);
    CHECK_EQ(dg_store_add(&store, "memory", copy), DG_STORED_BEFORE);
    CHECK(fcntl(copy, F_GETFD) < 0); // taken and closed
    CHECK_EQ(dg_store_add(&store, "socket-0", second), DG_STORED);
    CHECK_EQ(store.count, 2);
    dg_store_forget(&store, "memory");
    CHECK_EQ(store.count, 1);
    CHECK(fcntl(first, F_GETFD) < 0);
    CHECK_STR(store.items[0].name, "socket-0");
    dg_store_clear(&store);
    CHECK(fcntl(second, F_GETFD) < 0);
}

DG_TEST(a_crash_loop_is_slowed_down_and_never_given_up)
{
    struct dg_restart restart = {0};
    CHECK_EQ(dg_restart_after_death(&restart, 0), 0);
    CHECK_EQ(dg_restart_after_death(&restart, DG_SECOND), 100 * DG_MILLISECOND);
    CHECK_EQ(dg_restart_after_death(&restart, 0), 200 * DG_MILLISECOND);
    for (int i = 0; i < 1000; i++)
        CHECK(dg_restart_after_death(&restart, 0) <= DG_RESTART_LONGEST_WAIT);
    CHECK_EQ(dg_restart_after_death(&restart, 0), DG_RESTART_LONGEST_WAIT);
    CHECK_EQ(dg_restart_after_death(&restart, DG_RESTART_LIVED_LONG), 0); // that one had lived
    CHECK_EQ(restart.in_all, 1005);
}

// --- the server's side ---------------------------------------------------------------------------------------------

static void forget_environment(void)
{
    static const char *const names[] = {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "FDSTORE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
}

DG_TEST(descriptors_of_another_process_are_not_taken)
{
    char error[256];
    struct dg_inheritance list;
    setenv("LISTEN_PID", "1", 1);
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_FDNAMES", "memory:socket-0", 1);
    CHECK(dg_notify_inherit(&list, error, sizeof error));
    CHECK_EQ(list.count, 0);
    CHECK(!getenv("LISTEN_PID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
}

DG_TEST(numbers_of_the_environment_that_are_none_are_refused)
{
    char error[256] = "", pid[24];
    struct dg_inheritance list;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    static const char *const bad[] = {"-1", "x", "99999999", "", " 1", "1 "};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", bad[i], 1);
        CHECK_MSG(!dg_notify_inherit(&list, error, sizeof error) && strstr(error, "LISTEN_FDS"), "%s", bad[i]);
    }
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "4000", 1); // there are not so many
    CHECK(!dg_notify_inherit(&list, error, sizeof error) && strstr(error, "promises"));
    forget_environment();
}

// WatchdogSec= may be hours: whoever did not understand it would be killed for saying nothing.
DG_TEST(managers_watchdog_is_understood_however_long_it_is)
{
    static const struct {
        const char *text;
        dg_time limit;
    } cases[] = {
        {"30000000", 30 * DG_SECOND},
        {"7200000000", 2 * DG_HOUR},
        {"31536000000000", 24 * DG_HOUR}, // a year: more often does no harm
        {"18446744073709551615", 24 * DG_HOUR},
        {"0", 0},
        {"x", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dg_notify notify;
        setenv("WATCHDOG_USEC", cases[i].text, 1);
        dg_notify_open(&notify);
        CHECK_MSG(notify.watchdog == cases[i].limit, "%s: %llu", cases[i].text, (unsigned long long)notify.watchdog);
        dg_notify_close(&notify);
    }
}

DG_TEST(manager_is_told_by_path_and_by_abstract_name)
{
    char name[64];
    snprintf(name, sizeof name, "@dtlsgate-test-%d", (int)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(bind(manager, (struct sockaddr *)&address,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
    setenv("NOTIFY_SOCKET", name, 1);
    struct dg_notify notify;
    dg_notify_open(&notify);
    CHECK(notify.fd >= 0 && !notify.has_keeper && !getenv("NOTIFY_SOCKET"));
    dg_notify_ready(&notify);
    char text[64];
    ssize_t size = recv(manager, text, sizeof text, MSG_DONTWAIT);
    CHECK(size == 7 && strncmp(text, "READY=1", 7) == 0);
    dg_notify_close(&notify);
    close(manager);
    setenv("NOTIFY_SOCKET", "vsock:2:1234", 1); // where no descriptor can go
    dg_notify_open(&notify);
    CHECK(notify.fd < 0);
    CHECK(dg_notify_say(&notify, "READY=1")); // nobody to tell
}

// What dg_notify_keep says over a socket pair, line breaks as ' '.
static void kept(const struct dg_inheritance *inherited, const struct dg_inheritance *wanted, char *text, size_t size)
{
    int pair[2];
    size_t at = 0;
    text[0] = '\0';
    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    const struct dg_notify notify = {.fd = pair[0]};
    CHECK(dg_notify_keep(&notify, inherited, wanted));
    char message[DG_NOTIFY_MESSAGE];
    ssize_t got;
    while ((got = recv(pair[1], message, sizeof message - 1, MSG_DONTWAIT)) > 0) {
        message[got] = '\0';
        char *name = strstr(message, "FDNAME=");
        at += (size_t)snprintf(text + at, size - at, "%s%s ", strstr(message, "REMOVE") ? "-" : "+", name ? name + 7 : "?");
    }
    close(pair[0]);
    close(pair[1]);
}

DG_TEST(only_what_changed_is_stored_and_forgotten)
{
    char text[256];
    int fds[4];
    for (size_t i = 0; i < 4; i++)
        REQUIRE((fds[i] = memfd_create("x", MFD_CLOEXEC)) >= 0);
    struct dg_inherited before[] = {{fds[0], "memory"}, {fds[1], "socket-0"}, {fds[2], "socket-1"}};
    struct dg_inherited after[] = {{fds[0], "memory"}, {fds[1], "socket-0"}, {fds[3], "socket-0"}};
    const struct dg_inheritance none = {NULL, 0}, three = {before, 3}, others = {after, 3};
    kept(&none, &three, text, sizeof text);
    CHECK_STR(text, "+memory +socket-0 +socket-1 ");
    kept(&three, &three, text, sizeof text);
    CHECK_STR(text, "");
    kept(&three, &others, text, sizeof text); // a listener more, a worker less
    CHECK_STR(text, "-socket-1 +socket-0 ");
    kept(&others, &three, text, sizeof text); // a name is forgotten whole, so what stays of it is stored again
    CHECK_STR(text, "-socket-0 +socket-0 +socket-1 ");
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(notices_are_taken_for_what_they_say),
        DG_CASE(names_that_could_be_something_else_are_none),
        DG_CASE(one_open_file_is_kept_once),
        DG_CASE(a_crash_loop_is_slowed_down_and_never_given_up),
        DG_CASE(descriptors_of_another_process_are_not_taken),
        DG_CASE(numbers_of_the_environment_that_are_none_are_refused),
        DG_CASE(managers_watchdog_is_understood_however_long_it_is),
        DG_CASE(manager_is_told_by_path_and_by_abstract_name),
        DG_CASE(only_what_changed_is_stored_and_forgotten),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
