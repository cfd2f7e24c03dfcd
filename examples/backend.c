// SPDX-License-Identifier: GPL-3.0-or-later
// A service behind `dtlsgate serve --backend proxy-udp:127.0.0.1:PORT` or proxy-unix:PATH: says who spoke and sends back
// what came. docs/proxy-protocol.md has the bytes.    cc -o backend backend.c, then ./backend 5683 or ./backend /run/my/socket
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(const char *where)
{
    struct sockaddr_in ip = {AF_INET, htons((unsigned short)atoi(where)), {htonl(INADDR_LOOPBACK)}, {0}};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int is_path = where[0] == '/', fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_DGRAM, 0);
    snprintf(path.sun_path, sizeof path.sun_path, "%s", where);
    if (is_path) {
        unlink(where); // of a service that ended
        umask(0117);   // this user and this group may send
    }
    if (fd < 0 || bind(fd, is_path ? (void *)&path : (void *)&ip, is_path ? sizeof path : sizeof ip) != 0) {
        perror(where);
        exit(1);
    }
    return fd;
}

// The value of the field, NULL: it is not there. Fields lie in bytes[at..end).
static const unsigned char *find(const unsigned char *bytes, size_t at, size_t end, int type, size_t *size)
{
    for (; at + 3 <= end; at += 3 + *size) {
        *size = (size_t)bytes[at + 1] << 8 | bytes[at + 2];
        if (bytes[at] == type && at + 3 + *size <= end)
            return bytes + at + 3;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    static unsigned char bytes[65536];
    int fd = listen_at(argc > 1 ? argv[1] : "5683");
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    for (;;) {
        struct sockaddr_storage gate;
        socklen_t gate_size = sizeof gate;
        ssize_t got = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&gate, &gate_size);
        size_t end = got < 16 ? 0 : 16 + ((size_t)bytes[14] << 8 | bytes[15]), size = 0;
        if (end == 0 || end > (size_t)got || memcmp(bytes, "\r\n\r\n\0\r\nQUIT\n\x21", 13) != 0)
            continue; // no header of PROXY protocol version 2
        const unsigned char *identity = find(bytes, bytes[13] == 0x12 ? 28 : 52, end, 0xe0, &size);
        for (size_t i = 0; identity != NULL && i < size; i++) // any bytes: shown without letting them speak
            printf(identity[i] > ' ' && identity[i] < 0x7f && identity[i] != '\\' ? "%c" : "\\x%02x", identity[i]);
        printf(": %zu bytes\n", (size_t)got - end);
        sendto(fd, bytes, (size_t)got, 0, (struct sockaddr *)&gate, gate_size); // as it came: an echo
    }
}
