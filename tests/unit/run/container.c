#include "group.h"

#include "kenro/base/file.h"
#include "kenro/run/container.h"
#include "kenro/run/gate.h"

#include <poll.h>

static struct err error;
static struct test_group group;
static char dir[PATH_MAX], root[PATH_MAX + 16];
static int proc = -1;

static void ids_are_names_of_files(void **state)
{
        static const char *const good[] = {
                "a", "_", "0", "A.b-c+d_e", "...", "a-", "+x", ".hidden"
        };
        static const char *const bad[] = { "",         ".",     "..",   "-a",  "a/b",
                                           "/",        "a b",   "a\n",  "a:b", "a\\",
                                           "\xc3\xa4", "a\x7f", "../x", "*",   "a%2e" };
        char longest[1026];

        (void)state;
        for (size_t i = 0; i < COUNT(good); i++)
                if (container_check_id(good[i], &error) < 0)
                        fail_msg("'%s' is refused", good[i]);
        for (size_t i = 0; i < COUNT(bad); i++)
                if (container_check_id(bad[i], &error) == 0)
                        fail_msg("'%s' is accepted", bad[i]);
        assert_int_equal(container_check_id("a/b", &error), -1);
        assert_string_equal(error.text, "invalid container ID format: \"a/b\"");
        memset(longest, 'x', sizeof(longest));
        longest[1024] = '\0';
        assert_int_equal(container_check_id(longest, &error), 0);
        longest[1024] = 'x';
        longest[1025] = '\0';
        assert_int_equal(container_check_id(longest, &error), -1);
}

