#include "kenro/host/survey.h"

#include "kenro/base/fd.h"
#include "kenro/host/look.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { TEXT_BYTES = 4096, PATHS_MAX = 64 };

/* What kenro is built on; docs of each in base/sys.h. */
static const struct {
        const char *name;
        long number;
} calls[] = {
        { "bpf", SYS_bpf },
        { "clone3", SYS_clone3 },
        { "close_range", SYS_close_range },
        { "fsconfig", SYS_fsconfig },
        { "fsmount", SYS_fsmount },
        { "fsopen", SYS_fsopen },
        { "fspick", SYS_fspick },
        { "mount_setattr", SYS_mount_setattr },
        { "move_mount", SYS_move_mount },
        { "open_tree", SYS_open_tree },
        { "openat2", SYS_openat2 },
        { "pidfd_getfd", SYS_pidfd_getfd },
        { "pidfd_open", SYS_pidfd_open },
        { "pidfd_send_signal", SYS_pidfd_send_signal },
        { "seccomp", SYS_seccomp },
};

static const char *const namespaces[] = { "cgroup", "ipc",  "mnt",  "net",
                                          "pid",    "time", "user", "uts" };

/* Other OCI runtimes, and names under which kenro is installed for those who ask for no
 * other. */
static const char *const runtimes[] = { "runc", "crun",        "youki",       "runsc",
                                        "krun", "sysbox-runc", "kata-runtime" };

static bool is_there(const struct survey_in *in, const char *path, mode_t type)
{
        struct stat st;
        autoclose int fd = look_at(in->root, path, &st);

        return fd >= 0 && (st.st_mode & S_IFMT) == type;
}

/* The text of a small file, or NULL. */
static char *text_of(const struct survey_in *in, const char *path, struct err *e)
{
        char text[TEXT_BYTES];
        ssize_t n = look_peek(in->root, path, text, sizeof(text));

        return n < 0 ? NULL : arena_strndup(in->arena, text, (size_t)n, e);
}

/* ---- the kernel -------------------------------------------------------------------------- */

static int look_at_kernel(const struct survey_in *in, struct survey *s, struct err *e)
{
        struct utsname u;

        if (uname(&u) == 0)
                s->release = arena_strndup(in->arena, u.release, strlen(u.release), e);
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
                /* No call takes these: it says so, and does nothing. */
                if (syscall(calls[i].number, -1L, 0L, -1L, 0L, -1L) >= 0 || errno != ENOSYS)
                        continue;
                if (look_add(in->arena, &s->no_calls, calls[i].name, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
                char path[64];

                snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i]);
                /* It is a magic link, which is enough to know. */
                if (look_at(in->root, path, NULL) == -ENOENT &&
                    look_add(in->arena, &s->no_namespaces, namespaces[i], e) < 0)
                        return -1;
        }
        s->seccomp = text_of(in, "/proc/sys/kernel/seccomp/actions_avail", e);
        s->max_user_namespaces = look_number(in->root, "/proc/sys/user/max_user_namespaces");
        s->users_may_unshare = look_number(in->root, "/proc/sys/kernel/unprivileged_userns_clone");
        s->apparmor_restricts =
                look_number(in->root, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
        return 0;
}

static void look_at_lsms(const struct survey_in *in, struct survey *s)
{
        char text[8];

        s->apparmor = look_peek(in->root, "/sys/module/apparmor/parameters/enabled", text,
                                sizeof(text)) > 0 &&
                      text[0] == 'Y';
        s->enforcing = look_number(in->root, "/sys/fs/selinux/enforce") == 1;
        s->selinux = s->enforcing || is_there(in, "/sys/fs/selinux/enforce", S_IFREG);
}

/* ---- cgroups and systemd ------------------------------------------------------------------ */

/* The controllers in /proc/self/cgroup, of lines "4:memory:/x"; the rest is no controller
 * or version 2's. */
static char *v1_controllers(const struct survey_in *in, struct err *e)
{
        char *text = text_of(in, "/proc/self/cgroup", e), all[TEXT_BYTES] = "";
        size_t at = 0;

        for (char *line = text, *next; line && *line; line = next) {
                char *name = strchr(line, ':'), *end = name ? strchr(name + 1, ':') : NULL;

                next = line + strcspn(line, "\n");
                next += *next == '\n';
                if (!end || end > next || end == name + 1 || strncmp(name, ":name=", 6) == 0)
                        continue;
                at += (size_t)snprintf(all + at, sizeof(all) - at, "%s%.*s", at ? " " : "",
                                       (int)(end - name - 1), name + 1);
                if (at >= sizeof(all))
                        break;
        }
        return arena_strndup(in->arena, all, strlen(all), e);
}

