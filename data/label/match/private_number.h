/* Numbers that carry check digits, and addresses that lead to somebody. Each looks at a match that has the right shape,
 * with spaces and dashes in it. LOCAL. */
#ifndef WR_DATA_LABEL_MATCH_PRIVATE_NUMBER_H
#define WR_DATA_LABEL_MATCH_PRIVATE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

bool luhn_holds(const char *s, size_t n); /* payment card number, ISO/IEC 7812-1 annex B */
bool iban_holds(const char *s, size_t n); /* ISO 13616: mod 97 = 1 */
bool ipv4_is_public(const char *s,
                    size_t n); /* four numbers up to 255, not of a private, local, documentation or multicast range */

#endif
