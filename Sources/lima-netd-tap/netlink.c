/* netlink.c - rtnetlink(7): queries interfaces, and changes the one requested.
 *
 * Answers are from the kernel (the sender's address is checked), but their lengths are checked
 * nevertheless.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "tap.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Frames that the kernel queues for a slow reader: a TAP drops frames beyond that, while a real card makes
 * TCP wait. */
#define QUEUE_LENGTH 10000

static int netlink_fd = -1;
static uint32_t sequence;

struct message {
    struct nlmsghdr head;
    char body[256];
};

void netlink_open(void) {
    int on = 1;
    struct sockaddr_nl self;
    if (netlink_fd >= 0) close(netlink_fd);
    netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink_fd < 0) fail(STATUS_SYSTEM, "netlink: %s", strerror(errno));
    memset(&self, 0, sizeof self);
    self.nl_family = AF_NETLINK;
    if (bind(netlink_fd, (struct sockaddr *)&self, sizeof self) < 0)
        fail(STATUS_SYSTEM, "netlink: %s", strerror(errno));
    setsockopt(netlink_fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
}

static void begin(struct message *m, uint16_t type, uint16_t flags, const void *header, size_t size) {
    memset(m, 0, sizeof *m);
    m->head.nlmsg_type = type;
    m->head.nlmsg_flags = NLM_F_REQUEST | flags;
    m->head.nlmsg_seq = ++sequence;
    memcpy(m->body, header, size);
    m->head.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + NLMSG_ALIGN(size));
}

static void attribute(struct message *m, uint16_t type, const void *value, size_t size) {
    size_t at = m->head.nlmsg_len - NLMSG_HDRLEN;
    struct rtattr head = {(unsigned short)RTA_LENGTH(size), type};
    if (at + RTA_SPACE(size) > sizeof m->body) fail(STATUS_SYSTEM, "a netlink request is too long");
    memcpy(m->body + at, &head, sizeof head);
    if (size) memcpy(m->body + at + RTA_LENGTH(0), value, size);
    m->head.nlmsg_len += (uint32_t)RTA_SPACE(size);
}

typedef void visitor(const struct nlmsghdr *message, void *context);

/* Sends a request, calls `visit` for each answer, and returns the errno of the final one (0: success). */
static int ask(struct message *m, visitor *visit, void *context) {
    static char buffer[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
    if (send(netlink_fd, m, m->head.nlmsg_len, 0) < 0)
        fail(STATUS_SYSTEM, "netlink: %s", strerror(errno));
    for (;;) {
        struct sockaddr_nl from;
        socklen_t from_length = sizeof from;
        ssize_t n = recvfrom(netlink_fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from,
                             &from_length);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail(STATUS_SYSTEM, "netlink: %s", strerror(errno));
        if (from_length != sizeof from || from.nl_pid != 0) continue; /* not from the kernel */
        int left = (int)n;
        for (struct nlmsghdr *one = (struct nlmsghdr *)buffer; NLMSG_OK(one, left);
             one = NLMSG_NEXT(one, left)) {
            if (one->nlmsg_seq != m->head.nlmsg_seq) continue;
            if (one->nlmsg_type == NLMSG_DONE) return 0;
            if (one->nlmsg_type == NLMSG_ERROR) {
                const struct nlmsgerr *error = NLMSG_DATA(one);
                if (one->nlmsg_len < NLMSG_LENGTH(sizeof *error)) return EPROTO;
                return -error->error;
            }
            if (visit) visit(one, context);
        }
    }
}

/* ------------------------------------------------------------------- links */

static void read_tun(const struct rtattr *data, struct link *link) {
    int left = (int)RTA_PAYLOAD(data);
    for (const struct rtattr *a = RTA_DATA(data); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        uint32_t word = 0;
        uint8_t byte = 0;
        if (RTA_PAYLOAD(a) >= 4) memcpy(&word, RTA_DATA(a), 4);
        if (RTA_PAYLOAD(a) >= 1) memcpy(&byte, RTA_DATA(a), 1);
        switch (a->rta_type & NLA_TYPE_MASK) {
        case IFLA_TUN_OWNER:
            link->has_owner = 1;
            link->owner = (uid_t)word;
            break;
        case IFLA_TUN_TYPE: link->is_tap = byte == 2; break; /* IFF_TAP */
        case IFLA_TUN_PERSIST: link->persists = byte; break;
        }
    }
}

static void read_link(const struct nlmsghdr *message, void *context) {
    struct link *link = context;
    if (message->nlmsg_type != RTM_NEWLINK || message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        return;
    const struct ifinfomsg *info = NLMSG_DATA(message);
    link->index = info->ifi_index;
    link->type = info->ifi_type;
    link->flags = info->ifi_flags;
    int left = (int)IFLA_PAYLOAD(message);
    for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == IFLA_MTU && RTA_PAYLOAD(a) >= 4) memcpy(&link->mtu, RTA_DATA(a), 4);
        if (a->rta_type == IFLA_MASTER && RTA_PAYLOAD(a) >= 4) memcpy(&link->master, RTA_DATA(a), 4);
        if ((a->rta_type & NLA_TYPE_MASK) != IFLA_LINKINFO) continue;
        int inner = (int)RTA_PAYLOAD(a);
        for (const struct rtattr *b = RTA_DATA(a); RTA_OK(b, inner); b = RTA_NEXT(b, inner)) {
            if (b->rta_type == IFLA_INFO_KIND) {
                size_t length = RTA_PAYLOAD(b);
                if (length >= sizeof link->kind) length = sizeof link->kind - 1;
                memcpy(link->kind, RTA_DATA(b), length);
            } else if ((b->rta_type & NLA_TYPE_MASK) == IFLA_INFO_DATA && strcmp(link->kind, "tun") == 0) {
                read_tun(b, link);
            }
        }
    }
}

