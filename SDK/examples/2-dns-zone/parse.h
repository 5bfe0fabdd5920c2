/* parse.h - what the parts of the zone file parser share: tokens (token.c), the data
 * of records (data.c), entries and the zone as a whole (parse.c). Functions that fail
 * return 0 and have said why; the first reason counts.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef PARSE_H
#define PARSE_H

#include "zone.h"

enum { TOKEN_MAX = 1024, DATA_MAX = 65535 };

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

/* Ends the parse with "FILE:LINE: ...". Returns 0. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int parse_fail(parser *p, const char *format, ...);

/* Reads the next token of the entry. 0: there is none. */
int parse_next(parser *p);

/* The same where there has to be one. */
int parse_need(parser *p, const char *what);

/* Whether a text is a word in capitals, letters in either case. */
int parse_equals(const char *text, const char *word);

/* Seconds, or "1h30m" as most servers take it. 0: the token is no time. */
int parse_is_time(const parser *p, uint32_t *value);

/* The type by its name or as "TYPE123" (RFC 3597 5). 0: the token is none. */
uint16_t parse_type(const char *token);

/* Reads the RDATA of a record into `data`. */
int parse_data(parser *p, uint16_t type);

#endif
