#include "net/curl_library.h"

#include "base/shared_library.h"

#define CURL_ROW(name) {"curl_" #name, offsetof(curl_library, name)},
static const shared_function functions[] = {CURL_FUNCTIONS(CURL_ROW){0}};
/* The one interface of libcurl since 2006, as built with OpenSSL and with GnuTLS. */
static const shared_library file = {.name = "libcurl, which speaks to the endpoint,",
                                    .package = "libcurl4",
                                    .files = {"libcurl.so.4", "libcurl-gnutls.so.4"},
                                    .functions = functions};

wr_status curl_library_load(curl_library *out) { return shared_library_load(&file, out); }
