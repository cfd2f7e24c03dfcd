// SPDX-License-Identifier: GPL-3.0-or-later
// The header through a mapping that cannot be written; the lock by the call that sleeps in the kernel until it is free, so
// that not a moment lies between one owner and the next.
#include "io/memfile_wait.h"

#include "core/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static bool fail(char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "%s: %s", what, strerror(errno));
    return false;
}

bool dg_memfile_check(int fd, char *error, size_t error_size)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size <= 0) {
        return fail(error, error_size, "the memory file's size could not be read");
    }
    size_t size = (size_t)status.st_size;
    void *region = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (region == MAP_FAILED) {
        return fail(error, error_size, "the memory file could not be mapped");
    }
    struct dg_memory memory; // only the header is read; nothing goes through this but the check
    bool done = dg_memory_attach(&memory, region, size, error, error_size);
    DG_BUG_UNLESS(munmap(region, size) == 0);
    return done;
}

bool dg_memfile_wait(int fd, char *error, size_t error_size)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; // the whole file
    int done;
    do {
        done = fcntl(fd, F_SETLKW, &lock);
    } while (done != 0 && errno == EINTR);
    return done == 0 || fail(error, error_size, "the memory file could not be waited for");
}
