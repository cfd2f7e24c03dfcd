// SPDX-License-Identifier: GPL-3.0-or-later
// The client's links with a handshake that never ends by itself: time-outs, refusals, places that run out and come
// back. Real sockets on the loopback; time is an argument.
#include "check.h"

#include "client/client.h"
#include "core/aead.h"
#include "io/sockaddr.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dg_dial {
    int alert; // that came in clear, -1: none
};

static unsigned started, freed, failed, told;
static uint32_t failed_owner;
static const char *failed_why;
static int failed_alert;

static struct dg_dial *fake_start(void *dialer, dg_time now, const struct dg_path *path, struct dg_bytes cid,
                                  const struct dg_output *output)
{
    (void)dialer;
    (void)now;
    (void)cid;
    uint8_t *room = output->reserve(output->context, 5);
    memcpy(room, "hello", 5);
    output->commit(output->context, path, 5);
    started++;
    struct dg_dial *dial = calloc(1, sizeof *dial);
    if (dial)
        dial->alert = -1;
    return dial;
}

static enum dg_dial_step fake_receive(struct dg_dial *dial, dg_time now, const uint8_t *record, size_t size,
                                      const struct dg_output *output)
{
    (void)now;
    (void)output;
    if (record[0] == 21)
        dial->alert = record[size - 1];
    return DG_DIAL_GOES_ON;
}

static enum dg_counter fake_dropped(const struct dg_dial *dial)
{
    return dial->alert >= 0 ? DG_COUNT_DROP_ALERT_UNPROVEN : DG_COUNT_NONE;
}

static dg_time fake_deadline(const struct dg_dial *dial)
{
    (void)dial;
    return DG_NEVER;
}

static enum dg_dial_step fake_advance(struct dg_dial *dial, dg_time now, const struct dg_output *output)
{
    (void)dial;
    (void)now;
    (void)output;
    return DG_DIAL_GOES_ON;
}

static const char *fake_why(const struct dg_dial *dial, int *ret_alert)
{
    *ret_alert = dial->alert;
    return dial->alert >= 0 ? "the server refused us" : "nobody answered";
}

static bool fake_told(struct dg_dial *dial, struct dg_dial_event *ret)
{
    (void)dial;
    (void)ret;
    return false;
}

static void fake_free(struct dg_dial *dial)
{
    freed++;
    free(dial);
}

static const struct dg_dial_ops fake_dial = {.start = fake_start,
                                             .receive = fake_receive,
                                             .dropped = fake_dropped,
                                             .deadline = fake_deadline,
                                             .advance = fake_advance,
                                             .why = fake_why,
                                             .told = fake_told,
                                             .free = fake_free};

static void on_failed(void *context, dg_time now, uint32_t owner, uint32_t link, const char *why, int alert)
{
    (void)context;
    (void)now;
    (void)link;
    failed++;
    failed_owner = owner;
    failed_why = why;
    failed_alert = alert;
}

static int listener(struct dg_address *ret)
{
    union dg_sockaddr name = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof name.v4;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, &name.any, size) != 0 || getsockname(fd, &name.any, &size) != 0 ||
        !dg_sockaddr_to(&name, size, ret))
        return -1;
    return fd;
}

static void on_told(void *context, dg_time now, uint32_t owner, const struct dg_dial_event *event)
{
    (void)context;
    (void)now;
    (void)owner;
    told += strcmp(event->what, "next address") == 0;
}

static struct dg_client *client_of_all(const struct dg_address *servers, uint32_t count, uint32_t links)
{
    char error[256];
    struct dg_client_config config = {.server_count = count,
                                            .dial = &fake_dial,
                                            .aead = &dg_null_aead,
                                            .links_max = links,
                                            .datagram_max = 1200,
                                            .cid_size = DG_CID_SIZE_DEFAULT,
                                            .handshake_timeout = 10 * DG_SECOND,
                                            .retransmit = DG_SECOND};
    const struct dg_client_hooks hooks = {.failed = on_failed, .told = on_told};
    memcpy(config.servers, servers, count * sizeof servers[0]);
    started = freed = failed = told = 0;
    failed_why = "";
    struct dg_client *client = dg_client_new(&config, &hooks, error, sizeof error);
    for (int i = 0; client && dg_client_deadline(client) == 0 && i < 10; i++) // its engine looks at its memory first
        dg_client_advance(client, DG_SECOND, 0);
    return client;
}

static struct dg_client *client_of(const struct dg_address *server, uint32_t links)
{
    return client_of_all(server, 1, links);
}

