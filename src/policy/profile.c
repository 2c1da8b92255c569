#include "kenro/policy/profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/socket.h>

#define ALLOW SECCOMP_RET_ALLOW
#define ANY "" /* for every container */

/* clang-format off */

/* What every program may call: nothing here reaches beyond the namespaces of
 * the process or its own resources. */
static const char *const ordinary[] = {
        "_llseek", "_newselect", "accept", "accept4", "access", "alarm", "arch_prctl", "bind",
        "brk", "cachestat", "capget", "capset", "chdir", "chmod", "chown", "chown32",
        "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64",
        "clock_nanosleep", "clock_nanosleep_time64", "close", "close_range", "connect",
        "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1",
        "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
        "epoll_wait_old", "eventfd", "eventfd2", "execve", "execveat", "exit", "exit_group",
        "faccessat", "faccessat2", "fadvise64", "fadvise64_64", "fallocate", "fchdir", "fchmod",
        "fchmodat", "fchmodat2", "fchown", "fchown32", "fchownat", "fcntl", "fcntl64",
        "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr",
        "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate",
        "ftruncate64", "futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv",
        "futex_wake", "futimesat", "get_mempolicy", "get_robust_list", "get_thread_area",
        "getcpu", "getcwd", "getdents", "getdents64", "getegid", "getegid32", "geteuid",
        "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getitimer",
        "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom",
        "getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage",
        "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid", "getuid32",
        "getxattr", "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch",
        "io_cancel", "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64",
        "io_setup", "io_submit", "ioprio_get", "ioprio_set", "kill", "landlock_add_rule",
        "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lchown32", "lgetxattr",
        "link", "linkat", "listen", "listxattr", "llistxattr", "lremovexattr", "lseek",
        "lsetxattr", "lstat", "lstat64", "madvise", "mbind", "membarrier", "memfd_create",
        "mincore", "mkdir", "mkdirat", "mknod", "mknodat", "mlock", "mlock2", "mlockall",
        "mmap", "mmap2", "mprotect", "mq_getsetattr", "mq_notify", "mq_open",
        "mq_timedreceive", "mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64",
        "mq_unlink", "mremap", "mseal", "msgctl", "msgget", "msgrcv", "msgsnd", "msync",
        "munlock", "munlockall", "munmap", "nanosleep", "newfstatat", "open", "openat",
        "openat2", "pause", "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "pkey_alloc",
        "pkey_free", "pkey_mprotect", "poll", "ppoll", "ppoll_time64", "prctl", "pread64",
        "preadv", "preadv2", "prlimit64", "process_mrelease", "pselect6", "pselect6_time64",
        "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat",
        "readv", "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg",
        "remap_file_pages", "removexattr", "rename", "renameat", "renameat2",
        "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
        "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
        "rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sched_get_priority_max",
        "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
        "sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64",
        "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
        "sched_yield", "seccomp", "select", "semctl", "semget", "semop", "semtimedop",
        "semtimedop_time64", "send", "sendfile", "sendfile64", "sendmmsg", "sendmsg", "sendto",
        "set_mempolicy", "set_robust_list", "set_thread_area", "set_tid_address", "setfsgid",
        "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
        "setgroups32", "setitimer", "setpgid", "setpriority", "setregid", "setregid32",
        "setresgid", "setresgid32", "setresuid", "setresuid32", "setreuid", "setreuid32",
        "setrlimit", "setsid", "setuid", "setuid32", "setxattr", "shmat", "shmctl", "shmdt",
        "shmget", "shutdown", "sigaltstack", "signal", "signalfd", "signalfd4", "sigpending",
        "sigprocmask", "sigreturn", "sigsuspend", "socketpair", "splice", "stat", "stat64",
        "statfs", "statfs64", "statx", "symlink", "symlinkat", "sync", "sync_file_range",
        "syncfs", "sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete",
        "timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime",
        "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64",
        "timerfd_settime", "timerfd_settime64", "times", "tkill", "truncate", "truncate64",
        "ugetrlimit", "umask", "uname", "unlink", "unlinkat", "utime", "utimensat",
        "utimensat_time64", "utimes", "vfork", "wait4", "waitid", "waitpid", "write", "writev",
        NULL,
};

