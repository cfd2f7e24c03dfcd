// SPDX-License-Identifier: GPL-3.0-or-later
// The yardsticks: a UDP echo without cryptography, and a server that answers as it is told. Both have the same batch,
// buffers and packet info as the gate.
#ifndef DG_BENCH_PLAIN_ECHO_H
#define DG_BENCH_PLAIN_ECHO_H

#include <stdint.h>

int plain_echo_open(uint16_t *ret_port); // bound to 127.0.0.1; -1: it cannot
__attribute__((noreturn)) void plain_echo_run(int fd);
// Answers each datagram with as many as it orders (bench_wire_play), of the sizes that it says.
__attribute__((noreturn)) void plain_answers_run(int fd);

#endif
