/* call [-32] NUMBER [ARG...]: make one system call and print the errno it gave,
 * 0 if it succeeded. -32 makes it by the 32-bit entry of x86. NUMBER may be a
 * name of a few. What does not come back (SIGSYS) is the caller's to see. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
        const char *name;
        long number;
} names[] = {
        { "socket", SYS_socket },
        { "clone3", SYS_clone3 },
        { "unshare", SYS_unshare },
        { "mount", SYS_mount },
        { "keyctl", SYS_keyctl },
        { "ptrace", SYS_ptrace },
        { "bpf", SYS_bpf },
        { "ioctl", SYS_ioctl },
        { "getpid", SYS_getpid },
        { "reboot", SYS_reboot },
        { "personality", SYS_personality },
        { "io_uring_setup", 425 },
        { "userfaultfd", SYS_userfaultfd },
        { "setsockopt", SYS_setsockopt },
};

static long number_of(const char *text)
{
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strcmp(names[i].name, text) == 0)
                        return names[i].number;
        return strtol(text, NULL, 0);
}

static long call32(const long a[6], long number)
{
#ifdef __x86_64__
        long r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                         : "memory", "r8", "r9", "r10", "r11");
        return (int)r;
#else
        (void)a;
        (void)number;
        return -ENOSYS;
#endif
}

int main(int argc, char **argv)
{
        int at = 1, entry32 = argc > 1 && strcmp(argv[1], "-32") == 0;
        long a[6] = { 0 }, number, r;

        at += entry32;
        if (at >= argc)
                return 2;
        number = number_of(argv[at++]);
        for (int i = 0; i < 6 && at < argc; i++)
                a[i] = (long)strtoul(argv[at++], NULL, 0);
        if (entry32) {
                r = call32(a, number);
                printf("%ld\n", r < 0 ? -r : 0);
        } else {
                r = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
                printf("%d\n", r < 0 ? errno : 0);
        }
        return 0;
}
