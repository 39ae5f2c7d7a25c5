/* The lines of metrics.jsonl as a TensorBoard event file, events.out.tfevents.TIME.HOST.PID.N.wildreward in the run's
 * folder; each process that works on the run writes one of its own. A number NAME is the scalar train/NAME, of an
 * evaluation (eval_NAME) eval/NAME, a time (NAME_s) time/NAME_s; members of a number's name within an object are joined
 * by '/'. What is no finite number has no place there. LOCAL.
 *
 * Format: tensorflow/core/util/event.proto in records of lib/io/record_writer (length, checksum, bytes, checksum; CRC-32C,
 * masked). TensorBoard keeps steps that are done again after a resume twice unless told from where on they are. */
#ifndef WR_TRAINER_EVENT_FILE_H
#define WR_TRAINER_EVENT_FILE_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct event_file event_file;

/* first: the step that will be written first where an earlier process wrote, 0 where none did. */
wr_status event_file_create(const char *dir, const char *host, int64_t first, event_file **out);
/* A line of metrics: a JSON object with a member "step". One write: a killed process leaves whole events before. */
wr_status event_file_add(event_file *e, const char *line, size_t n);
void event_file_close(event_file *e); /* NULL is fine */

#endif
