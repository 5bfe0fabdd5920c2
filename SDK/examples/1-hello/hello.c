/* hello.c - the smallest network plugin that a guest can use: it gives each
 * guest an address and answers ARP and ping for one host, 10.123.0.2.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 *   cc -std=c11 -shared -fPIC -o lima-net-hello.so hello.c $(pkg-config --cflags lima-netd-plugin)
 *   lima-netd --plugin-dir .            # networks.yaml:  hello: {mode: hello}
 *   lima-netd exec hello -- ping -c 3 10.123.0.2
 *
 * Read it from the bottom up: the entry, the descriptor, the table of
 * callbacks, and then the callbacks. */
#include <lnd_ext_lease.h>
#include <lnd_plugin.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t our_mac[6] = {0x5a, 0x94, 0xef, 0x00, 0x00, 0x02};
static const uint8_t our_ip[4] = {10, 123, 0, 2};

/* One network's instance. The host's table lives as long as it does. */
struct hello {
    const lnd_host *host;
    uint64_t pings;
};

/* ------------------------------------------------------------- the frames */

enum { ETHERNET = 14, ARP = 28, IPV4 = 20, ICMP = 8 };

static uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static uint16_t checksum(const uint8_t *p, uint32_t n) {
    uint32_t sum = 0;
    for (; n > 1; n -= 2, p += 2) sum += get16(p);
    if (n) sum += (uint32_t)p[0] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void put_checksum(uint8_t *field, const uint8_t *p, uint32_t n) {
    field[0] = field[1] = 0;
    uint16_t sum = checksum(p, n);
    field[0] = (uint8_t)(sum >> 8);
    field[1] = (uint8_t)sum;
}

/* Turns a request into its reply, in place. 0: no reply. */
static int answer_arp(uint8_t *f, uint32_t n) {
    uint8_t *arp = f + ETHERNET;
    if (n < ETHERNET + ARP || get16(arp + 6) != 1 || memcmp(arp + 24, our_ip, 4) != 0) return 0;
    arp[7] = 2;                   /* a reply */
    memcpy(arp + 18, arp + 8, 10); /* target: the sender's MAC and address */
    memcpy(arp + 8, our_mac, 6);
    memcpy(arp + 14, our_ip, 4);
    return 1;
}

static int answer_ping(uint8_t *f, uint32_t n) {
    uint8_t *ip = f + ETHERNET, *icmp = ip + IPV4;
    if (n < ETHERNET + IPV4 + ICMP || ip[0] != 0x45 || ip[9] != 1) return 0;
    uint32_t total = get16(ip + 2);
    if (total < IPV4 + ICMP || total > n - ETHERNET) return 0;  /* a guest's length is not trusted */
    if (memcmp(ip + 16, our_ip, 4) != 0 || icmp[0] != 8) return 0;
    memcpy(ip + 16, ip + 12, 4);
    memcpy(ip + 12, our_ip, 4);
    put_checksum(ip + 10, ip, IPV4);
    icmp[0] = 0; /* echo reply */
    put_checksum(icmp + 2, icmp, total - IPV4);
    return 1;
}

/* ---------------------------------------------------------- the callbacks */

static void *hello_create(const lnd_plugin *plugin, const lnd_host *host,
                          const lnd_instance_config *config) {
    (void)plugin, (void)config;
    struct hello *self = calloc(1, sizeof *self);
    if (!self) {
        static const char why[] = "out of memory";
        host->fail(host->ctx, LND_ERR_SYSTEM, NULL, why, sizeof why - 1);
        return NULL;
    }
    self->host = host;
    return self;
}

static lnd_status hello_start(void *opaque, lnd_op op) {
    struct hello *self = opaque; /* nothing to open: started at once */
    return self->host->op_done(self->host->ctx, op, LND_OK, NULL, 0);
}

static void hello_stop(void *opaque, lnd_op op) {
    struct hello *self = opaque;
    self->host->op_done(self->host->ctx, op, LND_OK, NULL, 0);
}

static void hello_destroy(void *self) { free(self); }

static lnd_status hello_port_up(void *self, const lnd_port_info *info) {
    (void)self, (void)info;
    return LND_OK;
}

static void hello_port_down(void *self, lnd_port port) { (void)self, (void)port; }

static void hello_rx(void *opaque, lnd_port port, const lnd_frame *frames, uint32_t count) {
    struct hello *self = opaque;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t f[1514];
        uint32_t n = frames[i].length;
        if (n > sizeof f) continue;
        memcpy(f, frames[i].data, n); /* frames are borrowed and read-only */
        uint16_t type = get16(f + 12);
        int answered = type == 0x0806 ? answer_arp(f, n) : type == 0x0800 ? answer_ping(f, n) : 0;
        if (!answered) continue;
        if (type == 0x0800) self->pings++;
        memcpy(f, f + 6, 6);
        memcpy(f + 6, our_mac, 6);
        lnd_frame reply;
        memset(&reply, 0, sizeof reply);
        reply.data = f;
        reply.length = n;
        /* A reply without room is lost, as on any network. */
        self->host->send(self->host->ctx, port, &reply, 1);
    }
}

static void put(const struct hello *self, lnd_sink sink, const char *text) {
    self->host->write(self->host->ctx, sink, (const uint8_t *)text, strlen(text));
}

static void hello_status(void *opaque, lnd_sink sink) {
    const struct hello *self = opaque;
    char digits[21] = "", *p = digits + sizeof digits - 1;
    uint64_t n = self->pings;
    do *--p = (char)('0' + n % 10); while (n /= 10);
    put(self, sink, "{\"pings\":");
    put(self, sink, p);
    put(self, sink, "}");
}

/* ------------------------------------- the extension: the address of a guest */

static lnd_status hello_reserve(void *self, const lnd_lease_request *request, lnd_sink sink) {
    (void)request; /* guests are isolated: all have the same address */
    put(self, sink,
        "{\"address\":\"10.123.0.15\",\"prefixLength\":24,\"gateway\":\"10.123.0.2\","
        "\"dns\":[],\"mtu\":1500,\"search\":[]}");
    return LND_OK;
}

static void hello_leases(void *self, lnd_sink sink) { put(self, sink, "[]"); }

static const lnd_plugin_lease lease = {
    .size = sizeof lease, .reserve = hello_reserve, .list = hello_leases,
};

static const void *hello_extension(const lnd_plugin *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, LND_EXT_LEASE) == 0 ? &lease : NULL;
}

/* --------------------------------------------------------- the descriptor */

static const lnd_network_ops ops = {
    .instance = {
        .size = sizeof ops,
        .create = hello_create,
        .start = hello_start,
        .stop = hello_stop,
        .destroy = hello_destroy,
        .status = hello_status,
    },
    .port_up = hello_port_up,
    .port_down = hello_port_down,
    .rx = hello_rx,
};

static const char *const modes[] = {"hello", NULL};

static const lnd_plugin hello = {
    .size = sizeof hello,
    .flags = LND_NETWORK_ISOLATED,
    .kind = LND_KIND_NETWORK,
    .name = "hello",
    .summary = "Answers ping; an example",
    .modes = modes,
    .ops = &ops,
    .get_extension = hello_extension,
};

static const lnd_plugin *const plugins[] = {&hello};

static const lnd_module module = {
    .size = sizeof module,
    .abi_minor = LND_ABI_MINOR,
    .id = "io.lima-vm.example.hello",
    .version = "1.0.0",
    .license = "Apache-2.0",
    .plugin_count = 1,
    .plugins = plugins,
};

const lnd_module *lima_netd_module_v1(const lnd_host_info *host) {
    (void)host;
    return &module;
}
