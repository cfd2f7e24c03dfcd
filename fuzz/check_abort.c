// SPDX-License-Identifier: GPL-3.0-or-later
// The checks of tests/check.h for fuzzing: the first that fails says where and aborts, which is what a fuzzer
// calls a finding. Has no cases and counts nothing.
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void end(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, text);
    abort();
}

bool dg_check(bool cond, const char *file, int line, const char *text)
{
    if (!cond)
        end(file, line, text);
    return true;
}

bool dg_check_msg(bool cond, const char *file, int line, const char *text, const char *format, ...)
{
    if (cond)
        return true;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    end(file, line, text);
    return false;
}

bool dg_check_eq(unsigned long long actual, unsigned long long expected, const char *file, int line, const char *text)
{
    if (actual != expected) {
        fprintf(stderr, "%llu, expected %llu\n", actual, expected);
        end(file, line, text);
    }
    return true;
}

bool dg_check_mem(const void *actual, const void *expected, size_t size, const char *file, int line, const char *text)
{
    return dg_check(size == 0 || memcmp(actual, expected, size) == 0, file, line, text);
}

bool dg_check_str(const char *actual, const char *expected, const char *file, int line, const char *text)
{
    return dg_check(actual != NULL && expected != NULL && strcmp(actual, expected) == 0, file, line, text);
}

uint64_t dg_test_seed(void) { return 1; }
