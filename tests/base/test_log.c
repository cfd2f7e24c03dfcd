// SPDX-License-Identifier: GPL-3.0-or-later
// Log lines as somebody reads them who trusts none of the values: each line one write, each value
// escaped, none able to forge a key, a line or a terminal's command. Lines go through a socket pair that
// keeps writes apart.
#include "base/log.h"
#include "check.h"
#include "support/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int ends[2] = {-1, -1};

// What one write brought, as text; "" when there was none.
static const char *next_write(void)
{
    static char text[8192];
    ssize_t size = recv(ends[0], text, sizeof text - 1, MSG_DONTWAIT);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static void begin(struct dg_log_line *line)
{
    dg_log_begin(line, DG_LOG_INFO, "test");
}

#define LINE_MAX_BYTES (sizeof((struct dg_log_line *)0)->text)

DG_TEST(log_line_is_one_write_of_pairs)
{
    struct dg_log_line line;
    begin(&line);
    dg_log_text(&line, "suite", "TLS_AES_128_GCM_SHA256");
    dg_log_text(&line, "why", "wrong key for identity");
    dg_log_hex(&line, "cid", "\x01\xab\xff", 3);
    dg_log_u64(&line, "size", UINT64_MAX);
    dg_log_format(&line, "peer", "%s:%d", "192.0.2.1", 5684);
    dg_log_bytes(&line, "identity", "a\0b", 3);
    dg_log_text(&line, "empty", "");
    dg_log_text(&line, "missing", NULL);
    dg_log_hex(&line, "none", NULL, 0);
    dg_log_end(&line);
    CHECK_STR(next_write(), "level=info event=test suite=TLS_AES_128_GCM_SHA256 why=\"wrong key for identity\" "
                            "cid=01abff size=18446744073709551615 peer=192.0.2.1:5684 identity=\"a\\x00b\" "
                            "empty=\"\" missing=\"\" none=\"\"\n");
    CHECK_STR(next_write(), "");
    dg_log_end(&line); // once is enough
    CHECK_STR(next_write(), "");
}

DG_TEST(log_values_cannot_break_out)
{
    static const struct {
        const char *value, *expected;
    } CASES[] = {
        {"plain-value_1.2:3/[x]%", "plain-value_1.2:3/[x]%"},
        {"two words", "\"two words\""},
        {"x\nlevel=error event=forged", "\"x\\x0alevel\\x3derror event\\x3dforged\""},
        {"x\r\n", "\"x\\x0d\\x0a\""},
        {"\" admin=\"yes", "\"\\x22 admin\\x3d\\x22yes\""},
        {"a=b", "\"a\\x3db\""},
        {"back\\slash\\x41", "\"back\\x5cslash\\x5cx41\""},
        {"\033[2J\033]0;title\007", "\"\\x1b[2J\\x1b]0;title\\x07\""},
        {"\x9b" "31m", "\"\\x9b31m\""}, // the one-byte form of ESC [
        {"gr\xc3\xbc\xc3\x9f", "\"gr\\xc3\\xbc\\xc3\\x9f\""},
        {"\xe2\x80\xae" "evil", "\"\\xe2\\x80\\xaeevil\""}, // right-to-left override
        {"\xff\xfe", "\"\\xff\\xfe\""},                     // not UTF-8 at all
        {"tab\tbell\adel\x7f", "\"tab\\x09bell\\x07del\\x7f\""},
        {"%s%n", "%s%n"},
        {" ", "\" \""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct dg_log_line line;
        char expected[200];
        (void)snprintf(expected, sizeof expected, "level=info event=test v=%s after=1\n", CASES[i].expected);
        begin(&line);
        dg_log_text(&line, "v", CASES[i].value);
        dg_log_u64(&line, "after", 1);
        dg_log_end(&line);
        CHECK_STR(next_write(), expected);
        begin(&line);
        dg_log_format(&line, "v", "%s", CASES[i].value);
        dg_log_u64(&line, "after", 1);
        dg_log_end(&line);
        CHECK_STR(next_write(), expected);
    }
}

DG_TEST(log_line_is_one_json_object)
{
    struct dg_log_line line;
    dg_log_set_format(DG_LOG_FORMAT_JSON);
    begin(&line);
    dg_log_text(&line, "why", "wrong key");
    dg_log_hex(&line, "cid", "\x01\xab", 2);
    dg_log_u64(&line, "size", UINT64_MAX);
    dg_log_format(&line, "peer", "%s:%d", "192.0.2.1", 5684);
    dg_log_bytes(&line, "identity", "a\0b", 3);
    dg_log_text(&line, "missing", NULL);
    dg_log_hex(&line, "none", NULL, 0);
    dg_log_end(&line);
    CHECK_STR(next_write(), "{\"level\":\"info\",\"event\":\"test\",\"why\":\"wrong key\",\"cid\":\"01ab\","
                            "\"size\":18446744073709551615,\"peer\":\"192.0.2.1:5684\",\"identity\":\"a\\\\x00b\","
                            "\"missing\":\"\",\"none\":\"\"}\n");
    dg_log_set_format(DG_LOG_FORMAT_TEXT);
}

DG_TEST(log_values_cannot_break_out_of_json)
{
    static const struct {
        const char *value, *expected;
    } CASES[] = {
        {"\",\"admin\":\"yes", "\\\\x22,\\\\x22admin\\\\x22:\\\\x22yes"},
        {"x\"}\n{\"event\":\"forged\"}", "x\\\\x22}\\\\x0a{\\\\x22event\\\\x22:\\\\x22forged\\\\x22}"},
        {"\\", "\\\\x5c"},
        {"\\u0022", "\\\\x5cu0022"},
        {"\xff\xfe gr\xc3\xbc", "\\\\xff\\\\xfe gr\\\\xc3\\\\xbc"}, // not UTF-8, and UTF-8
        {"\033[2J", "\\\\x1b[2J"},
    };
    dg_log_set_format(DG_LOG_FORMAT_JSON);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct dg_log_line line;
        char expected[300];
        (void)snprintf(expected, sizeof expected, "{\"level\":\"info\",\"event\":\"test\",\"v\":\"%s\",\"after\":1}\n",
                       CASES[i].expected);
        begin(&line);
        dg_log_text(&line, "v", CASES[i].value);
        dg_log_u64(&line, "after", 1);
        dg_log_end(&line);
        CHECK_STR(next_write(), expected);
    }
    dg_log_set_format(DG_LOG_FORMAT_TEXT);
}

// Whatever the length and the bytes of a value are, the line ends as an object does, is ASCII and fits a pipe's write.
DG_TEST(log_json_is_whole_where_it_is_cut)
{
    static char value[6000];
    dg_log_set_format(DG_LOG_FORMAT_JSON);
    for (size_t size = 0; size < sizeof value; size += 1 + size / 700) {
        struct dg_log_line line;
        memset(value, size % 3 == 0 ? 0xff : 'x', size);
        begin(&line);
        dg_log_u64(&line, "before", size);
        if (size % 2 == 0)
            dg_log_bytes(&line, "v", value, size);
        else
            dg_log_hex(&line, "v", value, size);
        dg_log_u64(&line, "after", UINT64_MAX);
        dg_log_end(&line);
        const char *text = next_write();
        size_t length = strlen(text), quotes = 0;
        CHECK(length < LINE_MAX_BYTES + 1 && strcmp(text + length - 2, "}\n") == 0);
        for (size_t i = 0; i < length; i++) {
            CHECK(text[i] == '\n' || (text[i] >= 0x20 && text[i] < 0x7f));
            quotes += text[i] == '"';
        }
        CHECK_MSG(quotes % 2 == 0, "%zu quotes for %zu bytes", quotes, size);
        CHECK_MSG(strstr(text, "\"after\":18446744073709551615}") != NULL || strstr(text, ",\"truncated\":\"yes\"}") != NULL,
                  "%zu bytes end as %s", size, text + length - 60);
    }
    dg_log_set_format(DG_LOG_FORMAT_TEXT);
}

DG_TEST(log_lines_begin_with_their_priority_where_asked_to)
{
    static const char *const expected[] = {"<3>level=error event=e\n", "<4>level=warning event=e\n",
                                           "<6>level=info event=e\n", "<7>level=debug event=e\n"};
    dg_log_set_level(DG_LOG_DEBUG);
    dg_log_set_priorities(true);
    for (int level = DG_LOG_ERROR; level <= DG_LOG_DEBUG; level++) {
        struct dg_log_line line;
        dg_log_begin(&line, (enum dg_log_level)level, "e");
        dg_log_end(&line);
        CHECK_STR(next_write(), expected[level]);
    }
    dg_log_set_priorities(false);
    dg_log_set_level(DG_LOG_INFO);
}

DG_TEST(log_level_decides_what_is_written)
{
    static const char *const NAMES[] = {"error", "warning", "info", "debug"};
    for (int set = DG_LOG_ERROR; set <= DG_LOG_DEBUG; set++) {
        dg_log_set_level((enum dg_log_level)set);
        for (int of = DG_LOG_ERROR; of <= DG_LOG_DEBUG; of++) {
            struct dg_log_line line;
            CHECK_EQ(dg_log_enabled((enum dg_log_level)of), of <= set);
            dg_log_begin(&line, (enum dg_log_level)of, "e");
            dg_log_text(&line, "k", "v");
            dg_log_end(&line);
            char expected[64] = "";
            if (of <= set) {
                (void)snprintf(expected, sizeof expected, "level=%s event=e k=v\n", NAMES[of]);
            }
            CHECK_STR(next_write(), expected);
        }
    }
    dg_log_set_level(DG_LOG_INFO);
}

static uint64_t fixed_clock(void)
{
    return UINT64_C(1767323045678901999);
}

DG_TEST(log_time_stands_first_when_there_is_a_clock)
{
    struct dg_log_line line;
    dg_log_set_clock(fixed_clock);
    begin(&line);
    dg_log_end(&line);
    dg_log_set_clock(NULL);
    CHECK_STR(next_write(), "time=2026-01-02T03:04:05.678901Z level=info event=test\n");
}

static uint64_t clock_now_ns;

static uint64_t set_clock(void) { return clock_now_ns; }

DG_TEST(log_time_follows_the_clock_from_second_to_second)
{
    static const struct {
        uint64_t now_ns;
        const char *text;
    } times[] = {
        {UINT64_C(1767323045000001000), "time=2026-01-02T03:04:05.000001Z level=info event=test\n"},
        {UINT64_C(1767323045999999999), "time=2026-01-02T03:04:05.999999Z level=info event=test\n"},
        {UINT64_C(1767323046000000000), "time=2026-01-02T03:04:06.000000Z level=info event=test\n"},
        {UINT64_C(1767323044100000000), "time=2026-01-02T03:04:04.100000Z level=info event=test\n"}, // set back
        {0, "time=1970-01-01T00:00:00.000000Z level=info event=test\n"},
    };
    dg_log_set_clock(set_clock);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct dg_log_line line;
        clock_now_ns = times[i].now_ns;
        begin(&line);
        dg_log_end(&line);
        CHECK_STR(next_write(), times[i].text);
    }
    dg_log_set_clock(NULL);
}

