/* Numbers with a unit, as the kernel reads them and as people write them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum size_kind {
        SIZE_NUMBER, /* 4096: decimal digits alone */
        SIZE_HUMAN,  /* 512m, 512mb, 512MiB, up to p; decimal */
        SIZE_KERNEL, /* memparse: 4096, 0x1000, 010 which is 8, 4k, up to e */
};

/* The LEN bytes of TEXT. 0, -EINVAL if they are no such number, -ERANGE if it is too big. */
int size_parse(const char *text, size_t len, enum size_kind kind, uint64_t *ret);
