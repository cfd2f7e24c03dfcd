// SPDX-License-Identifier: GPL-3.0-or-later
// JSON documents as others read them: commas, nesting, one line or many, and bytes that somebody else chose.
#include "check.h"

#include "base/json.h"

#include <string.h>

static char text[65536];

static struct dg_json begin(bool is_line)
{
    memset(text, 0, sizeof text);
    return (struct dg_json){.out = fmemopen(text, sizeof text, "w"), .is_line = is_line};
}

DG_TEST(json_document_on_one_line)
{
    struct dg_json json = begin(true);
    REQUIRE(json.out != NULL);
    dg_json_open_object(&json, NULL);
    dg_json_number(&json, "a", 1);
    dg_json_open_array(&json, "b");
    dg_json_text(&json, NULL, "x");
    dg_json_text(&json, NULL, NULL);
    dg_json_close_array(&json);
    dg_json_open_object(&json, "c");
    dg_json_close_object(&json);
    dg_json_bool(&json, "d", true);
    dg_json_close_object(&json);
    fclose(json.out);
    CHECK_STR(text, "{\"a\":1,\"b\":[\"x\",null],\"c\":{},\"d\":true}\n");
}

DG_TEST(json_document_for_people)
{
    struct dg_json json = begin(false);
    REQUIRE(json.out != NULL);
    dg_json_open_object(&json, NULL);
    dg_json_number(&json, "a", 1);
    dg_json_decimal(&json, "b", 0.5);
    dg_json_close_object(&json);
    fclose(json.out);
    CHECK_STR(text, "{\n  \"a\": 1,\n  \"b\": 0.500000\n}\n");
}

// As in the log, so that an identity reads the same everywhere; and whole documents, whatever the bytes.
DG_TEST(json_bytes_are_escaped_as_in_the_log)
{
    struct dg_json json = begin(true);
    REQUIRE(json.out != NULL);
    dg_json_open_array(&json, NULL);
    dg_json_bytes(&json, NULL, "a\n\"\\\xff=\0", 7);
    dg_json_bytes(&json, NULL, NULL, 0);
    dg_json_close_array(&json);
    fclose(json.out);
    CHECK_STR(text, "[\"a\\u005cx0a\\u005cx22\\u005cx5c\\u005cxff\\u005cx3d\\u005cx00\",\"\"]\n");
}

DG_TEST(json_bytes_beyond_the_room_are_cut)
{
    static uint8_t bytes[2 * DG_JSON_BYTES_MAX];
    struct dg_json json = begin(true);
    REQUIRE(json.out != NULL);
    dg_json_bytes(&json, NULL, bytes, sizeof bytes);
    fclose(json.out);
    CHECK_EQ(strlen(text), 2 + 9 * DG_JSON_BYTES_MAX); // quotes, and \u005cx00 each
}

// Names of an operator's own: UTF-8 stays what it is, broken UTF-8 breaks nothing.
DG_TEST(json_text_of_utf_8)
{
    static const char *const TEXTS[][2] = {
        {"caf\xc3\xa9", "\"caf\\u00e9\"\n"},
        {"\xe2\x82\xac", "\"\\u20ac\"\n"},
        {"\xf0\x9f\x98\x80", "\"\\ud83d\\ude00\"\n"},
        {"\xf4\x8f\xbf\xbf", "\"\\udbff\\udfff\"\n"},
        {"a\xc3", "\"a\\u00c3\"\n"},                           // cut
        {"\xc0\xaf", "\"\\u00c0\\u00af\"\n"},               // too long for what it says
        {"\xe0\x80\xaf", "\"\\u00e0\\u0080\\u00af\"\n"},
        {"\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"\n"}, // a surrogate
        {"\xf5\x80\x80\x80", "\"\\u00f5\\u0080\\u0080\\u0080\"\n"},
        {"\x7f\x01", "\"\\u007f\\u0001\"\n"},
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct dg_json json = begin(true);
        REQUIRE(json.out != NULL);
        dg_json_open_array(&json, NULL);
        dg_json_text(&json, NULL, TEXTS[i][0]);
        dg_json_close_array(&json);
        fclose(json.out);
        char expected[128];
        snprintf(expected, sizeof expected, "[%.*s]\n", (int)strlen(TEXTS[i][1]) - 1, TEXTS[i][1]);
        CHECK_STR(text, expected);
    }
}

int main(int argc, char **argv)
{
    static const struct dg_test_case cases[] = {
        DG_CASE(json_document_on_one_line),
        DG_CASE(json_document_for_people),
        DG_CASE(json_bytes_are_escaped_as_in_the_log),
        DG_CASE(json_text_of_utf_8),
        DG_CASE(json_bytes_beyond_the_room_are_cut),
    };
    return dg_test_main(cases, sizeof cases / sizeof cases[0], argc, argv);
}
