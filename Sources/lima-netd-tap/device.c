/* device.c - creates the TAP (Documentation/networking/tuntap.rst), sets up its interface and passes its
 * descriptor on.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IFF_TUN_EXCL
#define IFF_TUN_EXCL 0x8000
#endif

int device_open(const struct request *request, int again) {
    struct ifreq interface;
    int header = 12; /* struct virtio_net_hdr_v1 */
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        fail(STATUS_SYSTEM, "/dev/net/tun: %s%s", strerror(errno),
             errno == ENOENT ? " (load the driver: modprobe tun)" : "");
    memset(&interface, 0, sizeof interface);
    memcpy(interface.ifr_name, request->name, IFNAMSIZ);
    /* IFF_TUN_EXCL: fails if an interface of that name exists. */
    interface.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (again ? 0 : IFF_TUN_EXCL));
    if (ioctl(fd, TUNSETIFF, &interface) < 0) {
        if (errno == EBUSY)
            fail(STATUS_REFUSED, again ? "the TAP %s is in use: stop the network %s first"
                                       : "there is an interface %s already (network %s)",
                 request->name, request->network);
        fail(STATUS_SYSTEM, "the TAP %s cannot be made: %s", request->name, strerror(errno));
    }
    if (strncmp(interface.ifr_name, request->name, IFNAMSIZ) != 0)
        fail(STATUS_SYSTEM, "the kernel gave the TAP another name than %s", request->name);
    /* Before it becomes persistent: any user may open a TAP without an owner. */
    if (ioctl(fd, TUNSETOWNER, (unsigned long)request->owner) < 0)
        fail(STATUS_SYSTEM, "TUNSETOWNER %u: %s", (unsigned)request->owner, strerror(errno));
    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
        fail(STATUS_SYSTEM, "TUNSETVNETHDRSZ: %s", strerror(errno));
    return fd;
}

void device_persist(int fd, int on) {
    if (ioctl(fd, TUNSETPERSIST, (unsigned long)on) < 0)
        fail(STATUS_SYSTEM, "TUNSETPERSIST: %s", strerror(errno));
}

/* Systems without the setting do not need it. */
static void write_setting(const char *family, const char *name, const char *key, const char *value) {
    char path[128];
    int length = snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, name, key);
    if (length < 0 || (size_t)length >= sizeof path) fail(STATUS_SYSTEM, "a path is too long");
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return;
    if (fd < 0 || write(fd, value, 1) != 1)
        fail(STATUS_SYSTEM, "%s cannot be set to %s: %s", path, value, strerror(errno));
    close(fd);
}

void device_confine(const struct request *request) {
    const char *name = request->name;
    write_setting("ipv6", name, "accept_ra", "0");
    write_setting("ipv6", name, "autoconf", "0");
    write_setting("ipv6", name, "disable_ipv6", "1");
    write_setting("ipv4", name, "forwarding", "0");
    write_setting("ipv4", name, "rp_filter", "1");
    write_setting("ipv4", name, "accept_redirects", "0");
    write_setting("ipv4", name, "send_redirects", "0");
    write_setting("ipv4", name, "accept_source_route", "0");
    write_setting("ipv4", name, "route_localnet", "0");
    write_setting("ipv4", name, "arp_ignore", "1");
}

int device_allow_ipv6(const struct request *request) {
    const char *name = request->name;
    char off = '0', path[128];
    int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || read(fd, &off, 1) != 1) off = '1';
    if (fd >= 0) close(fd);
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s", name);
    if (off != '0' || access(path, F_OK) < 0) return 0;
    write_setting("ipv6", name, "forwarding", "0");
    write_setting("ipv6", name, "accept_redirects", "0");
    write_setting("ipv6", name, "proxy_ndp", "0");
    /* No router solicitations, no autoconfigured addresses, no Duplicate Address Detection. */
    write_setting("ipv6", name, "router_solicitations", "0");
    write_setting("ipv6", name, "addr_gen_mode", "1");
    write_setting("ipv6", name, "dad_transmits", "0");
    /* Keeps IPv6 addresses while the interface is down, as IPv4 addresses are. */
    write_setting("ipv6", name, "keep_addr_on_down", "1");
    write_setting("ipv6", name, "disable_ipv6", "0");
    return 1;
}

int input_is_socket(void) {
    int domain = 0;
    socklen_t length = sizeof domain;
    return getsockopt(0, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_UNIX;
}

void device_hand_over(int fd, const char *name) {
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec piece = {(void *)name, strlen(name)};
    struct msghdr message;
    memset(&control, 0, sizeof control);
    memset(&message, 0, sizeof message);
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
    ssize_t sent;
    do sent = sendmsg(0, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) fail(STATUS_SYSTEM, "nobody takes the TAP: %s", strerror(errno));
}
