#include "child.h"

#include "kenro/part/mount.h"

static struct err error;
static struct mount_plan plan;
static char bundle[PATH_MAX];
static int bundle_fd = -1;

/* JSON of a mount: its destination, and what else stands in it. */
#define MOUNT(dest, rest) "{'destination': '" dest "'" rest "}"
#define TMPFS ", 'type': 'tmpfs', 'source': 'tmpfs'"
#define PROC ", 'type': 'proc', 'source': 'proc'"
#define BIND_OF(source, options) ", 'source': '" source "', 'options': ['bind'" options "]"

static int make_plan(const char *const *mounts)
{
        char text[2048] = "'linux': {}, 'mounts': [", rootfs[PATH_MAX + 8];
        size_t at = strlen(text);

        for (size_t i = 0; mounts[i]; i++)
                at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? "," : "",
                                       mounts[i]);
        snprintf(text + at, sizeof(text) - at, "]");
        snprintf(rootfs, sizeof(rootfs), "%s/rootfs", bundle);
        memset(&error, 0, sizeof(error));
        return mount_plan(test_spec(text), &(struct bundle){ bundle, bundle_fd }, rootfs,
                          test_arena(), &plan, &error);
}

#define TRY(...) make_plan((const char *const[]){ __VA_ARGS__, NULL })
#define PLAN(...)                                                                                  \
        do {                                                                                       \
                if (TRY(__VA_ARGS__) < 0)                                                          \
                        fail_msg("%s", error.text);                                                \
        } while (0)

#define REFUSES(mount, message)                                                                    \
        do {                                                                                       \
                assert_int_equal(TRY(mount), -1);                                                  \
                assert_string_equal(error.text, "mounts[0] " message);                             \
        } while (0)

static bool has_param(const struct mount_entry *m, const char *key, const char *value)
{
        for (size_t i = 0; i < m->o.n_param; i++)
                if (strcmp(m->o.param[i].key, key) == 0 && m->o.param[i].value &&
                    strcmp(m->o.param[i].value, value) == 0)
                        return true;
        return false;
}