int link_find(const char *name, struct link *link) {
    struct message m;
    struct ifinfomsg info;
    memset(link, 0, sizeof *link);
    memset(&info, 0, sizeof info);
    begin(&m, RTM_GETLINK, NLM_F_ACK, &info, sizeof info);
    attribute(&m, IFLA_IFNAME, name, strlen(name) + 1);
    int error = ask(&m, read_link, link);
    if (error == ENODEV) return 0;
    if (error) fail(STATUS_SYSTEM, "the interface %s cannot be looked at: %s", name, strerror(error));
    return link->index > 0;
}

static void begin_change(struct message *m, int index, unsigned flags) {
    struct ifinfomsg info;
    memset(&info, 0, sizeof info);
    info.ifi_index = index;
    info.ifi_flags = flags;
    info.ifi_change = flags;
    begin(m, RTM_NEWLINK, NLM_F_ACK, &info, sizeof info);
}

static void change(struct message *m, const char *name, const char *what) {
    int error = ask(m, NULL, NULL);
    if (error) fail(STATUS_SYSTEM, "%s of %s: %s", what, name, strerror(error));
}

void link_configure(const char *name, int index, uint32_t mtu, const uint8_t mac[6]) {
    struct message m;
    uint32_t queue = QUEUE_LENGTH;
    begin_change(&m, index, 0);
    attribute(&m, IFLA_ADDRESS, mac, 6);
    change(&m, name, "the hardware address");
    begin_change(&m, index, 0);
    attribute(&m, IFLA_MTU, &mtu, sizeof mtu);
    attribute(&m, IFLA_TXQLEN, &queue, sizeof queue);
    change(&m, name, "the MTU");
}

void link_set_master(const char *name, int index, int master, const char *bridge) {
    struct message m;
    begin_change(&m, index, 0);
    attribute(&m, IFLA_MASTER, &master, sizeof master);
    int error = ask(&m, NULL, NULL);
    if (error) fail(STATUS_SYSTEM, "%s cannot join %s: %s", name, bridge, strerror(error));
}

void link_leave(const char *name, int index, int or_stay_with_switch) {
    struct message m;
    int none = 0;
    begin_change(&m, index, 0);
    attribute(&m, IFLA_MASTER, &none, sizeof none);
    int error = ask(&m, NULL, NULL);
    /* A port of Open vSwitch's kernel datapath can only be removed by its own tools. */
    if (error == EOPNOTSUPP && or_stay_with_switch) return;
    if (error) fail(STATUS_SYSTEM, "%s cannot leave its bridge: %s", name, strerror(error));
}

void link_set_alias(const char *name, int index, const char *bridge, const char *home) {
    struct message m;
    char text[236] = "";
    int length = 0;
    if (bridge[0] || home[0])
        length = snprintf(text, sizeof text, "lima-netd%s%s%s%s", bridge[0] ? " port of " : "", bridge,
                          home[0] ? " of " : "", home);
    if (length < 0 || (size_t)length >= sizeof text) fail(STATUS_SYSTEM, "an alias is too long");
    begin_change(&m, index, 0);
    attribute(&m, IFLA_IFALIAS, text, (size_t)length);
    change(&m, name, "the alias");
}

void link_up(const char *name, int index, unsigned flags) {
    struct message m;
    begin_change(&m, index, flags);
    change(&m, name, "bringing up");
}

