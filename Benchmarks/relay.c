/* SPDX-License-Identifier: Apache-2.0 */
/* relay.c - a TAP device and QEMU's framing of a stream: 4 bytes of length, big-endian, then the frame. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "netload.h"

enum { FRAME = 65550 };

static int tap(const char *name, int mtu) {
  struct ifreq request = {0};
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), control = socket(AF_INET, SOCK_DGRAM, 0);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request)) fail("TAP");
  request.ifr_mtu = mtu;
  if (ioctl(control, SIOCSIFMTU, &request)) fail("MTU");
  ioctl(control, SIOCGIFFLAGS, &request);
  request.ifr_flags |= IFF_UP;
  ioctl(control, SIOCSIFFLAGS, &request);
  close(control);
  return fd;
}

static int stream(const char *path) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  strncpy(to.sun_path, path, sizeof to.sun_path - 1);
  for (int i = 0; i < 10000; i++, usleep(500)) {
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (!connect(fd, (struct sockaddr *)&to, sizeof to)) {
      enlarge(fd);
      fcntl(fd, F_SETFL, O_NONBLOCK);
      return fd;
    }
    close(fd);
  }
  fail(path);
  return -1;
}

void relay(const char *name, int mtu, const char *path) {
  enum { ROOM = 1 << 20 };
  static unsigned char out[ROOM + FRAME], in[ROOM + FRAME];
  size_t outFrom = 0, outTo = 0, inTo = 0;
  int device = tap(name, mtu), socket = stream(path);
  for (;;) {
    /* A full stream stops the reading of the device, as a device of QEMU does. */
    int isFull = outTo > outFrom;
    struct pollfd ready[2] = {{socket, (short)(POLLIN | (isFull ? POLLOUT : 0)), 0}, {device, isFull ? 0 : POLLIN, 0}};
    if (poll(ready, 2, -1) < 0) continue;
    if (ready[1].revents & POLLIN) {
      outFrom = outTo = 0;
      while (outTo < ROOM) {
        ssize_t count = read(device, out + outTo + 4, FRAME - 4);
        if (count <= 0) break;
        uint32_t length = htonl((uint32_t)count);
        memcpy(out + outTo, &length, 4);
        outTo += 4 + (size_t)count;
      }
    }
    if (outTo > outFrom) {
      ssize_t count = write(socket, out + outFrom, outTo - outFrom);
      if (count > 0) outFrom += (size_t)count;
    }
    if (ready[0].revents & (POLLIN | POLLHUP)) {
      ssize_t count = read(socket, in + inTo, sizeof in - inTo);
      if (!count || (count < 0 && errno != EAGAIN)) return;
      if (count > 0) inTo += (size_t)count;
      size_t at = 0;
      uint32_t length;
      while (inTo - at >= 4) {
        memcpy(&length, in + at, 4);
        length = ntohl(length);
        if (inTo - at - 4 < length) break;
        if (write(device, in + at + 4, length) < 0 && errno == EIO) usleep(1000);
        at += 4 + length;
      }
      memmove(in, in + at, inTo - at);
      inTo -= at;
    }
  }
}
