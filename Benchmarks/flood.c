/* SPDX-License-Identifier: Apache-2.0 */
/* flood - a guest that floods, for Benchmarks/floods: frames straight into a QEMU stream socket.
 *
 *   flood SOCKET ADDRESS GATEWAY KIND RATE SECONDS PORT
 *
 * ADDRESS is the guest's own, GATEWAY the router's, PORT of the gateway what is flooded. KIND:
 *   syn        SYNs, each from another port (and no word to what answers)
 *   udp        datagrams, each from another port
 *   dns        questions for names of the zone `silent.`, each another, from one port; PORT is 53
 *   arp        questions to all for one address of the network after the other
 *   ndp        neighbour solicitations and router advertisements of made-up stations
 *   fragments  first fragments of datagrams that never become whole
 *   spoof      datagrams from made-up Ethernet and IP addresses, and from the router's own
 *   broken     frames with lengths, types and headers that contradict each other
 *   dhcp       DISCOVERs of made-up clients
 *   broadcast  datagrams of 1400 bytes to all
 * RATE is frames a second, 0 for as many as go. Prints JSON: frames sent, and received. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, ROOM = 1600 };

static const uint8_t own[6] = {0x52, 0x55, 0x55, 0xf1, 0x00, 0x0d};
static uint8_t router[6];
static uint32_t address, gateway;
static uint64_t received;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void fail(const char *what) {
  fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void put16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)(value >> 8);
  at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}

static uint32_t sum(const uint8_t *bytes, size_t count, uint32_t start) {
  for (size_t i = 0; i + 1 < count; i += 2) start += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
  if (count & 1) start += (uint32_t)bytes[count - 1] << 8;
  return start;
}

static uint16_t fold(uint32_t value) {
  while (value >> 16) value = (value & 0xffff) + (value >> 16);
  return (uint16_t)~value;
}

/* A frame behind its length; returns the bytes of both. */
static size_t frame(uint8_t *out, const uint8_t *to, int type, size_t length) {
  put32(out, (uint32_t)(14 + length));
  memcpy(out + 4, to, 6);
  memcpy(out + 10, own, 6);
  put16(out + 16, (uint32_t)type);
  return 18 + length;
}

static size_t packet(uint8_t *out, int protocol, size_t length) {
  uint8_t *ip = out + 18;
  memset(ip, 0, 20);
  ip[0] = 0x45;
  put16(ip + 2, (uint32_t)(20 + length));
  ip[6] = 0x40;
  ip[8] = 64;
  ip[9] = (uint8_t)protocol;
  put32(ip + 12, address);
  put32(ip + 16, gateway);
  put16(ip + 10, fold(sum(ip, 20, 0)));
  return frame(out, router, 0x0800, 20 + length);
}

static uint16_t checksum(const uint8_t *transport, int protocol, size_t length) {
  uint8_t pseudo[12];
  put32(pseudo, address);
  put32(pseudo + 4, gateway);
  put16(pseudo + 8, (uint32_t)protocol);
  put16(pseudo + 10, (uint32_t)length);
  return fold(sum(transport, length, sum(pseudo, 12, 0)));
}

static size_t syn(uint8_t *out, uint32_t number, int port) {
  uint8_t *tcp = out + 38;
  memset(tcp, 0, 20);
  put16(tcp, 1024 + number % 64000);
  put16(tcp + 2, (uint32_t)port);
  put32(tcp + 4, number * 2654435761u);
  tcp[12] = 0x50;
  tcp[13] = 2;
  put16(tcp + 14, 65535);
  put16(tcp + 16, checksum(tcp, 6, 20));
  return packet(out, 6, 20);
}

static size_t datagram(uint8_t *out, int from, int port, size_t length) {
  uint8_t *udp = out + 38;
  put16(udp, (uint32_t)from);
  put16(udp + 2, (uint32_t)port);
  put16(udp + 4, (uint32_t)(8 + length));
  put16(udp + 6, 0);
  put16(udp + 6, checksum(udp, 17, 8 + length));
  return packet(out, 17, 8 + length);
}

