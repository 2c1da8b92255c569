#include "child.h"

#include "kenro/base/file.h"
#include "kenro/part/idmap.h"

static struct err error;

static struct idmap_plan plan(const char *linux_members)
{
        char text[1024];
        struct idmap_plan r;

        snprintf(text, sizeof(text), "'linux': {%s}", linux_members);
        assert_int_equal(idmap_plan(test_spec(text), test_arena(), &r, &error), 0);
        return r;
}

#define USER "'namespaces': [{'type': 'user'}], "

static void the_maps_are_the_kernels_text(void **state)
{
        struct idmap_plan r = plan(USER
                                   "'uidMappings': [{'containerID': 0, 'hostID': 1000, 'size': 10},"
                                   "{'containerID': 10, 'hostID': 4294967294, 'size': 1}],"
                                   "'gidMappings': [{'containerID': 0, 'hostID': 5, 'size': 1}]");

        (void)state;
        assert_true(r.wanted);
        assert_string_equal(r.uid_text, "0 1000 10\n10 4294967294 1\n");
        assert_string_equal(r.gid_text, "0 5 1\n");
}

static void the_set_up_runs_as_root_if_there_is_one(void **state)
{
        (void)state;
        assert_true(plan(USER "'uidMappings': [{'containerID': 0, 'hostID': 9, 'size': 1}],"
                              "'gidMappings': [{'containerID': 0, 'hostID': 9, 'size': 1}]")
                            .become_root);
        assert_false(plan(USER "'uidMappings': [{'containerID': 1, 'hostID': 9, 'size': 1}],"
                               "'gidMappings': [{'containerID': 0, 'hostID': 9, 'size': 1}]")
                             .become_root);
        assert_false(plan(USER "'uidMappings': [{'containerID': 0, 'hostID': 9, 'size': 1}],"
                               "'gidMappings': [{'containerID': 1, 'hostID': 9, 'size': 1}]")
                             .become_root);
}

static void a_joined_user_namespace_keeps_its_maps(void **state)
{
        struct idmap_plan r = plan("'namespaces': [{'type': 'user', 'path': '/x'}]");

        (void)state;
        assert_false(r.wanted);
        assert_true(r.become_root);
}

static void without_a_user_namespace_nothing_is_done(void **state)
{
        struct idmap_plan r = plan("'namespaces': [{'type': 'mount'}]");

        (void)state;
        assert_false(r.wanted);
        assert_false(r.become_root);
        assert_int_equal(idmap_child(&r, &error), 0);
}

static void equal_mappings_are_the_same(void **state)
{
        struct id_mapping a[] = { { 0, 10, 5 }, { 5, 20, 5 } },
                          b[] = { { 0, 10, 5 }, { 5, 20, 6 } };
        const struct id_mappings none = { 0 }, both = { a, 2 }, one = { a, 1 }, other = { b, 2 };
        const struct id_mappings part = { b, 1 };

        (void)state;
        assert_true(idmap_is_same(&none, &none));
        assert_true(idmap_is_same(&one, &part));
        assert_false(idmap_is_same(&both, &one));
        assert_false(idmap_is_same(&both, &other));
        assert_false(idmap_is_same(&none, &one));
}

struct meeting {
        int to_child[2], to_parent[2];
        const struct idmap_plan *plan;
};

static void be_mapped(struct meeting *m)
{
        char map[64];
        char c;

        assert_true(sys_setgroups(2, (const uint32_t[]){ 0, 7 }) == 0);
        child_unshare(CLONE_NEWUSER);
        assert_true(write(m->to_parent[1], "", 1) == 1);
        assert_true(read(m->to_child[0], &c, 1) == 1);
        assert_true(idmap_child(m->plan, &error) == 0);
        assert_true(getuid() == 0 && geteuid() == 0 && getgid() == 0 && getegid() == 0);
        assert_true(getgroups(0, NULL) == 0);
        assert_true(file_peek(AT_FDCWD, "/proc/self/uid_map", map, sizeof(map)) > 0);
        assert_true(strstr(map, "4000000000") && strstr(map, " 2"));
        assert_true(file_peek(AT_FDCWD, "/proc/self/gid_map", map, sizeof(map)) > 0);
        assert_true(strstr(map, "4000000010"));
}

