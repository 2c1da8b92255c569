/* Each system call that libc lacks (or that its headers make hard to include),
 * one inline function each. All return a result >= 0, or -errno.
 *
 * Constants come from the kernel's own headers. <linux/mount.h> and
 * <sys/mount.h> cannot both be included, so the second is never used. */
#pragma once

#include <errno.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SYS_RESULT(call)                                                                           \
        ({                                                                                         \
                long r_ = (call);                                                                  \
                (int)(r_ < 0 ? -errno : r_);                                                       \
        })

/* clone3(2), Linux 5.3. Behaves as fork: the child returns 0. */
static inline int sys_clone3(struct clone_args *args)
{
        return SYS_RESULT(syscall(SYS_clone3, args, sizeof(*args)));
}

/* openat2(2), Linux 5.6. A new close-on-exec descriptor. */
static inline int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t mode,
                              uint64_t resolve)
{
        struct open_how how = { .flags = flags | 02000000 /* O_CLOEXEC */,
                                .mode = mode,
                                .resolve = resolve };

        return SYS_RESULT(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

/* The mount API of Linux 5.2 and 5.12; see open_tree(2), fsopen(2). */
static inline int sys_open_tree(int dir, const char *path, unsigned flags)
{
        return SYS_RESULT(syscall(SYS_open_tree, dir, path, flags));
}

static inline int sys_move_mount(int from, const char *from_path, int to, const char *to_path,
                                 unsigned flags)
{
        return SYS_RESULT(syscall(SYS_move_mount, from, from_path, to, to_path, flags));
}

static inline int sys_fsopen(const char *type, unsigned flags)
{
        return SYS_RESULT(syscall(SYS_fsopen, type, flags));
}

static inline int sys_fspick(int dir, const char *path, unsigned flags)
{
        return SYS_RESULT(syscall(SYS_fspick, dir, path, flags));
}

static inline int sys_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
        return SYS_RESULT(syscall(SYS_fsconfig, fd, cmd, key, value, aux));
}

static inline int sys_fsmount(int fd, unsigned flags, unsigned attrs)
{
        return SYS_RESULT(syscall(SYS_fsmount, fd, flags, attrs));
}

static inline int sys_mount_setattr(int dir, const char *path, unsigned flags,
                                    struct mount_attr *attr)
{
        return SYS_RESULT(syscall(SYS_mount_setattr, dir, path, flags, attr, sizeof(*attr)));
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
        return SYS_RESULT(syscall(SYS_pivot_root, new_root, put_old));
}

enum { SYS_MNT_DETACH = 2 }; /* MNT_DETACH of umount2(2) */

static inline int sys_umount2(const char *path, int flags)
{
        return SYS_RESULT(syscall(SYS_umount2, path, flags));
}

/* pidfd_open(2), Linux 5.3; pidfd_send_signal(2), Linux 5.1. */
static inline int sys_pidfd_open(pid_t pid)
{
        return SYS_RESULT(syscall(SYS_pidfd_open, pid, 0));
}

/* pidfd_getfd(2), Linux 5.6. */
static inline int sys_pidfd_getfd(int pidfd, int fd)
{
        return SYS_RESULT(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

static inline int sys_pidfd_send_signal(int pidfd, int sig)
{
        return SYS_RESULT(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

/* close_range(2), Linux 5.9. */
static inline int sys_close_range(unsigned first, unsigned last, unsigned flags)
{
        return SYS_RESULT(syscall(SYS_close_range, first, last, flags));
}

static inline int sys_getdents64(int dir, void *buf, size_t size)
{
        return SYS_RESULT(syscall(SYS_getdents64, dir, buf, size));
}

/* capget(2), capset(2): struct __user_cap_data_struct[2], version 3. */
static inline int sys_capget(struct __user_cap_data_struct *data)
{
        struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };

        return SYS_RESULT(syscall(SYS_capget, &h, data));
}

static inline int sys_capset(const struct __user_cap_data_struct *data)
{
        struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };

        return SYS_RESULT(syscall(SYS_capset, &h, data));
}

static inline int sys_seccomp(unsigned op, unsigned flags, const void *args)
{
        return SYS_RESULT(syscall(SYS_seccomp, op, flags, args));
}

static inline int sys_bpf(int cmd, void *attr, size_t size)
{
        return SYS_RESULT(syscall(SYS_bpf, cmd, attr, size));
}

static inline int sys_keyctl(int op, unsigned long arg)
{
        return SYS_RESULT(syscall(SYS_keyctl, op, arg, 0, 0, 0));
}

/* The raw calls change this thread only, which is the whole process here. */
static inline int sys_setgroups(size_t n, const uint32_t *gids)
{
        return SYS_RESULT(syscall(SYS_setgroups, n, gids));
}

static inline int sys_setresuid(uint32_t uid)
{
        return SYS_RESULT(syscall(SYS_setresuid, uid, uid, uid));
}

/* Also for the signals that libc keeps to itself: sigaction(2). */
static inline int sys_signal_default(int sig)
{
        /* The kernel's struct: SIG_DFL, no flags, an empty mask of 8 bytes. */
        static const unsigned long none[8];

        return SYS_RESULT(syscall(SYS_rt_sigaction, sig, none, NULL, 8));
}

static inline int sys_setresgid(uint32_t gid)
{
        return SYS_RESULT(syscall(SYS_setresgid, gid, gid, gid));
}

/* sched_setattr(2) and sched_getattr(2); ATTR is the kernel's struct sched_attr. */
static inline int sys_sched_setattr(pid_t pid, const void *attr)
{
        return SYS_RESULT(syscall(SYS_sched_setattr, pid, attr, 0));
}

static inline int sys_sched_getattr(pid_t pid, void *attr, unsigned size)
{
        return SYS_RESULT(syscall(SYS_sched_getattr, pid, attr, size, 0));
}

/* Of this thread, with sets of any size. */
static inline int sys_sched_setaffinity(const void *cpus, size_t size)
{
        return SYS_RESULT(syscall(SYS_sched_setaffinity, 0, size, cpus));
}

static inline int sys_sched_getaffinity(void *cpus, size_t size)
{
        return SYS_RESULT(syscall(SYS_sched_getaffinity, 0, size, cpus));
}

static inline int sys_ioprio_set(int which, int who, int value)
{
        return SYS_RESULT(syscall(SYS_ioprio_set, which, who, value));
}

static inline int sys_ioprio_get(int which, int who)
{
        return SYS_RESULT(syscall(SYS_ioprio_get, which, who));
}

static inline int sys_personality(unsigned persona)
{
        return SYS_RESULT(syscall(SYS_personality, persona));
}

/* set_mempolicy(2): one bit less than MAX_NODE is read. */
static inline int sys_set_mempolicy(int mode, const unsigned long *nodes, unsigned long max_node)
{
        return SYS_RESULT(syscall(SYS_set_mempolicy, mode, max_node ? nodes : NULL, max_node));
}

static inline int sys_get_mempolicy(int *mode)
{
        return SYS_RESULT(syscall(SYS_get_mempolicy, mode, NULL, 0, NULL, 0));
}
