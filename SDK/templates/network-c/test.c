/* test.c - loads the plugin as lima-netd does, and acts as a guest: ARP, DHCP, ping.
 *
 *   make test */
#include <dlfcn.h>
#include <lnd_ext_lease.h>
#include <lnd_plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); \
            exit(1); \
        } \
    } while (0)

/* ------------------------------------------------------- the host of the test */

static uint8_t sent[2048];
static uint32_t sent_length;
static char written[4096], failed_at[64];
static int done;

static void host_log(void *ctx, uint32_t level, const char *text, uint64_t length) {
    (void)ctx, (void)level;
    printf("log: %.*s\n", (int)length, text);
}
static void host_wake(void *ctx) { (void)ctx; }
static uint64_t host_now(void *ctx) { return (void)ctx, 1000000000; }
static lnd_status host_fd_add(void *ctx, int32_t fd, uint32_t events, uint64_t user, lnd_handle *watch) {
    *watch = 1;
    return (void)ctx, (void)fd, (void)events, (void)user, LND_OK;
}
static lnd_status host_fd_modify(void *ctx, lnd_handle watch, uint32_t events) {
    return (void)ctx, (void)watch, (void)events, LND_OK;
}
static void host_forget(void *ctx, lnd_handle handle) { (void)ctx, (void)handle; }
static lnd_handle host_timer(void *ctx, uint64_t deadline, uint64_t user) {
    return (void)ctx, (void)deadline, (void)user, 1;
}
static uint32_t host_send(void *ctx, lnd_port port, const lnd_frame *frames, uint32_t count) {
    (void)ctx, (void)port;
    EXPECT(count == 1 && frames->length <= sizeof sent);
    memcpy(sent, frames->data, frames->length);
    sent_length = frames->length;
    return count;
}
static lnd_status host_fail(void *ctx, lnd_status code, const char *pointer, const char *text, uint64_t length) {
    (void)ctx, (void)text, (void)length;
    snprintf(failed_at, sizeof failed_at, "%s", pointer ? pointer : "");
    return code;
}
static lnd_status host_done(void *ctx, lnd_op op, lnd_status status, const uint8_t *bytes, uint64_t length) {
    (void)ctx, (void)bytes, (void)length;
    EXPECT(op == 7 && status == LND_OK);
    done++;
    return LND_OK;
}
static lnd_status host_write(void *ctx, lnd_sink sink, const uint8_t *bytes, uint64_t length) {
    (void)ctx, (void)sink;
    size_t used = strlen(written);
    EXPECT(used + length < sizeof written);
    memcpy(written + used, bytes, length);
    written[used + length] = 0;
    return LND_OK;
}
static void host_report(void *ctx, uint32_t state, const char *text, uint64_t length) {
    (void)ctx, (void)state, (void)text, (void)length;
}
static const void *host_extension(void *ctx, const char *id) { return (void)ctx, (void)id, NULL; }

static const lnd_host host = {
    .size = sizeof host,
    .abi_minor = LND_ABI_MINOR,
    .log = host_log,
    .wake = host_wake,
    .now_ns = host_now,
    .fd_add = host_fd_add,
    .fd_modify = host_fd_modify,
    .fd_remove = host_forget,
    .timer_at = host_timer,
    .timer_cancel = host_forget,
    .send = host_send,
    .fail = host_fail,
    .op_done = host_done,
    .write = host_write,
    .get_extension = host_extension,
    .report = host_report,
};

/* -------------------------------------------------------------------- frames */

static const uint8_t guest_mac[6] = {0x52, 0x55, 0x55, 1, 2, 3};
static const uint8_t gateway[4] = {10, 98, 0, 1}, guest[4] = {10, 98, 0, 15};

static uint8_t frame[600];

static void begin(uint16_t type) {
    memset(frame, 0, sizeof frame);
    memset(frame, 255, 6);
    memcpy(frame + 6, guest_mac, 6);
    frame[12] = (uint8_t)(type >> 8), frame[13] = (uint8_t)type;
}

static void begin_ip(uint8_t protocol, const uint8_t *from, const uint8_t *to, uint32_t total) {
    begin(0x0800);
    uint8_t *ip = frame + 14;
    ip[0] = 0x45, ip[2] = (uint8_t)(total >> 8), ip[3] = (uint8_t)total, ip[8] = 64, ip[9] = protocol;
    memcpy(ip + 12, from, 4);
    memcpy(ip + 16, to, 4);
}

