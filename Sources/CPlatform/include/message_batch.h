/* SPDX-License-Identifier: Apache-2.0 */
/* message_batch.h - recvmmsg and sendmmsg for Swift, which does not import them (they need _GNU_SOURCE);
 * loops of recvmsg and sendmsg on systems without them. They never block, and retry after EINTR. */
#ifndef CPLATFORM_MESSAGE_BATCH_H
#define CPLATFORM_MESSAGE_BATCH_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* Same layout as Linux's struct mmsghdr (asserted in message_batch.c). */
struct cplatform_message {
  struct msghdr header;
  unsigned int length; /* bytes received or sent; set by the calls below */
};

/* Receives into `messages`, from the first on. Returns the number of messages, or -errno if there was
 * none. */
int cplatform_receive_batch(int fd, struct cplatform_message *messages, unsigned int count);

/* Sends `messages`, from the first on. Returns the number sent, or -errno if the first was not sent. Never
 * raises SIGPIPE. */
int cplatform_send_batch(int fd, struct cplatform_message *messages, unsigned int count);

/* One sendmsg of `count` pieces without SIGPIPE. Returns the number of bytes taken, or -errno. */
long cplatform_send_vector(int fd, const struct iovec *pieces, int count);

#endif
