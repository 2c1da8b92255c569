#include "child.h"

#include "kenro/base/file.h"
#include "kenro/host/host.h"

#include <linux/magic.h>
#include <sys/vfs.h>

static struct err error;

/* The hexadecimal number behind KEY in the status of this process. */
static uint64_t status_of(const char *key)
{
        char text[4096];
        const char *at;

        assert_true(file_peek(AT_FDCWD, "/proc/self/status", text, sizeof(text)) > 0);
        at = strstr(text, key);
        assert_non_null(at);
        return strtoull(at + strlen(key), NULL, 16);
}

static void capabilities_are_what_the_kernel_says(void **state)
{
        char text[16];
        struct host h;

        (void)state;
        assert_int_equal(host_probe(&h, &error), 0);
        assert_int_equal(h.cap_permitted, status_of("CapPrm:"));
        assert_int_equal(h.cap_bounding, status_of("CapBnd:"));
        assert_true(file_peek(h.proc_fd, "sys/kernel/cap_last_cap", text, sizeof(text)) > 0);
        assert_int_equal(h.cap_last, strtoul(text, NULL, 10));
        assert_int_equal(fcntl(h.proc_fd, F_GETFD), FD_CLOEXEC);
        close(h.proc_fd);
}

/* A user namespace without mappings has no id at all. */
static void look_from_an_empty_user_namespace(void *arg)
{
        struct host h;

        (void)arg;
        child_unshare(CLONE_NEWUSER);
        assert_true(host_probe(&h, &error) == 0);
        assert_true(!h.all_ids);
}