static void the_directory_is_private_and_made_once(void **state)
{
        struct container c, other;
        struct stat st;

        (void)state;
        umask(0);
        assert_int_equal(container_new(root, "c1", &c, &error), 0);
        umask(022);
        assert_int_equal(fstat(c.dir_fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
        assert_int_equal(fstat(c.root_fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 01700);
        assert_int_equal(fcntl(c.dir_fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(c.pidfd, -1);
        assert_int_equal(container_new(root, "c1", &other, &error), -1);
        assert_string_equal(error.text, "container with given ID already exists: c1");
        assert_int_equal(container_new(root, "../c2", &other, &error), -1);
        assert_string_equal(error.text, "invalid container ID format: \"../c2\"");
        assert_int_equal(container_forget(&c, &error), 0);
        container_close(&c);
}

static void forgetting_takes_the_directory_with_its_files(void **state)
{
        struct container c;
        char name[32];

        (void)state;
        assert_int_equal(container_new(root, "c1", &c, &error), 0);
        for (int i = 0; i < 200; i++) { /* more than one read of the directory */
                snprintf(name, sizeof(name), "a-file-with-a-number-%d", i);
                test_file(c.dir_fd, name, "x", 0600);
        }
        assert_int_equal(mkfifoat(c.dir_fd, "gate", 0600), 0);
        assert_int_equal(symlinkat(dir, c.dir_fd, "link"), 0);
        assert_int_equal(container_forget(&c, &error), 0);
        assert_true(faccessat(c.root_fd, "c1", F_OK, 0) < 0 && errno == ENOENT);
        assert_int_equal(access(dir, F_OK), 0);
        /* being gone already is fine, and the name is free again */
        assert_int_equal(container_forget(&c, &error), 0);
        container_close(&c);
        assert_int_equal(container_new(root, "c1", &c, &error), 0);
        assert_int_equal(container_forget(&c, &error), 0);
        container_close(&c);
}

static void an_unknown_container_does_not_exist(void **state)
{
        char path[PATH_MAX + 32];
        struct container c;

        (void)state;
        assert_int_equal(container_open(root, "none", test_arena(), &c, &error), 1);
        assert_string_equal(error.text, "container \"none\" does not exist");
        assert_int_equal(container_open("/does/not/exist", "c1", test_arena(), &c, &error), 1);
        assert_string_equal(error.text, "container \"c1\" does not exist");
        assert_int_equal(container_open(root, "..", test_arena(), &c, &error), -1);
        assert_string_equal(error.text, "invalid container ID format: \"..\"");
        /* a link is no container */
        snprintf(path, sizeof(path), "%s/link", root);
        assert_int_equal(symlink(dir, path), 0);
        assert_int_equal(container_open(root, "link", test_arena(), &c, &error), 1);
        assert_int_equal(unlink(path), 0);
}

/* A container whose records say PID, with the start time START (0: its own). */
static void fabricate(struct container *c, pid_t pid, uint64_t start)
{
        assert_int_equal(container_new(root, "c1", c, &error), 0);
        c->state = (struct state){ .version = STATE_VERSION,
                                   .oci_version = "1.3.0",
                                   .id = "c1",
                                   .bundle = "/b",
                                   .rootfs = "/b/rootfs",
                                   .cgroup = "/kenro-unit-none",
                                   .created = "now",
                                   .pid = (uint64_t)pid,
                                   .start_time = start || !pid ? start
                                                               : state_start_time(proc, pid) };
        assert_int_equal(state_store(c->dir_fd, &c->state, &error), 0);
}

static void discard(struct container *c)
{
        assert_int_equal(container_forget(c, &error), 0);
        container_close(c);
}

static void a_half_made_one_is_creating(void **state)
{
        struct container maker, c;

        (void)state;
        assert_int_equal(container_new(root, "c1", &maker, &error), 0);
        assert_int_equal(container_open(root, "c1", test_arena(), &c, &error), 0);
        assert_int_equal(c.state.version, 0);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_CREATING);
        container_close(&c);
        discard(&maker);
        /* with records, as long as its maker holds the lock */
        fabricate(&maker, 0, 0);
        assert_int_equal(container_open(root, "c1", test_arena(), &c, &error), 0);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_CREATING);
        assert_int_equal(container_kill(&c, proc, NULL, SIGTERM, false, &error), -1);
        assert_string_equal(error.text, "container not running: it is being created");
        fd_close(&maker.dir_fd);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_STOPPED);
        container_close(&maker);
        discard(&c);
}

static void a_living_init_is_running_or_waits_at_the_gate(void **state)
{
        pid_t pid = child_idle();
        struct container c;
        struct gate g;

        (void)state;
        fabricate(&c, pid, 0);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_RUNNING);
        assert_true(c.pidfd >= 0);
        assert_int_equal(gate_make(c.dir_fd, &g, &error), 0);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_CREATED);
        close(g.in);
        close(g.out);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_RUNNING);
        child_kill(pid);
        discard(&c);
}

static void a_dead_init_is_stopped(void **state)
{
        siginfo_t info;
        pid_t pid = child_idle();
        struct container c;

        (void)state;
        fabricate(&c, pid, 0);
        kill(pid, SIGKILL);
        /* as a zombie, and then as nothing */
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_STOPPED);
        assert_int_equal(c.pidfd, -1);
        assert_int_equal(child_wait(pid), -1);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_STOPPED);
        assert_int_equal(container_kill(&c, proc, NULL, SIGTERM, false, &error), -1);
        assert_string_equal(error.text, "container not running: no such process");
        discard(&c);
}

/* A pid is used again: what has it now is a stranger. */
static void another_process_with_the_pid_is_not_init(void **state)
{
        pid_t pid = child_idle();
        struct container c;

        (void)state;
        fabricate(&c, pid, state_start_time(proc, pid) + 1);
        assert_int_equal(container_status(&c, proc, NULL), CONTAINER_STOPPED);
        assert_int_equal(container_kill(&c, proc, NULL, SIGKILL, false, &error), -1);
        assert_string_equal(error.text, "container not running: no such process");
        assert_int_equal(kill(pid, 0), 0);
        child_kill(pid);
        discard(&c);
}

