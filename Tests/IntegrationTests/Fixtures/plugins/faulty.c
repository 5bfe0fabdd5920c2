/* faulty.c - a plugin that breaks one rule: the one whose test FAULT names (-DFAULT='"data-short"'). With "none" it
 * keeps all of them. It is a network, or with a FAULT that begins with "dns-" a DNS plugin.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <lnd_plugin.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IS(fault) (__builtin_strcmp(FAULT, fault) == 0)

/* Set by the compiler, so that a read through it is not undefined behaviour that it may leave out. */
static volatile uint8_t seen;
static const char *volatile nowhere;
static void *volatile lost;

typedef struct instance {
    const lnd_host *host;
    lnd_port port;
    lnd_handle watch, timer;
    int fd, running, has_thread, down;
    pthread_t thread;
    const lnd_frame *kept;
    const uint8_t *question;
    int waits;
    uint64_t frames;
} instance;

static instance *newest; /* of services that must not have globals */

static void crash(void) { seen = (uint8_t)*nowhere; }

static void *other_thread(void *opaque) {
    instance *self = opaque;
    if (IS("threads-loop")) self->host->timer_at(self->host->ctx, 0, 1);
    if (IS("lifecycle-after-destroy")) {
        usleep(250000);
        self->host->wake(self->host->ctx);
    }
    if (IS("leaks-threads") || IS("module-entry-threads")) sleep(100);
    return NULL;
}

static void begin_thread(instance *self) {
    pthread_create(&self->thread, NULL, other_thread, self);
    if (IS("threads-loop")) pthread_join(self->thread, NULL);
    else pthread_detach(self->thread);
}

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    /* As of a later minor, without a look at the size. */
    const char *late = (const char *)config + config->size;
    (void)plugin;
    if (IS("lifecycle-create")) return NULL;
    if (IS("misuse-reserved") && config->reserved[0]) crash();
    if (IS("misuse-larger") && config->size > sizeof *config) {
        host->fail(host->ctx, LND_ERR_UNSUPPORTED, NULL, "size", 4);
        return NULL;
    }
    if (IS("misuse-smaller")) seen = (uint8_t)*(const volatile char *)late;
    if (IS("services-calls")) host->timer_at(host->ctx, 0, 1);
    if (IS("services-no-extensions") && !host->get_extension(host->ctx, "limanetd.loopcheck/1")) crash();
    instance *self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->host = host;
    self->fd = -1;
    newest = self;
    if (IS("lifecycle-create-pure")) self->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return self;
}

static lnd_status validate(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin, (void)config;
    return IS("lifecycle-validate") ? host->fail(host->ctx, LND_ERR_INVALID_CONFIG, NULL, "never", 5) : LND_OK;
}

static lnd_status start(void *opaque, lnd_op op) {
    instance *self = opaque;
    const lnd_host *host = self->host;
    if (IS("lifecycle-start")) return host->fail(host->ctx, LND_ERR_SYSTEM, NULL, "no", 2);
    if (self->fd < 0) self->fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    host->fd_add(host->ctx, self->fd, 0, 7, &self->watch);
    self->timer = host->timer_at(host->ctx, host->now_ns(host->ctx) + 10000000, 9);
    self->running = 1;
    if (IS("threads-loop") || IS("lifecycle-after-destroy") || IS("leaks-threads")) begin_thread(self);
    if (IS("leaks-memory")) lost = memset(malloc(200000), 1, 200000);
    return host->op_done(host->ctx, op, LND_OK, NULL, 0);
}

static void stop(void *opaque, lnd_op op) {
    instance *self = opaque;
    const lnd_host *host = (IS("lifecycle-two") ? newest : self)->host;
    host->timer_cancel(host->ctx, self->timer);
    if (IS("services-closed-fd")) close(self->fd);
    if (!IS("services-handles") || self->watch) self->host->fd_remove(self->host->ctx, self->watch);
    if (IS("services-handles")) self->host->fd_remove(self->host->ctx, self->watch);
    if (IS("lifecycle-stop")) return;
    if (IS("dns-stop") && self->waits) return;
    host->op_done(host->ctx, op, LND_OK, NULL, 0);
}

static void destroy(void *opaque) {
    instance *self = opaque;
    if (IS("lifecycle-destroy") && !self->running) crash();
    if (!IS("leaks-fds") && !IS("services-closed-fd") && self->fd >= 0) close(self->fd);
    if (!IS("lifecycle-after-destroy") && !IS("leaks-threads")) free(self);
}

static lnd_status port_up(void *opaque, const lnd_port_info *info) {
    instance *self = opaque;
    self->port = info->port;
    self->down = 0;
    return LND_OK;
}

static void port_down(void *opaque, lnd_port port) {
    instance *self = opaque;
    if (IS("data-ports") && (self->down || port != self->port)) crash();
    self->down = 1;
    if (IS("data-send-valid")) {
        uint8_t bytes[64] = {0};
        lnd_frame frame = {.data = bytes, .length = 64};
        self->host->send(self->host->ctx, port, &frame, 1);
    }
}

static void rx(void *opaque, lnd_port port, const lnd_frame *frames, uint32_t count) {
    instance *self = opaque;
    const lnd_host *host = self->host;
    self->frames += count;
    if (IS("data-batches") && count > 64) crash();
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *data = frames[i].data;
        uint32_t n = frames[i].length;
        if (IS("data-short") && n < 34 && data[12] == 8 && data[13] == 0) seen = data[33];
        if (IS("data-long") && n > 9000) crash();
        if (IS("data-garbage") && n >= 34 && data[12] == 8 && data[13] == 0 && (data[14] & 15) > 5) crash();
        if (IS("data-read-only")) ((uint8_t *)(uintptr_t)data)[0] = 1;
        if (IS("data-borrowed")) self->kept = &frames[i];
        lnd_frame reply = {.data = data, .length = n};
        if (n <= 1514) {
            while (host->send(host->ctx, port, &reply, 1) == 0 && IS("data-back-pressure")) continue;
        }
    }
}

