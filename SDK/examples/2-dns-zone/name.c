/* name.c - domain names: text format (RFC 1035 section 5.1), and order (RFC 4034 section 6.1).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "zone.h"

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Decodes one character of a label: \DDD is an octet, \X is X. Returns the number of characters read; 0 if the
 * escape is invalid. */
static size_t take(const char *text, size_t left, uint8_t *octet) {
    if (text[0] != '\\') {
        *octet = (uint8_t)text[0];
        return 1;
    }
    if (left < 2) return 0;
    if (!is_digit(text[1])) {
        *octet = (uint8_t)text[1];
        return 2;
    }
    if (left < 4 || !is_digit(text[2]) || !is_digit(text[3])) return 0;
    int value = (text[1] - '0') * 100 + (text[2] - '0') * 10 + (text[3] - '0');
    if (value > 255) return 0;
    *octet = (uint8_t)value;
    return 4;
}

int zone_name_from_text(const char *text, size_t length, const zone_name *origin, zone_name *name) {
    uint8_t *out = name->bytes;
    size_t used = 1, label = 0; /* indices of the next byte, and of the label's length */
    if (length == 1 && text[0] == '@' && origin) {
        *name = *origin;
        return 1;
    }
    if (length == 1 && text[0] == '.') {
        out[0] = 0;
        name->length = 1;
        return 1;
    }
    if (length == 0) return 0;
    for (size_t i = 0; i < length;) {
        if (text[i] == '.') {
            size_t size = used - label - 1;
            if (size == 0 || size > 63) return 0;
            out[label] = (uint8_t)size;
            label = used++;
            if (used > NAME_MAX_WIRE) return 0;
            if (++i == length) { /* absolute */
                out[label] = 0;
                name->length = (uint8_t)used;
                return 1;
            }
            continue;
        }
        uint8_t octet;
        size_t n = take(text + i, length - i, &octet);
        if (n == 0 || used >= NAME_MAX_WIRE) return 0;
        out[used++] = lower(octet);
        i += n;
    }
    size_t size = used - label - 1;
    if (size == 0 || size > 63 || !origin || used + origin->length > NAME_MAX_WIRE) return 0;
    out[label] = (uint8_t)size;
    memcpy(out + used, origin->bytes, origin->length);
    name->length = (uint8_t)(used + origin->length);
    return 1;
}

/* Offsets of the labels, without the root. Returns their number. */
static int labels(const zone_name *name, uint8_t at[128]) {
    int count = 0;
    for (unsigned i = 0; name->bytes[i] != 0; i += name->bytes[i] + 1u) at[count++] = (uint8_t)i;
    return count;
}

int zone_name_compare(const zone_name *a, const zone_name *b) {
    uint8_t in_a[128], in_b[128];
    int i = labels(a, in_a), j = labels(b, in_b);
    while (i > 0 && j > 0) {
        const uint8_t *x = a->bytes + in_a[--i], *y = b->bytes + in_b[--j];
        int order = memcmp(x + 1, y + 1, x[0] < y[0] ? x[0] : y[0]);
        if (order != 0) return order;
        if (x[0] != y[0]) return x[0] - y[0];
    }
    return i - j;
}

int zone_name_is_within(const zone_name *name, const zone_name *ancestor) {
    unsigned i = 0;
    while (name->length - i > ancestor->length) i += name->bytes[i] + 1u;
    return name->length - i == ancestor->length &&
           memcmp(name->bytes + i, ancestor->bytes, ancestor->length) == 0;
}
