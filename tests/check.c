// SPDX-License-Identifier: GPL-3.0-or-later
//
// The test harness (check.h): counts the failures of the case that runs, keeps
// the first one's text for its line. It catches no signal: a case that crashes
// takes its program down, and scripts/test counts that as a failure.

#include "check.h"

#include "own_network.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { reason_size = 512, failures_shown = 20 };

static struct {
    unsigned failures;
    char reason[reason_size];  // of the first failure
    bool seed_used;
} current;

static void record(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void record(const char *file, int line, const char *format, ...)
{
    char text[reason_size];
    const char *base = strrchr(file, '/');
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p != '\0'; p++) {
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    }
    if (base != NULL)
        file = base + 1;
    if (current.failures++ == 0)
        (void)snprintf(current.reason, sizeof current.reason, "%s:%d: %.400s", file, line, text);
    if (current.failures <= failures_shown)
        (void)fprintf(stderr, "%s:%d: %s\n", file, line, text);
}

bool dg_check(bool cond, const char *file, int line, const char *text)
{
    if (!cond)
        record(file, line, "%s", text);
    return cond;
}

bool dg_check_msg(bool cond, const char *file, int line, const char *text, const char *format, ...)
{
    char message[reason_size];
    va_list args;

    if (cond)
        return true;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    record(file, line, "%s: %s", text, message);
    return false;
}

bool dg_check_eq(unsigned long long actual, unsigned long long expected, const char *file, int line,
         const char *text)
{
    if (actual != expected) {
        record(file, line, "%s is %llu (0x%llx), expected %llu (0x%llx)", text, actual, actual,
               expected, expected);
    }
    return actual == expected;
}

static void to_hex(char *out, size_t out_size, const unsigned char *bytes, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < size && used + 6 < out_size; i++)
        used += (size_t)snprintf(out + used, out_size - used, "%02x", bytes[i]);
    if (used / 2 < size)
        (void)snprintf(out + used, out_size - used, "...");
}

bool dg_check_mem(const void *actual, const void *expected, size_t size, const char *file, int line,
          const char *text)
{
    const unsigned char *a = actual;
    const unsigned char *e = expected;
    char a_hex[180];
    char e_hex[180];
    size_t at = 0;

    if (size == 0)
        return true;
    if (a == NULL || e == NULL) {
        if (a == e)
            return true;
        record(file, line, "%s is %s, expected %s", text, a == NULL ? "NULL" : "not NULL",
               e == NULL ? "NULL" : "not NULL");
        return false;
    }
    while (at < size && a[at] == e[at])
        at++;
    if (at == size)
        return true;
    to_hex(a_hex, sizeof a_hex, a, size);
    to_hex(e_hex, sizeof e_hex, e, size);
    record(file, line, "%s differs at byte %zu of %zu: %s, expected %s", text, at, size, a_hex,
           e_hex);
    return false;
}

bool dg_check_str(const char *actual, const char *expected, const char *file, int line,
          const char *text)
{
    bool same = actual == expected;

    if (actual != NULL && expected != NULL)
        same = strcmp(actual, expected) == 0;
    if (!same) {
        record(file, line, "%s is \"%.150s\", expected \"%.150s\"", text,
               actual == NULL ? "(NULL)" : actual, expected == NULL ? "(NULL)" : expected);
    }
    return same;
}

uint64_t dg_test_seed(void)
{
    static uint64_t seed;
    static bool known;

    if (!known) {
        const char *given = getenv("DG_TEST_SEED");

        if (given != NULL && given[0] != '\0')
            seed = strtoull(given, NULL, 0);
        else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
            abort();
        known = true;
    }
    current.seed_used = true;
    return seed;
}

static bool wanted(const char *name, int argc, char **argv)
{
    if (argc <= 1)
        return true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return true;
    }
    return false;
}

static bool known_name(const struct dg_test_case *cases, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(cases[i].name, name) == 0)
            return true;
    }
    return false;
}

int dg_test_main(const struct dg_test_case *cases, size_t count, int argc, char **argv)
{
    bool failed = false;

    for (int i = 1; i < argc; i++) {
        if (!known_name(cases, count, argv[i])) {
            (void)fprintf(stderr, "no case named %s; the cases are:\n", argv[i]);
            for (size_t k = 0; k < count; k++)
                (void)fprintf(stderr, "  %s\n", cases[k].name);
            return 1;
        }
    }
    (void)own_network_enter(); // where there is none, ports are shared with the tests beside this one
    for (size_t i = 0; i < count; i++) {
        if (!wanted(cases[i].name, argc, argv))
            continue;
        memset(&current, 0, sizeof current);
        cases[i].run();
        if (current.failures == 0) {
            (void)printf("ok %s\n", cases[i].name);
        } else {
            failed = true;
            (void)printf("not ok %s: %s", cases[i].name, current.reason);
            if (current.failures > 1)
                (void)printf(" (and %u more)", current.failures - 1);
            if (current.seed_used)
                (void)printf(" [DG_TEST_SEED=%" PRIu64 "]", dg_test_seed());
            (void)printf("\n");
        }
        // So that what passed is on record when the next case crashes.
        (void)fflush(stdout);
    }
    return failed ? 1 : 0;
}