static void ids_are_missing_in_a_user_namespace(void **state)
{
        char map[64] = "";
        unsigned inside, outside, count;
        struct host h;

        (void)state;
        assert_int_equal(host_probe(&h, &error), 0);
        close(h.proc_fd);
        assert_true(file_peek(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0);
        assert_int_equal(sscanf(map, "%u %u %u", &inside, &outside, &count), 3);
        assert_int_equal(h.all_ids, count == UINT32_MAX);
        IN_CHILD(look_from_an_empty_user_namespace, NULL);
}

static void hide_proc(void *arg)
{
        struct host h;
        int tree = -1;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        /* a part of a procfs is none: its names mean something else */
        tree = tree_clone(AT_FDCWD, "/proc/sys", false);
        assert_true(tree >= 0);
        child_attach(tree, "/proc");
        assert_true(host_probe(&h, &error) == -1);
        assert_string_equal(error.text, "/proc is not a procfs");
        child_attach(child_fs("tmpfs"), "/proc");
        assert_true(host_probe(&h, &error) == -1);
        assert_string_equal(error.text, "/proc is not a procfs");
}

static void only_a_whole_procfs_at_proc_is_believed(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(hide_proc, NULL);
}

static void the_cgroup2_mount_of_this_host_is_found(void **state)
{
        struct stat by_fd, by_name;
        struct host_cgroup c;
        struct statfs fs;

        (void)state;
        if (host_cgroup(&c, test_arena(), &error) < 0)
                SKIP("no cgroup2 file system is mounted");
        assert_int_equal(fstatfs(c.fd, &fs), 0);
        assert_int_equal(fs.f_type, CGROUP2_SUPER_MAGIC);
        assert_int_equal(fstat(c.fd, &by_fd), 0);
        assert_int_equal(stat(c.mount, &by_name), 0);
        assert_int_equal(by_fd.st_ino, by_name.st_ino);
        assert_int_equal(by_fd.st_dev, by_name.st_dev);
        assert_int_equal(fcntl(c.fd, F_GETFD), FD_CLOEXEC);
        close(c.fd);
}

/* In the child's own mount namespace. */
static void detach_cgroups(void)
{
        FILE *f = fopen("/proc/self/mountinfo", "re");
        char line[8192], path[PATH_MAX];

        assert_true(f);
        while (fgets(line, sizeof(line), f))
                if (strstr(line, " - cgroup2 ") &&
                    sscanf(line, "%*s %*s %*s %*s %4095s", path) == 1)
                        (void)sys_umount2(path, SYS_MNT_DETACH); /* covered ones are gone anyway */
        fclose(f);
}

/* As large as a command's. */
static struct arena *large_arena(void)
{
        static struct arena a;

        assert_true(arena_init(&a, 64 << 20, &error) == 0);
        return &a;
}

static void have_no_cgroup2(void *arg)
{
        struct host_cgroup c;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        detach_cgroups();
        assert_true(host_cgroup(&c, large_arena(), &error) == -1);
        assert_string_equal(error.text, "no cgroup2 file system is mounted");
        assert_true(strstr(error.hint, "mount -t cgroup2 none /sys/fs/cgroup"));
}

static void without_a_cgroup2_mount_the_way_out_is_said(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(have_no_cgroup2, NULL);
}

static void mount_it_elsewhere(void *arg)
{
        struct host_cgroup c;

        child_unshare(CLONE_NEWNS);
        detach_cgroups();
        child_attach(child_fs("cgroup2"), arg);
        assert_true(host_cgroup(&c, large_arena(), &error) == 0);
        assert_string_equal(c.mount, (const char *)arg);
}

static void a_cgroup2_mount_elsewhere_is_found(void **state)
{
        char dir[PATH_MAX];
        int status;

        (void)state;
        NEEDS_ROOT();
        test_dir_make(dir);
        status = child_run(mount_it_elsewhere, dir);
        test_dir_remove(dir);
        CHILD_DONE(status);
}

/* mountinfo(5) writes a space as \040. */
static void a_cgroup2_mount_with_a_space_in_its_name_is_found(void **state)
{
        char dir[PATH_MAX], inner[PATH_MAX + 8];
        int status;

        (void)state;
        NEEDS_ROOT();
        test_dir_make(dir);
        snprintf(inner, sizeof(inner), "%s/a b", dir);
        assert_int_equal(mkdir(inner, 0700), 0);
        status = child_run(mount_it_elsewhere, inner);
        test_dir_remove(dir);
        CHILD_DONE(status);
}

/* Let TEXT stand in PATH for the child, which has a /tmp of its own. */
static void fake(const char *path, const char *text)
{
        static int n;
        char file[32];
        int tree;

        snprintf(file, sizeof(file), "/tmp/%d", n++);
        test_file(AT_FDCWD, file, text, 0600);
        tree = tree_clone(AT_FDCWD, file, false);
        assert_true(tree >= 0);
        child_attach(tree, path);
        close(tree);
}

static void fake_attributes(void *arg)
{
        struct host h;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        child_attach(child_fs("tmpfs"), "/tmp");
        fake("/sys/devices/system/cpu/isolated", "1,3-4\n");
        child_attach(child_fs("tmpfs"), "/sys/module");
        assert_true(mkdir("/sys/module/apparmor", 0755) == 0);
        assert_true(mkdir("/sys/module/apparmor/parameters", 0755) == 0);
        test_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", "Y\n", 0600);
        assert_true(host_probe(&h, &error) == 0);
        assert_true(h.apparmor && h.cpus_isolated.v[0] == 0x1a);
        assert_true(!h.resctrl);

        test_file(AT_FDCWD, "/sys/module/apparmor/parameters/enabled", "N\n", 0600);
        fake("/sys/devices/system/cpu/isolated", "\n");
        assert_true(host_probe(&h, &error) == 0);
        assert_true(!h.apparmor && bits_is_empty(&h.cpus_isolated));
}

static void lsms_and_isolated_cpus_are_what_sysfs_says(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(fake_attributes, NULL);
}

#define LINE(where, type) "30 1 0:27 / " where " rw shared:9 - " type " none rw\n"

static void fake_resctrl(void *arg)
{
        struct host h = { 0 };

        (void)arg;
        child_unshare(CLONE_NEWNS);
        child_attach(child_fs("tmpfs"), "/tmp");
        fake("/proc/self/mountinfo", LINE("/resctrl", "tmpfs") LINE("/sys", "sysfs"));
        assert_true(host_resctrl(&h, large_arena(), &error) == 0);
        assert_true(!h.resctrl);
        fake("/proc/self/mountinfo", LINE("/sys", "sysfs") LINE("/x\\040y", "resctrl"));
        assert_true(host_resctrl(&h, large_arena(), &error) == 0);
        assert_string_equal(h.resctrl, "/x y");
}

static void resctrl_is_found_where_it_is_mounted(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(fake_resctrl, NULL);
}

static void look_as_an_ordinary_user(void *arg)
{
        struct host h;

        (void)arg;
        assert_true(sys_setgroups(0, NULL) == 0 && sys_setresgid(4712) == 0 &&
                    sys_setresuid(4711) == 0);
        assert_true(host_probe(&h, &error) == 0);
        assert_true(h.uid == 4711 && h.gid == 4712);
        assert_true(h.all_ids && h.rootless && h.no_nodes && h.no_mounts && h.no_mappings);
        assert_true(!h.no_setgroups && !host_denies_groups(h.proc_fd, "self"));
        assert_true(host_has_all_ids());
}

static void look_as_root_of_a_user_namespace(void *arg)
{
        struct host h;

        (void)arg;
        child_unshare(CLONE_NEWUSER);
        assert_true(file_poke(AT_FDCWD, "/proc/self/setgroups", "deny") == 0);
        assert_true(host_probe(&h, &error) == 0);
        assert_true(h.rootless && h.no_nodes && !h.no_mappings && h.no_setgroups);
        assert_true(h.no_mounts); /* the mount namespace is the host's still */
        assert_true(!host_has_all_ids());
        child_unshare(CLONE_NEWNS);
        assert_true(host_probe(&h, &error) == 0);
        assert_true(!h.no_mounts);
}

static void what_a_caller_lacks_is_seen(void **state)
{
        struct host h;

        (void)state;
        NEEDS_ROOT();
        assert_int_equal(host_probe(&h, &error), 0);
        close(h.proc_fd);
        if (h.rootless)
                SKIP("this is not the host's root");
        assert_false(h.no_nodes || h.no_mounts || h.no_mappings || h.no_setgroups);
        assert_true(h.cgroup[0] == '/');
        IN_CHILD(look_as_an_ordinary_user, NULL);
        IN_CHILD(look_as_root_of_a_user_namespace, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(capabilities_are_what_the_kernel_says),
                cmocka_unit_test(ids_are_missing_in_a_user_namespace),
                cmocka_unit_test(only_a_whole_procfs_at_proc_is_believed),
                cmocka_unit_test(the_cgroup2_mount_of_this_host_is_found),
                cmocka_unit_test(without_a_cgroup2_mount_the_way_out_is_said),
                cmocka_unit_test(a_cgroup2_mount_elsewhere_is_found),
                cmocka_unit_test(a_cgroup2_mount_with_a_space_in_its_name_is_found),
                cmocka_unit_test(lsms_and_isolated_cpus_are_what_sysfs_says),
                cmocka_unit_test(resctrl_is_found_where_it_is_mounted),
                cmocka_unit_test(what_a_caller_lacks_is_seen),
        };

        return RUN(tests);
}
