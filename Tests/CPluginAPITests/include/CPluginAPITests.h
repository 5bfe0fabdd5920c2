/* SPDX-License-Identifier: Apache-2.0 */
#ifndef C_PLUGIN_API_TESTS_H
#define C_PLUGIN_API_TESTS_H

#include <stdint.h>

/* A row of SDK/abi/1.0/layout.inc. A row with field NULL is a whole struct. */
typedef struct lnd_test_row {
    const char *type;
    const char *field;
    uint32_t offset;
    uint32_t size;
} lnd_test_row;

/* Row `index` of the table; past its end, a row with type NULL. */
lnd_test_row lnd_test_row_at(uint32_t index);

#endif
