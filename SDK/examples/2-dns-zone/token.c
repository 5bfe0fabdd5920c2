/* token.c - tokens of a zone file (RFC 1035 section 5.1): blanks, comments, parentheses, quotes and escapes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

int parse_fail(parser *p, const char *format, ...) {
    char text[ZONE_ERROR_MAX - 160];
    va_list arguments;
    if (p->failed) return 0; /* the first error is kept */
    p->failed = 1;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(p->error, ZONE_ERROR_MAX, "%.140s:%u: %s", p->file, (unsigned)p->line, text);
    return 0;
}

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
                parse_fail(p, "a ) without its (");
                return;
            }
            p->depth--;
        } else if (c == 0) {
            parse_fail(p, "a NUL byte: this is no zone file");
            return;
        } else if (c == '\n') {
            if (p->depth == 0) return;
            p->line++;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

int parse_next(parser *p) {
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
            if (c == '\n') return parse_fail(p, "a text without its closing quote");
        } else if (strchr(" \t\r\n;()\"", c) != NULL) { /* also NUL */
            break;
        }
        if (p->length + 2 >= TOKEN_MAX) return parse_fail(p, "a word of more than %d characters", TOKEN_MAX);
        p->token[p->length++] = c;
        if (c == '\\' && p->at + 1 < p->end && p->at[1] != '\n') p->token[p->length++] = *++p->at;
    }
    if (p->quoted) {
        if (p->at == p->end) return parse_fail(p, "a text without its closing quote");
        p->at++;
    }
    p->token[p->length] = 0;
    return 1;
}

int parse_need(parser *p, const char *what) {
    return parse_next(p) || parse_fail(p, "%s is missing", what);
}

int parse_equals(const char *a, const char *b) {
    for (; *a != 0 && *b != 0; a++, b++) {
        char x = *a >= 'a' && *a <= 'z' ? (char)(*a - 32) : *a;
        if (x != *b) return 0;
    }
    return *a == *b;
}
