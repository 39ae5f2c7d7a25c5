#include "base/memory_room.h"

#include "base/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind `key` in a file of lines "key value" or "key: value"; key NULL: the file's first word. "max", no
 * such line, no such file: false. */
static bool read_number(const char *path, const char *key, uint64_t *out) {
    char line[256], *end;
    bool found = false;
    FILE *f = fopen(path, "re");
    const size_t n = key ? strlen(key) : 0;
    while (f && !found && fgets(line, sizeof line, f)) {
        if (key && (strncmp(line, key, n) != 0 || (line[n] != ' ' && line[n] != ':'))) continue;
        const char *text = line + n + strspn(line + n, ": \t");
        *out = strtoull(text, &end, 10);
        found = end != text;
        if (!key) break;
    }
    if (f) fclose(f);
    return found;
}

/* One version's names of the same things. */
typedef struct cgroup_names {
    const char *folder, *limit, *used, *active, *inactive, *swap_limit, *swap_used;
    bool swap_is_sum; /* swap_limit bounds memory and swap together */
} cgroup_names;
static const cgroup_names version_1 = {"/sys/fs/cgroup/memory",       "memory.limit_in_bytes",
                                       "memory.usage_in_bytes",       "total_active_file",
                                       "total_inactive_file",         "memory.memsw.limit_in_bytes",
                                       "memory.memsw.usage_in_bytes", true},
                          version_2 = {"/sys/fs/cgroup", "memory.max",      "memory.current",      "active_file",
                                       "inactive_file",  "memory.swap.max", "memory.swap.current", false};

static bool number_in(const char *folder, const char *name, const char *key, uint64_t *out) {
    char path[PATH_CAP];
    return path_join(path, folder, name) >= 0 && read_number(path, key, out);
}

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }
static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

typedef struct machine_memory {
    uint64_t total, swap_free;
} machine_memory;

/* What one group leaves. */
static void apply_group(const cgroup_names *names, const char *folder, const machine_memory *machine,
                        memory_room *room) {
    uint64_t limit, used, active = 0, inactive = 0, swap_limit, swap_used;
    if (!number_in(folder, names->limit, NULL, &limit) || !number_in(folder, names->used, NULL, &used)) return;
    if (limit >= machine->total) return; /* none: version 1 says so by a huge number */
    (void)number_in(folder, "memory.stat", names->active, &active);
    (void)number_in(folder, "memory.stat", names->inactive, &inactive);
    const uint64_t files = least(active + inactive, used), left = less(limit, used - files);
    uint64_t with_swap = left + machine->swap_free;
    if (number_in(folder, names->swap_limit, NULL, &swap_limit) &&
        number_in(folder, names->swap_used, NULL, &swap_used)) {
        const uint64_t swap = less(swap_limit, swap_used);
        with_swap = least(with_swap, names->swap_is_sum ? swap + files : left + swap);
    }
    room->total = least(room->total, limit);
    room->available = least(room->available, left);
    room->with_swap = least(room->with_swap, with_swap);
}

/* Every level of a group's path, from the group itself to the top. */
static void apply_path(const char *root, const cgroup_names *names, const char *group, const machine_memory *machine,
                       memory_room *room) {
    char folder[PATH_CAP];
    const int top = snprintf(folder, sizeof folder, "%s%s", root, names->folder);
    if (top < 0 || (size_t)top >= sizeof folder) return;
    /* a path that leads out of what this process sees ("/../…") is of no use here */
    if (!strstr(group, "/..") && strlen(group) < sizeof folder - (size_t)top)
        snprintf(folder + top, sizeof folder - (size_t)top, "%s", group);
    for (size_t n = strlen(folder); n >= (size_t)top; n--) {
        if (n > (size_t)top && folder[n] != '/' && folder[n] != '\0') continue;
        folder[n] = '\0';
        apply_group(names, folder, machine, room);
    }
}

/* Is `word` one of the comma-separated words? */
static bool lists(const char *words, const char *word) {
    const size_t n = strlen(word);
    for (const char *at = words; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, n) == 0 && (at[n] == ',' || at[n] == '\0')) return true;
    }
    return false;
}

/* /proc/self/cgroup: lines "number:controllers:/path"; number 0 without controllers is version 2. */
static void apply_groups(const char *root, const machine_memory *machine, memory_room *room) {
    char path[PATH_CAP], line[PATH_CAP];
    if (path_join(path, root[0] ? root : "/", "proc/self/cgroup") < 0) return;
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        *controllers++ = '\0';
        *group++ = '\0';
        if (lists(controllers, "memory")) apply_path(root, &version_1, group, machine, room);
        if (strcmp(line, "0") == 0 && !controllers[0]) apply_path(root, &version_2, group, machine, room);
    }
    if (f) fclose(f);
}

static uint64_t meminfo(const char *root, const char *key) {
    char path[PATH_CAP];
    uint64_t kib = 0;
    if (path_join(path, root[0] ? root : "/", "proc/meminfo") < 0 || !read_number(path, key, &kib)) return 0;
    return kib * 1024;
}

memory_room memory_room_find(const char *root) {
    const machine_memory machine = {meminfo(root, "MemTotal"), meminfo(root, "SwapFree")};
    memory_room room = {.total = machine.total, .available = meminfo(root, "MemAvailable")};
    if (!room.available) return room; /* a kernel that does not say so */
    room.with_swap = room.available + machine.swap_free;
    apply_groups(root, &machine, &room);
    return room;
}
