/* golden.c - a plugin of ABI 1.0 that is never built anew: the files in 1.0/ are what a third party built in 2026, and every
 * lima-netd of major 1 loads them and drives them (GoldenTests.swift). It needs nothing but the headers of SDK/abi/1.0: no C
 * library, so that no system is too old or too new for it. -DGOLDEN_DNS makes the DNS plugin of it.
 *
 * It uses every function of lnd_host, and of the host's extensions those that need no privilege; what it saw is in its
 * status, which the test compares with what has to be there.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <lnd_ext_dns.h>
#include <lnd_ext_dns_cache.h>
#include <lnd_ext_dns_next.h>
#include <lnd_ext_forward.h>
#include <lnd_ext_guard.h>
#include <lnd_ext_guests.h>
#include <lnd_ext_lease.h>
#include <lnd_ext_loopcheck.h>
#include <lnd_ext_names.h>
#include <lnd_ext_uplink.h>

#define COUNT(list) (uint32_t)(sizeof(list) / sizeof *(list))

/* The compiler may call these whatever the source says. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n);
void *memset(void *to, int byte, __SIZE_TYPE__ n);
void *memcpy(void *to, const void *from, __SIZE_TYPE__ n) {
    char volatile *t = to;
    const char *f = from;
    while (n--) *t++ = *f++;
    return to;
}
void *memset(void *to, int byte, __SIZE_TYPE__ n) {
    char volatile *t = to;
    while (n--) *t++ = (char)byte;
    return to;
}

static uint64_t length(const char *text) {
    uint64_t n = 0;
    while (text[n]) n++;
    return n;
}

static int same(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return *a == *b;
}

/* ---------------------------------------------------------------- the kernel */

#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_pipe2 = 293 };
static long kernel(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
enum { SYS_read = 63, SYS_write = 64, SYS_close = 57, SYS_pipe2 = 59 };
static long kernel(long number, long a, long b, long c) {
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}
#endif

/* ------------------------------------------------------------------ instances */

enum { LATER = 1, STARTED = 2, PIPE = 3, WAITING = 64 };

typedef struct instance {
    int taken;
    const lnd_host *host;
    lnd_port tunnel;
    lnd_handle watch, timer;
    lnd_op start, question, asked[WAITING], waiting[WAITING];
    int fds[2];
    uint32_t rx, tunnelled, up, down, fired, wakes, ready, answers, events, reconfigured, changed, stations, released, exposed,
        cancelled, failures;
} instance;

/* No allocator: as many as a process ever has. */
static instance instances[16];

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin;
    for (uint32_t i = 0; i < config->options_length; i++)
        if (config->options[i] == '!') {
            host->fail(host->ctx, LND_ERR_INVALID_CONFIG, "/word", "has a !", 7);
            return 0;
        }
    for (uint32_t i = 0; i < COUNT(instances); i++) {
        instance *self = &instances[i];
        if (self->taken) continue;
        memset(self, 0, sizeof *self);
        self->taken = 1;
        self->host = host;
        self->fds[0] = self->fds[1] = -1;
        return self;
    }
    host->fail(host->ctx, LND_ERR_LIMIT, 0, "too many instances", 18);
    return 0;
}

static lnd_status validate(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    (void)plugin, (void)host, (void)config;
    return LND_OK;
}

static void destroy(void *opaque) { ((instance *)opaque)->taken = 0; }

static void must(instance *self, int holds) { self->failures += !holds; }

static lnd_status start(void *opaque, lnd_op op) {
    instance *self = opaque;
    const lnd_host *host = self->host;
    void *ctx = host->ctx;
    const lnd_host_loopcheck *loop = host->get_extension(ctx, LND_EXT_LOOPCHECK);
    must(self, loop && loop->on_loop(ctx) == 1);
    must(self, !host->get_extension(ctx, "org.example.nothing/1"));
    must(self, kernel(SYS_pipe2, (long)self->fds, 02000000, 0) == 0);
    must(self, host->fd_add(ctx, self->fds[0], 0, PIPE, &self->watch) == LND_OK);
    must(self, host->fd_modify(ctx, self->watch, LND_FD_READ) == LND_OK);
    must(self, kernel(SYS_write, self->fds[1], (long)"x", 1) == 1);
    host->wake(ctx);
    host->log(ctx, LND_LOG_INFO, "golden starts", 13);
    host->timer_cancel(ctx, host->timer_at(ctx, 0, 99));
    self->start = op;
    self->timer = host->timer_at(ctx, host->now_ns(ctx) + 1000000, LATER); /* which completes `op` */
    host->report(ctx, LND_STATE_DEGRADED, "as it should be", 15);
    return LND_OK;
}

