#include "kenro/host/host.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

/* PROC_USER_INIT_INO of <linux/proc_ns.h>: the same since Linux 3.8. */
#define FIRST_USER_NAMESPACE 0xEFFFFFFDU

enum { KERNEL_MAJOR = 5, KERNEL_MINOR = 15, PROC_ROOT_INODE = 1, MOUNTINFO_MAX = 16 << 20 };

static int check_kernel(struct err *e)
{
        struct utsname u;
        int major, minor;

        if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2)
                return err_sys(e, errno, "cannot tell the kernel's version");
        if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
                return err_set(e, "Linux %s is too old, kenro needs %d.%d", u.release, KERNEL_MAJOR,
                               KERNEL_MINOR);
        return 0;
}

static int open_proc(struct err *e)
{
        autoclose int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct statfs fs;
        struct stat st;

        if (fd < 0)
                return err_sys(e, errno, "cannot open /proc");
        if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
                return err_sys(e, errno, "cannot stat /proc");
        if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROC_ROOT_INODE)
                return err_set(e, "/proc is not a procfs");
        return fd_take(&fd);
}

static int read_caps(struct host *h, struct err *e)
{
        struct __user_cap_data_struct data[2];
        int r = sys_capget(data);

        if (r < 0)
                return err_sys(e, -r, "cannot read the capabilities");
        h->cap_permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
        for (unsigned cap = 0; cap < 64; cap++) {
                r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
                if (r < 0)
                        break; /* EINVAL: the kernel knows no more */
                h->cap_last = cap;
                if (r > 0)
                        h->cap_bounding |= 1ull << cap;
        }
        return 0;
}