static const struct id_mapping uid_map = { 0, 4000000000u, 2 }, gid_map = { 0, 4000000010u, 1 };

/* What is read of the namespace that the process PID is in. */
static void read_back(pid_t pid, int proc)
{
        struct id_mappings uids, gids;
        char name[40];
        int fd;

        snprintf(name, sizeof(name), "%d/ns/user", pid);
        fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        if (idmap_read(fd, proc, test_arena(), &uids, &gids, &error) < 0)
                fail_msg("%s", error.text);
        close(fd);
        assert_int_equal(uids.n, 1);
        assert_memory_equal(uids.v, &uid_map, sizeof(uid_map));
        assert_int_equal(gids.n, 1);
        assert_memory_equal(gids.v, &gid_map, sizeof(gid_map));
}

static void a_waiting_process_becomes_the_namespaces_root(void **state)
{
        struct idmap_plan p = plan(
                USER "'uidMappings': [{'containerID': 0, 'hostID': 4000000000, 'size': 2}],"
                     "'gidMappings': [{'containerID': 0, 'hostID': 4000000010, 'size': 1}]");
        struct meeting m = { .plan = &p };
        int proc = open("/proc", O_PATH | O_CLOEXEC), status;
        pid_t pid;
        char c;

        (void)state;
        NEEDS_ROOT();
        assert_int_equal(pipe2(m.to_child, O_CLOEXEC) | pipe2(m.to_parent, O_CLOEXEC), 0);
        pid = child_fork();
        if (pid == 0) {
                close(m.to_child[1]);
                be_mapped(&m);
                _exit(0);
        }
        close(m.to_parent[1]);
        close(m.to_child[0]);
        if (read(m.to_parent[0], &c, 1) == 1) {
                assert_int_equal(idmap_parent(&p, proc, pid, &error), 0);
                read_back(pid, proc);
                assert_int_equal(write(m.to_child[1], "", 1), 1);
        }
        close(m.to_parent[0]);
        close(m.to_child[1]);
        close(proc);
        status = child_wait(pid);
        CHILD_DONE(status);
}

/* A process without a new user namespace has its map already. */
static void maps_that_cannot_be_set_are_an_error(void **state)
{
        struct idmap_plan p = { .uid_text = "0 0 1\n", .gid_text = "0 0 1\n" };
        int proc = open("/proc", O_PATH | O_CLOEXEC);

        (void)state;
        assert_int_equal(idmap_parent(&p, proc, getpid(), &error), -1);
        assert_memory_equal(error.text, "linux.uidMappings: cannot set them: ", 36);
        close(proc);
}

static void only_a_user_namespace_can_be_read(void **state)
{
        int proc = open("/proc", O_PATH | O_CLOEXEC);
        int uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
        struct id_mappings uids, gids;

        (void)state;
        assert_int_equal(idmap_read(uts, proc, test_arena(), &uids, &gids, &error), -1);
        assert_string_equal(error.text, "cannot join the user namespace: EINVAL");
        assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
        close(uts);
        close(proc);
}

