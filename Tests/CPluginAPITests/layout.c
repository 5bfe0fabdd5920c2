/* layout.c - the released layout of the plugin ABI, held against the headers by
 * the C compiler and handed to the Swift tests.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "../../Sources/PluginAPI/include/lnd_plugin.h"
#include "../../Sources/PluginAPI/include/lnd_ext_dns.h"
#include "../../Sources/PluginAPI/include/lnd_ext_forward.h"
#include "../../Sources/PluginAPI/include/lnd_ext_lease.h"
#include "../../Sources/PluginAPI/include/lnd_ext_loopcheck.h"
#include "../../Sources/PluginAPI/include/lnd_ext_names.h"
#include "../../Sources/PluginAPI/include/lnd_ext_uplink.h"
#include "../../Sources/PluginAPI/include/lnd_ext_connect.h"
#include "../../Sources/PluginAPI/include/lnd_ext_guests.h"
#include "../../Sources/PluginAPI/include/lnd_ext_dns_cache.h"
#include "../../Sources/PluginAPI/include/lnd_ext_dns_next.h"
#include "../../Sources/PluginAPI/include/lnd_ext_guard.h"
#include "../../Sources/PluginAPI/include/lnd_ext_tap.h"
#include "CPluginAPITests.h"

/* A struct may have grown since; a field may not have moved. */
#define LND_STRUCT(type, bytes) _Static_assert(sizeof(type) >= (bytes), #type " has shrunk");
#define LND_FIELD(type, field, at, bytes)                                                \
    _Static_assert(offsetof(type, field) == (at), #type "." #field " has moved");        \
    _Static_assert(sizeof(((type *)0)->field) == (bytes), #type "." #field " has changed its size");
#include "../../SDK/abi/1.0/layout.inc"
#undef LND_STRUCT
#undef LND_FIELD

/* Elements of arrays: frozen for good. */
_Static_assert(sizeof(lnd_slice) == 16, "lnd_slice is frozen");
_Static_assert(sizeof(lnd_frame) == 64, "lnd_frame is frozen");
_Static_assert(sizeof(lnd_endpoint) == 24, "lnd_endpoint is frozen");
_Static_assert(sizeof(lnd_fd_event) == 16, "lnd_fd_event is frozen");

#define LND_STRUCT(type, bytes) {#type, NULL, 0, (bytes)},
#define LND_FIELD(type, field, at, bytes) {#type, #field, (at), (bytes)},
static const lnd_test_row rows[] = {
#include "../../SDK/abi/1.0/layout.inc"
};

lnd_test_row lnd_test_row_at(uint32_t index) {
    static const lnd_test_row none = {NULL, NULL, 0, 0};
    return index < sizeof(rows) / sizeof(rows[0]) ? rows[index] : none;
}
