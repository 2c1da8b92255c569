#include "kenro/part/mount_option.h"

#include "kenro/base/sys.h"

#include <string.h>

/* What an option does; its argument fills the lower bits. */
enum action {
        SET = 1, /* an attribute on */
        CLEAR,   /* an attribute off */
        ATIME,   /* one of the access time modes, which exclude each other */
        PROPAGATE,
        BIND,
        REMOUNT,
        IDMAP,
        FLAG,   /* of the super block, for fsconfig(2) */
        UNFLAG, /* its default again */
        IGNORE, /* the default, or what only mount(8) or an engine does */
        COPY_UP,
        RECURSIVE = 16, /* added to SET, CLEAR, ATIME, BIND, IDMAP */
};

/* The super block's flags by fsconfig(2)'s names. */
enum flag { DIRSYNC, IVERSION, LAZYTIME, MAND, SYNC, FLAGS };
static const char *const flag_names[FLAGS] = { "dirsync", "i_version", "lazytime", "mand", "sync" };

#define DO(action, arg) ((uint64_t)(action) << 32 | (arg))

/* clang-format off */
const struct name mount_option_names[] = {
        { "async", DO(UNFLAG, SYNC) },
        { "atime", DO(ATIME, MOUNT_ATTR_RELATIME) },
        { "bind", DO(BIND, 0) },
        { "copy", DO(IGNORE, 0) }, /* Podman's, of what a new volume holds; it passes it on */
        { "defaults", DO(IGNORE, 0) },
        { "dev", DO(CLEAR, MOUNT_ATTR_NODEV) },
        { "diratime", DO(CLEAR, MOUNT_ATTR_NODIRATIME) },
        { "dirsync", DO(FLAG, DIRSYNC) },
        { "exec", DO(CLEAR, MOUNT_ATTR_NOEXEC) },
        { "idmap", DO(IDMAP, 0) },
        { "iversion", DO(FLAG, IVERSION) },
        { "lazytime", DO(FLAG, LAZYTIME) },
        { "loud", DO(IGNORE, 0) },
        { "mand", DO(FLAG, MAND) },
        { "noatime", DO(ATIME, MOUNT_ATTR_NOATIME) },
        { "nocopy", DO(IGNORE, 0) }, /* likewise */
        { "nodev", DO(SET, MOUNT_ATTR_NODEV) },
        { "nodiratime", DO(SET, MOUNT_ATTR_NODIRATIME) },
        { "noexec", DO(SET, MOUNT_ATTR_NOEXEC) },
        { "noiversion", DO(UNFLAG, IVERSION) },
        { "nolazytime", DO(UNFLAG, LAZYTIME) },
        { "nomand", DO(UNFLAG, MAND) },
        { "norelatime", DO(ATIME, MOUNT_ATTR_RELATIME) },    /* the kernel's default again */
        { "nostrictatime", DO(ATIME, MOUNT_ATTR_RELATIME) }, /* likewise */
        { "nosuid", DO(SET, MOUNT_ATTR_NOSUID) },
        { "nosymfollow", DO(SET, MOUNT_ATTR_NOSYMFOLLOW) },
        { "private", DO(PROPAGATE, MS_PRIVATE) },
        { "ratime", DO(ATIME + RECURSIVE, MOUNT_ATTR_RELATIME) },
        { "rbind", DO(BIND + RECURSIVE, 0) },
        { "rdev", DO(CLEAR + RECURSIVE, MOUNT_ATTR_NODEV) },
        { "rdiratime", DO(CLEAR + RECURSIVE, MOUNT_ATTR_NODIRATIME) },
        { "relatime", DO(ATIME, MOUNT_ATTR_RELATIME) },
        { "remount", DO(REMOUNT, 0) },
        { "rexec", DO(CLEAR + RECURSIVE, MOUNT_ATTR_NOEXEC) },
        { "ridmap", DO(IDMAP + RECURSIVE, 0) },
        { "rnoatime", DO(ATIME + RECURSIVE, MOUNT_ATTR_NOATIME) },
        { "rnodev", DO(SET + RECURSIVE, MOUNT_ATTR_NODEV) },
        { "rnodiratime", DO(SET + RECURSIVE, MOUNT_ATTR_NODIRATIME) },
        { "rnoexec", DO(SET + RECURSIVE, MOUNT_ATTR_NOEXEC) },
        { "rnorelatime", DO(ATIME + RECURSIVE, MOUNT_ATTR_RELATIME) },
        { "rnostrictatime", DO(ATIME + RECURSIVE, MOUNT_ATTR_RELATIME) },
        { "rnosuid", DO(SET + RECURSIVE, MOUNT_ATTR_NOSUID) },
        { "rnosymfollow", DO(SET + RECURSIVE, MOUNT_ATTR_NOSYMFOLLOW) },
        { "ro", DO(SET, MOUNT_ATTR_RDONLY) },
        { "rprivate", DO(PROPAGATE, MS_PRIVATE | MS_REC) },
        { "rrelatime", DO(ATIME + RECURSIVE, MOUNT_ATTR_RELATIME) },
        { "rro", DO(SET + RECURSIVE, MOUNT_ATTR_RDONLY) },
        { "rrw", DO(CLEAR + RECURSIVE, MOUNT_ATTR_RDONLY) },
        { "rshared", DO(PROPAGATE, MS_SHARED | MS_REC) },
        { "rslave", DO(PROPAGATE, MS_SLAVE | MS_REC) },
        { "rstrictatime", DO(ATIME + RECURSIVE, MOUNT_ATTR_STRICTATIME) },
        { "rsuid", DO(CLEAR + RECURSIVE, MOUNT_ATTR_NOSUID) },
        { "rsymfollow", DO(CLEAR + RECURSIVE, MOUNT_ATTR_NOSYMFOLLOW) },
        { "runbindable", DO(PROPAGATE, MS_UNBINDABLE | MS_REC) },
        { "rw", DO(CLEAR, MOUNT_ATTR_RDONLY) },
        { "shared", DO(PROPAGATE, MS_SHARED) },
        { "silent", DO(IGNORE, 0) },
        { "slave", DO(PROPAGATE, MS_SLAVE) },
        { "strictatime", DO(ATIME, MOUNT_ATTR_STRICTATIME) },
        { "suid", DO(CLEAR, MOUNT_ATTR_NOSUID) },
        { "symfollow", DO(CLEAR, MOUNT_ATTR_NOSYMFOLLOW) },
        { "sync", DO(FLAG, SYNC) },
        { "tmpcopyup", DO(COPY_UP, 0) },
        { "unbindable", DO(PROPAGATE, MS_UNBINDABLE) },
        { NULL, 0 },
};
/* clang-format on */

