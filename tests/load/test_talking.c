// SPDX-License-Identifier: GPL-3.0-or-later
// Messages when the last association ends under them. One thread of load with an engine and a socket, an association that
// nobody has shaken hands for, time as an argument; nothing leaves.
#include "check.h"

#include "load/thread.h"

static void *dialer_new(void *context, char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    return context; // nobody dials
}

static void dialer_free(void *dialer)
{
    (void)dialer;
}

// An association whose key protects so many records more, the last of them its close_notify.
static bool open_one(struct dg_load_thread *thread, dg_time now, uint64_t records)
{
    uint32_t place = dg_load_place_take(&thread->places, 0);
    struct dg_handover handover = {.version = 12,
                                   .aead = DG_AEAD_AES_128_CCM,
                                   .is_client = 1,
                                   .tx_next = DG_LIMIT_SEAL_CCM - records,
                                   .path = dg_load_place_path(&thread->places, place)};
    dg_load_place_hold(&thread->places, place);
    return dg_engine_take_over(thread->engine, now, &handover);
}

// A schedule goes on when nobody is left whose turn it could be: what is due then is omitted.
DG_TEST(load_sends_nothing_more_when_the_last_association_has_ended)
{
    static int dialer;
    char error[256] = "";
    struct dg_load_shared shared = {0};
    struct dg_load_config config = {.aead = &dg_null_aead,
                                    .dialer_new = dialer_new,
                                    .dialer_free = dialer_free,
                                    .dialer_context = &dialer,
                                    .kind = DG_LOAD_MESSAGES,
                                    .wants_answers = true,
                                    .threads = 1,
                                    .cid_size = DG_CID_SIZE_DEFAULT,
                                    .associations = 1,
                                    .handshakes_at_once = 1,
                                    .rate = 1000,
                                    .message_bytes = 64,
                                    .answer_timeout = DG_SECOND,
                                    .retransmit = DG_SECOND,
                                    .datagram_max = 1200};
    REQUIRE(dg_address_parse("127.0.0.1:9", &config.server));
    struct dg_load_thread *thread = dg_load_thread_new(&config, &shared, 0, error, sizeof error);
    CHECK_MSG(thread != NULL, "%s", error);
    REQUIRE(thread != NULL);
    const dg_time now = 100 * DG_SECOND;
    for (int i = 0; i < 10; i++) // its engine looks at its memory first
        dg_engine_advance(thread->engine, now, 0);
    REQUIRE(open_one(thread, now, 3));
    CHECK_EQ(thread->live, 1);
    thread->load = (struct dg_load_schedule){
        .start = now, .period = DG_SECOND, .count = 1000, .step = 1, .limit = DG_LOAD_NO_LIMIT, .end = DG_NEVER};
    CHECK_EQ(dg_load_talking_send(thread, now + DG_SECOND), DG_NEVER); // forty are due at least
    CHECK_EQ(thread->live, 0);
    CHECK_EQ(dg_load_tally_read(&thread->tally, DG_LOAD_MESSAGES_SENT), 2);
    CHECK_EQ(dg_load_tally_read(&thread->tally, DG_LOAD_MESSAGES_UNSENT), 1);
    CHECK_EQ(dg_load_tally_read(&thread->tally, DG_LOAD_ASSOCIATIONS_ENDED), 1);
    CHECK_EQ(dg_load_talking_send(thread, now + DG_SECOND), DG_NEVER);
    dg_load_thread_free(thread);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(load_sends_nothing_more_when_the_last_association_has_ended),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
