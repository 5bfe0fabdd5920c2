/* host.c - what a frame costs that goes through the plugin ABI: calls `rx` of a plugin with batches of 1, 8 and 64 frames, which
 * the plugin reads, or sends back.
 *
 *     host NAME PLUGIN...       a line for each plugin, path and batch: nanoseconds of CPU a frame, the least of five rounds
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <lnd_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LENGTH = 1514, MOST = 64, ROUNDS = 5 };
static const double round_time = 0.1; /* seconds */

static uint64_t sent;
static volatile uint64_t seen;

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t now_ns(void *ctx) {
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void ignore_log(void *ctx, uint32_t level, const char *text, uint64_t n) { (void)ctx, (void)level, (void)text, (void)n; }
static void ignore_wake(void *ctx) { (void)ctx; }
static void ignore_handle(void *ctx, lnd_handle handle) { (void)ctx, (void)handle; }
static lnd_status no_fd(void *ctx, int32_t fd, uint32_t events, uint64_t user, lnd_handle *watch) {
    (void)ctx, (void)fd, (void)events, (void)user;
    *watch = 0;
    return LND_ERR_UNSUPPORTED;
}
static lnd_status no_change(void *ctx, lnd_handle watch, uint32_t events) {
    (void)ctx, (void)watch, (void)events;
    return LND_ERR_NOT_FOUND;
}
static lnd_handle no_timer(void *ctx, uint64_t at, uint64_t user) { (void)ctx, (void)at, (void)user; return 0; }
static lnd_status fail(void *ctx, lnd_status code, const char *pointer, const char *text, uint64_t n) {
    (void)ctx, (void)pointer;
    fprintf(stderr, "%.*s\n", (int)n, text);
    return code;
}
static lnd_status op_done(void *ctx, lnd_op op, lnd_status status, const uint8_t *bytes, uint64_t n) {
    (void)ctx, (void)op, (void)bytes, (void)n;
    return status;
}
static lnd_status no_write(void *ctx, lnd_sink sink, const uint8_t *bytes, uint64_t n) {
    (void)ctx, (void)sink, (void)bytes, (void)n;
    return LND_OK;
}
static const void *no_extension(void *ctx, const char *id) { (void)ctx, (void)id; return NULL; }
static void no_report(void *ctx, uint32_t state, const char *text, uint64_t n) { (void)ctx, (void)state, (void)text, (void)n; }

/* Looks at each frame, as a port has to, and takes it. */
static uint32_t send_frames(void *ctx, lnd_port port, const lnd_frame *frames, uint32_t count) {
    (void)ctx, (void)port;
    for (uint32_t i = 0; i < count; i++) seen += frames[i].length + frames[i].flags + frames[i].gso_type;
    sent += count;
    return count;
}

/* The host's tables are followed by zeroes. */
static struct { lnd_host table; uint8_t tail[LND_TABLE_TAIL]; } host = {
    {sizeof(lnd_host), LND_ABI_MINOR, NULL, ignore_log, ignore_wake, now_ns, no_fd, no_change, ignore_handle, no_timer,
     ignore_handle, send_frames, fail, op_done, no_write, no_extension, no_report}, {0}};

static double measure(const lnd_network_ops *ops, void *self, const lnd_frame *frames, uint32_t batch) {
    double best = 1;
    unsigned calls = 1000000 / batch;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned long done = 0;
        double begin = cpu(), end;
        do {
            for (unsigned i = 0; i < calls; i++) ops->rx(self, 1, frames, batch);
            done += (unsigned long)calls * batch;
            end = cpu();
        } while (end - begin < round_time);
        double each = (end - begin) / (double)done;
        if (each < best) best = each;
    }
    return best * 1e9;
}

static int measure_plugin(const char *file, const lnd_frame *frames) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
    lnd_entry_v1 entry;
    *(void **)&entry = dlsym(library, LND_ENTRY_SYMBOL);
    lnd_host_info info = {sizeof info, LND_ABI_MINOR, "lima-netd", "0"};
    const lnd_module *module = entry ? entry(&info) : NULL;
    if (!module) return fprintf(stderr, "%s is no plugin\n", file), 1;
    const lnd_plugin *plugin = module->plugins[0];
    const lnd_network_ops *ops = plugin->ops;
    static const char *const paths[] = {"read", "send"};
    for (int path = 0; path < 2; path++) {
        char options[64];
        snprintf(options, sizeof options, "{\"sends\":%s}", path ? "true" : "false");
        lnd_instance_config config = {.size = sizeof config, .network = "bench", .mode = "bench", .instance = "bench",
                                      .options = options, .options_length = strlen(options), .state_directory = ""};
        void *self = ops->instance.create(plugin, &host.table, &config);
        lnd_port_info port = {.size = sizeof port, .port = 1, .kind = LND_PORT_GUEST, .queues = 1, .name = ""};
        if (!self || ops->instance.start(self, 1) != LND_OK || ops->port_up(self, &port) != LND_OK) return 1;
        static const uint32_t batches[] = {1, 8, 64};
        for (int i = 0; i < 3; i++) {
            sent = 0;
            double each = measure(ops, self, frames, batches[i]);
            if (path && !sent) return fprintf(stderr, "%s sends nothing\n", file), 1;
            printf("%-8s %-6s %5u %8.1f\n", plugin->summary, paths[path], batches[i], each);
        }
        ops->port_down(self, 1);
        ops->instance.destroy(self);
    }
    return 0;
}

int main(int count, char **words) {
    static uint8_t bytes[MOST][LENGTH];
    lnd_frame frames[MOST];
    memset(frames, 0, sizeof frames);
    for (int i = 0; i < MOST; i++) {
        frames[i].data = bytes[i];
        frames[i].length = LENGTH;
    }
    printf("%-8s %-6s %5s %8s\n", "plugin", "path", "batch", "ns/frame");
    for (int i = 1; i < count; i++)
        if (measure_plugin(words[i], frames)) return 1;
    /* What lima-netd does around each call beyond that: it reads the clock twice. */
    double begin = cpu();
    for (int i = 0; i < 2000000; i++) seen += now_ns(NULL);
    printf("%-8s %-6s %5s %8.1f\n", "clock", "twice", "-", (cpu() - begin) / 1e6 * 1e9);
    return 0;
}
