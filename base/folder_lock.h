/* Who works in a folder: one process at a time, on any of the hosts that see it. LOCAL.
 *
 * FOLDER/lock is held twice, because on network file systems either may be worth nothing:
 *   - by the kernel: a lock of the open file (fcntl, F_OFD_SETLK), which NFS passes to its server, and which goes with
 *     the process, however that dies;
 *   - by its text, which a thread renews: "process 4711 on node7, job 812", the time of the beat, how often it comes.
 * Where the kernel says that it is free, the text may know better (locks that hold on one host alone, or none at all):
 *
 *   text                           kernel: free                                    kernel: held
 *   none, or of one that ended     ours                                            refused
 *   this boot of this host         the holder is dead: taken over, with a line     refused
 *   another host, beats go on      refused                                         refused
 *   another host, no beat          watched, then taken over, with a line           refused
 *
 * Clocks of hosts differ: no beat is believed missing before it has been waited for here. Who was taken for dead while
 * he was only stopped finds the other's text, and folder_lock_check refuses every further write. */
#ifndef WR_BASE_FOLDER_LOCK_H
#define WR_BASE_FOLDER_LOCK_H

#include "base/status.h"

typedef struct folder_lock folder_lock;

/* What the text says, and who has a folder without asking for it: base/folder_holder.h. */

/* Takes the lock of a folder that is there. patient: whoever has it may be on his way out (a requeued job meets its
 * dying predecessor): three seconds' patience with the kernel, and as long as it takes to tell that beats of another
 * host have ended. WR_E_USAGE: another process has it, named with host, job and age of its beat. The thread that beats
 * runs until folder_lock_free. */
wr_status folder_lock_take(const char *folder, bool patient, folder_lock **out);
/* Is it still ours? To be asked before something gets its final name. WR_E_FAILED names who took it over. Thread-safe;
 * NULL is fine. */
wr_status folder_lock_check(folder_lock *l);
/* Ends the beats, says so in the file, lets go. NULL is fine. */
void folder_lock_free(folder_lock *l);

#endif
