/* answer.c - answers from a zone: RFC 1034 section 4.3.2, with aliases followed within the zone, wildcards (RFC
 * 4592), NXDOMAIN and NODATA with the SOA (RFC 2308), and referrals for delegated parts of the zone.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "zone.h"

enum { HEADER = 12, ALIASES_MAX = 16 };
enum { NOERROR = 0, FORMERR = 1, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5 };

/* The answer under construction. */
typedef struct message {
    uint8_t *bytes;
    uint32_t used;
    uint16_t answers, authorities, additionals;
    int truncated;
} message;

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static void put16(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* --------------------------------------------------------------- searching */

/* Index of the first record that does not sort before `name`. */
static uint32_t lower_bound(const zone *z, const zone_name *name) {
    uint32_t low = 0, high = z->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (zone_name_compare(&z->records[middle].owner, name) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* The records of a name, from `*first` on. Returns their number. `*exists` is also set for names without records
 * that have names below them (RFC 4592 section 2.2.2). */
static uint32_t find(const zone *z, const zone_name *name, uint32_t *first, int *exists) {
    uint32_t at = lower_bound(z, name), count = 0;
    *first = at;
    while (at + count < z->count && zone_name_compare(&z->records[at + count].owner, name) == 0) count++;
    *exists = count > 0 || (at < z->count && zone_name_is_within(&z->records[at].owner, name));
    return count;
}

/* The name without its first label. */
static zone_name parent(const zone_name *name) {
    zone_name up;
    unsigned skip = name->bytes[0] + 1u;
    up.length = (uint8_t)(name->length - skip);
    memcpy(up.bytes, name->bytes + skip, up.length);
    return up;
}

/* The NS records that delegate `name` or a name above it, nearest to the apex (RFC 1034 section 4.3.2, step 3b).
 * Returns their number. */
static uint32_t delegation(const zone *z, const zone_name *name, uint16_t type, uint32_t *first) {
    zone_name below[128];
    int depth = 0, exists;
    for (zone_name n = *name; n.length > z->apex.length && depth < 128; n = parent(&n)) below[depth++] = n;
    while (depth-- > 0) {
        /* DS records are on the parent's side (RFC 4035 section 3.1.4.1). */
        if (depth == 0 && type == TYPE_DS) return 0;
        uint32_t at, count = find(z, &below[depth], &at, &exists), n = 0;
        while (n < count && z->records[at].type != TYPE_NS) at++, n++;
        *first = at;
        uint32_t found = 0;
        while (n + found < count && z->records[at + found].type == TYPE_NS) found++;
        if (found) return found;
    }
    return 0;
}

/* The wildcard that matches a name without records. */
static uint32_t wildcard(const zone *z, const zone_name *name, uint32_t *first) {
    int exists;
    zone_name up = parent(name);
    for (; zone_name_is_within(&up, &z->apex); up = parent(&up)) {
        find(z, &up, first, &exists);
        if (!exists) continue;
        if (up.length + 2 > NAME_MAX_WIRE) return 0;
        zone_name star;
        star.bytes[0] = 1;
        star.bytes[1] = '*';
        memcpy(star.bytes + 2, up.bytes, up.length);
        star.length = (uint8_t)(up.length + 2);
        return find(z, &star, first, &exists);
    }
    return 0;
}

/* ---------------------------------------------------------------- building */

/* Appends a record. `owner` is the offset of its name in the message (RFC 1035 section 4.1.4), or 0 to write the
 * name. Returns the offset of the data; 0 if there is no room. */
static uint32_t put(message *m, uint32_t owner, const zone_record *r, uint32_t ttl) {
    uint32_t name = owner ? 2u : r->owner.length;
    if (m->used + name + 10 + r->length > MESSAGE_MAX) {
        m->truncated = 1;
        return 0;
    }
    uint8_t *p = m->bytes + m->used;
    if (owner) put16(p, 0xc000 | owner);
    else memcpy(p, r->owner.bytes, name);
    p += name;
    put16(p, r->type);
    put16(p + 2, 1);
    put16(p + 4, ttl >> 16);
    put16(p + 6, ttl);
    put16(p + 8, r->length);
    if (r->length) memcpy(p + 10, r->data, r->length);
    m->used += name + 10 + r->length;
    return (uint32_t)(p + 10 - m->bytes);
}

/* The SOA gives the TTL of the negative answer (RFC 2308 section 3). */
static void put_soa(message *m, const zone *z) {
    const zone_record *soa = z->soa;
    const uint8_t *p = soa->data + soa->length - 4;
    uint32_t minimum = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    if (put(m, 0, soa, soa->ttl < minimum ? soa->ttl : minimum)) m->authorities++;
}

/* The addresses of a delegation's servers that are in the zone (glue). */
static void put_glue(message *m, const zone *z, const zone_record *ns) {
    zone_name server;
    uint32_t at;
    int exists;
    server.length = (uint8_t)ns->length;
    memcpy(server.bytes, ns->data, ns->length);
    for (uint32_t n = find(z, &server, &at, &exists); n > 0; n--, at++) {
        const zone_record *r = &z->records[at];
        if ((r->type == TYPE_A || r->type == TYPE_AAAA) && put(m, 0, r, r->ttl)) m->additionals++;
    }
}

/* Answers a question about `name`, which is in the zone; returns the RCODE. */
static int look_up(message *m, const zone *z, zone_name name, uint16_t type, int *authoritative) {
    uint32_t owner = HEADER; /* the question's name */
    *authoritative = 1;
    for (int aliases = 0;; aliases++) {
        uint32_t at, count;
        int exists;
        if ((count = delegation(z, &name, type, &at)) > 0) {
            /* After an alias the answer is authoritative nevertheless. */
            if (aliases == 0) *authoritative = 0;
            for (uint32_t i = 0; i < count; i++) {
                if (put(m, 0, &z->records[at + i], z->records[at + i].ttl)) m->authorities++;
            }
            for (uint32_t i = 0; i < count; i++) put_glue(m, z, &z->records[at + i]);
            return NOERROR;
        }
        count = find(z, &name, &at, &exists);
        if (!exists) {
            count = wildcard(z, &name, &at);
            if (count == 0) {
                put_soa(m, z);
                return NXDOMAIN;
            }
        }
        const zone_record *alias = NULL;
        int found = 0;
        for (uint32_t i = 0; i < count; i++) {
            const zone_record *r = &z->records[at + i];
            if (r->type == TYPE_CNAME && type != TYPE_CNAME && type != TYPE_ANY) alias = r;
            else if (r->type != type && type != TYPE_ANY) continue;
            uint32_t data = put(m, owner, r, r->ttl);
            if (!data) return NOERROR;
            m->answers++;
            found = 1;
            if (alias) owner = data;
        }
        if (!found) {
            put_soa(m, z);
            return NOERROR;
        }
        if (!alias || aliases == ALIASES_MAX) return NOERROR;
        name.length = (uint8_t)alias->length;
        memcpy(name.bytes, alias->data, alias->length);
        /* A compression pointer reaches 16 KiB; the target of an alias outside of the zone is not answered. */
        if (owner > 0x3fff || !zone_name_is_within(&name, &z->apex)) return NOERROR;
    }
}

/* The question's name in lower case. Returns the end of the question; 0 if there is none. */
static uint32_t read_question(const uint8_t *query, uint32_t length, zone_name *name) {
    uint32_t at = HEADER, used = 0;
    for (;;) {
        if (at >= length) return 0;
        uint32_t label = query[at];
        /* The first name of a message cannot have a pointer. */
        if (label > 63 || at + 1 + label > length || used + 1 + label > NAME_MAX_WIRE) return 0;
        name->bytes[used++] = (uint8_t)label;
        for (uint32_t i = 1; i <= label; i++) {
            uint8_t c = query[at + i];
            name->bytes[used++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
        }
        at += label + 1;
        if (label == 0) break;
    }
    name->length = (uint8_t)used;
    return at + 4 <= length ? at + 4 : 0;
}

uint32_t zone_answer(const zone *z, const uint8_t *query, uint32_t length, uint8_t *answer) {
    zone_name name;
    message m = {answer, HEADER, 0, 0, 0, 0};
    int code = NOERROR, authoritative = 0, questions = 0;
    if (length < HEADER || (query[2] & 0x80) != 0) return 0;
    uint32_t end = get16(query + 4) == 1 ? read_question(query, length, &name) : 0;
    if ((query[2] & 0x78) != 0) {
        code = NOTIMP;
    } else if (end == 0) {
        code = FORMERR;
    } else {
        uint16_t type = get16(query + end - 4), class_ = get16(query + end - 2);
        memcpy(answer + HEADER, query + HEADER, end - HEADER); /* with the same letter case */
        m.used = end;
        questions = 1;
        if ((class_ != 1 && class_ != 255) || !zone_name_is_within(&name, &z->apex)) code = REFUSED;
        else code = look_up(&m, z, name, type, &authoritative);
    }
    answer[0] = query[0];
    answer[1] = query[1];
    /* QR, the query's opcode and RD, AA, TC; recursion is not available. */
    answer[2] = (uint8_t)(0x80 | (query[2] & 0x79) | (authoritative ? 4 : 0) | (m.truncated ? 2 : 0));
    answer[3] = (uint8_t)code;
    put16(answer + 4, (uint32_t)questions);
    put16(answer + 6, m.answers);
    put16(answer + 8, m.authorities);
    put16(answer + 10, m.additionals);
    return m.used;
}
