#include "data/shard/valid_users.h"

#include "base/mem.h"
#include "data/shard/record_users.h"

#include <stdlib.h>

wr_status valid_users_find(world *w, record_source *s, double share, uint8_t **aside, size_t *n) {
    wr_status status = WR_OK;
    const size_t records = record_source_index(s)->n_records;
    uint64_t *users = NULL;
    *aside = NULL;
    *n = 0;
    TRY(record_users_find(w, s, &users));
    *aside = mem_calloc(records + 1, sizeof **aside);
    TRY(world_agree(w, *aside ? WR_OK : WR_E_NOMEM));
    for (size_t i = 0; i < records; i++) {
        /* the hash's first 53 bits as a number of [0, 1) */
        (*aside)[i] = (double)(users[i] >> 11) * 0x1p-53 < share;
        *n += (*aside)[i];
    }
cleanup:
    free(users);
    return status;
}