static void tx_ready(void *opaque, lnd_port port) {
    instance *self = opaque;
    (void)port;
    if (self->kept) seen = self->kept->data[0];
}

static void on_fds(void *opaque, const lnd_fd_event *events, uint32_t count) {
    (void)opaque;
    for (uint32_t i = 0; i < count; i++)
        if (IS("services-spurious") && events[i].user != 7) crash();
}

static void on_timer(void *opaque, lnd_handle timer, uint64_t user) {
    instance *self = opaque;
    (void)timer, (void)user;
    if (self->question) seen = self->question[0];
}

static void on_wake(void *self) { (void)self; }

static void status(void *opaque, lnd_sink sink) {
    instance *self = opaque;
    const char *text = IS("data-status") ? "{\"frames\":}" : "{\"frames\":0}";
    self->host->write(self->host->ctx, sink, (const uint8_t *)text, strlen(text));
}

static void resolve(void *opaque, lnd_op op, const lnd_dns_query *query) {
    instance *self = opaque;
    const lnd_host *host = self->host;
    uint8_t answer[65536];
    uint32_t n = query->length;
    memcpy(answer, query->message, n);
    answer[2] |= 0x80;
    answer[3] = 5;
    if (IS("dns-answer")) answer[0] ^= 1;
    if (IS("dns-odd") && n > 12 && query->message[12] > 40) crash();
    if (IS("dns-borrowed")) self->question = query->message;
    if (IS("dns-stop") && query->message[13] == 's') { /* stop0.check.example */
        self->waits++;
        return;
    }
    if (IS("dns-many") && query->message[12] == 7 && query->message[17] == '5') return; /* name500 and on */
    host->op_done(host->ctx, op, LND_OK, answer, n);
    if (IS("dns-once")) host->op_done(host->ctx, op, LND_OK, answer, n);
}

static void cancel(void *opaque, lnd_op op) {
    (void)opaque;
    if (IS("dns-cancel") && op == 0xdeadbeef) crash();
}

static void on_event(void *opaque, uint32_t event) {
    (void)opaque;
    if (IS("dns-events") && event != LND_EVENT_NETWORK_CHANGED) crash();
}

static const lnd_network_ops network_ops = {
    .instance = {.size = sizeof network_ops, .flags = IS("module-reserved") ? 1 : 0, .create = create, .start = start, .stop = stop, .destroy = destroy, .on_fds = on_fds, .on_timer = on_timer, .on_wake = on_wake, .validate = validate, .status = status},
    .port_up = port_up, .port_down = port_down, .rx = IS("module-descriptor") ? NULL : rx, .tx_ready = tx_ready,
};
static const lnd_dns_ops dns_ops = {
    .instance = {.size = sizeof dns_ops, .create = create, .start = start, .stop = stop, .destroy = destroy, .on_fds = on_fds, .on_timer = on_timer, .on_wake = on_wake, .on_event = on_event, .status = status},
    .resolve = resolve, .cancel = cancel,
};

static const char *const modes[] = {IS("module-modes") ? "a mode" : "faulty", NULL};

static const void *extension(const lnd_plugin *plugin, const char *id) {
    static char table[2][64];
    static int turn;
    (void)plugin, (void)id;
    return IS("module-extensions") ? &table[turn++ & 1] : NULL;
}

#define IS_DNS (FAULT[0] == 'd' && FAULT[1] == 'n' && FAULT[2] == 's')
static const lnd_plugin plugin = {
    .size = sizeof plugin, .flags = IS_DNS ? 0 : LND_NETWORK_ISOLATED, .kind = IS_DNS ? LND_KIND_DNS : LND_KIND_NETWORK,
    .name = "faulty", .summary = IS("module-text") ? "red \033[31m" : "Breaks a rule", .modes = IS_DNS ? NULL : modes,
    .options_schema = IS("module-schema") ? "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"int\"}}}" : NULL,
    .ops = IS_DNS ? (const void *)&dns_ops : (const void *)&network_ops, .get_extension = extension,
};
static const lnd_plugin *const plugins[] = {&plugin, &plugin};
static lnd_module module = {
    .size = sizeof module, .abi_minor = IS("module-abi-minor") ? 77 : LND_ABI_MINOR,
    .id = "io.lima-vm.test.faulty", .version = IS("module-version") ? "latest" : "1.0.0", .license = "Apache-2.0",
    .plugin_count = IS("module-unique") ? 2 : 1, .plugins = plugins,
};

#define OPEN __attribute__((visibility("default")))
#if defined(EXPORTS_MORE)
OPEN void another_symbol(void);
OPEN void another_symbol(void) {}
#endif
#if defined(NEEDS_MORE)
extern void nobody_defines_this(void);
__attribute__((visibility("hidden"))) void (*needed)(void) = nobody_defines_this;
#endif

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    static lnd_module copies[2];
    static int calls;
    (void)host;
    if (IS("module-entry-quick")) usleep(300000);
    if (IS("module-entry-fds")) (void)!open("/dev/null", O_RDONLY);
    if (IS("module-entry-threads")) {
        pthread_t thread;
        pthread_create(&thread, NULL, other_thread, NULL);
    }
    if (IS("module-entry-processes") && fork() == 0) {
        sleep(100);
        _exit(0);
    }
    if (IS("module-entry-stable")) {
        copies[calls & 1] = module;
        return &copies[calls++ & 1];
    }
    return &module;
}
