/* trap.c - a plugin that dies of the first frame it sees.
 * SPDX-License-Identifier: Apache-2.0 */
#include <lnd_ext_lease.h>
#include <lnd_plugin.h>
#include <string.h>

static const lnd_host *host_table;

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin, (void)config;
    host_table = host;
    return &host_table;
}
static lnd_status start(void *self, lnd_op op) {
    (void)self;
    return host_table->op_done(host_table->ctx, op, LND_OK, NULL, 0);
}
static void stop(void *self, lnd_op op) {
    (void)self;
    host_table->op_done(host_table->ctx, op, LND_OK, NULL, 0);
}
static void destroy(void *self) { (void)self; }
static lnd_status port_up(void *self, const lnd_port_info *info) { (void)self, (void)info; return LND_OK; }
static void port_down(void *self, lnd_port port) { (void)self, (void)port; }
static void rx(void *self, lnd_port port, const lnd_frame *frames, uint32_t count) {
    (void)self, (void)port, (void)frames, (void)count;
    __builtin_trap();
}

static lnd_status reserve(void *self, const lnd_lease_request *request, lnd_sink sink) {
    (void)self, (void)request;
    static const char lease[] =
        "{\"address\":\"10.123.0.15\",\"prefixLength\":24,\"gateway\":\"10.123.0.2\",\"dns\":[],"
        "\"mtu\":1500,\"search\":[]}";
    host_table->write(host_table->ctx, sink, (const uint8_t *)lease, sizeof lease - 1);
    return LND_OK;
}
static void list(void *self, lnd_sink sink) {
    (void)self;
    host_table->write(host_table->ctx, sink, (const uint8_t *)"[]", 2);
}
static const lnd_plugin_lease lease = {.size = sizeof lease, .reserve = reserve, .list = list};
static const void *extension(const lnd_plugin *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, LND_EXT_LEASE) == 0 ? &lease : NULL;
}

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy},
    .port_up = port_up, .port_down = port_down, .rx = rx,
};
static const char *const modes[] = {"trap", NULL};
static const lnd_plugin plugin = {
    .size = sizeof plugin, .flags = LND_NETWORK_ISOLATED, .kind = LND_KIND_NETWORK, .name = "trap",
    .summary = "Traps", .modes = modes, .ops = &ops, .get_extension = extension,
};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {
    .size = sizeof module, .abi_minor = LND_ABI_MINOR, .id = "io.lima-vm.test.trap", .version = "1.0.0",
    .license = "Apache-2.0", .plugin_count = 1, .plugins = plugins,
};
const lnd_module *lima_netd_module_v1(const lnd_host_info *host) { (void)host; return &module; }
