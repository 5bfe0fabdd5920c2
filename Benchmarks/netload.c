/* SPDX-License-Identifier: Apache-2.0 */
/* netload - the load of Benchmarks/run that iperf3 does not make. Prints JSON.
 *
 *   netload serve PORT                       answers the rest, until it is ended:
 *                                            PORT TCP echo, +1 TCP echo of one byte and close,
 *                                            +2 UDP sink, +3 UDP source, +4 what the sink got
 *   netload rr HOST PORT SECONDS             round trips of one byte: p50_us, p99_us
 *   netload crr HOST PORT SECONDS THREADS    connect, one byte each way, close: rate
 *   netload udp-out HOST PORT SECONDS SIZE PPS   datagrams to the sink (PPS 0: as many as go)
 *   netload udp-in HOST PORT SECONDS SIZE PPS    datagrams from the source: pps, loss
 *   netload turns HOST PORT SECONDS COUNT    round trips of one byte over so many connections, ten
 *                                            others at a time: rate
 *   netload hold HOST PORT COUNT             opens so many connections, waits for a line, and uses
 *                                            each again: open, alive
 *   netload ping HOST SECONDS                echoes of 56 bytes, one after the other: p50_us, p99_us
 *   netload arp IFNAME SOURCE TARGET         asks until it is answered: monotonic ns of the answer
 *   netload relay IFNAME MTU SOCKET          plays QEMU: a TAP device and a framed unix stream
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "netload.h"

enum { BATCH = 32 };

void fail(const char *what) {
  fprintf(stderr, "netload: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static struct sockaddr_in address(const char *host, int port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1) fail(host);
  return to;
}

void enlarge(int fd) {
  int size = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static int bound(int type, int port) {
  struct sockaddr_in at = address("0.0.0.0", port);
  int fd = socket(AF_INET, type, 0), one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at)) fail("bind");
  if (type == SOCK_STREAM && listen(fd, 4096)) fail("listen");
  if (type == SOCK_DGRAM) enlarge(fd);
  return fd;
}

static int connected(struct sockaddr_in to) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct timeval patience = {.tv_sec = 5};
  if (fd < 0) return -1;
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  /* Of connect, too. */
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* ---- datagrams: BATCH of them a call ---- */

struct batch {
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH];
  char bytes[BATCH][2048];
};

static struct batch *batch(size_t size, struct sockaddr_in *to) {
  struct batch *all = calloc(1, sizeof *all);
  if (!all) fail("calloc");
  for (int i = 0; i < BATCH; i++) {
    all->vectors[i] = (struct iovec){all->bytes[i], size};
    all->messages[i].msg_hdr.msg_iov = &all->vectors[i];
    all->messages[i].msg_hdr.msg_iovlen = 1;
    if (to) {
      all->messages[i].msg_hdr.msg_name = to;
      all->messages[i].msg_hdr.msg_namelen = sizeof *to;
    }
  }
  return all;
}

/* Sends for so long; `pps` 0 as fast as the socket takes them. Returns how many. */
static uint64_t flood(int fd, struct sockaddr_in to, double seconds, size_t size, double pps) {
  struct batch *all = batch(size, &to);
  uint64_t sent = 0, begin = now();
  while ((double)(now() - begin) < seconds * 1e9) {
    int count = BATCH;
    if (pps > 0) {
      double due = (double)(now() - begin) * pps / 1e9 - (double)sent;
      if (due < 1) {
        usleep(100);
        continue;
      }
      if (due < count) count = (int)due;
    }
    int taken = sendmmsg(fd, all->messages, (unsigned)count, 0);
    if (taken > 0) sent += (uint64_t)taken;
  }
  free(all);
  return sent;
}

static uint64_t sunk;

static void *sink(void *port) {
  int fd = bound(SOCK_DGRAM, (int)(intptr_t)port);
  struct batch *all = batch(sizeof all->bytes[0], NULL);
  for (;;) {
    int count = recvmmsg(fd, all->messages, BATCH, MSG_WAITFORONE, NULL);
    if (count > 0) __atomic_fetch_add(&sunk, (uint64_t)count, __ATOMIC_RELAXED);
  }
  return NULL;
}

