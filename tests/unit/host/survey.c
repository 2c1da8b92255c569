#include "fake.h"

#include "kenro/host/survey.h"

#include <sys/socket.h>
#include <sys/un.h>

static struct err error;
static struct fake fake;
static struct survey_in in;
static struct survey s;

static const char *const map_directories[] = { "/usr/bin", "/opt/bin", NULL };

static int make(void **state)
{
        (void)state;
        fake_make(&fake);
        in = (struct survey_in){
                .root = fake.root,
                .uid = 1000,
                .cgroup = "/sys/fs/cgroup",
                .group = "/me",
                .state = "/run/user/1000/kenro",
                .run = "/run/user/1000",
                .path = "",
                .helper = "/usr/libexec/helper",
                .map_directories = map_directories,
                .arena = test_arena(),
        };
        return 0;
}

static int drop(void **state)
{
        (void)state;
        fake_remove(&fake);
        return 0;
}

static void look(void)
{
        if (survey(&in, &s, &error) < 0)
                fail_msg("%s", error.text);
}

static void a_host_that_has_nothing_is_no_error(void **state)
{
        (void)state;
        in.path = NULL;
        in.run = NULL;
        in.cgroup = NULL;
        look();
        assert_true(s.blind);
        assert_non_null(s.release);
        assert_null(s.controllers);
        assert_null(s.seccomp);
        assert_int_equal(s.max_user_namespaces, -1);
        assert_int_equal(s.no_namespaces.n, 8);
        assert_false(s.apparmor || s.selinux || s.systemd || s.system_bus || s.user_bus);
        assert_int_equal(s.subuids, 0);
        assert_null(s.user);
        assert_int_equal(s.runtimes.n, 0);
        for (int i = 0; i < ENGINE_KINDS; i++)
                assert_null(s.engines[i].program);
}

/* What kenro needs is there wherever the other tests pass. */
static void no_call_is_missing_on_this_host(void **state)
{
        (void)state;
        look();
        assert_int_equal(s.no_calls.n, 0);
}

static void namespaces_are_what_proc_lists(void **state)
{
        static const char *const kinds[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };

        (void)state;
        for (size_t i = 0; i < COUNT(kinds); i++) {
                char path[64];

                snprintf(path, sizeof(path), "proc/self/ns/%s", kinds[i]);
                fake_file(&fake, path, "");
        }
        look();
        assert_int_equal(s.no_namespaces.n, 1);
        assert_string_equal(s.no_namespaces.v[0], "time");
}

static void numbers_and_words_are_those_of_proc_and_sys(void **state)
{
        (void)state;
        fake_file(&fake, "proc/sys/kernel/seccomp/actions_avail", "errno trap\n");
        fake_file(&fake, "proc/sys/user/max_user_namespaces", "0\n");
        fake_file(&fake, "proc/sys/kernel/unprivileged_userns_clone", "1\n");
        fake_file(&fake, "proc/sys/kernel/apparmor_restrict_unprivileged_userns", "x\n");
        fake_file(&fake, "sys/module/apparmor/parameters/enabled", "Y\n");
        fake_file(&fake, "sys/fs/selinux/enforce", "0");
        look();
        assert_string_equal(s.seccomp, "errno trap");
        assert_int_equal(s.max_user_namespaces, 0);
        assert_int_equal(s.users_may_unshare, 1);
        assert_int_equal(s.apparmor_restricts, -1);
        assert_true(s.apparmor && s.selinux && !s.enforcing);
        fake_file(&fake, "sys/module/apparmor/parameters/enabled", "N\n");
        fake_file(&fake, "sys/fs/selinux/enforce", "1");
        look();
        assert_true(!s.apparmor && s.selinux && s.enforcing);
}

static void controllers_are_those_of_both_versions(void **state)
{
        (void)state;
        fake_file(&fake, "proc/self/cgroup",
                  "9:name=systemd:/\n8:pids:/\n7:cpu,cpuacct:/x:y\n0::/me\n");
        fake_file(&fake, "sys/fs/cgroup/cgroup.controllers", "memory io\n");
        fake_file(&fake, "sys/fs/cgroup/cgroup.subtree_control", "memory\n");
        fake_file(&fake, "sys/fs/cgroup/me/cgroup.controllers", "\n");
        fake_file(&fake, "sys/fs/cgroup/me/cgroup.procs", "");
        look();
        assert_false(s.blind);
        assert_string_equal(s.v1, "pids cpu,cpuacct");
        assert_string_equal(s.controllers, "memory io");
        assert_string_equal(s.enabled, "memory");
        assert_string_equal(s.own.controllers, "");
        assert_true(s.own.ours);
        assert_null(s.manager.controllers);
        assert_false(s.manager.ours);
        fake_file(&fake,
                  "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/"
                  "cgroup.controllers",
                  "cpu\n");
        fake_file(&fake, "proc/self/cgroup", "0::/me\n");
        look();
        assert_string_equal(s.v1, "");
        assert_string_equal(s.manager.controllers, "cpu");
}

static void make_socket(const char *path)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        fake_directories(&fake, path);
        assert_true(fd >= 0);
        snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", fake.root, path);
        assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
        close(fd);
}

