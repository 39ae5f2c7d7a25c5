#include "cli/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

/* The value of the first line "key…: value" of a /proc file, without surrounding blanks; false when there is none. */
static bool proc_value(const char *path, const char *key, char *value, size_t cap) {
    FILE *f = fopen(path, "re");
    char line[4096];
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (colon && strncmp(line, key, strlen(key)) == 0) {
            colon += 1 + strspn(colon + 1, " \t");
            snprintf(value, cap, "%.*s", (int)strcspn(colon, "\n"), colon);
            found = true;
        }
    }
    if (f) {
        fclose(f);
    }
    return found;
}

void machine_cpu_model(strbuf *out) {
    char model[256] = "unknown";
    proc_value("/proc/cpuinfo", "model name", model, sizeof model);
    strbuf_puts(out, model);
}

void machine_cpu_features(strbuf *out) {
    static const char *const wanted[] = {"avx2",     "fma",      "avx512f", "avx512_bf16", "avx512_vnni",
                                         "amx_tile", "amx_bf16", "sve",     "bf16"};
    char flags[4096] = "";
    if (!proc_value("/proc/cpuinfo", "flags", flags, sizeof flags)) {
        proc_value("/proc/cpuinfo", "Features", flags, sizeof flags);
    }
    size_t before = out->len;
    char *rest = NULL;
    for (const char *flag = strtok_r(flags, " ", &rest); flag; flag = strtok_r(NULL, " ", &rest)) {
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
            if (strcmp(flag, wanted[i]) == 0) {
                strbuf_printf(out, "%s%s", out->len > before ? " " : "", flag);
            }
        }
    }
    if (out->len == before) {
        strbuf_puts(out, "no vector extensions known to this program");
    }
}

int machine_cores(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

uint64_t machine_shm_bytes(void) {
    struct statvfs info;
    return statvfs("/dev/shm", &info) == 0 ? (uint64_t)info.f_blocks * info.f_frsize : 0;
}

uint64_t machine_memlock_bytes(void) {
    struct rlimit limit;
    return getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? (uint64_t)limit.rlim_cur
                                                                                     : UINT64_MAX;
}
