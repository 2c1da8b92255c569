/* A filter from a container's record, which exec asks for its answers. */
#include "fuzz.h"

#include "seccomp_interpret.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        size_t n = size / sizeof(struct sock_filter);
        struct sock_filter *v = malloc(n * sizeof(*v));
        struct seccomp_data *call = calloc(1, sizeof(*call));
        uint32_t answer;

        if (n > 0)
                memcpy(v, data, n * sizeof(*v));
        call->nr = (int)n;
        answer = seccomp_interpret(v, n, call);
        HOLDS(answer == seccomp_interpret(v, n, call), NULL);
        free(call);
        free(v);
        return 0;
}
