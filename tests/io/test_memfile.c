// SPDX-License-Identifier: GPL-3.0-or-later
// The memory file with a real kernel: seals, the single owner, what a child and a core dump see, and a
// second process that goes on where the first one died.
#include "check.h"
#include "core/shard.h"
#include "io/memfile.h"
#include "support/shard_region.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW (1000 * DG_SECOND)

static const struct dg_memory_shape SHAPE = {.shard_count = 2, .slots_per_shard = 16, .flights_per_shard = 4, .cid_size = DG_CID_SIZE_DEFAULT};

static bool make(struct dg_memfile *file)
{
    char error[DG_MEMFILE_ERROR] = "";
    bool made = dg_memfile_new(file, &SHAPE, error, sizeof error);
    CHECK_STR(error, "");
    return made;
}

DG_TEST(memfile_is_sealed_against_shrinking_and_growing)
{
    struct dg_memfile file = {.fd = -1};
    REQUIRE(make(&file));
    int seals = fcntl(file.fd, F_GET_SEALS);
    CHECK_EQ(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    CHECK(ftruncate(file.fd, 4096) != 0 && errno == EPERM);
    CHECK(ftruncate(file.fd, (off_t)file.memory.size_bytes * 2) != 0 && errno == EPERM);
    CHECK(fcntl(file.fd, F_GETFD) & FD_CLOEXEC);
    dg_memfile_close(&file);
    CHECK_EQ(file.fd, -1);
    dg_memfile_close(&file); // nothing more to close
}

// What a program that has closed its standard streams says must not land in the slots.
DG_TEST(memfile_is_never_a_standard_stream)
{
    struct dg_memfile file = {.fd = -1};
    int kept = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close(STDIN_FILENO);
    bool made = make(&file);
    CHECK(made && file.fd > STDERR_FILENO);
    CHECK(made && (fcntl(file.fd, F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(fcntl(STDIN_FILENO, F_GETFD) < 0);
    dg_memfile_close(&file);
    if (kept >= 0) {
        CHECK(dup2(kept, STDIN_FILENO) == STDIN_FILENO);
        close(kept);
    }
}

DG_TEST(memfile_of_a_bad_shape_is_refused_in_words)
{
    struct dg_memfile file = {.fd = -1};
    char error[DG_MEMFILE_ERROR] = "";
    CHECK(!dg_memfile_new(&file, &(struct dg_memory_shape){3, 1, 1, DG_CID_SIZE_DEFAULT}, error, sizeof error));
    CHECK(strstr(error, "power of two") != NULL);
    CHECK_EQ(file.fd, -1);
}

// What the kernel counts as the file's: pages that exist.
static uint64_t pages_of(const struct dg_memfile *file)
{
    struct stat status;
    return fstat(file->fd, &status) == 0 ? (uint64_t)status.st_blocks * 512 / 4096 : 0;
}

DG_TEST(memfile_is_small_again_after_a_storm)
{
    static struct dg_handover handover;
    static const struct dg_memory_shape shape = {
        .shard_count = 1, .slots_per_shard = 2000, .flights_per_shard = 4000, .cid_size = DG_CID_SIZE_DEFAULT};
    struct test_random random = {.state = dg_test_seed()};
    struct dg_memfile file = {.fd = -1};
    struct dg_shard shard;
    static struct dg_counters counters;
    enum dg_counter reason;
    char error[DG_MEMFILE_ERROR] = "";
    REQUIRE(dg_memfile_new(&file, &shape, error, sizeof error));
    REQUIRE(dg_shard_init(&shard, &file.memory, 0, &counters));
    uint64_t before = pages_of(&file);
    for (uint32_t who = 0; who < shape.slots_per_shard; who++) {
        handover_make(&handover, &random, HANDOVER_13 | HANDOVER_CID | HANDOVER_FLIGHT, who);
        REQUIRE(dg_shard_take_over(&shard, NOW, &handover, &reason) != NULL);
    }
    uint64_t high = pages_of(&file);
    CHECK(high > before + 900);
    uint32_t cursor = 0;
    for (struct dg_slot *slot; (slot = dg_shard_next_live(&shard, &cursor)) != NULL;) {
        dg_shard_give_back(&shard, slot);
    }
    CHECK_EQ(pages_of(&file), high); // nothing of it happens where datagrams are served
    while (!dg_shard_trim(&shard, 100)) {
    }
    CHECK_MSG(pages_of(&file) <= before + 6, "%llu pages, %llu before the storm",
              (unsigned long long)pages_of(&file), (unsigned long long)before);
    dg_shard_clear(&shard);
    dg_memfile_close(&file);
}

// The flags of the mapping that holds address, as /proc/self/smaps has them.
static bool has_vm_flag(const void *address, const char *flag)
{
    FILE *smaps = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false, found = false;
    while (smaps != NULL && fgets(line, sizeof line, smaps) != NULL) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            inside = (unsigned long)address >= from && (unsigned long)address < to;
        } else if (inside && strncmp(line, "VmFlags:", 8) == 0) {
            found = strstr(line, flag) != NULL;
        }
    }
    if (smaps != NULL) {
        (void)fclose(smaps);
    }
    return found;
}

DG_TEST(memfile_is_kept_from_children_and_core_dumps)
{
    struct dg_memfile file = {.fd = -1};
    REQUIRE(make(&file));
    CHECK(has_vm_flag(file.memory.base, " dc")); // not copied on fork
    CHECK(has_vm_flag(file.memory.base, " dd")); // not in a core dump
    pid_t child = fork();
    if (child == 0) {
        unsigned char resident;
        // Not mapped at all: mincore says so without touching it.
        _exit(mincore(file.memory.base, 4096, &resident) != 0 && errno == ENOMEM ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    dg_memfile_close(&file);
}

// In a child: exit status 0 when adopting succeeded, 1 when it was refused in words that name the owner.
static int adopt_in_child(int fd, pid_t owner)
{
    pid_t child = fork();
    if (child == 0) {
        struct dg_memfile file = {.fd = -1};
        char error[DG_MEMFILE_ERROR] = "", name[64];
        if (dg_memfile_adopt(&file, fd, error, sizeof error)) {
            _exit(0);
        }
        (void)snprintf(name, sizeof name, "owned by process %ld:", (long)owner);
        _exit(strstr(error, name) != NULL && file.fd == -1 ? 1 : 2);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

DG_TEST(memfile_has_one_owner)
{
    struct dg_memfile file = {.fd = -1};
    REQUIRE(make(&file));
    // The child has the same open file, and not the lock.
    CHECK_EQ(adopt_in_child(file.fd, getpid()), 1);
    int kept = fcntl(file.fd, F_DUPFD_CLOEXEC, 0); // as a supervisor keeps it
    REQUIRE(kept >= 0);
    dg_memfile_close(&file);
    CHECK_EQ(adopt_in_child(kept, getpid()), 0);
    CHECK_EQ(adopt_in_child(kept, getpid()), 0); // and freed by the death of the one before
    (void)close(kept);
}

static struct dg_handover handover;

static void serve_and_die(int fd)
{
    struct dg_memfile file = {.fd = -1};
    struct dg_counters counters = {0};
    struct dg_shard shard;
    struct test_random random = {.state = 3};
    enum dg_counter reason;
    char error[DG_MEMFILE_ERROR];
    handover_make(&handover, &random, HANDOVER_13 | HANDOVER_CID, 1);
    if (!dg_memfile_adopt(&file, fd, error, sizeof error) || !dg_shard_init(&shard, &file.memory, 0, &counters)) {
        _exit(1);
    }
    struct dg_slot *slot = dg_shard_take_over(&shard, NOW, &handover, &reason);
    if (slot == NULL) {
        _exit(2);
    }
    // Five records' numbers are stored and used.
    atomic_store(&dg_shard_keyset(&shard, slot, slot->tx_place)->next, handover.tx_next + 5);
    (void)kill(getpid(), SIGKILL);
}

DG_TEST(memfile_outlives_a_killed_process)
{
    struct dg_memfile file = {.fd = -1};
    REQUIRE(make(&file));
    int kept = fcntl(file.fd, F_DUPFD_CLOEXEC, 0);
    REQUIRE(kept >= 0);
    dg_memfile_close(&file);
    pid_t child = fork();
    if (child == 0) {
        serve_and_die(kept);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    struct test_random random = {.state = 3};
    struct dg_counters counters = {0};
    struct dg_shard shard;
    char error[DG_MEMFILE_ERROR] = "";
    handover_make(&handover, &random, HANDOVER_13 | HANDOVER_CID, 1);
    REQUIRE(dg_memfile_adopt(&file, kept, error, sizeof error));
    REQUIRE(dg_shard_init(&shard, &file.memory, 0, &counters));
    CHECK_EQ(shard_account(&shard), 1);
    struct dg_slot *slot = dg_shard_find_cid(&shard, handover.cid);
    REQUIRE(slot != NULL);
    const struct dg_keyset *tx = dg_shard_keyset(&shard, slot, slot->tx_place);
    CHECK_EQ(tx->next, handover.tx_next + 5);
    CHECK_MEM(dg_keyset_view(tx, slot->aead, slot->hash, true).key, handover.tx.key, 16);
    dg_shard_clear(&shard);
    dg_memfile_close(&file);
}

static void check_not_adopted(int fd, const char *word)
{
    struct dg_memfile file = {.fd = -1};
    char error[DG_MEMFILE_ERROR] = "";
    CHECK(!dg_memfile_adopt(&file, fd, error, sizeof error));
    CHECK_MSG(strstr(error, word) != NULL, "\"%s\" does not say \"%s\"", error, word);
    CHECK_EQ(file.fd, -1);
    CHECK(fcntl(fd, F_GETFD) >= 0); // still the caller's
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &lock) == 0) {
        CHECK_EQ(lock.l_type, F_UNLCK);
    }
}

DG_TEST(memfile_adopts_nothing_that_it_did_not_make)
{
    int pipes[2];
    REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
    check_not_adopted(pipes[0], "no memory file");
    (void)close(pipes[0]);
    (void)close(pipes[1]);

    int unsealed = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    REQUIRE(unsealed >= 0 && ftruncate(unsealed, 8192) == 0);
    check_not_adopted(unsealed, "not sealed");
    REQUIRE(fcntl(unsealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    check_not_adopted(unsealed, "no memory file of dtlsgate");
    (void)close(unsealed);

    int empty = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    REQUIRE(empty >= 0 && fcntl(empty, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    check_not_adopted(empty, "empty");
    (void)close(empty);

    // Of another layout: refused, and not changed.
    struct dg_memfile file = {.fd = -1};
    REQUIRE(make(&file));
    file.memory.header->version++;
    int kept = fcntl(file.fd, F_DUPFD_CLOEXEC, 0);
    REQUIRE(kept >= 0);
    dg_memfile_close(&file);
    check_not_adopted(kept, "layout's version is 5");
    (void)close(kept);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(memfile_is_sealed_against_shrinking_and_growing),
        DG_CASE(memfile_is_never_a_standard_stream),
        DG_CASE(memfile_is_small_again_after_a_storm),
        DG_CASE(memfile_of_a_bad_shape_is_refused_in_words),
        DG_CASE(memfile_is_kept_from_children_and_core_dumps),
        DG_CASE(memfile_has_one_owner),
        DG_CASE(memfile_outlives_a_killed_process),
        DG_CASE(memfile_adopts_nothing_that_it_did_not_make),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