/* Debuggers and checkpointers: within the container, but the kernel code behind
 * them has been the way out before. */
static const char *const debugging[] = {
        "kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev",
        "ptrace", NULL,
};

/* Refused with EPERM, not as unknown: programs ask for these by right, and some
 * treat ENOSYS as a broken kernel. */
static const char *const refused[] = {
        "acct", "add_key", "adjtimex", "bpf", "chroot", "clock_adjtime", "clock_adjtime64",
        "clock_settime", "clock_settime64", "delete_module", "fanotify_init", "fanotify_mark",
        "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "ioperm",
        "iopl", "kexec_file_load", "kexec_load", "keyctl", "listmount", "lookup_dcookie",
        "lsm_get_self_attr", "lsm_list_modules", "lsm_set_self_attr", "migrate_pages",
        "mount", "mount_setattr", "move_mount", "move_pages", "name_to_handle_at", "nfsservctl",
        "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "quotactl",
        "quotactl_fd", "reboot", "request_key", "set_mempolicy_home_node", "setdomainname",
        "sethostname", "setns", "settimeofday", "statmount", "stime", "swapoff", "swapon",
        "syslog", "umount", "umount2", "unshare", "vhangup", "vmsplice", NULL,
};

/* What a capability is for: without the calls it would be an empty word. */
static const struct {
        const char *capability;
        const char *const *names;
} granted[] = {
        { "CAP_SYS_ADMIN", (const char *const[]){ "fanotify_init", "fanotify_mark", "fsconfig",
                "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr",
                "move_mount", "open_tree", "pivot_root", "quotactl", "quotactl_fd",
                "setdomainname", "sethostname", "setns", "syslog", "umount", "umount2",
                "unshare", "bpf", "perf_event_open", "statmount", "listmount", "clone3", NULL } },
        { "CAP_SYS_CHROOT", (const char *const[]){ "chroot", NULL } },
        { "CAP_SYS_TIME", (const char *const[]){ "adjtimex", "clock_adjtime",
                "clock_adjtime64", "clock_settime", "clock_settime64", "settimeofday", "stime",
                NULL } },
        { "CAP_SYS_MODULE", (const char *const[]){ "delete_module", "finit_module",
                "init_module", NULL } },
        { "CAP_SYS_BOOT", (const char *const[]){ "reboot", "kexec_load", "kexec_file_load",
                NULL } },
        { "CAP_SYS_RAWIO", (const char *const[]){ "ioperm", "iopl", NULL } },
        { "CAP_SYS_PACCT", (const char *const[]){ "acct", NULL } },
        { "CAP_SYS_NICE", (const char *const[]){ "migrate_pages", "move_pages",
                "set_mempolicy_home_node", NULL } },
        { "CAP_SYS_TTY_CONFIG", (const char *const[]){ "vhangup", NULL } },
        { "CAP_SYSLOG", (const char *const[]){ "syslog", NULL } },
        { "CAP_DAC_READ_SEARCH", (const char *const[]){ "name_to_handle_at",
                "open_by_handle_at", NULL } },
        { "CAP_BPF", (const char *const[]){ "bpf", NULL } },
        { "CAP_PERFMON", (const char *const[]){ "perf_event_open", NULL } },
        { NULL, NULL },
};

#define EQ(i, v) { .index = (i), .value = (v), .op = { true, CMP_EQ } }
#define ALWAYS(i) { .index = (i), .value = 0, .op = { true, CMP_GE } }
/* int arguments: the kernel does not look at the upper half */
#define LOW(i, v) { .index = (i), .value = UINT32_MAX, .value_two = (v), \
                    .op = { true, CMP_MASKED_EQ } }

