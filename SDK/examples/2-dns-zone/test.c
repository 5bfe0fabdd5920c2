/* test.c - tests of the zone without lima-netd: answers, error messages, and robustness against arbitrary files
 * and messages. `make test` runs it under AddressSanitizer and UBSan.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zone.h"

static int failures;

static void expect(int holds, const char *what, const char *found) {
    if (holds) return;
    failures++;
    fprintf(stderr, "FAILED: %s\n        found: %s\n", what, found);
}

static char *slurp(const char *path, size_t *length) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(1);
    }
    char *text = (char *)malloc(1 << 16);
    *length = fread(text, 1, 1 << 16, file);
    fclose(file);
    return text;
}

static uint32_t make_query(const char *name, uint16_t type, uint16_t class_, uint8_t *query) {
    zone_name wire, root;
    root.length = 1;
    root.bytes[0] = 0;
    memset(query, 0, 12);
    query[0] = 0x12;
    query[1] = 0x34;
    query[2] = 1; /* RD */
    query[5] = 1;
    if (!zone_name_from_text(name, strlen(name), &root, &wire)) exit(2);
    memcpy(query + 12, wire.bytes, wire.length);
    uint8_t *p = query + 12 + wire.length;
    p[0] = (uint8_t)(type >> 8), p[1] = (uint8_t)type, p[2] = (uint8_t)(class_ >> 8), p[3] = (uint8_t)class_;
    return 12u + wire.length + 4u;
}

/* ------------------------------------------------------------------ answers */

static const struct {
    const char *what, *name;
    uint16_t type;
    const char *summary; /* RCODE, AA, and the records of each section */
} answers[] = {
    {"addresses of a name", "web.lab.test", TYPE_A, "0 AA 2/0/0"},
    {"an alias and what it leads to", "www.lab.test", TYPE_A, "0 AA 3/0/0"},
    {"the alias itself", "www.lab.test", TYPE_CNAME, "0 AA 1/0/0"},
    {"an alias that leads out of the zone", "shop.lab.test", TYPE_A, "0 AA 1/0/0"},
    {"an alias to what lacks the type: NODATA behind it", "www.lab.test", TYPE_AAAA, "0 AA 1/1/0"},
    {"aliases in a circle end", "loop.lab.test", TYPE_A, "0 AA 17/0/0"},
    {"a type the name lacks (RFC 2308 2.2)", "web.lab.test", TYPE_AAAA, "0 AA 0/1/0"},
    {"a name that is not there (RFC 2308 2.1)", "nix.lab.test", TYPE_A, "3 AA 0/1/0"},
    {"a name that is there because of one below it (RFC 4592 2.2.2)", "office.lab.test", TYPE_A, "0 AA 0/1/0"},
    {"a wildcard", "new.apps.lab.test", TYPE_A, "0 AA 1/0/0"},
    {"a wildcard some labels up (RFC 4592 3.3.1)", "a.b.apps.lab.test", TYPE_TXT, "0 AA 1/0/0"},
    {"a name beside a wildcard", "fixed.apps.lab.test", TYPE_TXT, "0 AA 0/1/0"},
    {"what is below a name is not the wildcard's", "x.fixed.apps.lab.test", TYPE_A, "3 AA 0/1/0"},
    {"a delegation: referral with glue (RFC 1034 4.3.2)", "www.child.lab.test", TYPE_A, "0 -- 0/1/1"},
    {"DS is the parent's (RFC 4035 3.1.4.1)", "child.lab.test", TYPE_DS, "0 AA 0/1/0"},
    {"the apex", "lab.test", TYPE_SOA, "0 AA 1/0/0"},
    {"all of a name", "lab.test", TYPE_ANY, "0 AA 5/0/0"},
    {"texts", "lab.test", TYPE_TXT, "0 AA 1/0/0"},
    {"a service", "_sip._tcp.lab.test", TYPE_SRV, "0 AA 1/0/0"},
    {"a pointer", "80.lab.test", TYPE_PTR, "0 AA 1/0/0"},
    {"CAA", "lab.test", TYPE_CAA, "0 AA 1/0/0"},
    {"another type (RFC 3597)", "raw.lab.test", 65280, "0 AA 1/0/0"},
    {"letters do not count", "WEB.lab.TEST", TYPE_A, "0 AA 2/0/0"},
    {"a name outside", "example.com", TYPE_A, "5 -- 0/0/0"},
    {"a name that only ends alike", "xlab.test", TYPE_A, "5 -- 0/0/0"},
};

static const char *summary(const uint8_t *answer, uint32_t length) {
    static char text[64];
    if (length < 12) return "nothing";
    snprintf(text, sizeof text, "%d %s %d/%d/%d", answer[3] & 15, answer[2] & 4 ? "AA" : "--",
             answer[6] << 8 | answer[7], answer[8] << 8 | answer[9], answer[10] << 8 | answer[11]);
    return text;
}

