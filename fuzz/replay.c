// SPDX-License-Identifier: GPL-3.0-or-later
// Runs every file of the folders and files given through a fuzz target, in the order of their names, without
// a fuzzer: what was found once stays found. Says which file it is at, so that a crash names it.
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return 0;
}

static unsigned files;
static bool failed;

static bool complain(const char *path)
{
    perror(path);
    failed = true;
    return false;
}

static bool run_file(const char *path, off_t size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return complain(path);
    // Of exactly this size, so that a sanitizer sees who reads on.
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    bool is_read = data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size;
    (void)fclose(file);
    if (is_read) {
        (void)fprintf(stderr, "%s\n", path);
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
        files++;
    }
    free(data);
    return is_read || complain(path);
}

static void run(const char *path)
{
    struct stat what;
    struct dirent **names = NULL;
    if (stat(path, &what) != 0) {
        (void)complain(path);
        return;
    }
    if (!S_ISDIR(what.st_mode)) {
        (void)run_file(path, what.st_size);
        return;
    }
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inside[4096];
        if (names[i]->d_name[0] != '.' &&
            snprintf(inside, sizeof inside, "%s/%s", path, names[i]->d_name) < (int)sizeof inside)
            run(inside);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        (void)fprintf(stderr, "usage: %s TARGET FOLDER|FILE...\n", argv[0]);
        return 2;
    }
    (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 2; i < argc; i++)
        run(argv[i]);
    if (failed || files == 0) {
        (void)printf("not ok corpus_%s: %u inputs ran\n", argv[1], files);
        return 1;
    }
    (void)printf("ok corpus_%s\n", argv[1]);
    return 0;
}
