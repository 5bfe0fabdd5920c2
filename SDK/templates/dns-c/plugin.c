/* plugin.c - __NAME__, a DNS plugin of lima-netd. Best read from the bottom: the entry, the descriptor, the
 * table of callbacks, then the callbacks. README.md shows the order in which they are called. */
#include <lnd_options.h>
#include <lnd_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"

/* One network's instance. The host's table exists as long as the instance. Two instances may exist in one
 * process, so keep no state outside of it. */
typedef struct instance {
    const lnd_host *host;
    record known;
    uint64_t questions;
} instance;

static lnd_status fail(const lnd_host *host, lnd_status code, const char *option, const char *text) {
    return host->fail(host->ctx, code, option, text, strlen(text));
}

/* ---------------------------------------------------------------- its life */

/* Reads the options; a failure has been reported to the user. */
static lnd_status read_options(const lnd_host *host, const char *options, record *known) {
    char name[NAME_TEXT_MAX] = "hello.__NAME__.test", address[16] = "192.0.2.1"; /* the schema's defaults */
    if (lnd_option_text(options, "name", name, sizeof name) < 0 || !parse_name(name, known)) {
        return fail(host, LND_ERR_INVALID_CONFIG, "/name", "not a domain name");
    }
    if (lnd_option_text(options, "address", address, sizeof address) < 0 || !parse_ipv4(address, known->address)) {
        return fail(host, LND_ERR_INVALID_CONFIG, "/address", "not an IPv4 address");
    }
    return LND_OK;
}

static lnd_status on_validate(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    record known;
    (void)plugin;
    return read_options(host, config->options, &known);
}

/* Creates an instance. Must not use the network or files yet. */
static void *on_create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin;
    instance *self = calloc(1, sizeof *self);
    if (!self) {
        fail(host, LND_ERR_SYSTEM, NULL, "out of memory");
        return NULL;
    }
    self->host = host;
    if (read_options(host, config->options, &self->known) != LND_OK) {
        free(self);
        return NULL;
    }
    return self;
}

/* The place to open sockets and files and to start threads. It must succeed offline, too. `op` is completed when
 * all is ready, now or later. */
static lnd_status on_start(void *opaque, lnd_op op) {
    instance *self = opaque;
    return self->host->op_done(self->host->ctx, op, LND_OK, NULL, 0);
}

/* Ends all work; `op` is completed when nothing is in progress, now or later. */
static void on_stop(void *opaque, lnd_op op) {
    instance *self = opaque;
    self->host->op_done(self->host->ctx, op, LND_OK, NULL, 0);
}

static void on_destroy(void *self) { free(self); }

/* --------------------------------------------------------------- questions */

/* `op` must be completed exactly once, here immediately. A plugin that answers later keeps a copy of the
 * question, and drops it in `cancel`. */
static void on_resolve(void *opaque, lnd_op op, const lnd_dns_query *query) {
    instance *self = opaque;
    uint8_t out[ANSWER_MAX];
    uint32_t length = answer(&self->known, query->message, query->length, out);
    self->questions++;
    self->host->op_done(self->host->ctx, op, length ? LND_OK : LND_ERR_UNSUPPORTED, out, length);
}

/* For `lima-netd status`: one JSON object. */
static void on_status(void *opaque, lnd_sink sink) {
    const instance *self = opaque;
    char text[64];
    int length = snprintf(text, sizeof text, "{\"questions\":%llu}", (unsigned long long)self->questions);
    self->host->write(self->host->ctx, sink, (const uint8_t *)text, (uint64_t)length);
}

/* --------------------------------------------------------------- descriptor */

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"name\":{\"type\":\"string\",\"default\":\"hello.__NAME__.test\",\"minLength\":1,\"maxLength\":253,"
    "\"description\":\"The name that is answered\"},"
    "\"address\":{\"type\":\"string\",\"format\":\"ipv4\",\"default\":\"192.0.2.1\","
    "\"description\":\"Its address\"}}}";

static const lnd_dns_ops ops = {
    .instance = {
        .size = sizeof ops,
        .create = on_create,
        .start = on_start,
        .stop = on_stop,
        .destroy = on_destroy,
        .validate = on_validate,
        .status = on_status,
    },
    .resolve = on_resolve,
};

static const lnd_plugin plugin = {
    .size = sizeof plugin,
    .kind = LND_KIND_DNS,
    .name = "__NAME__",
    .summary = "Answers one name",
    .options_schema = schema,
    .ops = &ops,
};

static const lnd_plugin *const plugins[] = {&plugin};

static const lnd_module module = {
    .size = sizeof module,
    .abi_minor = LND_ABI_MINOR,
    .id = "org.example.__NAME__",
    .version = "0.1.0",
    .license = "Apache-2.0",
    .plugin_count = 1,
    .plugins = plugins,
};

/* The only exported symbol of the file. */
const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