static void systemd_is_there_by_its_directory_and_sockets(void **state)
{
        (void)state;
        fake_directories(&fake, "run/systemd/system/x");
        fake_file(&fake, "run/dbus/system_bus_socket", "a file is no socket");
        fake_program(&fake, "usr/libexec/helper");
        look();
        assert_true(s.systemd && s.helper);
        assert_false(s.system_bus || s.user_bus);
        make_socket("run/systemd/private");
        make_socket("run/user/1000/bus");
        look();
        assert_true(s.system_bus && s.user_bus);
        in.run = NULL;
        look();
        assert_false(s.user_bus);
}

static void ids_are_the_callers_by_name_or_number(void **state)
{
        (void)state;
        fake_file(&fake, "etc/passwd",
                  "root:x:0:0::/root:/bin/sh\nbroken\nu:x:1000:1000::/home/u:/bin/sh\n");
        fake_file(&fake, "etc/subuid", "root:1:5\nu:100000:65536\n1000:300000:10\nu:7\n10:1:3\n");
        fake_file(&fake, "etc/subgid", "10001:100000:65536\n");
        look();
        assert_string_equal(s.user, "u");
        assert_string_equal(s.home, "/home/u");
        assert_int_equal(s.subuids, 65546);
        assert_int_equal(s.subgids, 0);
}

static void a_mapping_program_has_to_be_privileged(void **state)
{
        (void)state;
        NEEDS_ROOT();
        fake_program(&fake, "usr/bin/newuidmap");
        fake_program(&fake, "opt/bin/newgidmap");
        assert_int_equal(fchmodat(fake.root, "opt/bin/newgidmap", 04755, 0), 0);
        look();
        assert_false(s.newuidmap);
        assert_true(s.newgidmap);
}

static void the_state_directory_is_looked_at_with_all_above_it(void **state)
{
        (void)state;
        in.uid = geteuid();
        in.state = "/run/x/kenro";
        fake_directories(&fake, "run/y");
        look();
        assert_false(s.state.there);
        assert_true(s.state.can_be_made);
        assert_null(s.state.weak);

        fake_directories(&fake, "run/x/kenro/y");
        assert_int_equal(fchmodat(fake.root, "run/x/kenro", 01700, 0), 0);
        assert_int_equal(fchmodat(fake.root, "run", 0777, 0), 0);
        look();
        assert_true(s.state.there && s.state.directory);
        assert_int_equal(s.state.mode, 01700);
        assert_int_equal(s.state.uid, geteuid());
        assert_string_equal(s.state.weak, "/run");
        assert_int_equal(fchmodat(fake.root, "run", 01777, 0), 0); /* as /tmp */
        look();
        assert_null(s.state.weak);

        in.state = "/run/file";
        fake_file(&fake, "run/file", "");
        look();
        assert_true(s.state.there && !s.state.directory);
}

static void runtimes_are_found_once_and_kenro_by_any_name(void **state)
{
        (void)state;
        in.path = "relative::/opt/bin:/usr/bin:/nosuch";
        fake_program(&fake, "usr/bin/crun");
        fake_program(&fake, "usr/local/sbin/kenro");
        fake_link(&fake, "bin", "usr/bin");
        fake_link(&fake, "opt/bin/runc", "/usr/local/sbin/kenro");
        fake_program(&fake, "relative/runc");
        fake_file(&fake, "usr/bin/youki", "not executable");
        look();
        assert_int_equal(s.runtimes.n, 2);
        assert_string_equal(s.runtimes.v[0].path, "/opt/bin/runc");
        assert_true(s.runtimes.v[0].kenro);
        assert_string_equal(s.runtimes.v[1].path, "/usr/bin/crun");
        assert_false(s.runtimes.v[1].kenro);
}

static void a_users_own_settings_do_not_count_for_root(void **state)
{
        (void)state;
        fake_file(&fake, "etc/passwd", "root:x:0:0::/home/u:/bin/sh\nu:x:1000:1::/home/u:/bin/sh");
        fake_program(&fake, "usr/bin/podman");
        fake_file(&fake, "home/u/.config/containers/containers.conf", "[engine]\nruntime='mine'");
        look();
        assert_string_equal(s.engines[ENGINE_PODMAN].chosen, "mine");
        in.uid = 0;
        look();
        assert_string_equal(s.engines[ENGINE_PODMAN].chosen, "crun");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
        const struct CMUnitTest tests[] = {
                TEST(a_host_that_has_nothing_is_no_error),
                TEST(no_call_is_missing_on_this_host),
                TEST(namespaces_are_what_proc_lists),
                TEST(numbers_and_words_are_those_of_proc_and_sys),
                TEST(controllers_are_those_of_both_versions),
                TEST(systemd_is_there_by_its_directory_and_sockets),
                TEST(ids_are_the_callers_by_name_or_number),
                TEST(a_mapping_program_has_to_be_privileged),
                TEST(the_state_directory_is_looked_at_with_all_above_it),
                TEST(runtimes_are_found_once_and_kenro_by_any_name),
                TEST(a_users_own_settings_do_not_count_for_root),
        };

        return RUN(tests);
}