/* Who sends "SECONDS SIZE PPS" gets that many, and a last one of one byte, thrice. */
static void *source(void *port) {
  int fd = bound(SOCK_DGRAM, (int)(intptr_t)port);
  for (;;) {
    char order[64] = "", last[32];
    struct sockaddr_in to;
    socklen_t length = sizeof to;
    double seconds, pps;
    int size;
    if (recvfrom(fd, order, sizeof order - 1, 0, (struct sockaddr *)&to, &length) <= 0) continue;
    if (sscanf(order, "%lf %d %lf", &seconds, &size, &pps) != 3 || size > 2000) continue;
    int total = snprintf(last, sizeof last, "%lu", (unsigned long)flood(fd, to, seconds, (size_t)size, pps));
    for (int i = 0; i < 3; i++) {
      usleep(100000);
      sendto(fd, last, (size_t)total, 0, (struct sockaddr *)&to, sizeof to);
    }
  }
  return NULL;
}

static void *echo(void *argument) {
  int fd = (int)(intptr_t)argument, isOnce = fd & 1 << 30;
  char byte;
  fd &= ~(1 << 30);
  while (recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && !isOnce) {}
  close(fd);
  return NULL;
}

/* One thread for all connections that are served quickly. */
static void serve(int port) {
  struct rlimit files = {1 << 16, 1 << 16};
  setrlimit(RLIMIT_NOFILE, &files);
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 32 << 10);
  pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  pthread_create(&thread, &small, sink, (void *)(intptr_t)(port + 2));
  pthread_create(&thread, &small, source, (void *)(intptr_t)(port + 3));
  struct pollfd listeners[3];
  int ports[3] = {port, port + 1, port + 4};
  for (int i = 0; i < 3; i++) listeners[i] = (struct pollfd){bound(SOCK_STREAM, ports[i]), POLLIN, 0};
  puts("ready");
  fflush(stdout);
  for (;;) {
    poll(listeners, 3, -1);
    for (int i = 0; i < 3; i++) {
      if (!listeners[i].revents) continue;
      int fd = accept(listeners[i].fd, NULL, NULL), one = 1;
      if (fd < 0) continue;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      if (i == 2) {
        dprintf(fd, "%lu\n", (unsigned long)__atomic_exchange_n(&sunk, 0, __ATOMIC_RELAXED));
        close(fd);
      } else if (i == 1) {
        echo((void *)(intptr_t)(fd | 1 << 30));
      } else {
        pthread_create(&thread, &small, echo, (void *)(intptr_t)fd);
      }
    }
  }
}

/* ---- clients ---- */

static uint64_t received(const char *host, int port) {
  char text[32] = "";
  int fd = connected(address(host, port + 4));
  if (fd < 0) fail("control connection");
  for (size_t at = 0; at < sizeof text - 1;) {
    ssize_t count = recv(fd, text + at, sizeof text - 1 - at, 0);
    if (count <= 0) break;
    at += (size_t)count;
  }
  close(fd);
  return strtoull(text, NULL, 10);
}

static void udp_out(const char *host, int port, double seconds, int size, double pps) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  enlarge(fd);
  received(host, port);
  uint64_t sent = flood(fd, address(host, port + 2), seconds, (size_t)size, pps);
  usleep(300000);
  uint64_t got = received(host, port);
  printf("{\"pps\": %.0f, \"loss\": %.6f}\n", (double)got / seconds,
         sent ? 1 - (double)got / (double)sent : 0);
}

static void udp_in(const char *host, int port, double seconds, int size, double pps) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  enlarge(fd);
  struct sockaddr_in to = address(host, port + 3);
  struct timeval patience = {.tv_sec = 2};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char order[64];
  int length = snprintf(order, sizeof order, "%f %d %f", seconds, size, pps);
  sendto(fd, order, (size_t)length, 0, (struct sockaddr *)&to, sizeof to);
  struct batch *all = batch(sizeof all->bytes[0], NULL);
  uint64_t got = 0, sent = 0;
  while (!sent) {
    int count = recvmmsg(fd, all->messages, BATCH, MSG_WAITFORONE, NULL);
    if (count <= 0) break;
    for (int i = 0; i < count; i++) {
      if (all->messages[i].msg_len == (unsigned)size) {
        got++;
      } else {
        all->bytes[i][all->messages[i].msg_len] = 0;
        sent = strtoull(all->bytes[i], NULL, 10);
      }
    }
  }
  printf("{\"pps\": %.0f, \"loss\": %.6f}\n", (double)got / seconds,
         sent ? 1 - (double)got / (double)sent : 1);
}

