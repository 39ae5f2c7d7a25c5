/* What this process holds of memory, as the system counts it. LOCAL. */
#ifndef WR_BASE_PROCESS_MEMORY_H
#define WR_BASE_PROCESS_MEMORY_H

#include <stdint.h>

/* Bytes resident now, after what was freed is given back; mapped pages of files count while they are there. 0: not to be
 * had. */
uint64_t process_memory_now(void);
/* The most there ever was. */
uint64_t process_memory_peak(void);

#endif
