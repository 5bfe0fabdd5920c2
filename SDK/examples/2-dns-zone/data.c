/* data.c - data of records: converts each type's text format (RFC 1035 section 5.1 and the RFC of the type) to
 * RDATA.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static int number(parser *p, const char *what, uint64_t limit, uint64_t *value) {
    if (!parse_need(p, what)) return 0;
    *value = 0;
    for (size_t i = 0; i < p->length; i++) {
        if (p->token[i] < '0' || p->token[i] > '9') return parse_fail(p, "%s: \"%s\" is no number", what, p->token);
        *value = *value * 10 + (uint64_t)(p->token[i] - '0');
        if (*value > limit) {
            return parse_fail(p, "%s: %s is more than %llu", what, p->token, (unsigned long long)limit);
        }
    }
    return 1;
}

int parse_is_time(const parser *p, uint32_t *value) {
    uint64_t sum = 0, part = 0;
    int digits = 0;
    if (p->quoted) return 0;
    for (size_t i = 0; i < p->length; i++) {
        char c = p->token[i];
        if (c >= '0' && c <= '9') {
            part = part * 10 + (uint64_t)(c - '0');
            digits++;
        } else {
            static const struct { char unit; uint32_t seconds; } units[] = {
                {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
            uint32_t seconds = 0;
            for (size_t u = 0; u < 5; u++) {
                if ((c | 32) == units[u].unit) seconds = units[u].seconds;
            }
            if (seconds == 0 || digits == 0) return 0;
            sum += part * seconds;
            part = 0;
            digits = 0;
        }
        if (part > 0x7fffffff || sum > 0x7fffffff) return 0;
    }
    sum += part;
    *value = (uint32_t)sum;
    return p->length > 0 && sum <= 0x7fffffff; /* RFC 2181 section 8 */
}

static int put(parser *p, const void *bytes, size_t length) {
    if (p->used + length > DATA_MAX) return parse_fail(p, "a record of more than %d bytes", DATA_MAX);
    memcpy(p->data + p->used, bytes, length);
    p->used += (uint32_t)length;
    return 1;
}

