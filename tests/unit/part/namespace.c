#include "child.h"

#include "kenro/base/file.h"
#include "kenro/part/namespace.h"

#include <time.h>

static struct err error;
static struct host host;
static struct namespace_plan plan;
static struct spec *spec;

static int make_plan(const char *namespaces, const char *rest)
{
        char text[2048];

        snprintf(text, sizeof(text), "'linux': {'namespaces': [%s]%s}", namespaces, rest);
        spec = test_spec(text);
        memset(&error, 0, sizeof(error));
        return namespace_plan(spec, &host, test_arena(), &plan, &error);
}

#define PLAN(namespaces, rest)                                                                     \
        do {                                                                                       \
                if (make_plan(namespaces, rest) < 0)                                               \
                        fail_msg("%s", error.text);                                                \
        } while (0)

#define MOUNT "{'type': 'mount'}"
#define MAPS                                                                                       \
        ", 'uidMappings': [{'containerID': 0, 'hostID': 0, 'size': 1}],"                           \
        "'gidMappings': [{'containerID': 0, 'hostID': 0, 'size': 1}]"

/* A process in new namespaces of its own, which waits until it is killed. */
static pid_t neighbour(int flags)
{
        struct clone_args args = { .flags = flags & CLONE_NEWPID, .exit_signal = SIGCHLD };
        int pair[2];
        char c;
        pid_t pid;

        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        pid = sys_clone3(&args);
        assert_true(pid >= 0);
        if (pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                child_unshare(flags & ~CLONE_NEWPID);
                if (flags & CLONE_NEWUTS)
                        (void)!sethostname("neighbour", 9);
                assert_int_equal(write(pair[1], "", 1), 1);
                for (;;)
                        pause();
        }
        close(pair[1]);
        assert_true(read(pair[0], &c, 1) >= 0);
        close(pair[0]);
        return pid;
}

/* JSON of a namespace of TYPE at FILE of the process PID. */
static const char *given(const char *type, pid_t pid, const char *file)
{
        static char text[2][200];
        static int turn;

        turn = !turn;
        snprintf(text[turn], sizeof(text[turn]), "{'type': '%s', 'path': '/proc/%d/%s'}", type, pid,
                 file);
        return text[turn];
}

static void new_ones_are_made_by_the_clone(void **state)
{
        (void)state;
        PLAN(MOUNT ", {'type': 'pid'}, {'type': 'network'}, {'type': 'ipc'}, {'type': 'uts'},"
                   "{'type': 'user'}, {'type': 'time'}",
             MAPS);
        assert_int_equal(plan.clone, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS |
                                             CLONE_NEWUSER | CLONE_NEWTIME);
        assert_true(plan.ipc_late); /* as root of the user namespace */
        PLAN(MOUNT ", {'type': 'ipc'}", "");
        assert_int_equal(plan.clone, CLONE_NEWNS | CLONE_NEWIPC);
        assert_false(plan.ipc_late);
        PLAN(MOUNT ", {'type': 'pid'}, {'type': 'user'}", MAPS);
        assert_true(plan.user_new && plan.pid_new);
        assert_false(plan.user_joined || plan.pid_joined || plan.mount_joined || plan.middle);
        assert_int_equal(plan.n_joins, 0);
        PLAN(MOUNT, "");
        assert_int_equal(plan.clone, CLONE_NEWNS);
        assert_false(plan.user_new || plan.pid_new || plan.cgroup_new || plan.time_new);
        assert_int_equal(namespace_join_fd(&plan, CLONE_NEWPID), -1);
}

static void cgroup_and_time_are_unshared_by_the_child(void **state)
{
        (void)state;
        PLAN(MOUNT ", {'type': 'cgroup'}", "");
        assert_int_equal(plan.clone, CLONE_NEWNS);
        assert_true(plan.cgroup_new);
        PLAN(MOUNT ", {'type': 'time'}", ", 'timeOffsets': {'monotonic': {'secs': -5},"
                                         "'boottime': {'secs': 7, 'nanosecs': 8}}");
        assert_int_equal(plan.clone, CLONE_NEWNS);
        assert_true(plan.time_new);
        assert_string_equal(plan.time_offsets, "monotonic -5 0\nboottime 7 8\n");
}

static void a_mount_namespace_is_required(void **state)
{
        (void)state;
        assert_int_equal(make_plan("{'type': 'pid'}", ""), -1);
        assert_string_equal(error.text, "linux.namespaces: a mount namespace is required");
        assert_string_not_equal(error.hint, "");
}

