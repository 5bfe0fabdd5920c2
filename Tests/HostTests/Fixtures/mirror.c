/* mirror.c - the DNS plugin of the network-host's tests: its answer is the
 * question with QR set. Does not answer questions whose first label begins
 * with "x" until they are cancelled. Has the host forget what it keeps when a
 * question's first label begins with "f", and when it is stopped.
 *
 * Compiled with another MIRROR_CODE (an RCODE) it is another plugin, which answers
 * questions that begin with "x", too; with MIRROR_FAILS it does not start.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lnd_ext_dns_cache.h"

#ifndef MIRROR_CODE
#define MIRROR_CODE 0
#endif

typedef struct {
    const lnd_host *host;
    const lnd_host_dns_cache *cache;
    unsigned asked, cancelled, events;
} mirror;

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    mirror *m = calloc(1, sizeof *m);
    (void)plugin;
    (void)config;
    m->host = host;
    m->cache = host->get_extension(host->ctx, LND_EXT_DNS_CACHE);
    return m;
}

static lnd_status start(void *self, lnd_op op) {
    mirror *m = self;
#ifdef MIRROR_FAILS
    (void)op;
    return m->host->fail(m->host->ctx, LND_ERR_INVALID_CONFIG, "/taste", "not to its taste", 16);
#else
    return m->host->op_done(m->host->ctx, op, LND_OK, 0, 0);
#endif
}

static void stop(void *self, lnd_op op) {
    mirror *m = self;
    m->cache->flush(m->host->ctx);
    m->host->op_done(m->host->ctx, op, LND_OK, 0, 0);
}

static void destroy(void *self) {
    mirror *m = self;
    if (MIRROR_CODE == 0) m->host->log(m->host->ctx, LND_LOG_INFO, "mirror destroyed", 16);
    free(m);
}

static void resolve(void *self, lnd_op op, const lnd_dns_query *query) {
    mirror *m = self;
    uint8_t *answer;
    m->asked++;
    if (query->message[13] == 'f') m->cache->flush(m->host->ctx);
    if (query->message[13] == 'x' && MIRROR_CODE == 0) return;
    answer = malloc(query->length);
    memcpy(answer, query->message, query->length);
    answer[2] |= 0x80;
    answer[3] |= MIRROR_CODE;
    m->host->op_done(m->host->ctx, op, LND_OK, answer, query->length);
    free(answer);
}

static void cancel(void *self, lnd_op op) {
    (void)op;
    ((mirror *)self)->cancelled++;
}

static void on_event(void *self, uint32_t event) {
    if (event == LND_EVENT_NETWORK_CHANGED) ((mirror *)self)->events++;
}

static void status(void *self, lnd_sink sink) {
    mirror *m = self;
    char text[100];
    snprintf(text, sizeof text, "{\"asked\":%u,\"cancelled\":%u,\"events\":%u}", m->asked,
             m->cancelled, m->events);
    m->host->write(m->host->ctx, sink, (const uint8_t *)text, strlen(text));
}

static const lnd_dns_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy,
                 .on_event = on_event, .status = status},
    .resolve = resolve,
    .cancel = cancel,
};
static const lnd_plugin plugin = {sizeof plugin, 0, LND_KIND_DNS, "mirror", "Mirrors questions",
                                  0,             0, 0,            &ops,     0};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {sizeof module, LND_ABI_MINOR, "test.mirror", "0.1.0",
                                  "Apache-2.0",  0,             1,             0,       plugins, 0};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
