/* arguments.c - parses and checks the command line, and derives owner, interface name and hardware
 * address.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "tap.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: lima-netd-tap open|setup NETWORK {--address A.B.C.D/N [--address6 A-B--C/64] [--mtu N] | --bridge NAME} "
    "[--owner UID] [--home DIR] - or - unsetup NETWORK [--owner UID]; lima-netd runs it: see lima-netd network "
    "setup --help";

static int is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Lima's rule: letters and digits, with single dots, dashes and underscores between them, at most 76
 * characters. */
static int is_identifier(const char *text) {
    size_t length = strnlen(text, 77);
    if (length == 0 || length > 76) return 0;
    for (size_t i = 0; i < length; i++) {
        if (is_letter_or_digit(text[i])) continue;
        if (text[i] != '.' && text[i] != '-' && text[i] != '_') return 0;
        if (i == 0 || i + 1 == length || !is_letter_or_digit(text[i + 1])) return 0;
    }
    return 1;
}

/* A valid interface name, which is also one component of a path. */
static int is_interface(const char *text) {
    size_t length = strnlen(text, IFNAMSIZ);
    if (length == 0 || length >= IFNAMSIZ) return 0;
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) return 0;
    for (size_t i = 0; i < length; i++)
        if (!is_letter_or_digit(text[i]) && text[i] != '.' && text[i] != '-' && text[i] != '_')
            return 0;
    return 1;
}

/* The Lima home that a persistent TAP belongs to, for users and for lima-netd: printable ASCII, in which
 * the caller has encoded other characters as =XX. */
static int is_home(const char *text) {
    size_t length = strnlen(text, HOME_MAX + 1);
    if (length == 0 || length > HOME_MAX || text[0] != '/') return 0;
    for (size_t i = 0; i < length; i++)
        if (!is_letter_or_digit(text[i]) && !strchr("/._-+=", text[i])) return 0;
    return 1;
}

/* A decimal number without sign, blanks or leading zeros. */
static int parse_number(const char *text, uint64_t max, uint64_t *value) {
    size_t length = strnlen(text, 11);
    if (length == 0 || length > 10 || (text[0] == '0' && length > 1)) return 0;
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return 0;
        *value = *value * 10 + (uint64_t)(text[i] - '0');
    }
    return *value <= max;
}

static uid_t parse_uid(const char *text, const char *what) {
    uint64_t value;
    /* The kernel interprets (uid_t)-1 as "no owner". */
    if (!parse_number(text, 0xfffffffe, &value))
        fail(STATUS_USAGE, "%s is no user id: %.40s", what, text);
    return (uid_t)value;
}

/* A.B.C.D/N, an address of a host in its subnet. */
static void parse_address(const char *text, struct request *request) {
    char copy[32];
    struct in_addr parsed;
    uint64_t prefix;
    size_t length = strnlen(text, sizeof copy);
    if (length >= sizeof copy) fail(STATUS_USAGE, "--address is too long");
    memcpy(copy, text, length + 1);
    char *slash = strchr(copy, '/');
    if (!slash) fail(STATUS_USAGE, "--address needs a prefix length, as 192.168.105.1/24");
    *slash = 0;
    if (inet_pton(AF_INET, copy, &parsed) != 1)
        fail(STATUS_USAGE, "--address is no IPv4 address: %s", copy);
    if (!parse_number(slash + 1, 30, &prefix) || prefix < 8)
        fail(STATUS_USAGE, "--address has a prefix length that is not 8 to 30: %s", slash + 1);
    uint32_t address = ntohl(parsed.s_addr);
    uint32_t host = 0xffffffffu >> prefix;
    uint32_t first = address >> 24;
    if (first == 0 || first == 127 || first >= 224 || (address >> 16) == 0xa9fe)
        fail(STATUS_USAGE, "--address is no address that a gateway can have: %s", copy);
    if ((address & host) == 0 || (address & host) == host)
        fail(STATUS_USAGE, "--address is the subnet's own or its broadcast address: %s", text);
    request->address = address;
    request->prefix = (unsigned)prefix;
    request->address_text = text;
}

/* An address with dashes instead of colons, which have a meaning in sudoers, and "/64":
 * fd12-3456-789a--1/64. Unique local or global unicast (RFC 4291, RFC 4193), and not the Subnet-Router
 * anycast address. */
static void parse_address6(const char *text, struct request *request) {
    char copy[INET6_ADDRSTRLEN + 4];
    size_t length = strnlen(text, sizeof copy);
    if (length >= sizeof copy) fail(STATUS_USAGE, "--address6 is too long");
    memcpy(copy, text, length + 1);
    char *slash = strchr(copy, '/');
    if (!slash || strcmp(slash, "/64") != 0)
        fail(STATUS_USAGE, "--address6 needs a prefix length of 64, as fd12-3456-789a--1/64");
    *slash = 0;
    for (char *c = copy; *c; c++) {
        if (*c == ':') fail(STATUS_USAGE, "--address6 has dashes for colons, as fd12-3456-789a--1/64");
        if (*c == '-') *c = ':';
    }
    if (inet_pton(AF_INET6, copy, request->address6) != 1)
        fail(STATUS_USAGE, "--address6 is no IPv6 address: %s", copy);
    uint8_t first = request->address6[0];
    if ((first & 0xfe) != 0xfc && (first & 0xe0) != 0x20)
        fail(STATUS_USAGE, "--address6 is no address that a gateway can have: %s", copy);
    uint8_t any = 0;
    for (int i = 8; i < 16; i++) any |= request->address6[i];
    if (!any) fail(STATUS_USAGE, "--address6 is the prefix's own address: %s", text);
    request->has_address6 = 1;
}

