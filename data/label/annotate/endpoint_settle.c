/* What every request and every round of them ends with: usage counted, the cache synced. */
#include "data/label/annotate/endpoint_internal.h"

#include "base/log.h"

#include <math.h>
#include <stdio.h>

#define TOKENS_MAX 1e9 /* of one request: responses have 4 MiB at most */

/* A count that a server tells, as a whole number (12.0 is one, too) that a request can have; -1 where it tells none,
 * and where it tells nonsense, which is counted: sums and costs must not come from it. */
static int64_t token_count(endpoint *e, const json_value *v) {
    double number;
    if (!v || json_is(v, JSON_NULL)) return -1;
    if (json_is(v, JSON_NUMBER) && json_to_double(v, &number) && number >= 0 && number <= TOKENS_MAX &&
        number == floor(number))
        return (int64_t)number;
    e->odd_usage++;
    return -1;
}

void endpoint_usage(endpoint *e, const json_value *response, int64_t *prompt, int64_t *completion) {
    const json_value *usage = json_get(response, "usage");
    *prompt = token_count(e, json_get(usage, "prompt_tokens"));
    *completion = token_count(e, json_get(usage, "completion_tokens"));
    if (*prompt > 0) e->prompt_tokens += (uint64_t)*prompt;
    if (*completion > 0) e->completion_tokens += (uint64_t)*completion;
}

wr_status endpoint_settle(endpoint *e, wr_status status) {
    char kept[1024];
    snprintf(kept, sizeof kept, "%s", wr_error());
    wr_status synced = answer_cache_sync(e->cache);
    if (status >= 0) return synced;
    if (synced < 0) log_warn("%s", wr_error());
    if (status != WR_E_FAILED) return wr_fail(status, "%s", kept);
    return wr_fail(status, "%s; what was answered before is kept, and the same command goes on from there", kept);
}