DG_TEST(client_gives_up_a_handshake_at_its_time)
{
    struct dg_address server;
    int fd = listener(&server);
    REQUIRE(fd >= 0);
    struct dg_client *client = client_of(&server, 3);
    REQUIRE(client);
    dg_time now = 100 * DG_SECOND;
    CHECK(dg_client_dial(client, now, 7, NULL, 0) != DG_NO_LINK);
    CHECK_EQ(dg_client_dialling(client), 1);
    CHECK(dg_client_deadline(client) <= now + 10 * DG_SECOND); // the engine has deadlines of its own
    dg_client_advance(client, now + 10 * DG_SECOND - 1, 0);
    CHECK_EQ(failed, 0);
    dg_client_advance(client, now + 10 * DG_SECOND, 0);
    CHECK_EQ(failed, 1);
    CHECK_EQ(failed_owner, 7);
    CHECK_STR(failed_why, "nobody answered");
    CHECK_EQ(dg_client_dialling(client), 0);
    CHECK_EQ(freed, 1);
    dg_client_free(client);
    close(fd);
}

DG_TEST(client_links_run_out_in_words_and_come_back)
{
    struct dg_address server;
    char error[256] = "";
    int fd = listener(&server);
    REQUIRE(fd >= 0);
    struct dg_client *client = client_of(&server, 2);
    REQUIRE(client);
    for (unsigned round = 0; round < 100; round++) {
        uint32_t first = dg_client_dial(client, DG_SECOND, 0, error, sizeof error);
        uint32_t second = dg_client_dial(client, DG_SECOND, 1, error, sizeof error);
        CHECK(first != DG_NO_LINK && second != DG_NO_LINK && first != second);
        CHECK_EQ(dg_client_dial(client, DG_SECOND, 2, error, sizeof error), DG_NO_LINK);
        CHECK_STR(error, "all 2 associations are in use");
        CHECK(!dg_client_send(client, DG_SECOND, first, (const uint8_t *)"x", 1)); // not open yet
        CHECK(!dg_client_rebind(client, DG_SECOND, first));
        dg_client_close(client, DG_SECOND, round % 2 ? first : second);
        dg_client_close_all(client, DG_SECOND);
    }
    CHECK_EQ(started, 200);
    CHECK_EQ(freed, 200);
    CHECK_EQ(failed, 0);
    dg_client_free(client);
    close(fd);
}

static void read_errors(struct dg_client *client)
{
    struct pollfd event = {.fd = dg_client_fd(client), .events = POLLIN};
    if (poll(&event, 1, 10000) == 1)
        dg_client_read(client, DG_SECOND);
}

DG_TEST(client_reports_a_port_where_nobody_listens)
{
    struct dg_address server;
    int fd = listener(&server);
    REQUIRE(fd >= 0);
    close(fd); // this port is nobody's now
    struct dg_client *client = client_of(&server, 1);
    REQUIRE(client);
    uint32_t link = dg_client_dial(client, DG_SECOND, 5, NULL, 0);
    REQUIRE(link != DG_NO_LINK);
    read_errors(client);
    CHECK_EQ(failed, 0); // one refusal may be of a server that just starts
    dg_client_advance(client, 11 * DG_SECOND, 0);
    CHECK_EQ(failed, 1);
    CHECK_MSG(strstr(failed_why, "nobody listens") != NULL, "%s", failed_why);
    dg_client_free(client);
}

static bool has_hello(int fd, union dg_sockaddr *ret_from)
{
    char hello[16];
    socklen_t size = sizeof *ret_from;
    return recvfrom(fd, hello, sizeof hello, MSG_DONTWAIT, &ret_from->any, &size) == 5;
}

static const char RECORD[] = "\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\1\2"; // fake_receive takes it for the server's

// One where nobody listens, one that says what is no record, one that answers with the beginning of a handshake.
DG_TEST(client_tries_a_servers_addresses_in_turn)
{
    struct dg_address servers[3];
    int refusing = listener(&servers[0]), strange = listener(&servers[1]), answering = listener(&servers[2]);
    REQUIRE(refusing >= 0 && strange >= 0 && answering >= 0);
    close(refusing);
    struct dg_client *client = client_of_all(servers, 3, 1);
    REQUIRE(client);
    union dg_sockaddr from;
    REQUIRE(dg_client_dial(client, DG_SECOND, 5, NULL, 0) != DG_NO_LINK);
    CHECK(!has_hello(strange, &from)); // in turn
    read_errors(client);
    CHECK(has_hello(strange, &from) && !has_hello(answering, &from));
    CHECK_EQ(sendto(strange, "what?", 5, 0, &from.any, sizeof from.v4), 5); // holds nobody here
    read_errors(client);
    dg_time now = DG_SECOND;
    while (started < 3 && now < 6 * DG_SECOND)
        dg_client_advance(client, now = dg_time_min(dg_client_deadline(client), 6 * DG_SECOND), 0);
    CHECK(now > 2 * DG_SECOND && now < 5 * DG_SECOND); // its share, not all of the time
    CHECK_EQ(started, 3);
    CHECK_EQ(freed, 2);
    CHECK_EQ(told, 2);
    CHECK_EQ(failed, 0);
    CHECK(has_hello(answering, &from));
    CHECK_EQ(sendto(answering, RECORD, 14, 0, &from.any, sizeof from.v4), 14);
    read_errors(client);
    dg_client_advance(client, 11 * DG_SECOND - 1, 0);
    CHECK_EQ(failed, 0); // what has answered keeps all the time that is left
    dg_client_advance(client, 11 * DG_SECOND, 0);
    CHECK_EQ(failed, 1);
    CHECK_STR(failed_why, "nobody answered"); // the handshake's own words
    CHECK_EQ(started, 3);
    CHECK_EQ(freed, 3);
    CHECK_EQ(dg_client_dialling(client), 0);
    dg_client_free(client);
    close(strange);
    close(answering);
}

