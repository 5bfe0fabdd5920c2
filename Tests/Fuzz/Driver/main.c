/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz TARGET [libFuzzer's arguments] - runs one fuzz target.
 * fuzz --list - their names.
 * fuzz --seeds TARGET FOLDER - writes the inputs to begin from. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Of libFuzzer, which has a main of its own that takes no names. */
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *, size_t));

int fuzz_list(void);
int fuzz_select(const char *name);
int fuzz_seeds(const char *name, const char *folder);
int fuzz_one(const uint8_t *data, size_t size);

int main(int argc, char **argv) {
  if (argc == 2 && !strcmp(argv[1], "--list")) return fuzz_list();
  if (argc == 4 && !strcmp(argv[1], "--seeds")) return fuzz_seeds(argv[2], argv[3]);
  if (argc < 2 || !fuzz_select(argv[1])) {
    fprintf(stderr, "usage: fuzz TARGET [ARGUMENT...] | --list | --seeds TARGET FOLDER\n");
    return 2;
  }
  argv[1] = argv[0];
  argv++;
  argc--;
  return LLVMFuzzerRunDriver(&argc, &argv, fuzz_one);
}