static void test_answers(const zone *z) {
    static uint8_t query[600], answer[MESSAGE_MAX];
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        uint32_t length = make_query(answers[i].name, answers[i].type, 1, query);
        uint32_t size = zone_answer(z, query, length, answer);
        expect(strcmp(summary(answer, size), answers[i].summary) == 0, answers[i].what, summary(answer, size));
        expect(memcmp(answer, "\x12\x34", 2) == 0 && (answer[2] & 0x81) == 0x81, "id, QR and RD", "others");
    }
    uint32_t length = make_query("web.lab.test", TYPE_A, 3, query);
    expect(strcmp(summary(answer, zone_answer(z, query, length, answer)), "5 -- 0/0/0") == 0, "class CH", "an answer");
    query[2] = 0x28;
    expect((zone_answer(z, query, length, answer), answer[3]) == 4, "an UPDATE is not implemented", "taken");
    query[2] = 0x80;
    expect(zone_answer(z, query, length, answer) == 0, "an answer is not answered", "answered");
    length = make_query("WeB.lab.test", TYPE_A, 1, query);
    memcpy(query + 13, "WeB", 3);
    zone_answer(z, query, length, answer);
    expect(memcmp(answer + 13, "WeB", 3) == 0, "the question comes back letter for letter", "otherwise");
    expect(memcmp(answer + length, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\x50", 16) == 0, "an A record to the octet", "others");
    length = make_query("odd\\.dot.lab.test", TYPE_TXT, 1, query);
    uint32_t size = zone_answer(z, query, length, answer);
    expect(size > 11 && memcmp(answer + size - 11, "\x0a\"quoted\" A", 11) == 0, "escapes in names and texts", "others");
}

/* ----------------------------------------------------------------- mistakes */

#define SOA "$TTL 60\n@ SOA ns hm 1 1 1 1 1\n"

static const struct {
    const char *text, *error;
} mistakes[] = {
    {"", "z:1: the zone has no SOA"},
    {"$TTL 60\nwww A 1.2.3.4\n", "z:3: the zone has no SOA"},
    {SOA "www A 1.2.3\n", "z:3: the IPv4 address: \"1.2.3\" is none"},
    {SOA "www AAAA 1.2.3.4\n", "z:3: the IPv6 address: \"1.2.3.4\" is none"},
    {SOA "www A\n", "z:3: the IPv4 address is missing"},
    {SOA "www A 1.2.3.4 5\n", "z:3: \"5\" is too much"},
    {SOA "\nwww MX mail\n", "z:4: the preference: \"mail\" is no number"},
    {SOA "www MX 70000 mail\n", "z:3: the preference: 70000 is more than 65535"},
    {SOA "www NIX 1\n", "z:3: \"NIX\" is no type"},
    {SOA "www CH TXT x\n", "z:3: class CH: only IN is served"},
    {SOA "w..w A 1.2.3.4\n", "z:3: \"w..w\" is no domain name"},
    {SOA "other.org. A 1.2.3.4\n", "z:3: this name is not in the zone of the SOA (line 2)"},
    {SOA "www CNAME a\nwww A 1.2.3.4\n", "z:4: this name has a CNAME and another record (line 3)"},
    {SOA "@ SOA ns hm 2 1 1 1 1\n", "z:3: a second SOA: a file is one zone"},
    {SOA "www TXT \"open\n", "z:3: a text without its closing quote"},
    {SOA "www TXT ( a\n b\n", "z:5: a ( without its )"},
    {SOA "www TXT a )\n", "z:3: a ) without its ("},
    {SOA "www TXT \"\\999\"\n", "z:3: \\999 is no octet: write \\000 to \\255"},
    {SOA "$INCLUDE other\n", "z:3: $INCLUDE is not known here: only $ORIGIN and $TTL are"},
    {SOA "raw TYPE99 \\# 3 0102\n", "z:3: the length is not that of the data"},
    {SOA "raw TYPE99 0102\n", "z:3: data of this type is written as \\# LENGTH HEX (RFC 3597)"},
    {" A 1.2.3.4\n", "z:1: a record without an owner, and none before it"},
    {"www A 1.2.3.4\n", "z:1: no TTL: give one, or begin the file with $TTL"},
    {"$TTL soon\n", "z:1: \"soon\" is no time"},
};

static void test_mistakes(void) {
    char error[ZONE_ERROR_MAX];
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        strcpy(error, "none");
        zone *z = zone_parse(mistakes[i].text, strlen(mistakes[i].text), "z", "lab.test", error);
        expect(!z && strncmp(error, mistakes[i].error, strlen(mistakes[i].error)) == 0, mistakes[i].error, error);
        zone_free(z);
    }
}

/* ------------------------------------------------------------------ garbage */

static uint32_t seed = 1;

static uint32_t random_number(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Files and queries with a few changed octets must give an answer or an error. */
static void test_garbage(const zone *z, const char *text, size_t length) {
    static uint8_t query[600], answer[MESSAGE_MAX];
    char error[ZONE_ERROR_MAX], *copy = (char *)malloc(length);
    for (int round = 0; round < 3000; round++) {
        memcpy(copy, text, length);
        for (uint32_t n = 1 + random_number(4); n > 0; n--) copy[random_number((uint32_t)length)] = (char)random_number(256);
        zone_free(zone_parse(copy, length - random_number(8), "z", "", error));
    }
    free(copy);
    for (int round = 0; round < 100000; round++) {
        uint32_t size = make_query("a.b.apps.lab.test", (uint16_t)random_number(300), 1, query);
        for (uint32_t n = random_number(4); n > 0; n--) query[random_number(size)] = (uint8_t)random_number(256);
        zone_answer(z, query, random_number(size + 1), answer);
    }
}

int main(void) {
    size_t length;
    char error[ZONE_ERROR_MAX] = "", *text = slurp("example.zone", &length);
    zone *z = zone_parse(text, length, "example.zone", "", error);
    expect(z != NULL, "the example's own zone is right", error);
    if (z) {
        test_answers(z);
        test_garbage(z, text, length);
    }
    test_mistakes();
    zone_free(z);
    free(text);
    if (!failures) printf("zone: all tests passed\n");
    return failures != 0;
}
