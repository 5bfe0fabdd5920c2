/* plugin.c - the least that a plugin does with a frame, in C: reads its addresses and length, or sends it back. For host.c.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <lnd_options.h>
#include <lnd_plugin.h>
#include <stdlib.h>

typedef struct instance {
    const lnd_host *host;
    int sends;
    uint64_t frames, bytes, sum;
} instance;

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    instance *self = calloc(1, sizeof *self);
    (void)plugin;
    if (!self) return NULL;
    self->host = host;
    lnd_option_bool(config->options, "sends", &self->sends);
    return self;
}
static lnd_status start(void *opaque, lnd_op op) {
    instance *self = opaque;
    return self->host->op_done(self->host->ctx, op, LND_OK, NULL, 0);
}
static void stop(void *opaque, lnd_op op) { start(opaque, op); }
static void destroy(void *self) { free(self); }
static lnd_status port_up(void *self, const lnd_port_info *info) { (void)self, (void)info; return LND_OK; }
static void port_down(void *self, lnd_port port) { (void)self, (void)port; }

static void rx(void *opaque, lnd_port port, const lnd_frame *frames, uint32_t count) {
    instance *self = opaque;
    self->frames += count;
    if (self->sends) {
        self->host->send(self->host->ctx, port, frames, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        self->bytes += frames[i].length;
        self->sum += frames[i].data[0] + frames[i].data[12];
    }
}

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy},
    .port_up = port_up, .port_down = port_down, .rx = rx,
};
static const char *const modes[] = {"bench", NULL};
static const lnd_plugin plugin = {.size = sizeof plugin, .flags = LND_NETWORK_ISOLATED, .kind = LND_KIND_NETWORK,
                                  .name = "bench-c", .summary = "C", .modes = modes, .ops = &ops};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {.size = sizeof module, .abi_minor = LND_ABI_MINOR, .id = "io.lima-vm.bench.c",
                                  .version = "1.0.0", .license = "Apache-2.0", .plugin_count = 1, .plugins = plugins};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
