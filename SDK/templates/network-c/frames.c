/* frames.c - ARP (RFC 826), DHCP (RFC 2131, 2132) and ICMP echo (RFC 792) for one guest. Lengths come from the
 * guest: each is checked before use. */
#include "frames.h"

#include <stdlib.h>
#include <string.h>

enum { ETHERNET = 14, ARP = 28, IPV4 = 20, ICMP = 8, UDP = 8, BOOTP = 240 };
enum { DHCP_DISCOVER = 1, DHCP_OFFER, DHCP_REQUEST, DHCP_DECLINE, DHCP_ACK, DHCP_NAK };

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static void put16(uint8_t *p, uint32_t value) {
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* Stores the Internet checksum (RFC 1071) of n bytes in `field`, which is among them. */
static void put_checksum(uint8_t *field, const uint8_t *p, uint32_t n) {
    uint32_t sum = 0;
    put16(field, 0);
    for (; n > 1; n -= 2, p += 2) sum += get16(p);
    if (n) sum += (uint32_t)p[0] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    put16(field, ~sum & 0xffff);
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

void choose_guest(network *net) {
    memcpy(net->guest, net->gateway, 4);
    net->guest[3] = net->gateway[3] == 15 ? 16 : 15;
}

static uint32_t answer_arp(const network *net, const uint8_t *frame, uint32_t n, uint8_t *out) {
    const uint8_t *arp = frame + ETHERNET;
    if (n < ETHERNET + ARP || get16(arp + 6) != 1 || memcmp(arp + 24, net->gateway, 4) != 0) return 0;
    memcpy(out, frame, ETHERNET + ARP);
    uint8_t *reply = out + ETHERNET;
    put16(reply + 6, 2);
    memcpy(reply + 18, arp + 8, 10); /* target: the sender's Ethernet and IP address */
    memcpy(reply + 8, net->mac, 6);
    memcpy(reply + 14, net->gateway, 4);
    return ETHERNET + ARP;
}

static uint32_t answer_ping(const network *net, const uint8_t *frame, uint32_t total, uint8_t *out) {
    const uint8_t *ip = frame + ETHERNET;
    if (total < IPV4 + ICMP || memcmp(ip + 16, net->gateway, 4) != 0 || ip[IPV4] != 8) return 0;
    memcpy(out, frame, ETHERNET + total);
    uint8_t *reply = out + ETHERNET;
    reply[8] = 64; /* TTL */
    memcpy(reply + 12, net->gateway, 4);
    memcpy(reply + 16, ip + 12, 4);
    put_checksum(reply + 10, reply, IPV4);
    reply[IPV4] = 0; /* echo reply */
    put_checksum(reply + IPV4 + 2, reply + IPV4, total - IPV4);
    return ETHERNET + total;
}

/* The value of a DHCP option with at least `least` bytes, or NULL. */
static const uint8_t *dhcp_option(const uint8_t *p, const uint8_t *end, uint8_t code, uint8_t least) {
    while (p < end && *p != 255) {
        if (*p == 0) {
            p++;
            continue;
        }
        if (end - p < 2 || end - p - 2 < p[1]) return NULL;
        if (*p == code) return p[1] >= least ? p + 2 : NULL;
        p += 2 + p[1];
    }
    return NULL;
}

static uint8_t *add_option(uint8_t *p, uint8_t code, const uint8_t *value, uint8_t length) {
    *p++ = code;
    *p++ = length;
    memcpy(p, value, length);
    return p + length;
}

static uint32_t answer_dhcp(const network *net, const uint8_t *frame, uint32_t total, uint8_t *out) {
    const uint8_t *udp = frame + ETHERNET + IPV4, *bootp = udp + UDP;
    if (total < IPV4 + UDP + BOOTP || get16(udp + 2) != 67) return 0;
    uint32_t length = get16(udp + 4);
    if (length < UDP + BOOTP || length > total - IPV4) return 0;
    const uint8_t *options = bootp + BOOTP, *end = udp + length;
    static const uint8_t cookie[4] = {99, 130, 83, 99};
    if (bootp[0] != 1 || bootp[1] != 1 || bootp[2] != 6 || memcmp(bootp + 236, cookie, 4) != 0) return 0;
    const uint8_t *type = dhcp_option(options, end, 53, 1);
    const uint8_t *server = dhcp_option(options, end, 54, 4);
    const uint8_t *wanted = dhcp_option(options, end, 50, 4);
    if (!type || (*type != DHCP_DISCOVER && *type != DHCP_REQUEST)) return 0;
    if (server && memcmp(server, net->gateway, 4) != 0) return 0; /* the client chose another server */
    if (!wanted) wanted = bootp + 12;                             /* a renewal: ciaddr */
    uint8_t kind = *type == DHCP_DISCOVER                  ? DHCP_OFFER
                   : memcmp(wanted, net->guest, 4) == 0 ? DHCP_ACK
                                                           : DHCP_NAK;
    static const uint8_t mask[4] = {255, 255, 255, 0};
    static const uint8_t seconds[4] = {0, LEASE_SECONDS >> 16, LEASE_SECONDS >> 8 & 255, LEASE_SECONDS & 255};
    uint8_t *ip = out + ETHERNET, *reply = ip + IPV4 + UDP;
    memset(out, 0, ETHERNET + IPV4 + UDP + 300);
    memcpy(reply, bootp, 44); /* op .. chaddr, with the transaction id and the client's address */
    reply[0] = 2;
    memset(reply + 12, 0, 16);
    if (kind != DHCP_NAK) {
        memcpy(reply + 12, *type == DHCP_REQUEST ? bootp + 12 : reply + 12, 4);
        memcpy(reply + 16, net->guest, 4);
    }
    memcpy(reply + 236, cookie, 4);
    uint8_t *p = add_option(reply + BOOTP, 53, &kind, 1);
    p = add_option(p, 54, net->gateway, 4);
    if (kind != DHCP_NAK) {
        p = add_option(p, 51, seconds, 4);
        p = add_option(p, 1, mask, 4);
        p = add_option(p, 3, net->gateway, 4);
    }
    *p = 255;
    memcpy(out, frame + 6, 6);
    put16(out + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, IPV4 + UDP + 300);
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, net->gateway, 4);
    memset(ip + 16, 255, 4);
    put_checksum(ip + 10, ip, IPV4);
    put16(ip + IPV4, 67);
    put16(ip + IPV4 + 2, 68);
    put16(ip + IPV4 + 4, UDP + 300); /* checksum 0: not used (RFC 768) */
    return ETHERNET + IPV4 + UDP + 300;
}

static uint32_t answer_ipv4(const network *net, const uint8_t *frame, uint32_t n, uint8_t *out) {
    const uint8_t *ip = frame + ETHERNET;
    if (n < ETHERNET + IPV4 || ip[0] != 0x45 || (get16(ip + 6) & 0x3fff)) return 0; /* no options, no fragments */
    uint32_t total = get16(ip + 2);
    if (total < IPV4 || total > n - ETHERNET) return 0;
    if (ip[9] == 1) return answer_ping(net, frame, total, out);
    if (ip[9] == 17) return answer_dhcp(net, frame, total, out);
    return 0;
}

uint32_t answer(const network *net, const uint8_t *frame, uint32_t length, uint8_t out[FRAME_MAX]) {
    if (length < ETHERNET || length > FRAME_MAX) return 0;
    uint16_t type = get16(frame + 12);
    uint32_t n = type == 0x0806   ? answer_arp(net, frame, length, out)
                 : type == 0x0800 ? answer_ipv4(net, frame, length, out)
                                  : 0;
    if (n == 0) return 0;
    memcpy(out, frame + 6, 6);
    memcpy(out + 6, net->mac, 6);
    return n;
}
