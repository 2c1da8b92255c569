/* The image's program could not be executed: its first bytes, which may be
 * anything, are read to say why. */
#include "fuzz.h"

#include "kenro/part/program.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int file;

/* Nothing is executed: this stands in for libc's. */
int execve(const char *path, char *const argv[], char *const envp[])
{
        (void)path;
        (void)argv;
        (void)envp;
        errno = ENOENT; /* what makes kenro look for an interpreter */
        return -1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc;
        (void)argv;
        file = fuzz_file("program", NULL);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char name[] = "program", *argv[] = { name, NULL }, *envp[] = { NULL };
        const struct program_plan p = { .argv = argv, .envp = envp };
        struct err e = { 0 };
        char path[40];

        fuzz_file_set(file, data, size);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
        HOLDS(program_exec_child(&p, path, &e) == -1, NULL);
        HOLDS(e.text[0] && e.num == ENOENT, e.text);
        fuzz_check_error(&e);
        return 0;
}
