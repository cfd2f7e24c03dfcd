// SPDX-License-Identifier: GPL-3.0-or-later
// Slices of an engine's table for operators: all of it in the end, each association once, little at a time; ends only
// what was asked for. A list beside it tells what should be there.
#include "check.h"

#include "core/engine_scan.h"
#include "core/aead.h"
#include "support/fake_peer.h"

#include <stdio.h>
#include <string.h>

#define PEERS 150

static struct fake_server server;
static struct fake_peer peers[PEERS];
static struct dg_scan_answer answer;

// Every third is a meter; every tenth has a name that takes a side slot.
static void name_peer(uint32_t who, struct dg_handover *handover)
{
    char name[DG_IDENTITY_MAX + 1];
    snprintf(name, sizeof name, "%s-%u%s", who % 3 == 0 ? "meter" : "sensor", who,
             who % 10 == 0 ? "-of-a-house-that-is-far-away-and-has-a-long-name" : "");
    handover->identity_size = (uint8_t)strlen(name);
    handover->identity_kind = DG_IDENTITY_PSK;
    memcpy(handover->identity, name, handover->identity_size);
}

static void start_with_peers(void)
{
    fake_server_start(&server, &dg_null_aead, NULL);
    for (uint32_t who = 0; who < PEERS; who++) {
        const struct fake_setup setup = {.version = who % 2 ? 12 : 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = who % 4 != 0,
                                         .peer_cid_size = 4, .who = who};
        struct dg_handover handover;
        memset(&peers[who], 0, sizeof peers[who]);
        REQUIRE(fake_peer_join(&peers[who], &server, &setup));
        dg_engine_close(server.engine, server.now, peers[who].ref, DG_COUNT_CLOSED_REPLACED); // again, by another name
        fake_peer_handover(&peers[who], &handover);
        name_peer(who, &handover);
        REQUIRE(dg_engine_take_over(server.engine, server.now, &handover));
        peers[who].ref = server.ref;
    }
    server.closed = 0;
    fake_server_forget(&server);
}

static struct dg_scan_request request_of(enum dg_scan_what what, const char *pattern)
{
    struct dg_scan_request request = {.query = 99, .what = what};
    snprintf(request.pattern, sizeof request.pattern, "%s", pattern);
    return request;
}

// All slices; counts how often each peer was in one. Returns the rows.
static uint32_t scan_all(struct dg_scan_request request, unsigned seen[PEERS])
{
    uint32_t rows = 0;
    memset(seen, 0, PEERS * sizeof seen[0]);
    for (uint32_t slices = 0; slices < 100000; slices++) {
        dg_engine_scan(server.engine, server.now, &request, &answer);
        CHECK_EQ(answer.query, 99);
        CHECK(answer.row_count <= DG_SCAN_ROWS_MAX);
        for (uint32_t i = 0; i < answer.row_count; i++)
            for (uint32_t who = 0; who < PEERS; who++)
                seen[who] += peers[who].ref.id == answer.rows[i].ref.id;
        rows += answer.row_count;
        if (answer.is_over)
            return rows;
        request.place = answer.place;
        request.cursor = answer.cursor;
    }
    CHECK_MSG(false, "the slices have no end");
    return rows;
}

DG_TEST(scan_shows_each_association_once)
{
    unsigned seen[PEERS];
    start_with_peers();
    CHECK_EQ(scan_all(request_of(DG_SCAN_LIST, ""), seen), PEERS);
    for (uint32_t who = 0; who < PEERS; who++)
        CHECK_EQ(seen[who], 1);
    CHECK_EQ(server.closed, 0);
    fake_server_stop(&server);
}

DG_TEST(scan_shows_whom_a_pattern_an_identity_or_an_id_means)
{
    unsigned seen[PEERS];
    start_with_peers();
    CHECK_EQ(scan_all(request_of(DG_SCAN_LIST, "meter-*"), seen), PEERS / 3);
    for (uint32_t who = 0; who < PEERS; who++)
        CHECK_EQ(seen[who], who % 3 == 0);
    CHECK_EQ(scan_all(request_of(DG_SCAN_LIST, "*-10-of-a-house-*"), seen), 1);
    CHECK_EQ(seen[10], 1);
    struct dg_scan_request by_id = request_of(DG_SCAN_LIST, "");
    by_id.id = peers[77].ref.id;
    CHECK_EQ(scan_all(by_id, seen), 1);
    CHECK_EQ(seen[77], 1);
    struct dg_scan_request by_name = request_of(DG_SCAN_LIST, "");
    memcpy(by_name.identity, "sensor-1", 8);
    by_name.identity_size = 8;
    CHECK_EQ(scan_all(by_name, seen), 1); // not those that begin so
    CHECK_EQ(seen[1], 1);
    by_name.identity[7] = 'x';
    by_name.has_peer = 1;
    by_name.peer = peers[5].path.peer;
    CHECK(scan_all(by_name, seen) >= 1); // whatever the port
    CHECK_EQ(seen[5], 1);
    fake_server_stop(&server);
}

