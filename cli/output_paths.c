#include "cli/output_paths.h"

#include <string.h>
#include <sys/stat.h>

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    if (!a || !b || strcmp(a, "-") == 0 || strcmp(b, "-") == 0) return false;
    const bool there = stat(a, &x) == 0;
    if (there && !S_ISREG(x.st_mode)) return false;
    if (strcmp(a, b) == 0) return true;
    return there && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

wr_status output_paths_check(const options *o, const char *const *outputs, const char *const *inputs) {
    for (size_t i = 0; outputs[i]; i++) {
        const char *path = options_str(o, outputs[i]);
        for (size_t k = i + 1; outputs[k]; k++)
            if (same_file(path, options_str(o, outputs[k])))
                return wr_fail(WR_E_USAGE, "--%s and --%s both name %s: give each a file of its own", outputs[i],
                               outputs[k], path);
        for (size_t k = 0; inputs[k]; k++)
            if (same_file(path, options_str(o, inputs[k])))
                return wr_fail(WR_E_USAGE, "--%s would replace %s, which --%s reads: give another file", outputs[i],
                               path, inputs[k]);
        for (size_t k = 0; k < options_count(o); k++)
            if (same_file(path, options_positional(o, k)))
                return wr_fail(WR_E_USAGE, "--%s would replace %s, which is read: give another file", outputs[i], path);
    }
    return WR_OK;
}
