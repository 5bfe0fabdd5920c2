/* sockets.c - Linux's socket calls beyond POSIX.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatform.h"

#ifdef __linux__
#include <errno.h>

int plat_accept(int socket, struct sockaddr *address, socklen_t *length) {
    for (;;) {
        int fd = accept4(socket, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) return fd;
        if (errno != EINTR) return -errno;
    }
}
#else
typedef int plat_no_linux_sockets;
#endif
