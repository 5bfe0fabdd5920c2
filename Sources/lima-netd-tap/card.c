/* card.c - a guest on a plain network card: a macvtap of its own.
 *
 * A macvtap is no TAP: it lives until somebody deletes it, with or without
 * descriptors. So it is put into a network namespace that nobody else is in. An
 * open /dev/tapN holds the namespace it was opened in (tap_open: sk_alloc), and
 * with its last duplicate the namespace goes, and what is in it. The host's own
 * list of interfaces never shows it, and nothing of the host's configures it.
 *
 * Its Ethernet address is the guest's, which is not known yet: who holds the
 * descriptor may set it (SIOCSIFHWADDR of tap.c asks for no capability).
 *
 * Sources: Linux drivers/net/macvlan.c, drivers/net/tap.c, net/core/rtnetlink.c;
 * network_namespaces(7).
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
    /* "tun" is the local port of an Open vSwitch bridge in user space, too. */
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

/* Of the device behind the descriptor, and not of what a file was called. */
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
    /* The file /dev/tapN is called by the index, which another namespace may have
     * given as well: small ones surely. */
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
    /* Without IFF_ALLMULTI the guest would miss every group the namespace has not
     * joined, and IPv6 with them. */
    link_up(request->name, index, IFF_UP | IFF_ALLMULTI);
    return fd;
}
