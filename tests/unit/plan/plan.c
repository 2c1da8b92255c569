#include "child.h"

#include "kenro/plan/plan.h"

#include <sys/sysmacros.h>

static struct err error;
static char bundle[PATH_MAX];

/* ---- the order of filter and capabilities ---- */

static struct seccomp_plan filter_of(const char *syscalls)
{
        char text[1024];
        struct seccomp_plan r;

        snprintf(text, sizeof(text), "'linux': {'seccomp': {%s}}", syscalls);
        if (seccomp_plan(test_spec(text)->linux_->seccomp, test_arena(), &r, &error) < 0)
                fail_msg("%s", error.text);
        return r;
}

#define ALL_BUT(names, action)                                                                     \
        "'defaultAction': 'SCMP_ACT_ALLOW', 'syscalls': [{'names': [" names "],"                   \
        "'action': 'SCMP_ACT_" action "'}]"

static void without_a_filter_nothing_is_kept(void **state)
{
        struct process_plan p = { 0 };

        (void)state;
        assert_int_equal(plan_filter_order(&p, true, &error), 0);
        assert_false(p.caps.keep_admin);
}

/* Whoever gives privileges up for good may load a filter at any time. */
static void no_new_privs_lets_the_filter_come_last(void **state)
{
        struct process_plan p = { .caps = { .no_new_privs = true },
                                  .seccomp = filter_of(ALL_BUT("'capset', 'read'", "KILL")) };

        (void)state;
        assert_int_equal(plan_filter_order(&p, true, &error), 0);
        assert_false(p.caps.keep_admin);
}

static void otherwise_it_is_loaded_with_the_capability(void **state)
{
        struct process_plan p = { .seccomp = filter_of(ALL_BUT("'mount'", "ERRNO")) };

        (void)state;
        assert_int_equal(plan_filter_order(&p, true, &error), 0);
        assert_true(p.caps.keep_admin);
        p.seccomp = filter_of(ALL_BUT("'capset', 'read', 'write', 'clone'", "LOG"));
        assert_int_equal(plan_filter_order(&p, true, &error), 0);
}

static void the_calls_that_are_still_needed_must_be_allowed(void **state)
{
        static const char *const names[] = { "capset", "read", "write", "exit_group" };
        struct process_plan p = { 0 };
        char text[256];

        (void)state;
        for (size_t i = 0; i < COUNT(names); i++) {
                snprintf(text, sizeof(text), ALL_BUT("'%s'", "ERRNO"), names[i]);
                p.seccomp = filter_of(text);
                assert_int_equal(plan_filter_order(&p, false, &error), -1);
                snprintf(text, sizeof(text),
                         "linux.seccomp: '%s' is denied, which is needed after the filter is "
                         "loaded when noNewPrivileges is off",
                         names[i]);
                assert_string_equal(error.text, text);
                snprintf(text, sizeof(text), "set process.noNewPrivileges, or allow %s", names[i]);
                assert_string_equal(error.hint, text);
        }
}

static void only_a_fork_needs_clone(void **state)
{
        struct process_plan p = { .seccomp = filter_of(ALL_BUT("'clone'", "ERRNO")) };

        (void)state;
        assert_int_equal(plan_filter_order(&p, false, &error), 0);
        assert_int_equal(plan_filter_order(&p, true, &error), -1);
        assert_memory_equal(error.text, "linux.seccomp: 'clone' is denied", 32);
}

static void only_a_terminal_needs_ioctl(void **state)
{
        struct process_plan p = { .seccomp = filter_of(ALL_BUT("'ioctl'", "ERRNO")) };

        (void)state;
        assert_int_equal(plan_filter_order(&p, true, &error), 0);
        p.console.wanted = true;
        assert_int_equal(plan_filter_order(&p, false, &error), 0);
        assert_int_equal(plan_filter_order(&p, true, &error), -1);
        assert_memory_equal(error.text, "linux.seccomp: 'ioctl' is denied", 32);
}

/* ---- the whole ---- */

static struct plan plan;

