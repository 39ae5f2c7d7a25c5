#include "base/folder_holder.h"

#include "base/file.h"
#include "base/printable.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void folder_machine_name(char out[HOLDER_MACHINE]) {
    char boot[64] = "", pids[64] = "";
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (f && !fgets(boot, sizeof boot, f)) boot[0] = 0;
    if (f) fclose(f);
    boot[strcspn(boot, "\n")] = 0;
    const ssize_t n = readlink("/proc/self/ns/pid", pids, sizeof pids - 1);
    pids[n > 0 ? n : 0] = 0;
    snprintf(out, HOLDER_MACHINE, "%s/%s", boot, pids);
}

bool folder_holder_text(const char *path, char text[HOLDER_TEXT]) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const ssize_t n = fd >= 0 ? read(fd, text, HOLDER_TEXT - 1) : -1;
    if (fd >= 0) close(fd);
    text[n > 0 ? n : 0] = 0;
    return n >= 0;
}

void folder_holder_understand(folder_holder *h) {
    const char *at;
    char line[HOLDER_TEXT];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(h->text, "\n"), h->text);
    printable(line, strlen(line), h->who, sizeof h->who);
    h->named = sscanf(line, "process %ld", &h->pid) == 1;
    if (h->named) sscanf(h->who, "process %*d on %255[^,], job %63s", h->host, h->job);
    h->ended = strstr(h->text, "\nended") != NULL;
    if ((at = strstr(h->text, "\nbeat ")) &&
        (sscanf(at, "\nbeat %lf every %lf s", &h->beat, &h->every) != 2 || !(h->every > 0 && h->every <= 60)))
        h->beat = h->every = 0;
    if ((at = strstr(h->text, "\nmachine ")) && sscanf(at, "\nmachine %127s", h->machine) != 1) h->machine[0] = 0;
}

folder_holder folder_holder_read(const char *path) {
    folder_holder h = {0};
    if (folder_holder_text(path, h.text)) folder_holder_understand(&h);
    return h;
}

bool folder_holder_here(const folder_holder *h) {
    char machine[HOLDER_MACHINE];
    folder_machine_name(machine);
    return strcmp(h->machine, machine) == 0;
}

bool folder_holder_dead_here(const folder_holder *h, bool kernel_free) {
    return folder_holder_here(h) && (kernel_free || (kill((pid_t)h->pid, 0) != 0 && errno == ESRCH));
}

double folder_holder_beat_age(const folder_holder *h) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9 - h->beat;
}

struct flock folder_lock_region(void) {
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1 << 30, .l_len = 1};
}

/* Asks the kernel who has it, which takes nothing. */
static void ask_kernel(const char *path, bool *held, bool *is_free) {
    struct flock lock = folder_lock_region();
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    *held = *is_free = false;
    if (fd < 0) return;
    if (fcntl(fd, F_OFD_GETLK, &lock) == 0) {
        *held = lock.l_type != F_UNLCK;
        *is_free = !*held;
    }
    close(fd);
}

holder_state folder_holder_find(const char *folder, folder_holder *out) {
    char path[PATH_CAP];
    bool held = false, is_free = false;
    *out = (folder_holder){0};
    if (path_join(path, folder, "lock") < 0) return HOLDER_NONE;
    ask_kernel(path, &held, &is_free);
    *out = folder_holder_read(path);
    if (out->ended || (!held && !out->named)) return HOLDER_NONE;
    if (held) return HOLDER_LIVES;
    if (folder_holder_here(out)) return folder_holder_dead_here(out, is_free) ? HOLDER_DEAD : HOLDER_LIVES;
    const bool beats = out->every > 0 && folder_holder_beat_age(out) < HOLDER_STALE_BEATS * out->every;
    return beats ? HOLDER_LIVES : HOLDER_SILENT;
}
