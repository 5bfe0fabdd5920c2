/* echo.c - the network plugin of the network-host's tests: an isolated network
 * whose plugin sends each frame back with its addresses swapped, and exercises
 * every function of the host. What it saw is in its status. Options (looked
 * for as text): "failCreate", "failStart", "neverStop", "crash", "slow", "uplink", "vandal",
 * "rearm",
 * "late", "lateFail", "stuck", "takes" (other options while it runs).
 *
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lnd_ext_dns.h"
#include "lnd_ext_forward.h"
#include "lnd_ext_guests.h"
#include "lnd_ext_lease.h"
#include "lnd_ext_loopcheck.h"
#include "lnd_ext_names.h"
#include "lnd_ext_uplink.h"
#include "lnd_plugin.h"

#ifndef ECHO_FLAGS
#define ECHO_FLAGS LND_NETWORK_ISOLATED
#endif

typedef struct {
    const lnd_host *host;
    const lnd_host_dns *dns;
    const lnd_host_names *names;
    const lnd_host_loopcheck *loop;
    pthread_t thread;
    int thread_runs, pipe[2], uplink_fd;
    lnd_port uplink_port;
    lnd_handle watch;
    lnd_op pending_expose, question, start;
    unsigned late, late_fail, stuck;
    unsigned rx, timers, wakes, fds, up, down, answers, wrong_thread, crash, slow, never_stop;
    unsigned changed, changed_mtu, changed_kind, takes, released;
    unsigned order_ok, last_user, uplink, vandal, rearm, rearmed, up_frames;
    char last_name[64];
} echo;

static void say(echo *e, const char *text) {
    e->host->log(e->host->ctx, LND_LOG_INFO, text, strlen(text));
}

static void *create(const lnd_plugin *plugin, const lnd_host *host,
                    const lnd_instance_config *config) {
    echo *e;
    (void)plugin;
    if (strstr(config->options, "failCreate")) {
        host->fail(host->ctx, LND_ERR_INVALID_CONFIG, "/gateway", "not inside 10.0.0.0/24", 22);
        return 0;
    }
    e = calloc(1, sizeof *e);
    e->host = host;
    e->order_ok = 1;
    e->crash = strstr(config->options, "crash") != 0;
    e->slow = strstr(config->options, "slow") != 0;
    e->never_stop = strstr(config->options, "neverStop") != 0;
    e->uplink = strstr(config->options, "uplink") != 0;
    e->vandal = strstr(config->options, "vandal") != 0;
    e->late = strstr(config->options, "late") != 0;
    e->late_fail = strstr(config->options, "lateFail") != 0;
    e->stuck = strstr(config->options, "stuck") != 0;
    e->takes = strstr(config->options, "takes") != 0;
    e->rearm = strstr(config->options, "rearm") != 0;
    if (strstr(config->options, "failStart")) e->last_user = 99;
    e->dns = host->get_extension(host->ctx, LND_EXT_DNS);
    e->names = host->get_extension(host->ctx, LND_EXT_NAMES);
    e->loop = host->get_extension(host->ctx, LND_EXT_LOOPCHECK);
    return e;
}

static void *other_thread(void *self) {
    echo *e = self;
    const lnd_host *h = e->host;
    /* [loop] functions refuse; [any] functions work. */
    if (h->timer_at(h->ctx, 0, 0) == 0 && e->loop->on_loop(h->ctx) == 0) e->wrong_thread++;
    h->log(h->ctx, LND_LOG_INFO, "hello from a thread", 19);
    h->wake(h->ctx);
    return 0;
}

