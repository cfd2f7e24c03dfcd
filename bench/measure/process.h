// SPDX-License-Identifier: GPL-3.0-or-later
// Server processes that a measurement starts, watches and ends: their CPU time, memory and log. Never
// measures anybody's wall-clock time.
#ifndef DG_BENCH_PROCESS_H
#define DG_BENCH_PROCESS_H

#include "measure/credentials.h"

#include <stdint.h>
#include <sys/types.h>

struct bench_process {
    pid_t pid;
    uint16_t port; // where it listens on 127.0.0.1
    pid_t serving; // the thread, once it is known
};

#define BENCH_SERVER_CPU 0
#define BENCH_CLIENT_CPU 1

void bench_pin(int cpu); // this process; nothing where there is no such processor
// A plain UDP echo in a child, pinned to the server's processor.
struct bench_process bench_start_plain_echo(void);
// The same for one that answers as each datagram orders.
struct bench_process bench_start_plain_answers(void);
// `dtlsgate serve` with these credentials, one worker, the echo backend, limits that one client from loopback
// does not meet, and these further arguments (NULL ends); pinned. Waits until it is ready. Its log goes to a
// file without a name, at the default level.
struct bench_process bench_start_gate(const char *dtlsgate, const struct bench_credentials *credentials,
                                      const char *const *arguments);
// The same with another backend.
struct bench_process bench_start_gate_to(const char *backend, const char *dtlsgate,
                                         const struct bench_credentials *credentials, const char *const *arguments);
// The process that a plain server of the caller's runs in; run never returns. Pinned to the processor `cpu`.
struct bench_process bench_start_child(uint16_t port, int cpu, void (*run)(void *context), void *context);
void bench_stop(struct bench_process *process); // by SIGKILL: nothing is measured any more
void bench_end(struct bench_process *process);  // by SIGTERM, and waits: a profiler writes what it saw
// Stops the process and lets it go on (SIGSTOP, SIGCONT), so that a whole burst waits for it: any server then
// reads it as one batch, however quick it is. bench_hold returns when it stands still.
void bench_hold(const struct bench_process *process);
void bench_release(const struct bench_process *process);
double bench_cpu_seconds(const struct bench_process *process);      // user and system, all threads
// The same of the thread that serves associations alone. Where the process is stopped and goes on again and again:
// that wakes every thread of it, which a server of one thread would have for nothing.
double bench_serving_seconds(struct bench_process *process);
uint64_t bench_resident_bytes(const struct bench_process *process); // Rss of all mappings, the memory file included

#define BENCH_FAIL(...) bench_fail(__FILE__, __LINE__, __VA_ARGS__)
__attribute__((noreturn, format(printf, 3, 4))) void bench_fail(const char *file, int line, const char *format, ...);

#endif
