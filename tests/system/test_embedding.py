# SPDX-License-Identifier: GPL-3.0-or-later
#
# A program that embeds the server: it links as docs/dependencies.md says, serves a configuration file, and is told all
# that is wrong with another.
# ctest: release-only

import re

import harness
from harness import BUILD, SOURCE, Credentials, case, check, check_equal, folder, main, program, run

PROGRAM = r"""
#include <dtlsgate/dtlsgate.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    char error[2048];
    dtlsgate_server *server = dtlsgate_server_new_from_file(argc > 1 ? argv[1] : "", NULL, NULL, error, sizeof error);
    if (server == NULL || !dtlsgate_server_start(server, error, sizeof error)) {
        puts(error);
        return 1;
    }
    printf("port %u\n", dtlsgate_server_port(server, 0));
    dtlsgate_server_free(server);
    return 0;
}
"""


@case
def embedding_links_as_documented_and_serves_a_configuration_file():
    line = re.search(r"^    cc program\.c (libdtlsgate\.a .*)$", (SOURCE / "docs" / "dependencies.md").read_text(), re.M)
    check(line, "docs/dependencies.md does not say how to link")
    work = folder()
    (work / "program.c").write_text(PROGRAM)
    libraries = line.group(1).split()
    libraries[0] = BUILD / libraries[0]
    status, text = run([program("cc", "gcc"), "-I", SOURCE / "include", "-o", work / "program", work / "program.c", *libraries],
                       timeout=60)
    check_equal(status, 0, text)
    credentials = Credentials()
    path = credentials.path / "dtlsgate.yaml"
    path.write_text(path.read_text().replace("127.0.0.1:5684", "127.0.0.1:0"))
    status, text = run([work / "program", path])
    check_equal(status, 0, text)
    check(re.search(r"^port [1-9]", text, re.M), text)
    path.write_text("workers: many\nlog-levl: x\n")
    status, text = run([work / "program", path])
    check_equal(status, 1, text)
    check(":1:10: " in text and ":2:1: " in text, f"not all that is wrong is told: {text}")


if __name__ == "__main__":
    main()
