/* Regular expressions of adapter_config.json, which are Python's. Module names are ASCII without line ends; what is
 * left are constructs that only one of the two engines has, or that mean different things: those are refused. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/strbuf.h"
#include "model/weights/lora_plan.h"

#include <string.h>

#define PATTERN_MAX ((size_t)4096)

static bool starts(const char *s, const char *with) { return strncmp(s, with, strlen(with)) == 0; }

/* The first construct that is not known to mean the same; NULL: none. */
static const char *foreign(const char *p) {
    for (bool in_class = false; *p; p++) {
        if ((unsigned char)*p < ' ' || (unsigned char)*p > '~') return p;
        if (*p == '\\') {
            const char c = p[1];
            const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (!c || (letter && !strchr(in_class ? "dDwWsS" : "dDwWsSbB", c))) return p;
            p++;
        } else if (in_class) {
            if (*p == '[') return p; /* POSIX classes; Python warns of it */
            in_class = *p != ']';
        } else if (*p == '[') {
            if (p[1] == '^') p++;
            if (p[1] == ']') return p;
            in_class = true;
        } else if (*p == '(' && (p[1] == '?' || p[1] == '*')) {
            if (!starts(p, "(?:") && !starts(p, "(?=") && !starts(p, "(?!") && !starts(p, "(?<=") &&
                !starts(p, "(?<!") && !starts(p, "(?P<"))
                return p;
        } else if (*p == '{') {
            const size_t digits = strspn(p + 1, "0123456789"),
                         more = p[1 + digits] == ',' ? 1 + strspn(p + 2 + digits, "0123456789") : 0;
            if (digits == 0 || p[1 + digits + more] != '}') return p;
        }
    }
    return NULL;
}

wr_status lora_pattern_matches(const char *pattern, bool tail, const char *name, bool *out) {
    wr_status status = WR_OK;
    strbuf whole = {0};
    pcre2_code *code = NULL;
    pcre2_match_data *data = NULL;
    int error = 0;
    PCRE2_SIZE at = 0;
    const char *const bad = strlen(pattern) > PATTERN_MAX ? pattern : foreign(pattern);
    *out = false;
    if (bad)
        TRY(wr_fail(WR_E_FORMAT, "the regular expression \"%.80s\" uses \"%.8s\", which is not supported", pattern,
                    bad));
    strbuf_printf(&whole, tail ? "(?:.*\\.)?(?:%s)" : "%s", pattern);
    TRY(strbuf_status(&whole));
    code = pcre2_compile((PCRE2_SPTR)strbuf_str(&whole), PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED | PCRE2_ENDANCHORED,
                         &error, &at, NULL);
    if (!code) TRY(wr_fail(WR_E_FORMAT, "\"%.80s\" is not a regular expression", pattern));
    data = pcre2_match_data_create(1, NULL);
    TRY_ALLOC(data);
    const int rc = pcre2_match(code, (PCRE2_SPTR)name, PCRE2_ZERO_TERMINATED, 0, 0, data, NULL);
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
        TRY(wr_fail(WR_E_FORMAT, "the regular expression \"%.80s\" takes too long", pattern));
    *out = rc >= 0;
cleanup:
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    strbuf_free(&whole);
    return status;
}
