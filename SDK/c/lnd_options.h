/* lnd_options.h - reads a plugin's options without a JSON library.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * lnd_instance_config.options is a JSON object that the host has validated by the plugin's schema. These
 * functions find a value in it. `path` is the member's name, or names and indices separated by slashes:
 * "gateway", "tcp/port", "hosts/0" (a JSON pointer, RFC 6901, without its first slash; names that contain "/" or
 * "~" are not supported).
 *
 * All return 1 if the value exists and fits, 0 if it is absent or null, and -1 if it has another type, does not
 * fit, or the text is not JSON. They allocate no memory and have no state; any thread. A single file, to be
 * copied. */
#ifndef LND_OPTIONS_H
#define LND_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Maximum nesting of values. */
#define LND_OPTIONS_DEPTH 32

static inline const char *lnd_json_space(const char *p) {
    while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
    return p;
}

/* The end of the string that begins at `p` with a quote; NULL if it has no end. */
static inline const char *lnd_json_string_end(const char *p) {
    for (p++; *p != '"'; p++) {
        if (*p == 0 || (*p == '\\' && *++p == 0)) return NULL;
    }
    return p + 1;
}

/* The end of the value at `p`; NULL if that is not JSON. */
static inline const char *lnd_json_skip(const char *p, int depth) {
    p = lnd_json_space(p);
    if (*p == '"') return lnd_json_string_end(p);
    if (*p != '{' && *p != '[') {
        const char *start = p;
        while (*p && !strchr(",]} \t\r\n", *p)) p++;
        return p == start ? NULL : p;
    }
    if (depth <= 0) return NULL;
    char close = *p == '{' ? '}' : ']';
    p = lnd_json_space(p + 1);
    if (*p == close) return p + 1;
    for (;;) {
        if (close == '}') {
            if (*p != '"' || (p = lnd_json_string_end(p)) == NULL) return NULL;
            p = lnd_json_space(p);
            if (*p++ != ':') return NULL;
        }
        if ((p = lnd_json_skip(p, depth - 1)) == NULL) return NULL;
        p = lnd_json_space(p);
        if (*p == close) return p + 1;
        if (*p != ',') return NULL;
        p = lnd_json_space(p + 1);
    }
}

/* Value of four hexadecimal digits; -1 if they are not. */
static inline int32_t lnd_json_hex(const char *p) {
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int32_t digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Decodes the character at `*p` with its escape to at most four bytes of UTF-8 in `out`, and advances `*p`.
 * Returns the number of bytes; 0 for an invalid escape, or a NUL. */
static inline size_t lnd_json_character(const char **p, char out[4]) {
    if (**p != '\\') return out[0] = *(*p)++, 1;
    char kind = (*p)[1];
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *simple = kind ? strchr(from, kind) : NULL;
    if (simple) return *p += 2, out[0] = to[simple - from], 1;
    int32_t code = kind == 'u' ? lnd_json_hex(*p + 2) : -1;
    if (code <= 0) return 0;
    *p += 6;
    if (code >= 0xd800 && code < 0xdc00) { /* the first of a surrogate pair */
        int32_t low = (*p)[0] == '\\' && (*p)[1] == 'u' ? lnd_json_hex(*p + 2) : -1;
        if (low < 0xdc00 || low > 0xdfff) return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *p += 6;
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return 0;
    }
    if (code < 0x80) return out[0] = (char)code, 1;
    size_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = bytes - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(first[bytes] | code);
    return bytes;
}

/* Copies the string at `p` (a quote) to `out` with a NUL. -1 if it is invalid or too long. */
static inline int lnd_json_text(const char *p, char *out, size_t size) {
    size_t used = 0;
    if (*p != '"' || size == 0 || lnd_json_string_end(p) == NULL) return -1;
    for (p++; *p != '"';) {
        char bytes[4];
        size_t n = lnd_json_character(&p, bytes);
        if (n == 0 || used + n >= size) return -1;
        memcpy(out + used, bytes, n);
        used += n;
    }
    out[used] = 0;
    return 1;
}

/* Whether the name at `p` (a quote) equals the `length` bytes of `name`. */
static inline int lnd_json_is_named(const char *p, const char *name, size_t length) {
    size_t seen = 0;
    for (p++; *p != '"';) {
        char bytes[4];
        size_t n = lnd_json_character(&p, bytes);
        if (n == 0 || seen + n > length || memcmp(name + seen, bytes, n) != 0) return 0;
        seen += n;
    }
    return seen == length;
}

/* Finds the start of the value at `path`. Returns 1, 0 or -1 as above; sets `*found` with 1 only. */
static inline int lnd_option_find(const char *options, const char *path, const char **found) {
    const char *p = options ? lnd_json_space(options) : "";
    if (lnd_json_skip(p, LND_OPTIONS_DEPTH) == NULL) return -1;
    /* The text is well-formed from here on: no skip fails. */
    while (*path) {
        size_t length = strcspn(path, "/");
        char open = *p;
        if (open != '{' && open != '[') return -1;
        uint64_t index = 0;
        for (size_t i = 0; open == '[' && i < length; i++) {
            if (path[i] < '0' || path[i] > '9' || i > 9) return 0;
            index = index * 10 + (uint64_t)(path[i] - '0');
        }
        for (p = lnd_json_space(p + 1);; p = lnd_json_space(p + 1), index--) {
            if (*p == '}' || *p == ']') return 0;
            int here = open == '[' ? index == 0 : lnd_json_is_named(p, path, length);
            if (open == '{') p = lnd_json_space(lnd_json_string_end(p)) + 1; /* the colon */
            p = lnd_json_space(p);
            if (here) break;
            p = lnd_json_space(lnd_json_skip(p, LND_OPTIONS_DEPTH));
            if (*p != ',') return 0;
        }
        path += length;
        if (*path == '/') path++;
    }
    if (strncmp(p, "null", 4) == 0) return 0;
    *found = p;
    return 1;
}

/* A string, with a NUL, to the `size` bytes of `out`. */
static inline int lnd_option_text(const char *options, const char *path, char *out, size_t size) {
    const char *p;
    int found = lnd_option_find(options, path, &p);
    return found == 1 ? lnd_json_text(p, out, size) : found;
}

/* An integer. 1.5 and 1e3 do not fit. */
static inline int lnd_option_int(const char *options, const char *path, int64_t *out) {
    const char *p;
    int found = lnd_option_find(options, path, &p);
    if (found != 1) return found;
    int negative = *p == '-';
    uint64_t value = 0, most = (uint64_t)INT64_MAX + (uint64_t)negative;
    const char *digits = p += negative;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (most - digit) / 10) return -1;
        value = value * 10 + digit;
    }
    if (p == digits || (*p && !strchr(",]} \t\r\n", *p))) return -1;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 1;
}

/* A boolean, as 0 or 1. */
static inline int lnd_option_bool(const char *options, const char *path, int *out) {
    const char *p;
    int found = lnd_option_find(options, path, &p);
    if (found != 1) return found;
    *out = strncmp(p, "true", 4) == 0;
    return *out || strncmp(p, "false", 5) == 0 ? 1 : -1;
}

#ifdef __cplusplus
}
#endif

#endif /* LND_OPTIONS_H */
