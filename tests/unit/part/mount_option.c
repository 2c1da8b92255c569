#include "child.h"

#include "kenro/part/mount.h"

#include <sys/statvfs.h>

static struct err error;
static struct mount_options o;

static int parse(const char *const *v)
{
        struct strings list = { (const char **)(uintptr_t)v, 0 };

        while (v[list.n])
                list.n++;
        memset(&error, 0, sizeof(error));
        return mount_options_parse(&list, test_arena(), &o, &error);
}

#define OPTIONS(...) assert_int_equal(parse((const char *const[]){ __VA_ARGS__, NULL }), 0)

enum { RDONLY = MOUNT_ATTR_RDONLY, NOSUID = MOUNT_ATTR_NOSUID, NODEV = MOUNT_ATTR_NODEV };
enum { NOEXEC = MOUNT_ATTR_NOEXEC, NODIRATIME = MOUNT_ATTR_NODIRATIME };
enum { NOSYMFOLLOW = MOUNT_ATTR_NOSYMFOLLOW, ATIME = MOUNT_ATTR__ATIME };
enum { NOATIME = MOUNT_ATTR_NOATIME, STRICTATIME = MOUNT_ATTR_STRICTATIME };

/* config.md, Linux mount options, and mount(8), which it refers to. Each of these
 * has a twin with an "r" in front of it, for everything below. relatime is what
 * the kernel does by default: all bits cleared. */
static const struct {
        const char *name;
        uint64_t set, clear;
} attributes[] = {
        { "ro", RDONLY, 0 },
        { "rw", 0, RDONLY },
        { "nosuid", NOSUID, 0 },
        { "suid", 0, NOSUID },
        { "nodev", NODEV, 0 },
        { "dev", 0, NODEV },
        { "noexec", NOEXEC, 0 },
        { "exec", 0, NOEXEC },
        { "nodiratime", NODIRATIME, 0 },
        { "diratime", 0, NODIRATIME },
        { "nosymfollow", NOSYMFOLLOW, 0 },
        { "symfollow", 0, NOSYMFOLLOW },
        { "noatime", NOATIME, ATIME },
        { "atime", 0, ATIME },
        { "relatime", 0, ATIME },
        { "norelatime", 0, ATIME },
        { "strictatime", STRICTATIME, ATIME },
        { "nostrictatime", 0, ATIME },
};

static const struct {
        const char *name;
        uint64_t how;
} propagations[] = {
        { "private", MS_PRIVATE },       { "rprivate", MS_PRIVATE | MS_REC },
        { "shared", MS_SHARED },         { "rshared", MS_SHARED | MS_REC },
        { "slave", MS_SLAVE },           { "rslave", MS_SLAVE | MS_REC },
        { "unbindable", MS_UNBINDABLE }, { "runbindable", MS_UNBINDABLE | MS_REC },
};

/* Options of the file system, and what it knows them by. */
static const char *const flags[][2] = { { "sync", "sync" },
                                        { "dirsync", "dirsync" },
                                        { "lazytime", "lazytime" },
                                        { "mand", "mand" },
                                        { "iversion", "i_version" } };

static const char *const ignored[] = { "async",      "copy",       "defaults", "loud",  "nocopy",
                                       "noiversion", "nolazytime", "nomand",   "silent" };

/* What other tests are about. */
static const char *const others[] = { "bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup" };

static void an_attribute_is_set_or_cleared(void **state)
{
        char deep[32];

        (void)state;
        for (size_t i = 0; i < COUNT(attributes); i++) {
                OPTIONS(attributes[i].name);
                if (o.set != attributes[i].set || o.clear != attributes[i].clear)
                        fail_msg("%s sets %#jx, clears %#jx", attributes[i].name, (uintmax_t)o.set,
                                 (uintmax_t)o.clear);
                assert_int_equal(o.rset | o.rclear, 0);
                assert_int_equal(o.n_param, 0);
                snprintf(deep, sizeof(deep), "r%s", attributes[i].name);
                OPTIONS(deep);
                if (o.rset != attributes[i].set || o.rclear != attributes[i].clear)
                        fail_msg("%s sets %#jx, clears %#jx", deep, (uintmax_t)o.rset,
                                 (uintmax_t)o.rclear);
                assert_int_equal(o.set, attributes[i].set);
                assert_int_equal(o.clear, attributes[i].clear);
        }
}

