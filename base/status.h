/* Status codes and the error message that goes with them.
 *
 * Every function that can fail returns a wr_status: 0 or positive is success, negative an error. The one line that a
 * person reads (naming the file, record, option or rank, and what to do) is set by wr_fail() where the cause is known.
 * It lives in thread-local storage rather than on handles, because half of all failures happen before a handle
 * exists. */
#ifndef WR_BASE_STATUS_H
#define WR_BASE_STATUS_H

#include <stdbool.h>

typedef enum wr_status {
    WR_OK = 0,
    WR_END = 1,            /* no error: the stream or iteration is finished */
    WR_E_USAGE = -1,       /* the command line or run file is wrong (exit 2) */
    WR_E_IO = -2,          /* open/read/write/rename failed */
    WR_E_FORMAT = -3,      /* a file or record does not follow its format */
    WR_E_NOMEM = -4,       /* memory could not be had */
    WR_E_MISMATCH = -5,    /* two inputs do not belong together (model/shards/template/checkpoint) */
    WR_E_NUMERIC = -6,     /* NaN or Inf where a number is needed */
    WR_E_INTERRUPTED = -7, /* stopped by a signal, everything saved (exit 75) */
    WR_E_PEER = -8,        /* another rank failed; its message was printed there */
    WR_E_FAILED = -9       /* finished, but some records were bad, or a stated claim does not hold (exit 1) */
} wr_status;

/* Sets this thread's error message (printf style) and returns `code`. LOCAL. */
wr_status wr_fail(wr_status code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* Puts "context: " before this thread's error message and returns `code` unchanged; no effect when code >= 0. */
wr_status wr_context(wr_status code, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* This thread's latest message, never NULL. Valid until the next wr_fail/wr_context of the same thread. */
const char *wr_error(void);

/* Another rank failed with these very words and says them (mpi/world.h, world_agree); until the next wr_fail. */
void wr_error_leave_to_others(void);
bool wr_error_left_to_others(void);

/* Runs `expr`; on error stores it in the local variable `status` and jumps to the local label `cleanup`. */
#define TRY(expr)                                                                                                      \
    do {                                                                                                               \
        wr_status try_status_ = (expr);                                                                                \
        if (try_status_ < 0) {                                                                                         \
            status = try_status_;                                                                                      \
            goto cleanup;                                                                                              \
        }                                                                                                              \
    } while (0)

/* TRY for an allocation: jumps to cleanup with WR_E_NOMEM when `pointer` is NULL. */
#define TRY_ALLOC(pointer) TRY((pointer) ? WR_OK : wr_fail(WR_E_NOMEM, "out of memory in %s", __func__))

#endif
