/* privilege.c - capabilities(7): drops all but one, and later that one.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "tap.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void set_capabilities(uint32_t low) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{low, low, 0}, {0, 0, 0}};
    if (syscall(SYS_capset, &header, data) < 0)
        fail(STATUS_SYSTEM, "capset: %s", strerror(errno));
}

void keep_net_admin(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    if (syscall(SYS_capget, &header, data) < 0)
        fail(STATUS_SYSTEM, "capget: %s", strerror(errno));
    if (!(data[0].permitted & (1u << CAP_NET_ADMIN)))
        fail(STATUS_REFUSED, "making a network interface needs CAP_NET_ADMIN: root has it");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(STATUS_SYSTEM, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* Without CAP_SETPCAP the bounding set cannot be reduced; no program is executed anyway. */
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (cap != CAP_NET_ADMIN) prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    set_capabilities(1u << CAP_NET_ADMIN);
}

void drop_everything(void) {
    set_capabilities(0);
}
