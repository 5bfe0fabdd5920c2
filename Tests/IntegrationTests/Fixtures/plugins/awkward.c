/* awkward.c - a plugin that fails where its option "at" says.
 * SPDX-License-Identifier: Apache-2.0 */
#include <lnd_plugin.h>
#include <string.h>
#include <unistd.h>

static const lnd_host *host_table;
static char at[16];

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin;
    host_table = host;
    static const char *const places[] = {"create", "start", "silent-stop", "stuck-stop", "stuck-rx"};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
        if (strstr(config->options, places[i])) strcpy(at, places[i]);
    static const char text[] = "there is no such day";
    if (!strcmp(at, "create")) {
        host->fail(host->ctx, LND_ERR_INVALID_CONFIG, "/calendar/day", text, sizeof text - 1);
        return NULL;
    }
    return at;
}
static lnd_status start(void *self, lnd_op op) {
    (void)self;
    static const char text[] = "the moon is not up";
    return strcmp(at, "start") ? host_table->op_done(host_table->ctx, op, LND_OK, NULL, 0)
                               : host_table->fail(host_table->ctx, LND_ERR_SYSTEM, NULL, text, sizeof text - 1);
}
static void stop(void *self, lnd_op op) {
    (void)self;
    while (!strcmp(at, "stuck-stop")) sleep(60);
    if (strcmp(at, "silent-stop")) host_table->op_done(host_table->ctx, op, LND_OK, NULL, 0);
}
static void destroy(void *self) { (void)self; }
static lnd_status port_up(void *self, const lnd_port_info *info) { (void)self, (void)info; return LND_OK; }
static void port_down(void *self, lnd_port port) { (void)self, (void)port; }
static void rx(void *self, lnd_port port, const lnd_frame *frames, uint32_t count) {
    (void)self, (void)port, (void)frames, (void)count;
    while (!strcmp(at, "stuck-rx")) sleep(60);
}

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy},
    .port_up = port_up, .port_down = port_down, .rx = rx,
};
static const char *const modes[] = {"awkward", NULL};
static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"at\":{\"type\":\"string\",\"default\":\"never\"},"
    "\"calendar\":{\"type\":\"object\",\"properties\":{\"day\":{\"type\":\"integer\",\"maximum\":31}}}}}";
static const lnd_plugin plugin = {
    .size = sizeof plugin, .flags = LND_NETWORK_ISOLATED, .kind = LND_KIND_NETWORK, .name = "awkward",
    .summary = "Fails on demand", .modes = modes, .options_schema = schema, .ops = &ops,
};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {
    .size = sizeof module, .abi_minor = LND_ABI_MINOR, .id = "io.lima-vm.test.awkward", .version = "1.0.0",
    .license = "Apache-2.0", .plugin_count = 1, .plugins = plugins,
};
const lnd_module *lima_netd_module_v1(const lnd_host_info *host) { (void)host; return &module; }