static int put_number(parser *p, const char *what, int bytes) {
    uint64_t value, limit = ((uint64_t)1 << (8 * bytes)) - 1;
    uint8_t octets[4];
    if (!number(p, what, limit, &value)) return 0;
    for (int i = 0; i < bytes; i++) octets[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    return put(p, octets, (size_t)bytes);
}

static int put_time(parser *p, const char *what) {
    uint32_t value;
    if (!parse_need(p, what)) return 0;
    if (!parse_is_time(p, &value)) return parse_fail(p, "%s: \"%s\" is no time", what, p->token);
    uint8_t octets[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                         (uint8_t)value};
    return put(p, octets, 4);
}

static int put_name(parser *p, const char *what) {
    zone_name name;
    if (!parse_need(p, what)) return 0;
    if (p->quoted || !zone_name_from_text(p->token, p->length, &p->origin, &name)) {
        return parse_fail(p, "%s: \"%s\" is no domain name", what, p->token);
    }
    return put(p, name.bytes, name.length);
}

static int put_address(parser *p, int family) {
    uint8_t address[16];
    const char *what = family == AF_INET ? "the IPv4 address" : "the IPv6 address";
    if (!parse_need(p, what)) return 0;
    if (inet_pton(family, p->token, address) != 1) return parse_fail(p, "%s: \"%s\" is none", what, p->token);
    return put(p, address, family == AF_INET ? 4 : 16);
}

/* The token as octets, with escapes decoded. `limit` is at most 65535. */
static int put_text(parser *p, size_t limit, int with_length) {
    uint32_t start = p->used;
    uint8_t zero = 0;
    if (with_length && !put(p, &zero, 1)) return 0;
    size_t count = 0;
    for (size_t i = 0; i < p->length; i++, count++) {
        uint8_t octet = (uint8_t)p->token[i];
        if (octet == '\\') {
            const char *d = p->token + i + 1;
            if (d[0] >= '0' && d[0] <= '9') {
                int value = i + 3 < p->length && is_digit(d[1]) && is_digit(d[2])
                                ? (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0')
                                : 256;
                if (value > 255) return parse_fail(p, "\\%.3s is no octet: write \\000 to \\255", d);
                octet = (uint8_t)value;
                i += 3;
            } else if (i + 1 < p->length) {
                octet = (uint8_t)d[0];
                i += 1;
            }
        }
        if (count == limit) {
            return parse_fail(p, "a text of more than %u bytes: split it into several", (unsigned)limit);
        }
        if (!put(p, &octet, 1)) return 0;
    }
    if (with_length) p->data[start] = (uint8_t)count;
    return 1;
}

static int put_texts(parser *p) {
    if (!parse_need(p, "the text")) return 0;
    do {
        if (!put_text(p, 255, 1)) return 0;
    } while (parse_next(p));
    return !p->failed;
}

static int put_caa(parser *p) { /* RFC 8659 section 4.1 */
    return put_number(p, "the flags", 1) && parse_need(p, "the tag") && put_text(p, 15, 1) &&
           parse_need(p, "the value") && put_text(p, TOKEN_MAX, 0);
}

/* "\# LENGTH HEX...", for other types (RFC 3597 section 5). */
static int put_generic(parser *p) {
    uint64_t length;
    int half = -1;
    if (!parse_need(p, "the data") || strcmp(p->token, "\\#") != 0) {
        return parse_fail(p, "data of this type is written as \\# LENGTH HEX (RFC 3597)");
    }
    if (!number(p, "the length", DATA_MAX, &length)) return 0;
    while (parse_next(p)) {
        for (size_t i = 0; i < p->length; i++) {
            const char *digits = "0123456789abcdef", *d = strchr(digits, p->token[i] | 32);
            if (p->token[i] < '0' || d == NULL || *d == 0) {
                return parse_fail(p, "\"%s\" is not hexadecimal", p->token);
            }
            int value = (int)(d - digits);
            if (half < 0) {
                half = value;
            } else {
                uint8_t octet = (uint8_t)(half << 4 | value);
                if (!put(p, &octet, 1)) return 0;
                half = -1;
            }
        }
    }
    if (p->failed) return 0;
    if (half >= 0 || p->used != length) return parse_fail(p, "the length is not that of the data");
    return 1;
}

/* ------------------------------------------------------------------- types */

static const struct { const char *name; uint16_t type; } types[] = {
    {"A", TYPE_A},       {"NS", TYPE_NS},     {"CNAME", TYPE_CNAME}, {"SOA", TYPE_SOA}, {"PTR", TYPE_PTR},
    {"MX", TYPE_MX},     {"TXT", TYPE_TXT},   {"AAAA", TYPE_AAAA},   {"SRV", TYPE_SRV}, {"CAA", TYPE_CAA}};

uint16_t parse_type(const char *token) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (parse_equals(token, types[i].name)) return types[i].type;
    }
    if (strlen(token) > 4 && strlen(token) < 10 && (token[0] | 32) == 't' && (token[1] | 32) == 'y' &&
        (token[2] | 32) == 'p' && (token[3] | 32) == 'e') {
        char *end;
        unsigned long value = strtoul(token + 4, &end, 10);
        /* ANY and OPT (41) are no types of a zone's data. */
        if (*end == 0 && value > 0 && value <= 65535 && value != TYPE_ANY && value != 41) {
            return (uint16_t)value;
        }
    }
    return 0;
}

int parse_data(parser *p, uint16_t type) {
    switch (type) {
    case TYPE_A: return put_address(p, AF_INET);
    case TYPE_AAAA: return put_address(p, AF_INET6);
    case TYPE_NS: case TYPE_CNAME: case TYPE_PTR: return put_name(p, "the name");
    case TYPE_MX: return put_number(p, "the preference", 2) && put_name(p, "the mail server");
    case TYPE_SRV:
        return put_number(p, "the priority", 2) && put_number(p, "the weight", 2) &&
               put_number(p, "the port", 2) && put_name(p, "the target");
    case TYPE_TXT: return put_texts(p);
    case TYPE_CAA: return put_caa(p);
    case TYPE_SOA:
        return put_name(p, "the primary server") && put_name(p, "the mailbox") &&
               put_number(p, "the serial number", 4) && put_time(p, "refresh") && put_time(p, "retry") &&
               put_time(p, "expire") && put_time(p, "minimum");
    default: return put_generic(p);
    }
}
