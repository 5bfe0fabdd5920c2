/* card.c - a macvtap for a guest on a network card.
 *
 * Unlike a TAP, a macvtap exists until it is deleted, with or without open descriptors. It is therefore
 * created in a network namespace without processes. An open /dev/tapN holds a reference to the namespace
 * that it was opened in (tap_open: sk_alloc); when its last duplicate is closed, the namespace and the
 * macvtap in it are destroyed. The macvtap never appears among the host's interfaces, and no service of
 * the host configures it.
 *
 * Its Ethernet address must become the guest's, which is not known yet: the holder of the descriptor may
 * set it (SIOCSIFHWADDR in tap.c checks no capability).
 *
 * Sources: Linux drivers/net/macvlan.c, drivers/net/tap.c, net/core/rtnetlink.c; network_namespaces(7).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

int card_find(const struct request *request, struct link *card) {
    char bridge[IFNAMSIZ] = "?";
    memset(card, 0, sizeof *card);
    if (request->verb == VERB_UNSETUP || !request->bridge || !link_find(request->bridge, card)) return 0;
    /* "tun" is also the local port of a userspace Open vSwitch bridge. */
    if (strcmp(card->kind, "bridge") == 0 || strcmp(card->kind, "openvswitch") == 0 ||
        strcmp(card->kind, "tun") == 0 || card->type != ARPHRD_ETHER || card->flags & IFF_LOOPBACK)
        return 0;
    if (card->master) {
        if (!if_indextoname((unsigned)card->master, bridge)) memcpy(bridge, "?", 2);
        fail(STATUS_REFUSED, "%s is a port of %s: give network %s that one as its interface", request->bridge,
             bridge, request->network);
    }
    if (request->verb == VERB_SETUP)
        fail(STATUS_REFUSED,
             "%s is a network card: each guest gets a macvtap when it comes, and nothing can be set up before",
             request->bridge);
    return 1;
}

void card_enter(void) {
    if (unshare(CLONE_NEWNET) < 0)
        fail(errno == EPERM ? STATUS_REFUSED : STATUS_SYSTEM,
             "a network namespace for the macvtap: %s%s", strerror(errno),
             errno == EPERM ? " (it needs CAP_SYS_ADMIN: root has it)" : "");
}

/* Checks the device behind the descriptor, whatever the name of its file. */
static int is_ours(int fd, const char *name, const uint8_t mac[6]) {
    struct ifreq interface;
    memset(&interface, 0, sizeof interface);
    if (ioctl(fd, TUNGETIFF, &interface) < 0 || strncmp(interface.ifr_name, name, IFNAMSIZ) != 0) return 0;
    memset(&interface, 0, sizeof interface);
    return ioctl(fd, SIOCGIFHWADDR, &interface) == 0 && memcmp(interface.ifr_hwaddr.sa_data, mac, 6) == 0;
}

int card_open(const struct request *request, const struct link *card) {
    struct {
        uint8_t mac[6];
        uint32_t index;
    } chosen;
    struct ifreq interface;
    char path[32];
    int header = 12; /* struct virtio_net_hdr_v1 */
    if (getrandom(&chosen, sizeof chosen, 0) != (ssize_t)sizeof chosen)
        fail(STATUS_SYSTEM, "getrandom: %s", strerror(errno));
    chosen.mac[0] = (uint8_t)((chosen.mac[0] & 0xfe) | 0x02);
    /* /dev/tapN is named after the interface index, and a device of another namespace may have the same:
     * small indices surely do. */
    int index = (int)((chosen.index & 0x3fffffff) | 0x20000000);

    int error = link_make_macvtap(request->name, index, card->index, chosen.mac);
    if (error)
        fail(STATUS_SYSTEM, "a macvtap on %s: %s%s", request->bridge, strerror(error),
             error == EOPNOTSUPP ? " (load the driver: modprobe macvtap)"
             : error == EBUSY    ? " (something else has the card: a bridge, a bond or an ipvlan)"
                                 : "");
    netlink_open();
    device_confine(request);
    snprintf(path, sizeof path, "/dev/tap%d", index);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    if (fd < 0)
        fail(STATUS_SYSTEM, "%s: %s%s", path, strerror(errno),
             errno == ENOENT ? " (devtmpfs makes it: is it mounted at /dev?)" : "");
    if (!is_ours(fd, request->name, chosen.mac))
        fail(STATUS_SYSTEM, "%s is another device than the macvtap just made", path);
    memset(&interface, 0, sizeof interface);
    interface.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    if (ioctl(fd, TUNSETIFF, &interface) < 0)
        fail(STATUS_SYSTEM, "%s: TUNSETIFF: %s", path, strerror(errno));
    if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0)
        fail(STATUS_SYSTEM, "%s: TUNSETVNETHDRSZ: %s", path, strerror(errno));
    /* Without IFF_ALLMULTI the guest would get no multicast that the namespace has not joined, and so no
     * IPv6. */
    link_up(request->name, index, IFF_UP | IFF_ALLMULTI);
    return fd;
}