/* Begins a nested attribute and returns its offset. */
static size_t nest(struct message *m, uint16_t type) {
    size_t at = m->head.nlmsg_len - NLMSG_HDRLEN;
    attribute(m, type, NULL, 0);
    return at;
}

static void end_nest(struct message *m, size_t at) {
    struct rtattr head;
    memcpy(&head, m->body + at, sizeof head);
    head.rta_len = (unsigned short)(m->head.nlmsg_len - NLMSG_HDRLEN - at);
    memcpy(m->body + at, &head, sizeof head);
}

int link_make_macvtap(const char *name, int index, int card, const uint8_t mac[6]) {
    struct message m;
    struct ifinfomsg info;
    uint32_t queue = QUEUE_LENGTH, mode = MACVLAN_MODE_BRIDGE, pid = (uint32_t)getpid();
    memset(&info, 0, sizeof info);
    info.ifi_index = index;
    begin(&m, RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
    attribute(&m, IFLA_IFNAME, name, strlen(name) + 1);
    attribute(&m, IFLA_ADDRESS, mac, 6);
    attribute(&m, IFLA_LINK, &card, sizeof card);
    attribute(&m, IFLA_TXQLEN, &queue, sizeof queue);
    attribute(&m, IFLA_NET_NS_PID, &pid, sizeof pid);
    size_t outer = nest(&m, IFLA_LINKINFO);
    attribute(&m, IFLA_INFO_KIND, "macvtap", 7);
    size_t inner = nest(&m, IFLA_INFO_DATA);
    attribute(&m, IFLA_MACVLAN_MODE, &mode, sizeof mode);
    end_nest(&m, inner);
    end_nest(&m, outer);
    return ask(&m, NULL, NULL);
}

/* --------------------------------------------------------------- addresses */

struct one_address {
    int index;
    unsigned prefix;
    uint32_t address; /* host byte order */
};

static int read_address(const struct nlmsghdr *message, struct one_address *out) {
    if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
        return 0;
    const struct ifaddrmsg *info = NLMSG_DATA(message);
    if (info->ifa_family != AF_INET || info->ifa_prefixlen > 32) return 0;
    out->index = (int)info->ifa_index;
    out->prefix = info->ifa_prefixlen;
    int left = (int)IFA_PAYLOAD(message), found = 0;
    for (const struct rtattr *a = IFA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type != IFA_LOCAL || RTA_PAYLOAD(a) < 4) continue;
        memcpy(&out->address, RTA_DATA(a), 4);
        out->address = ntohl(out->address);
        found = 1;
    }
    return found;
}

static void dump_addresses(unsigned char family, visitor *visit, void *context) {
    struct message m;
    struct ifaddrmsg info;
    memset(&info, 0, sizeof info);
    info.ifa_family = family;
    begin(&m, RTM_GETADDR, NLM_F_DUMP, &info, sizeof info);
    int error = ask(&m, visit, context);
    if (error) fail(STATUS_SYSTEM, "addresses cannot be listed: %s", strerror(error));
}

struct clash {
    const struct request *request;
    int own_index;
    struct one_address with; /* index 0: none */
    uint8_t with6[16];       /* instead of its address, of IPv6 */
};

/* Whether another interface has an IPv6 address in the same /64, or a subnet that contains it. */
static void look_for_clash6(const struct nlmsghdr *message, void *context) {
    struct clash *clash = context;
    if (clash->with.index || message->nlmsg_type != RTM_NEWADDR ||
        message->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifaddrmsg)))
        return;
    const struct ifaddrmsg *info = NLMSG_DATA(message);
    unsigned prefix = info->ifa_prefixlen < 64 ? info->ifa_prefixlen : 64;
    if (info->ifa_family != AF_INET6 || (int)info->ifa_index == clash->own_index || prefix == 0) return;
    int left = (int)IFA_PAYLOAD(message);
    for (const struct rtattr *a = IFA_RTA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type != IFA_ADDRESS || RTA_PAYLOAD(a) < 16) continue;
        const uint8_t *theirs = RTA_DATA(a), *ours = clash->request->address6;
        unsigned i = 0;
        while (i < prefix && !((theirs[i / 8] ^ ours[i / 8]) & (0x80u >> i % 8))) i++;
        if (i < prefix) continue;
        clash->with.index = (int)info->ifa_index;
        clash->with.prefix = info->ifa_prefixlen;
        memcpy(clash->with6, theirs, 16);
    }
}

static uint32_t mask(unsigned prefix) { return prefix ? 0xffffffffu << (32 - prefix) : 0; }

