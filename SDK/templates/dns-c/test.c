/* test.c - loads the plugin as lima-netd does, and sends it questions.
 *
 *   make test */
#include <dlfcn.h>
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

static uint8_t answered[65536];
static uint64_t answered_length;
static lnd_status answered_status;
static int done;
static char written[4096], failed_at[64];

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
static lnd_status host_fail(void *ctx, lnd_status code, const char *pointer, const char *text, uint64_t length) {
    (void)ctx, (void)text, (void)length;
    snprintf(failed_at, sizeof failed_at, "%s", pointer ? pointer : "");
    return code;
}
static lnd_status host_done(void *ctx, lnd_op op, lnd_status status, const uint8_t *bytes, uint64_t length) {
    (void)ctx, (void)op;
    EXPECT(length <= sizeof answered);
    if (length) memcpy(answered, bytes, length);
    answered_length = length;
    answered_status = status;
    done++;
    return LND_OK;
}
static lnd_status host_write(void *ctx, lnd_sink sink, const uint8_t *bytes, uint64_t length) {
    (void)ctx, (void)sink;
    EXPECT(length < sizeof written);
    memcpy(written, bytes, length);
    written[length] = 0;
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
    .fail = host_fail,
    .op_done = host_done,
    .write = host_write,
    .get_extension = host_extension,
    .report = host_report,
};

/* A question of class IN for the A record of a name in wire format. */
static lnd_dns_query ask(const char *name, size_t name_bytes, uint8_t type) {
    static uint8_t message[300];
    memset(message, 0, sizeof message);
    message[0] = 0x12, message[1] = 0x34, message[2] = 1, message[5] = 1;
    memcpy(message + 12, name, name_bytes);
    message[12 + name_bytes + 1] = type, message[12 + name_bytes + 3] = 1;
    lnd_dns_query query = {.size = sizeof query, .transport = LND_DNS_UDP, .message = message};
    query.length = (uint32_t)(12 + name_bytes + 4);
    return query;
}

int main(int argc, char **argv) {
    void *file = dlopen(argc > 1 ? argv[1] : "./lima-dns-__NAME__.so", RTLD_NOW | RTLD_LOCAL);
    if (!file) fprintf(stderr, "%s\n", dlerror());
    EXPECT(file);
    lnd_entry_v1 entry;
    *(void **)&entry = dlsym(file, LND_ENTRY_SYMBOL);
    EXPECT(entry);
    const lnd_host_info info = {.size = sizeof info, .abi_minor = LND_ABI_MINOR, .name = "test", .version = "1"};
    const lnd_plugin *plugin = entry(&info)->plugins[0];
    const lnd_dns_ops *ops = plugin->ops;

    lnd_instance_config config = {.size = sizeof config, .network = "lab"};
    config.options = "{\"name\":\"a..b\"}";
    config.options_length = strlen(config.options);
    EXPECT(ops->instance.create(plugin, &host, &config) == NULL && strcmp(failed_at, "/name") == 0);

    config.options = "{\"name\":\"Printer.lab\",\"address\":\"192.0.2.7\"}";
    config.options_length = strlen(config.options);
    void *self = ops->instance.create(plugin, &host, &config);
    EXPECT(self && ops->instance.start(self, 7) == LND_OK && done == 1);
    done = 0;

    static const char name[] = "\7pRinter\3lab"; /* the terminating NUL is the root */
    lnd_dns_query query = ask(name, sizeof name, 1);
    ops->resolve(self, 1, &query);
    EXPECT(done == 1 && answered_status == LND_OK && answered_length == query.length + 16);
    EXPECT(answered[0] == 0x12 && (answered[2] & 0x80) && (answered[3] & 15) == 0 && answered[7] == 1);
    EXPECT(memcmp(answered + answered_length - 4, (const uint8_t[]){192, 0, 2, 7}, 4) == 0);

    query = ask(name, sizeof name, 28); /* AAAA: the name has no such records */
    ops->resolve(self, 2, &query);
    EXPECT(done == 2 && (answered[3] & 15) == 0 && answered[7] == 0);

    static const char other[] = "\5other\3lab";
    query = ask(other, sizeof other, 1);
    ops->resolve(self, 3, &query);
    EXPECT(done == 3 && (answered[3] & 15) == 5);

    for (uint32_t n = 12; n < query.length; n++) { /* truncated anywhere: a failure, and no read beyond the end */
        uint8_t *copy = malloc(n);
        EXPECT(copy);
        memcpy(copy, query.message, n);
        lnd_dns_query part = query;
        part.message = copy;
        part.length = n;
        ops->resolve(self, n, &part);
        EXPECT(answered_status != LND_OK);
        free(copy);
    }
    ops->instance.status(self, 1);
    EXPECT(strstr(written, "\"questions\":"));
    done = 0;
    ops->instance.stop(self, 7);
    EXPECT(done == 1 && answered_status == LND_OK);
    ops->instance.destroy(self);
    puts("ok");
    return 0;
}