static void a_signal_reaches_init(void **state)
{
        pid_t pid = child_idle();
        struct container c;
        int status;

        (void)state;
        fabricate(&c, pid, 0);
        c.state.namespaces = CLONE_NEWPID;
        assert_int_equal(container_kill(&c, proc, NULL, SIGUSR1, false, &error), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
        discard(&c);
}

static void the_records_hold_pid_and_start_time(void **state)
{
        char path[PATH_MAX + 32], text[32] = "";
        pid_t pid = child_idle();
        struct container c, again;

        (void)state;
        snprintf(path, sizeof(path), "%s/pid", dir);
        fabricate(&c, 0, 0);
        assert_int_equal(container_commit(&c, proc, pid, path, &error), 0);
        assert_int_equal(container_open(root, "c1", test_arena(), &again, &error), 0);
        assert_int_equal(again.state.pid, pid);
        assert_true(again.state.start_time == state_start_time(proc, pid));
        assert_int_equal(container_status(&again, proc, NULL), CONTAINER_RUNNING);
        container_close(&again);
        /* digits, and no line's end */
        assert_true(file_peek(AT_FDCWD, path, text, sizeof(text)) > 0);
        assert_int_equal(strspn(text, "0123456789"), strlen(text));
        assert_int_equal(strtol(text, NULL, 10), pid);
        child_kill(pid);
        assert_int_equal(container_commit(&c, proc, pid, NULL, &error), -1);
        assert_string_equal(error.text, "the container's process is gone");
        discard(&c);
}

static void names_of_statuses_are_the_specifications(void **state)
{
        (void)state;
        assert_string_equal(container_status_name(CONTAINER_CREATING), "creating");
        assert_string_equal(container_status_name(CONTAINER_CREATED), "created");
        assert_string_equal(container_status_name(CONTAINER_RUNNING), "running");
        assert_string_equal(container_status_name(CONTAINER_PAUSED), "paused");
        assert_string_equal(container_status_name(CONTAINER_STOPPED), "stopped");
}

static void root_does_not_depend_on_the_environment(void **state)
{
        char *before = getenv("XDG_RUNTIME_DIR");
        const char *set = arena_printf(test_arena(), &error, "%s", before ? before : "");

        (void)state;
        setenv("XDG_RUNTIME_DIR", "/elsewhere", 1);
        assert_string_equal(container_root(test_arena(), &error),
                            geteuid() == 0 ? "/run/kenro" : "/elsewhere/kenro");
        setenv("XDG_RUNTIME_DIR", "relative", 1);
        assert_string_equal(container_root(test_arena(), &error), "/run/kenro");
        if (*set)
                setenv("XDG_RUNTIME_DIR", set, 1);
        else
                unsetenv("XDG_RUNTIME_DIR");
}

/* ---- with a cgroup ---- */

static void freeze(int group_fd)
{
        int events = openat(group_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        struct pollfd p = { .fd = events, .events = POLLPRI };
        char text[64];

        assert_int_equal(file_poke(group_fd, "cgroup.freeze", "1"), 0);
        for (;;) {
                assert_true(pread(events, text, sizeof(text), 0) > 0); /* arms the event */
                if (cgroup_is_frozen(group_fd))
                        break;
                assert_int_equal(poll(&p, 1, 5000), 1);
        }
        close(events);
}

static void only_force_deletes_what_lives(void **state)
{
        struct cgroup_plan p = { 0 };
        struct container c;
        struct cgroup g;
        char text[16];
        pid_t pid;

        (void)state;
        NEEDS_GROUP(group);
        p.path = arena_printf(test_arena(), &error, "%s/above/c1", group.path);
        assert_int_equal(
                cgroup_parent(&p, &group.host, &(struct cgroup_owner){ 1, 2, "/" }, &g, &error), 0);
        pid = child_idle();
        snprintf(text, sizeof(text), "%d", pid);
        assert_int_equal(file_poke(g.fd, "cgroup.procs", text), 0);
        fabricate(&c, pid, 0);
        c.state.cgroup = p.path;
        c.state.cgroup_made = g.made;
        assert_int_equal(state_store(c.dir_fd, &c.state, &error), 0);
        assert_int_equal(container_status(&c, proc, &group.host), CONTAINER_RUNNING);
        assert_int_equal(container_delete(&c, proc, &group.host, false, test_arena(), &error), -1);
        assert_string_equal(error.text, "cannot delete container c1 that is not stopped: running");
        freeze(g.fd);
        assert_int_equal(container_status(&c, proc, &group.host), CONTAINER_PAUSED);
        assert_int_equal(container_delete(&c, proc, &group.host, false, test_arena(), &error), -1);
        assert_string_equal(error.text, "cannot delete container c1 that is not stopped: paused");
        if (container_delete(&c, proc, &group.host, true, test_arena(), &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(child_wait(pid), -1);
        assert_true(faccessat(c.root_fd, "c1", F_OK, 0) < 0);
        assert_int_equal(cgroup_open(&group.host, p.path), -ENOENT);
        *strrchr((char *)(uintptr_t)p.path, '/') = '\0';
        assert_int_equal(cgroup_open(&group.host, p.path), -ENOENT);
        close(g.fd);
        container_close(&c);
}

static void the_cgroup_of_somebody_else_outlives_the_container(void **state)
{
        struct cgroup_plan p = { 0 };
        struct container c;
        struct cgroup g;
        pid_t pid;

        (void)state;
        NEEDS_GROUP(group);
        pid = child_idle();
        p.path = arena_printf(test_arena(), &error, "%s/theirs", group.path);
        assert_int_equal(mkdirat(group.host.fd, p.path + 1, 0755), 0);
        assert_int_equal(
                cgroup_parent(&p, &group.host, &(struct cgroup_owner){ 1, 2, "/" }, &g, &error), 0);
        fabricate(&c, pid, 0);
        c.state.cgroup = p.path;
        c.state.cgroup_made = g.made;
        assert_int_equal(state_store(c.dir_fd, &c.state, &error), 0);
        child_kill(pid);
        if (container_delete(&c, proc, &group.host, false, test_arena(), &error) < 0)
                fail_msg("%s", error.text);
        assert_true(faccessat(c.root_fd, "c1", F_OK, 0) < 0);
        assert_int_equal(faccessat(group.host.fd, p.path + 1, F_OK, 0), 0);
        close(g.fd);
        container_close(&c);
}

static int set_up(void **state)
{
        (void)state;
        test_dir_make(dir);
        snprintf(root, sizeof(root), "%s/run/kenro", dir);
        proc = open("/proc", O_PATH | O_CLOEXEC);
        return test_group_make(&group);
}

static int tear_down(void **state)
{
        (void)state;
        close(proc);
        test_dir_remove(dir);
        return test_group_remove(&group);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ids_are_names_of_files),
                cmocka_unit_test(the_directory_is_private_and_made_once),
                cmocka_unit_test(forgetting_takes_the_directory_with_its_files),
                cmocka_unit_test(an_unknown_container_does_not_exist),
                cmocka_unit_test(a_half_made_one_is_creating),
                cmocka_unit_test(a_living_init_is_running_or_waits_at_the_gate),
                cmocka_unit_test(a_dead_init_is_stopped),
                cmocka_unit_test(another_process_with_the_pid_is_not_init),
                cmocka_unit_test(a_signal_reaches_init),
                cmocka_unit_test(the_records_hold_pid_and_start_time),
                cmocka_unit_test(names_of_statuses_are_the_specifications),
                cmocka_unit_test(root_does_not_depend_on_the_environment),
                cmocka_unit_test(only_force_deletes_what_lives),
                cmocka_unit_test(the_cgroup_of_somebody_else_outlives_the_container),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