DG_TEST(scan_rows_say_what_is_known)
{
    start_with_peers();
    server.now += 90 * DG_SECOND;
    struct dg_scan_request request = request_of(DG_SCAN_LIST, "");
    request.id = peers[20].ref.id;
    do {
        dg_engine_scan(server.engine, server.now, &request, &answer);
        request.place = answer.place;
        request.cursor = answer.cursor;
    } while (answer.row_count == 0 && !answer.is_over);
    REQUIRE(answer.row_count == 1);
    const struct dg_scan_row *row = &answer.rows[0];
    CHECK_EQ(row->version, 13);
    CHECK_EQ(row->identity_kind, DG_IDENTITY_PSK);
    CHECK_EQ(row->identity_size, strlen("sensor-20-of-a-house-that-is-far-away-and-has-a-long-name"));
    CHECK_MEM(row->identity, "sensor-20-of-a-house", 20);
    CHECK(dg_address_equal(&row->peer, &peers[20].path.peer));
    CHECK_EQ(row->cid_size, 0); // 20 % 4
    CHECK(row->age >= 89 * DG_SECOND && row->age <= 91 * DG_SECOND);
    CHECK(row->idle >= 89 * DG_SECOND && row->idle <= 91 * DG_SECOND);
    fake_server_stop(&server);
}

DG_TEST(scan_ends_those_that_were_meant_and_says_goodbye)
{
    unsigned seen[PEERS];
    start_with_peers();
    CHECK_EQ(scan_all(request_of(DG_SCAN_CLOSE, "meter-*"), seen), PEERS / 3);
    CHECK_EQ(server.closed, PEERS / 3);
    CHECK_EQ(server.reason, DG_COUNT_CLOSED_BY_OPERATOR);
    CHECK_EQ(fake_count(&server, DG_COUNT_CLOSED_BY_OPERATOR), PEERS / 3);
    CHECK_EQ(server.sent_total >= PEERS / 3, 1); // a close_notify each
    CHECK_EQ(scan_all(request_of(DG_SCAN_LIST, ""), seen), PEERS - PEERS / 3);
    for (uint32_t who = 0; who < PEERS; who++)
        CHECK_EQ(seen[who], who % 3 != 0);
    fake_server_restart(&server);
    CHECK_EQ(scan_all(request_of(DG_SCAN_LIST, ""), seen), PEERS - PEERS / 3); // who comes after finds the same
    fake_server_stop(&server);
}

// A table of a million places, all vacant but one, is not gone through in one go.
DG_TEST(scan_looks_at_few_places_at_a_time)
{
    start_with_peers();
    struct dg_scan_request request = request_of(DG_SCAN_LIST, "nobody");
    uint32_t slices = 0;
    do {
        dg_engine_scan(server.engine, server.now, &request, &answer);
        bool is_same_place = answer.place == request.place;
        CHECK(!is_same_place || answer.cursor - request.cursor <= DG_SCAN_SLOTS_MAX);
        CHECK_EQ(answer.row_count, 0);
        request.place = answer.place;
        request.cursor = answer.cursor;
        slices++;
    } while (!answer.is_over && slices < 100000);
    CHECK(slices >= 1);
    fake_server_stop(&server);
}

DG_TEST(scan_of_a_place_that_is_none_is_over)
{
    start_with_peers();
    struct dg_scan_request request = request_of(DG_SCAN_CLOSE, "");
    request.place = UINT32_MAX;
    dg_engine_scan(server.engine, server.now, &request, &answer);
    CHECK_EQ(answer.is_over, 1);
    CHECK_EQ(answer.row_count, 0);
    request.place = 0;
    request.cursor = UINT32_MAX;
    dg_engine_scan(server.engine, server.now, &request, &answer);
    CHECK_EQ(answer.row_count, 0);
    CHECK_EQ(server.closed, 0);
    fake_server_stop(&server);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(scan_shows_each_association_once),
        DG_CASE(scan_shows_whom_a_pattern_an_identity_or_an_id_means),
        DG_CASE(scan_rows_say_what_is_known),
        DG_CASE(scan_ends_those_that_were_meant_and_says_goodbye),
        DG_CASE(scan_looks_at_few_places_at_a_time),
        DG_CASE(scan_of_a_place_that_is_none_is_over),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
