// SPDX-License-Identifier: GPL-3.0-or-later
// Gives the values of options back as text, compares and copies them. Never sets one from text, never knows an option.
#include "config/option_table.h"

#include <arpa/inet.h>
#include <string.h>

static const void *peek_field(const void *options, const struct dg_option *option)
{
    return (const char *)options + option->offset;
}

static void copy_word(const struct dg_option *option, uint32_t index, char *text)
{
    const char *word = option->argument;
    for (; index > 0; index--)
        word += strcspn(word, "|") + 1;
    snprintf(text, DG_OPTION_TEXT, "%.*s", (int)strcspn(word, "|"), word);
}

// The index-th of the bits that are set.
static bool copy_word_of(const struct dg_option *option, uint32_t bits, size_t index, char *text)
{
    for (uint32_t i = 0; i < 32; i++) {
        if (!(bits >> i & 1))
            continue;
        if (index == 0) {
            copy_word(option, i, text);
            return true;
        }
        index--;
    }
    return false;
}

static void format_network(const struct dg_network *network, char *text)
{
    struct dg_address address = {0};
    memcpy(address.ip, network->ip, sizeof address.ip);
    bool is_ipv4 = network->bits >= 96 && dg_address_is_ipv4(&address);
    char ip[INET6_ADDRSTRLEN] = "";
    inet_ntop(is_ipv4 ? AF_INET : AF_INET6, is_ipv4 ? network->ip + 12 : network->ip, ip, sizeof ip);
    snprintf(text, DG_OPTION_TEXT, "%s/%u", ip, is_ipv4 ? network->bits - 96u : network->bits);
}

static bool copy_text(const char *value, char *text)
{
    snprintf(text, DG_OPTION_TEXT, "%s", value);
    return value[0] != '\0';
}

bool dg_option_value(const struct dg_option *option, const void *options, size_t index, char *text)
{
    const void *field = peek_field(options, option);
    if (index > 0 && !dg_option_is_list(option))
        return false;
    switch (option->kind) {
    case DG_OPTION_KIND_TEXT:
        return copy_text(field, text);
    case DG_OPTION_KIND_TEXTS: {
        const struct dg_text_list *list = field;
        return index < list->count && copy_text(list->items[index], text);
    }
    case DG_OPTION_KIND_ADDRESSES: {
        const struct dg_address_list *list = field;
        if (index < list->count)
            dg_address_format(&list->items[index], text);
        return index < list->count;
    }
    case DG_OPTION_KIND_NETWORKS: {
        const struct dg_network_list *list = field;
        if (index < list->count)
            format_network(&list->items[index], text);
        return index < list->count;
    }
    case DG_OPTION_KIND_NUMBER:
        snprintf(text, DG_OPTION_TEXT, "%u", *(const uint32_t *)field);
        return true;
    case DG_OPTION_KIND_CHOICE:
        copy_word(option, *(const uint32_t *)field, text);
        return true;
    case DG_OPTION_KIND_WORDS:
        return copy_word_of(option, *(const uint32_t *)field, index, text);
    case DG_OPTION_KIND_FLAG:
        snprintf(text, DG_OPTION_TEXT, "yes");
        return *(const uint32_t *)field != 0;
    }
    DG_BUG("option kind");
}

bool dg_option_equal(const struct dg_option *option, const void *a, const void *b)
{
    char text_a[DG_OPTION_TEXT], text_b[DG_OPTION_TEXT];
    for (size_t i = 0;; i++) {
        bool has_a = dg_option_value(option, a, i, text_a), has_b = dg_option_value(option, b, i, text_b);
        if (has_a != has_b)
            return false;
        if (!has_a)
            return true;
        if (strcmp(text_a, text_b) != 0)
            return false;
    }
}

static size_t field_size(const struct dg_option *option)
{
    switch (option->kind) {
    case DG_OPTION_KIND_TEXT:
        return option->max;
    case DG_OPTION_KIND_TEXTS:
        return sizeof(struct dg_text_list);
    case DG_OPTION_KIND_ADDRESSES:
        return sizeof(struct dg_address_list);
    case DG_OPTION_KIND_NETWORKS:
        return sizeof(struct dg_network_list);
    case DG_OPTION_KIND_NUMBER:
    case DG_OPTION_KIND_CHOICE:
    case DG_OPTION_KIND_WORDS:
    case DG_OPTION_KIND_FLAG:
        return sizeof(uint32_t);
    }
    DG_BUG("option kind");
}

void dg_option_copy(const struct dg_option *option, void *to, const void *from)
{
    memcpy((char *)to + option->offset, peek_field(from, option), field_size(option));
}
