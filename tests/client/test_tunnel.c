// SPDX-License-Identifier: GPL-3.0-or-later
// A tunnel's senders when the server's host says that nobody listens, which anybody can say in its name. A handshake
// that the server's first record ends stands in for a real one. Real sockets on the loopback; time is an argument.
#include "check.h"

#include "client/tunnel_state.h"
#include "core/aead.h"
#include "io/sockaddr.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct dg_dial {
    struct dg_path path;
};

static struct dg_dial *fake_start(void *dialer, dg_time now, const struct dg_path *path, struct dg_bytes cid,
                                  const struct dg_output *output)
{
    (void)dialer;
    (void)now;
    (void)cid;
    uint8_t *room = output->reserve(output->context, 5);
    memcpy(room, "hello", 5);
    output->commit(output->context, path, 5);
    struct dg_dial *dial = calloc(1, sizeof *dial);
    if (dial)
        dial->path = *path;
    return dial;
}

static enum dg_dial_step fake_receive(struct dg_dial *dial, dg_time now, const uint8_t *record, size_t size,
                                      const struct dg_output *output)
{
    (void)dial;
    (void)now;
    (void)record;
    (void)size;
    (void)output;
    return DG_DIAL_DONE;
}

static enum dg_counter fake_dropped(const struct dg_dial *dial)
{
    (void)dial;
    return DG_COUNT_NONE;
}

static dg_time fake_deadline(const struct dg_dial *dial)
{
    (void)dial;
    return DG_NEVER;
}

static bool fake_take(struct dg_dial *dial, struct dg_handover *ret)
{
    *ret = (struct dg_handover){.version = 12, .aead = DG_AEAD_AES_128_GCM, .is_client = 1, .path = dial->path};
    return true;
}

static size_t fake_kept(struct dg_dial *dial, uint8_t **ret_record)
{
    (void)dial;
    (void)ret_record;
    return 0;
}

static const char *fake_why(const struct dg_dial *dial, int *ret_alert)
{
    (void)dial;
    *ret_alert = -1;
    return "nobody answered";
}

static bool fake_told(struct dg_dial *dial, struct dg_dial_event *ret)
{
    (void)dial;
    (void)ret;
    return false;
}

static void fake_free(struct dg_dial *dial)
{
    free(dial);
}

static const struct dg_dial_ops fake_dial = {.start = fake_start,
                                             .receive = fake_receive,
                                             .dropped = fake_dropped,
                                             .deadline = fake_deadline,
                                             .take = fake_take,
                                             .kept = fake_kept,
                                             .why = fake_why,
                                             .told = fake_told,
                                             .free = fake_free};

// --- the other end ------------------------------------------------------------------------------------------

static struct {
    int fd;
    union dg_sockaddr name; // its own
    union dg_sockaddr from; // of what it took last
    uint8_t data[2048];     // that
} server;

static bool server_listens(void)
{
    server.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return server.fd >= 0 && bind(server.fd, &server.name.any, sizeof server.name.v4) == 0;
}

static bool server_begins(struct dg_address *ret)
{
    socklen_t size = sizeof server.name.v4;
    server.name.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return server_listens() && getsockname(server.fd, &server.name.any, &size) == 0 &&
           dg_sockaddr_to(&server.name, size, ret);
}

// The port that it came from, 0: nothing is there.
static unsigned server_takes(ssize_t *ret_size)
{
    socklen_t size = sizeof server.from;
    *ret_size = recvfrom(server.fd, server.data, sizeof server.data, MSG_DONTWAIT, &server.from.any, &size);
    return *ret_size > 0 ? ntohs(server.from.v4.sin_port) : 0;
}

static unsigned takes_hello(void)
{
    ssize_t size;
    unsigned port = server_takes(&size);
    return size == 5 && memcmp(server.data, "hello", 5) == 0 ? port : 0;
}

// Under the association: application data, which the null AEAD leaves to be seen behind header and explicit nonce.
static unsigned takes_data(const char *text)
{
    const size_t before = 13 + 8, length = strlen(text);
    ssize_t size;
    unsigned port = server_takes(&size);
    bool is_it = size == (ssize_t)(before + length + 16) && server.data[0] == 23 &&
                 memcmp(server.data + before, text, length) == 0;
    return is_it ? port : 0;
}