static void ones_own_namespace_is_not_joined(void **state)
{
        (void)state;
        PLAN(MOUNT ", {'type': 'network', 'path': '/proc/self/ns/net'},"
                   "{'type': 'pid', 'path': '/proc/self/ns/pid'}",
             "");
        assert_int_equal(plan.n_joins, 0);
        assert_false(plan.user_joined || plan.pid_joined || plan.middle);
        /* it is the host's, however it was asked for */
        assert_false(namespace_is_own(spec, &plan, CLONE_NEWNET));
        assert_true(namespace_is_own(spec, &plan, CLONE_NEWNS));
        assert_false(namespace_is_own(spec, &plan, CLONE_NEWIPC));
}

/* The host's root would be replaced; and who has no new user namespace has no
 * mappings. */
static void ones_own_mount_or_user_namespace_is_refused(void **state)
{
        (void)state;
        assert_int_equal(make_plan("{'type': 'mount', 'path': '/proc/self/ns/mnt'}", ""), -1);
        assert_non_null(strstr(error.text, "is the runtime's own mount namespace"));
        assert_int_equal(make_plan(MOUNT ", {'type': 'user', 'path': '/proc/self/ns/user'}", ""),
                         -1);
        assert_non_null(strstr(error.text, "is the runtime's own user namespace"));
}

static void a_path_must_be_a_namespace_of_its_type(void **state)
{
        char dir[PATH_MAX], text[PATH_MAX + 64];
        int r;

        (void)state;
        assert_int_equal(make_plan(MOUNT ", {'type': 'network', 'path': '/proc/self/ns/uts'}", ""),
                         -1);
        assert_string_equal(error.text, "linux.namespaces[1].path: /proc/self/ns/uts is a uts "
                                        "namespace");
        assert_int_equal(make_plan(MOUNT ", {'type': 'network', 'path': '/dev/null'}", ""), -1);
        assert_string_equal(error.text, "linux.namespaces[1].path: /dev/null is not a namespace");
        assert_int_equal(make_plan(MOUNT ", {'type': 'pid', 'path': '/proc/self'}", ""), -1);
        assert_string_equal(error.text, "linux.namespaces[1].path: /proc/self is not a namespace");
        assert_int_equal(make_plan(MOUNT ", {'type': 'pid', 'path': '/does/not/exist'}", ""), -1);
        assert_string_equal(error.text, "linux.namespaces[1].path: cannot open /does/not/exist: "
                                        "ENOENT");
        /* and no hang on a FIFO */
        test_dir_make(dir);
        snprintf(text, sizeof(text), "%s/fifo", dir);
        assert_int_equal(mkfifo(text, 0600), 0);
        snprintf(text, sizeof(text), MOUNT ", {'type': 'ipc', 'path': '%.3000s/fifo'}", dir);
        r = make_plan(text, "");
        test_dir_remove(dir);
        assert_int_equal(r, -1);
        assert_non_null(strstr(error.text, "/fifo is not a namespace"));
}

static void those_of_others_are_joined(void **state)
{
        char text[512];
        pid_t pid;

        (void)state;
        NEEDS_ROOT();
        pid = neighbour(CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWNS);
        snprintf(text, sizeof(text), "%s, %s", given("mount", pid, "ns/mnt"),
                 given("uts", pid, "ns/uts"));
        PLAN(text, "");
        child_kill(pid);
        assert_int_equal(plan.clone, 0);
        assert_int_equal(plan.n_joins, 2);
        assert_true(plan.mount_joined);
        /* by the child itself: nothing of its own stands over them */
        assert_false(plan.middle);
        assert_true(namespace_is_own(spec, &plan, CLONE_NEWUTS));
        assert_true(namespace_is_own(spec, &plan, CLONE_NEWNS));
        assert_false(namespace_is_own(spec, &plan, CLONE_NEWNET));
        for (size_t i = 0; i < plan.n_joins; i++) {
                assert_int_equal(fcntl(plan.joins[i].fd, F_GETFD), FD_CLOEXEC);
                close(plan.joins[i].fd);
        }
}

