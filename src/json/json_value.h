/* What makes a number or a string acceptable. Private to the json layer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits only, with or without a minus sign: a sign and a magnitude. False if
 * TEXT is not a whole number or does not fit into 64 bits. */
bool json_whole_number(const char *text, size_t len, bool *minus, uint64_t *value);

/* What is wrong with the string S, as yajl gives it, whose token ends at offset END
 * of TEXT; or NULL. yajl does not insist on surrogate pairs and lets other forms of
 * a character pass, so that two strings would become the same path or option. */
const char *json_string_flaw(const char *text, size_t end, const char *s, size_t len);
