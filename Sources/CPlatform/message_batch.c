/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "message_batch.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#ifdef MSG_NOSIGNAL
#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)
#else
#define SEND_FLAGS MSG_DONTWAIT /* the owner of the socket sets SO_NOSIGPIPE */
#endif

#ifdef __linux__

_Static_assert(sizeof(struct cplatform_message) == sizeof(struct mmsghdr), "layout of mmsghdr");
_Static_assert(offsetof(struct cplatform_message, length) == offsetof(struct mmsghdr, msg_len),
               "layout of mmsghdr");

int cplatform_receive_batch(int fd, struct cplatform_message *messages, unsigned int count) {
  int n;
  do {
    n = recvmmsg(fd, (struct mmsghdr *)messages, count, MSG_DONTWAIT, NULL);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

int cplatform_send_batch(int fd, struct cplatform_message *messages, unsigned int count) {
  int n;
  do {
    n = sendmmsg(fd, (struct mmsghdr *)messages, count, SEND_FLAGS);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

#else

int cplatform_receive_batch(int fd, struct cplatform_message *messages, unsigned int count) {
  for (unsigned int i = 0; i < count; i++) {
    ssize_t n;
    do {
      n = recvmsg(fd, &messages[i].header, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return i ? (int)i : -errno;
    messages[i].length = (unsigned int)n;
  }
  return (int)count;
}

int cplatform_send_batch(int fd, struct cplatform_message *messages, unsigned int count) {
  for (unsigned int i = 0; i < count; i++) {
    ssize_t n;
    do {
      n = sendmsg(fd, &messages[i].header, SEND_FLAGS);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return i ? (int)i : -errno;
    messages[i].length = (unsigned int)n;
  }
  return (int)count;
}

#endif

long cplatform_send_vector(int fd, const struct iovec *pieces, int count) {
  struct msghdr header;
  memset(&header, 0, sizeof header);
  header.msg_iov = (struct iovec *)pieces;
  header.msg_iovlen = (unsigned int)count;
  ssize_t n;
  do {
    n = sendmsg(fd, &header, SEND_FLAGS);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? -(long)errno : (long)n;
}