static lnd_status start(void *self, lnd_op op) {
    echo *e = self;
    const lnd_host *h = e->host;
    uint64_t now = h->now_ns(h->ctx);
    static const lnd_endpoint address = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 168, 5, 2}, 0, 0, 0};
    lnd_handle cancelled, again;
    if (e->last_user == 99) return h->fail(h->ctx, LND_ERR_SYSTEM, 0, "no such device", 14);
    if (!e->dns || !e->names || !e->loop || e->loop->on_loop(h->ctx) != 1)
        return h->fail(h->ctx, LND_ERR_INTERNAL, 0, "an extension is missing", 23);
    if (h->get_extension(h->ctx, "org.example.nothing/1"))
        return h->fail(h->ctx, LND_ERR_INTERNAL, 0, "an extension nobody has", 23);
    h->timer_at(h->ctx, now + 30000000, 2);
    h->timer_at(h->ctx, now + 10000000, 1);
    cancelled = h->timer_at(h->ctx, now + 20000000, 50);
    h->timer_cancel(h->ctx, cancelled);
    h->timer_cancel(h->ctx, cancelled);
    if (pipe(e->pipe) != 0) return LND_ERR_SYSTEM;
    e->watch = 1;
    if (h->fd_add(h->ctx, -1, LND_FD_READ, 0, &e->watch) != LND_ERR_MISUSE || e->watch != 0 ||
        h->fd_add(h->ctx, 1 << 20, LND_FD_READ, 0, &e->watch) != LND_ERR_SYSTEM ||
        h->fd_add(h->ctx, e->pipe[0], LND_FD_READ, 7, &e->watch) != LND_OK)
        return LND_ERR_INTERNAL;
    if (h->fd_add(h->ctx, e->pipe[0], LND_FD_READ, 7, &again) != LND_ERR_EXISTS || again != 0)
        return LND_ERR_INTERNAL;
    if (write(e->pipe[1], "x", 1) != 1) return LND_ERR_SYSTEM;
    /* Each of these is stale. */
    if (h->op_done(h->ctx, 0x123456789, LND_OK, 0, 0) != LND_ERR_NOT_FOUND) return LND_ERR_INTERNAL;
    h->fd_remove(h->ctx, 0x777700000001);
    if (h->fd_modify(h->ctx, 0, LND_FD_READ) != LND_ERR_NOT_FOUND) return LND_ERR_INTERNAL;
    if (e->names->publish(h->ctx, "host.lima.internal", &address) != LND_OK ||
        e->names->publish(h->ctx, "not..a.name", &address) != LND_ERR_INVALID_CONFIG ||
        e->names->publish(h->ctx, "host.lima.internal", 0) != LND_ERR_MISUSE)
        return LND_ERR_INTERNAL;
    if (e->uplink) {
        /* Frames that go out of it come back to `uplink_fd`. */
        const lnd_host_uplink *ext = h->get_extension(h->ctx, LND_EXT_UPLINK);
        int ends[2];
        lnd_uplink add = {sizeof add, 0, LND_UPLINK_DGRAM, -1, 1500, 0, "up"};
        if (!ext) return h->fail(h->ctx, LND_ERR_UNSUPPORTED, 0, "no uplink/1", 11);
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) return LND_ERR_SYSTEM;
        if (ext->add(h->ctx, &add, &e->uplink_port) != LND_ERR_MISUSE || e->uplink_port) return LND_ERR_INTERNAL;
        add.fd = ends[0];
        e->uplink_fd = ends[1];
        if (ext->add(h->ctx, &add, &e->uplink_port) != LND_OK || !e->uplink_port) return LND_ERR_SYSTEM;
        h->fd_add(h->ctx, e->uplink_fd, LND_FD_READ, 8, &again);
    }
    if (e->rearm) h->timer_at(h->ctx, 0, 10);
    e->thread_runs = pthread_create(&e->thread, 0, other_thread, e) == 0;
    if (e->late) {
        /* `start` ends in a later turn of the loop. */
        e->start = op;
        h->timer_at(h->ctx, now + 50000000, 11);
        return LND_OK;
    }
    return e->stuck ? LND_OK : h->op_done(h->ctx, op, LND_OK, 0, 0);
}

static void stop(void *self, lnd_op op) {
    echo *e = self;
    say(e, "stopping");
    if (!e->never_stop) e->host->op_done(e->host->ctx, op, LND_OK, 0, 0);
}

static void destroy(void *self) {
    echo *e = self;
    if (e->thread_runs) pthread_join(e->thread, 0);
    say(e, "destroyed");
    free(e);
}

static lnd_status port_up(void *self, const lnd_port_info *info) {
    echo *e = self;
    e->up++;
    snprintf(e->last_name, sizeof e->last_name, "%s", info->name);
    if (strcmp(info->name, "refused") == 0)
        return e->host->fail(e->host->ctx, LND_ERR_LIMIT, 0, "no address is left", 18);
    return LND_OK;
}

static void changed(void *self, const lnd_port_info *info) {
    echo *e = self;
    e->changed++;
    e->changed_mtu = info->mtu;
    e->changed_kind = info->kind;
    snprintf(e->last_name, sizeof e->last_name, "%s", info->name);
}

static lnd_status reconfigure(void *self, const lnd_instance_config *config) {
    (void)config;
    return ((echo *)self)->takes ? LND_OK : LND_ERR_UNSUPPORTED;
}

