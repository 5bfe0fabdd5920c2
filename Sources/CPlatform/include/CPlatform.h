/* SPDX-License-Identifier: Apache-2.0 */
#include "checksum.h"
#include "message_batch.h"
