/* message.c - DNS messages (RFC 1035 section 4), as needed for one name. */
#include "message.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 12, TYPE_A = 1, CLASS_IN = 1, REFUSED = 5 };

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

static void put16(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

int parse_name(const char *text, record *r) {
    uint32_t n = 0;
    while (*text) {
        size_t label = strcspn(text, ".");
        if (label == 0 || label > 63 || n + label + 2 > sizeof r->name) return 0;
        r->name[n++] = (uint8_t)label;
        for (size_t i = 0; i < label; i++) r->name[n++] = lower((uint8_t)text[i]);
        text += label;
        if (*text == '.') text++;
    }
    if (n == 0) return 0;
    r->name[n++] = 0;
    r->name_length = n;
    return 1;
}

int parse_ipv4(const char *text, uint8_t address[4]) {
    for (int i = 0; i < 4; i++) {
        char *end;
        if (*text < '0' || *text > '9') return 0;
        unsigned long value = strtoul(text, &end, 10);
        if (value > 255 || *end != (i < 3 ? '.' : 0)) return 0;
        address[i] = (uint8_t)value;
        text = end + 1;
    }
    return 1;
}

/* Length in bytes of the name at `p`; 0 if it is compressed, too long or truncated. */
static uint32_t name_length(const uint8_t *p, uint32_t available) {
    uint32_t n = 0;
    while (n < available && n < 255) {
        if (p[n] == 0) return n + 1;
        if (p[n] > 63) return 0;
        n += 1u + p[n];
    }
    return 0;
}

static int is_name(const record *r, const uint8_t *name, uint32_t length) {
    if (length != r->name_length) return 0;
    for (uint32_t i = 0; i < length; i++) {
        if (lower(name[i]) != r->name[i]) return 0;
    }
    return 1;
}

uint32_t answer(const record *r, const uint8_t *query, uint32_t length, uint8_t out[ANSWER_MAX]) {
    if (length < HEADER) return 0;
    uint32_t name = name_length(query + HEADER, length - HEADER);
    if (name == 0 || length - HEADER - name < 4) return 0;
    const uint8_t *type = query + HEADER + name;
    uint32_t end = HEADER + name + 4;
    memcpy(out, query, end);                 /* keeps the id and the question */
    memset(out + 6, 0, 6);                   /* no other records yet */
    out[2] = (uint8_t)(0x84 | (query[2] & 1)); /* an authoritative answer; RD as in the query */
    out[3] = 0;
    if (!is_name(r, query + HEADER, name)) {
        out[2] &= 0xfb;
        out[3] = REFUSED;
        return end;
    }
    if (type[0] != 0 || type[1] != TYPE_A || type[2] != 0 || type[3] != CLASS_IN) return end; /* no data */
    uint8_t *p = out + end;
    put16(out + 6, 1);
    put16(p, 0xc000 | HEADER); /* a pointer to the question's name */
    put16(p + 2, TYPE_A);
    put16(p + 4, CLASS_IN);
    put16(p + 6, 0);
    put16(p + 8, TTL_SECONDS);
    put16(p + 10, 4);
    memcpy(p + 12, r->address, 4);
    return end + 16;
}
