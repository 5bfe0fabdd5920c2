/* SPDX-License-Identifier: Apache-2.0 */
#include "checksum.h"

#include <string.h>

/* A sum of 32-bit words in 64-bit lanes cannot overflow below 16 GiB, and compilers vectorise it. On
 * x86-64 a second version for AVX2 is selected when the program starts; it is twice as fast as SSE2, which
 * is all that the baseline has. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__)
#define CLONES 1
#endif

static inline __attribute__((always_inline)) uint64_t sum_words(const uint8_t *p, size_t blocks) {
  uint64_t lanes[8] = {0};
  for (size_t i = 0; i < blocks; i++, p += 64) {
    uint32_t words[16];
    memcpy(words, p, sizeof words);
    for (int k = 0; k < 8; k++) lanes[k] += (uint64_t)words[k] + words[k + 8];
  }
  uint64_t sum = 0;
  for (int k = 0; k < 8; k++) sum += lanes[k];
  return sum;
}

static uint64_t sum_baseline(const uint8_t *p, size_t blocks) { return sum_words(p, blocks); }

#ifdef CLONES
__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p, size_t blocks) {
  return sum_words(p, blocks);
}

static int has_avx2;
__attribute__((constructor)) static void look_for_avx2(void) {
  __builtin_cpu_init();
  has_avx2 = __builtin_cpu_supports("avx2") != 0;
}
#endif

uint16_t cplatform_checksum(const void *bytes, size_t length) {
  const uint8_t *p = bytes;
  uint64_t sum = 0;
  size_t blocks = length / 64;
  if (blocks) {
#ifdef CLONES
    sum = has_avx2 ? sum_avx2(p, blocks) : sum_baseline(p, blocks);
#else
    sum = sum_baseline(p, blocks);
#endif
    p += blocks * 64;
    length -= blocks * 64;
  }
  while (length >= 4) {
    uint32_t word;
    memcpy(&word, p, 4);
    sum += word;
    p += 4;
    length -= 4;
  }
  uint32_t rest = 0;
  memcpy(&rest, p, length);
  sum += rest;
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffffffffu) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)((sum & 0xffff) + (sum >> 16));
}