static void a_missing_dev_is_put_first(void **state)
{
        (void)state;
        PLAN(MOUNT("/proc", PROC), MOUNT("/dev/shm", TMPFS));
        assert_int_equal(plan.n, 3);
        assert_int_equal(plan.dev, 0);
        assert_int_equal(plan.v[0].kind, MOUNT_DEV);
        assert_string_equal(plan.v[0].dest, "/dev");
        assert_string_equal(plan.v[0].type, "tmpfs");
        assert_int_equal(plan.v[0].o.set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        assert_true(has_param(&plan.v[0], "mode", "755"));
        assert_true(plan.v[0].index == SIZE_MAX);
        assert_string_equal(plan.v[1].dest, "/proc");
        assert_int_equal(plan.v[1].index, 0);
        assert_string_equal(plan.v[2].dest, "/dev/shm");
        assert_int_equal(plan.v[2].index, 1);
        PLAN(NULL);
        assert_int_equal(plan.n, 1);
}

static void a_tmpfs_at_dev_is_ours_to_fill(void **state)
{
        (void)state;
        PLAN(MOUNT("/proc", PROC),
             MOUNT("/dev/", TMPFS ", 'options': ['nosuid', 'ro', 'mode=700']"));
        assert_int_equal(plan.n, 2);
        assert_int_equal(plan.dev, 1);
        assert_int_equal(plan.v[1].kind, MOUNT_DEV);
        assert_string_equal(plan.v[1].dest, "/dev");
        assert_true(has_param(&plan.v[1], "mode", "700"));
        /* read-only when all is in it */
        assert_true(plan.dev_readonly);
        assert_int_equal(plan.v[1].o.set, MOUNT_ATTR_NOSUID);
        PLAN(MOUNT("/dev", TMPFS));
        assert_false(plan.dev_readonly);
}

static void a_recursively_readonly_dev_is_filled_first_too(void **state)
{
        (void)state;
        PLAN(MOUNT("/dev", TMPFS ", 'options': ['rro']"));
        assert_int_equal(plan.v[0].o.set & MOUNT_ATTR_RDONLY, 0);
        assert_true(plan.dev_readonly);
}

static void another_file_system_at_dev_stays(void **state)
{
        (void)state;
        PLAN(MOUNT("/dev", ", 'type': 'devtmpfs'"));
        assert_int_equal(plan.n, 1);
        assert_int_equal(plan.dev, -1);
        assert_int_equal(plan.v[0].kind, MOUNT_FS);
}

static void a_file_system_has_its_source_and_options(void **state)
{
        (void)state;
        PLAN(MOUNT("tmp//x/.", ", 'type': 'tmpfs', 'source': 'mine',"
                               "'options': ['size=1k', 'noexec', 'rslave']"));
        assert_int_equal(plan.v[1].kind, MOUNT_FS);
        assert_string_equal(plan.v[1].dest, "/tmp/x"); /* relative means to "/" */
        assert_string_equal(plan.v[1].source, "mine");
        assert_true(has_param(&plan.v[1], "size", "1k"));
        assert_int_equal(plan.v[1].o.set, MOUNT_ATTR_NOEXEC);
        assert_int_equal(plan.v[1].o.n_propagation, 1);
        assert_int_equal(plan.v[1].tree_fd, -1);
}

static void a_value_is_no_longer_than_the_kernel_takes(void **state)
{
        char mount[400];

        (void)state;
        for (int len = 255; len <= 256; len++) {
                snprintf(mount, sizeof(mount),
                         "{'destination': '/a'" TMPFS ", 'options': ['x=%0*d']}", len, 0);
                assert_int_equal(TRY(mount), len == 255 ? 0 : -1);
        }
        assert_string_equal(error.text, "mounts[0] (/a): 'x' has more than 255 bytes, the kernel "
                                        "takes no more");
}

static void a_cgroup_mount_is_of_version_2(void **state)
{
        (void)state;
        PLAN(MOUNT("/sys/fs/cgroup", ", 'type': 'cgroup', 'options': ['ro', 'cpu,cpuacct']"));
        assert_string_equal(plan.v[1].type, "cgroup2");
        assert_int_equal(plan.v[1].o.n_param, 0);
        assert_int_equal(plan.v[1].o.set, MOUNT_ATTR_RDONLY);
        /* what is no controller is not dropped */
        PLAN(MOUNT("/sys/fs/cgroup", ", 'type': 'cgroup', 'options': ['memory', 'nosuidd']"));
        assert_int_equal(plan.v[1].o.n_param, 1);
        assert_string_equal(plan.v[1].o.param[0].key, "nosuidd");
}

static void nothing_hides_the_root(void **state)
{
        (void)state;
        REFUSES(MOUNT("/", TMPFS), "(/): a mount at / would hide the root file system");
        REFUSES(MOUNT("/x/..", TMPFS), "(/x/..): a mount at / would hide the root file system");
        REFUSES(MOUNT(".", TMPFS), "(.): a mount at / would hide the root file system");
}

#define ONLY_PROC "only a proc file system can be mounted at /proc"
#define BELOW_PROC "nothing can be mounted below /proc but over a few files like /proc/cpuinfo"

static void proc_and_sys_are_what_they_seem(void **state)
{
        (void)state;
        REFUSES(MOUNT("/proc", TMPFS), "(/proc): " ONLY_PROC);
        REFUSES(MOUNT("/x/../proc/", TMPFS), "(/x/../proc/): " ONLY_PROC);
        REFUSES(MOUNT("/proc/sys", TMPFS), "(/proc/sys): " BELOW_PROC);
        REFUSES(MOUNT("/proc/self/attr", TMPFS), "(/proc/self/attr): " BELOW_PROC);
        REFUSES(MOUNT("/x/../proc/1", PROC), "(/x/../proc/1): " BELOW_PROC);
        REFUSES(MOUNT("/proc/cpuinfo/x", TMPFS), "(/proc/cpuinfo/x): " BELOW_PROC);
        REFUSES(MOUNT("/sys", PROC), "(/sys): only a sysfs can be mounted at /sys");
        PLAN(MOUNT("/proc", PROC), MOUNT("/sys", ", 'type': 'sysfs'"));
        PLAN(MOUNT("/sys", TMPFS));
        PLAN(MOUNT("/proc/sys/fs/binfmt_misc", ", 'type': 'binfmt_misc'"));
        PLAN(MOUNT("/process", TMPFS), MOUNT("/system", TMPFS));
}

static void a_bind_mount_has_no_options_of_a_file_system(void **state)
{
        (void)state;
        REFUSES(MOUNT("/a", ", 'options': ['bind']"), "(/a): a bind mount needs a source");
        REFUSES(MOUNT("/a", ", 'type': 'bind', 'source': ''"), "(/a): a bind mount needs a source");
        REFUSES(MOUNT("/a", BIND_OF("/etc", ", 'nosuidd'")),
                "(/a): a bind mount has no option 'nosuidd'");
        assert_string_equal(error.hint, "did you mean 'nosuid'?");
        REFUSES(MOUNT("/a", BIND_OF("/etc", ", 'mode=755'")),
                "(/a): a bind mount has no option 'mode'");
        REFUSES(MOUNT("/a", BIND_OF("/etc", ", 'lazytime'")),
                "(/a): a bind mount has no option 'lazytime'");
        REFUSES(MOUNT("/a", BIND_OF("/etc", ", 'unheard-of'")),
                "(/a): a bind mount has no option 'unheard-of'");
        assert_string_equal(error.hint, "");
}

static void a_remount_is_of_a_bind(void **state)
{
        (void)state;
        REFUSES(MOUNT("/a", TMPFS ", 'options': ['remount', 'ro']"),
                "(/a): only a file system of the container's own can be remounted");
        PLAN(MOUNT("/a", BIND_OF("/does/not/matter", ", 'remount', 'ro'")));
        assert_int_equal(plan.v[1].kind, MOUNT_CHANGE);
        assert_int_equal(plan.v[1].o.set, MOUNT_ATTR_RDONLY);
}

static void what_is_remounted_was_mounted_before(void **state)
{
        (void)state;
        PLAN(MOUNT("/a", TMPFS),
             MOUNT("a/", ", 'type': 'none', 'options': ['remount', 'size=1k']"));
        assert_int_equal(plan.v[2].kind, MOUNT_RECONFIGURE);
        assert_string_equal(plan.v[2].type, "tmpfs");
        assert_null(plan.v[2].source);
        assert_int_equal(TRY(MOUNT("/a", PROC), MOUNT("/a", PROC ", 'options': ['remount']")), -1);
        assert_int_equal(TRY(MOUNT("/a", TMPFS), MOUNT("/a", BIND_OF("rootfs", "")),
                             MOUNT("/a", TMPFS ", 'options': ['remount']")),
                         -1);
        assert_string_equal(error.text, "mounts[2] (/a): only a file system of the container's own "
                                        "can be remounted");
        assert_int_equal(TRY(MOUNT("/a", TMPFS),
                             MOUNT("/a", TMPFS ", 'options': ['remount', 'tmpcopyup']")),
                         -1);
        assert_string_equal(error.text, "mounts[1] (/a): 'tmpcopyup' is for a tmpfs");
}

static void the_entry_at_fault_is_named(void **state)
{
        (void)state;
        assert_int_equal(TRY(MOUNT("/ok", TMPFS), MOUNT("/a", ", 'options': ['bind']")), -1);
        assert_string_equal(error.text, "mounts[1] (/a): a bind mount needs a source");
}

static void a_source_in_the_root_means_the_containers_view(void **state)
{
        char mounts[2 * PATH_MAX + 200];

        (void)state;
        snprintf(mounts, sizeof(mounts),
                 "{'destination': '/b', 'source': '%s/rootfs/./a//b', 'options': ['rbind']},"
                 "{'destination': '/c', 'source': '%s/rootfs', 'type': 'bind'}",
                 bundle, bundle);
        PLAN(mounts);
        assert_int_equal(plan.v[1].kind, MOUNT_INSIDE);
        assert_string_equal(plan.v[1].source + strspn(plan.v[1].source, "/"), "a/b");
        assert_int_equal(plan.v[2].kind, MOUNT_INSIDE);
        assert_string_equal(plan.v[2].source + strspn(plan.v[2].source, "/"), "");
}

static void only_a_tmpfs_is_filled_from_the_image(void **state)
{
        (void)state;
        REFUSES(MOUNT("/a", PROC ", 'options': ['tmpcopyup']"), "(/a): 'tmpcopyup' is for a tmpfs");
        REFUSES(MOUNT("/a", BIND_OF("rootfs", ", 'tmpcopyup'")),
                "(/a): 'tmpcopyup' is for a tmpfs");
        REFUSES(MOUNT("/dev/", TMPFS ", 'options': ['tmpcopyup']"),
                "(/dev/): 'tmpcopyup' is not for /dev: nothing there comes from the image");
        PLAN(MOUNT("/a", TMPFS ", 'options': ['ro', 'tmpcopyup']"), MOUNT("/b", TMPFS));
        assert_true(plan.v[1].o.copy_up && plan.v[1].late_readonly);
        assert_int_equal(plan.v[1].o.set & MOUNT_ATTR_RDONLY, 0);
        assert_false(plan.v[2].o.copy_up || plan.v[2].late_readonly);
}

#define MAPS                                                                                       \
        ", 'uidMappings': [{'containerID': 0, 'hostID': 5, 'size': 1}],"                           \
        "'gidMappings': [{'containerID': 0, 'hostID': 6, 'size': 1}]"

static void only_a_bind_of_the_hosts_is_mapped(void **state)
{
        (void)state;
        REFUSES(MOUNT("/a", TMPFS MAPS), "(/a): only a bind mount can be id-mapped");
        REFUSES(MOUNT("/a", TMPFS ", 'options': ['ridmap']"),
                "(/a): only a bind mount can be id-mapped");
        REFUSES(MOUNT("/a", BIND_OF("/x", ", 'remount', 'idmap'") MAPS),
                "(/a): only a bind mount can be id-mapped");
        REFUSES(MOUNT("/a", BIND_OF("rootfs", ", 'idmap'") MAPS),
                "(/a): a source in the root file system cannot be id-mapped");
}

/* ---- sources on the host, which are opened ---- */

/* A tree is cloned in the mount namespace that it lies in. */
static void enter_namespace(void)
{
        child_unshare(CLONE_NEWNS);
        bundle_fd = open(bundle, O_PATH | O_CLOEXEC);
        assert_true(bundle_fd >= 0);
}

static void open_sources(void *arg)
{
        char inside[PATH_MAX], outside[PATH_MAX];
        struct stat plain, tree;

        (void)arg;
        enter_namespace();
        PLAN(MOUNT("/a", BIND_OF("share", ", 'ro'")),
             MOUNT("/b", ", 'source': './share/file', 'options': ['rbind']"),
             MOUNT("/c", ", 'type': 'bind', 'source': 'share'"));
        for (int i = 1; i < 4; i++) {
                assert_int_equal(plan.v[i].kind, MOUNT_BIND);
                assert_int_equal(fcntl(plan.v[i].tree_fd, F_GETFD), FD_CLOEXEC);
        }
        assert_false(plan.v[1].is_file);
        assert_true(plan.v[2].is_file);
        assert_int_equal(fstat(plan.v[1].tree_fd, &tree), 0);
        assert_int_equal(fstatat(bundle_fd, "share", &plain, 0), 0);
        assert_int_equal(tree.st_ino, plain.st_ino);
        /* a neighbour whose name begins like the root's is no part of it */
        snprintf(outside, sizeof(outside), "%.3000s/rootfs-other", bundle);
        snprintf(inside, sizeof(inside),
                 "{'destination': '/d', 'source': '%.3000s', 'options': ['bind']}", outside);
        PLAN(inside);
        assert_int_equal(plan.v[1].kind, MOUNT_BIND);
        REFUSES(MOUNT("/a", BIND_OF("nowhere", "")),
                "(/a): cannot open the source nowhere: ENOENT");
        REFUSES(MOUNT("/a", BIND_OF("share/file/x", "")),
                "(/a): cannot open the source share/file/x: ENOTDIR");
}

static void a_relative_source_is_the_bundles(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(open_sources, NULL);
}

static void bind_at_special_places(void *arg)
{
        (void)arg;
        enter_namespace();
        REFUSES(MOUNT("/proc", BIND_OF("share", "")), "(/proc): " ONLY_PROC);
        REFUSES(MOUNT("/proc/sys", BIND_OF("share", "")), "(/proc/sys): " BELOW_PROC);
        REFUSES(MOUNT("/proc/self/exe", BIND_OF("share/file", "")),
                "(/proc/self/exe): " BELOW_PROC);
        PLAN(MOUNT("/proc", BIND_OF("/proc", "")));
        PLAN(MOUNT("/proc/cpuinfo", BIND_OF("share/file", "")));
        PLAN(MOUNT("/proc/sys/crypto/fips_enabled", BIND_OF("share/file", "")));
        PLAN(MOUNT("/dev", BIND_OF("share", "")));
        assert_int_equal(plan.n, 1);
        assert_int_equal(plan.dev, -1);
        assert_int_equal(plan.v[0].kind, MOUNT_BIND);
}

static void a_bind_does_not_forge_proc_either(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(bind_at_special_places, NULL);
}

static void map_sources(void *arg)
{
        (void)arg;
        enter_namespace();
        REFUSES(MOUNT("/a", BIND_OF("share", ", 'idmap'")),
                "(/a): nothing says how to map its ids");
        PLAN(MOUNT("/a", BIND_OF("share", ", 'ridmap'") MAPS),
             MOUNT("/b", BIND_OF("share", "") MAPS), MOUNT("/c", BIND_OF("share", "")));
        assert_int_equal(plan.v[1].uids.v[0].host, 5);
        assert_int_equal(plan.v[1].gids.v[0].host, 6);
        assert_true(plan.v[1].o.ridmap);
        assert_true(plan.v[2].uids.n == 1 && plan.v[2].gids.n == 1 && !plan.v[2].o.ridmap);
        assert_true(plan.v[3].uids.n == 0 && plan.v[3].gids.n == 0);
}

static void a_mapping_is_the_mounts_own(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(map_sources, NULL);
}

static int set_up(void **state)
{
        (void)state;
        test_dir_make(bundle);
        bundle_fd = open(bundle, O_PATH | O_CLOEXEC);
        assert_int_equal(mkdirat(bundle_fd, "rootfs", 0755), 0);
        assert_int_equal(mkdirat(bundle_fd, "rootfs-other", 0755), 0);
        assert_int_equal(mkdirat(bundle_fd, "share", 0755), 0);
        test_file(bundle_fd, "share/file", "text", 0644);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        close(bundle_fd);
        test_dir_remove(bundle);
        return 0;
}

static void nothing_that_is_bound_has_devices_but_what_is_one(void **state)
{
        (void)state;
        NEEDS_ROOT(); /* to clone a mount */
        PLAN(MOUNT("/a", BIND_OF("share", ", 'dev'")), MOUNT("/b", BIND_OF("/dev/null", "")),
             MOUNT("/c", TMPFS));
        mount_plan_no_devices(&plan);
        for (size_t i = 0; i < plan.n; i++) {
                const struct mount_entry *m = &plan.v[i];
                bool is_dir = strcmp(m->dest, "/a") == 0;

                assert_int_equal((m->o.rset & MOUNT_ATTR_NODEV) != 0, is_dir);
                if (is_dir)
                        assert_int_equal((m->o.clear | m->o.rclear) & MOUNT_ATTR_NODEV, 0);
        }
}

static void ids_of_a_file_system_must_be_mapped(void **state)
{
        static const char linux_members[] =
                "'linux': {'namespaces': [{'type': 'user'}],"
                "'uidMappings': [{'containerID': 0, 'hostID': 9, 'size': 1}],"
                "'gidMappings': [{'containerID': 0, 'hostID': 9, 'size': 6}]}";
        const struct spec *s = test_spec(linux_members);

        (void)state;
        PLAN(MOUNT("/a", TMPFS ", 'options': ['uid=0', 'gid=5', 'mode=755']"));
        assert_int_equal(mount_plan_check_ids(&plan, s, &error), 0);
        PLAN(MOUNT("/a", TMPFS ", 'options': ['gid=6']"));
        assert_int_equal(mount_plan_check_ids(&plan, s, &error), -1);
        assert_string_equal(error.text, "mounts[0] (/a): gid=6 is not mapped by linux.gidMappings");
        PLAN(MOUNT("/a", TMPFS ", 'options': ['uid=1']"));
        assert_int_equal(mount_plan_check_ids(&plan, s, &error), -1);
        assert_int_equal(mount_plan_check_ids(&plan, test_spec("'linux': {}"), &error), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_missing_dev_is_put_first),
                cmocka_unit_test(a_tmpfs_at_dev_is_ours_to_fill),
                cmocka_unit_test(a_recursively_readonly_dev_is_filled_first_too),
                cmocka_unit_test(another_file_system_at_dev_stays),
                cmocka_unit_test(a_file_system_has_its_source_and_options),
                cmocka_unit_test(a_value_is_no_longer_than_the_kernel_takes),
                cmocka_unit_test(a_cgroup_mount_is_of_version_2),
                cmocka_unit_test(nothing_hides_the_root),
                cmocka_unit_test(proc_and_sys_are_what_they_seem),
                cmocka_unit_test(a_bind_mount_has_no_options_of_a_file_system),
                cmocka_unit_test(a_remount_is_of_a_bind),
                cmocka_unit_test(what_is_remounted_was_mounted_before),
                cmocka_unit_test(the_entry_at_fault_is_named),
                cmocka_unit_test(a_source_in_the_root_means_the_containers_view),
                cmocka_unit_test(a_relative_source_is_the_bundles),
                cmocka_unit_test(a_bind_does_not_forge_proc_either),
                cmocka_unit_test(only_a_tmpfs_is_filled_from_the_image),
                cmocka_unit_test(only_a_bind_of_the_hosts_is_mapped),
                cmocka_unit_test(a_mapping_is_the_mounts_own),
                cmocka_unit_test(nothing_that_is_bound_has_devices_but_what_is_one),
                cmocka_unit_test(ids_of_a_file_system_must_be_mapped),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
