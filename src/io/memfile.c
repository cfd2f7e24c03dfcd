// SPDX-License-Identifier: GPL-3.0-or-later
// Makes, seals, locks and maps the memory file. Owns the descriptor and the mapping. Never unlocks while
// the mapping can still be written: two processes that seal with the same keys would use a number twice.
#include "io/memfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U // Linux 6.3
#endif

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static bool fail(char *error, size_t error_size, const char *what)
{
    (void)snprintf(error, error_size, "%s: %s", what, strerror(errno));
    return false;
}

static int create(void)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create("dtlsgate", flags | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create("dtlsgate", flags); // before Linux 6.3
    }
    if (fd < 0 || fd > STDERR_FILENO) {
        return fd;
    }
    // Whoever has closed its standard streams must not write its words over the slots.
    int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(fd);
    return above;
}

// The whole file, for one process at a time.
static struct flock whole_file(short type)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET};
}

static bool own(int fd, char *error, size_t error_size)
{
    struct flock lock = whole_file(F_WRLCK);
    if (fcntl(fd, F_SETLK, &lock) == 0) {
        return true;
    }
    if (errno != EACCES && errno != EAGAIN) {
        return fail(error, error_size, "the memory file could not be locked");
    }
    // Only for the message: the owner may be gone by now.
    lock = whole_file(F_WRLCK);
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
        (void)snprintf(error, error_size,
                       "the memory file is owned by process %ld: stop that one first, two would use record numbers "
                       "twice",
                       (long)lock.l_pid);
    } else {
        (void)snprintf(error, error_size,
                       "the memory file is owned by another process: stop that one first, two would use record "
                       "numbers twice");
    }
    return false;
}

static void disown(int fd)
{
    struct flock lock = whole_file(F_UNLCK);
    (void)fcntl(fd, F_SETLK, &lock); // closing does the same
}

static void unmap(void *region, size_t size_bytes)
{
    DG_BUG_UNLESS(munmap(region, size_bytes) == 0);
}

// MAP_FAILED: error says why.
static void *map(int fd, size_t size_bytes, bool *ret_is_locked, char *error, size_t error_size)
{
    void *region = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (region == MAP_FAILED) {
        (void)fail(error, error_size, "the memory file could not be mapped");
        return MAP_FAILED;
    }
    // A child with the mapping would be a second writer, a core dump with it a list of keys.
    if (madvise(region, size_bytes, MADV_DONTFORK) != 0 || madvise(region, size_bytes, MADV_DONTDUMP) != 0) {
        (void)fail(error, error_size, "the memory file could not be kept from children and core dumps");
        unmap(region, size_bytes);
        return MAP_FAILED;
    }
    // On fault: pages that no association has used yet shall cost nothing. RLIMIT_MEMLOCK may say no.
    *ret_is_locked = mlock2(region, size_bytes, MLOCK_ONFAULT) == 0;
    return region;
}

// Where the system does not take the pages back they stay, and hold the zeros that they hold.
static void release(void *context, uint64_t offset, uint64_t size_bytes)
{
    const struct dg_memfile *file = context;
    (void)fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)size_bytes);
}

static void become(struct dg_memfile *file, const struct dg_memfile *made)
{
    *file = *made;
    file->memory.release = release;
    file->memory.release_context = file;
}

bool dg_memfile_new(struct dg_memfile *file, const struct dg_memory_shape *shape, char *error, size_t error_size)
{
    size_t size_bytes = dg_memory_size(shape);
    if (size_bytes == 0) {
        (void)snprintf(error, error_size,
                       "shards must be a power of two up to %d, slots of a shard 1 to %u, flights of a shard 1 to %u",
                       DG_SHARDS_MAX, (unsigned)DG_SLOTS_PER_SHARD_MAX, (unsigned)DG_FLIGHTS_PER_SHARD_MAX);
        return false;
    }
    struct dg_memfile made = {.fd = create()};
    if (made.fd < 0) {
        return fail(error, error_size, "a memory file could not be made");
    }
    if (ftruncate(made.fd, (off_t)size_bytes) != 0) {
        (void)fail(error, error_size, "the memory file could not be given its size");
        goto close_fd;
    }
    // A file that shrinks under a mapping ends the process with SIGBUS.
    if (fcntl(made.fd, F_ADD_SEALS, SEALS) != 0) {
        (void)fail(error, error_size, "the memory file could not be sealed");
        goto close_fd;
    }
    if (!own(made.fd, error, error_size)) {
        goto close_fd;
    }
    void *region = map(made.fd, size_bytes, &made.is_locked_in_ram, error, error_size);
    if (region == MAP_FAILED) {
        goto close_fd;
    }
    dg_memory_format(&made.memory, region, size_bytes, shape);
    become(file, &made);
    return true;

close_fd:
    (void)close(made.fd);
    return false;
}

// 0: error says why.
static size_t adoptable_size(int fd, char *error, size_t error_size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0) {
        (void)fail(error, error_size, "this descriptor is no memory file");
        return 0;
    }
    if ((seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW)) {
        (void)snprintf(error, error_size,
                       "this memory file is not sealed against shrinking and growing: dtlsgate did not make it");
        return 0;
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        (void)fail(error, error_size, "the memory file's size could not be read");
        return 0;
    }
    if (status.st_size <= 0) {
        (void)snprintf(error, error_size, "this memory file is empty: dtlsgate did not make it");
        return 0;
    }
    return (size_t)status.st_size;
}

bool dg_memfile_adopt(struct dg_memfile *file, int fd, char *error, size_t error_size)
{
    struct dg_memfile taken = {.fd = fd};
    size_t size_bytes = adoptable_size(fd, error, error_size);
    if (size_bytes == 0 || !own(fd, error, error_size)) {
        return false;
    }
    void *region = map(fd, size_bytes, &taken.is_locked_in_ram, error, error_size);
    if (region == MAP_FAILED) {
        goto disown;
    }
    if (!dg_memory_attach(&taken.memory, region, size_bytes, error, error_size)) {
        goto unmap;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        (void)fail(error, error_size, "the memory file could not be kept from programs that are started");
        goto unmap;
    }
    become(file, &taken);
    return true;

unmap:
    unmap(region, size_bytes);
disown:
    disown(fd);
    return false;
}

void dg_memfile_let_go(struct dg_memfile *file)
{
    if (file->fd < 0 || file->memory.base == NULL) {
        return;
    }
    // First no more writing, then no longer the owner (design.md, "One owner"). To take a large mapping apart takes longer
    // than to close it off, and somebody waits for the ownership.
    bool is_closed_off = mprotect(file->memory.base, file->memory.size_bytes, PROT_NONE) == 0;
    if (is_closed_off) {
        disown(file->fd);
    }
    unmap(file->memory.base, file->memory.size_bytes);
    if (!is_closed_off) {
        disown(file->fd);
    }
    file->memory = (struct dg_memory){0};
}

void dg_memfile_close(struct dg_memfile *file)
{
    if (file->fd < 0) {
        return;
    }
    dg_memfile_let_go(file);
    (void)close(file->fd);
    *file = (struct dg_memfile){.fd = -1};
}
