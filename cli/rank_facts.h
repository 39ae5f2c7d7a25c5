/* What the ranks of a run compare when they start: the command and its options, the program and its libraries, what
 * decides the bits of a result on this machine, and every file that an option or argument names. LOCAL. */
#ifndef WR_CLI_RANK_FACTS_H
#define WR_CLI_RANK_FACTS_H

#include "cli/command.h"
#include "mpi/same.h"

/* Fills *out (empty before; facts_free by the caller, also after an error). o may be NULL: no options. */
wr_status rank_facts_collect(const command *c, const options *o, rank_facts *out);

/* What decides the bits of a result beside options and inputs, a line "name: value" each: for checkpoints, which say so
 * when a run goes on elsewhere. */
wr_status machine_facts_text(strbuf *out);

#endif
