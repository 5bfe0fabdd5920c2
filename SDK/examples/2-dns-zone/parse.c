/* parse.c - zone files: entries of RFC 1035 5.1 with $ORIGIN and $TTL (RFC 2308 4).
 * What is not understood is an error with its line; nothing is guessed.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zone.h"

enum { TOKEN_MAX = 1024, DATA_MAX = 65535, RECORDS_MAX = 1000000 };

typedef struct parser {
    const char *at, *end, *file;
    uint32_t line;      /* of `at` */
    uint32_t depth;     /* of parentheses */
    char *error;
    int failed;

    /* The token last read. */
    char token[TOKEN_MAX];
    size_t length;
    int quoted;

    zone_name origin, owner;
    int has_owner, has_default;
    uint32_t default_ttl;
    uint32_t capacity;
    zone *made;
    uint8_t data[DATA_MAX]; /* the RDATA that is being made */
    uint32_t used;
} parser;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static int fail(parser *p, const char *format, ...) {
    char text[ZONE_ERROR_MAX - 160];
    va_list arguments;
    if (p->failed) return 0; /* the first one counts */
    p->failed = 1;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(p->error, ZONE_ERROR_MAX, "%.140s:%u: %s", p->file, (unsigned)p->line, text);
    return 0;
}

/* ------------------------------------------------------------------ tokens */

/* Skips blanks, comments, and line ends inside parentheses. */
static void skip(parser *p) {
    for (; p->at < p->end; p->at++) {
        char c = *p->at;
        if (c == ';') {
            while (p->at + 1 < p->end && p->at[1] != '\n') p->at++;
        } else if (c == '(') {
            p->depth++;
        } else if (c == ')') {
            if (p->depth == 0) {
                fail(p, "a ) without its (");
                return;
            }
            p->depth--;
        } else if (c == 0) {
            fail(p, "a NUL byte: this is no zone file");
            return;
        } else if (c == '\n') {
            if (p->depth == 0) return;
            p->line++;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

/* Reads the next token of the entry. 0: there is none. */
static int next(parser *p) {
    skip(p);
    p->length = 0;
    p->quoted = 0;
    if (p->failed || p->at == p->end || *p->at == '\n') return 0;
    if (*p->at == '"') {
        p->quoted = 1;
        p->at++;
    }
    for (; p->at < p->end; p->at++) {
        char c = *p->at;
        if (p->quoted) {
            if (c == '"') break;
            if (c == '\n') return fail(p, "a text without its closing quote");
        } else if (strchr(" \t\r\n;()\"", c) != NULL) { /* NUL, too */
            break;
        }
        if (p->length + 2 >= TOKEN_MAX) return fail(p, "a word of more than %d characters", TOKEN_MAX);
        p->token[p->length++] = c;
        if (c == '\\' && p->at + 1 < p->end && p->at[1] != '\n') p->token[p->length++] = *++p->at;
    }
    if (p->quoted) {
        if (p->at == p->end) return fail(p, "a text without its closing quote");
        p->at++;
    }
    p->token[p->length] = 0;
    return 1;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static int need(parser *p, const char *what) {
    return next(p) || fail(p, "%s is missing", what);
}

static int equals(const char *a, const char *b) {
    for (; *a != 0 && *b != 0; a++, b++) {
        char x = *a >= 'a' && *a <= 'z' ? (char)(*a - 32) : *a;
        if (x != *b) return 0;
    }
    return *a == *b;
}

/* ------------------------------------------------------------------ values */

static int number(parser *p, const char *what, uint64_t limit, uint64_t *value) {
    if (!need(p, what)) return 0;
    *value = 0;
    for (size_t i = 0; i < p->length; i++) {
        if (p->token[i] < '0' || p->token[i] > '9') return fail(p, "%s: \"%s\" is no number", what, p->token);
        *value = *value * 10 + (uint64_t)(p->token[i] - '0');
        if (*value > limit) {
            return fail(p, "%s: %s is more than %llu", what, p->token, (unsigned long long)limit);
        }
    }
    return 1;
}

/* Seconds, or "1h30m" as most servers take it. 0: the token is no time. */
static int is_time(const parser *p, uint32_t *value) {
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
    return p->length > 0 && sum <= 0x7fffffff; /* RFC 2181 8 */
}

static int put(parser *p, const void *bytes, size_t length) {
    if (p->used + length > DATA_MAX) return fail(p, "a record of more than %d bytes", DATA_MAX);
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
    if (!need(p, what)) return 0;
    if (!is_time(p, &value)) return fail(p, "%s: \"%s\" is no time", what, p->token);
    uint8_t octets[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
                         (uint8_t)value};
    return put(p, octets, 4);
}

static int put_name(parser *p, const char *what) {
    zone_name name;
    if (!need(p, what)) return 0;
    if (p->quoted || !zone_name_from_text(p->token, p->length, &p->origin, &name)) {
        return fail(p, "%s: \"%s\" is no domain name", what, p->token);
    }
    return put(p, name.bytes, name.length);
}

static int put_address(parser *p, int family) {
    uint8_t address[16];
    const char *what = family == AF_INET ? "the IPv4 address" : "the IPv6 address";
    if (!need(p, what)) return 0;
    if (inet_pton(family, p->token, address) != 1) return fail(p, "%s: \"%s\" is none", what, p->token);
    return put(p, address, family == AF_INET ? 4 : 16);
}

/* The token as octets, escapes undone. `limit` is at most 65535. */
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
                if (value > 255) return fail(p, "\\%.3s is no octet: write \\000 to \\255", d);
                octet = (uint8_t)value;
                i += 3;
            } else if (i + 1 < p->length) {
                octet = (uint8_t)d[0];
                i += 1;
            }
        }
        if (count == limit) {
            return fail(p, "a text of more than %u bytes: split it into several", (unsigned)limit);
        }
        if (!put(p, &octet, 1)) return 0;
    }
    if (with_length) p->data[start] = (uint8_t)count;
    return 1;
}

