// SPDX-License-Identifier: GPL-3.0-or-later
// Wiping, comparing and shielding of secrets, the kernel's random bytes, and the abort at a bug.
#include "base/attributes.h"
#include "base/random.h"
#include "base/secret.h"
#include "check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

DG_TEST(secret_wipe_leaves_zeros_and_only_there)
{
    uint8_t block[34];
    memset(block, 0xa5, sizeof block);
    dg_wipe(block + 1, 32);
    static const uint8_t ZEROS[32];
    CHECK_MEM(block + 1, ZEROS, 32);
    CHECK_EQ(block[0], 0xa5);
    CHECK_EQ(block[33], 0xa5);
    dg_wipe(NULL, 0);
}

DG_TEST(secret_equal_sees_each_bit)
{
    uint8_t a[32], b[32];
    dg_random_bytes(a, sizeof a);
    memcpy(b, a, sizeof a);
    CHECK(dg_secret_equal(a, b, sizeof a));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        CHECK(!dg_secret_equal(a, b, sizeof a));
        b[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    CHECK(dg_secret_equal(a, b, 0));
    CHECK(dg_secret_equal(NULL, NULL, 0));
}

// Whether the kernel's flags for the mapping that holds address contain flag ("dd": not dumped, "dc": not
// copied to a child).
static bool mapping_has_flag(const void *address, const char *flag)
{
    FILE *maps = fopen("/proc/self/smaps", "r");
    if (maps == NULL) {
        return false;
    }
    char line[512];
    bool here = false, found = false;
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t begin, end;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
            here = begin <= (uintptr_t)address && (uintptr_t)address < end;
        } else if (here && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, flag) != NULL;
        }
    }
    fclose(maps);
    return found;
}

DG_TEST(secret_memory_is_zeroed_and_out_of_dumps_and_children)
{
    static const size_t SIZES[] = {0, 1, 4095, 4096, 4097, 100000};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        uint8_t *secret = dg_secret_new(SIZES[i]);
        REQUIRE(secret != NULL);
        for (size_t j = 0; j < SIZES[i]; j++) {
            CHECK(secret[j] == 0);
        }
        memset(secret, 0x5a, SIZES[i]);
        CHECK(mapping_has_flag(secret, " dd"));
        CHECK(mapping_has_flag(secret, " dc"));
        dg_secret_free(secret, SIZES[i]);
    }
    dg_secret_free(NULL, 100);
}

DG_TEST(secret_memory_of_impossible_size_is_refused)
{
    CHECK(dg_secret_new(SIZE_MAX) == NULL);
    CHECK(dg_secret_new(SIZE_MAX - 5000) == NULL);
}

DG_TEST(random_bytes_fill_exactly_and_differ)
{
    // Larger than the 256 bytes that one getrandom call is sure to give at once.
    enum { SIZE = 100000 };
    uint8_t *bytes = malloc(SIZE + 2);
    REQUIRE(bytes != NULL);
    memset(bytes, 0, SIZE + 2);
    dg_random_bytes(bytes + 1, SIZE);
    CHECK_EQ(bytes[0], 0);
    CHECK_EQ(bytes[SIZE + 1], 0);
    size_t seen[256] = {0};
    for (size_t i = 1; i <= SIZE; i++) {
        seen[bytes[i]]++;
    }
    // 390 of each are expected, with a deviation of 20: eight of those away is no accident.
    for (size_t i = 0; i < 256; i++) {
        CHECK_MSG(seen[i] > 230 && seen[i] < 550, "byte %zu came %zu times", i, seen[i]);
    }
    free(bytes);
    CHECK(dg_random_u64() != dg_random_u64());
    dg_random_bytes(NULL, 0);
}

// Runs DG_BUG_UNLESS(fine) in a child of its own. Fills text with what it said.
static int status_of_bug(bool fine, char *text, size_t capacity)
{
    int ends[2];
    text[0] = '\0';
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        DG_BUG_UNLESS(fine);
        _exit(7);
    }
    close(ends[1]);
    ssize_t size = read(ends[0], text, capacity - 1);
    text[size > 0 ? size : 0] = '\0';
    close(ends[0]);
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

DG_TEST(bug_says_where_and_aborts)
{
    char text[600];
    int status = status_of_bug(false, text, sizeof text);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_MSG(strstr(text, "event=bug") != NULL, "it said: %s", text);
    CHECK(strstr(text, "test_secret.c:") != NULL);
    CHECK(strstr(text, "violated: fine") != NULL);
    status = status_of_bug(true, text, sizeof text);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK_STR(text, "");
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(secret_wipe_leaves_zeros_and_only_there),
        DG_CASE(secret_equal_sees_each_bit),
        DG_CASE(secret_memory_is_zeroed_and_out_of_dumps_and_children),
        DG_CASE(secret_memory_of_impossible_size_is_refused),
        DG_CASE(random_bytes_fill_exactly_and_differ),
        DG_CASE(bug_says_where_and_aborts),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