DG_TEST(log_numbers_of_any_size_are_whole)
{
    struct dg_log_line line;
    begin(&line);
    dg_log_u64(&line, "none", 0);
    dg_log_u64(&line, "ten", 10);
    dg_log_u64(&line, "most", UINT64_MAX);
    dg_log_end(&line);
    CHECK_STR(next_write(), "level=info event=test none=0 ten=10 most=18446744073709551615\n");
}

DG_TEST(log_line_over_the_buffer_is_cut_and_marked)
{
    // A value of each length around the end, of bytes that take one and four characters.
    static const char MARK[] = " truncated=yes\n";
    for (int wide = 0; wide <= 1; wide++) {
        bool cut_before = false;
        for (size_t size = 1; size <= LINE_MAX_BYTES + 76; size++) {
            char value[LINE_MAX_BYTES + 76];
            memset(value, wide ? '\n' : 'x', size);
            struct dg_log_line line;
            begin(&line);
            dg_log_bytes(&line, "v", value, size);
            dg_log_end(&line);
            const char *text = next_write();
            size_t length = strlen(text);
            bool cut = length >= sizeof MARK - 1 && strcmp(text + length - (sizeof MARK - 1), MARK) == 0;
            CHECK(length > 0 && length <= sizeof line.text && text[length - 1] == '\n');
            CHECK(cut || !cut_before);
            if (wide) {
                // Whole escapes within closed quotes, cut or not.
                size_t inside = length - strlen("level=info event=test v=\"\"\n") - (cut ? sizeof MARK - 2 : 0);
                CHECK_EQ(inside % 4, 0);
                CHECK_EQ(text[length - 1 - (cut ? sizeof MARK - 2 : 0) - 1], '"');
                CHECK(cut ? inside / 4 < size : inside / 4 == size);
            }
            cut_before = cut;
        }
        CHECK(cut_before);
    }
}

