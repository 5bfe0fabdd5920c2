/* lnd_ext_dns.h - limanetd.dns/1: a network plugin has its guests' DNS
 * questions answered by the network's DNS plugin.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host. The plugin takes DNS messages off its own stack (UDP
 * payloads, TCP messages without their length prefix) and hands them over
 * raw. The host owns everything between guest and DNS plugin: sanity of the
 * question, static names (lnd_ext_names.h), deadline, match of answer and
 * question, the size of UDP answers and the TC bit, SERVFAIL on failure. What
 * comes back is ready to be sent.
 */
#ifndef LND_EXT_DNS_H
#define LND_EXT_DNS_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_DNS "limanetd.dns/1"

typedef struct lnd_host_dns {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] Asks. `deadline_ns` 0 lets the host choose. The plugin says who
     * asks (port, mac, client, server) as far as it knows; of a switched
     * network `port` may be 0 with `mac` given: the host finds the guest.
     * `name` may be NULL: the host knows its guests. The answer comes as
     * on_op_done(op, LND_OK, message, length), never before this has returned;
     * another status means that the question deserves no answer (it was no
     * DNS query): send none. Returns 0 when too many questions are under way:
     * send none, the client will ask again. */
    lnd_op (*query)(void *ctx, const lnd_dns_query *query);

    /* [loop] Forgets the question; no on_op_done follows. Ignores a stale op. */
    void (*cancel)(void *ctx, lnd_op op);
} lnd_host_dns;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_DNS_H */