static void stop(void *opaque, lnd_op op) {
    instance *self = opaque;
    const lnd_host *host = self->host;
    host->timer_cancel(host->ctx, self->timer);
    host->fd_remove(host->ctx, self->watch);
    for (int i = 0; i < 2; i++)
        if (self->fds[i] >= 0) kernel(SYS_close, self->fds[i], 0, 0);
    host->op_done(host->ctx, op, LND_OK, 0, 0);
}

static void on_fds(void *opaque, const lnd_fd_event *events, uint32_t count) {
    instance *self = opaque;
    char byte;
    for (uint32_t i = 0; i < count; i++)
        if (events[i].user == PIPE && kernel(SYS_read, self->fds[0], (long)&byte, 1) == 1) self->ready++;
}

static void on_wake(void *opaque) { ((instance *)opaque)->wakes++; }
static void on_event(void *opaque, uint32_t event) { ((instance *)opaque)->events += event == LND_EVENT_NETWORK_CHANGED; }

static lnd_status reconfigure(void *opaque, const lnd_instance_config *config) {
    (void)config;
    ((instance *)opaque)->reconfigured++;
    return LND_OK;
}

static void number(const lnd_host *host, lnd_sink sink, const char *name, uint32_t value) {
    char text[64], digits[12];
    uint32_t n = 0, count = 0;
    text[n++] = '"';
    while (*name) text[n++] = *name++;
    text[n++] = '"';
    text[n++] = ':';
    do digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count) text[n++] = digits[--count];
    text[n++] = ',';
    host->write(host->ctx, sink, (const uint8_t *)text, n);
}

static void status(void *opaque, lnd_sink sink) {
    const instance *self = opaque;
    const lnd_host *host = self->host;
    host->write(host->ctx, sink, (const uint8_t *)"{", 1);
    number(host, sink, "rx", self->rx);
    number(host, sink, "tunnelled", self->tunnelled);
    number(host, sink, "up", self->up);
    number(host, sink, "down", self->down);
    number(host, sink, "fired", self->fired);
    number(host, sink, "wakes", self->wakes);
    number(host, sink, "ready", self->ready);
    number(host, sink, "answers", self->answers);
    number(host, sink, "events", self->events);
    number(host, sink, "reconfigured", self->reconfigured);
    number(host, sink, "changed", self->changed);
    number(host, sink, "stations", self->stations);
    number(host, sink, "released", self->released);
    number(host, sink, "exposed", self->exposed);
    number(host, sink, "cancelled", self->cancelled);
    number(host, sink, "failures", self->failures);
    host->write(host->ctx, sink, (const uint8_t *)"\"abi\":0}", 8);
}

#ifndef GOLDEN_DNS
/* ------------------------------------------------------------------ a network */

static const lnd_endpoint own = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 97, 0, 1}, 0, 0, 0};

