#include "child.h"

#include "kenro/base/file.h"
#include "kenro/run/state.h"

#include <sys/prctl.h>

static struct err error;
static char path[PATH_MAX];
static int dir = -1;

static struct json_pair notes[] = { { "org.example.a", "1" }, { "b", "line\nbreak \"quoted\"" } };

static const struct state full = {
        .version = STATE_VERSION,
        .oci_version = "1.3.0",
        .id = "c1",
        .bundle = "/b/\xc3\xa4",
        .rootfs = "/b/rootfs",
        .cgroup = "/kenro/c1",
        .cgroup_made = 2,
        .created = "2026-11-22T23:07:57.000000001Z",
        .pid = INT32_MAX,
        .start_time = 1ull << 60,
        .namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWTIME,
        .chroot = true,
        .no_process = true,
        .own_user = true,
        .resctrl = "/sys/fs/resctrl/c1",
        .resctrl_monitor = "/sys/fs/resctrl/c1/mon_groups/c1",
        .resctrl_own = true,
        .annotations = { notes, COUNT(notes) },
};

static int load(struct state *s)
{
        memset(&error, 0, sizeof(error));
        return state_load(dir, test_arena(), s, &error);
}

static void what_is_stored_is_loaded(void **state)
{
        struct state s;

        (void)state;
        assert_int_equal(state_store(dir, &full, &error), 0);
        assert_int_equal(load(&s), 0);
        assert_int_equal(s.version, STATE_VERSION);
        assert_string_equal(s.oci_version, full.oci_version);
        assert_string_equal(s.id, full.id);
        assert_string_equal(s.bundle, full.bundle);
        assert_string_equal(s.rootfs, full.rootfs);
        assert_string_equal(s.cgroup, full.cgroup);
        assert_int_equal(s.cgroup_made, full.cgroup_made);
        assert_string_equal(s.created, full.created);
        assert_int_equal(s.pid, full.pid);
        assert_true(s.start_time == full.start_time);
        assert_int_equal(s.namespaces, full.namespaces);
        assert_true(s.chroot && s.no_process && s.own_user);
        assert_string_equal(s.resctrl, full.resctrl);
        assert_string_equal(s.resctrl_monitor, full.resctrl_monitor);
        assert_true(s.resctrl_own);
        assert_int_equal(s.annotations.n, 2);
        for (size_t i = 0; i < 2; i++) {
                assert_string_equal(s.annotations.v[i].key, notes[i].key);
                assert_string_equal(s.annotations.v[i].value, notes[i].value);
        }
}

