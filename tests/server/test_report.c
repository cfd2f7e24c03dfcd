// SPDX-License-Identifier: GPL-3.0-or-later
// Log lines about refused clients as their writer meets them: each with its reason, and never so many that a stranger
// could fill a disk with them.
#include "base/log.h"
#include "check.h"
#include "server/report.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int ends[2] = {-1, -1};

// Lines that wait in the pipe; the last one is left in text.
static unsigned read_lines(char *text, size_t size)
{
    static char all[1 << 16];
    unsigned lines = 0;
    ssize_t got = read(ends[0], all, sizeof all - 1);
    all[got > 0 ? got : 0] = '\0';
    text[0] = '\0';
    for (char *line = strtok(all, "\n"); line; line = strtok(NULL, "\n")) {
        lines++;
        strncpy(text, line, size - 1);
        text[size - 1] = '\0';
    }
    return lines;
}

// A host whose sockets hold less than what was wished for is told how to change that; one that does well is left alone.
DG_TEST(report_advises_on_short_socket_buffers)
{
    char last[1024];
    struct dg_socket_facts facts = {
        .receive_bytes = DG_SOCKET_RECEIVE_BYTES, .send_bytes = DG_SOCKET_SEND_BYTES, .can_join = true};
    dg_report_sockets("127.0.0.1:5684", &facts);
    CHECK_EQ(read_lines(last, sizeof last), 1);
    CHECK(strstr(last, "joined_datagrams=yes split_datagrams=no") != NULL);
    facts.receive_bytes = 212992;
    dg_report_sockets("127.0.0.1:5684", &facts);
    CHECK_EQ(read_lines(last, sizeof last), 2);
    CHECK(strstr(last, "event=socket_buffer") != NULL);
    CHECK(strstr(last, "bytes=212992 wished_for=4194304") != NULL);
    CHECK(strstr(last, "net.core.rmem_max to 4194304") != NULL);
    facts.receive_bytes = DG_SOCKET_RECEIVE_BYTES;
    facts.send_bytes--;
    dg_report_sockets("127.0.0.1:5684", &facts);
    CHECK_EQ(read_lines(last, sizeof last), 2);
    CHECK(strstr(last, "net.core.wmem_max to 1048576") != NULL);
}

DG_TEST(refused_clients_cannot_fill_the_log)
{
    char last[1024];
    struct dg_report_limit limit = {.is_begun = false};
    struct dg_path path = {.listener = 1};
    struct dg_handshake_failure failure = {
        .counter = DG_COUNT_FAIL_WRONG_KEY, .reason = "wrong key for this identity", .alert_sent = 255, .alert_received = 255};
    dg_time now = 100 * DG_SECOND;
    for (unsigned i = 0; i < 100000; i++)
        dg_report_refused(&limit, now, &path, &failure);
    CHECK_EQ(read_lines(last, sizeof last), 200);
    CHECK(strstr(last, "not_logged_before") == NULL);
    unsigned lines = 0;
    for (unsigned i = 0; i < 60000; i++) { // a minute
        now += DG_MILLISECOND;
        dg_report_refused(&limit, now, &path, &failure);
        if (i % 10000 == 9999)
            lines += read_lines(last, sizeof last);
    }
    CHECK_EQ(lines, 1200);
    for (unsigned i = 0; i < 7; i++) // at once, with nothing left to say them by
        dg_report_refused(&limit, now, &path, &failure);
    CHECK_EQ(read_lines(last, sizeof last), 0);
    now += DG_MINUTE;
    dg_report_refused(&limit, now, &path, &failure);
    CHECK_EQ(read_lines(last, sizeof last), 1);
    CHECK(strstr(last, "reason=\"wrong key for this identity\"") != NULL);
    CHECK(strstr(last, "not_logged_before=7") != NULL);
    dg_report_refused(&limit, now, &path, &failure);
    CHECK_EQ(read_lines(last, sizeof last), 1);
    CHECK(strstr(last, "not_logged_before") == NULL);
}

DG_TEST(report_says_where_a_client_moved)
{
    char line[2048];
    struct dg_slot slot = {0};
    struct dg_address from;
    REQUIRE(dg_address_parse("192.0.2.7:9", &from) && dg_address_parse("[2001:db8::5]:77", &slot.peer));
    struct dg_report_limit limit = {.is_begun = false};
    const struct dg_bytes me = {(const uint8_t *)"me\n", 3};
    dg_time now = 100 * DG_SECOND;
    dg_report_moved(&limit, now, (struct dg_ref){.id = 0xabc}, &slot, me, &from);
    CHECK_EQ(read_lines(line, sizeof line), 1);
    CHECK(strstr(line, "event=moved association=0000000000000abc peer=[2001:db8::5]:77 from=192.0.2.7:9 ") != NULL);
    CHECK(strstr(line, "identity=\"me\\") != NULL);
    // One that goes to and fro cannot fill the log: two datagrams of its are a move (DTLS 1.2 without RRC).
    for (unsigned i = 0; i < 10000; i++)
        dg_report_moved(&limit, now, (struct dg_ref){.id = 0xabc}, &slot, me, &from);
    CHECK_EQ(read_lines(line, sizeof line), 199);
    now += DG_MINUTE;
    dg_report_moved(&limit, now, (struct dg_ref){.id = 0xabc}, &slot, me, &from);
    CHECK_EQ(read_lines(line, sizeof line), 1);
    CHECK(strstr(line, "not_logged_before=9801 identity=") != NULL);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(report_says_where_a_client_moved),
    DG_CASE(report_advises_on_short_socket_buffers),
    DG_CASE(refused_clients_cannot_fill_the_log),
};

int main(int argc, char **argv)
{
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return 1;
    dg_log_set_fd(ends[1]);
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