static void port_down(void *self, lnd_port port) {
    (void)port;
    ((echo *)self)->down++;
}

static void rx(void *self, lnd_port port, const lnd_frame *frames, uint32_t count) {
    echo *e = self;
    e->rx += count;
    if (e->crash) *(volatile int *)0 = 1;
    if (e->slow) usleep(20000);
    if (e->vandal)
        for (int fd = 3; fd < 64; fd++) close(fd);
    if (e->uplink) return;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t head[12];
        lnd_slice slices[2];
        lnd_frame out = {0};
        memcpy(head, frames[i].data + 6, 6);
        memcpy(head + 6, frames[i].data, 6);
        slices[0].data = head;
        slices[0].length = 12;
        slices[1].data = frames[i].data + 12;
        slices[1].length = frames[i].length - 12;
        out.data = (const uint8_t *)slices;
        out.length = frames[i].length;
        out.slices = 2;
        out.flags = LND_FRAME_SLICES;
        e->host->send(e->host->ctx, port, &out, 1);
    }
}

static void on_fds(void *self, const lnd_fd_event *events, uint32_t count) {
    echo *e = self;
    char c;
    for (uint32_t i = 0; i < count; i++)
        if (events[i].user == 8) {
            char frame[2000];
            const lnd_host_uplink *ext = e->host->get_extension(e->host->ctx, LND_EXT_UPLINK);
            if (read(e->uplink_fd, frame, sizeof frame) > 0) e->up_frames++;
            ext->remove(e->host->ctx, e->uplink_port);
            ext->remove(e->host->ctx, e->uplink_port);
        }
    for (uint32_t i = 0; i < count; i++)
        if (events[i].user == 7 && events[i].events == LND_FD_READ && read(e->pipe[0], &c, 1) == 1) {
            e->fds++;
            e->host->fd_remove(e->host->ctx, e->watch);
            close(e->pipe[0]);
            close(e->pipe[1]);
        }
}

