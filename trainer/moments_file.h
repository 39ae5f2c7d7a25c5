/* The optimizer's part of a checkpoint: moments of the trainables, as one safetensors file or several, each of a range.
 * LOCAL. */
#ifndef WR_TRAINER_MOMENTS_FILE_H
#define WR_TRAINER_MOMENTS_FILE_H

#include "trainer/optimizer.h"

/* Writes m and v, in f32; `of`: all trainables, of which `a` may have a range. The whole is the tensors "m" and "v", a
 * range those of its first element and all: "m.1000.4096". */
wr_status moments_write(const char *path, const adamw *a, size_t of);
/* Fills a->m and a->v from what the files hold of its range; they may have been cut otherwise, and come in the
 * order of their ranges. WR_E_MISMATCH: of another number of trainables, or an element in none of them or in two. */
wr_status moments_read(const char *const *paths, size_t n_paths, size_t of, adamw *a);

#endif