// A path that loses the large datagrams of a handshake, and not its first ones.
DG_TEST(client_begins_behind_the_address_where_a_handshake_came_to_nothing)
{
    struct dg_address servers[2];
    int first = listener(&servers[0]), second = listener(&servers[1]);
    REQUIRE(first >= 0 && second >= 0);
    struct dg_client *client = client_of_all(servers, 2, 1);
    REQUIRE(client);
    union dg_sockaddr from;
    REQUIRE(dg_client_dial(client, DG_SECOND, 5, NULL, 0) != DG_NO_LINK);
    CHECK(has_hello(first, &from));
    CHECK_EQ(sendto(first, RECORD, 14, 0, &from.any, sizeof from.v4), 14);
    read_errors(client);
    dg_client_advance(client, 11 * DG_SECOND, 0);
    CHECK_EQ(failed, 1);
    CHECK_EQ(started, 1);
    CHECK(!has_hello(second, &from));
    REQUIRE(dg_client_dial(client, 12 * DG_SECOND, 5, NULL, 0) != DG_NO_LINK);
    CHECK(has_hello(second, &from) && !has_hello(first, &from));
    dg_client_free(client);
    close(first);
    close(second);
}

DG_TEST(client_says_that_no_address_answers)
{
    struct dg_address servers[2];
    int first = listener(&servers[0]), second = listener(&servers[1]);
    REQUIRE(first >= 0 && second >= 0);
    struct dg_client *client = client_of_all(servers, 2, 1);
    REQUIRE(client);
    REQUIRE(dg_client_dial(client, DG_SECOND, 5, NULL, 0) != DG_NO_LINK);
    for (dg_time now = DG_SECOND; failed == 0 && now < DG_MINUTE; now = dg_client_deadline(client))
        dg_client_advance(client, now, 0);
    CHECK_EQ(failed, 1);
    CHECK_EQ(started, 2);
    CHECK_STR(failed_why, "the server answers at none of its addresses");
    CHECK_EQ(dg_client_dialling(client), 0);
    dg_client_free(client);
    close(first);
    close(second);
}

// What a server says in clear may be anybody's and keeps nobody from trying the next address; if that is silent, it is
// what people are told all the same.
DG_TEST(client_tells_the_refusal_of_an_address_that_it_left)
{
    struct dg_address servers[2];
    int refusing = listener(&servers[0]), silent = listener(&servers[1]);
    REQUIRE(refusing >= 0 && silent >= 0);
    struct dg_client *client = client_of_all(servers, 2, 1);
    REQUIRE(client);
    union dg_sockaddr from;
    REQUIRE(dg_client_dial(client, DG_SECOND, 5, NULL, 0) != DG_NO_LINK);
    CHECK(has_hello(refusing, &from));
    CHECK_EQ(sendto(refusing, "\x15\xfe\xfd\0\0\0\0\0\0\0\0\0\2\2\x28", 15, 0, &from.any, sizeof from.v4), 15);
    read_errors(client);
    dg_client_advance(client, 6 * DG_SECOND, 0);
    CHECK(has_hello(silent, &from));
    dg_client_advance(client, 11 * DG_SECOND, 0);
    CHECK_EQ(failed, 1);
    CHECK_STR(failed_why, "the server refused us");
    CHECK_EQ(failed_alert, 40);
    dg_client_free(client);
    close(refusing);
    close(silent);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(client_gives_up_a_handshake_at_its_time),
        DG_CASE(client_links_run_out_in_words_and_come_back),
        DG_CASE(client_reports_a_port_where_nobody_listens),
        DG_CASE(client_tries_a_servers_addresses_in_turn),
        DG_CASE(client_begins_behind_the_address_where_a_handshake_came_to_nothing),
        DG_CASE(client_tells_the_refusal_of_an_address_that_it_left),
        DG_CASE(client_says_that_no_address_answers),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