bool host_has_all_ids(void)
{
        unsigned inside, outside, count;
        char map[64];

        return file_peek(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0 &&
               sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 &&
               outside == 0 && count == UINT32_MAX;
}

bool host_denies_groups(int proc_fd, const char *pid)
{
        char name[32], text[16];

        snprintf(name, sizeof(name), "%.15s/setgroups", pid);
        return file_peek(proc_fd, name, text, sizeof(text)) > 0 && strncmp(text, "deny", 4) == 0;
}

/* Whether the own user namespace is the owner of the own mount namespace. */
static bool owns_mounts(int proc_fd, ino_t user)
{
        autoclose int mnt = openat(proc_fd, "self/ns/mnt", O_RDONLY | O_CLOEXEC);
        autoclose int owner = mnt < 0 ? -1 : ioctl(mnt, NS_GET_USERNS);
        struct stat st;

        return owner >= 0 && fstat(owner, &st) == 0 && st.st_ino == user;
}

static bool has(const struct host *h, unsigned cap)
{
        return (h->cap_permitted >> cap & 1) != 0;
}

/* The last line of /proc/self/cgroup that begins with "0::". */
static void read_own_cgroup(struct host *h)
{
        char text[PATH_MAX + 512], *at;

        if (file_peek(h->proc_fd, "self/cgroup", text, sizeof(text)) <= 0)
                return;
        at = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
        if (!at)
                return;
        at = strchr(at, '/');
        at[strcspn(at, "\n")] = '\0';
        /* "/../x": it is outside of what the cgroup namespace shows. */
        if (strncmp(at, "/..", 3) != 0)
                snprintf(h->cgroup, sizeof(h->cgroup), "%s", at);
}

/* From what the kernel says, never from environment variables: an engine's user
 * namespace looks like root's host to whoever is in it. */
static int find_limits(struct host *h, struct err *e)
{
        struct stat st;
        bool first;

        if (fstatat(h->proc_fd, "self/ns/user", &st, 0) < 0)
                return err_sys(e, errno, "cannot tell the own user namespace");
        first = st.st_ino == FIRST_USER_NAMESPACE;
        h->uid = geteuid();
        h->gid = getegid();
        h->rootless = !first || !has(h, CAP_SYS_ADMIN);
        h->no_nodes = !first || !has(h, CAP_MKNOD);
        h->no_mounts = !has(h, CAP_SYS_ADMIN) || !owns_mounts(h->proc_fd, st.st_ino);
        h->no_mappings = !has(h, CAP_SETUID) || !has(h, CAP_SETGID);
        h->no_setgroups = host_denies_groups(h->proc_fd, "self");
        read_own_cgroup(h);
        return 0;
}

/* Two files and a mount that are where they are. */
static void read_attributes(struct host *h)
{
        struct err ignored;
        struct statfs fs;
        char text[256];

        h->apparmor = file_peek(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", text,
                                sizeof(text)) > 0 &&
                      text[0] == 'Y';
        h->selinux = statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC;
        if (file_peek(AT_FDCWD, "/sys/devices/system/cpu/isolated", text, sizeof(text)) <= 1)
                return;
        text[strcspn(text, "\n")] = '\0';
        (void)bits_parse(text, &h->cpus_isolated, &ignored); /* none, then */
}

int host_probe_proc(struct host *h, struct err *e)
{
        *h = (struct host){ .proc_fd = -1 };
        if (check_kernel(e) < 0)
                return -1;
        h->proc_fd = open_proc(e);
        return h->proc_fd < 0 ? -1 : 0;
}

int host_probe(struct host *h, struct err *e)
{
        if (host_probe_proc(h, e) < 0)
                return -1;
        h->all_ids = host_has_all_ids();
        read_attributes(h);
        return read_caps(h, e) < 0 ? -1 : find_limits(h, e);
}

/* PATH if a cgroup2 file system is mounted there. Returns 1, or 0. */
static int try_cgroup(struct host_cgroup *c, const char *path)
{
        autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct statfs fs;

        if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
                return 0;
        if ((size_t)snprintf(c->mount, sizeof(c->mount), "%s", path) >= sizeof(c->mount))
                return 0;
        c->fd = fd_take(&fd);
        return 1;
}

/* mountinfo writes a blank, a line's end and a backslash as \\ooo. */
static void unescape(char *s)
{
        char *to = s;

        for (; *s; s++) {
                if (s[0] == '\\' && strspn(s + 1, "01234567") >= 3) {
                        *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 3;
                } else {
                        *to++ = *s;
                }
        }
        *to = '\0';
}

/* The text of mountinfo(5), or NULL. */
static char *read_mounts(struct arena *a, struct err *e)
{
        autoclose int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
        size_t len;

        if (fd < 0) {
                err_sys(e, errno, "cannot open /proc/self/mountinfo");
                return NULL;
        }
        return file_read_fd(fd, a, MOUNTINFO_MAX, &len, e);
}

/* The fifth field of the next line of *TEXT whose file system type is TYPE, as in
 * " - cgroup2 ". False if there is none. */
static bool next_mount(char **text, const char *type, char path[PATH_MAX])
{
        while (*text) {
                char *line = *text, *newline = strchr(line, '\n');

                if (newline)
                        *newline = '\0';
                *text = newline ? newline + 1 : NULL;
                if (!strstr(line, type) || sscanf(line, "%*s %*s %*s %*s %4095s", path) != 1)
                        continue;
                unescape(path);
                return true;
        }
        return false;
}

static int search_cgroup(struct host_cgroup *c, struct arena *a, struct err *e)
{
        char *text = read_mounts(a, e), path[PATH_MAX];

        while (next_mount(&text, " - cgroup2 ", path))
                if (try_cgroup(c, path))
                        return 1;
        return 0;
}

int host_resctrl(struct host *h, struct arena *a, struct err *e)
{
        char *text = read_mounts(a, e), path[PATH_MAX];

        if (!text)
                return -1;
        if (!next_mount(&text, " - resctrl ", path))
                return 0;
        h->resctrl = arena_strndup(a, path, strlen(path), e);
        return h->resctrl ? 0 : -1;
}

int host_cgroup(struct host_cgroup *c, struct arena *a, struct err *e)
{
        *c = (struct host_cgroup){ .fd = -1 };
        if (try_cgroup(c, "/sys/fs/cgroup") || try_cgroup(c, "/sys/fs/cgroup/unified") ||
            search_cgroup(c, a, e))
                return 0;
        err_set(e, "no cgroup2 file system is mounted");
        return err_hint(e, "mount -t cgroup2 none /sys/fs/cgroup, or boot with "
                           "systemd.unified_cgroup_hierarchy=1");
}
