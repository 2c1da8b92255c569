/* What makes a number or a string acceptable. Private to the json layer. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits only, with or without a minus sign: a sign and a magnitude. False if
 * TEXT is not a whole number or does not fit into 64 bits. */
bool json_whole_number(const char *text, size_t len, bool *minus, uint64_t *value);

/* True if the string token that ends at offset END of TEXT spells half of a
 * surrogate pair. yajl turns that into '?', so that two different strings
 * would become the same path or option. */
bool json_lone_surrogate(const char *text, size_t end);
