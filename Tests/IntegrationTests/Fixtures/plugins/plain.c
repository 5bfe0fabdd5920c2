/* plain.c - a switched network that counts what the frames that it is given have: checksums that are due, super-frames, and
 * UDP checksums that are wrong. With -DFULL it does not ask for plain frames. Option "uplink": a UDP port of 127.0.0.1 that a
 * datagram uplink leads to. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <lnd_ext_lease.h>
#include <lnd_ext_uplink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    const lnd_host *host;
    int uplink, given;
    lnd_port port;
    unsigned rx, due, super, udp, wrong, longest, up, down, released;
} plain;

static void *create(const lnd_plugin *plugin, const lnd_host *host, const lnd_instance_config *config) {
    plain *p = calloc(1, sizeof *p);
    const char *at = strstr(config->options, "\"uplink\":");
    (void)plugin;
    p->host = host;
    if (at) p->uplink = atoi(at + 9);
    return p;
}

static lnd_status start(void *self, lnd_op op) {
    plain *p = self;
    if (p->uplink) {
        const lnd_host_uplink *uplinks = p->host->get_extension(p->host->ctx, LND_EXT_UPLINK);
        struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->uplink)};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        lnd_uplink add = {sizeof add, 0, LND_UPLINK_DGRAM, fd, 1500, 0, "datagrams"};
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) return LND_ERR_SYSTEM;
        lnd_status status = uplinks->add(p->host->ctx, &add, &p->port);
        if (status != LND_OK) return status;
    }
    return p->host->op_done(p->host->ctx, op, LND_OK, 0, 0);
}

static void stop(void *self, lnd_op op) {
    plain *p = self;
    p->host->op_done(p->host->ctx, op, LND_OK, 0, 0);
}

static void destroy(void *self) { free(self); }

static lnd_status port_up(void *self, const lnd_port_info *info) {
    plain *p = self;
    p->up += info->kind == LND_PORT_UPLINK;
    return LND_OK;
}

static void port_down(void *self, lnd_port port) {
    plain *p = self;
    p->down += port == p->port;
}

/* Of IPv4 without options. */
static int is_right(const uint8_t *d, unsigned length) {
    unsigned udp = (unsigned)(d[38] << 8 | d[39]), sum = 17 + udp;
    if (34 + udp > length || (!d[40] && !d[41])) return 1;
    for (unsigned i = 26; i < 34; i += 2) sum += (unsigned)(d[i] << 8 | d[i + 1]);
    for (unsigned i = 0; i < udp; i += 2) sum += (unsigned)(d[34 + i] << 8 | (i + 1 < udp ? d[35 + i] : 0));
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

static void rx(void *self, lnd_port port, const lnd_frame *frames, uint32_t count) {
    plain *p = self;
    (void)port;
    for (uint32_t i = 0; i < count; i++) {
        const lnd_frame *f = &frames[i];
        p->rx++;
        p->due += f->flags & LND_FRAME_NEEDS_CSUM ? 1 : 0;
        p->super += f->gso_type != 0;
        if (f->length > p->longest) p->longest = f->length;
        if (f->length < 60 || f->data[12] != 8 || f->data[13] || f->data[14] != 0x45 || f->data[23] != 17) continue;
        if (f->data[36] != 0x27 || f->data[37] != 0x0f) continue; /* port 9999 alone */
        p->udp++;
        p->wrong += !is_right(f->data, f->length);
    }
}

static void status(void *self, lnd_sink sink) {
    plain *p = self;
    char text[300];
    int n = snprintf(text, sizeof text,
                     "{\"rx\":%u,\"due\":%u,\"super\":%u,\"udp\":%u,\"wrong\":%u,\"longest\":%u,\"up\":%u,\"down\":%u,"
                     "\"released\":%u}",
                     p->rx, p->due, p->super, p->udp, p->wrong, p->longest, p->up, p->down, p->released);
    p->host->write(p->host->ctx, sink, (const uint8_t *)text, (uint64_t)n);
}

static lnd_status reserve(void *self, const lnd_lease_request *request, lnd_sink sink) {
    plain *p = self;
    char text[100];
    (void)request;
    int n = snprintf(text, sizeof text, "{\"address\":\"10.96.0.%d\",\"prefixLength\":24}", 2 + p->given++ % 200);
    p->host->write(p->host->ctx, sink, (const uint8_t *)text, (uint64_t)n);
    return LND_OK;
}

static void release(void *self, const lnd_lease_request *request) {
    (void)request;
    ((plain *)self)->released++;
}

static void list(void *self, lnd_sink sink) {
    plain *p = self;
    p->host->write(p->host->ctx, sink, (const uint8_t *)"[]", 2);
}

static const lnd_plugin_lease lease = {sizeof lease, 0, reserve, release, list};

static const void *extension(const lnd_plugin *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, LND_EXT_LEASE) == 0 ? &lease : 0;
}

static const lnd_network_ops ops = {
    .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy, .status = status},
    .port_up = port_up, .port_down = port_down, .rx = rx,
};
static const char *const modes[] = {"plain", 0};
#ifdef FULL
enum { FLAGS = 0 };
#else
enum { FLAGS = LND_NETWORK_PLAIN };
#endif
static const lnd_plugin plugin = {
    sizeof plugin, FLAGS, LND_KIND_NETWORK, "plain", "Counts frames", modes,
    "{\"type\":\"object\",\"properties\":{\"uplink\":{\"type\":\"integer\"}}}", 0, &ops, extension};
static const lnd_plugin *const plugins[] = {&plugin};
static const lnd_module module = {sizeof module, LND_ABI_MINOR, "test.plain", "1.0.0", "Apache-2.0", 0, 1, 0, plugins, 0};

__attribute__((visibility("default"))) const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
