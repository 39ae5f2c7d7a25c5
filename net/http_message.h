/* What HTTP says, for net/http_pool.c alone: which URLs are usable, which codes are worth another try, and
 * one line for a person about a failure. LOCAL; no state. */
#ifndef WR_NET_HTTP_MESSAGE_H
#define WR_NET_HTTP_MESSAGE_H

#include "base/status.h"
#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

enum { HTTP_WHY_CAP = 512, PATH_MAX_URL = 2048 };

/* WR_E_USAGE, with what to do, for anything but http(s)://HOST[:PORT][/PATH]. */
wr_status http_check_url(const char *url, bool *secure);
/* The URL's host is this machine (localhost, 127.*, [::1]). */
bool http_is_local(const char *url);
bool http_retryable(long code);
/* No other request can fare better: an untrusted certificate, an unreadable CA file, a URL that cannot be used. */
bool http_curl_hopeless(CURLcode code);
/* "HTTP 400: the model's maximum context length is …": error.message, message or detail of a JSON body, else its
 * beginning; without `key` and what a terminal would obey. */
void http_explain(long code, const char *key, const char *body, size_t n, char out[HTTP_WHY_CAP]);

#endif
