/* tap.h - what the files of lima-netd-tap share. See README.md for the review.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LIMA_NETD_TAP_H
#define LIMA_NETD_TAP_H

#include <net/if.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit status. */
#define STATUS_USAGE 2   /* an argument is wrong                             */
#define STATUS_REFUSED 3 /* the request makes sense, and must not be         */
#define STATUS_SYSTEM 4  /* the kernel said no                               */

/* Says why, on standard error, in one line, and exits. */
void fail(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* ------------------------------------------------------------- arguments.c */

/* Bytes of a home as it is written down: with the rest of the alias it fits
 * into a netlink message of ours and the kernel's 256. */
#define HOME_MAX 180

enum verb { VERB_OPEN, VERB_SETUP, VERB_UNSETUP };

struct request {
    enum verb verb;
    const char *network;
    const char *bridge;  /* NULL: the TAP carries `address`; a network card's
                          * name, too: card.c                                */
    const char *home;    /* NULL: none is written down                       */
    const char *address_text;
    uint32_t address;    /* host byte order                                  */
    unsigned prefix;
    int has_address6;
    uint8_t address6[16]; /* beside `address`, of a /64                      */
    uint32_t mtu;        /* 0: the bridge's, or 1500                         */
    uid_t owner;
    char name[IFNAMSIZ]; /* of the TAP                                       */
    uint8_t mac[6];
};

/* Checks every word; does not return when one is wrong. `sudo_uid` is the
 * value of SUDO_UID, or NULL. */
void parse_arguments(int argc, char **argv, const char *sudo_uid, struct request *request);

/* ------------------------------------------------------------------ lock.c */

/* Waits for another `setup` or `unsetup`, 8 seconds at most; the end of this
 * process lets the next one. Where no folder of root's can be had there is no
 * lock. */
void lock_host(void);

/* ------------------------------------------------------------- privilege.c */

/* Leaves CAP_NET_ADMIN, which it must have, and takes all else away for good. */
void keep_net_admin(void);
/* Takes that away, too. */
void drop_everything(void);

/* --------------------------------------------------------------- netlink.c */

struct link {
    int index;
    uint32_t mtu;
    char kind[16];   /* "tun", "bridge", "openvswitch" ...; "" for none      */
    int has_owner;
    uid_t owner;     /* of a TAP                                             */
    int is_tap;      /* and not a TUN                                        */
    int persists;
    unsigned short type; /* ARPHRD_*                                         */
    unsigned flags;      /* IFF_*                                            */
    int master;          /* index of what it is a port of; 0: nothing        */
};

/* In the network namespace of now; the socket before it is closed. */
void netlink_open(void);
/* 0 when there is no such interface. */
int link_find(const char *name, struct link *link);
/* MTU, queue length, hardware address; the interface is still down. */
void link_configure(const char *name, int index, uint32_t mtu, const uint8_t mac[6]);
void link_set_master(const char *name, int index, int master, const char *bridge);
/* Off its bridge. A port of Open vSwitch may stay one where that is wanted. */
void link_leave(const char *name, int index, int or_stay_with_switch);
/* "lima-netd port of BRIDGE of HOME", without what is "". */
void link_set_alias(const char *name, int index, const char *bridge, const char *home);
/* Sets these flags (IFF_UP and others). */
void link_up(const char *name, int index, unsigned flags);
/* A macvtap (mode bridge) on the card, in this process's network namespace, by
 * a socket that may be of another one. Down; errno, or 0. */
int link_make_macvtap(const char *name, int index, int card, const uint8_t mac[6]);
void address_add(const struct request *request, int index);
/* The IPv6 address, and the link-local one of the interface's Ethernet address.
 * The interface is up. */
void address6_add(const struct request *request, int index);
/* Takes all IPv4 addresses off the interface. */
void address_flush(const char *name, int index);
/* Fails, naming it, when another interface has an address of the subnet. */
void subnet_check(const struct request *request, int own_index);

/* ---------------------------------------------------------------- device.c */

/* Makes the TAP, or (`again`) attaches to the one there is. Its descriptor. */
int device_open(const struct request *request, int again);
void device_persist(int fd, int on);
/* Settings of the interface by which it is less than a full member of the
 * host's network: no IPv6, no forwarding, no redirects. IPv6 addresses that it
 * had are gone. */
void device_confine(const struct request *request);
/* IPv6 with the addresses that it is given, and none of its own making. 0 where
 * the kernel has none, or the administrator has turned it off for new interfaces. */
int device_allow_ipv6(const struct request *request);
/* Sends the descriptor over standard input. */
void device_hand_over(int fd, const char *name);
/* Whether standard input is a unix socket. */
int input_is_socket(void);

/* ------------------------------------------------------------------ card.c */

/* Whether the request is for a guest on a network card, and not for the port of
 * a bridge. Refuses cards that cannot have one, and what is asked for them in vain. */
int card_find(const struct request *request, struct link *card);
/* A network namespace of this process's own. Needs CAP_SYS_ADMIN, once. */
void card_enter(void);
/* The macvtap's descriptor; with its last duplicate namespace and macvtap are gone. */
int card_open(const struct request *request, const struct link *card);

#endif /* LIMA_NETD_TAP_H */