static void look_at_group(const struct survey_in *in, const char *path, struct survey_group *ret,
                          struct err *e)
{
        char file[PATH_MAX];

        snprintf(file, sizeof(file), "%s/cgroup.controllers", path);
        ret->controllers = text_of(in, file, e);
        snprintf(file, sizeof(file), "%s/cgroup.procs", path);
        ret->ours = look_may(in->root, path, W_OK) && look_may(in->root, file, W_OK);
}

static void look_at_cgroups(const struct survey_in *in, struct survey *s, struct err *e)
{
        char path[2 * PATH_MAX];

        s->v1 = v1_controllers(in, e);
        if (!in->cgroup)
                return;
        snprintf(path, sizeof(path), "%s/cgroup.controllers", in->cgroup);
        s->controllers = text_of(in, path, e);
        snprintf(path, sizeof(path), "%s/cgroup.subtree_control", in->cgroup);
        s->enabled = text_of(in, path, e);
        if (in->group && *in->group) {
                snprintf(path, sizeof(path), "%s%s", in->cgroup, in->group);
                look_at_group(in, path, &s->own, e);
        }
        snprintf(path, sizeof(path), "%s/user.slice/user-%u.slice/user@%u.service", in->cgroup,
                 in->uid, in->uid);
        look_at_group(in, path, &s->manager, e);
}

/* A bus, or the manager's own socket. */
static bool has_bus(const struct survey_in *in, const char *dir, const char *bus)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", dir, bus);
        if (is_there(in, path, S_IFSOCK))
                return true;
        snprintf(path, sizeof(path), "%s/systemd/private", dir);
        return is_there(in, path, S_IFSOCK);
}

static void look_at_systemd(const struct survey_in *in, struct survey *s)
{
        s->systemd = is_there(in, "/run/systemd/system", S_IFDIR);
        s->system_bus = has_bus(in, "/run", "dbus/system_bus_socket");
        s->user_bus = in->run && has_bus(in, in->run, "bus");
        s->helper = in->helper && look_may(in->root, in->helper, X_OK);
}

/* ---- the caller's ids --------------------------------------------------------------------- */

/* The next line of *TEXT, cut into FIELDS at its colons: as many as there are. */
static size_t next_line(char **text, char *fields[], size_t max)
{
        char *line = *text;
        size_t n = 0;

        *text += strcspn(line, "\n");
        if (**text)
                *(*text)++ = '\0';
        while (n < max && line) {
                fields[n++] = line;
                line = strchr(line, ':');
                if (line)
                        *line++ = '\0';
        }
        return n;
}

static bool is_number(const char *text, uint32_t number)
{
        char digits[16];

        snprintf(digits, sizeof(digits), "%u", number);
        return strcmp(text, digits) == 0;
}

static void find_user(const struct survey_in *in, struct survey *s)
{
        struct err e;
        size_t len;
        char *text = look_read(in->root, "/etc/passwd", in->arena, &len, &e), *field[7];

        while (text && *text && !s->user) {
                if (next_line(&text, field, 7) < 6 || !is_number(field[2], in->uid))
                        continue;
                s->user = field[0];
                s->home = field[5][0] == '/' ? field[5] : NULL;
        }
}

/* How many ids of FILE are the caller's, by its name or its number. */
static uint64_t count_ids(const struct survey_in *in, const struct survey *s, const char *file)
{
        struct err e;
        size_t len;
        char *text = look_read(in->root, file, in->arena, &len, &e), *field[3];
        uint64_t n = 0;

        while (text && *text)
                if (next_line(&text, field, 3) == 3 &&
                    (is_number(field[0], in->uid) || (s->user && strcmp(field[0], s->user) == 0)))
                        n += strtoul(field[2], NULL, 10) & UINT32_MAX;
        return n;
}

/* It has to be root's by its mode, or may change ids by a capability of its file. */
static bool is_privileged(const struct survey_in *in, const char *name)
{
        for (const char *const *dir = in->map_directories; dir && *dir; dir++) {
                char path[PATH_MAX];
                struct stat st;
                autoclose int fd = -1;

                snprintf(path, sizeof(path), "%s/%s", *dir, name);
                fd = look_at(in->root, path, &st);
                if (fd < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
                        continue;
                if (st.st_uid == 0 && (st.st_mode & S_ISUID))
                        return true;
                snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
                return getxattr(path, "security.capability", NULL, 0) > 0;
        }
        return false;
}

static void look_at_ids(const struct survey_in *in, struct survey *s)
{
        find_user(in, s);
        s->subuids = count_ids(in, s, "/etc/subuid");
        s->subgids = count_ids(in, s, "/etc/subgid");
        s->newuidmap = is_privileged(in, "newuidmap");
        s->newgidmap = is_privileged(in, "newgidmap");
}

/* ---- kenro's own directory ----------------------------------------------------------------- */

/* Whether somebody else than root and the caller can rename what is in it. */
static bool is_weak(const struct survey_in *in, const struct stat *st)
{
        return (st->st_uid != 0 && st->st_uid != in->uid) ||
               ((st->st_mode & 022) != 0 && !(st->st_mode & S_ISVTX));
}

static void look_above(const struct survey_in *in, struct survey_state *s, struct err *e)
{
        bool nearest = !s->there;
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s", in->state);
        for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
                struct stat st;
                autoclose int fd = -1;

                *slash = '\0';
                fd = look_at(in->root, path, &st);
                if (fd < 0)
                        continue;
                if (!s->weak && is_weak(in, &st))
                        s->weak = *path ? arena_strndup(in->arena, path, strlen(path), e) : "/";
                if (nearest)
                        s->can_be_made = look_may(in->root, path, W_OK);
                nearest = false;
        }
}