static void storing_again_replaces_it_whole(void **state)
{
        struct state s = full;
        struct stat st;

        (void)state;
        assert_int_equal(state_store(dir, &full, &error), 0);
        s.pid = 0;
        s.start_time = 0;
        s.chroot = false;
        s.annotations.n = 0;
        s.resctrl = s.resctrl_monitor = NULL;
        assert_int_equal(state_store(dir, &s, &error), 0);
        assert_int_equal(load(&s), 0);
        assert_null(s.resctrl);
        assert_int_equal(s.pid, 0);
        assert_false(s.chroot);
        assert_int_equal(s.annotations.n, 0);
        assert_int_equal(fstatat(dir, "state.json", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_missing_file_is_told_apart(void **state)
{
        struct state s;

        (void)state;
        (void)unlinkat(dir, "state.json", 0);
        assert_int_equal(load(&s), 1);
}

static void a_fifo_in_its_place_keeps_nobody_waiting(void **state)
{
        struct state s;

        (void)state;
        (void)unlinkat(dir, "state.json", 0);
        assert_int_equal(mkfifoat(dir, "state.json", 0600), 0);
        alarm(10);
        assert_int_equal(load(&s), -1);
        alarm(0);
        (void)unlinkat(dir, "state.json", 0);
}

#define COMMON                                                                                     \
        "\"ociVersion\":\"1.3.0\",\"id\":\"c\",\"bundle\":\"/b\",\"rootfs\":\"/r\","               \
        "\"cgroup\":\"/c\",\"created\":\"now\""

static void another_version_is_refused(void **state)
{
        struct state s;

        (void)state;
        test_file(dir, "state.json", "{\"version\":2," COMMON ",\"invented\":{\"later\":1}}", 0600);
        assert_int_equal(load(&s), -1);
        assert_string_equal(error.text, "state file: version 2, this kenro knows 1");
        test_file(dir, "state.json", "{\"version\":0," COMMON "}", 0600);
        assert_int_equal(load(&s), -1);
        test_file(dir, "state.json", "{\"version\":1," COMMON "}", 0600);
        assert_int_equal(load(&s), 0);
        assert_int_equal(s.pid, 0);
}

static void a_damaged_file_is_an_error(void **state)
{
        static const char *const texts[] = {
                "",
                "{",
                "null",
                "[]",
                "{\"version\":1}",
                "{\"version\":1,\"ociVersion\":\"1\",\"id\":\"c\",\"bundle\":\"/b\","
                "\"rootfs\":\"/r\",\"created\":\"now\"}",
                "{\"version\":1," COMMON "} trailing",
                "{\"version\":1," COMMON ",\"pid\":-1}",
                "{\"version\":1," COMMON ",\"pid\":2147483648}",
                "{\"version\":1," COMMON ",\"pid\":\"5\"}",
                "{\"version\":1," COMMON ",\"id\":\"other\"}",
                "{\"version\":1," COMMON,
        };
        struct state s;

        (void)state;
        for (size_t i = 0; i < COUNT(texts); i++) {
                test_file(dir, "state.json", texts[i], 0600);
                if (load(&s) != -1)
                        fail_msg("'%s' is taken", texts[i]);
                assert_string_not_equal(error.text, "");
        }
}

static void a_link_is_not_followed(void **state)
{
        struct state s;
        int r;

        (void)state;
        (void)unlinkat(dir, "state.json", 0);
        test_file(dir, "elsewhere", "{\"version\":1," COMMON "}", 0600);
        assert_int_equal(symlinkat("elsewhere", dir, "state.json"), 0);
        r = load(&s);
        assert_int_equal(r, -1);
        assert_string_equal(error.text, "cannot open the state file: ELOOP");
        /* and storing replaces the link, not what it points to */
        assert_int_equal(state_store(dir, &full, &error), 0);
        assert_int_equal(load(&s), 0);
        assert_string_equal(s.id, "c1");
        test_file(dir, "elsewhere", "", 0600);
        assert_int_equal(load(&s), 0);
}

/* proc_pid_stat(5): the name, in brackets, may hold anything. */
static void have_an_odd_name(void *arg)
{
        int proc = open("/proc", O_PATH | O_CLOEXEC);
        uint64_t before = state_start_time(proc, getpid());

        (void)arg;
        assert_int_equal(prctl(PR_SET_NAME, ") R 1 (x) 2 3", 0, 0, 0), 0);
        assert_true(before > 0);
        assert_true(state_start_time(proc, getpid()) == before);
        assert_false(state_is_exiting(proc, getpid()));
}

static void a_start_time_survives_an_odd_name(void **state)
{
        (void)state;
        IN_CHILD(have_an_odd_name, NULL);
}

static void a_dead_process_is_exiting_and_then_gone(void **state)
{
        int proc = open("/proc", O_PATH | O_CLOEXEC);
        siginfo_t info;
        pid_t pid = child_fork();

        (void)state;
        if (pid == 0)
                _exit(0);
        assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        assert_true(state_start_time(proc, pid) > 0);
        assert_true(state_is_exiting(proc, pid));
        assert_int_equal(child_wait(pid), 0);
        assert_int_equal(state_start_time(proc, pid), 0);
        assert_true(state_is_exiting(proc, pid));
        close(proc);
}

static void now_is_rfc_3339(void **state)
{
        const char *now = state_now(test_arena(), &error);
        int n = 0, year, month, day, hour, minute, second, nano;

        (void)state;
        assert_non_null(now);
        assert_int_equal(sscanf(now, "%4d-%2d-%2dT%2d:%2d:%2d.%9dZ%n", &year, &month, &day, &hour,
                                &minute, &second, &nano, &n),
                         7);
        assert_int_equal(n, strlen(now));
        assert_int_equal(n, strlen("2026-11-22T23:07:57.000000001Z"));
}

static int set_up(void **state)
{
        (void)state;
        test_dir_make(path);
        dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        close(dir);
        test_dir_remove(path);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_stored_is_loaded),
                cmocka_unit_test(storing_again_replaces_it_whole),
                cmocka_unit_test(a_missing_file_is_told_apart),
                cmocka_unit_test(a_fifo_in_its_place_keeps_nobody_waiting),
                cmocka_unit_test(another_version_is_refused),
                cmocka_unit_test(a_damaged_file_is_an_error),
                cmocka_unit_test(a_link_is_not_followed),
                cmocka_unit_test(a_start_time_survives_an_odd_name),
                cmocka_unit_test(a_dead_process_is_exiting_and_then_gone),
                cmocka_unit_test(now_is_rfc_3339),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
