/* lnd_ext_dns_cache.h - limanetd.dns-cache/1: a DNS plugin says what the host
 * may keep of its answers, and for whom.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Offered by the host to DNS plugins. The host keeps answers as long as their
 * TTLs say, and drops them by itself when the host's resolv.conf, hosts or
 * nsswitch.conf changes, when the plugin is replaced, and when names of the
 * network come or go.
 */
#ifndef LND_EXT_DNS_CACHE_H
#define LND_EXT_DNS_CACHE_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_DNS_CACHE "limanetd.dns-cache/1"

typedef struct lnd_host_dns_cache {
    uint32_t size;
    uint32_t flags; /* none yet */

    /* [loop] Forgets all answers: a VPN went up, a zone file was read anew,
     * another upstream. Those to questions that are with the plugin now reach
     * who asked, but are not kept, and who asks the same from now on does not
     * wait for them. Allowed inside of every callback; without effect before
     * the plugin answers, and once another has taken its place. */
    void (*flush)(void *ctx);

    /* [loop] Before op_done of a question: its answer is not for others than
     * who asked it (lnd_dns_query.port, mac, client). The host does not keep
     * it, and asks anew for each other who waits for an answer to the same
     * question. LND_ERR_NOT_FOUND: a stale op. */
    lnd_status (*keep_private)(void *ctx, lnd_op op);
} lnd_host_dns_cache;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_DNS_CACHE_H */
