/* The working files of prepare, one for each unit of input and phase, in OUT.partial/work: FFFFF-BBBBBB.read, .label,
 * .part for block B of source file F, and an empty .end for a block that its file does not have.
 *
 *   body      bytes that are read back in pieces (rows, frames)
 *   table     numbers and strings (data/shard/bytes.h) that are read back whole
 *   trailer   u64 bytes of body, u64 bytes of table, u64 XXH64 of the table, "WRUNIT02"
 *
 * Written under a temporary name and renamed, so that a file with its final name is whole as long as the machine stays
 * up: they are not fsynced, because waiting for the disk would cost more than the work itself. After a machine has
 * crashed the trailer and the sums of table and body tell what is torn; unit_present removes what has no trailer, so
 * that it is made again. LOCAL. */
#ifndef WR_DATA_PREPARE_UNIT_FILE_H
#define WR_DATA_PREPARE_UNIT_FILE_H

#include "base/file.h"
#include "base/strbuf.h"

typedef struct unit_id {
    uint32_t file, block;
} unit_id;

/* kind: ".read", ".label", ".part", ".end" */
wr_status unit_path(char out[PATH_CAP], const char *dir, unit_id id, const char *kind);

typedef struct unit_writer unit_writer;
wr_status unit_create(const char *path, unit_writer **out);
wr_status unit_append(unit_writer *u, const void *bytes, size_t n); /* to the body */
uint64_t unit_written(const unit_writer *u);                        /* bytes of body so far */
wr_status unit_commit(unit_writer **u, const strbuf *table);        /* frees, *u = NULL */
void unit_discard(unit_writer *u);                                  /* NULL is fine */

typedef struct unit_reader unit_reader;
/* table read and checked; WR_E_FORMAT names a damaged file and what to do */
wr_status unit_open(const char *path, unit_reader **out);
void unit_close(unit_reader *u); /* NULL is fine */
const void *unit_table(const unit_reader *u, size_t *n);
uint64_t unit_body(const unit_reader *u); /* bytes */
wr_status unit_read_at(const unit_reader *u, void *to, size_t n, uint64_t offset);
wr_status unit_damaged(const unit_reader *u, const char *what); /* the error for a body that makes no sense */
/* The file is there and ends in a trailer that fits its size; one that does not is removed. */
bool unit_present(const char *path);

#endif