static void on_timer(void *opaque, lnd_handle timer, uint64_t user) {
    instance *self = opaque;
    const lnd_host *host = self->host;
    void *ctx = host->ctx;
    (void)timer;
    self->fired++;
    if (user == LATER) {
        const lnd_host_names *names = host->get_extension(ctx, LND_EXT_NAMES);
        const lnd_host_guard *guard = host->get_extension(ctx, LND_EXT_GUARD);
        const lnd_host_uplink *uplinks = host->get_extension(ctx, LND_EXT_UPLINK);
        lnd_guard_binding binding = {sizeof binding, LND_GUARD_OWN, own, {0x5a, 0x94, 0xef, 0, 0, 9}, {0, 0}};
        lnd_uplink uplink = {sizeof uplink, 0, LND_UPLINK_PLUGIN, -1, 1400, 0, "golden tunnel"};
        must(self, names && names->publish(ctx, "golden.internal", &own) == LND_OK);
        must(self, guard && guard->bind(ctx, &binding) == LND_OK);
        if (guard) guard->serve(ctx, LND_GUARD_DHCP | LND_GUARD_ROUTER);
        must(self, uplinks && uplinks->add(ctx, &uplink, &self->tunnel) == LND_OK && self->tunnel);
        self->timer = host->timer_at(ctx, host->now_ns(ctx) + 1000000, STARTED);
        host->op_done(ctx, self->start, LND_OK, 0, 0);
    } else if (user == STARTED) {
        static const uint8_t message[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                         "\x06golden\x08internal\x00\x00\x01\x00\x01";
        const lnd_host_dns *dns = host->get_extension(ctx, LND_EXT_DNS);
        lnd_dns_query query;
        memset(&query, 0, sizeof query);
        query.size = sizeof query;
        query.message = message;
        query.length = sizeof message - 1;
        query.transport = LND_DNS_UDP;
        if (dns) self->question = dns->query(ctx, &query);
    }
}

static void on_op_done(void *opaque, lnd_op op, lnd_status status, const uint8_t *bytes, uint64_t count) {
    instance *self = opaque;
    if (op == self->question && status == LND_OK && count > 4 && bytes[count - 4] == 10 && bytes[count - 1] == 1)
        self->answers++;
}

static lnd_status port_up(void *opaque, const lnd_port_info *info) {
    instance *self = opaque;
    self->up++;
    return same(info->name, "refused") ? self->host->fail(self->host->ctx, LND_ERR_LIMIT, 0, "no", 2) : LND_OK;
}

static void port_down(void *opaque, lnd_port port) {
    (void)port;
    ((instance *)opaque)->down++;
}

/* Sends each frame back with its addresses swapped, in two pieces; what comes out of the tunnel is counted. */
static void rx(void *opaque, lnd_port port, const lnd_frame *frames, uint32_t count) {
    instance *self = opaque;
    if (port == self->tunnel) {
        self->tunnelled += count;
        return;
    }
    self->rx += count;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t head[12];
        lnd_slice slices[2] = {{head, 12}, {frames[i].data + 12, frames[i].length - 12}};
        lnd_frame out;
        memset(&out, 0, sizeof out);
        memcpy(head, frames[i].data + 6, 6);
        memcpy(head + 6, frames[i].data, 6);
        out.data = (const uint8_t *)slices;
        out.length = frames[i].length;
        out.slices = 2;
        out.flags = LND_FRAME_SLICES;
        self->host->send(self->host->ctx, port, &out, 1);
    }
}

static void tx_ready(void *opaque, lnd_port port) { (void)opaque, (void)port; }

static void changed(void *opaque, const lnd_port_info *info) {
    (void)info;
    ((instance *)opaque)->changed++;
}

static void guest_up(void *opaque, const lnd_port_info *info) { (void)opaque, (void)info; }
static void guest_down(void *opaque, lnd_port port) { (void)opaque, (void)port; }

static void station(void *opaque, lnd_port port, const uint8_t *mac) {
    (void)port, (void)mac;
    ((instance *)opaque)->stations++;
}

static lnd_status reserve(void *opaque, const lnd_lease_request *request, lnd_sink sink) {
    static const char text[] = "{\"address\":\"10.97.0.2\",\"prefixLength\":24}";
    instance *self = opaque;
    (void)request;
    self->host->write(self->host->ctx, sink, (const uint8_t *)text, sizeof text - 1);
    return LND_OK;
}

static void release(void *opaque, const lnd_lease_request *request) {
    (void)request;
    ((instance *)opaque)->released++;
}

static void empty(void *opaque, lnd_sink sink) {
    instance *self = opaque;
    self->host->write(self->host->ctx, sink, (const uint8_t *)"[]", 2);
}

static void expose(void *opaque, lnd_op op, const lnd_forward *forward) {
    instance *self = opaque;
    (void)forward;
    self->exposed++;
    self->host->op_done(self->host->ctx, op, LND_ERR_EXISTS, (const uint8_t *)"taken", 5);
}

static void unexpose(void *opaque, lnd_op op, const lnd_forward *forward) {
    instance *self = opaque;
    (void)forward;
    self->host->op_done(self->host->ctx, op, LND_OK, 0, 0);
}