static uint32_t dhcp(uint8_t type, const uint8_t *wanted) {
    static const uint8_t none[4] = {0}, all[4] = {255, 255, 255, 255};
    begin_ip(17, none, all, 20 + 8 + 252);
    uint8_t *udp = frame + 34, *bootp = udp + 8, *option = bootp + 240;
    udp[1] = 68, udp[3] = 67, udp[4] = 260 >> 8, udp[5] = 260 & 255;
    bootp[0] = 1, bootp[1] = 1, bootp[2] = 6, bootp[4] = 0xab;
    memcpy(bootp + 28, guest_mac, 6);
    memcpy(bootp + 236, (const uint8_t[]){99, 130, 83, 99}, 4);
    *option++ = 53, *option++ = 1, *option++ = type;
    if (wanted) {
        *option++ = 50, *option++ = 4;
        memcpy(option, wanted, 4);
        option += 4;
    }
    *option = 255;
    return 14 + 20 + 8 + 252;
}

int main(int argc, char **argv) {
    void *file = dlopen(argc > 1 ? argv[1] : "./lima-net-__NAME__.so", RTLD_NOW | RTLD_LOCAL);
    if (!file) fprintf(stderr, "%s\n", dlerror());
    EXPECT(file);
    lnd_entry_v1 entry;
    *(void **)&entry = dlsym(file, LND_ENTRY_SYMBOL);
    EXPECT(entry);
    const lnd_host_info info = {.size = sizeof info, .abi_minor = LND_ABI_MINOR, .name = "test", .version = "1"};
    const lnd_plugin *plugin = entry(&info)->plugins[0];
    const lnd_network_ops *ops = plugin->ops;

    lnd_instance_config config = {.size = sizeof config, .network = "lab", .mode = "__NAME__"};
    config.options = "{\"gateway\":\"10.98.0.0\"}";
    config.options_length = strlen(config.options);
    EXPECT(ops->instance.create(plugin, &host, &config) == NULL && strcmp(failed_at, "/gateway") == 0);

    config.options = "{\"gateway\":\"10.98.0.1\"}";
    config.options_length = strlen(config.options);
    void *self = ops->instance.create(plugin, &host, &config);
    EXPECT(self && ops->instance.start(self, 7) == LND_OK);
    const lnd_port_info port = {.size = sizeof port, .kind = LND_PORT_GUEST, .port = 1, .name = "vm"};
    EXPECT(ops->port_up(self, &port) == LND_OK);

    lnd_frame given = {.data = frame, .length = 42};
    begin(0x0806);
    memcpy(frame + 14, (const uint8_t[]){0, 1, 8, 0, 6, 4, 0, 1}, 8);
    memcpy(frame + 22, guest_mac, 6);
    memcpy(frame + 38, gateway, 4);
    ops->rx(self, 1, &given, 1);
    EXPECT(sent_length == 42 && sent[21] == 2 && memcmp(sent + 28, gateway, 4) == 0);
    EXPECT(memcmp(sent, guest_mac, 6) == 0 && memcmp(sent + 6, sent + 22, 6) == 0);

    given.length = dhcp(1, NULL);
    ops->rx(self, 1, &given, 1);
    EXPECT(sent[14 + 28 + 242] == 2 && memcmp(sent + 14 + 28 + 16, guest, 4) == 0);
    given.length = dhcp(3, guest);
    ops->rx(self, 1, &given, 1);
    EXPECT(sent[14 + 28 + 242] == 5 && memcmp(sent + 14 + 28 + 16, guest, 4) == 0);
    given.length = dhcp(3, gateway);
    ops->rx(self, 1, &given, 1);
    EXPECT(sent[14 + 28 + 242] == 6);

    begin_ip(1, guest, gateway, 20 + 8 + 4);
    frame[34] = 8, frame[40] = 0, frame[41] = 9;
    given.length = 14 + 32;
    ops->rx(self, 1, &given, 1);
    EXPECT(sent_length == 46 && sent[34] == 0 && sent[41] == 9 && memcmp(sent + 26, gateway, 4) == 0);

    /* Invalid frames: none may be answered, or read beyond its end. */
    sent_length = 0;
    for (uint32_t n = 14; n < 46; n++) {
        uint8_t *copy = malloc(n); /* so that a sanitizer detects a read beyond its end */
        EXPECT(copy);
        memcpy(copy, frame, n);
        lnd_frame part = {.data = copy, .length = n};
        ops->rx(self, 1, &part, 1);
        free(copy);
    }
    EXPECT(sent_length == 0);

    ops->instance.status(self, 1);
    EXPECT(strstr(written, "\"answered\":5"));
    written[0] = 0;
    const lnd_plugin_lease *lease = plugin->get_extension(plugin, LND_EXT_LEASE);
    const lnd_lease_request request = {.size = sizeof request, .port = 1, .name = "vm"};
    EXPECT(lease && lease->reserve(self, &request, 1) == LND_OK && strstr(written, "10.98.0.15"));

    ops->port_down(self, 1);
    EXPECT(done == 1); /* start */
    ops->instance.stop(self, 7);
    EXPECT(done == 2);
    ops->instance.destroy(self);
    puts("ok");
    return 0;
}
