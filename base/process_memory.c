#include "base/process_memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t status_bytes(const char *key) {
    char line[128];
    uint64_t kib = 0;
    const size_t n = strlen(key);
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, n) == 0) kib = strtoull(line + n, NULL, 10);
    if (f) fclose(f);
    return kib * 1024;
}

uint64_t process_memory_now(void) {
    (void)malloc_trim(0);
    return status_bytes("VmRSS:");
}

uint64_t process_memory_peak(void) { return status_bytes("VmHWM:"); }