static const lnd_plugin_guests guests = {sizeof guests, LND_GUESTS_SELECTIVE, guest_up, guest_down, station, changed};
static const lnd_plugin_lease leases = {sizeof leases, 0, reserve, release, empty};
static const lnd_plugin_forward forwards = {sizeof forwards, 0, expose, unexpose, empty};

static const void *extension(const lnd_plugin *plugin, const char *id) {
    (void)plugin;
    return same(id, LND_EXT_GUESTS) ? (const void *)&guests
           : same(id, LND_EXT_LEASE) ? (const void *)&leases
           : same(id, LND_EXT_FORWARD) ? (const void *)&forwards
                                       : 0;
}

static const lnd_network_ops ops = {
    {sizeof ops, 0, create, start, stop, destroy, on_fds, on_timer, on_wake, on_op_done, on_event, validate, reconfigure,
     status, {0}},
    port_up, port_down, rx, tx_ready, changed,
};
static const char *const modes[] = {"golden", 0};
static const lnd_plugin plugin = {sizeof plugin, 0, LND_KIND_NETWORK, "golden", "An old plugin", modes,
                                  "{\"type\":\"object\",\"properties\":{\"word\":{\"type\":\"string\"},\"mtu\":{\"type\":\"integer\"}}}",
                                  0, &ops, extension};

#else
/* ----------------------------------------------------------------------- DNS */

static void on_timer(void *opaque, lnd_handle timer, uint64_t user) {
    instance *self = opaque;
    (void)timer;
    self->fired++;
    if (user == LATER) self->host->op_done(self->host->ctx, self->start, LND_OK, 0, 0);
}

static void answer(instance *self, lnd_op op, const lnd_dns_query *query) {
    uint8_t bytes[512];
    if (query->length > sizeof bytes) {
        self->host->op_done(self->host->ctx, op, LND_ERR_LIMIT, 0, 0);
        return;
    }
    memcpy(bytes, query->message, query->length);
    bytes[2] |= 0x80;
    bytes[3] = 5; /* REFUSED */
    self->host->op_done(self->host->ctx, op, LND_OK, bytes, query->length);
}

/* "n...": the next plugin's, where there is one. "w...": not answered until it is cancelled. "p...": private. */
static void resolve(void *opaque, lnd_op op, const lnd_dns_query *query) {
    instance *self = opaque;
    const lnd_host *host = self->host;
    const lnd_host_dns_next *next = host->get_extension(host->ctx, LND_EXT_DNS_NEXT);
    const lnd_host_dns_cache *cache = host->get_extension(host->ctx, LND_EXT_DNS_CACHE);
    self->rx++;
    if (query->length < 14) return answer(self, op, query);
    if (query->message[13] == 'w') return;
    if (query->message[13] == 'p') must(self, cache && cache->keep_private(host->ctx, op) == LND_OK);
    if (query->message[13] == 'f' && cache) cache->flush(host->ctx);
    for (int i = 0; i < WAITING && next && query->message[13] == 'n'; i++) {
        if (self->asked[i]) continue;
        self->waiting[i] = op;
        self->asked[i] = next->query(host->ctx, op, query);
        if (self->asked[i]) return;
        break;
    }
    answer(self, op, query);
}

static void on_op_done(void *opaque, lnd_op op, lnd_status status, const uint8_t *bytes, uint64_t count) {
    instance *self = opaque;
    for (int i = 0; i < WAITING; i++)
        if (self->asked[i] == op) {
            self->asked[i] = 0;
            self->answers++;
            self->host->op_done(self->host->ctx, self->waiting[i], status, bytes, count);
            return;
        }
}

static void cancel(void *opaque, lnd_op op) {
    (void)op;
    ((instance *)opaque)->cancelled++;
}

static const lnd_dns_ops ops = {
    {sizeof ops, 0, create, start, stop, destroy, on_fds, on_timer, on_wake, on_op_done, on_event, validate, reconfigure,
     status, {0}},
    resolve, cancel,
};
static const lnd_plugin plugin = {sizeof plugin, 0, LND_KIND_DNS, "golden", "An old plugin", 0, 0, 0, &ops, 0};
#endif

static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {sizeof module, LND_ABI_MINOR, "io.lima-vm.test.golden", "1.0.0", "Apache-2.0", 0, 1, 0,
                                  plugins, 0};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    return same(host->name, "lima-netd") && length(host->version) ? &module : 0;
}
