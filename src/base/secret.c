// SPDX-License-Identifier: GPL-3.0-or-later
// Wiping, constant-time comparison, and pages that neither a core dump nor a child process sees. Owns
// the pages that dg_secret_new hands out; never logs or copies what lies in them.
#include "base/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void dg_wipe(void *data, size_t size_bytes)
{
    if (size_bytes > 0) {
        explicit_bzero(data, size_bytes);
    }
}

bool dg_secret_equal(const void *a, const void *b, size_t size_bytes)
{
    // volatile: without it the compiler may see that one difference settles the answer and stop early.
    const volatile uint8_t *left = a;
    const volatile uint8_t *right = b;
    uint8_t difference = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        difference = (uint8_t)(difference | (left[i] ^ right[i]));
    }
    return difference == 0;
}

void dg_secret_shield(void *pages, size_t size_bytes)
{
    // Each is a second line of defence, and a host may refuse any of them (an old kernel, a small
    // RLIMIT_MEMLOCK): the server then runs with less, which is better than not at all.
    (void)madvise(pages, size_bytes, MADV_DONTDUMP);
    (void)madvise(pages, size_bytes, MADV_DONTFORK);
    // On fault: pages that are never used shall cost nothing.
    (void)mlock2(pages, size_bytes, MLOCK_ONFAULT);
}

// 0 when size_bytes is too large to round up.
static size_t whole_pages(size_t size_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size_bytes > SIZE_MAX - page) {
        return 0;
    }
    size_t pages = (size_bytes + page - 1) / page;
    return (pages > 0 ? pages : 1) * page;
}

void *dg_secret_new(size_t size_bytes)
{
    size_t mapped = whole_pages(size_bytes);
    if (mapped == 0) {
        return NULL;
    }
    void *data = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        return NULL;
    }
    dg_secret_shield(data, mapped);
    return data;
}

void dg_secret_free(void *data, size_t size_bytes)
{
    if (data == NULL) {
        return;
    }
    dg_wipe(data, size_bytes);
    DG_BUG_UNLESS(munmap(data, whole_pages(size_bytes)) == 0);
}