static int compare(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

enum { MOST_TIMES = 1 << 20 };
static uint32_t times[MOST_TIMES];

static void print_times(size_t count) {
  if (!count) fail("no round trip");
  qsort(times, count, sizeof *times, compare);
  printf("{\"p50_us\": %.1f, \"p99_us\": %.1f}\n", times[count / 2] / 1e3, times[count * 99 / 100] / 1e3);
}

static void rr(const char *host, int port, double seconds) {
  size_t count = 0;
  int fd = connected(address(host, port));
  if (fd < 0) fail("connect");
  char byte = 1;
  for (uint64_t begin = now(); (double)(now() - begin) < seconds * 1e9 && count < MOST_TIMES;) {
    uint64_t start = now();
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1) fail("round trip");
    times[count++] = (uint32_t)(now() - start);
  }
  print_times(count);
}

static uint16_t sum(const void *bytes, size_t length) {
  const uint16_t *word = bytes;
  uint32_t total = 0;
  for (; length > 1; length -= 2) total += *word++;
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return (uint16_t)~total;
}

static void ping(const char *host, double seconds) {
  struct sockaddr_in to = address(host, 0);
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  struct timeval patience = {.tv_sec = 1};
  struct {
    struct icmphdr header;
    char data[56];
  } request = {.header = {.type = ICMP_ECHO, .un.echo.id = htons(4711)}};
  unsigned char answer[256];
  size_t count = 0;
  int lost = 0;
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("raw socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  /* Beyond the time when none has been answered yet: no answer is a word about the network, not about the time. */
  for (uint64_t begin = now(); (!count || (double)(now() - begin) < seconds * 1e9) && count < MOST_TIMES;) {
    uint64_t start = now();
    request.header.un.echo.sequence = htons((uint16_t)(count + (size_t)lost));
    request.header.checksum = 0;
    request.header.checksum = sum(&request, sizeof request);
    if (send(fd, &request, sizeof request, 0) != sizeof request) fail("echo");
    for (;;) {
      ssize_t length = recv(fd, answer, sizeof answer, 0);
      const struct icmphdr *header = (const void *)(answer + 20);
      if (length < 0) {
        if (++lost > 5) fail("no echo");
        break;
      }
      if (length < 28 || header->type != ICMP_ECHOREPLY || header->un.echo.sequence != request.header.un.echo.sequence) continue;
      times[count++] = (uint32_t)(now() - start);
      break;
    }
  }
  print_times(count);
}

static struct sockaddr_in crr_to;
static uint64_t crr_end, crr_done;

static void *crr_client(void *unused) {
  char byte = 1;
  while (now() < crr_end) {
    int fd = connected(crr_to);
    if (fd < 0) continue;
    if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1)
      __atomic_fetch_add(&crr_done, 1, __ATOMIC_RELAXED);
    close(fd);
  }
  return unused;
}

static void crr(const char *host, int port, double seconds, int count) {
  pthread_t threads[64];
  if (count > 64) count = 64;
  crr_to = address(host, port + 1);
  crr_end = now() + (uint64_t)(seconds * 1e9);
  for (int i = 0; i < count; i++) pthread_create(&threads[i], NULL, crr_client, NULL);
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  printf("{\"rate\": %.0f}\n", (double)crr_done / seconds);
}

static int round_trip(int fd) {
  char byte = 1;
  return fd >= 0 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1;
}

