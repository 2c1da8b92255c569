/* Line and column of a value. Private to the json layer. */
#pragma once

#include "kenro/json/json_read.h"

/* Of the value at PATH ("linux.namespaces[3].type") or its nearest parent. False
 * if not even the first key is there. */
bool json_locate(const struct json_source *src, const char *path, unsigned *line, unsigned *column);

/* Offset of the first byte of the token that ends just before END. */
size_t json_token_start(const char *text, size_t end);

/* Both count from 1; columns count bytes. */
void json_line_column(const char *text, size_t offset, unsigned *line, unsigned *column);
