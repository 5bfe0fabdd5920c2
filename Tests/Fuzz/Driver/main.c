/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz TARGET [libFuzzer's arguments] - runs one fuzz target.
 * fuzz --list - their names, and how long an input may be.
 * fuzz --seeds TARGET FOLDER - writes the inputs to begin from.
 *
 * main() is libFuzzer's own; it asks here first, and then reads what is left of the arguments. The processes it
 * starts of itself (-merge, -fork) get those only, and the target by FUZZ_TARGET. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int fuzz_list(void);
int fuzz_select(const char *name);
int fuzz_seeds(const char *name, const char *folder);
int fuzz_one(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *count, char ***words) {
  char **argv = *words;
  if (*count == 2 && !strcmp(argv[1], "--list")) exit(fuzz_list());
  if (*count == 4 && !strcmp(argv[1], "--seeds")) exit(fuzz_seeds(argv[2], argv[3]));
  if (*count < 2 || !fuzz_select(argv[1])) {
    const char *target = getenv("FUZZ_TARGET");
    if (target && fuzz_select(target)) return 0;
    fprintf(stderr, "usage: fuzz TARGET [ARGUMENT...] | --list | --seeds TARGET FOLDER\n");
    exit(2);
  }
  setenv("FUZZ_TARGET", argv[1], 1);
  argv[1] = argv[0];
  *words = argv + 1;
  *count -= 1;
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) { return fuzz_one(data, size); }
