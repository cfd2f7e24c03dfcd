// SPDX-License-Identifier: GPL-3.0-or-later
// One request and its answer over a connection of its own. Waits for as long as the server keeps it open.
#include "admin/client.h"

#include "admin/request.h"
#include "base/looks_secret.h"
#include "io/local_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// "text why sensor\x0a17\n". False: too long.
static bool write_request(const struct dg_control_call *call, char text[DG_REQUEST_MAX + 2])
{
    size_t size = (size_t)snprintf(text, DG_REQUEST_MAX + 2, "%s %s", call->is_json ? "json" : "text", call->command);
    if (call->argument)
        text[size++] = ' ';
    for (const char *at = call->argument ? call->argument : ""; *at; at++) {
        if (size > DG_REQUEST_MAX - 4)
            return false;
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            size += (size_t)snprintf(text + size, 5, "\\x%02x", (unsigned)*at);
        else
            text[size++] = *at;
    }
    text[size++] = '\n';
    text[size] = '\0';
    return true;
}

static bool say(int fd, const char *text)
{
    size_t size = strlen(text), sent = 0;
    while (sent < size) {
        ssize_t done = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (done < 0 && errno != EINTR)
            return false;
        sent += done > 0 ? (size_t)done : 0;
    }
    return true;
}

static bool pass_on(FILE *in, FILE *out, char *word, size_t word_size)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    bool is_done = false;
    snprintf(word, word_size, "the server ended the connection before its answer was whole: it stopped, or it does not hear "
             "this user (root and the user that it runs as)");
    while ((size = getline(&line, &room, in)) > 0) {
        if (line[0] == '+') {
            fwrite(line + 1, 1, (size_t)size - 1, out);
            continue;
        }
        line[strcspn(line, "\n")] = '\0';
        is_done = line[0] == '.';
        snprintf(word, word_size, "%s", line + 1);
        break;
    }
    free(line);
    return is_done;
}

static void explain(const char *path, char *word, size_t word_size)
{
    int reason = errno;
    const char *advice = "";
    if (reason == ENOENT || reason == ECONNREFUSED)
        advice = "; is a server running with this control-socket? Another one is named by --control PATH";
    else if (reason == EACCES)
        advice = "; only root and the user that the server runs as may speak to it";
    snprintf(word, word_size, "%.200s: %s%s", dg_word_shown(path), strerror(reason), advice);
}

bool dg_control_ask(const struct dg_control_call *call, FILE *out, char *word, size_t word_size)
{
    char text[DG_REQUEST_MAX + 2];
    if (!write_request(call, text)) {
        snprintf(word, word_size, "the argument is too long: an identity has at most %d bytes", DG_IDENTITY_MAX);
        return false;
    }
    int fd = dg_local_connect(call->path, SOCK_STREAM);
    if (fd < 0) {
        explain(call->path, word, word_size);
        return false;
    }
    FILE *in = fdopen(fd, "r");
    if (!in) {
        close(fd);
        snprintf(word, word_size, "memory is short");
        return false;
    }
    (void)say(fd, text); // where it fails the answer is missing, which is said then
    bool is_done = pass_on(in, out, word, word_size);
    fclose(in);
    return is_done;
}
