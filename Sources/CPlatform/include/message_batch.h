/* SPDX-License-Identifier: Apache-2.0 */
/* message_batch.h - recvmmsg and sendmmsg for Swift, which cannot see them
 * (they are behind _GNU_SOURCE), and loops of recvmsg and sendmsg where the
 * system has no such call. Never block; retry EINTR. */
#ifndef CPLATFORM_MESSAGE_BATCH_H
#define CPLATFORM_MESSAGE_BATCH_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Laid out as Linux's struct mmsghdr (asserted in message_batch.c). */
struct cplatform_message {
  struct msghdr header;
  unsigned int length; /* bytes moved; written by the calls below */
};

/* How many messages were received into `messages`, from the first on, or
 * -errno when there was none. */
int cplatform_receive_batch(int fd, struct cplatform_message *messages, unsigned int count);

/* How many messages were sent, from the first on, or -errno when the first
 * could not be. Never raises SIGPIPE. */
int cplatform_send_batch(int fd, struct cplatform_message *messages, unsigned int count);

/* One sendmsg of `count` pieces without SIGPIPE: bytes taken, or -errno. */
long cplatform_send_vector(int fd, const struct iovec *pieces, int count);

#endif