/* Of two that contradict each other the later one holds. */
static void change(uint64_t *set, uint64_t *clear, uint64_t mask, uint64_t value)
{
        *set = (*set & ~mask) | value;
        *clear = (*clear | mask) & ~(mask == MOUNT_ATTR__ATIME ? 0 : value);
}

static int add_param(struct mount_options *r, const char *option, struct arena *a, struct err *e)
{
        const char *equals = strchr(option, '=');
        struct mount_param *p = arena_push(a, &r->param, &r->n_param, sizeof(*p), e);

        if (!p)
                return -1;
        p->key = option;
        if (equals) {
                p->key = arena_strndup(a, option, (size_t)(equals - option), e);
                p->value = equals + 1;
        }
        return p->key ? 0 : -1;
}

static void change_attr(struct mount_options *r, bool deep, uint64_t mask, uint64_t value)
{
        change(&r->set, &r->clear, mask, value);
        if (deep)
                change(&r->rset, &r->rclear, mask, value);
}

static int apply(const struct name *known, struct mount_options *r, unsigned *flags, struct err *e)
{
        unsigned action = (unsigned)(known->value >> 32);
        uint64_t arg = known->value & UINT32_MAX;
        bool deep = action >= RECURSIVE;

        switch (deep ? action - RECURSIVE : action) {
        case SET:
                change_attr(r, deep, arg, arg);
                return 0;
        case CLEAR:
                change_attr(r, deep, arg, 0);
                return 0;
        case ATIME:
                change_attr(r, deep, MOUNT_ATTR__ATIME, arg);
                return 0;
        case PROPAGATE:
                if (r->n_propagation == MOUNT_PROPAGATIONS_MAX)
                        return err_set(e, "more than %d propagation options",
                                       MOUNT_PROPAGATIONS_MAX);
                r->propagation[r->n_propagation++] = arg;
                return 0;
        case BIND:
                r->bind = true;
                r->recursive |= deep;
                return 0;
        case IDMAP:
                r->idmap = true;
                r->ridmap |= deep;
                return 0;
        case COPY_UP:
                r->copy_up = true;
                return 0;
        case REMOUNT:
                r->remount = true;
                return 0;
        case FLAG:
                *flags |= 1u << arg;
                return 0;
        case UNFLAG:
                *flags &= ~(1u << arg);
                return 0;
        default:
                return 0;
        }
}

int mount_options_parse(const struct strings *options, struct arena *a, struct mount_options *ret,
                        struct err *e)
{
        unsigned flags = 0;

        *ret = (struct mount_options){ 0 };
        for (size_t i = 0; i < options->n; i++) {
                const struct name *known = name_find(mount_option_names, options->v[i]);

                if (options->v[i][0] == '\0')
                        continue;
                if ((known ? apply(known, ret, &flags, e) : add_param(ret, options->v[i], a, e)) <
                    0)
                        return -1;
        }
        for (unsigned i = 0; i < FLAGS; i++)
                if (flags & 1u << i && add_param(ret, flag_names[i], a, e) < 0)
                        return -1;
        return 0;
}
