// SPDX-License-Identifier: GPL-3.0-or-later
// Starts and ends children by their process ID, reads /proc and CPU clocks.
#include "measure/process.h"

#include "measure/plain_echo.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 48
#define READY_TRIES 5000 // of one millisecond

void bench_fail(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

void bench_pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

static void begin_child_on(int cpu)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    bench_pin(cpu);
}

static void begin_child(void) { begin_child_on(BENCH_SERVER_CPU); }

struct bench_process bench_start_child(uint16_t port, int cpu, void (*run)(void *context), void *context)
{
    struct bench_process process = {.pid = fork(), .port = port};
    if (process.pid < 0)
        BENCH_FAIL("cannot fork");
    if (process.pid == 0) {
        begin_child_on(cpu);
        run(context);
        _exit(1);
    }
    return process;
}

static struct bench_process start_plain(void (*run)(int fd))
{
    struct bench_process process = {0};
    int fd = plain_echo_open(&process.port);
    if (fd < 0)
        BENCH_FAIL("cannot open a socket for the plain echo");
    process.pid = fork();
    if (process.pid == 0) {
        begin_child();
        run(fd);
    }
    close(fd);
    if (process.pid < 0)
        BENCH_FAIL("cannot fork");
    return process;
}

struct bench_process bench_start_plain_echo(void) { return start_plain(plain_echo_run); }
struct bench_process bench_start_plain_answers(void) { return start_plain(plain_answers_run); }

// 0: not ready yet.
static uint16_t port_in_log(int log, char *text, size_t capacity)
{
    ssize_t size = pread(log, text, capacity - 1, 0);
    text[size > 0 ? size : 0] = '\0';
    const char *at = strstr(text, "event=listening");
    const char *address = at != NULL ? strstr(at, "127.0.0.1:") : NULL;
    if (address == NULL || strstr(text, "event=ready") == NULL)
        return 0;
    return (uint16_t)strtoul(address + strlen("127.0.0.1:"), NULL, 10);
}

static uint16_t wait_until_ready(pid_t pid, int log)
{
    static char text[8192];
    for (int tries = 0; tries < READY_TRIES && waitpid(pid, NULL, WNOHANG) == 0; tries++) {
        uint16_t port = port_in_log(log, text, sizeof text);
        if (port != 0)
            return port;
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    (void)port_in_log(log, text, sizeof text);
    BENCH_FAIL("dtlsgate does not get ready: %s", text);
}

struct bench_process bench_start_gate(const char *dtlsgate, const struct bench_credentials *credentials,
                                      const char *const *arguments)
{
    return bench_start_gate_to("echo", dtlsgate, credentials, arguments);
}

struct bench_process bench_start_gate_to(const char *backend, const char *dtlsgate,
                                         const struct bench_credentials *credentials, const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {
        dtlsgate, "serve", "--listen", "127.0.0.1:0", "--backend", backend, "--workers", "1",
        "--keeper", "none", // what is measured is the process that serves
        "--psk-file", credentials->psk_file, "--cert", credentials->server_file,
        "--key", credentials->server_key_file, "--client-ca", credentials->ca_file,
        "--answers-rate", "1000000", "--answers-rate-global", "10000000",
        "--handshakes-rate", "1000000", "--handshakes-rate-global", "10000000"};
    size_t count = 26;
    for (; *arguments != NULL; arguments++) {
        if (count == ARGUMENTS_MAX - 1)
            BENCH_FAIL("too many arguments");
        argv[count++] = *arguments;
    }
    int log = memfd_create("dtlsgate-bench-log", MFD_CLOEXEC);
    struct bench_process process = {.pid = log >= 0 ? fork() : -1};
    if (process.pid < 0)
        BENCH_FAIL("cannot fork");
    if (process.pid == 0) {
        begin_child();
        (void)dup2(log, STDERR_FILENO);
        (void)dup2(log, STDOUT_FILENO);
        execv(dtlsgate, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    process.port = wait_until_ready(process.pid, log);
    close(log);
    return process;
}

void bench_stop(struct bench_process *process)
{
    (void)kill(process->pid, SIGKILL);
    (void)waitpid(process->pid, NULL, 0);
    process->pid = 0;
}

void bench_end(struct bench_process *process)
{
    (void)kill(process->pid, SIGTERM);
    (void)waitpid(process->pid, NULL, 0);
    process->pid = 0;
}

void bench_hold(const struct bench_process *process)
{
    int status = 0;
    if (kill(process->pid, SIGSTOP) != 0 || waitpid(process->pid, &status, WUNTRACED) != process->pid ||
        !WIFSTOPPED(status))
        BENCH_FAIL("process %d does not stop: did it die?", (int)process->pid);
}

void bench_release(const struct bench_process *process)
{
    if (kill(process->pid, SIGCONT) != 0)
        BENCH_FAIL("process %d does not go on", (int)process->pid);
}

double bench_cpu_seconds(const struct bench_process *process)
{
    clockid_t clock;
    struct timespec time;
    if (clock_getcpuclockid(process->pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
        BENCH_FAIL("process %d has no CPU clock", (int)process->pid);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "r");
    bool is_read = file != NULL && fgets(line, size, file) != NULL;
    if (file != NULL)
        fclose(file);
    return is_read;
}

// The worker's thread; the first one where there is none of that name.
static pid_t serving_thread(pid_t pid)
{
    char path[512], name[64];
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    pid_t found = pid;
    for (struct dirent *entry; threads != NULL && (entry = readdir(threads)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)pid, entry->d_name);
        if (read_line(path, name, sizeof name) && strncmp(name, "dg-worker", 9) == 0)
            found = (pid_t)strtol(entry->d_name, NULL, 10);
    }
    if (threads != NULL)
        closedir(threads);
    return found;
}

double bench_serving_seconds(struct bench_process *process)
{
    char path[128], line[128];
    if (process->serving == 0)
        process->serving = serving_thread(process->pid);
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)process->pid, (int)process->serving);
    if (!read_line(path, line, sizeof line))
        BENCH_FAIL("cannot read %s", path);
    return (double)strtoull(line, NULL, 10) * 1e-9;
}

uint64_t bench_resident_bytes(const struct bench_process *process)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)process->pid);
    FILE *file = fopen(path, "r");
    unsigned long long kib = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Rss: %llu kB", &kib) == 1)
            break;
    if (file == NULL || kib == 0)
        BENCH_FAIL("cannot read %s", path);
    fclose(file);
    return kib * 1024;
}
