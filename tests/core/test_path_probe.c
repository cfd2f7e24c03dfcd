// SPDX-License-Identifier: GPL-3.0-or-later
// Clients of DTLS 1.3 that move and know nothing of RRC: what acknowledgements prove an address, and what those of
// somebody who does not receive there come to.
#include "path_scene.h"

// RFC 9147 11: KeyUpdates to the new address, their acknowledgements from there.
DG_TEST(path_13_acknowledged_key_updates_bind)
{
    for (unsigned mode = 0; mode < 4; mode++) {
        const struct scene scene = {.version = 13,
                                    .is_strict = (mode & 1) != 0,
                                    .is_null = (mode & 2) != 0,
                                    .peer_cid_size = mode & 2 ? 5 : 0};
        scene_start(&scene);
        (void)data_from(B);
        struct dg_record_number number = probed(B);
        CHECK_EQ(answers_go(), scene.is_strict ? A : B);
        (void)data_from(B);
        (void)data_from(B);
        CHECK_EQ(bound_to(), A); // however much comes from there
        for (unsigned i = 1; i < DG_PATH_PROOFS; i++) {
            fake_server_forget(&server);
            ack_from(B, number);
            CHECK_EQ(bound_to(), A);
            fake_peer_next_rx(&peer);
            number = probed(B);
        }
        ack_from(B, number);
        CHECK_EQ(bound_to(), B);
        fake_peer_next_rx(&peer);
        CHECK_EQ(answers_go(), B);
        CHECK_EQ(server.moved, 1);
        // And on to C, with the next KeyUpdates.
        fake_server_forget(&server);
        (void)data_from(C);
        ack_from(C, almost_proven(C));
        CHECK_EQ(bound_to(), C);
        scene_stop();
    }
}

// A spoofed source never acknowledges: three for one, for ever.
DG_TEST(path_13_spoofed_source_is_never_bound)
{
    const struct scene scene = {.version = 13};
    scene_start(&scene);
    size_t came = 0, went = 0;
    for (unsigned i = 0; i < 200; i++) {
        came += data_from(B);
        CHECK(answer(100));
        fake_server_run(&server, DG_SECOND);
        for (size_t k = 0; k < server.sent_count; k++)
            went += place_of(&server.sent[k].path.peer) == B ? server.sent[k].size : 0;
        fake_server_forget(&server);
        CHECK(went <= 3 * came);
        CHECK_EQ(bound_to(), A);
    }
    CHECK(went > 0);
    CHECK_EQ(server.moved, 0);
    scene_stop();
}

// An acknowledgement from elsewhere, or of what went elsewhere, proves nothing about the new address.
DG_TEST(path_13_other_acknowledgements_prove_nothing)
{
    const struct scene scene = {.version = 13};
    scene_start(&scene);
    (void)data_from(B);
    struct dg_record_number number = probed(B);
    ack_from(A, number);
    CHECK_EQ(bound_to(), A);
    scene_stop();

    scene_start(&scene);
    (void)data_from(B);
    number = probed(B);
    ack_from(C, number);
    CHECK_EQ(bound_to(), A);
    scene_stop();

    // The same, overtaken by a record from B, so that the client does not seem to be back.
    scene_start(&scene);
    (void)data_from(B);
    number = probed(B);
    uint8_t ack[18] = {0, 16}, late[128];
    struct dg_writer writer = dg_writer_of(ack + 2, 16);
    dg_write_u64(&writer, number.epoch);
    dg_write_u64(&writer, number.sequence);
    size_t late_size = fake_peer_seal(&peer, DG_CONTENT_ACK, ack, sizeof ack, late, sizeof late);
    (void)data_from(B);
    peer.path = places[A];
    CHECK(fake_peer_give(&peer, late, late_size) != DG_ENGINE_UNKNOWN);
    CHECK_EQ(bound_to(), A);
    CHECK_EQ(server.moved, 0);
    scene_stop();

    // A KeyUpdate that went to A before the client moved: asked for by the client, acknowledged from B.
    scene_start(&scene);
    uint8_t requested = 1;
    (void)fake_peer_send_message(&peer, DG_HS_KEY_UPDATE, peer.message_seq++, &requested, 1);
    struct dg_record_number at_a = probed(A);
    fake_peer_next_tx(&peer);
    fake_server_forget(&server);
    (void)data_from(B);
    number = probed(B); // the same message, hastened
    CHECK(number.sequence != at_a.sequence);
    fake_server_forget(&server);
    ack_from(B, at_a);
    CHECK_EQ(bound_to(), A);
    fake_peer_next_rx(&peer);
    ack_from(B, almost_proven(B)); // the message is acknowledged, so there is another at once
    CHECK_EQ(bound_to(), B);
    scene_stop();
}

