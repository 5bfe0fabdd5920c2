/* plugin.c - __NAME__, a network plugin of lima-netd. Best read from the bottom: the entry, the descriptor, the
 * table of callbacks, then the callbacks. README.md shows the order in which they are called. */
#include <lnd_ext_lease.h>
#include <lnd_options.h>
#include <lnd_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"

/* One network's instance. The host's table exists as long as the instance. Two instances may exist in one
 * process, so keep no state outside of it. */
typedef struct instance {
    const lnd_host *host;
    network net;
    uint64_t received, answered, lost;
} instance;

static lnd_status fail(const lnd_host *host, lnd_status code, const char *option, const char *text) {
    return host->fail(host->ctx, code, option, text, strlen(text));
}

/* ---------------------------------------------------------------- its life */

/* Reads the options. 0 if they are invalid; that has been reported to the user. */
static int read_options(const lnd_host *host, const lnd_instance_config *config, network *net) {
    static const uint8_t mac[6] = {0x5a, 0x94, 0xef, 0x00, 0x00, 0x02};
    char text[16] = "10.99.0.2"; /* the schema's default */
    memcpy(net->mac, mac, sizeof mac);
    if (lnd_option_text(config->options, "gateway", text, sizeof text) < 0 ||
        !parse_ipv4(text, net->gateway) || net->gateway[3] == 0 || net->gateway[3] == 255) {
        fail(host, LND_ERR_INVALID_CONFIG, "/gateway", "not the address of a host in a /24");
        return 0;
    }
    choose_guest(net);
    return 1;
}

static lnd_status on_validate(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    network net;
    (void)plugin;
    return read_options(host, config, &net) ? LND_OK : LND_ERR_INVALID_CONFIG;
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
    if (!read_options(host, config, &self->net)) {
        free(self);
        return NULL;
    }
    return self;
}

/* The place to open sockets and files and to start threads. `op` is completed when all is ready, now or later. */
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

/* --------------------------------------------------------- ports and frames */

/* A guest's port: each guest has its own (LND_NETWORK_ISOLATED). */
static lnd_status on_port_up(void *self, const lnd_port_info *info) {
    (void)self, (void)info;
    return LND_OK;
}

static void on_port_down(void *self, lnd_port port) { (void)self, (void)port; }

/* Frames are borrowed for the call: they are parsed here, or copied. */
static void on_rx(void *opaque, lnd_port port, const lnd_frame *frames, uint32_t count) {
    instance *self = opaque;
    self->received += count;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t out[FRAME_MAX];
        lnd_frame reply = {.data = out};
        reply.length = answer(&self->net, frames[i].data, frames[i].length, out);
        if (reply.length == 0) continue;
        /* 0: the guest's link is full. A network may lose a frame; one that must not be lost waits for tx_ready. */
        if (self->host->send(self->host->ctx, port, &reply, 1) == 1) {
            self->answered++;
        } else {
            self->lost++;
        }
    }
}

/* -------------------------------------------------------- what users can see */

static void put(const instance *self, lnd_sink sink, const char *text) {
    self->host->write(self->host->ctx, sink, (const uint8_t *)text, strlen(text));
}

/* For `lima-netd status`: one JSON object. */
static void on_status(void *opaque, lnd_sink sink) {
    const instance *self = opaque;
    char text[128];
    snprintf(text, sizeof text, "{\"received\":%llu,\"answered\":%llu,\"lost\":%llu}",
             (unsigned long long)self->received, (unsigned long long)self->answered,
             (unsigned long long)self->lost);
    put(self, sink, text);
}

/* A guest configured without DHCP, by `lima-netd exec`. */
static lnd_status on_reserve(void *opaque, const lnd_lease_request *request, lnd_sink sink) {
    const instance *self = opaque;
    const uint8_t *a = self->net.guest, *g = self->net.gateway;
    char text[192];
    (void)request;
    snprintf(text, sizeof text,
             "{\"address\":\"%d.%d.%d.%d\",\"prefixLength\":24,\"gateway\":\"%d.%d.%d.%d\",\"dns\":[],"
             "\"mtu\":1500,\"search\":[]}",
             a[0], a[1], a[2], a[3], g[0], g[1], g[2], g[3]);
    put(self, sink, text);
    return LND_OK;
}

static void on_leases(void *self, lnd_sink sink) { put(self, sink, "[]"); }

static const lnd_plugin_lease lease = {.size = sizeof lease, .reserve = on_reserve, .list = on_leases};

static const void *on_extension(const lnd_plugin *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, LND_EXT_LEASE) == 0 ? &lease : NULL;
}

/* --------------------------------------------------------------- descriptor */

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"gateway\":{\"type\":\"string\",\"format\":\"ipv4\",\"default\":\"10.99.0.2\","
    "\"description\":\"The address that answers ping. Guests get another one of its /24\"}}}";

static const lnd_network_ops ops = {
    .instance = {
        .size = sizeof ops,
        .create = on_create,
        .start = on_start,
        .stop = on_stop,
        .destroy = on_destroy,
        .validate = on_validate,
        .status = on_status,
    },
    .port_up = on_port_up,
    .port_down = on_port_down,
    .rx = on_rx,
};

static const char *const modes[] = {"__NAME__", NULL};

static const lnd_plugin plugin = {
    .size = sizeof plugin,
    .flags = LND_NETWORK_ISOLATED,
    .kind = LND_KIND_NETWORK,
    .name = "__NAME__",
    .summary = "Gives a guest an address and answers ping",
    .modes = modes,
    .options_schema = schema,
    .ops = &ops,
    .get_extension = on_extension,
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
