/* zone.h - a zone in memory: created by zone_parse (parse.c), queried by zone_answer (answer.c). Only plugin.c
 * depends on lima-netd.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef ZONE_H
#define ZONE_H

#include <stddef.h>
#include <stdint.h>

enum { NAME_MAX_WIRE = 255, MESSAGE_MAX = 65535, ZONE_ERROR_MAX = 512 };

enum {
    TYPE_A = 1, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_PTR = 12, TYPE_MX = 15,
    TYPE_TXT = 16, TYPE_AAAA = 28, TYPE_SRV = 33, TYPE_DS = 43, TYPE_ANY = 255, TYPE_CAA = 257
};

/* A name in wire format (RFC 1035 section 3.1) and lower case: labels with length prefixes, ending with the
 * root's 0. */
typedef struct zone_name {
    uint8_t length; /* bytes, 1..255 */
    uint8_t bytes[NAME_MAX_WIRE];
} zone_name;

typedef struct zone_record {
    zone_name owner;
    uint16_t type;
    uint16_t length; /* of data */
    uint32_t ttl;
    uint32_t line;   /* of the file */
    uint8_t *data;   /* RDATA, names in it uncompressed */
} zone_record;

/* Records are sorted by owner, label by label from the root (RFC 4034 section 6.1), so that names below a name
 * follow it; then by type and by position in the file. */
typedef struct zone {
    zone_record *records;
    uint32_t count;
    zone_name apex;
    const zone_record *soa;
} zone;

/* Parses a zone in the format of RFC 1035 section 5. `file` is used in messages. NULL: `error` has the reason,
 * as "FILE:LINE: what is wrong". The caller frees the zone. */
zone *zone_parse(const char *text, size_t length, const char *file, const char *origin,
                 char error[ZONE_ERROR_MAX]);
void zone_free(zone *z);

/* Answers `query`, a message with one question, into `answer`, which has MESSAGE_MAX bytes. Returns its length;
 * 0 if it was no query. */
uint32_t zone_answer(const zone *z, const uint8_t *query, uint32_t length, uint8_t *answer);

/* Converts "www.example." or, relative to `origin`, "www". 0 if it is no name. */
int zone_name_from_text(const char *text, size_t length, const zone_name *origin, zone_name *name);

/* The sort order of records. */
int zone_name_compare(const zone_name *a, const zone_name *b);

/* Whether `name` equals `ancestor` or is below it. */
int zone_name_is_within(const zone_name *name, const zone_name *ancestor);

#endif
