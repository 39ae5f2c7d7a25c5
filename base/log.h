/* Log lines and progress, on stderr. Under MPI every rank logs, with a "[rank r]" prefix except on rank 0; progress is
 * rank 0's. Set up once by main before threads start. LOCAL. */
#ifndef WR_BASE_LOG_H
#define WR_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

typedef enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR } log_level;
void log_setup(int rank, log_level threshold);
void log_print(log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
int log_rank(void);      /* as set up */
bool log_terminal(void); /* stderr is a terminal */
#define log_debug(...) log_print(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_print(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_print(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_print(LOG_ERROR, __VA_ARGS__)

/* Progress: a rewritten line with rate and ETA on a terminal; in a file a plain line at most every 10 s and at the
 * end. */
typedef struct progress progress;
progress *progress_create(const char *what, const char *unit, uint64_t total /* 0 = unknown */);
void progress_update(progress *p, uint64_t done, const char *note /* e.g. "loss 0.51"; may be NULL */);
void progress_finish(progress *p); /* last line, frees; NULL is fine */

double clock_seconds(void);    /* monotonic */
double clock_thread_cpu(void); /* CPU seconds of the calling thread */

#endif
