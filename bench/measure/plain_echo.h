// SPDX-License-Identifier: GPL-3.0-or-later
// The yardstick: a UDP echo without cryptography, with the same batch, buffers and packet info as the gate.
#ifndef DG_BENCH_PLAIN_ECHO_H
#define DG_BENCH_PLAIN_ECHO_H

#include <stdint.h>

int plain_echo_open(uint16_t *ret_port); // bound to 127.0.0.1; -1: it cannot
__attribute__((noreturn)) void plain_echo_run(int fd);

#endif