static void propagation_keeps_its_order(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(propagations); i++) {
                OPTIONS(propagations[i].name);
                assert_int_equal(o.n_propagation, 1);
                assert_int_equal(o.propagation[0], propagations[i].how);
        }
        /* a slave that is shared again, and only the order makes it that */
        OPTIONS("rslave", "ro", "shared");
        assert_int_equal(o.n_propagation, 2);
        assert_int_equal(o.propagation[0], MS_SLAVE | MS_REC);
        assert_int_equal(o.propagation[1], MS_SHARED);
        assert_int_equal(parse((const char *const[]){ "slave", "shared", "slave", "shared",
                                                      "private", NULL }),
                         -1);
        assert_string_equal(error.text, "more than 4 propagation options");
}

static void bind_and_remount_are_kinds_of_mounts(void **state)
{
        (void)state;
        OPTIONS("bind");
        assert_true(o.bind && !o.recursive && !o.remount);
        OPTIONS("rbind");
        assert_true(o.bind && o.recursive && !o.remount);
        OPTIONS("remount", "bind", "ro");
        assert_true(o.bind && !o.recursive && o.remount);
        assert_int_equal(o.set, RDONLY);
        OPTIONS("ro");
        assert_false(o.bind || o.recursive || o.remount);
}

static void what_the_file_system_does_is_its_parameter(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(flags); i++) {
                OPTIONS(flags[i][0]);
                assert_int_equal(o.n_param, 1);
                assert_string_equal(o.param[0].key, flags[i][1]);
                assert_null(o.param[0].value);
                assert_int_equal(o.set | o.clear | o.rset | o.rclear, 0);
        }
}

static void what_is_the_default_changes_nothing(void **state)
{
        (void)state;
        for (size_t i = 0; i < COUNT(ignored); i++) {
                OPTIONS(ignored[i], "");
                assert_int_equal(o.set | o.clear | o.rset | o.rclear, 0);
                assert_int_equal(o.n_param | o.n_propagation, 0);
        }
}

static void an_unknown_option_is_a_parameter(void **state)
{
        (void)state;
        OPTIONS("mode=755", "", "newinstance", "lowerdir=/a:/b=c", "size=");
        assert_int_equal(o.n_param, 4);
        assert_string_equal(o.param[0].key, "mode");
        assert_string_equal(o.param[0].value, "755");
        assert_string_equal(o.param[1].key, "newinstance");
        assert_null(o.param[1].value);
        assert_string_equal(o.param[2].key, "lowerdir");
        assert_string_equal(o.param[2].value, "/a:/b=c");
        assert_string_equal(o.param[3].key, "size");
        assert_string_equal(o.param[3].value, "");
        /* letter case counts */
        OPTIONS("RO", "Bind");
        assert_int_equal(o.n_param, 2);
        assert_int_equal(o.set, 0);
        assert_false(o.bind);
}

static void of_two_that_contradict_the_last_wins(void **state)
{
        (void)state;
        OPTIONS("ro", "rw");
        assert_int_equal(o.set, 0);
        assert_int_equal(o.clear, RDONLY);
        OPTIONS("rw", "nosuid", "ro");
        assert_int_equal(o.set, RDONLY | NOSUID);
        assert_int_equal(o.clear, 0);
        OPTIONS("rro", "rrw");
        assert_int_equal(o.rset, 0);
        assert_int_equal(o.rclear, RDONLY);
        OPTIONS("noatime", "strictatime");
        assert_int_equal(o.set, STRICTATIME);
        assert_int_equal(o.clear, ATIME);
        OPTIONS("strictatime", "nodiratime", "relatime");
        assert_int_equal(o.set, NODIRATIME);
        assert_int_equal(o.clear, ATIME);
        OPTIONS("noatime", "exec", "diratime", "noexec");
        assert_int_equal(o.set, NOATIME | NOEXEC);
        assert_int_equal(o.clear, ATIME | NODIRATIME);
}

static void a_later_default_takes_a_parameter_back(void **state)
{
        (void)state;
        OPTIONS("sync", "async");
        assert_int_equal(o.n_param, 0);
        OPTIONS("lazytime", "nolazytime");
        assert_int_equal(o.n_param, 0);
}

