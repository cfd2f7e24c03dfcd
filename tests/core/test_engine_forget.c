// SPDX-License-Identifier: GPL-3.0-or-later
// Whenever keys of an association end, the library is told to forget what it has expanded; records alone end none.
#include "conversation.h"

static unsigned forgotten;
static struct dg_aead_ops counting;

static void forget(void) { forgotten++; }

static void begin(void)
{
    start(false, false);
    counting = *server.engine->aead;
    counting.forget = forget;
    server.engine->aead = &counting;
    forgotten = 0;
    CHECK(data_flows());
    CHECK_EQ(forgotten, 0);
}

DG_TEST(engine_forgets_the_keys_of_an_association_that_ends)
{
    begin();
    dg_engine_close(server.engine, server.now, peer.ref, DG_COUNT_CLOSED_SHUTDOWN);
    CHECK_EQ(forgotten, 1);
    fake_server_stop(&server);
}

DG_TEST(engine_forgets_keys_that_it_sends_with_no_more)
{
    struct dg_association association;
    begin();
    CHECK(dg_association_find(server.engine, server.now, peer.ref, &association));
    fake_server_forget(&server);
    CHECK(dg_key_update_start(&association, DG_UPDATE_NOT_REQUESTED));
    struct fake_record update = take();
    CHECK_EQ(forgotten, 0); // they are in use until it is acknowledged
    fake_peer_ack(&peer, update.epoch, update.sequence);
    CHECK_EQ(forgotten, 1);
    fake_peer_next_rx(&peer);
    CHECK(data_flows());
    CHECK_EQ(forgotten, 1);
    fake_server_stop(&server);
}

DG_TEST(engine_forgets_keys_that_the_peer_sends_with_no_more)
{
    begin();
    key_update(DG_UPDATE_NOT_REQUESTED);
    CHECK_EQ(forgotten, 0); // what is on its way may still be under them
    fake_peer_next_tx(&peer);
    CHECK(data_flows());
    CHECK_EQ(forgotten, 1);
    fake_server_stop(&server);
}

// Who is refused is told so under its keys, which end with that.
DG_TEST(engine_forgets_the_keys_of_who_is_refused)
{
    struct fake_peer other;
    const struct fake_setup setup = {.version = 13, .aead = DG_AEAD_AES_128_GCM, .who = 2};
    begin();
    server.refuses = true;
    dg_engine_set_policy_generation(server.engine, 2);
    CHECK(!fake_peer_join(&other, &server, &setup));
    CHECK_EQ(forgotten, 1);
    fake_server_stop(&server);
}

// Those of the handshake open what the client repeats, for twice the MSL.
DG_TEST(engine_forgets_the_keys_of_the_handshake)
{
    begin();
    fake_server_run(&server, (DG_MSL_TWICE_SECONDS + 1) * DG_SECOND);
    CHECK_EQ(forgotten, 1);
    fake_server_stop(&server);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case CASES[] = {
        DG_CASE(engine_forgets_the_keys_of_an_association_that_ends),
        DG_CASE(engine_forgets_keys_that_it_sends_with_no_more),
        DG_CASE(engine_forgets_keys_that_the_peer_sends_with_no_more),
        DG_CASE(engine_forgets_the_keys_of_who_is_refused),
        DG_CASE(engine_forgets_the_keys_of_the_handshake),
    };
    return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv);
}
