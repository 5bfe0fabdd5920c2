/* lnd_ext_dns_cache.h - limanetd.dns-cache/1: a DNS plugin has the host forget
 * what it keeps of the plugin's answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * Since ABI 1.1. Offered by the host to DNS plugins. The host keeps answers as
 * long as their TTLs say, and drops them by itself when the host's resolv.conf,
 * hosts or nsswitch.conf changes, when the plugin is replaced, and when names
 * of the network come or go. This is for a plugin that knows of more: a VPN
 * that went up, a zone file that was read anew, another upstream. */
#ifndef LND_EXT_DNS_CACHE_H
#define LND_EXT_DNS_CACHE_H

#include "lnd_plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LND_EXT_DNS_CACHE "limanetd.dns-cache/1"

typedef struct lnd_host_dns_cache {
    uint32_t size;
    uint32_t reserved;

    /* [loop] Forgets all answers. Those to questions that are with the plugin
     * now reach who asked, but are not kept, and who asks the same from now on
     * does not wait for them. Allowed inside of every callback; without effect
     * before the plugin answers, and once another has taken its place. */
    void (*flush)(void *ctx);
} lnd_host_dns_cache;

#ifdef __cplusplus
}
#endif

#endif /* LND_EXT_DNS_CACHE_H */
