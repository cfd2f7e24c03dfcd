// SPDX-License-Identifier: GPL-3.0-or-later
// Ten thousand changes of address with eight workers: the socket filter takes each datagram to the worker of its
// connection ID, whatever address the kernel would have gone by. Nobody performs a handshake, and data flows both ways.
#include "check.h"
#include "support/settler.h"

#include <signal.h>
#include <stdio.h>

#define SETTLERS 100
#define MOVES 100 // of each

static struct survivor survivor;
static struct settler settlers[SETTLERS];

static void settle(const char *const *options)
{
    static struct settler_setup setups[SETTLERS];
    for (uint32_t i = 0; i < SETTLERS; i++)
        setups[i] = (struct settler_setup){
            .version = i % 2 == 0 ? 12 : 13, .aead = DG_AEAD_AES_128_GCM, .has_cid = true, .who = i * 11 + 1};
    survivor_prepare(&survivor, options);
    survivor_start(&survivor);
    survivor_hand_over(&survivor);
    settlers_plant(&survivor, settlers, setups, SETTLERS);
    survivor_start(&survivor);
}

DG_TEST(moves_ten_thousand_with_eight_workers_reach_their_own_each)
{
    char text[32];
    settle((const char *const[]){"workers", "8", NULL});
    unsigned answered = 0;
    for (unsigned move = 0; move < MOVES; move++)
        for (size_t i = 0; i < SETTLERS; i++) {
            settler_move(&settlers[i], &survivor);
            snprintf(text, sizeof text, "here %u", move);
            answered += settler_converse(&settlers[i], text);
            answered += settler_converse(&settlers[i], "and stay"); // in 1.2 this is what binds the address
        }
    CHECK_EQ(answered, 2 * SETTLERS * MOVES);
    for (size_t i = 0; i < SETTLERS; i++)
        CHECK_EQ(settlers[i].repeats + settlers[i].alerts, 0);
    // A datagram that the kernel's own hash had chosen a worker for would have been passed on.
    CHECK_EQ(survivor_counter(&survivor, "misrouted"), 0);
    CHECK_EQ(survivor_counter(&survivor, "handshakes_started"), 0);
    CHECK_EQ(survivor_counter(&survivor, "associations_closed"), 0);
    CHECK_EQ(survivor_associations(&survivor), SETTLERS);
    // The kernel may give a port again that its client has come from before: no move then, as long as it is the proven one.
    CHECK(survivor_counter(&survivor, "path_checks") >= SETTLERS * (MOVES - 1));
    CHECK(survivor_counter(&survivor, "paths_moved") >= SETTLERS / 2 * (MOVES - 1)); // all of 1.2
    settlers_free(settlers, SETTLERS);
    survivor_free(&survivor);
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {DG_CASE(moves_ten_thousand_with_eight_workers_reach_their_own_each)};
    signal(SIGPIPE, SIG_IGN);
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