static size_t question(uint8_t *out, uint32_t number, int port) {
  uint8_t *dns = out + 46;
  memset(dns, 0, 12);
  put16(dns, number);
  dns[2] = 1;
  dns[5] = 1;
  char label[12];
  int length = snprintf(label, sizeof label, "n%u", number);
  uint8_t *at = dns + 12;
  *at++ = (uint8_t)length;
  memcpy(at, label, (size_t)length);
  at += length;
  memcpy(at, "\6silent\0\0\1\0\1", 12);
  return datagram(out, 4000, port, (size_t)(at + 12 - dns));
}

static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};

/* A station that there is not. */
static void made_up(uint8_t *mac, uint32_t number) {
  mac[0] = 0x52;
  mac[1] = 0x66;
  put32(mac + 2, number * 2654435761u);
}

static size_t arp(uint8_t *out, const uint8_t *from, uint32_t target) {
  uint8_t *at = out + 18;
  memcpy(at, "\0\1\10\0\6\4\0\1", 8);
  memcpy(at + 8, from, 6);
  put32(at + 14, address);
  memset(at + 18, 0, 6);
  put32(at + 24, target);
  return frame(out, all, 0x0806, 28);
}

/* RFC 4861: solicitations of one station, advertisements of the next. */
static size_t ndp(uint8_t *out, uint32_t number) {
  static const uint8_t nodes[16] = {0xff, 2, [15] = 1};
  uint8_t mac[6], *ip = out + 18, *icmp = ip + 40;
  made_up(mac, number);
  int isRouter = number & 1;
  size_t length = isRouter ? 16 : 32;
  memset(ip, 0, 40 + length);
  ip[0] = 0x60;
  ip[5] = (uint8_t)length;
  ip[6] = 58;
  ip[7] = 255;
  ip[8] = 0xfe;
  ip[9] = 0x80;
  memcpy(ip + 18, mac, 6);
  memcpy(ip + 24, nodes, 16);
  icmp[0] = isRouter ? 134 : 135;
  if (isRouter) {
    icmp[4] = 64;
    put16(icmp + 6, 1800);
  } else {
    memcpy(icmp + 8, ip + 8, 16);
    icmp[23] ^= 1;
    icmp[24] = 1;
    icmp[25] = 1;
    memcpy(icmp + 26, mac, 6);
  }
  put16(icmp + 2, fold(sum(icmp, length, sum(ip + 8, 32, (uint32_t)(58 + length)))));
  size_t total = frame(out, (const uint8_t *)"\x33\x33\0\0\0\1", 0x86dd, 40 + length);
  memcpy(out + 10, mac, 6);
  return total;
}

/* Changes the packet at `out` to be of another source, or a fragment. */
static void again(uint8_t *out) {
  put16(out + 28, 0);
  put16(out + 28, fold(sum(out + 18, 20, 0)));
}

static size_t first_fragment(uint8_t *out, uint32_t number, int port) {
  memset(out + 46, 0, 1000);
  size_t length = datagram(out, 4000, port, 1000);
  put16(out + 22, number);
  put16(out + 24, 0x2000);
  again(out);
  return length;
}

static size_t spoof(uint8_t *out, uint32_t number, int port) {
  size_t length = datagram(out, 4000, port, 8);
  switch (number % 4) {
  case 0: made_up(out + 10, number); break;
  case 1: memcpy(out + 10, router, 6); break;
  case 2: put32(out + 30, 0x08080808); break;
  default: put32(out + 30, gateway);
  }
  again(out);
  return length;
}

static size_t broken(uint8_t *out, uint32_t number, int port) {
  static uint64_t state = 88172645463325252ull;
  size_t length = number % 3 == 0 ? ndp(out, number) : number % 3 == 1 ? syn(out, number, port) : datagram(out, 4000, port, 100);
  for (int i = 0; i < 4; i++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    out[16 + (state >> 8) % (length - 16)] = (uint8_t)state;
  }
  if (number % 16 == 0) {
    length = 18 + (state >> 16) % (length - 18);
    put32(out, (uint32_t)length - 4);
  }
  return length;
}

static size_t discover(uint8_t *out, uint32_t number) {
  uint8_t *dhcp = out + 46;
  uint32_t mine = address, other = gateway;
  memset(dhcp, 0, 300);
  memcpy(dhcp, "\1\1\6\0", 4);
  put32(dhcp + 4, number);
  dhcp[10] = 0x80;
  made_up(dhcp + 28, number);
  memcpy(dhcp + 236, "\x63\x82\x53\x63\x35\1\1\xff", 8);
  address = 0;
  gateway = 0xffffffff;
  size_t length = datagram(out, 68, 67, 300);
  address = mine;
  gateway = other;
  memcpy(out + 4, all, 6);
  made_up(out + 10, number);
  return length;
}

