#include "child.h"

#include "kenro/part/device.h"
#include "kenro/part/stash.h"

#include <sys/sysmacros.h>

static struct err error;
static struct device_plan plan;

static int make_plan(const char *devices, const char *linux_members, bool managed)
{
        char text[2048];

        snprintf(text, sizeof(text), "'linux': {%s 'devices': [%s]}", linux_members, devices);
        return device_plan(test_spec(text), managed, test_arena(), &plan, &error);
}

#define PLAN(devices, linux_members, managed)                                                      \
        assert_int_equal(make_plan(devices, linux_members, managed), 0)

static const struct device_node *node(const char *path)
{
        for (size_t i = 0; i < plan.n_dev; i++)
                if (strcmp(plan.dev[i].path, path) == 0)
                        return &plan.dev[i];
        for (size_t i = 0; i < plan.n_outside; i++)
                if (strcmp(plan.outside[i].path, path) == 0)
                        return &plan.outside[i];
        fail_msg("there is no node %s", path);
        return NULL;
}

/* runtime-linux.md and config-linux.md, Default Devices. */
static const struct {
        const char *path;
        unsigned major, minor;
} defaults[] = { { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
                 { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };

static void the_default_devices_are_supplied(void **state)
{
        (void)state;
        PLAN("", "", true);
        assert_int_equal(plan.n_dev, COUNT(defaults));
        for (size_t i = 0; i < COUNT(defaults); i++) {
                const struct device_node *n = node(defaults[i].path);

                assert_int_equal(n->mode, S_IFCHR | 0666);
                assert_true(n->dev == makedev(defaults[i].major, defaults[i].minor));
                assert_int_equal(n->uid | n->gid, 0);
        }
        assert_int_equal(plan.n_outside, 0);
        assert_false(plan.console);
}

#define FUSE "{'path': '/dev/fuse', 'type': 'c', 'major': 10, 'minor': 229}"

static void a_node_below_a_mount_in_dev_is_put_there_after_it(void **state)
{
        (void)state;
        assert_int_equal(
                device_plan(test_spec("'linux': {'devices': ["
                                      "{'path': '/dev/shm/a', 'type': 'p'},"
                                      "{'path': '/dev/shmem', 'type': 'p'},"
                                      "{'path': '/dev/one', 'type': 'p'}]},"
                                      "'mounts': [{'destination': '/dev'}, {'destination': '/'},"
                                      "{'destination': 'dev/./shm'}, {'destination': '/dev/one'}]"),
                            true, test_arena(), &plan, &error),
                0);
        assert_int_equal(plan.n_outside, 1);
        assert_string_equal(plan.outside[0].path, "/dev/shm/a");
        assert_int_equal(node("shmem")->mode & S_IFMT, S_IFIFO);
        assert_int_equal(node("one")->mode & S_IFMT, S_IFIFO);
}

static void a_dev_of_the_host_is_left_alone(void **state)
{
        (void)state;
        PLAN(FUSE ", {'path': '/srv/fuse', 'type': 'c', 'major': 10, 'minor': 229}", "", false);
        assert_int_equal(plan.n_dev, 0);
        assert_int_equal(plan.n_outside, 1);
        assert_string_equal(plan.outside[0].path, "/srv/fuse");
}

static void a_node_is_as_described(void **state)
{
        (void)state;
        PLAN(FUSE ", {'path': '/dev/disk', 'type': 'b', 'major': 8, 'minor': 17, 'fileMode': 416,"
                  "'uid': 3, 'gid': 4}, {'path': '/run/pipe', 'type': 'p', 'fileMode': 33188},"
                  "{'path': '/dev/raw', 'type': 'u', 'major': 162, 'minor': 0}",
             "", true);
        assert_int_equal(node("fuse")->mode, S_IFCHR | 0666);
        assert_true(node("fuse")->dev == makedev(10, 229));
        assert_int_equal(node("disk")->mode, S_IFBLK | 0640);
        assert_true(node("disk")->dev == makedev(8, 17));
        assert_int_equal(node("disk")->uid, 3);
        assert_int_equal(node("disk")->gid, 4);
        /* engines send the type of the file in its mode as well */
        assert_int_equal(node("/run/pipe")->mode, S_IFIFO | 0644);
        assert_int_equal(node("raw")->mode, S_IFCHR | 0666);
}

static void a_path_is_judged_where_it_leads(void **state)
{
        (void)state;
        PLAN("{'path': '/dev/../etc/node', 'type': 'c', 'major': 1, 'minor': 3},"
             "{'path': '/x/../dev//net/./tun', 'type': 'c', 'major': 10, 'minor': 200},"
             "{'path': '/device', 'type': 'c', 'major': 1, 'minor': 3}",
             "", true);
        assert_int_equal(plan.n_outside, 2);
        assert_string_equal(plan.outside[0].path, "/etc/node");
        assert_string_equal(plan.outside[1].path, "/device");
        assert_true(node("net/tun")->dev == makedev(10, 200));
}

#define MAPS                                                                                       \
        "'namespaces': [{'type': 'user'}],"                                                        \
        "'uidMappings': [{'containerID': 0, 'hostID': 70000, 'size': 100}],"                       \
        "'gidMappings': [{'containerID': 0, 'hostID': 80000, 'size': 100}],"

static void owners_are_the_hosts_ids(void **state)
{
        (void)state;
        PLAN("{'path': '/dev/x', 'type': 'c', 'major': 1, 'minor': 3, 'uid': 5, 'gid': 6}", MAPS,
             true);
        assert_int_equal(node("x")->uid, 70005);
        assert_int_equal(node("x")->gid, 80006);
        assert_int_equal(node("null")->uid, 70000);
        assert_int_equal(node("null")->gid, 80000);
        assert_int_equal(plan.root_uid, 70000);
        assert_int_equal(plan.root_gid, 80000);
        assert_int_equal(make_plan("{'path': '/dev/x', 'type': 'p', 'uid': 100}", MAPS, true), -1);
        assert_string_equal(error.text, "linux.devices[0] (/dev/x): its owner is not mapped in the "
                                        "user namespace");
}

static void the_console_comes_with_a_terminal(void **state)
{
        (void)state;
        assert_int_equal(device_plan(test_spec("'linux': {}, 'process': {'args': ['sh'],"
                                               "'cwd': '/', 'terminal': true}"),
                                     true, test_arena(), &plan, &error),
                         0);
        assert_true(plan.console);
}

static void a_device_in_the_place_of_dev_is_refused(void **state)
{
        (void)state;
        assert_int_equal(
                make_plan("{'path': '/dev', 'type': 'c', 'major': 1, 'minor': 3}", "", true), -1);
}

/* ---- on file systems of our own ---- */

static bool is_device(int dir, const char *name, mode_t type, dev_t dev)
{
        struct stat st;

        return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == type &&
               st.st_rdev == dev;
}

static void fill_dev(void *arg)
{
        static const char *const links[][2] = { { "fd", "/proc/self/fd" },
                                                { "stdin", "/proc/self/fd/0" },
                                                { "stdout", "/proc/self/fd/1" },
                                                { "stderr", "/proc/self/fd/2" },
                                                { "ptmx", "pts/ptmx" } };
        char target[64] = "";
        struct stat st;
        int dev;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        umask(077);
        dev = child_fs("tmpfs");
        PLAN(FUSE ", " FUSE ", {'path': '/dev/net/tun', 'type': 'c', 'major': 10, 'minor': 200,"
                  "'fileMode': 384, 'uid': 5, 'gid': 6}",
             MAPS, true);
        plan.console = true;
        if (device_fill_dev(&plan, dev, &error) < 0)
                fail_msg("%s", error.text);
        for (size_t i = 0; i < COUNT(defaults); i++) {
                assert_true(is_device(dev, defaults[i].path, S_IFCHR,
                                      makedev(defaults[i].major, defaults[i].minor)));
                assert_int_equal(fstatat(dev, defaults[i].path, &st, 0), 0);
                assert_int_equal(st.st_mode & 07777, 0666);
                assert_int_equal(st.st_uid, 70000);
        }
        assert_true(is_device(dev, "fuse", S_IFCHR, makedev(10, 229)));
        assert_true(is_device(dev, "net/tun", S_IFCHR, makedev(10, 200)));
        assert_int_equal(fstatat(dev, "net/tun", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(st.st_uid, 70005);
        assert_int_equal(st.st_gid, 80006);
        for (size_t i = 0; i < COUNT(links); i++) {
                memset(target, 0, sizeof(target));
                assert_true(readlinkat(dev, links[i][0], target, sizeof(target) - 1) > 0);
                assert_string_equal(target, links[i][1]);
        }
        assert_int_equal(fstatat(dev, "console", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISREG(st.st_mode));
}

static void dev_has_its_nodes_and_links(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(fill_dev, NULL);
}

static void clash(void *arg)
{
        (void)arg;
        child_unshare(CLONE_NEWNS);
        PLAN("{'path': '/dev/null', 'type': 'c', 'major': 1, 'minor': 5}", "", true);
        assert_int_equal(device_fill_dev(&plan, child_fs("tmpfs"), &error), -1);
        assert_string_equal(error.text, "/dev: null is another file already");
        PLAN(FUSE ", {'path': '/dev/fuse', 'type': 'b', 'major': 10, 'minor': 229}", "", true);
        assert_int_equal(device_fill_dev(&plan, child_fs("tmpfs"), &error), -1);
        assert_string_equal(error.text, "/dev: fuse is another file already");
        /* what is asked for in the place of a link is what was asked for */
        PLAN("{'path': '/dev/fd', 'type': 'c', 'major': 10, 'minor': 229}", "", true);
        assert_int_equal(device_fill_dev(&plan, child_fs("tmpfs"), &error), 0);
}

static void two_devices_of_one_name_clash(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(clash, NULL);
}

static void bind_outside(void *arg)
{
        char path[PATH_MAX + 8];
        int root, stash;
        struct stat st;

        child_unshare(CLONE_NEWNS);
        child_attach(child_fs("tmpfs"), arg);
        root = open(arg, O_PATH | O_CLOEXEC);
        assert_int_equal(mkdirat(root, "stash", 0700), 0);
        snprintf(path, sizeof(path), "%s/stash", (const char *)arg);
        PLAN("{'path': '/srv/fuse', 'type': 'c', 'major': 10, 'minor': 229, 'fileMode': 384},"
             "{'path': '/old', 'type': 'p'}, {'path': '/file', 'type': 'p'}",
             "", true);
        stash = stash_make(NULL, &error);
        assert_true(stash >= 0);
        assert_int_equal(device_fill_stash(&plan, stash, &error), 0);
        child_attach(stash, path);
        assert_int_equal(mkfifoat(root, "old", 0600), 0);
        test_file(root, "file", "image", 0600);
        assert_int_equal(device_child(&plan, root, stash, &error), -1);
        assert_string_equal(error.text, "linux.devices (/file): is another file already");
        /* those before it are there */
        assert_true(is_device(root, "srv/fuse", S_IFCHR, makedev(10, 229)));
        assert_int_equal(fstatat(root, "srv/fuse", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void nodes_outside_of_dev_are_bound_and_clashes_refused(void **state)
{
        char dir[PATH_MAX];
        int status;

        (void)state;
        NEEDS_ROOT();
        test_dir_make(dir);
        status = child_run(bind_outside, dir);
        test_dir_remove(dir);
        CHILD_DONE(status);
}

/* From here on of the host's /dev, which has the default ones. */
static void without_the_right_to_make_nodes_the_hosts_are_bound(void **state)
{
        (void)state;
        NEEDS_ROOT(); /* to clone a mount */
        PLAN("", "", true);
        assert_int_equal(device_plan_bound(&plan, NULL, test_arena(), &error), 0);
        assert_true(plan.bound);
        for (size_t i = 0; i < plan.n_dev; i++) {
                struct stat st;

                assert_int_equal(fstat(plan.dev[i].tree_fd, &st), 0);
                assert_true(st.st_rdev == plan.dev[i].dev);
                close(plan.dev[i].tree_fd);
        }
}

static void a_node_of_the_host_must_be_the_device(void **state)
{
        (void)state;
        NEEDS_ROOT();
        PLAN("{'path': '/dev/zero', 'type': 'c', 'major': 1, 'minor': 3}", "", true);
        assert_int_equal(device_plan_bound(&plan, NULL, test_arena(), &error), -1);
        assert_string_equal(error.text, "linux.devices (/dev/zero): the host's /dev/zero is not "
                                        "the character device 1:3");
        PLAN("{'path': '/dev/zero', 'type': 'b', 'major': 1, 'minor': 5}", "", true);
        assert_int_equal(device_plan_bound(&plan, NULL, test_arena(), &error), -1);
        assert_true(strstr(error.text, "is not the block device 1:5"));
        PLAN("{'path': '/nosuch', 'type': 'b', 'major': 1, 'minor': 5}", "", false);
        assert_int_equal(device_plan_bound(&plan, NULL, test_arena(), &error), -1);
        assert_string_equal(error.text,
                            "linux.devices (/nosuch): cannot open the host's /nosuch: ENOENT");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_default_devices_are_supplied),
                cmocka_unit_test(a_node_below_a_mount_in_dev_is_put_there_after_it),
                cmocka_unit_test(a_dev_of_the_host_is_left_alone),
                cmocka_unit_test(a_node_is_as_described),
                cmocka_unit_test(a_path_is_judged_where_it_leads),
                cmocka_unit_test(owners_are_the_hosts_ids),
                cmocka_unit_test(the_console_comes_with_a_terminal),
                cmocka_unit_test(a_device_in_the_place_of_dev_is_refused),
                cmocka_unit_test(dev_has_its_nodes_and_links),
                cmocka_unit_test(two_devices_of_one_name_clash),
                cmocka_unit_test(nodes_outside_of_dev_are_bound_and_clashes_refused),
                cmocka_unit_test(without_the_right_to_make_nodes_the_hosts_are_bound),
                cmocka_unit_test(a_node_of_the_host_must_be_the_device),
        };

        return RUN(tests);
}