// One acknowledgement is one proof, however often it comes.
DG_TEST(path_13_the_same_acknowledgement_counts_once)
{
    const struct scene scene = {.version = 13};
    scene_start(&scene);
    (void)data_from(B);
    struct dg_record_number number = probed(B);
    for (unsigned i = 0; i < 2 * DG_PATH_PROOFS; i++)
        ack_from(B, number);
    CHECK_EQ(bound_to(), A);
    CHECK_EQ(server.closed, 0);
    scene_stop();
}

static uint64_t last_number_at(unsigned place)
{
    struct fake_record record = {0};
    fake_server_forget(&server);
    CHECK(answer(4));
    CHECK_EQ(take_to(&record), place);
    return record.sequence;
}

// RFC 9147 11: an authenticated client that knows our record numbers acknowledges the next ones from an address that
// it does not receive at, also in the datagram that makes us send there.
DG_TEST(path_13_foreseen_acknowledgement_proves_nothing)
{
    for (unsigned ahead = 1; ahead <= 8; ahead++) {
        const struct scene scene = {.version = 13};
        uint8_t out[512];
        scene_start(&scene);
        uint64_t foreseen = last_number_at(A) + ahead;
        size_t size = fake_peer_seal(&peer, DG_CONTENT_APPLICATION_DATA, "1", 1, out, sizeof out);
        for (unsigned i = 0; i < DG_PATH_PROOFS; i++) {
            uint8_t ack[18] = {0, 16};
            struct dg_writer writer = dg_writer_of(ack + 2, 16);
            dg_write_u64(&writer, 3 + i); // of the next epoch it would be the first
            dg_write_u64(&writer, i == 0 ? foreseen : 0);
            size += fake_peer_seal(&peer, DG_CONTENT_ACK, ack, sizeof ack, out + size, sizeof out - size);
        }
        peer.path = places[B];
        CHECK(fake_peer_give(&peer, out, size) != DG_ENGINE_UNKNOWN);
        CHECK_EQ(server.moved, 0);
        CHECK(server.closed == 1 || bound_to() == A);
        scene_stop();
    }
}

// Whoever acknowledges another number of the range that a probe's was drawn from has not received it.
DG_TEST(path_13_guess_ends_the_association)
{
    for (unsigned is_strict = 0; is_strict < 2; is_strict++) {
        for (uint64_t off = 1; off < DG_HIDDEN_RANGE; off *= 2) {
            const struct scene scene = {.version = 13, .is_strict = is_strict};
            scene_start(&scene);
            (void)data_from(B);
            struct dg_record_number number = probed(B);
            number.sequence ^= off;
            ack_from(B, number);
            CHECK_EQ(server.closed, 1);
            CHECK_EQ(server.reason, DG_COUNT_FAIL_ACK_UNSENT);
            CHECK_EQ(fake_count(&server, DG_COUNT_CLOSED_ERROR), 1);
            scene_stop();
        }
    }
}

