/* libcurl, loaded when the first pool is made (base/shared_library.h); most commands talk to nobody. LOCAL. */
#ifndef WR_NET_CURL_LIBRARY_H
#define WR_NET_CURL_LIBRARY_H

#include "base/status.h"

#include <curl/curl.h>

#define CURL_FUNCTIONS(X)                                                                                              \
    X(global_init)                                                                                                     \
    X(global_cleanup)                                                                                                  \
    X(easy_init)                                                                                                       \
    X(easy_setopt)                                                                                                     \
    X(easy_getinfo)                                                                                                    \
    X(easy_strerror)                                                                                                   \
    X(easy_cleanup)                                                                                                    \
    X(multi_init)                                                                                                      \
    X(multi_setopt)                                                                                                    \
    X(multi_add_handle)                                                                                                \
    X(multi_remove_handle)                                                                                             \
    X(multi_perform)                                                                                                   \
    X(multi_poll)                                                                                                      \
    X(multi_info_read)                                                                                                 \
    X(multi_strerror)                                                                                                  \
    X(multi_cleanup)                                                                                                   \
    X(slist_append)                                                                                                    \
    X(slist_free_all)

/* curl_easy_init() is library.easy_init(), and so on. */
typedef struct curl_library {
#define CURL_MEMBER(name) __typeof__(curl_##name) *name;
    CURL_FUNCTIONS(CURL_MEMBER)
#undef CURL_MEMBER
} curl_library;

/* WR_E_FAILED: it is not there, or lacks a function. out: zeroed before. */
wr_status curl_library_load(curl_library *out);

#endif
