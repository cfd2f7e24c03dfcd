// SPDX-License-Identifier: GPL-3.0-or-later
// Throwaway credentials of one run, made by `dtlsgate init` in a folder that is gone afterwards.
#ifndef DG_BENCH_CREDENTIALS_H
#define DG_BENCH_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_PEM_MAX 4096

struct bench_credentials {
    char folder[64];
    char psk_file[80], server_file[80], server_key_file[80], ca_file[80]; // what the server is given
    char ca[BENCH_PEM_MAX], server[BENCH_PEM_MAX], server_key[BENCH_PEM_MAX];
    char client[BENCH_PEM_MAX], client_key[BENCH_PEM_MAX];
    char psk_identity[64];
    uint8_t psk[64];
    size_t psk_size;
};

void bench_credentials_make(const char *dtlsgate, struct bench_credentials *ret);
void bench_credentials_remove(const struct bench_credentials *credentials);

#endif
