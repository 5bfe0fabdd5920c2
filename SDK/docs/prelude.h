/* prelude.h - declarations with which a test compiles the C code of this guide: an instance with some members.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <lnd_ext_connect.h>
#include <lnd_ext_dns.h>
#include <lnd_ext_dns_cache.h>
#include <lnd_ext_dns_next.h>
#include <lnd_ext_forward.h>
#include <lnd_ext_guard.h>
#include <lnd_ext_guests.h>
#include <lnd_ext_lease.h>
#include <lnd_ext_loopcheck.h>
#include <lnd_ext_names.h>
#include <lnd_ext_uplink.h>
#include <lnd_options.h>
#include <lnd_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct instance {
    const lnd_host *host;
    lnd_port port;
    lnd_handle watch, timer;
    lnd_op waiting, asked;
    int fd, wants_room;
    uint32_t mtu;
    int64_t limit;
    uint64_t received, sent, lost;
    char gateway[64], guest[254];
} instance;

int open_socket(void);
int is_valid_name(const char *name);
int take_work(instance *self);
uint32_t make_answer(const lnd_dns_query *query, uint8_t *answer, uint32_t room);