static void look_for_clash(const struct nlmsghdr *message, void *context) {
    struct clash *clash = context;
    struct one_address one;
    if (clash->with.index || !read_address(message, &one) || one.index == clash->own_index) return;
    unsigned prefix = one.prefix < clash->request->prefix ? one.prefix : clash->request->prefix;
    if (((one.address ^ clash->request->address) & mask(prefix)) == 0) clash->with = one;
}

void subnet_check(const struct request *request, int own_index) {
    struct clash clash;
    memset(&clash, 0, sizeof clash);
    clash.request = request;
    clash.own_index = own_index;
    dump_addresses(AF_INET, look_for_clash, &clash);
    int is_six = !clash.with.index && request->has_address6;
    if (is_six) dump_addresses(AF_INET6, look_for_clash6, &clash);
    if (!clash.with.index) return;
    char name[IFNAMSIZ] = "?", address[INET6_ADDRSTRLEN] = "?", wanted[INET6_ADDRSTRLEN] = "?";
    struct in_addr raw = {htonl(clash.with.address)};
    if (!if_indextoname((unsigned)clash.with.index, name)) memcpy(name, "?", 2);
    if (is_six) {
        inet_ntop(AF_INET6, clash.with6, address, sizeof address);
        inet_ntop(AF_INET6, request->address6, wanted, sizeof wanted);
        fail(STATUS_REFUSED,
             "the IPv6 network of %s/64 is on interface %s already, which has %s/%u: give network %s another "
             "prefix6",
             wanted, name, address, clash.with.prefix, request->network);
    }
    inet_ntop(AF_INET, &raw, address, sizeof address);
    fail(STATUS_REFUSED,
         "the subnet of %s is on interface %s already, which has %s/%u: give network %s another "
         "gateway",
         request->address_text, name, address, clash.with.prefix, request->network);
}

static void change_address(uint16_t type, uint16_t flags, int index, unsigned prefix, uint32_t address,
                           const char *name, const char *what) {
    struct message m;
    struct ifaddrmsg info;
    uint32_t raw = htonl(address), broadcast = htonl(address | ~mask(prefix));
    memset(&info, 0, sizeof info);
    info.ifa_family = AF_INET;
    info.ifa_prefixlen = (uint8_t)prefix;
    info.ifa_index = (uint32_t)index;
    begin(&m, type, (uint16_t)(flags | NLM_F_ACK), &info, sizeof info);
    attribute(&m, IFA_LOCAL, &raw, 4);
    attribute(&m, IFA_ADDRESS, &raw, 4);
    if (type == RTM_NEWADDR) attribute(&m, IFA_BROADCAST, &broadcast, 4);
    change(&m, name, what);
}

void address_add(const struct request *request, int index) {
    change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, request->prefix, request->address,
                   request->name, "the address");
}

static void add_address6(const struct request *request, int index, const uint8_t address[16]) {
    struct message m;
    struct ifaddrmsg info;
    memset(&info, 0, sizeof info);
    info.ifa_family = AF_INET6;
    info.ifa_prefixlen = 64;
    /* No other station can have it: frames that claim it are dropped. */
    info.ifa_flags = IFA_F_NODAD;
    info.ifa_index = (uint32_t)index;
    begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &info, sizeof info);
    attribute(&m, IFA_LOCAL, address, 16);
    attribute(&m, IFA_ADDRESS, address, 16);
    change(&m, request->name, "the IPv6 address");
}

void address6_add(const struct request *request, int index) {
    const uint8_t *mac = request->mac;
    /* Guests have the link-local address (RFC 4291, appendix A) as that of their router. */
    const uint8_t link_local[16] = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, mac[0] ^ 2, mac[1], mac[2], 0xff,
                                    0xfe, mac[3], mac[4], mac[5]};
    add_address6(request, index, link_local);
    add_address6(request, index, request->address6);
}

struct own_addresses {
    int index;
    int count;
    struct one_address found[64];
};

static void collect_own(const struct nlmsghdr *message, void *context) {
    struct own_addresses *own = context;
    struct one_address one;
    if (own->count < 64 && read_address(message, &one) && one.index == own->index)
        own->found[own->count++] = one;
}

void address_flush(const char *name, int index) {
    static struct own_addresses own;
    memset(&own, 0, sizeof own);
    own.index = index;
    dump_addresses(AF_INET, collect_own, &own);
    for (int i = 0; i < own.count; i++)
        change_address(RTM_DELADDR, 0, index, own.found[i].prefix, own.found[i].address, name,
                       "taking off an address");
}
