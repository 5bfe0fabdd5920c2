/* vile.c - a network plugin that does what one must not, by the option "act": "fork" (a child that holds everything open while
 * the process dies of the first frame), "escape" (a failure of 8 KiB with orders for a terminal), "garbage" and "huge" (a
 * status that is none), "crash" (in create, each time), "slow" (a start that is never complete), "ports" (a failure without a
 * reason after one with a reason). SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <lnd_plugin.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    const lnd_host *host;
    char options[100], state[300];
    int failures;
} vile;

static int does(const vile *v, const char *act) { return strstr(v->options, act) != NULL; }

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    vile *v = calloc(1, sizeof *v);
    (void)plugin;
    v->host = host;
    snprintf(v->options, sizeof v->options, "%s", config->options);
    snprintf(v->state, sizeof v->state, "%s", config->state_directory);
    if (does(v, "crash")) abort();
    if (does(v, "escape")) {
        static char text[8192];
        memset(text, 'x', sizeof text);
        memcpy(text, "\033[31mred\a\nline two\033]0;title\a", 29);
        host->fail(host->ctx, LND_ERR_SYSTEM, NULL, text, sizeof text);
        free(v);
        return NULL;
    }
    return v;
}

static lnd_status start(void *self, lnd_op op) {
    vile *v = self;
    v->host->log(v->host->ctx, LND_LOG_WARN, "\033[5mblink\a\nand more", 19);
    if (does(v, "fork")) {
        char path[400];
        pid_t child = fork();
        if (child == 0) {
            signal(SIGTERM, SIG_IGN);
            sleep(300);
            _exit(0);
        }
        snprintf(path, sizeof path, "%s/vile-child", v->state);
        FILE *file = fopen(path, "we");
        if (file) {
            fprintf(file, "%d", (int)child);
            fclose(file);
        }
    }
    if (does(v, "slow")) return LND_OK;
    return v->host->op_done(v->host->ctx, op, LND_OK, 0, 0);
}

static void stop(void *self, lnd_op op) {
    vile *v = self;
    v->host->op_done(v->host->ctx, op, LND_OK, 0, 0);
}

static void destroy(void *self) { free(self); }

static lnd_status port_up(void *self, const lnd_port_info *info) {
    vile *v = self;
    (void)info;
    if (!does(v, "ports")) return LND_OK;
    return v->failures++ ? LND_ERR_LIMIT : v->host->fail(v->host->ctx, LND_ERR_BUSY, NULL, "the first guest is not let in", 29);
}

static void port_down(void *self, lnd_port port) { (void)self, (void)port; }

static void rx(void *self, lnd_port port, const lnd_frame *frames, uint32_t count) {
    (void)port, (void)frames, (void)count;
    if (does(self, "fork")) abort();
}

static void status(void *self, lnd_sink sink) {
    vile *v = self;
    static char text[1 << 20];
    memset(text, ' ', sizeof text);
    if (does(v, "garbage")) v->host->write(v->host->ctx, sink, (const uint8_t *)"{\"a\":]\033", 7);
    else if (does(v, "huge"))
        for (int i = 0; i < 200; i++) v->host->write(v->host->ctx, sink, (const uint8_t *)text, sizeof text);
    else v->host->write(v->host->ctx, sink, (const uint8_t *)"{}", 2);
}

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy, .status = status},
    .port_up = port_up, .port_down = port_down, .rx = rx,
};
static const char *const modes[] = {"vile", 0};
static const lnd_plugin plugin = {
    sizeof plugin, LND_NETWORK_ISOLATED, LND_KIND_NETWORK, "vile", "Does what one must not", modes,
    "{\"type\":\"object\",\"properties\":{\"act\":{\"type\":\"string\"}}}", 0, &ops, 0};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {sizeof module, LND_ABI_MINOR, "test.vile", "1.0.0", "Apache-2.0", 0, 1, 0, plugins, 0};

__attribute__((visibility("default"))) const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
