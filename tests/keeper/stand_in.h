// SPDX-License-Identifier: GPL-3.0-or-later
// A server that does nothing but be kept: the keeper's tests start their own program again, and it becomes this. It has a
// memory file that counts its starts, tells what it sees in lines on standard output, and misbehaves as it is told.
#ifndef DG_TESTS_KEEPER_STAND_IN_H
#define DG_TESTS_KEEPER_STAND_IN_H

#include "io/clock.h"
#include "io/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STAND_IN_WORD "stand-in"
#define STAND_IN_STATUS 7 // with which it ends at SIGTERM

static void stand_in_say(const char *what, unsigned long a, unsigned long b)
{
    char line[64];
    int size = snprintf(line, sizeof line, "%s %lu %lu\n", what, a, b);
    if (write(STDOUT_FILENO, line, (size_t)size) != size)
        _exit(99);
}

static int stand_in_memory(const struct dg_inheritance *inherited)
{
    for (size_t i = 0; i < inherited->count; i++)
        if (strcmp(inherited->items[i].name, "memory") == 0)
            return inherited->items[i].fd;
    int fd = memfd_create("stand-in", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 64) != 0)
        _exit(98);
    return fd;
}

static void stand_in_own(int fd, int how)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, how, &lock) != 0)
        _exit(97); // two owners
}

// Descriptors above the standard streams that a program which we start would get.
static unsigned long stand_in_leaks(void)
{
    unsigned long leaks = 0;
    for (int fd = 3; fd < 256; fd++) {
        int flags = fcntl(fd, F_GETFD);
        leaks += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return leaks;
}

static int stand_in_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&signals, numbers[i]);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

// Until a signal ends it; the exit status. memory: given up at SIGUSR2 without ending, -1: not.
static int stand_in_serve(int signal_fd, struct dg_notify *notify, int memory)
{
    for (;;) {
        struct pollfd waits[] = {{.fd = signal_fd, .events = POLLIN}, {.fd = notify->fd, .events = POLLIN}};
        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[1].revents) {
            dg_notify_close(notify);
            stand_in_say("alone", 0, 0);
        }
        struct signalfd_siginfo info;
        if (!waits[0].revents || read(signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        stand_in_say("signal", info.ssi_signo, (unsigned long)getpid());
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            return STAND_IN_STATUS;
        if (info.ssi_signo == SIGUSR2 && memory < 0)
            return 0; // the lock goes with the process
        if (info.ssi_signo == SIGUSR2) {
            struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
            (void)fcntl(memory, F_SETLK, &lock);
        }
    }
}

// argv[2] is what it is to do wrong.
static int stand_in_main(char **argv)
{
    char error[256];
    const char *mode = argv[2];
    struct dg_notify notify;
    struct dg_inheritance inherited;
    int signal_fd = stand_in_signals();
    dg_notify_open(&notify);
    if (!dg_notify_inherit(&inherited, error, sizeof error))
        return 96;
    stand_in_say("leaks", stand_in_leaks(), inherited.count);
    if (strcmp(mode, "fails-at-once") == 0)
        return 3;
    if (strcmp(mode, "never-ready") == 0) {
        stand_in_say("unready", (unsigned long)getpid(), 0);
        return stand_in_serve(signal_fd, &notify, -1);
    }
    if (notify.replaces && strcmp(mode, "fails-before") == 0) {
        dg_notify_say(&notify, "STATUS=the key is missing");
        return 4;
    }
    int memory = stand_in_memory(&inherited);
    if (notify.replaces)
        dg_notify_say(&notify, DG_NOTIFY_PREPARED);
    stand_in_own(memory, notify.replaces ? F_SETLKW : F_SETLK);
    if (notify.replaces && strcmp(mode, "fails-after") == 0)
        return 5;
    if (notify.replaces && strcmp(mode, "ends-after") == 0)
        return 0;
    unsigned long *starts = mmap(NULL, 64, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (starts == MAP_FAILED)
        return 95;
    ++*starts;
    struct dg_inherited item = {.fd = memory, .name = "memory"};
    const struct dg_inheritance wanted = {&item, 1};
    if (!dg_notify_keep(&notify, &inherited, &wanted))
        return 94;
    dg_notify_ready(&notify);
    stand_in_say("ready", (unsigned long)getpid(), *starts);
    stand_in_say("restarts", notify.restarts, 0);
    if (strcmp(mode, "crashes") == 0 && *starts < 4)
        _exit(93);
    if (strcmp(mode, "ends-by-itself") == 0)
        return 0;
    bool hangs = strcmp(mode, "hangs") == 0; // when it is to leave; its successor dies at once
    if (hangs && notify.replaces)
        return 6;
    bool lingers = strcmp(mode, "lingers") == 0; // the same, with a successor that serves
    return stand_in_serve(signal_fd, &notify, hangs || lingers ? memory : -1);
}

#endif
