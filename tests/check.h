// SPDX-License-Identifier: GPL-3.0-or-later
//
// The test harness: named cases, checks that say what they saw, one line
// `ok NAME` or `not ok NAME: why` for each case, which scripts/test sums up.
// It knows nothing of what it tests and runs everything in one process.

#ifndef DG_TESTS_CHECK_H
#define DG_TESTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DG_TEST(name) static void name(void)

// Records a failure with file and line; the case goes on.
#define CHECK(cond) ((void)dg_check((cond), __FILE__, __LINE__, #cond))

#define CHECK_MSG(cond, ...) ((void)dg_check_msg((cond), __FILE__, __LINE__, #cond, __VA_ARGS__))

// Integers of any type; prints both as unsigned long long.
#define CHECK_EQ(actual, expected)                                                              \
    ((void)dg_check_eq((unsigned long long)(actual), (unsigned long long)(expected), __FILE__, \
               __LINE__, #actual))

// Prints both in hex. Only for tests: it compares in variable time.
#define CHECK_MEM(actual, expected, size) \
    ((void)dg_check_mem((actual), (expected), (size), __FILE__, __LINE__, #actual))

#define CHECK_STR(actual, expected) \
    ((void)dg_check_str((actual), (expected), __FILE__, __LINE__, #actual))

// Records a failure and leaves the test function, which must return void.
#define REQUIRE(cond)                                              \
    do {                                                       \
        if (!dg_check((cond), __FILE__, __LINE__, #cond)) \
            return;                                    \
    } while (0)

struct dg_test_case {
    const char *name;
    void (*run)(void);
};

#define DG_CASE(fn) { #fn, fn }

// Runs the cases, or only those whose names argv gives. Returns 0 when all
// passed, 1 otherwise: the value for main to return.
int dg_test_main(const struct dg_test_case *cases, size_t count, int argc, char **argv);

// The seed for whatever the case draws at random: DG_TEST_SEED from the
// environment, or fresh for each process. Printed when a case that asked for it
// fails.
uint64_t dg_test_seed(void);

// What the macros call. Each returns whether the check passed.
bool dg_check(bool cond, const char *file, int line, const char *text);
bool dg_check_msg(bool cond, const char *file, int line, const char *text, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
bool dg_check_eq(unsigned long long actual, unsigned long long expected, const char *file, int line,
         const char *text);
bool dg_check_mem(const void *actual, const void *expected, size_t size, const char *file, int line,
          const char *text);
bool dg_check_str(const char *actual, const char *expected, const char *file, int line,
          const char *text);

#endif