enum { NEW_NAMESPACES = 0x7e020000, TIOCSTI_ = 0x5412, TIOCLINUX_ = 0x541c };

/* Calls whose arguments decide. Equality is tried before order, so that the
 * last row of a call speaks for the rest. */
static const struct {
        const char *name;
        const char *capability; /* only then; with "!": only without */
        uint64_t action;
        int error;
        struct spec_syscall_arg args[2];
        size_t n;
} conditional[] = {
        { "personality", ANY, ALLOW, 0, { EQ(0, 0x0) }, 1 },
        { "personality", ANY, ALLOW, 0, { EQ(0, 0x8) }, 1 },     /* PER_LINUX32 */
        { "personality", ANY, ALLOW, 0, { EQ(0, 0x20000) }, 1 }, /* UNAME26 */
        { "personality", ANY, ALLOW, 0, { EQ(0, 0x20008) }, 1 },
        { "personality", ANY, ALLOW, 0, { EQ(0, 0xffffffff) }, 1 }, /* query */
        { "clone", ANY, ALLOW, 0, { { .index = 0, .value = NEW_NAMESPACES,
                                      .op = { true, CMP_MASKED_EQ } } }, 1 },
        { "clone", "CAP_SYS_ADMIN", ALLOW, 0, { ALWAYS(0) }, 1 },
        { "clone", "!CAP_SYS_ADMIN", SECCOMP_RET_ERRNO, EPERM, { ALWAYS(0) }, 1 },
        /* no terminal that is shared with the host takes input from inside */
        { "ioctl", ANY, SECCOMP_RET_ERRNO, EPERM, { LOW(1, TIOCSTI_) }, 1 },
        { "ioctl", ANY, SECCOMP_RET_ERRNO, EPERM, { LOW(1, TIOCLINUX_) }, 1 },
        { "ioctl", ANY, ALLOW, 0, { ALWAYS(1) }, 1 },
        { "socket", ANY, ALLOW, 0, { EQ(0, AF_UNIX) }, 1 },
        { "socket", ANY, ALLOW, 0, { EQ(0, AF_INET) }, 1 },
        { "socket", ANY, ALLOW, 0, { EQ(0, AF_INET6) }, 1 },
        { "socket", ANY, ALLOW, 0, { EQ(0, AF_NETLINK), EQ(2, 0) }, 2 },  /* route */
        { "socket", ANY, ALLOW, 0, { EQ(0, AF_NETLINK), EQ(2, 4) }, 2 },  /* sock_diag */
        { "socket", ANY, ALLOW, 0, { EQ(0, AF_NETLINK), EQ(2, 15) }, 2 }, /* uevent */
        { "socket", "CAP_NET_ADMIN", ALLOW, 0, { EQ(0, AF_NETLINK), ALWAYS(2) }, 2 },
        { "socket", "CAP_AUDIT_WRITE", ALLOW, 0, { EQ(0, AF_NETLINK), EQ(2, 9) }, 2 },
        { "socket", "CAP_NET_RAW", ALLOW, 0, { EQ(0, AF_PACKET) }, 1 },
        { "socket", ANY, SECCOMP_RET_ERRNO, EAFNOSUPPORT, { ALWAYS(0) }, 1 },
        /* protocols stacked on sockets, and filters: root's business elsewhere */
        { "setsockopt", ANY, SECCOMP_RET_ERRNO, EPERM, { LOW(1, 6), LOW(2, 31) }, 2 },  /* TCP_ULP */
        { "setsockopt", ANY, SECCOMP_RET_ERRNO, EPERM, { LOW(1, 17), LOW(2, 100) }, 2 }, /* UDP_ENCAP */
        { "setsockopt", ANY, SECCOMP_RET_ERRNO, EPERM, { LOW(1, 0), LOW(2, 17) }, 2 },  /* IP_XFRM_POLICY */
        { "setsockopt", ANY, SECCOMP_RET_ERRNO, EPERM, { LOW(1, 41), LOW(2, 35) }, 2 }, /* IPV6_XFRM_POLICY */
        { "setsockopt", ANY, ALLOW, 0, { ALWAYS(1) }, 1 },
        { NULL, NULL, 0, 0, { { 0 } }, 0 },
};
/* clang-format on */

