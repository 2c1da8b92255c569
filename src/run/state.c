#include "kenro/run/state.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/json/json_encode.h"
#include "kenro/spec/spec_fields.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* proc_pid_stat(5); the flags are the kernel's, <linux/sched.h>. */
enum { STAT_FLAGS = 9, STAT_START_TIME = 22, PF_EXITING_ = 4, PF_FORKNOEXEC_ = 0x40 };

#define FILE_NAME "state.json"
#define AT(member) .offset = offsetof(struct state, member)

/* clang-format off */
static const struct json_field fields[] = {
        { "version",     J_U64, AT(version), .required = true },
        { "ociVersion",  J_STR, AT(oci_version), .required = true },
        { "id",          J_STR, AT(id), .required = true },
        { "pid",         J_U64, AT(pid), .max = INT32_MAX },
        { "startTime",   J_U64, AT(start_time) },
        { "bundle",      J_STR, AT(bundle), .required = true },
        { "rootfs",      J_STR, AT(rootfs), .required = true },
        { "cgroup",      J_STR, AT(cgroup), .required = true },
        { "cgroupMade",  J_U64, AT(cgroup_made) },
        { "cgroupClaimed", J_BOOL, AT(cgroup_claimed) },
        { "unit",        J_STR, AT(unit) },
        { "userManager", J_BOOL, AT(user_manager) },
        { "cgroupInode", J_U64, AT(cgroup_inode) },
        { "created",     J_STR, AT(created), .required = true },
        { "namespaces",  J_U64, AT(namespaces) },
        { "chroot",      J_BOOL, AT(chroot) },
        { "noProcess",   J_BOOL, AT(no_process) },
        { "filtered",    J_BOOL, AT(filtered) },
        { "filterFlags", J_U64, AT(filter_flags), .max = UINT32_MAX },
        { "ownUser",     J_BOOL, AT(own_user) },
        { "noKeyring",   J_BOOL, AT(no_keyring) },
        { "ownPid",      J_BOOL, AT(own_pid) },
        { "hooks",       J_U64, AT(hooks) },
        { "notifies",    J_BOOL, AT(notifies) },
        { "resctrl",     J_STR, AT(resctrl) },
        { "resctrlMonitor", J_STR, AT(resctrl_monitor) },
        { "resctrlOwn",  J_BOOL, AT(resctrl_own) },
        { "annotations", J_MAP, J_STR, AT(annotations) },
        { "resources",   J_OBJ, AT(resources), .shape = &spec_resources_shape },
        { 0 },
};
/* clang-format on */
static const struct json_shape shape = { sizeof(struct state), fields };

static void write_annotations(struct json_out *o, const struct pairs *p)
{
        json_key(o, "annotations");
        json_map(o);
        for (size_t i = 0; i < p->n; i++)
                json_key_str(o, p->v[i].key, p->v[i].value);
        json_map_end(o);
}

void state_describe(struct json_out *o, const struct state *s, const char *status, uint64_t pid)
{
        json_key_str(o, "ociVersion", s->oci_version);
        json_key_str(o, "id", s->id);
        json_key_str(o, "status", status);
        json_key_uint(o, "pid", pid);
        json_key_str(o, "bundle", s->bundle);
        if (s->annotations.n > 0)
                write_annotations(o, &s->annotations);
}

int state_store(int dir_fd, const struct state *s, struct err *e)
{
        struct json_out o;
        const char *text;
        size_t len;
        int r = -1;

        if (json_out_init(&o, false, e) < 0)
                return -1;
        json_encode(&o, &shape, s);
        text = json_text(&o, &len, e);
        if (text)
                r = file_replace(dir_fd, FILE_NAME, text, len, 0600, e);
        json_out_release(&o);
        return r;
}

int state_load(int dir_fd, struct arena *a, struct state *ret, struct err *e)
{
        /* O_NONBLOCK: root may look at a user's directory, with a FIFO in the file's place. */
        autoclose int fd = openat(dir_fd, FILE_NAME,
                                  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct json_source src = { .name = FILE_NAME, .arena = a };

        if (fd < 0)
                return errno == ENOENT ? 1 : err_sys(e, errno, "cannot open the state file");
        src.text = file_read_fd(fd, a, STATE_BYTES_MAX, &src.len, e);
        if (!src.text)
                return err_in(e, "state file");
        *ret = (struct state){ 0 };
        if (json_decode(&src, &shape, ret, e) < 0)
                return -1;
        if (ret->version != STATE_VERSION)
                return err_set(e, "state file: version %llu, this kenro knows %d",
                               (unsigned long long)ret->version, STATE_VERSION);
        return 0;
}

/* A number of proc_pid_stat(5) by its place; 0 if there is no such process. */
static uint64_t stat_field(int proc_fd, pid_t pid, int wanted)
{
        char name[32], text[1024];
        const char *at;

        snprintf(name, sizeof(name), "%d/stat", pid);
        if (file_peek(proc_fd, name, text, sizeof(text)) <= 0)
                return 0;
        /* The command's name, in brackets, may hold anything, brackets too. */
        at = strrchr(text, ')');
        for (int field = 2; at && field < wanted; field++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at + 1, NULL, 10) : 0;
}

uint64_t state_start_time(int proc_fd, pid_t pid)
{
        return stat_field(proc_fd, pid, STAT_START_TIME);
}

bool state_is_exiting(int proc_fd, pid_t pid)
{
        uint64_t flags = stat_field(proc_fd, pid, STAT_FLAGS);

        return flags == 0 || (flags & PF_EXITING_) != 0;
}

pid_t state_inner_pid(int proc_fd, int pidfd)
{
        char name[32], text[1024], *at;

        /* Not the process's own status: its groups come first there, however many. */
        snprintf(name, sizeof(name), "self/fdinfo/%d", pidfd);
        if (file_peek(proc_fd, name, text, sizeof(text)) <= 0)
                return 0;
        at = strstr(text, "\nNSpid:");
        if (!at)
                at = strstr(text, "\nPid:"); /* a kernel without pid namespaces */
        if (!at)
                return 0;
        at[1 + strcspn(at + 1, "\n")] = '\0';
        at = strrchr(at, '\t');
        return at ? (pid_t)strtoul(at + 1, NULL, 10) : 0;
}

bool state_has_executed(int proc_fd, pid_t pid)
{
        return (stat_field(proc_fd, pid, STAT_FLAGS) & PF_FORKNOEXEC_) == 0;
}

const char *state_now(struct arena *a, struct err *e)
{
        struct timespec now;
        char text[32];
        struct tm tm;

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
        return arena_printf(a, e, "%s.%09ldZ", text, now.tv_nsec);
}