/* FNV-1a: names and addresses must differ, but need not be secret. */
static uint64_t hash(const char *text) {
    uint64_t value = 0xcbf29ce484222325u;
    for (; *text; text++) value = (value ^ (uint8_t)*text) * 0x100000001b3u;
    return value;
}

/* "ln1000-shared", or "ln-" and 60 bits of its hash if that is too long for an interface.
 * Sources/Platform/Linux/HostTapLink.swift derives the same name. */
static void name_interface(struct request *request) {
    char text[128];
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    int length = snprintf(text, sizeof text, "ln%u-%s", (unsigned)request->owner, request->network);
    uint64_t value = hash(text);
    memset(request->name, 0, sizeof request->name);
    if (length < IFNAMSIZ) {
        memcpy(request->name, text, (size_t)length);
    } else {
        memcpy(request->name, "ln-", 3);
        for (int i = 0; i < 12; i++) request->name[3 + i] = digits[value >> (5 * i) & 31];
    }
    /* Locally administered. A bridge uses the lowest address of its ports, which one with FE never is. */
    request->mac[0] = request->bridge ? 0xfe : 0x02;
    for (int i = 1; i < 6; i++) request->mac[i] = (uint8_t)(value >> (8 * i));
}

void parse_arguments(int argc, char **argv, const char *sudo_uid, struct request *request) {
    const char *owner = NULL, *mtu = NULL;
    uint64_t value;
    memset(request, 0, sizeof *request);
    if (argc < 3) fail(STATUS_USAGE, "%s", usage);
    if (strcmp(argv[1], "open") == 0) request->verb = VERB_OPEN;
    else if (strcmp(argv[1], "setup") == 0) request->verb = VERB_SETUP;
    else if (strcmp(argv[1], "unsetup") == 0) request->verb = VERB_UNSETUP;
    else fail(STATUS_USAGE, "%s", usage);
    request->network = argv[2];
    if (!is_identifier(request->network))
        fail(STATUS_USAGE, "invalid network name: %.80s", request->network);
    const char *address = NULL, *address6 = NULL;
    for (int i = 3; i < argc; i += 2) {
        const char **target = strcmp(argv[i], "--address") == 0    ? &address
                              : strcmp(argv[i], "--address6") == 0 ? &address6
                              : strcmp(argv[i], "--bridge") == 0   ? &request->bridge
                              : strcmp(argv[i], "--mtu") == 0      ? &mtu
                              : strcmp(argv[i], "--owner") == 0    ? &owner
                              : strcmp(argv[i], "--home") == 0     ? &request->home
                                                                   : NULL;
        if (!target) fail(STATUS_USAGE, "unknown argument: %.40s", argv[i]);
        if (i + 1 >= argc) fail(STATUS_USAGE, "%s needs a value", argv[i]);
        if (*target) fail(STATUS_USAGE, "%s is given twice", argv[i]);
        *target = argv[i + 1];
    }
    if (request->verb == VERB_UNSETUP) {
        if (address || address6 || request->bridge || mtu)
            fail(STATUS_USAGE, "unsetup takes a network and an owner, nothing else");
    } else if (!address == !request->bridge) {
        fail(STATUS_USAGE, "it needs --address or --bridge, one of the two");
    }
    if (address6 && !address) fail(STATUS_USAGE, "--address6 goes with --address");
    if (request->home && request->verb != VERB_SETUP)
        fail(STATUS_USAGE, "--home is for setup: what does not last is nobody's later");
    if (request->home && !is_home(request->home))
        fail(STATUS_USAGE, "invalid home: %.80s", request->home);
    if (address) parse_address(address, request);
    if (address6) parse_address6(address6, request);
    if (request->bridge && !is_interface(request->bridge))
        fail(STATUS_USAGE, "invalid bridge name: %.40s", request->bridge);
    if (mtu) {
        if (!parse_number(mtu, 65520, &value) || value < 576)
            fail(STATUS_USAGE, "--mtu is not 576 to 65520: %.40s", mtu);
        request->mtu = (uint32_t)value;
        if (address6 && value < 1280) /* RFC 8200, section 5 */
            fail(STATUS_USAGE, "--mtu is too small for IPv6, which needs 1280: %.40s", mtu);
    }

    /* The owner is the calling user. If that is root, sudo names the user. */
    uid_t caller = getuid();
    if (caller == 0 && sudo_uid) caller = parse_uid(sudo_uid, "SUDO_UID");
    request->owner = owner ? parse_uid(owner, "--owner") : caller;
    if (caller != 0 && request->owner != caller)
        fail(STATUS_REFUSED, "uid %u may not have a TAP made for uid %u", (unsigned)caller,
             (unsigned)request->owner);
    name_interface(request);
}