static size_t to_all(uint8_t *out, int port) {
  uint32_t other = gateway;
  memset(out + 46, 7, 1400);
  gateway = 0xffffffff;
  size_t length = datagram(out, 4000, port, 1400);
  gateway = other;
  memcpy(out + 4, all, 6);
  return length;
}

static size_t next(uint8_t *out, const char *kind, uint32_t number, int port) {
  if (!strcmp(kind, "syn")) return syn(out, number, port);
  if (!strcmp(kind, "udp")) return datagram(out, (int)(1024 + number % 64000), port, 8);
  if (!strcmp(kind, "dns")) return question(out, number, port);
  if (!strcmp(kind, "arp")) return arp(out, own, (gateway & 0xffffff00) | (number & 0xff));
  if (!strcmp(kind, "ndp")) return ndp(out, number);
  if (!strcmp(kind, "fragments")) return first_fragment(out, number, port);
  if (!strcmp(kind, "spoof")) return spoof(out, number, port);
  if (!strcmp(kind, "broken")) return broken(out, number, port);
  if (!strcmp(kind, "dhcp")) return discover(out, number);
  if (!strcmp(kind, "broadcast")) return to_all(out, port);
  fprintf(stderr, "flood: there is no kind %s\n", kind);
  exit(2);
}

/* Takes what there is, and notes who the router is. */
static void drain(int fd) {
  static uint8_t bytes[1 << 20];
  static size_t have;
  for (;;) {
    ssize_t count = recv(fd, bytes + have, sizeof bytes - have, MSG_DONTWAIT);
    if (count <= 0) break;
    have += (size_t)count;
    size_t at = 0;
    while (have - at >= 4) {
      size_t length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
      if (have - at < 4 + length) break;
      const uint8_t *in = bytes + at + 4;
      if (length >= 42 && in[12] == 8 && in[13] == 6 && in[21] == 2) memcpy(router, in + 22, 6);
      received++;
      at += 4 + length;
    }
    memmove(bytes, bytes + at, have - at);
    have -= at;
  }
}

static void send_all(int fd, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    ssize_t sent = send(fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) fail("send");
    if (sent > 0) {
      bytes += sent;
      count -= (size_t)sent;
      continue;
    }
    struct pollfd wait = {.fd = fd, .events = POLLIN | POLLOUT};
    poll(&wait, 1, 1000);
    drain(fd);
  }
}

static void resolve(int fd) {
  uint8_t out[64];
  size_t length = arp(out, own, gateway);
  for (int i = 0; i < 100 && !(router[0] | router[5]); i++) {
    if (i % 20 == 0) send_all(fd, out, length);
    usleep(20000);
    drain(fd);
  }
  if (!(router[0] | router[5])) fail("the gateway does not answer ARP");
}

int main(int count, char **words) {
  if (count != 8) {
    fprintf(stderr, "flood SOCKET ADDRESS GATEWAY KIND RATE SECONDS PORT\n");
    return 2;
  }
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  strncpy(at.sun_path, words[1], sizeof at.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) fail(words[1]);
  address = ntohl(inet_addr(words[2]));
  gateway = ntohl(inet_addr(words[3]));
  const char *kind = words[4];
  double rate = atof(words[5]);
  uint64_t span = (uint64_t)(atof(words[6]) * 1e9);
  int port = atoi(words[7]);
  resolve(fd);
  static uint8_t out[BATCH * ROOM];
  uint64_t start = now(), sent = 0;
  for (uint64_t time = start; time - start < span; time = now()) {
    uint64_t due = rate > 0 ? (uint64_t)((double)(time - start) / 1e9 * rate) : sent + BATCH;
    if (sent >= due) {
      drain(fd);
      usleep(500);
      continue;
    }
    size_t length = 0;
    for (int i = 0; i < BATCH && sent < due; i++, sent++) {
      uint32_t number = (uint32_t)sent;
      length += next(out + length, kind, number, port);
    }
    send_all(fd, out, length);
    drain(fd);
  }
  printf("{\"sent\": %llu, \"received\": %llu}\n", (unsigned long long)sent, (unsigned long long)received);
  return 0;
}
