/* parse.c - zone files: entries of RFC 1035 section 5.1 with $ORIGIN and $TTL (RFC 2308 section 4). Unknown
 * syntax is an error with its line number.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

enum { RECORDS_MAX = 1000000 };

static int add(parser *p, uint16_t type, int has_ttl, uint32_t ttl, uint32_t line) {
    zone *z = p->made;
    if (!has_ttl && !p->has_default) {
        if (type != TYPE_SOA) return parse_fail(p, "no TTL: give one, or begin the file with $TTL");
        const uint8_t *m = p->data + p->used - 4; /* the SOA's minimum */
        ttl = (uint32_t)m[0] << 24 | (uint32_t)m[1] << 16 | (uint32_t)m[2] << 8 | m[3];
        p->has_default = 1;
        p->default_ttl = ttl;
    } else if (!has_ttl) {
        ttl = p->default_ttl;
    }
    if (z->count == RECORDS_MAX) return parse_fail(p, "more than %d records", RECORDS_MAX);
    if (z->count == p->capacity) {
        uint32_t capacity = p->capacity ? p->capacity * 2 : 64;
        zone_record *more = (zone_record *)realloc(z->records, capacity * sizeof *more);
        if (!more) return parse_fail(p, "out of memory");
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
    if (!r->data) return parse_fail(p, "out of memory");
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
            return parse_fail(p, "\"%s\" is no domain name", p->token);
        }
        p->has_owner = 1;
        if (!parse_need(p, "the type")) return 0;
    } else if (!p->has_owner) {
        return parse_fail(p, "a record without an owner, and none before it");
    }
    for (;;) {
        uint32_t time;
        if (parse_equals(p->token, "IN")) {
            /* only class IN is supported */
        } else if (parse_equals(p->token, "CH") || parse_equals(p->token, "HS") || parse_equals(p->token, "CS")) {
            return parse_fail(p, "class %s: only IN is served", p->token);
        } else if ((type = parse_type(p->token)) != 0) {
            break;
        } else if (!has_ttl && parse_is_time(p, &time)) {
            ttl = time;
            has_ttl = 1;
        } else {
            return parse_fail(p,
                        "\"%s\" is no type: known are A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, TXT "
                        "and TYPE with a number",
                        p->token);
        }
        if (!parse_need(p, "the type")) return 0;
    }
    p->used = 0;
    if (!parse_data(p, type)) return 0;
    if (parse_next(p)) return parse_fail(p, "\"%s\" is too much", p->token);
    return !p->failed && add(p, type, has_ttl, ttl, line);
}

static int directive(parser *p) {
    if (parse_equals(p->token, "$ORIGIN")) {
        zone_name name;
        if (!parse_need(p, "the origin")) return 0;
        if (!zone_name_from_text(p->token, p->length, &p->origin, &name)) {
            return parse_fail(p, "\"%s\" is no domain name", p->token);
        }
        p->origin = name;
    } else if (parse_equals(p->token, "$TTL")) {
        if (!parse_need(p, "the TTL")) return 0;
        if (!parse_is_time(p, &p->default_ttl)) return parse_fail(p, "\"%s\" is no time", p->token);
        p->has_default = 1;
    } else {
        return parse_fail(p, "%s is not known here: only $ORIGIN and $TTL are", p->token);
    }
    return parse_next(p) ? parse_fail(p, "\"%s\" is too much", p->token) : !p->failed;
}

static int entry(parser *p) {
    int blank = *p->at == ' ' || *p->at == '\t';
    if (!parse_next(p)) return !p->failed;
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

/* Checks rules that concern several records of the zone. */
static int check(parser *p) {
    zone *z = p->made;
    for (uint32_t i = 0; i < z->count; i++) {
        if (z->records[i].type != TYPE_SOA) continue;
        p->line = z->records[i].line;
        if (z->soa) return parse_fail(p, "a second SOA: a file is one zone");
        z->soa = &z->records[i];
        z->apex = z->soa->owner;
    }
    if (!z->soa) return parse_fail(p, "the zone has no SOA");
    for (uint32_t i = 0; i < z->count; i++) {
        const zone_record *r = &z->records[i], *before = i ? r - 1 : NULL;
        p->line = r->line;
        if (!zone_name_is_within(&r->owner, &z->apex)) {
            return parse_fail(p, "this name is not in the zone of the SOA (line %u)",
                        (unsigned)z->soa->line);
        }
        /* RFC 1034 section 3.6.2: an alias has no records but its CNAME. */
        if (before && zone_name_compare(&before->owner, &r->owner) == 0 &&
            (before->type == TYPE_CNAME || r->type == TYPE_CNAME)) {
            p->line = r->line > before->line ? r->line : before->line;
            return parse_fail(p, "this name has a CNAME and another record (line %u)",
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
        ok = parse_fail(p, "the origin \"%s\" is no domain name", origin);
    }
    for (p->line = 1; ok && p->at < p->end;) {
        ok = entry(p);
        if (ok && p->at < p->end && *p->at == '\n') {
            p->at++;
            p->line++;
        }
    }
    if (ok && p->depth) ok = parse_fail(p, "a ( without its )");
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