/* The maps of a namespace that nobody is in, read by joining it. */
static void a_namespace_is_made_of_maps_alone(void **state)
{
        struct id_mappings uids = { (struct id_mapping *)(uintptr_t)&uid_map, 1 };
        struct id_mappings gids = { (struct id_mapping *)(uintptr_t)&gid_map, 1 };
        struct id_mappings read_uids, read_gids;
        int proc = open("/proc", O_PATH | O_CLOEXEC), fd;

        (void)state;
        NEEDS_ROOT();
        fd = idmap_make(&uids, &gids, proc, &error);
        if (fd < 0)
                fail_msg("%s", error.text);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        if (idmap_read(fd, proc, test_arena(), &read_uids, &read_gids, &error) < 0)
                fail_msg("%s", error.text);
        assert_true(idmap_is_same(&uids, &read_uids) && idmap_is_same(&gids, &read_gids));
        close(fd);
        close(proc);
        assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void a_namespace_is_not_made_of_maps_that_the_kernel_refuses(void **state)
{
        static const struct id_mapping none = { 0, 0, 0 };
        struct id_mappings uids = { (struct id_mapping *)(uintptr_t)&none, 1 };
        struct id_mappings gids = { (struct id_mapping *)(uintptr_t)&gid_map, 1 };
        int proc = open("/proc", O_PATH | O_CLOEXEC);

        (void)state;
        NEEDS_ROOT();
        assert_int_equal(idmap_make(&uids, &gids, proc, &error), -1);
        assert_string_equal(error.text, "cannot map ids in a user namespace: EINVAL");
        assert_true(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
        close(proc);
}

static void an_ordinary_user_writes_only_its_own_ids(void **state)
{
        const struct host root = { .uid = 0 };
        const struct host user = { .uid = 1000, .gid = 100, .no_mappings = true };
        struct idmap_plan own = plan(USER "'uidMappings': [{'containerID': 0, 'hostID': 1000,"
                                          "'size': 1}], 'gidMappings': [{'containerID': 7,"
                                          "'hostID': 100, 'size': 1}]");
        struct idmap_plan more = plan(USER "'uidMappings': [{'containerID': 0, 'hostID': 1000,"
                                           "'size': 1}], 'gidMappings': [{'containerID': 0,"
                                           "'hostID': 100, 'size': 2}]");
        struct idmap_plan other = plan(USER "'uidMappings': [{'containerID': 0, 'hostID': 1001,"
                                            "'size': 1}], 'gidMappings': [{'containerID': 0,"
                                            "'hostID': 100, 'size': 1}]");

        (void)state;
        idmap_plan_writer(&root, &more);
        assert_false(more.uid_helper || more.gid_helper || more.deny_groups || more.no_groups);
        idmap_plan_writer(&user, &own);
        assert_false(own.uid_helper || own.gid_helper);
        assert_true(own.deny_groups && own.no_groups);
        idmap_plan_writer(&user, &more);
        assert_true(!more.uid_helper && more.gid_helper && !more.deny_groups && !more.no_groups);
        idmap_plan_writer(&user, &other);
        assert_true(other.uid_helper);
}

static void a_denied_setgroups_is_inherited(void **state)
{
        const struct host h = { .no_setgroups = true };
        struct idmap_plan r = plan("'namespaces': [{'type': 'mount'}]");

        (void)state;
        idmap_plan_writer(&h, &r);
        assert_true(r.no_groups && !r.deny_groups);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_maps_are_the_kernels_text),
                cmocka_unit_test(the_set_up_runs_as_root_if_there_is_one),
                cmocka_unit_test(a_joined_user_namespace_keeps_its_maps),
                cmocka_unit_test(without_a_user_namespace_nothing_is_done),
                cmocka_unit_test(equal_mappings_are_the_same),
                cmocka_unit_test(a_waiting_process_becomes_the_namespaces_root),
                cmocka_unit_test(a_namespace_is_made_of_maps_alone),
                cmocka_unit_test(a_namespace_is_not_made_of_maps_that_the_kernel_refuses),
                cmocka_unit_test(only_a_user_namespace_can_be_read),
                cmocka_unit_test(maps_that_cannot_be_set_are_an_error),
                cmocka_unit_test(an_ordinary_user_writes_only_its_own_ids),
                cmocka_unit_test(a_denied_setgroups_is_inherited),
        };

        return RUN(tests);
}
