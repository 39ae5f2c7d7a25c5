#include "net/curl_library.h"

#include <dlfcn.h>
#include <stdio.h>

enum { CURL_WHY_CAP = 256 };

/* The one interface of libcurl since 2006, as built with OpenSSL and with GnuTLS. why: what is wrong with the first. */
static void *open_library(char why[CURL_WHY_CAP]) {
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *handle = NULL;
    for (size_t i = 0; !handle && i < sizeof names / sizeof *names; i++) {
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (!handle && i == 0) snprintf(why, CURL_WHY_CAP, "%s", dlerror());
    }
    return handle;
}

wr_status curl_library_load(curl_library *out) {
    char why[CURL_WHY_CAP] = "";
    void *handle = open_library(why);
    if (!handle)
        return wr_fail(WR_E_FAILED, "libcurl, which speaks to the endpoint, cannot be loaded: %s; install libcurl4",
                       why);
#define CURL_FIND(name)                                                                                                \
    *(void **)&out->name = dlsym(handle, "curl_" #name);                                                               \
    if (!out->name) return wr_fail(WR_E_FAILED, "libcurl lacks curl_" #name ": %s", dlerror());
    CURL_FUNCTIONS(CURL_FIND)
#undef CURL_FIND
    return WR_OK;
}