static void join_all_but_pid(void *arg)
{
        struct stat before, after;

        (void)arg;
        assert_int_equal(stat("/proc/self/ns/pid_for_children", &before), 0);
        assert_int_equal(namespace_join_child(&plan, &error), 0);
        assert_int_equal(stat("/proc/self/ns/pid_for_children", &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        assert_int_equal(namespace_pid_child(&plan, &error), 0);
        assert_int_equal(stat("/proc/self/ns/pid_for_children", &after), 0);
        assert_int_not_equal(before.st_ino, after.st_ino);
}

static void a_pid_namespace_is_joined_last(void **state)
{
        char text[512];
        int status;
        pid_t pid;

        (void)state;
        NEEDS_ROOT();
        pid = neighbour(CLONE_NEWPID);
        snprintf(text, sizeof(text), MOUNT ", %s", given("pid", pid, "ns/pid"));
        PLAN(text, "");
        status = child_run(join_all_but_pid, NULL);
        child_kill(pid);
        assert_true(plan.pid_joined);
        assert_false(plan.pid_new || plan.middle);
        assert_int_equal(namespace_join_fd(&plan, CLONE_NEWPID), plan.joins[0].fd);
        close(plan.joins[0].fd);
        CHILD_DONE(status);
}

static void a_user_namespace_stands_over_the_others(void **state)
{
        char text[512];
        pid_t pid;

        (void)state;
        NEEDS_ROOT();
        pid = neighbour(CLONE_NEWUSER | CLONE_NEWUTS);
        snprintf(text, sizeof(text), MOUNT ", %s", given("user", pid, "ns/user"));
        PLAN(text, "");
        assert_true(plan.user_joined && plan.middle);
        /* a new one has no power over what is there: the joins come before it */
        snprintf(text, sizeof(text), MOUNT ", {'type': 'user'}, %s", given("uts", pid, "ns/uts"));
        PLAN(text, MAPS);
        child_kill(pid);
        assert_true(plan.user_new && plan.middle);
}

static void a_new_user_namespace_cannot_join_a_pid_namespace(void **state)
{
        char text[512];
        pid_t pid;
        int r;

        (void)state;
        NEEDS_ROOT();
        pid = neighbour(CLONE_NEWPID);
        snprintf(text, sizeof(text), MOUNT ", {'type': 'user'}, %s", given("pid", pid, "ns/pid"));
        r = make_plan(text, MAPS);
        child_kill(pid);
        assert_int_equal(r, -1);
        assert_string_equal(error.text,
                            "linux.namespaces: a new user namespace has no power over a "
                            "pid namespace that exists already");
}

static void join_the_neighbour(void *arg)
{
        char name[65] = "";

        (void)arg;
        assert_int_equal(namespace_child(&plan, &error), 0);
        assert_int_equal(gethostname(name, sizeof(name)), 0);
        assert_string_equal(name, "neighbour");
}

static void joining_leads_there(void **state)
{
        char text[512];
        pid_t pid;
        int status;

        (void)state;
        NEEDS_ROOT();
        pid = neighbour(CLONE_NEWUTS);
        snprintf(text, sizeof(text), MOUNT ", %s", given("uts", pid, "ns/uts"));
        PLAN(text, "");
        status = child_run(join_the_neighbour, NULL);
        child_kill(pid);
        close(plan.joins[0].fd);
        CHILD_DONE(status);
}

static void look_at_the_clocks(void *arg)
{
        struct timespec before, after;

        (void)arg;
        if (access("/proc/self/timens_offsets", F_OK) < 0)
                _exit(CHILD_SKIPPED);
        PLAN(MOUNT ", {'type': 'time'}", ", 'timeOffsets': {'boottime': {'secs': 1000000}}");
        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &before), 0);
        if (namespace_time_child(&error) < 0 ||
            namespace_time_parent(&plan, host.proc_fd, getpid(), &error) < 0 ||
            namespace_time_enter_child(host.proc_fd, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &after), 0);
        assert_true(after.tv_sec - before.tv_sec >= 1000000);
        assert_true(after.tv_sec - before.tv_sec < 1001000);
}

static void the_offsets_hold_for_the_child_itself(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(look_at_the_clocks, NULL);
}

static int set_up(void **state)
{
        (void)state;
        return host_probe(&host, &error);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(new_ones_are_made_by_the_clone),
                cmocka_unit_test(cgroup_and_time_are_unshared_by_the_child),
                cmocka_unit_test(a_mount_namespace_is_required),
                cmocka_unit_test(ones_own_namespace_is_not_joined),
                cmocka_unit_test(ones_own_mount_or_user_namespace_is_refused),
                cmocka_unit_test(a_path_must_be_a_namespace_of_its_type),
                cmocka_unit_test(those_of_others_are_joined),
                cmocka_unit_test(a_pid_namespace_is_joined_last),
                cmocka_unit_test(a_user_namespace_stands_over_the_others),
                cmocka_unit_test(a_new_user_namespace_cannot_join_a_pid_namespace),
                cmocka_unit_test(joining_leads_there),
                cmocka_unit_test(the_offsets_hold_for_the_child_itself),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, NULL);
}