#define HEAD "{'ociVersion': '1.3.0', 'root': {'path': 'rootfs'}, "
#define MOUNT_NS "{'type': 'mount'}"
#define PROCESS "'process': {'args': ['sh'], 'cwd': '/'}, "

/* From the text of a config.json, ' for ", to a plan. */
static int build(const char *config)
{
        static struct arena scratch;
        struct arena *a = test_arena();
        int dir = open(bundle, O_PATH | O_CLOEXEC);
        char *text = arena_printf(a, &error, "%s", config);
        struct spec_file file;
        struct host host;
        struct plan_input in = { .id = "c1",
                                 .bundle = bundle,
                                 .bundle_fd = dir,
                                 .preserve_fds = 2,
                                 .spec = &file.spec,
                                 .host = &host };
        int r;

        assert_true(dir >= 0 && text);
        for (char *c = text; *c; c++)
                if (*c == '\'')
                        *c = '"';
        test_file(dir, "config.json", text, 0644);
        if (spec_load(dir, "config.json", true, a, &file, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(host_probe(&host, &error), 0);
        assert_int_equal(arena_init(&scratch, 1 << 20, &error), 0);
        r = plan_build(&in, a, &scratch, &plan, &error);
        close(dir);
        return r;
}

#define BUILD(config)                                                                              \
        do {                                                                                       \
                if (build(config) < 0)                                                             \
                        fail_msg("%s", error.text);                                                \
        } while (0)

static void plan_the_least(void *arg)
{
        char path[PATH_MAX + 16];

        (void)arg;
        child_unshare(CLONE_NEWNS);
        BUILD(HEAD PROCESS "'linux': {'namespaces': [" MOUNT_NS "]}}");
        snprintf(path, sizeof(path), "%s/rootfs", bundle);
        assert_string_equal(plan.rootfs.path, path);
        assert_true(plan.rootfs.tree_fd >= 0);
        assert_int_equal(plan.ns.clone, CLONE_NEWNS);
        assert_string_equal(plan.cgroup.path, "/kenro/c1");
        assert_int_equal(plan.process.preserve_fds, 2);
        assert_true(plan.has_process);
        assert_string_equal(plan.process.program.argv[0], "sh");
        assert_null(plan.process.program.argv[1]);
        /* silence is safe */
        assert_int_equal(plan.process.caps.bounding | plan.process.caps.permitted, 0);
        assert_non_null(plan.cgroup_device.v);
        assert_int_equal(plan.mount.n, 1);
        assert_int_equal(plan.mount.dev, 0);
        assert_int_equal(plan.device.n_dev, 6);
        assert_true(plan.stash); /* for /dev */
        /* and nothing is done that was not asked for */
        assert_false(plan.loopback || plan.procfs || plan.process.stdio_owner);
        assert_false(plan.idmap.wanted || plan.idmap.become_root);
        assert_null(plan.uts.hostname);
        assert_null(plan.process.seccomp.v);
        assert_int_equal(plan.sysctl.n | plan.mask.masked.n | plan.process.rlimit.n, 0);
}

static void the_least_configuration_is_enough(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(plan_the_least, NULL);
}

static void plan_much(void *arg)
{
        (void)arg;
        child_unshare(CLONE_NEWNS);
        BUILD(HEAD "'hostname': 'box', 'process': {'args': ['sh'], 'cwd': '/', 'user': {"
                   "'uid': 10, 'gid': 10}}, 'mounts': [{'destination': '/proc', 'type': 'proc'}],"
                   "'linux': {'namespaces': [" MOUNT_NS ", {'type': 'network'}, {'type': 'uts'},"
                   "{'type': 'ipc'}, {'type': 'user'}, {'type': 'pid'}],"
                   "'uidMappings': [{'containerID': 0, 'hostID': 5000, 'size': 100}],"
                   "'gidMappings': [{'containerID': 0, 'hostID': 5000, 'size': 100}],"
                   "'cgroupsPath': '/machine/box', 'maskedPaths': ['/proc/kcore'],"
                   "'sysctl': {'net.ipv4.ip_forward': '1', 'kernel.sem': '1 1 1 1'},"
                   "'seccomp': {'defaultAction': 'SCMP_ACT_ALLOW'}}}");
        assert_true(plan.loopback);
        assert_true(plan.stash);
        assert_true(plan.idmap.wanted && plan.idmap.become_root);
        assert_true(plan.process.stdio_owner);
        assert_int_equal(plan.process.stdio_uid, 5010);
        assert_string_equal(plan.uts.hostname, "box");
        assert_string_equal(plan.cgroup.path, "/machine/box");
        assert_int_equal(plan.sysctl.n, 2);
        assert_int_equal(plan.device.root_uid, 5000);
        assert_non_null(plan.process.seccomp.v);
        assert_true(plan.process.caps.keep_admin);
        /* a new pid namespace has a procfs that shows it without help */
        assert_false(plan.procfs);
}

static void every_part_is_planned(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(plan_much, NULL);
}

static void plan_without_a_process(void *arg)
{
        (void)arg;
        child_unshare(CLONE_NEWNS);
        BUILD(HEAD "'linux': {'namespaces': [" MOUNT_NS "]}}");
        assert_false(plan.has_process);
        assert_null(plan.process.program.argv);
}

static void a_container_needs_no_process_to_be_created(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(plan_without_a_process, NULL);
}

#define REFUSES(config, message)                                                                   \
        do {                                                                                       \
                assert_int_equal(build(config), -1);                                               \
                assert_string_equal(error.text, message);                                          \
        } while (0)

#define NET "needs a network namespace of its own, it would change the host"

static void what_cannot_be_is_an_error_of_the_plan(void **state)
{
        (void)state;
        REFUSES(HEAD PROCESS "'linux': {}}", "linux.namespaces: a mount namespace is required");
        REFUSES(HEAD PROCESS "'linux': {'namespaces': [" MOUNT_NS "],"
                             "'sysctl': {'net.ipv4.ip_forward': '1'}}}",
                "linux.sysctl.net.ipv4.ip_forward: " NET);
        /* the host's, by path */
        REFUSES(HEAD PROCESS "'linux': {'namespaces': [" MOUNT_NS ", {'type': 'network',"
                             "'path': '/proc/self/ns/net'}],"
                             "'sysctl': {'net.ipv4.ip_forward': '1'}}}",
                "linux.sysctl.net.ipv4.ip_forward: " NET);
        REFUSES(HEAD "'process': {'args': ['sh'], 'cwd': '/', 'user': {'uid': 1, 'gid': 0}},"
                     "'linux': {'namespaces': [" MOUNT_NS ", {'type': 'user'}],"
                     "'uidMappings': [{'containerID': 0, 'hostID': 1, 'size': 1}],"
                     "'gidMappings': [{'containerID': 0, 'hostID': 1, 'size': 1}]}}",
                "process.user.uid: 1 is not mapped by linux.uidMappings");
        REFUSES(HEAD PROCESS "'linux': {'namespaces': [" MOUNT_NS "], 'seccomp': {"
                             "'defaultAction': 'SCMP_ACT_ERRNO'}}}",
                "linux.seccomp: execve must be allowed, or no program can start");
}

static void refuse_more(void *arg)
{
        (void)arg;
        child_unshare(CLONE_NEWNS);
        REFUSES(HEAD PROCESS "'mounts': [{'destination': '/', 'type': 'tmpfs'}],"
                             "'linux': {'namespaces': [" MOUNT_NS "]}}",
                "mounts[0] (/): a mount at / would hide the root file system");
        REFUSES(HEAD PROCESS "'linux': {'namespaces': [" MOUNT_NS "], 'cgroupsPath': '../x'}}",
                "linux.cgroupsPath: '../x' contains '..'");
        REFUSES("{'ociVersion': '1.3.0', 'root': {'path': 'none'}, " PROCESS
                "'linux': {'namespaces': [" MOUNT_NS "]}}",
                "root.path: cannot open none: ENOENT");
}

static void an_error_late_in_the_plan_is_one_too(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(refuse_more, NULL);
}

static void join_pid(void *arg)
{
        char config[1024];
        struct clone_args args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };
        static const char form[] = HEAD PROCESS
                "'mounts': [{'destination': '/proc', 'type': 'proc'%s}],"
                "'linux': {'namespaces': [" MOUNT_NS
                ", {'type': 'pid', 'path': '/proc/%d/ns/pid'}]}}";
        int pair[2];
        char c;
        pid_t pid;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        pid = sys_clone3(&args);
        assert_true(pid >= 0);
        if (pid == 0) {
                close(pair[1]);
                _exit(read(pair[0], &c, 1) != 0);
        }
        snprintf(config, sizeof(config), form, "", pid);
        BUILD(config);
        assert_true(plan.procfs && plan.ns.pid_joined);
        snprintf(config, sizeof(config), form, ", 'options': ['hidepid=2']", pid);
        REFUSES(config, "mounts[0] (/proc): option 'hidepid' is not possible when a pid namespace "
                        "is joined");
        close(pair[1]);
        assert_int_equal(child_wait(pid), 0);
}

static void the_procfs_of_a_joined_pid_namespace_is_made_apart(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(join_pid, NULL);
}

static void join_user(void *arg)
{
        static const char form[] = HEAD PROCESS
                "'linux': {'namespaces': [" MOUNT_NS
                ", {'type': 'user', 'path': '/proc/%d/ns/user'}]%s}}";
        struct idmap_plan maps = { .uid_text = "0 7000 10\n", .gid_text = "0 8000 10\n" };
        struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
        int proc = open("/proc", O_PATH | O_CLOEXEC);
        char config[1024];
        pid_t pid;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        pid = sys_clone3(&args);
        if (pid < 0)
                _exit(CHILD_SKIPPED);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                for (;;)
                        pause();
        }
        assert_int_equal(idmap_parent(&maps, proc, pid, &error), 0);
        snprintf(config, sizeof(config), form, pid, "");
        BUILD(config);
        assert_int_equal(plan.device.root_uid, 7000);
        assert_int_equal(plan.device.root_gid, 8000);
        assert_true(plan.idmap.become_root && !plan.idmap.wanted);
        snprintf(config, sizeof(config), form, pid,
                 ", 'uidMappings': [{'containerID': 0, 'hostID': 7000, 'size': 10}]");
        BUILD(config);
        snprintf(config, sizeof(config), form, pid,
                 ", 'uidMappings': [{'containerID': 0, 'hostID': 9000, 'size': 10}]");
        REFUSES(config, "linux.uidMappings: are not those of the joined user namespace");
        child_kill(pid);
}

