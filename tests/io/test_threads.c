// SPDX-License-Identifier: GPL-3.0-or-later
// Which thread goes first: what the kernel says of threads that have asked.
#include "check.h"
#include "io/threads.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <stdlib.h>
#include <unistd.h>

struct asked {
    void (*ask)(void);
    int policy, nice_before, nice_after;
    uint64_t turn_ns; // 0: the kernel's own
};

// sched_setattr(2): the first version of its argument, 48 bytes.
static uint64_t turn_of_this_thread(void)
{
    uint64_t words[6] = {0};
    return syscall(SYS_sched_getattr, 0, words, sizeof words, 0) == 0 ? words[3] : 0;
}

static void run(void *context)
{
    struct asked *asked = context;
    asked->nice_before = getpriority(PRIO_PROCESS, 0);
    asked->ask();
    asked->nice_after = getpriority(PRIO_PROCESS, 0);
    asked->policy = sched_getscheduler(0);
    asked->turn_ns = turn_of_this_thread();
}

static bool ask(struct asked *asked)
{
    struct dg_thread thread;
    if (!dg_thread_start(&thread, "asks", run, asked))
        return false;
    dg_thread_join(&thread);
    return true;
}

static bool kernel_gives_short_turns(void)
{
    struct utsname name;
    if (uname(&name) != 0)
        return false;
    char *rest;
    long major = strtol(name.release, &rest, 10), minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
    return major > 6 || (major == 6 && minor >= 12);
}

DG_TEST(threads_one_that_goes_first_has_short_turns_and_no_less_of_them)
{
    struct asked asked = {.ask = dg_thread_go_first};
    REQUIRE(ask(&asked));
    CHECK_EQ(asked.policy, SCHED_OTHER);
    CHECK_EQ(asked.nice_after, asked.nice_before);
    if (kernel_gives_short_turns())
        CHECK_EQ(asked.turn_ns, 100000);
}

DG_TEST(threads_one_that_gives_way_is_nicer_than_before)
{
    struct asked asked = {.ask = dg_thread_give_way};
    REQUIRE(ask(&asked));
    CHECK_EQ(asked.policy, SCHED_OTHER);
    CHECK_EQ(asked.nice_after, asked.nice_before + 5 < 19 ? asked.nice_before + 5 : 19);
    CHECK(asked.turn_ns != 100000);
}

static void become_batch_and_give_way(void)
{
    const struct sched_param none = {.sched_priority = 0};
    CHECK(sched_setscheduler(0, SCHED_BATCH, &none) == 0);
    dg_thread_give_way();
    dg_thread_go_first();
}

DG_TEST(threads_of_another_class_are_left_as_the_operator_wants_them)
{
    struct asked asked = {.ask = become_batch_and_give_way};
    REQUIRE(ask(&asked));
    CHECK_EQ(asked.policy, SCHED_BATCH);
    CHECK_EQ(asked.nice_after, asked.nice_before);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(threads_one_that_goes_first_has_short_turns_and_no_less_of_them),
        DG_CASE(threads_one_that_gives_way_is_nicer_than_before),
        DG_CASE(threads_of_another_class_are_left_as_the_operator_wants_them),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
