/* tap.h - declarations shared by the files of lima-netd-tap. README.md is the guide for its review.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LIMA_NETD_TAP_H
#define LIMA_NETD_TAP_H

#include <net/if.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit status. */
#define STATUS_USAGE 2   /* an argument is invalid                           */
#define STATUS_REFUSED 3 /* the request is valid, and refused                */
#define STATUS_SYSTEM 4  /* a system call failed                             */

/* Writes the reason to standard error as one line, and exits. */
void fail(int status, const char *format, ...) __attribute__((noreturn, format(printf, 2, 3)));

/* ------------------------------------------------------------- arguments.c */

/* Maximum length of an encoded home: with the rest of the alias it fits into a netlink message of this
 * program and into the kernel's 256 bytes. */
#define HOME_MAX 180

enum verb { VERB_OPEN, VERB_SETUP, VERB_UNSETUP };

struct request {
    enum verb verb;
    const char *network;
    const char *bridge;  /* NULL: the TAP carries `address`; a network card's
                          * name, too: card.c                                */
    const char *home;    /* NULL: not recorded                               */
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

/* Checks all arguments; does not return if one is invalid. `sudo_uid` is the value of SUDO_UID, or NULL. */
void parse_arguments(int argc, char **argv, const char *sudo_uid, struct request *request);

/* ------------------------------------------------------------------ lock.c */

/* Waits for another `setup` or `unsetup`, 8 seconds at most; the end of this
 * process lets the next one. Where no folder of root's can be had there is no
 * lock. */
void lock_host(void);

/* ------------------------------------------------------------- privilege.c */

/* Keeps CAP_NET_ADMIN, which the process must have, and drops all other privileges permanently. */
void keep_net_admin(void);
/* Drops CAP_NET_ADMIN, too. */
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

/* Opens the netlink socket in the present network namespace, and closes the previous one. */
void netlink_open(void);
/* Returns 0 if the interface does not exist. */
int link_find(const char *name, struct link *link);
/* Sets MTU, queue length and hardware address; the interface is still down. */
void link_configure(const char *name, int index, uint32_t mtu, const uint8_t mac[6]);
void link_set_master(const char *name, int index, int master, const char *bridge);
/* Removes the interface from its bridge. With `or_stay_with_switch` a port of Open vSwitch may stay one. */
void link_leave(const char *name, int index, int or_stay_with_switch);
/* Sets the alias "lima-netd port of BRIDGE of HOME", without the parts that are "". */
void link_set_alias(const char *name, int index, const char *bridge, const char *home);
/* Sets these flags (IFF_UP and others). */
void link_up(const char *name, int index, unsigned flags);
/* Creates a macvtap (mode bridge) on the card, in this process's network namespace, through a socket that
 * may be of another one. It is down. Returns errno, or 0. */
int link_make_macvtap(const char *name, int index, int card, const uint8_t mac[6]);
void address_add(const struct request *request, int index);
/* Adds the IPv6 address, and the link-local address derived from the interface's Ethernet address. The
 * interface is up. */
void address6_add(const struct request *request, int index);
/* Removes all IPv4 addresses of the interface. */
void address_flush(const char *name, int index);
/* Fails with the name of another interface that has an address in the subnet. */
void subnet_check(const struct request *request, int own_index);

/* ---------------------------------------------------------------- device.c */

/* Creates the TAP, or (`again`) attaches to the existing one. Returns its descriptor. */
int device_open(const struct request *request, int again);
void device_persist(int fd, int on);
/* Restricts the interface on the host: no IPv6, no forwarding, no redirects. Removes its IPv6 addresses. */
void device_confine(const struct request *request);
/* Enables IPv6 with assigned addresses only. 0 if the kernel has no IPv6, or the administrator has
 * disabled it for new interfaces. */
int device_allow_ipv6(const struct request *request);
/* Sends the descriptor over standard input. */
void device_hand_over(int fd, const char *name);
/* Whether standard input is a unix socket. */
int input_is_socket(void);

/* ------------------------------------------------------------------ card.c */

/* Whether the request is for a guest on a network card, and not for a port of a bridge. Fails for cards
 * that cannot have a macvtap, and for options that do not apply. */
int card_find(const struct request *request, struct link *card);
/* Enters a new network namespace. Needs CAP_SYS_ADMIN; once. */
void card_enter(void);
/* Creates the macvtap and returns its descriptor. Closing the last duplicate destroys namespace and
 * macvtap. */
int card_open(const struct request *request, const struct link *card);

#endif /* LIMA_NETD_TAP_H */