// What goes where the client really is tells nothing about the number of what went elsewhere: the numbers before and
// after it are the same whatever it was. It differs from probe to probe.
DG_TEST(path_13_numbers_around_a_probe_tell_nothing)
{
    bool was_seen[DG_HIDDEN_RANGE] = {false};
    unsigned different = 0;
    for (unsigned i = 0; i < 64; i++) {
        const struct scene scene = {.version = 13, .is_strict = true};
        scene_start(&scene);
        CHECK(last_number_at(A) < DG_HIDDEN_RANGE);
        fake_server_forget(&server);
        (void)data_from(B);
        struct dg_record_number number = probed(B);
        CHECK_EQ(number.sequence / DG_HIDDEN_RANGE, 1);
        CHECK_EQ(last_number_at(A), 2 * DG_HIDDEN_RANGE);
        different += !was_seen[number.sequence % DG_HIDDEN_RANGE];
        was_seen[number.sequence % DG_HIDDEN_RANGE] = true;
        scene_stop();
    }
    CHECK_MSG(different > 48, "%u of 64", different); // 63 are to be expected
}

// RFC 9147 4.2.2: a client that missed every probe so far, and everything else of the epoch, still finds the number.
// When no range is left the KeyUpdate goes on without proof, and the next epoch begins anew.
DG_TEST(path_13_lost_probes_leave_numbers_to_be_found)
{
    const struct scene scene = {.version = 13};
    scene_start(&scene);
    (void)data_from(B);
    unsigned lost = 0;
    for (; lost < 30; lost++) {
        struct dg_keyset *tx = dg_shard_keyset(server.engine->by_number[peer.ref.shard], fake_slot(&server, peer.ref),
                                               fake_slot(&server, peer.ref)->tx_place);
        CHECK(tx->next <= DG_HIDDEN_END + lost);
        fake_server_forget(&server);
        (void)data_from(B);
        fake_server_run(&server, DG_MINUTE);
        (void)data_from(B);
        if (server.sent_count > 0 && tx->next > DG_HIDDEN_END + 2)
            break;
    }
    CHECK(lost < 30);
    ack_from(B, probed(B)); // opens, and proves nothing
    CHECK_EQ(bound_to(), A);
    CHECK_EQ(server.closed, 0);
    fake_peer_next_rx(&peer);
    while (server.sent_count > 1)
        (void)probed(B); // repeated before
    ack_from(B, almost_proven(B));
    CHECK_EQ(bound_to(), B);
    scene_stop();
}

// An association that has sent more than a client could find its place in: a KeyUpdate without proof comes first.
DG_TEST(path_13_after_many_records_a_new_epoch_comes_first)
{
    const struct scene scene = {.version = 13};
    scene_start(&scene);
    for (uint64_t i = 0; i < DG_HIDDEN_END; i++) {
        CHECK(answer(4));
        if (i % 64 == 0)
            fake_server_forget(&server);
    }
    uint64_t last = last_number_at(A);
    fake_server_forget(&server);
    (void)data_from(B);
    struct dg_record_number number = probed(B);
    CHECK_EQ(number.sequence, last + 1);
    ack_from(B, number);
    fake_peer_next_rx(&peer);
    number = almost_proven(B);
    CHECK_EQ(bound_to(), A);
    ack_from(B, number);
    CHECK_EQ(bound_to(), B);
    scene_stop();
}

static const struct dg_test_case CASES[] = {
    DG_CASE(path_13_acknowledged_key_updates_bind),
    DG_CASE(path_13_spoofed_source_is_never_bound),
    DG_CASE(path_13_other_acknowledgements_prove_nothing),
    DG_CASE(path_13_the_same_acknowledgement_counts_once),
    DG_CASE(path_13_foreseen_acknowledgement_proves_nothing),
    DG_CASE(path_13_guess_ends_the_association),
    DG_CASE(path_13_numbers_around_a_probe_tell_nothing),
    DG_CASE(path_13_lost_probes_leave_numbers_to_be_found),
    DG_CASE(path_13_after_many_records_a_new_epoch_comes_first),
};

int main(int argc, char **argv) { return dg_test_main(CASES, sizeof CASES / sizeof CASES[0], argc, argv); }
