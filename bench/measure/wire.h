// SPDX-License-Identifier: GPL-3.0-or-later
// The client's end of the network: one UDP socket on loopback that speaks from as many addresses as wanted
// (127.0.1.1 and on), and bursts of datagrams that are made before they are sent. Knows no protocol.
#ifndef DG_BENCH_WIRE_H
#define DG_BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_BURST 128 // two batches of the servers; fits the usual receive buffer at 1,200 bytes each
#define BENCH_DATAGRAM_MAX 2048

struct bench_datagram {
    uint8_t bytes[BENCH_DATAGRAM_MAX];
    size_t size;
    uint32_t source; // number of the address it leaves from
};

struct bench_burst {
    struct bench_datagram datagrams[BENCH_BURST];
    int count;
};

struct bench_traffic {
    unsigned sent, received;
    uint64_t bytes; // of both
};

// What went over a wire, to be played again without protocol.
struct bench_event {
    bool is_sent;     // by us
    uint16_t size;
    int64_t after_ns; // the event before it
};
struct bench_script {
    struct bench_event events[64];
    unsigned count;
    int64_t last_ns; // while it is written
};

struct bench_wire {
    int fd;
    uint16_t port;       // of the server
    uint32_t source;     // number of the address that what is sent next leaves from
    struct bench_burst *into; // not NULL: what is sent is kept there instead
    struct bench_traffic traffic;
    struct bench_script *script;  // not NULL: what goes and comes is noted there
    struct wolf_session *session; // that the next client offers
};

void bench_wire_open(struct bench_wire *wire, uint16_t port);
void bench_wire_close(struct bench_wire *wire);
// In the form that a client's configuration wants; context is the wire.
void bench_wire_send(void *context, const uint8_t *bytes, size_t size);
size_t bench_wire_receive(void *context, uint8_t *buffer, size_t capacity);
// False: nothing came for so long. Asks again and again instead of sleeping: the server's sending then wakes
// nobody, and what waking costs says more about the machine than about the server.
bool bench_wire_wait(const struct bench_wire *wire, int milliseconds);
// Sends the burst in one call; what is not taken is a failure of the run.
void bench_wire_send_burst(const struct bench_wire *wire, const struct bench_burst *burst);
// Sends the bursts one datagram at a time, so many a second, whatever comes back meanwhile. Returns how many came.
int bench_wire_play_bursts(const struct bench_wire *wire, const struct bench_burst *bursts, int count, int rate);
// Fetches so many datagrams and discards them. Returns how many came: a loss ends the wait after 200 ms.
// Takes naps meanwhile, for the same reason as bench_wire_wait.
int bench_wire_collect(const struct bench_wire *wire, int wanted);
// The same for a single one, without naps.
bool bench_wire_collect_one(const struct bench_wire *wire);
// Sends and awaits what the script says, at the script's pace, against a plain server that answers as it is told
// (plain_echo.h).
void bench_wire_play(const struct bench_wire *wire, const struct bench_script *script);

#endif