DG_TEST(log_nothing_follows_a_cut_value)
{
    static char value[LINE_MAX_BYTES + 2000];
    memset(value, 'x', sizeof value - 1);
    struct dg_log_line line;
    begin(&line);
    dg_log_format(&line, "long", "%s", value);
    dg_log_u64(&line, "after", 1);
    dg_log_text(&line, "after", "x");
    dg_log_hex(&line, "after", "x", 1);
    dg_log_end(&line);
    const char *text = next_write();
    CHECK(strstr(text, "after") == NULL);
    CHECK(strstr(text, " truncated=yes\n") != NULL);
    // A short pair that would still fit does not slip in behind one that did not.
    begin(&line);
    dg_log_bytes(&line, "fill", value, LINE_MAX_BYTES - 64);
    dg_log_text(&line, "a_key_with_a_long_name_of_its_own_for_this", "v");
    dg_log_text(&line, "b", "v");
    dg_log_end(&line);
    text = next_write();
    CHECK(strstr(text, "b=v") == NULL && strstr(text, "truncated=yes") != NULL);
}

DG_TEST(log_keeps_errno_and_survives_a_bad_descriptor)
{
    struct dg_log_line line;
    dg_log_set_fd(-1);
    begin(&line);
    errno = ENOTTY;
    dg_log_end(&line);
    CHECK_EQ(errno, ENOTTY);
    dg_log_set_fd(ends[1]);
}