static void a_joined_user_namespace_says_whose_the_ids_are(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(join_user, NULL);
}

static int set_up(void **state)
{
        char path[PATH_MAX + 16];

        (void)state;
        test_dir_make(bundle);
        snprintf(path, sizeof(path), "%s/rootfs", bundle);
        return mkdir(path, 0755);
}

static int tear_down(void **state)
{
        (void)state;
        test_dir_remove(bundle);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_filter_nothing_is_kept),
                cmocka_unit_test(no_new_privs_lets_the_filter_come_last),
                cmocka_unit_test(otherwise_it_is_loaded_with_the_capability),
                cmocka_unit_test(the_calls_that_are_still_needed_must_be_allowed),
                cmocka_unit_test(only_a_fork_needs_clone),
                cmocka_unit_test(only_a_terminal_needs_ioctl),
                cmocka_unit_test(the_least_configuration_is_enough),
                cmocka_unit_test(every_part_is_planned),
                cmocka_unit_test(a_container_needs_no_process_to_be_created),
                cmocka_unit_test(what_cannot_be_is_an_error_of_the_plan),
                cmocka_unit_test(an_error_late_in_the_plan_is_one_too),
                cmocka_unit_test(the_procfs_of_a_joined_pid_namespace_is_made_apart),
                cmocka_unit_test(a_joined_user_namespace_says_whose_the_ids_are),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
