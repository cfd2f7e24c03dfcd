// SPDX-License-Identifier: GPL-3.0-or-later
// The counters' list: names that can be exported, one text each, and docs/counters.md says the same.
#include "check.h"
#include "core/balance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

DG_TEST(counters_names_are_distinct_words)
{
    for (int i = 0; i < DG_COUNTER_COUNT; i++) {
        const char *name = dg_counter_name((enum dg_counter)i);

        CHECK(strlen(name) > 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name));
        CHECK(strlen(dg_counter_text((enum dg_counter)i)) > 0);
        for (int j = 0; j < i; j++)
            CHECK_MSG(strcmp(name, dg_counter_name((enum dg_counter)j)) != 0, "%s twice", name);
    }
    CHECK_STR(dg_counter_name(DG_COUNTER_COUNT), "unknown");
    CHECK_STR(dg_counter_text(DG_COUNTER_COUNT), "unknown");
    CHECK_STR(dg_counter_name((enum dg_counter)-1), "unknown");
}

DG_TEST(counters_count)
{
    static struct dg_counters counters;

    dg_count(&counters, DG_COUNT_DROP_FORGED);
    dg_count_by(&counters, DG_COUNT_DROP_FORGED, 41);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_FORGED), 42);
    CHECK_EQ(dg_counter_read(&counters, DG_COUNT_DROP_REPLAY), 0);
}

static bool balances(const struct dg_counters *first, const struct dg_counters *second, struct dg_imbalance *ret)
{
    const struct dg_counters *const sets[] = {first, second};
    *ret = (struct dg_imbalance){0};
    return dg_counters_balance(sets, COUNT(sets), ret);
}

DG_TEST(counters_say_what_became_of_each_datagram)
{
    static struct dg_counters front, worker;
    struct dg_imbalance found;

    CHECK(balances(&front, &worker, &found));
    dg_count_by(&front, DG_COUNT_DATAGRAMS_RECEIVED, 3);
    dg_count(&worker, DG_COUNT_DATAGRAMS_OPENED); // another thread's
    dg_count(&front, DG_COUNT_DATAGRAMS_HANDSHAKES);
    CHECK(!balances(&front, &worker, &found));
    CHECK_STR(found.name, "datagrams_received");
    CHECK_EQ(found.whole, 3);
    CHECK_EQ(found.parts, 2);
    dg_datagram_begin(&worker);
    dg_count_by(&worker, DG_COUNT_DROP_PLAINTEXT_RECORD, 0); // nothing of the kind
    dg_count(&worker, DG_COUNT_RECORDS_OPENED);
    dg_count(&worker, DG_COUNT_DROP_REPLAY);
    dg_count(&worker, DG_COUNT_DROP_FORGED); // of a second record: the datagram has its reason
    dg_datagram_dropped(&worker);
    CHECK(balances(&front, &worker, &found));
    CHECK_EQ(dg_datagram_drops_read(&worker, DG_COUNT_DROP_REPLAY), 1);
    CHECK_EQ(dg_datagram_drops_read(&worker, DG_COUNT_DROP_FORGED), 0);
}

DG_TEST(counters_know_a_drop_without_a_name)
{
    static struct dg_counters front, worker;
    struct dg_imbalance found;

    dg_count(&front, DG_COUNT_DATAGRAMS_RECEIVED);
    dg_datagram_begin(&front);
    dg_datagram_dropped(&front);
    CHECK(!balances(&front, &worker, &found));
    CHECK_STR(found.name, "none");
}

DG_TEST(counters_know_an_end_without_a_reason)
{
    static struct dg_counters front, worker;
    struct dg_imbalance found;

    dg_count(&worker, DG_COUNT_ASSOCIATIONS_CLOSED);
    CHECK(!balances(&front, &worker, &found));
    CHECK_STR(found.name, "associations_closed");
    dg_count(&worker, DG_COUNT_CLOSED_IDLE);
    CHECK(balances(&front, &worker, &found));
    dg_count(&front, DG_COUNT_HANDSHAKES_STARTED);
    CHECK(!balances(&front, &worker, &found));
    CHECK_STR(found.name, "handshakes_started");
    dg_count(&front, DG_COUNT_HANDSHAKES_STOPPED);
    CHECK(balances(&front, &worker, &found));
}

static char *whole_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = file != NULL ? calloc(1, 65536) : NULL;

    if (text != NULL)
        (void)!fread(text, 1, 65535, file);
    if (file != NULL)
        (void)fclose(file);
    return text;
}

// Mended by: scripts/counters-doc >docs/counters.md
DG_TEST(counters_document_agrees_with_list)
{
    const char *source = getenv("DTLSGATE_SOURCE");
    char path[4096], row[512];
    unsigned rows = 0;
    char *text;

    (void)snprintf(path, sizeof path, "%s/docs/counters.md", source != NULL ? source : ".");
    text = whole_file(path);
    REQUIRE(text != NULL);
    for (int i = DG_COUNT_NONE + 1; i < DG_COUNTER_COUNT; i++) {
        enum dg_counter counter = (enum dg_counter)i;

        (void)snprintf(row, sizeof row, "\n| `%s` | %s |\n", dg_counter_name(counter), dg_counter_text(counter));
        CHECK_MSG(strstr(text, row) != NULL, "no row for %s: scripts/counters-doc >docs/counters.md",
                  dg_counter_name(counter));
    }
    for (const char *at = text; (at = strstr(at, "\n| `")) != NULL; at++)
        rows++;
    CHECK_EQ(rows, DG_COUNTER_COUNT - 1);
    free(text);
}

static const struct dg_test_case CASES[] = {
    DG_CASE(counters_names_are_distinct_words),
    DG_CASE(counters_count),
    DG_CASE(counters_say_what_became_of_each_datagram),
    DG_CASE(counters_know_a_drop_without_a_name),
    DG_CASE(counters_know_an_end_without_a_reason),
    DG_CASE(counters_document_agrees_with_list),
};

int main(int argc, char **argv)
{
    return dg_test_main(CASES, COUNT(CASES), argc, argv);
}