static void server_answers_hello(void)
{
    static const char RECORD[] = "\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\1\2";
    CHECK_EQ(sendto(server.fd, RECORD, 14, 0, &server.from.any, sizeof server.from.v4), 14);
}

// --- the tunnel ---------------------------------------------------------------------------------------------

static struct dg_tunnel *tunnel_towards(const struct dg_address *address)
{
    char error[256];
    struct dg_tunnel_config config = {.client = {.servers = {*address},
                                                 .server_count = 1,
                                                 .dial = &fake_dial,
                                                 .aead = &dg_null_aead,
                                                 .datagram_max = 1200,
                                                 .cid_size = DG_CID_SIZE_DEFAULT,
                                                 .handshake_timeout = 10 * DG_SECOND,
                                                 .retransmit = DG_SECOND},
                                      .senders_max = 2,
                                      .hold_max = 4,
                                      .idle_timeout = DG_HOUR,
                                      .answer_wait = DG_NEVER,
                                      .rebind = DG_NEVER};
    if (!dg_address_parse("127.0.0.1:0", &config.listen))
        return NULL;
    struct dg_tunnel *tunnel = dg_tunnel_new(&config, error, sizeof error);
    for (int i = 0; tunnel && i < 10; i++) // its engine looks at its memory first
        dg_client_advance(tunnel->client, DG_SECOND, 0);
    return tunnel;
}

static void says(struct dg_tunnel *tunnel, dg_time now, const char *text)
{
    struct dg_path path = {0};
    CHECK(dg_address_parse("127.0.0.1:9", &path.peer));
    dg_tunnel_received(tunnel, now, &path, (const uint8_t *)text, strlen(text));
}

static void reads(struct dg_tunnel *tunnel, dg_time now)
{
    struct pollfd event = {.fd = dg_client_fd(tunnel->client), .events = POLLIN};
    CHECK_EQ(poll(&event, 1, 10000), 1);
    dg_client_read(tunnel->client, now);
}

// The association is proven and what speaks against it is not: it is used whenever no other can be had.
DG_TEST(tunnel_uses_its_association_although_its_server_is_said_to_be_gone)
{
    struct dg_address address;
    dg_time now = 100 * DG_SECOND;
    REQUIRE(server_begins(&address));
    struct dg_tunnel *tunnel = tunnel_towards(&address);
    REQUIRE(tunnel);
    says(tunnel, now, "one");
    const unsigned port = takes_hello();
    CHECK(port != 0);
    server_answers_hello();
    reads(tunnel, now);
    CHECK_EQ(takes_data("one"), port);

    close(server.fd);
    says(tunnel, now, "lost");
    reads(tunnel, now); // nobody listens
    REQUIRE(server_listens());
    says(tunnel, now, "two");
    const unsigned next_port = takes_hello();
    CHECK(next_port != 0 && next_port != port);
    says(tunnel, now, "three");
    CHECK_EQ(takes_data("two"), 0); // held: most often the server has started anew and knows us no more
    dg_client_advance(tunnel->client, now += 10 * DG_SECOND, 0);
    CHECK_EQ(takes_data("two"), port); // the handshake came to nothing
    CHECK_EQ(takes_data("three"), port);
    says(tunnel, now, "four");
    CHECK_EQ(takes_data("four"), port); // none can be begun now
    dg_tunnel_retry(tunnel, now += DG_MINUTE);
    CHECK_EQ(takes_hello(), 0); // and none has to be where nobody waits for it

    says(tunnel, now, "five");
    const unsigned last_port = takes_hello();
    CHECK(last_port != 0 && last_port != port);
    server_answers_hello();
    reads(tunnel, now);
    CHECK(takes_data("five") == 0 && server.data[0] == 21); // close_notify on the one before
    CHECK_EQ(takes_data("five"), last_port);
    dg_tunnel_free(tunnel);
    close(server.fd);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(tunnel_uses_its_association_although_its_server_is_said_to_be_gone),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
