/* lookup.c - the system's name lookup; see lookup.h.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "lookup.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <string.h>
#include <sys/socket.h>

#ifdef __GLIBC__
/* The generation of the configuration in this thread's resolver state. */
static _Thread_local uint32_t seen_generation;
#endif

void plat_lookup_prepare(uint32_t generation, uint32_t timeout_s, uint32_t attempts)
{
#ifdef __GLIBC__
    if ((_res.options & RES_INIT) == 0 || generation != seen_generation) {
        /* res_init keeps the options, timeout and attempts of an initialised state. */
        if (_res.options & RES_INIT)
            res_nclose(&_res);
        _res.options = 0;
        _res.retrans = 0;
        _res.retry = 0;
        if (res_ninit(&_res) != 0)
            return;
        seen_generation = generation;
    }
    _res.options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
    if (timeout_s > 0)
        _res.retrans = (int)timeout_s;
    if (attempts > 0)
        _res.retry = (int)attempts;
#else
    (void)generation;
    (void)timeout_s;
    (void)attempts;
#endif
}

static int failure(int code)
{
    switch (code) {
    case EAI_NONAME:
        return PLAT_LOOKUP_NO_NAME;
#if defined(EAI_NODATA) && EAI_NODATA != EAI_NONAME
    case EAI_NODATA:
        return PLAT_LOOKUP_NO_DATA;
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
        return PLAT_LOOKUP_NO_DATA;
#endif
    case EAI_AGAIN:
        return PLAT_LOOKUP_AGAIN;
    default:
        return PLAT_LOOKUP_FAILED;
    }
}

int plat_lookup(const char *name, int ipv6, uint8_t *addresses, uint32_t capacity, uint32_t *count)
{
    const uint64_t width = ipv6 ? 16 : 4;
    struct addrinfo hints;
    struct addrinfo *list = NULL;

    *count = 0;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = ipv6 ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_STREAM; /* one entry for each address */
    int code = getaddrinfo(name, NULL, &hints, &list);
    if (code != 0)
        return failure(code);
    for (struct addrinfo *entry = list; entry && *count < capacity; entry = entry->ai_next) {
        const void *bytes;
        if (entry->ai_family != hints.ai_family)
            continue;
        bytes = ipv6 ? (const void *)&((struct sockaddr_in6 *)entry->ai_addr)->sin6_addr
                     : (const void *)&((struct sockaddr_in *)entry->ai_addr)->sin_addr;
        memcpy(addresses + *count * width, bytes, width);
        ++*count;
    }
    freeaddrinfo(list);
    return *count > 0 ? PLAT_LOOKUP_FOUND : PLAT_LOOKUP_NO_DATA;
}
