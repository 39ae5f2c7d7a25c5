/* A growing list of token ids. */
#include "text/tokenizer/tokenizer.h"

#include "base/mem.h"

#include <stdlib.h>

void token_ids_free(token_ids *ids) {
    free(ids->ids);
    *ids = (token_ids){0};
}

wr_status token_ids_push(token_ids *ids, int32_t id) {
    wr_status status = WR_OK;
    VEC_PUSH(ids->ids, ids->n, ids->capacity, id);
cleanup:
    return status;
}
