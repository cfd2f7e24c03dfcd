// SPDX-License-Identifier: GPL-3.0-or-later
// The key log: both ends of a handshake in this process write it, so each secret must stand there twice, told by two
// objects of the library that never saw each other's memory; and which files are not written to.
#include "crypto/key_log.h"

#include "check.h"
#include "support/dial_credentials.h"
#include "support/sim_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct dial_rig rig;

static const char *fresh_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/dtlsgate-keys-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) != 0 || unlink(path) != 0)
        abort();
    return path;
}

// Lines that begin with label and stand there `times` times; any other label is a failure.
static unsigned lines_of(const char *path, const char *label, size_t secret_size)
{
    char lines[32][256];
    unsigned count = 0, found = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    while (count < 32 && fgets(lines[count], sizeof lines[count], file) != NULL)
        count++;
    (void)fclose(file);
    for (unsigned i = 0; i < count; i++) {
        unsigned same = 0;
        for (unsigned k = 0; k < count; k++)
            same += strcmp(lines[i], lines[k]) == 0;
        CHECK_MSG(same == 2, "%u times: %s", same, lines[i]);
        if (strncmp(lines[i], label, strlen(label)) != 0 || lines[i][strlen(label)] != ' ')
            continue;
        found++;
        CHECK_EQ(strlen(lines[i]), strlen(label) + 1 + 64 + 1 + 2 * secret_size + 1);
        CHECK_EQ(strspn(lines[i] + strlen(label) + 1, "0123456789abcdef"), 64);
    }
    return found;
}

static void shake_hands(int version)
{
    struct dial_options options = options_of(PSK, version);
    if (!dial_rig_dialer(&rig, &options))
        CHECK_MSG(false, "%s", rig.error);
    else
        CHECK(dial_and_talk(&rig, "key log", DG_SECOND));
    dial_rig_hang_up(&rig);
}

DG_TEST(key_log_tells_what_both_ends_know)
{
    static const char *const labels13[] = {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
                                           "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"};
    const char *path = fresh_path();
    char error[256];
    struct stat file;
    REQUIRE(rig_new(&rig.gate, &everything));
    REQUIRE(dg_key_log_open(path, error, sizeof error));
    CHECK(stat(path, &file) == 0 && (file.st_mode & 07777) == 0600);
    shake_hands(12);
    CHECK_EQ(lines_of(path, "CLIENT_RANDOM", 48), 2);
    CHECK_EQ(truncate(path, 0), 0);
    shake_hands(13);
    size_t secret_size = rig.server_handover.hash == DG_HASH_SHA384 ? 48 : 32;
    for (size_t i = 0; i < sizeof labels13 / sizeof labels13[0]; i++)
        CHECK_MSG(lines_of(path, labels13[i], secret_size) == 2, "%s", labels13[i]);
    CHECK_EQ(lines_of(path, "CLIENT_RANDOM", 48), 0);
    CHECK_EQ(truncate(path, 0), 0);
    dg_key_log_close();
    shake_hands(12);
    shake_hands(13);
    CHECK(stat(path, &file) == 0 && file.st_size == 0); // off means off
    CHECK_EQ(unlink(path), 0);
    dial_rig_free(&rig);
}

DG_TEST(key_log_is_written_to_a_private_file_alone)
{
    const char *path = fresh_path();
    char error[256], target[80];
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    (void)fclose(file);
    CHECK_EQ(chmod(path, 0640), 0);
    CHECK(!dg_key_log_open(path, error, sizeof error));
    CHECK_MSG(strstr(error, "--key-log") != NULL && strstr(error, "chmod 600") != NULL, "it says \"%s\"", error);
    snprintf(target, sizeof target, "%s.target", path);
    CHECK_EQ(rename(path, target), 0);
    CHECK_EQ(chmod(target, 0600), 0);
    CHECK_EQ(symlink(target, path), 0);
    CHECK(!dg_key_log_open(path, error, sizeof error));
    CHECK_MSG(strstr(error, "symbolic link") != NULL, "it says \"%s\"", error);
    CHECK(!dg_key_log_open("/dev/null", error, sizeof error));
    CHECK(!dg_key_log_open("/nowhere/keys", error, sizeof error));
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(unlink(target), 0);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(key_log_tells_what_both_ends_know),
    DG_CASE(key_log_is_written_to_a_private_file_alone),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
