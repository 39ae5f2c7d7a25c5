/* Recognises a Jinja chat template of the ChatML family. LOCAL. */
#ifndef WR_MODEL_CHAT_RECOGNIZE_H
#define WR_MODEL_CHAT_RECOGNIZE_H

#include "base/strbuf.h"

/* Appends the default system message that the template writes before chats without one, and sets *has_default. WR_E_FORMAT when the
 * template is not known to render plain ChatML: what is not recognised is never guessed. */
wr_status chat_recognize(const char *text, size_t n, bool *has_default, strbuf *default_system);

#endif