static int put_texts(parser *p) {
    if (!need(p, "the text")) return 0;
    do {
        if (!put_text(p, 255, 1)) return 0;
    } while (next(p));
    return !p->failed;
}

static int put_caa(parser *p) { /* RFC 8659 4.1 */
    return put_number(p, "the flags", 1) && need(p, "the tag") && put_text(p, 15, 1) &&
           need(p, "the value") && put_text(p, TOKEN_MAX, 0);
}

/* "\# LENGTH HEX...", for types without a format of their own here (RFC 3597 5). */
static int put_generic(parser *p) {
    uint64_t length;
    int half = -1;
    if (!need(p, "the data") || strcmp(p->token, "\\#") != 0) {
        return fail(p, "data of this type is written as \\# LENGTH HEX (RFC 3597)");
    }
    if (!number(p, "the length", DATA_MAX, &length)) return 0;
    while (next(p)) {
        for (size_t i = 0; i < p->length; i++) {
            const char *digits = "0123456789abcdef", *d = strchr(digits, p->token[i] | 32);
            if (p->token[i] < '0' || d == NULL || *d == 0) {
                return fail(p, "\"%s\" is not hexadecimal", p->token);
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
    if (half >= 0 || p->used != length) return fail(p, "the length is not that of the data");
    return 1;
}

/* ----------------------------------------------------------------- entries */

static const struct { const char *name; uint16_t type; } types[] = {
    {"A", TYPE_A},       {"NS", TYPE_NS},     {"CNAME", TYPE_CNAME}, {"SOA", TYPE_SOA}, {"PTR", TYPE_PTR},
    {"MX", TYPE_MX},     {"TXT", TYPE_TXT},   {"AAAA", TYPE_AAAA},   {"SRV", TYPE_SRV}, {"CAA", TYPE_CAA}};

static uint16_t type_of(const char *token) {
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (equals(token, types[i].name)) return types[i].type;
    }
    if (strlen(token) > 4 && strlen(token) < 10 && (token[0] | 32) == 't' && (token[1] | 32) == 'y' &&
        (token[2] | 32) == 'p' && (token[3] | 32) == 'e') {
        char *end;
        unsigned long value = strtoul(token + 4, &end, 10);
        /* ANY is no data, and OPT (41) none of a zone. */
        if (*end == 0 && value > 0 && value <= 65535 && value != TYPE_ANY && value != 41) {
            return (uint16_t)value;
        }
    }
    return 0;
}

static int put_data(parser *p, uint16_t type) {
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

static int add(parser *p, uint16_t type, int has_ttl, uint32_t ttl, uint32_t line) {
    zone *z = p->made;
    if (!has_ttl && !p->has_default) {
        if (type != TYPE_SOA) return fail(p, "no TTL: give one, or begin the file with $TTL");
        const uint8_t *m = p->data + p->used - 4; /* the SOA's minimum */
        ttl = (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];
        p->has_default = 1;
        p->default_ttl = ttl;
    } else if (!has_ttl) {
        ttl = p->default_ttl;
    }
    if (z->count == RECORDS_MAX) return fail(p, "more than %d records", RECORDS_MAX);
    if (z->count == p->capacity) {
        uint32_t capacity = p->capacity ? p->capacity * 2 : 64;
        zone_record *more = (zone_record *)realloc(z->records, capacity * sizeof *more);
        if (!more) return fail(p, "out of memory");
        z->records = more;
        p->capacity = capacity;
    }
    zone_record *r = &z->records[z->count];
    r->owner = p->owner;
    r->type = type;
    r->ttl = ttl;
    r->line = line;
    r->length = (uint16_t)p->used;
    r->data = (uint8_t *)malloc(p->used ? p->used : 1);
    if (!r->data) return fail(p, "out of memory");
    memcpy(r->data, p->data, p->used);
    z->count++;
    return 1;
}

/* [OWNER] [TTL] [CLASS] TYPE DATA, TTL and class in either order. */
static int record(parser *p, int has_owner) {
    uint32_t ttl = 0, line = p->line;
    int has_ttl = 0;
    uint16_t type = 0;
    if (has_owner) {
        if (p->quoted || !zone_name_from_text(p->token, p->length, &p->origin, &p->owner)) {
            return fail(p, "\"%s\" is no domain name", p->token);
        }
        p->has_owner = 1;
        if (!need(p, "the type")) return 0;
    } else if (!p->has_owner) {
        return fail(p, "a record without an owner, and none before it");
    }
    for (;;) {
        uint32_t time;
        if (equals(p->token, "IN")) {
            /* the only class there is here */
        } else if (equals(p->token, "CH") || equals(p->token, "HS") || equals(p->token, "CS")) {
            return fail(p, "class %s: only IN is served", p->token);
        } else if ((type = type_of(p->token)) != 0) {
            break;
        } else if (!has_ttl && is_time(p, &time)) {
            ttl = time;
            has_ttl = 1;
        } else {
            return fail(p,
                        "\"%s\" is no type: known are A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, TXT "
                        "and TYPE with a number",
                        p->token);
        }
        if (!need(p, "the type")) return 0;
    }
    p->used = 0;
    if (!put_data(p, type)) return 0;
    if (next(p)) return fail(p, "\"%s\" is too much", p->token);
    return !p->failed && add(p, type, has_ttl, ttl, line);
}

static int directive(parser *p) {
    if (equals(p->token, "$ORIGIN")) {
        zone_name name;
        if (!need(p, "the origin")) return 0;
        if (!zone_name_from_text(p->token, p->length, &p->origin, &name)) {
            return fail(p, "\"%s\" is no domain name", p->token);
        }
        p->origin = name;
    } else if (equals(p->token, "$TTL")) {
        if (!need(p, "the TTL")) return 0;
        if (!is_time(p, &p->default_ttl)) return fail(p, "\"%s\" is no time", p->token);
        p->has_default = 1;
    } else {
        return fail(p, "%s is not known here: only $ORIGIN and $TTL are", p->token);
    }
    return next(p) ? fail(p, "\"%s\" is too much", p->token) : !p->failed;
}

static int entry(parser *p) {
    int blank = *p->at == ' ' || *p->at == '\t';
    if (!next(p)) return !p->failed;
    if (!p->quoted && p->token[0] == '$') return directive(p);
    return record(p, !blank);
}

/* ------------------------------------------------------------------- whole */

static int order(const void *x, const void *y) {
    const zone_record *a = (const zone_record *)x, *b = (const zone_record *)y;
    int names = zone_name_compare(&a->owner, &b->owner);
    if (names != 0) return names;
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    return a->line < b->line ? -1 : a->line > b->line;
}

/* What must hold between the records of a zone. */
static int check(parser *p) {
    zone *z = p->made;
    for (uint32_t i = 0; i < z->count; i++) {
        if (z->records[i].type != TYPE_SOA) continue;
        p->line = z->records[i].line;
        if (z->soa) return fail(p, "a second SOA: a file is one zone");
        z->soa = &z->records[i];
        z->apex = z->soa->owner;
    }
    if (!z->soa) return fail(p, "the zone has no SOA");
    for (uint32_t i = 0; i < z->count; i++) {
        const zone_record *r = &z->records[i], *before = i ? r - 1 : NULL;
        p->line = r->line;
        if (!zone_name_is_within(&r->owner, &z->apex)) {
            return fail(p, "this name is not in the zone of the SOA (line %u)",
                        (unsigned)z->soa->line);
        }
        /* RFC 1034 3.6.2: an alias has nothing but its CNAME. */
        if (before && zone_name_compare(&before->owner, &r->owner) == 0 &&
            (before->type == TYPE_CNAME || r->type == TYPE_CNAME)) {
            p->line = r->line > before->line ? r->line : before->line;
            return fail(p, "this name has a CNAME and another record (line %u)",
                        (unsigned)(r->line > before->line ? before->line : r->line));
        }
    }
    return 1;
}

zone *zone_parse(const char *text, size_t length, const char *file, const char *origin,
                 char error[ZONE_ERROR_MAX]) {
    parser *p = (parser *)calloc(1, sizeof *p);
    zone *z = (zone *)calloc(1, sizeof *z);
    if (!p || !z) {
        free(p);
        free(z);
        snprintf(error, ZONE_ERROR_MAX, "%.140s: out of memory", file);
        return NULL;
    }
    p->at = text;
    p->end = text + length;
    p->file = file;
    p->error = error;
    p->made = z;
    p->origin.length = 1; /* the root */
    int ok = 1;
    zone_name root = p->origin;
    if (*origin && !zone_name_from_text(origin, strlen(origin), &root, &p->origin)) {
        ok = fail(p, "the origin \"%s\" is no domain name", origin);
    }
    for (p->line = 1; ok && p->at < p->end;) {
        ok = entry(p);
        if (ok && p->at < p->end && *p->at == '\n') {
            p->at++;
            p->line++;
        }
    }
    if (ok && p->depth) ok = fail(p, "a ( without its )");
    if (ok) {
        if (z->count) qsort(z->records, z->count, sizeof *z->records, order);
        ok = check(p);
    }
    free(p);
    if (ok) return z;
    zone_free(z);
    return NULL;
}

void zone_free(zone *z) {
    if (!z) return;
    for (uint32_t i = 0; i < z->count; i++) free(z->records[i].data);
    free(z->records);
    free(z);
}
