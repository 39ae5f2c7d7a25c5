#include "base/shared_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { WHY_CAP = 256 };

/* why: what is wrong with the first file. */
static void *open_first(const shared_library *l, char why[WHY_CAP]) {
    void *handle = NULL;
    for (size_t i = 0; !handle && l->files[i]; i++) {
        handle = dlopen(l->files[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!handle && i == 0) snprintf(why, WHY_CAP, "%s", dlerror());
    }
    return handle;
}

/* All of a table is filled, or nothing. */
static bool is_filled(const shared_library *l, const void *table) {
    void *first;
    memcpy(&first, (const char *)table + l->functions[0].offset, sizeof first);
    return first;
}

static wr_status fill(const shared_library *l, void *table) {
    char why[WHY_CAP] = "";
    void *handle = RTLD_DEFAULT; /* a null pointer, too */
    if (!dlsym(handle, l->functions[0].symbol)) handle = open_first(l, why);
    if (!handle && why[0]) return wr_fail(WR_E_FAILED, "%s cannot be loaded: %s; install %s", l->name, why, l->package);
    for (const shared_function *f = l->functions; f->symbol; f++)
        if (!dlsym(handle, f->symbol))
            return wr_fail(WR_E_FAILED, "%s lacks %s; install %s", l->name, f->symbol, l->package);
    for (const shared_function *f = l->functions; f->symbol; f++) {
        void *address = dlsym(handle, f->symbol);
        memcpy((char *)table + f->offset, &address, sizeof address);
    }
    return WR_OK;
}

wr_status shared_library_load(const shared_library *l, void *table) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    const wr_status status = is_filled(l, table) ? WR_OK : fill(l, table);
    pthread_mutex_unlock(&one);
    return status;
}
