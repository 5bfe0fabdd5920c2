/* fds.c - descriptors over Unix sockets (SCM_RIGHTS), and credentials of peers.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0
#endif

union control {
    char bytes[CMSG_SPACE(sizeof(int) * PLAT_MAX_FDS)];
    struct cmsghdr align;
};

ssize_t plat_send_fds(int socket, const void *bytes, uint64_t length, const int *fds,
                      uint32_t fd_count, int flags) {
    struct iovec iov = {(void *)bytes, length};
    struct msghdr message = {0};
    union control control;
    if (fd_count > PLAT_MAX_FDS) return -EINVAL;
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    for (;;) {
        ssize_t n = sendmsg(socket, &message, flags);
        if (n >= 0) return n;
        if (errno != EINTR) return -errno;
    }
}

ssize_t plat_recv_fds(int socket, void *bytes, uint64_t length, int *fds, uint32_t *fd_count,
                      int flags) {
    struct iovec iov = {bytes, length};
    struct msghdr message = {0};
    union control control;
    ssize_t n;
    *fd_count = 0;
    message.msg_iov = &iov;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    do {
        n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return -errno;
    uint32_t count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        uint64_t held = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        const unsigned char *data = CMSG_DATA(header);
        for (uint64_t i = 0; i < held; i++) {
            int fd;
            memcpy(&fd, data + i * sizeof(int), sizeof fd);
            if (count < PLAT_MAX_FDS) {
                fds[count++] = fd;
                if (MSG_CMSG_CLOEXEC == 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
            } else {
                close(fd);
            }
        }
    }
    if (message.msg_flags & MSG_CTRUNC) {
        for (uint32_t i = 0; i < count; i++) close(fds[i]);
        count = PLAT_LOST_FDS;
    }
    *fd_count = count;
    return n;
}

int plat_peer_credentials(int socket, int32_t *pid, uint32_t *uid, uint32_t *gid) {
#ifdef __linux__
    struct ucred who;
    socklen_t size = sizeof who;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return -errno;
    *pid = who.pid;
    *uid = who.uid;
    *gid = who.gid;
#else
    uid_t u;
    gid_t g;
    if (getpeereid(socket, &u, &g) != 0) return -errno;
    *pid = 0;
    *uid = u;
    *gid = g;
#endif
    return 0;
}