static void look_at_state(const struct survey_in *in, struct survey_state *s, struct err *e)
{
        struct stat st;
        struct statfs fs;
        autoclose int fd = look_at(in->root, in->state, &st);

        if (fd >= 0) {
                s->there = true;
                s->directory = S_ISDIR(st.st_mode);
                s->uid = st.st_uid;
                s->mode = st.st_mode & 07777;
                s->tmpfs = fstatfs(fd, &fs) == 0 &&
                           (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
        }
        look_above(in, s, e);
}

/* ---- runtimes ------------------------------------------------------------------------------ */

struct seen {
        struct {
                dev_t dev;
                ino_t ino;
        } v[PATHS_MAX];
        size_t n;
};

/* "/bin" and "/usr/bin" are one directory on most hosts. */
static bool is_new(const struct survey_in *in, const char *dir, struct seen *seen)
{
        struct stat st;
        autoclose int fd = look_at(in->root, dir, &st);

        if (fd < 0 || !S_ISDIR(st.st_mode) || seen->n == PATHS_MAX)
                return false;
        for (size_t i = 0; i < seen->n; i++)
                if (seen->v[i].dev == st.st_dev && seen->v[i].ino == st.st_ino)
                        return false;
        seen->v[seen->n].dev = st.st_dev;
        seen->v[seen->n++].ino = st.st_ino;
        return true;
}

static int find_runtimes_in(const struct survey_in *in, const struct engine_look *look,
                            const char *dir, struct survey *s, struct err *e)
{
        for (size_t i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
                const char *path = arena_printf(in->arena, e, "%s/%s", dir, runtimes[i]);
                struct engine_runtime *t;
                bool kenro;

                if (!path)
                        return -1;
                if (!engine_program(look, path, &kenro))
                        continue;
                t = arena_push(in->arena, &s->runtimes.v, &s->runtimes.n, sizeof(*t), e);
                if (!t)
                        return -1;
                *t = (struct engine_runtime){ .name = runtimes[i], .path = path, .kenro = kenro };
        }
        return 0;
}

/* In the caller's PATH, and where daemons look. */
static int find_runtimes(const struct survey_in *in, const struct engine_look *look,
                         struct survey *s, struct err *e)
{
        struct seen seen = { .n = 0 };

        for (const char *at = in->path; at && *at; at += *at == ':') {
                size_t len = strcspn(at, ":");
                const char *dir = arena_strndup(in->arena, at, len, e);

                if (!dir)
                        return -1;
                if (*dir == '/' && is_new(in, dir, &seen) &&
                    find_runtimes_in(in, look, dir, s, e) < 0)
                        return -1;
                at += len;
        }
        for (const char *const *dir = engine_directories; *dir; dir++)
                if (is_new(in, *dir, &seen) && find_runtimes_in(in, look, *dir, s, e) < 0)
                        return -1;
        return 0;
}

int survey(const struct survey_in *in, struct survey *ret, struct err *e)
{
        struct engine_look look = { in->root, in->self_dev, in->self_ino, NULL, in->arena };
        char byte[2];

        *ret = (struct survey){ 0 };
        ret->blind = look_peek(in->root, "/proc/self/cgroup", byte, sizeof(byte)) < 0;
        if (look_at_kernel(in, ret, e) < 0)
                return -1;
        look_at_lsms(in, ret);
        look_at_cgroups(in, ret, e);
        look_at_systemd(in, ret);
        look_at_ids(in, ret);
        look_at_state(in, &ret->state, e);
        if (find_runtimes(in, &look, ret, e) < 0)
                return -1;
        look.home = in->uid == 0 ? NULL : ret->home;
        for (int kind = 0; kind < ENGINE_KINDS; kind++)
                if (engine_look(&look, (enum engine_kind)kind, &ret->engines[kind], e) < 0)
                        return -1;
        return 0;
}