static void on_timer(void *self, lnd_handle timer, uint64_t user) {
    echo *e = self;
    (void)timer;
    if (user == 9) {
        e->host->op_done(e->host->ctx, e->pending_expose, LND_OK, 0, 0);
        return;
    }
    if (user == 11) {
        const lnd_host *h = e->host;
        static const char why[] = "the moon is not up";
        h->report(h->ctx, LND_STATE_DEGRADED, "half a moon", 11);
        if (e->late_fail)
            h->op_done(h->ctx, e->start, LND_ERR_BUSY, (const uint8_t *)why, sizeof why - 1);
        else
            h->op_done(h->ctx, e->start, LND_OK, 0, 0);
        return;
    }
    if (user == 10) {
        /* Due at once, again and again: others must get their turn. */
        e->rearmed++;
        e->host->timer_at(e->host->ctx, 0, 10);
        return;
    }
    e->timers++;
    if (user != e->last_user + 1) e->order_ok = 0;
    e->last_user = (unsigned)user;
    if (user == 1) {
        /* "host.lima.internal" A: answered by the host from what was published. */
        static const uint8_t query[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
                                       "\x04host\x04lima\x08internal\x00\x00\x01\x00\x01";
        lnd_dns_query q;
        memset(&q, 0, sizeof q);
        q.size = sizeof q;
        q.transport = LND_DNS_UDP;
        q.message = query;
        q.length = sizeof query - 1;
        e->question = e->dns->query(e->host->ctx, &q);
    }
}

static void on_wake(void *self) { ((echo *)self)->wakes++; }

static void on_op_done(void *self, lnd_op op, lnd_status status, const uint8_t *bytes,
                       uint64_t length) {
    static const uint8_t address[4] = {192, 168, 5, 2};
    echo *e = self;
    if (op == e->question && status == LND_OK && length > 16 && bytes[0] == 0x12 &&
        memcmp(bytes + length - 4, address, 4) == 0)
        e->answers++;
}

static void put(echo *e, lnd_sink sink, const char *text) {
    e->host->write(e->host->ctx, sink, (const uint8_t *)text, strlen(text));
}

static void status(void *self, lnd_sink sink) {
    echo *e = self;
    char text[400];
    snprintf(text, sizeof text,
             "{\"rx\":%u,\"timers\":%u,\"wakes\":%u,\"fds\":%u,\"up\":%u,\"down\":%u,"
             "\"answers\":%u,\"wrongThread\":%u,\"orderOk\":%u,\"rearmed\":%u,"
             "\"upFrames\":%u,\"changed\":%u,\"mtu\":%u,\"kind\":%u,\"released\":%u,\"name\":\"%s\"}",
             e->rx, e->timers, e->wakes, e->fds, e->up, e->down, e->answers, e->wrong_thread,
             e->order_ok, e->rearmed, e->up_frames, e->changed, e->changed_mtu, e->changed_kind, e->released, e->last_name);
    put(e, sink, text);
    put(e, sink + 1, "this sink is not open");
}

static void expose(void *self, lnd_op op, const lnd_forward *forward) {
    echo *e = self;
    const lnd_host *h = e->host;
    if (forward->host.address[12] == 127 && forward->host.port == 1) {
        static const char taken[] = "127.0.0.1:1 is taken";
        h->op_done(h->ctx, op, LND_ERR_EXISTS, (const uint8_t *)taken, sizeof taken - 1);
        return;
    }
    e->pending_expose = op;
    h->timer_at(h->ctx, h->now_ns(h->ctx) + 5000000, 9);
}

static void unexpose(void *self, lnd_op op, const lnd_forward *forward) {
    echo *e = self;
    (void)forward;
    e->host->op_done(e->host->ctx, op, LND_OK, 0, 0);
    e->host->op_done(e->host->ctx, op, LND_OK, 0, 0); /* twice: the second is stale */
}

static void list(void *self, lnd_sink sink) { put(self, sink, "[ {\"protocol\": \"tcp\"} ]"); }

static lnd_status reserve(void *self, const lnd_lease_request *request, lnd_sink sink) {
    echo *e = self;
    char text[100];
    if (strcmp(request->name, "late") == 0)
        return e->host->fail(e->host->ctx, LND_ERR_LIMIT, 0, "there is none left", 18);
    snprintf(text, sizeof text, "{\"address\":\"192.168.5.15\",\"mac0\":%u}", request->mac[0]);
    put(e, sink, text);
    return LND_OK;
}

static void release(void *self, const lnd_lease_request *request) {
    echo *e = self;
    if (request->mac[0] == 0x52 && strcmp(request->name, "late") != 0) e->released++;
}

#ifdef ECHO_LEASES
/* As many as a /20 has addresses. */
static void leases(void *self, lnd_sink sink) {
    char text[256];
    put(self, sink, "[");
    for (int i = 0; i < ECHO_LEASES; i++) {
        snprintf(text, sizeof text,
                 "%s{\"address\":\"10.0.%d.%d\",\"mac\":\"52:55:55:00:%02x:%02x\","
                 "\"name\":\"guest-%d\",\"hostname\":\"lima-guest-%d\",\"state\":\"bound\","
                 "\"expires\":86400}",
                 i ? "," : "", i / 256, i % 256, i / 256, i % 256, i, i);
        put(self, sink, text);
    }
    put(self, sink, "]");
}
#else
static void leases(void *self, lnd_sink sink) { put(self, sink, "not json"); }
#endif

static const lnd_plugin_forward forwards = {sizeof forwards, 0, expose, unexpose, list};
static const lnd_plugin_lease lease = {sizeof lease, 0, reserve, release, leases};
static const lnd_plugin_guests guests = {.size = sizeof guests, .guest_changed = changed};

static const void *extension(const lnd_plugin *plugin, const char *id) {
    (void)plugin;
    if (strcmp(id, LND_EXT_FORWARD) == 0) return &forwards;
    if (strcmp(id, LND_EXT_LEASE) == 0) return &lease;
    if (strcmp(id, LND_EXT_GUESTS) == 0) return &guests;
    return 0;
}

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy,
                 .on_fds = on_fds, .on_timer = on_timer, .on_wake = on_wake, .on_op_done = on_op_done,
                 .reconfigure = reconfigure, .status = status},
    .port_up = port_up,
    .port_down = port_down,
    .rx = rx,
    .port_changed = changed,
};
static const char *const modes[] = {"echo", 0};
static const lnd_plugin plugin = {sizeof plugin, ECHO_FLAGS, LND_KIND_NETWORK, "echo",
                                  "Sends each frame back", modes, "{\"type\":\"object\"}", 0,
                                  &ops, extension};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {sizeof module, LND_ABI_MINOR, "test.echo", "1.2.3",
                                  "Apache-2.0",  0,             1,           0,       plugins, 0};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