static bool has(const struct spec_capabilities *c, const char *capability)
{
        if (!*capability)
                return true;
        if (*capability == '!')
                return !has(c, capability + 1);
        for (size_t i = 0; c && i < c->bounding.n; i++)
                if (strcmp(c->bounding.v[i], capability) == 0)
                        return true;
        return false;
}

static struct spec_syscall *entry(struct spec_seccomp *f, uint64_t action, int error)
{
        struct spec_syscall *s = &f->syscalls.v[f->syscalls.n++];

        s->action = (struct opt_uint){ true, action };
        if (error)
                s->errno_ret = (struct opt_uint){ true, (uint64_t)error };
        return s;
}

/* The tables are constant; the specification's lists are not written through. */
static void list(struct spec_syscall *s, const char *const *names)
{
        s->names.v = (const char **)(uintptr_t)names;
        while (names[s->names.n])
                s->names.n++;
}

static bool listed(const char *const *names, const char *name)
{
        for (; *names; names++)
                if (strcmp(*names, name) == 0)
                        return true;
        return false;
}

/* What is refused, less what a capability grants: two rules must not contradict
 * each other. */
static int list_refused(struct spec_syscall *s, const struct spec_capabilities *c, struct arena *a,
                        struct err *e)
{
        s->names.v = ARENA_NEW(a, const char *, sizeof(refused) / sizeof(refused[0]), e);
        if (!s->names.v)
                return -1;
        for (size_t i = 0; refused[i]; i++) {
                bool granted_here = false;

                for (size_t k = 0; granted[k].capability; k++)
                        granted_here |= has(c, granted[k].capability) &&
                                        listed(granted[k].names, refused[i]);
                if (!granted_here)
                        s->names.v[s->names.n++] = refused[i];
        }
        return 0;
}

const struct spec_seccomp *profile_seccomp(const struct spec_capabilities *c, bool strict,
                                           struct arena *a, struct err *e)
{
        size_t max = 4 + sizeof(granted) / sizeof(granted[0]) +
                     sizeof(conditional) / sizeof(conditional[0]);
        struct spec_seccomp *f = ARENA_NEW(a, struct spec_seccomp, 1, e);

        if (f)
                f->syscalls.v = ARENA_NEW(a, struct spec_syscall, max, e);
        if (!f || !f->syscalls.v)
                return NULL;
        f->default_action = (struct opt_uint){ true, SECCOMP_RET_ERRNO };
        f->default_errno_ret = (struct opt_uint){ true, ENOSYS };
        list(entry(f, ALLOW, 0), ordinary);
        if (!strict)
                list(entry(f, ALLOW, 0), debugging);
        for (size_t i = 0; granted[i].capability; i++)
                if (has(c, granted[i].capability))
                        list(entry(f, ALLOW, 0), granted[i].names);
        if (list_refused(entry(f, SECCOMP_RET_ERRNO, EPERM), c, a, e) < 0)
                return NULL;
        for (size_t i = 0; conditional[i].name; i++) {
                struct spec_syscall *s;

                if (!has(c, conditional[i].capability))
                        continue;
                s = entry(f, conditional[i].action, conditional[i].error);
                s->names.v = (const char **)(uintptr_t)&conditional[i].name;
                s->names.n = 1;
                s->args.v = (struct spec_syscall_arg *)(uintptr_t)conditional[i].args;
                s->args.n = conditional[i].n;
        }
        return f;
}
