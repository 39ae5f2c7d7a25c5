#include "net/http_message.h"

#include "base/json.h"
#include "base/printable.h"
#include "net/http_secret.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *after_scheme(const char *url, bool *secure) {
    *secure = strncasecmp(url, "https://", 8) == 0;
    return *secure ? url + 8 : strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

wr_status http_check_url(const char *url, bool *secure) {
    const char *host = after_scheme(url, secure);
    if (!host || !*host || *host == '/' || strlen(url) > PATH_MAX_URL / 2)
        return wr_fail(WR_E_USAGE, "'%.200s' is not the address of an endpoint; it looks like http://127.0.0.1:8000/v1",
                       url);
    size_t authority = strcspn(host, "/?#");
    if (memchr(host, '@', authority))
        return wr_fail(
            WR_E_USAGE,
            "the endpoint's address holds a user name or key; put the key into the environment (--endpoint-key-env)");
    if (strpbrk(host, "?#"))
        return wr_fail(WR_E_USAGE,
                       "the endpoint's address ends where the path ends: leave out what follows '?' or '#'");
    for (const char *c = url; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 127)
            return wr_fail(WR_E_USAGE, "the endpoint's address holds a space or control character");
    return WR_OK;
}

bool http_is_local(const char *url) {
    bool secure;
    const char *host = after_scheme(url, &secure);
    if (!host) return false;
    size_t n = strcspn(host, host[0] == '[' ? "]/" : ":/");
    return (n == 9 && strncasecmp(host, "localhost", 9) == 0) || (n > 4 && strncmp(host, "127.", 4) == 0) ||
           (n == 4 && strncmp(host, "[::1", 4) == 0);
}

bool http_retryable(long code) {
    static const long codes[] = {408, 425, 429, 500, 502, 503, 504, 529};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (code == codes[i]) return true;
    return false;
}

bool http_curl_hopeless(CURLcode code) {
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return true;
    default:
        return false;
    }
}

void http_explain(long code, const char *key, const char *body, size_t n, char out[HTTP_WHY_CAP]) {
    enum { SHOWN = 300 };
    const json_value *v = NULL, *e;
    const char *text = NULL;
    char *copy = NULL, shown[SHOWN + 1] = "";
    size_t length = 0;
    arena *a = arena_create();
    if (a && json_parse(a, body ? body : "", n, &v) >= 0) {
        e = json_get(v, "error");
        if (!json_get_string(e, "message", &text, &length) && !json_get_string(v, "message", &text, &length) &&
            !json_get_string(v, "detail", &text, &length) && json_is(e, JSON_STRING))
            text = e->text, length = e->length;
    }
    if (!text) text = body ? body : "", length = n;
    /* The whole text, and only then what is shown of it: half a key at the cut would be as good as the key. Decoding
     * may also have brought one to light. */
    copy = a ? arena_strndup(a, text, length) : NULL;
    if (copy) {
        secret_scrub(key, copy, length);
        printable(copy, length, shown, sizeof shown);
    }
    snprintf(out, HTTP_WHY_CAP, "HTTP %ld%s%s%s", code, shown[0] ? ": " : "", shown,
             code >= 300 && code < 400 ? " (redirects are not followed: give the address that it leads to)" : "");
    arena_free(a);
}
