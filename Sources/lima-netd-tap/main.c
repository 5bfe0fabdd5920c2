/* main.c - lima-netd-tap: creates one TAP device for a network of lima-netd, passes its descriptor to the
 * caller, and exits. It is the only part of lima-netd that runs with privileges. README.md describes the
 * order of the steps.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void fail(int status, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text - 1, format, arguments);
    va_end(arguments);
    if (length < 0) length = 0;
    if ((size_t)length > sizeof text - 2) length = sizeof text - 2;
    /* Input in messages must not control a terminal: control characters of ASCII and C1, in 8 bits or in
     * UTF-8, are replaced. */
    for (int i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f) text[i] = '?';
    text[length++] = '\n';
    ssize_t written = write(2, text, (size_t)length);
    (void)written; /* an error cannot be reported */
    _exit(status);
}

/* Opens descriptors 0, 1 and 2 if they are closed, so that nothing opened later gets their numbers, and
 * closes all others. */
static void settle_descriptors(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) _exit(STATUS_SYSTEM);
    if (syscall(SYS_close_range, 3u, ~0u, 0u) < 0)
        for (int fd = 3; fd < 1024; fd++) close(fd);
}

static void settle_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* Bounds the run time. */
    signal(SIGALRM, SIG_DFL);
    alarm(10);
}

/* Finds the TAP that `setup` made earlier; 0 if there is none. Fails if the interface belongs to another
 * user or program. */
static int find_own(const struct request *request, struct link *link) {
    if (!link_find(request->name, link)) return 0;
    if (strcmp(link->kind, "tun") != 0 || !link->is_tap)
        fail(STATUS_REFUSED, "there is an interface %s already, and it is no TAP", request->name);
    if (!link->has_owner)
        fail(STATUS_REFUSED,
             "the TAP %s has no owner: everybody could use it, so it is not used "
             "(take it away: ip tuntap del dev %s mode tap)",
             request->name, request->name);
    if (link->owner != request->owner)
        fail(STATUS_REFUSED, "the TAP %s is owned by uid %u, not by uid %u", request->name,
             (unsigned)link->owner, (unsigned)request->owner);
    return 1;
}

static void unsetup(const struct request *request) {
    struct link link;
    if (!find_own(request, &link)) return; /* already removed */
    int fd = device_open(request, 1);
    device_persist(fd, 0);
    close(fd);
}

/* Whether it is an Open vSwitch bridge: its local port has its own kind with the kernel's datapath, and is
 * a TAP of ovs-vswitchd with the userspace one. */
static int is_openvswitch(const struct link *link) {
    return strcmp(link->kind, "openvswitch") == 0 || (strcmp(link->kind, "tun") == 0 && link->is_tap);
}

static void make(const struct request *request) {
    struct link link, bridge;
    uint32_t mtu = request->mtu;
    memset(&bridge, 0, sizeof bridge);
    int again = 0, is_switch = 0;
    if (request->verb == VERB_SETUP) {
        again = find_own(request, &link);
    } else if (link_find(request->name, &link)) {
        fail(STATUS_REFUSED,
             "there is an interface %s already: another lima-netd of uid %u serves the network "
             "%s, or somebody made it",
             request->name, (unsigned)request->owner, request->network);
    }
    if (request->bridge) {
        if (!link_find(request->bridge, &bridge))
            fail(STATUS_REFUSED, "there is no interface %s", request->bridge);
        is_switch = is_openvswitch(&bridge);
        if (!is_switch && strcmp(bridge.kind, "bridge") != 0)
            fail(STATUS_REFUSED,
                 "\"%s\" is not an existing bridge: the interface of a \"bridged\" network must "
                 "be a bridge created by the host administrator",
                 request->bridge);
        if (mtu == 0) mtu = bridge.mtu;
    } else {
        subnet_check(request, again ? link.index : 0);
        if (mtu == 0) mtu = 1500;
    }

    int fd = device_open(request, again);
    if (!link_find(request->name, &link))
        fail(STATUS_SYSTEM, "the TAP %s is gone again", request->name);
    device_confine(request);
    link_configure(request->name, link.index, mtu, request->mac);
    if (again) {
        address_flush(request->name, link.index);
        if (!request->bridge || is_switch) link_leave(request->name, link.index, is_switch);
    }
    /* Stores the bridge of the port, which the kernel does not report for Open vSwitch, and the Lima home. */
    link_set_alias(request->name, link.index, is_switch ? request->bridge : "",
                   request->home ? request->home : "");
    if (is_switch)
        ; /* added by ovs-vsctl, as another user */
    else if (request->bridge)
        link_set_master(request->name, link.index, bridge.index, request->bridge);
    else
        address_add(request, link.index);
    link_up(request->name, link.index, IFF_UP);
    if (request->has_address6 && device_allow_ipv6(request)) address6_add(request, link.index);

    if (request->verb == VERB_SETUP) {
        device_persist(fd, 1);
        return;
    }
    drop_everything();
    device_hand_over(fd, request->name);
}

static void hand_over_card(const struct request *request, const struct link *card) {
    int fd = card_open(request, card);
    drop_everything();
    device_hand_over(fd, request->name);
}

int main(int argc, char **argv) {
    struct request request;
    struct link card;
    settle_descriptors();
    settle_signals();
    umask(077);
    char *sudo_uid = getenv("SUDO_UID");
    if (sudo_uid) sudo_uid = strndup(sudo_uid, 32);
    clearenv();
    parse_arguments(argc, argv, sudo_uid, &request);
    if (request.verb == VERB_OPEN && !input_is_socket())
        fail(STATUS_USAGE, "standard input is no unix socket: there is nobody to hand a TAP to");
    if (request.verb != VERB_OPEN) lock_host();
    netlink_open();
    int on_card = card_find(&request, &card);
    if (on_card) card_enter();
    keep_net_admin();
    if (request.verb == VERB_UNSETUP)
        unsetup(&request);
    else if (on_card)
        hand_over_card(&request, &card);
    else
        make(&request);
    return 0;
}
