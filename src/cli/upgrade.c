// SPDX-License-Identifier: GPL-3.0-or-later
// `dtlsgate upgrade PATH`: asks the keeper that listens at PATH to change the server's program, and says how it went.
// Which program that is stands in the keeper's options; nothing is sent.
#include "cli/cli.h"

#include "keeper/upgrade.h"

#include <stdio.h>
#include <string.h>

int dg_cli_upgrade(int argc, char **argv)
{
    if (argc != 2 || argv[1][0] == '-') {
        fputs("usage: dtlsgate upgrade PATH\n"
              "Has the server that was started with --upgrade-socket PATH go on in a new process, of the program that its "
              "--binary names.\nNo association ends, no datagram is lost. Exit status: 0 it serves; 1 it was refused and "
              "the old one goes on; 2 wrong usage.\n",
              stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? DG_EXIT_OK : DG_EXIT_USAGE;
    }
    char answer[DG_UPGRADE_ANSWER];
    if (dg_upgrade_ask(argv[1], answer) && strcmp(answer, DG_UPGRADE_DONE) == 0) {
        puts("upgraded");
        return DG_EXIT_OK;
    }
    fprintf(stderr, "dtlsgate upgrade: %s\n", answer);
    return DG_EXIT_FAILURE;
}