DG_TEST(log_escape_of_each_byte)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8], expected[8];
        uint8_t value = (uint8_t)byte;
        bool stays = byte >= ' ' && byte <= '~' && strchr("\"\\=", (int)byte) == NULL;
        (void)snprintf(expected, sizeof expected, stays ? "%c" : "\\x%02x", byte);
        CHECK_EQ(dg_escape(text, sizeof text, &value, 1), strlen(expected));
        CHECK_STR(text, expected);
    }
}

DG_TEST(log_escape_cuts_between_bytes)
{
    char text[12];
    memset(text, '#', sizeof text);
    CHECK_EQ(dg_escape(text, 0, "abc", 3), 0);
    CHECK_EQ(text[0], '#');
    CHECK_EQ(dg_escape(text, 1, "abc", 3), 0);
    CHECK_STR(text, "");
    CHECK_EQ(dg_escape(text, 5, "a\nb", 3), 1);
    CHECK_STR(text, "a");
    CHECK_EQ(dg_escape(text, 6, "a\nb", 3), 5);
    CHECK_STR(text, "a\\x0a");
    CHECK_EQ(dg_escape(text, 7, "a\nb", 3), 6);
    CHECK_STR(text, "a\\x0ab");
    CHECK_EQ(text[7], '#');
    CHECK_EQ(dg_escape(text, sizeof text, NULL, 0), 0);
    CHECK_STR(text, "");
}

// The oracle: what the value of " v=" in the line says, by the plainest reading. Returns its size.
static size_t unescape(const char *line, uint8_t *bytes)
{
    const char *at = strstr(line, " v=") + 3;
    bool quoted = *at == '"';
    at += quoted ? 1 : 0;
    size_t size = 0;
    while (*at != (quoted ? '"' : ' ') && *at != '\0') {
        if (*at == '\\') {
            char digits[3] = {at[2], at[3], '\0'};
            bytes[size++] = (uint8_t)strtoul(digits, NULL, 16);
            at += 4;
        } else {
            bytes[size++] = (uint8_t)*at++;
        }
    }
    return size;
}

DG_TEST(log_random_values_come_back_whole)
{
    struct test_random random = {dg_test_seed()};
    for (int round = 0; round < 5000; round++) {
        uint8_t value[200], back[1100];
        size_t size = (size_t)test_random_below(&random, sizeof value);
        bool text_like = test_random_permille(&random, 500);
        for (size_t i = 0; i < size; i++) {
            value[i] = (uint8_t)(text_like ? 0x20 + test_random_below(&random, 95) : test_random_next(&random));
        }
        struct dg_log_line line;
        begin(&line);
        dg_log_bytes(&line, "v", value, size);
        dg_log_text(&line, "end", "yes");
        dg_log_end(&line);
        const char *text = next_write();
        size_t equals = 0, lines = 0;
        for (const char *at = text; *at != '\0'; at++) {
            equals += *at == '=' ? 1 : 0;
            lines += *at == '\n' ? 1 : 0;
            CHECK(*at == '\n' || (*at >= ' ' && *at <= '~'));
        }
        CHECK_EQ(equals, 4);
        CHECK_EQ(lines, 1);
        CHECK(strstr(text, " end=yes\n") != NULL);
        CHECK_EQ(unescape(text, back), size);
        CHECK_MEM(back, value, size);
    }
}