static bool is_tested(const char *name)
{
        bool found = false;

        for (size_t i = 0; i < COUNT(attributes); i++)
                found |= strcmp(name, attributes[i].name) == 0 ||
                         (name[0] == 'r' && strcmp(name + 1, attributes[i].name) == 0);
        for (size_t i = 0; i < COUNT(propagations); i++)
                found |= strcmp(name, propagations[i].name) == 0;
        for (size_t i = 0; i < COUNT(flags); i++)
                found |= strcmp(name, flags[i][0]) == 0;
        for (size_t i = 0; i < COUNT(ignored); i++)
                found |= strcmp(name, ignored[i]) == 0;
        for (size_t i = 0; i < COUNT(others); i++)
                found |= strcmp(name, others[i]) == 0;
        return found;
}

static void the_table_has_every_option_and_no_other(void **state)
{
        size_t n = 0;

        (void)state;
        for (; mount_option_names[n].name; n++)
                if (!is_tested(mount_option_names[n].name))
                        fail_msg("what does %s do?", mount_option_names[n].name);
        assert_int_equal(n, 2 * COUNT(attributes) + COUNT(propagations) + COUNT(flags) +
                                    COUNT(ignored) + COUNT(others));
}

/* ---- what comes out of it ---- */

struct outcome {
        const char *dir;
        const char *const *options;
        bool readonly;
};

/* Bind DIR/source on DIR/target with the options, and see. */
static void bind_it(void *arg)
{
        const struct outcome *want = arg;
        struct mount_entry m = { .kind = MOUNT_BIND, .dest = "/target", .type = "none" };
        const struct mount_plan p = { .v = &m, .n = 1, .dev = -1 };
        const struct mount_made none = { -1, -1 };
        struct statvfs fs;
        int root;

        child_unshare(CLONE_NEWNS);
        child_attach(child_fs("tmpfs"), want->dir);
        root = open(want->dir, O_PATH | O_CLOEXEC);
        assert_int_equal(mkdirat(root, "source", 0755), 0);
        assert_int_equal(parse(want->options), 0);
        m.o = o;
        m.tree_fd = tree_clone(root, "source", true);
        assert_true(m.tree_fd >= 0);
        if (mount_child(&p, root, &none, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(fstatvfs(openat(root, "target", O_PATH | O_CLOEXEC), &fs), 0);
        assert_int_equal((fs.f_flag & ST_RDONLY) != 0, want->readonly);
}

static int bind_with(const char *const *options, bool readonly)
{
        char dir[PATH_MAX];
        const struct outcome want = { dir, options, readonly };
        int status;

        test_dir_make(dir);
        status = child_run(bind_it, (void *)(uintptr_t)&want);
        test_dir_remove(dir);
        return status;
}

#define BIND(readonly, ...)                                                                        \
        do {                                                                                       \
                int status_ = bind_with((const char *const[]){ __VA_ARGS__, NULL }, readonly);     \
                CHILD_DONE(status_);                                                               \
        } while (0)

static void a_mount_gets_the_flags_that_were_asked_for(void **state)
{
        (void)state;
        NEEDS_ROOT();
        BIND(true, "bind", "ro");
        BIND(true, "rbind", "rro");
        BIND(false, "rbind", "rro", "rrw");
        BIND(false, "bind", "nosuid", "relatime");
        BIND(false, "rbind", "ro", "rrw");
}

static void a_later_option_wins_over_a_recursive_one(void **state)
{
        (void)state;
        NEEDS_ROOT();
        BIND(true, "rbind", "rrw", "ro");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_attribute_is_set_or_cleared),
                cmocka_unit_test(propagation_keeps_its_order),
                cmocka_unit_test(bind_and_remount_are_kinds_of_mounts),
                cmocka_unit_test(what_the_file_system_does_is_its_parameter),
                cmocka_unit_test(what_is_the_default_changes_nothing),
                cmocka_unit_test(an_unknown_option_is_a_parameter),
                cmocka_unit_test(of_two_that_contradict_the_last_wins),
                cmocka_unit_test(a_later_default_takes_a_parameter_back),
                cmocka_unit_test(the_table_has_every_option_and_no_other),
                cmocka_unit_test(a_mount_gets_the_flags_that_were_asked_for),
                cmocka_unit_test(a_later_option_wins_over_a_recursive_one),
        };

        return RUN(tests);
}
