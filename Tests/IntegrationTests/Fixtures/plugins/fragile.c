/* fragile.c - a DNS plugin that dies of questions: of names that begin with "once" the first time in the network's life, of
 * those that begin with "always" each time. All others, and "once" afterwards, are NXDOMAIN. With the option "secret" it says
 * that in its log, its status and its last words. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <lnd_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const lnd_host *host;
    char mark[300], options[300];
    unsigned asked;
} fragile;

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    fragile *f = calloc(1, sizeof *f);
    (void)plugin;
    f->host = host;
    snprintf(f->mark, sizeof f->mark, "%s/%s-died", config->state_directory, config->instance);
    snprintf(f->options, sizeof f->options, "%s", config->options);
    if (strstr(config->options, "\"refuse\":true")) {
        host->fail(host->ctx, LND_ERR_INVALID_CONFIG, "/secret", f->options, strlen(f->options));
        free(f);
        return 0;
    }
    return f;
}

static lnd_status start(void *self, lnd_op op) {
    fragile *f = self;
    f->host->log(f->host->ctx, LND_LOG_INFO, f->options, strlen(f->options));
    f->host->report(f->host->ctx, LND_STATE_DEGRADED, f->options, strlen(f->options));
    return f->host->op_done(f->host->ctx, op, LND_OK, 0, 0);
}

static void stop(void *self, lnd_op op) {
    fragile *f = self;
    f->host->op_done(f->host->ctx, op, LND_OK, 0, 0);
}

static void destroy(void *self) { free(self); }

static void resolve(void *self, lnd_op op, const lnd_dns_query *query) {
    fragile *f = self;
    uint8_t answer[512];
    if (query->length > sizeof answer || query->length < 20) {
        f->host->op_done(f->host->ctx, op, LND_ERR_LIMIT, 0, 0);
        return;
    }
    f->asked++;
    if (memcmp(query->message + 13, "once", 4) == 0 && access(f->mark, F_OK) != 0) {
        close(open(f->mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        fprintf(stderr, "last words: %s\n", f->options);
        abort();
    }
    if (memcmp(query->message + 13, "always", 6) == 0) abort();
    memcpy(answer, query->message, query->length);
    answer[2] |= 0x80;
    answer[3] = 0x83;
    f->host->op_done(f->host->ctx, op, LND_OK, answer, query->length);
}

static void status(void *self, lnd_sink sink) {
    fragile *f = self;
    char text[700] = "{\"text\":\"", *to = text + strlen(text);
    for (const char *from = f->options; *from && to < text + 600; from++) {
        if (*from == '"') *to++ = '\\';
        *to++ = *from;
    }
    to += snprintf(to, 50, "\",\"asked\":%u}", f->asked);
    f->host->write(f->host->ctx, sink, (const uint8_t *)text, (uint64_t)(to - text));
}

static const lnd_dns_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy, .status = status},
    .resolve = resolve,
};
static const lnd_plugin plugin = {
    sizeof plugin, 0, LND_KIND_DNS, "fragile", "Dies of questions", 0,
    "{\"type\":\"object\",\"properties\":{\"secret\":{\"type\":\"string\",\"writeOnly\":true,\"format\":\"mac\"},"
    "\"refuse\":{\"type\":\"boolean\"}}}",
    0, &ops, 0};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {sizeof module, LND_ABI_MINOR, "test.fragile", "1.0.0", "Apache-2.0", 0, 1, 0, plugins, 0};

__attribute__((visibility("default"))) const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
