// SPDX-License-Identifier: GPL-3.0-or-later
// Makes, reads and writes keys for `dtlsgate psk`. Owns secret memory only; never writes over a file.
#include "cli/psk_keys.h"

#include "base/random.h"
#include "base/secret.h"
#include "credentials/psk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER 65536
#define KEY_FILE_MAX 4096

static bool draw(const struct dg_psk_options *options, struct dg_file *holder, struct dg_bytes *ret)
{
    size_t size = options->bits == DG_PSK_BITS_128 ? 16 : 32;
    holder->capacity_bytes = size;
    holder->data = dg_secret_new(size);
    if (!holder->data) {
        fprintf(stderr, "dtlsgate psk: no memory for a key\n");
        return false;
    }
    dg_random_bytes(holder->data, size);
    *ret = (struct dg_bytes){(const uint8_t *)holder->data, size};
    return true;
}

static bool read_key(const char *path, struct dg_file *holder, struct dg_bytes *ret)
{
    char error[512];
    bool is_stream = strcmp(path, "-") == 0;
    bool done = is_stream ? dg_file_read_stream(STDIN_FILENO, "standard input", "key", holder, error, sizeof error)
                          : dg_file_read(path, "key", true, KEY_FILE_MAX, holder, error, sizeof error);
    if (!done) {
        fprintf(stderr, "dtlsgate psk: %s\n", error);
        return false;
    }
    size_t size = holder->size_bytes;
    while (size > 0 && strchr(" \t\r\n", holder->data[size - 1]))
        size--;
    const char *wrong = dg_psk_key_decode(holder->data, size, ret)
                            ? dg_psk_key_wrong(ret->size)
                            : "expected nothing but an even number of hexadecimal digits, the key";
    if (wrong)
        fprintf(stderr, "dtlsgate psk: %s: %s\n", is_stream ? "standard input" : path, wrong);
    return !wrong;
}

bool dg_psk_key_get(const struct dg_psk_options *options, struct dg_bytes identity, struct dg_file *holder,
                    struct dg_bytes *ret)
{
    const char *wrong = dg_psk_identity_wrong(identity);
    if (wrong) {
        fprintf(stderr, "dtlsgate psk: %s\n", wrong);
        return false;
    }
    return options->key_file[0] ? read_key(options->key_file, holder, ret) : draw(options, holder, ret);
}

// A file that the shell has made has the mode that its umask leaves, which is mostly one for everybody's eyes.
static bool may_take_keys(int fd)
{
    struct stat status;
    if (isatty(fd))
        fprintf(stderr, "dtlsgate psk: keys are not shown on a terminal: give --out FILE, or redirect the standard output\n");
    else if (fstat(fd, &status) != 0)
        fprintf(stderr, "dtlsgate psk: cannot look at the standard output: %s\n", strerror(errno));
    else if (S_ISREG(status.st_mode) && (status.st_mode & (S_IRWXG | S_IRWXO)))
        fprintf(stderr, "dtlsgate psk: the standard output is a file with mode %04o, so that others may use it; expected 0600 "
                "or stricter; do: give --out FILE, which makes it so, or say umask 077 before\n",
                (unsigned)(status.st_mode & 07777));
    else
        return true;
    return false;
}

bool dg_psk_writer_open(struct dg_psk_writer *writer, const char *path)
{
    *writer = (struct dg_psk_writer){.name = path[0] ? path : "standard output", .fd = STDOUT_FILENO, .is_file = path[0]};
    if (!writer->is_file && !may_take_keys(STDOUT_FILENO))
        return false;
    writer->buffer = dg_secret_new(BUFFER);
    if (!writer->buffer) {
        fprintf(stderr, "dtlsgate psk: no memory for %d bytes\n", BUFFER);
        return false;
    }
    if (writer->is_file)
        writer->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (writer->fd < 0) {
        fprintf(stderr, "dtlsgate psk: cannot create %s: %s%s\n", path, strerror(errno),
                errno == EEXIST ? "; nothing is written over: choose another name" : "");
        dg_secret_free(writer->buffer, BUFFER);
        return false;
    }
    return true;
}

static bool flush(struct dg_psk_writer *writer)
{
    for (size_t at = 0; at < writer->used;) {
        ssize_t written = write(writer->fd, writer->buffer + at, writer->used - at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            fprintf(stderr, "dtlsgate psk: cannot write to %s: %s\n", writer->name, strerror(errno));
            return false;
        }
        at += (size_t)written;
    }
    writer->used = 0;
    return true;
}

bool dg_psk_writer_put(struct dg_psk_writer *writer, const struct dg_psk *psk)
{
    if (writer->used + DG_PSK_LINE_MAX > BUFFER && !flush(writer))
        return false;
    writer->used += dg_psk_line_write(psk, writer->buffer + writer->used);
    writer->buffer[writer->used++] = '\n';
    return true;
}

bool dg_psk_writer_close(struct dg_psk_writer *writer, bool done)
{
    bool is_whole = done && flush(writer);
    dg_secret_free(writer->buffer, BUFFER);
    if (!writer->is_file)
        return is_whole;
    if (is_whole && fsync(writer->fd) != 0) {
        fprintf(stderr, "dtlsgate psk: cannot write to %s: %s\n", writer->name, strerror(errno));
        is_whole = false;
    }
    close(writer->fd);
    if (!is_whole)
        (void)unlink(writer->name); // ours: it was new
    return is_whole;
}
