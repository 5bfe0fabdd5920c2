/* relay.c - a DNS plugin of the network-host's tests that stands before another: it refuses names that begin with "b",
 * hands on all else, and keeps private what begins with "p". Its status says who asked last.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lnd_ext_dns_cache.h"
#include "lnd_ext_dns_next.h"

enum { WAITING = 64 };

typedef struct {
    const lnd_host *host;
    const lnd_host_dns_cache *cache;
    const lnd_host_dns_next *next;
    lnd_op asked[WAITING], waiting[WAITING];
    unsigned count, refused, failed;
    unsigned long long port;
    char name[64];
} relay;

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    relay *r = calloc(1, sizeof *r);
    (void)plugin;
    (void)config;
    r->host = host;
    r->cache = host->get_extension(host->ctx, LND_EXT_DNS_CACHE);
    r->next = host->get_extension(host->ctx, LND_EXT_DNS_NEXT);
    return r;
}

static lnd_status start(void *self, lnd_op op) {
    relay *r = self;
    if (!r->next) return r->host->fail(r->host->ctx, LND_ERR_UNSUPPORTED, 0, "nobody is behind", 16);
    return r->host->op_done(r->host->ctx, op, LND_OK, 0, 0);
}

static void stop(void *self, lnd_op op) {
    relay *r = self;
    r->host->op_done(r->host->ctx, op, LND_OK, 0, 0);
}

static void destroy(void *self) { free(self); }

static void resolve(void *self, lnd_op op, const lnd_dns_query *query) {
    relay *r = self;
    r->port = query->port;
    snprintf(r->name, sizeof r->name, "%s", query->name);
    r->count++;
    if (query->message[13] == 'b') {
        uint8_t answer[512];
        if (query->length > sizeof answer) return;
        memcpy(answer, query->message, query->length);
        answer[2] |= 0x80;
        answer[3] |= 5;
        r->refused++;
        r->host->op_done(r->host->ctx, op, LND_OK, answer, query->length);
        return;
    }
    if (query->message[13] == 'p') r->cache->keep_private(r->host->ctx, op);
    for (int i = 0; i < WAITING; i++)
        if (!r->asked[i]) {
            r->waiting[i] = op;
            r->asked[i] = r->next->query(r->host->ctx, op, query);
            if (r->asked[i]) return;
        }
    r->host->op_done(r->host->ctx, op, LND_ERR_BUSY, 0, 0);
}

static void on_op_done(void *self, lnd_op op, lnd_status status, const uint8_t *bytes, uint64_t length) {
    relay *r = self;
    for (int i = 0; i < WAITING; i++)
        if (r->asked[i] == op) {
            r->asked[i] = 0;
            if (status != LND_OK) r->failed++;
            r->host->op_done(r->host->ctx, r->waiting[i], status, bytes, length);
            return;
        }
}

static void status(void *self, lnd_sink sink) {
    relay *r = self;
    char text[200];
    snprintf(text, sizeof text, "{\"count\":%u,\"refused\":%u,\"failed\":%u,\"hasPort\":%d,\"name\":\"%s\"}", r->count,
             r->refused, r->failed, r->port != 0, r->name);
    r->host->write(r->host->ctx, sink, (const uint8_t *)text, strlen(text));
}

static const lnd_dns_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy,
                 .on_op_done = on_op_done, .status = status},
    .resolve = resolve,
};
static const lnd_plugin plugin = {sizeof plugin, 0, LND_KIND_DNS, "relay", "Asks the next", 0, 0, 0, &ops, 0};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {sizeof module, LND_ABI_MINOR, "test.relay", "0.1.0",
                                  "Apache-2.0",  0,             1,            0,       plugins, 0};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
