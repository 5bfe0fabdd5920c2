/* parse.h - shared by the parts of the zone file parser: tokens (token.c), data of records (data.c), entries and
 * the whole zone (parse.c). Functions that fail return 0 and have recorded the error; the first one is kept.
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

    /* The last token. */
    char token[TOKEN_MAX];
    size_t length;
    int quoted;

    zone_name origin, owner;
    int has_owner, has_default;
    uint32_t default_ttl;
    uint32_t capacity;
    zone *made;
    uint8_t data[DATA_MAX]; /* RDATA under construction */
    uint32_t used;
} parser;

/* Ends parsing with the error "FILE:LINE: ...". Returns 0. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
int parse_fail(parser *p, const char *format, ...);

/* Reads the next token of the entry. 0 if there is none. */
int parse_next(parser *p);

/* The same for a token that is required. */
int parse_need(parser *p, const char *what);

/* Whether a text equals a word in capitals, ignoring case. */
int parse_equals(const char *text, const char *word);

/* Seconds, or "1h30m" as most servers accept. 0 if the token is no time. */
int parse_is_time(const parser *p, uint32_t *value);

/* A type by its name or as "TYPE123" (RFC 3597 section 5). 0 if the token is neither. */
uint16_t parse_type(const char *token);

/* Reads a record's RDATA into `data`. */
int parse_data(parser *p, uint16_t type);

#endif