// A reader that has stopped reading must not stop the server: one line waits a moment, the others do not. Without
// the look before the write this case hangs.
DG_TEST(log_never_waits_for_its_reader)
{
    int pipe_ends[2];
    char block[4096] = {0};
    struct dg_log_line line;
    REQUIRE(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0);
    while (write(pipe_ends[1], block, sizeof block) > 0) {
    }
    REQUIRE(fcntl(pipe_ends[1], F_SETFL, 0) == 0); // blocking, as what a server inherits
    dg_log_set_fd(pipe_ends[1]);
    for (int i = 0; i < 3; i++) {
        begin(&line);
        errno = 77;
        dg_log_end(&line);
        CHECK_EQ(errno, 77);
    }
    while (read(pipe_ends[0], block, sizeof block) > 0) {
    }
    for (int i = 0; i < 2; i++) {
        static const char *const EXPECTED[] = {"level=info event=test lines_lost_before=3\n", "level=info event=test\n"};
        begin(&line);
        dg_log_end(&line);
        ssize_t size = read(pipe_ends[0], block, sizeof block - 1);
        block[size > 0 ? size : 0] = '\0';
        CHECK_STR(block, EXPECTED[i]);
    }
    dg_log_set_fd(ends[1]);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

// A line that is cut has no room for it: the one after it says how many were lost.
DG_TEST(log_says_what_was_lost_in_the_first_line_with_room)
{
    static char block[4096], value[LINE_MAX_BYTES];
    int pipe_ends[2];
    struct dg_log_line line;
    REQUIRE(pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) == 0);
    while (write(pipe_ends[1], block, sizeof block) > 0) {
    }
    dg_log_set_fd(pipe_ends[1]);
    begin(&line);
    dg_log_end(&line);
    while (read(pipe_ends[0], block, sizeof block) > 0) {
    }
    memset(value, 'a', sizeof value);
    begin(&line);
    dg_log_bytes(&line, "identity", value, sizeof value);
    dg_log_end(&line);
    ssize_t size = read(pipe_ends[0], block, sizeof block - 1);
    block[size > 0 ? size : 0] = '\0';
    CHECK(strstr(block, " truncated=yes\n") != NULL && strstr(block, "lines_lost_before") == NULL);
    begin(&line);
    dg_log_end(&line);
    size = read(pipe_ends[0], block, sizeof block - 1);
    block[size > 0 ? size : 0] = '\0';
    CHECK_STR(block, "level=info event=test lines_lost_before=1\n");
    dg_log_set_fd(ends[1]);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(log_line_is_one_write_of_pairs),
        DG_CASE(log_values_cannot_break_out),
        DG_CASE(log_line_is_one_json_object),
    DG_CASE(log_values_cannot_break_out_of_json),
    DG_CASE(log_json_is_whole_where_it_is_cut),
    DG_CASE(log_lines_begin_with_their_priority_where_asked_to),
    DG_CASE(log_level_decides_what_is_written),
        DG_CASE(log_time_stands_first_when_there_is_a_clock),
        DG_CASE(log_time_follows_the_clock_from_second_to_second),
        DG_CASE(log_numbers_of_any_size_are_whole),
        DG_CASE(log_line_over_the_buffer_is_cut_and_marked),
        DG_CASE(log_nothing_follows_a_cut_value),
        DG_CASE(log_keeps_errno_and_survives_a_bad_descriptor),
        DG_CASE(log_escape_of_each_byte),
        DG_CASE(log_escape_cuts_between_bytes),
        DG_CASE(log_random_values_come_back_whole),
        DG_CASE(log_never_waits_for_its_reader),
        DG_CASE(log_says_what_was_lost_in_the_first_line_with_room),
    };
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return 1;
    }
    dg_log_set_fd(ends[1]);
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
