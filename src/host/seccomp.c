// SPDX-License-Identifier: GPL-3.0-or-later
// The list of system calls, put into the kernel's form by libseccomp. What is not in it fails with EPERM rather than to
// kill: a C library that tries something newer first must be able to go on without it.
#include "host/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

#define ALLOW(name) SCMP_SYS(name)

static const int plain[] = {
    // datagrams, waiting, descriptors
    ALLOW(read), ALLOW(readv), ALLOW(pread64), ALLOW(write), ALLOW(writev), ALLOW(pwrite64), ALLOW(close), ALLOW(recvmmsg),
    ALLOW(sendmmsg), ALLOW(recvmsg), ALLOW(sendmsg), ALLOW(recvfrom), ALLOW(sendto), ALLOW(sendfile), ALLOW(bind), ALLOW(connect),
    ALLOW(listen), ALLOW(accept), ALLOW(accept4), ALLOW(shutdown), ALLOW(setsockopt), ALLOW(getsockopt),
    ALLOW(getsockname), ALLOW(getpeername), ALLOW(epoll_create1), ALLOW(epoll_ctl), ALLOW(epoll_wait),
    ALLOW(epoll_pwait), ALLOW(epoll_pwait2), ALLOW(poll), ALLOW(ppoll), ALLOW(select), ALLOW(pselect6), ALLOW(eventfd2),
    ALLOW(signalfd4), ALLOW(fcntl), ALLOW(dup), ALLOW(dup2), ALLOW(dup3), ALLOW(pipe2), ALLOW(ioctl), ALLOW(lseek),
    // memory
    ALLOW(brk), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise), ALLOW(mlock), ALLOW(mlock2), ALLOW(munlock), ALLOW(msync),
    ALLOW(mincore), ALLOW(fallocate), ALLOW(memfd_create), ALLOW(membarrier),
    // threads, time, signals
    ALLOW(futex), ALLOW(set_robust_list), ALLOW(get_robust_list), ALLOW(rseq), ALLOW(set_tid_address), ALLOW(gettid),
    ALLOW(getpid), ALLOW(getppid), ALLOW(tgkill), ALLOW(exit), ALLOW(exit_group), ALLOW(sched_yield),
    ALLOW(sched_getaffinity), ALLOW(sched_setaffinity), ALLOW(sched_getattr), ALLOW(sched_setattr),
    ALLOW(sched_getparam), ALLOW(sched_getscheduler), ALLOW(getcpu), ALLOW(clock_gettime), ALLOW(clock_getres),
    ALLOW(clock_nanosleep), ALLOW(nanosleep), ALLOW(gettimeofday), ALLOW(time), ALLOW(restart_syscall),
    ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(rt_sigtimedwait), ALLOW(rt_sigpending),
    ALLOW(sigaltstack), ALLOW(getrandom), ALLOW(timerfd_create), ALLOW(timerfd_settime),
    // files of a reload, as far as Landlock lets them be reached
    ALLOW(stat), ALLOW(fstat), ALLOW(lstat), ALLOW(newfstatat), ALLOW(statx), ALLOW(access),
    ALLOW(faccessat), ALLOW(faccessat2), ALLOW(readlink), ALLOW(readlinkat), ALLOW(getdents64), ALLOW(getcwd),
    ALLOW(unlink), ALLOW(unlinkat), ALLOW(umask), ALLOW(fsync), ALLOW(fdatasync), ALLOW(flock), ALLOW(statfs), ALLOW(fstatfs),
    // who and how much
    ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid), ALLOW(getegid), ALLOW(getgroups), ALLOW(capget), ALLOW(capset),
    ALLOW(uname), ALLOW(sysinfo), ALLOW(getrlimit), ALLOW(prlimit64), ALLOW(getrusage), ALLOW(times),
};

static bool allow_plain(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        // Calls that this architecture never had (open, stat, ... on arm64) are skipped.
        int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, plain[i], 0);
        if (result != 0 && result != -EDOM)
            return false;
    }
    return true;
}

// Files are never emptied, not even by who opens them for reading. openat2 hides its flags behind a pointer: it is not allowed.
static bool allow_opening(scmp_filter_ctx filter)
{
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, O_TRUNC, 0));
    return (result == 0 || result == -EDOM) && // arm64 never had open
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, O_TRUNC, 0)) == 0;
}

// Memory that is written and run: never. Code comes from files alone (name service modules).
static bool allow_memory(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp not_run = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp run = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC);
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, not_run) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, run) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, not_run) == 0;
}

// Threads, and no processes. clone3 hides its flags behind a pointer: without it the C library takes clone.
static bool allow_threads(scmp_filter_ctx filter)
{
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)) == 0;
}

static bool allow_sockets(scmp_filter_ctx filter)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0)) != 0)
            return false;
    // Netlink has many protocols, packet filters among them; getaddrinfo(3) asks for the host's addresses.
    if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
                         SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE, 0)) != 0)
        return false;
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                            SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0)) == 0;
}

// Names of threads, the word that outlives the keeper; never PR_SET_DUMPABLE.
static bool allow_settings(scmp_filter_ctx filter)
{
    static const int settings[] = {PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_VMA};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)settings[i], 0)) != 0)
            return false;
    return true;
}

bool dg_seccomp_is_possible(void) { return !IS_SANITIZED; }

bool dg_seccomp_shut(void)
{
    if (!dg_seccomp_is_possible())
        return false;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter)
        return false;
    bool done = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) == 0 && // set by the caller
                allow_plain(filter) && allow_opening(filter) && allow_memory(filter) && allow_threads(filter) &&
                allow_sockets(filter) && allow_settings(filter) && seccomp_load(filter) == 0;
    seccomp_release(filter);
    return done;
}