/* Each has made a round trip; how many could, before three could not, is in *open. */
static int *connections(const char *host, int port, int count, int *open) {
  struct rlimit files = {1 << 16, 1 << 16};
  setrlimit(RLIMIT_NOFILE, &files);
  int *fds = calloc((size_t)count + 1, sizeof *fds);
  if (!fds) fail("calloc");
  *open = 0;
  for (int failed = 0; *open < count && failed < 3;) {
    fds[*open] = connected(address(host, port));
    if (round_trip(fds[*open])) ++*open;
    else failed++;
  }
  return fds;
}

static void turns(const char *host, int port, double seconds, int count) {
  int open, place = 0;
  int *fds = connections(host, port, count, &open);
  if (open < count) fail("connect");
  uint64_t done = 0, begin = now();
  /* Where the load has begun: what the connections cost is not counted. */
  printf("ready\n");
  fflush(stdout);
  getchar();
  for (begin = now(); (double)(now() - begin) < seconds * 1e9; place = (place + 10) % (count / 10 * 10)) {
    char byte = 1;
    for (int i = 0; i < 10; i++)
      if (send(fds[place + i], &byte, 1, MSG_NOSIGNAL) != 1) fail("send");
    for (int i = 0; i < 10; i++)
      if (recv(fds[place + i], &byte, 1, 0) != 1) fail("recv");
    done += 10;
  }
  printf("{\"done\": %lu}\n", (unsigned long)done);
}

static void hold(const char *host, int port, int count) {
  int open, alive = 0;
  int *fds = connections(host, port, count, &open);
  printf("{\"open\": %d}\n", open);
  fflush(stdout);
  getchar();
  for (int i = 0; i < open; i++) alive += round_trip(fds[i]);
  printf("{\"alive\": %d}\n", alive);
}

static void arp(const char *name, const char *source, const char *target) {
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_halen = 6};
  int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ARP));
  unsigned char frame[28] = {0, 1, 8, 0, 6, 4, 0, 1}, answer[64];
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  memset(to.sll_addr, 255, 6);
  inet_pton(AF_INET, source, frame + 14);
  inet_pton(AF_INET, target, frame + 24);
  struct timeval patience = {.tv_usec = 500};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  for (uint64_t end = now() + 10000000000; now() < end;) {
    to.sll_ifindex = (int)if_nametoindex(name);
    if (to.sll_ifindex && !ioctl(fd, SIOCGIFHWADDR, &request)) memcpy(frame + 8, request.ifr_hwaddr.sa_data, 6);
    if (!to.sll_ifindex || sendto(fd, frame, sizeof frame, 0, (struct sockaddr *)&to, sizeof to) < 0) {
      usleep(200);
      continue;
    }
    ssize_t count = recv(fd, answer, sizeof answer, 0);
    if (count >= 28 && answer[7] == 2 && !memcmp(answer + 14, frame + 24, 4)) {
      printf("{\"ns\": %lu}\n", (unsigned long)now());
      return;
    }
  }
  fail("no answer to ARP");
}

int main(int count, char **words) {
#define IS(name, arguments) (count == 2 + (arguments) && !strcmp(words[1], name))
  if (IS("serve", 1)) serve(atoi(words[2]));
  else if (IS("rr", 3)) rr(words[2], atoi(words[3]), atof(words[4]));
  else if (IS("crr", 4)) crr(words[2], atoi(words[3]), atof(words[4]), atoi(words[5]));
  else if (IS("udp-out", 5)) udp_out(words[2], atoi(words[3]), atof(words[4]), atoi(words[5]), atof(words[6]));
  else if (IS("udp-in", 5)) udp_in(words[2], atoi(words[3]), atof(words[4]), atoi(words[5]), atof(words[6]));
  else if (IS("turns", 4)) turns(words[2], atoi(words[3]), atof(words[4]), atoi(words[5]));
  else if (IS("ping", 2)) ping(words[2], atof(words[3]));
  else if (IS("hold", 3)) hold(words[2], atoi(words[3]), atoi(words[4]));
  else if (IS("arp", 3)) arp(words[2], words[3], words[4]);
  else if (IS("relay", 3)) relay(words[2], atoi(words[3]), words[4]);
  else {
    fprintf(stderr, "netload: see the head of netload.c\n");
    return 2;
  }
  return 0;
}
