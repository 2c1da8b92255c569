#include "child.h"

#include "kenro/base/file.h"
#include "kenro/part/sysctl.h"

#define EVERY (CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUSER)

static struct err error;

static struct sysctl_plan planned;

static int plan(const char *key, const char *value, uint64_t own)
{
        struct json_pair pair = { key, value };
        const struct pairs list = { &pair, 1 };

        memset(&error, 0, sizeof(error));
        return sysctl_plan(&list, own, test_arena(), &planned, &error);
}

#define REFUSES(key, own, message)                                                                 \
        do {                                                                                       \
                assert_int_equal(plan(key, "1", own), -1);                                         \
                assert_string_equal(error.text, "linux.sysctl." key ": " message);                 \
        } while (0)

#define IPC_NEEDED "needs an ipc namespace of its own, it would change the host"
#define UTS_NEEDED "needs a uts namespace of its own, it would change the host"
#define NET_NEEDED "needs a network namespace of its own, it would change the host"
#define NO_NAMESPACE "is not namespaced, it would change the host"

static void each_parameter_needs_its_own_namespace(void **state)
{
        static const char *const ipc[] = { "kernel.msgmax",     "kernel.msgmnb",
                                           "kernel.msgmni",     "kernel.sem",
                                           "kernel.shmall",     "kernel.shmmax",
                                           "kernel.shmmni",     "kernel.shm_rmid_forced",
                                           "fs.mqueue.msg_max", "fs.mqueue.queues_max" };

        (void)state;
        for (size_t i = 0; i < COUNT(ipc); i++) {
                assert_int_equal(plan(ipc[i], "1", CLONE_NEWIPC), 0);
                assert_int_equal(plan(ipc[i], "1", EVERY & ~CLONE_NEWIPC), -1);
        }
        REFUSES("kernel.sem", CLONE_NEWNET | CLONE_NEWUTS, IPC_NEEDED);
        assert_int_equal(plan("kernel.domainname", "x", CLONE_NEWUTS), 0);
        REFUSES("kernel.domainname", CLONE_NEWNET | CLONE_NEWIPC, UTS_NEEDED);
        assert_int_equal(plan("net.ipv4.ip_forward", "1", CLONE_NEWNET), 0);
        REFUSES("net.ipv4.ip_forward", CLONE_NEWUTS | CLONE_NEWIPC, NET_NEEDED);
        REFUSES("net.core.somaxconn", 0, NET_NEEDED);
}

static void what_no_namespace_owns_is_refused(void **state)
{
        (void)state;
        REFUSES("kernel.core_pattern", EVERY, NO_NAMESPACE);
        REFUSES("kernel.modprobe", EVERY, NO_NAMESPACE);
        REFUSES("vm.swappiness", EVERY, NO_NAMESPACE);
        REFUSES("fs.suid_dumpable", EVERY, NO_NAMESPACE);
        REFUSES("kernel.semantics", EVERY, NO_NAMESPACE);
        REFUSES("fs.mqueue", EVERY, NO_NAMESPACE);
        REFUSES("network.x", EVERY, NO_NAMESPACE);
        REFUSES("kernel.msgmax.x", EVERY, NO_NAMESPACE);
}

static void the_hostname_has_a_field_of_its_own(void **state)
{
        (void)state;
        REFUSES("kernel.hostname", EVERY, "set 'hostname' instead");
        REFUSES("kernel/hostname", EVERY, "set 'hostname' instead");
}

static void dots_and_slashes_both_separate(void **state)
{
        (void)state;
        assert_int_equal(plan("net.ipv4.ip_forward", "1", EVERY), 0);
        assert_string_equal(planned.v[0].path, "sys/net/ipv4/ip_forward");
        assert_int_equal(plan("net/ipv4/ip_forward", "1", EVERY), 0);
        assert_string_equal(planned.v[0].path, "sys/net/ipv4/ip_forward");
        /* sysctl(8): the first separator decides, the other is part of a name */
        assert_int_equal(plan("net.ipv4.conf.eth0/1.forwarding", "1", EVERY), 0);
        assert_string_equal(planned.v[0].path, "sys/net/ipv4/conf/eth0.1/forwarding");
        assert_int_equal(plan("net/ipv4/conf/eth0.1/forwarding", "1", EVERY), 0);
        assert_string_equal(planned.v[0].path, "sys/net/ipv4/conf/eth0.1/forwarding");
        assert_string_equal(planned.v[0].value, "1");
}

static void no_key_leads_elsewhere(void **state)
{
        static const char *const keys[] = {
                "",           "net",          "net/../kernel/x", "net/ipv4/../../kernel/x",
                "net/.",      "net/./ipv4/x", "net//ipv4",       "/net/ipv4/ip_forward",
                "net.",       "net..ipv4",    ".net.ipv4.x",     "fs.mqueue/../..",
                "../net/x",   "net/..",       "net/ipv4/",       "net.ipv4.//.x",
                "net.ipv4./", "..",
        };

        (void)state;
        for (size_t i = 0; i < COUNT(keys); i++)
                if (plan(keys[i], "1", EVERY) != -1)
                        fail_msg("'%s' is taken as %s", keys[i], planned.v[0].path);
        REFUSES("net/../kernel/core_pattern", EVERY, "not the name of a kernel parameter");
        REFUSES("", EVERY, "not the name of a kernel parameter");
}

static void a_value_is_one_line(void **state)
{
        (void)state;
        assert_int_equal(plan("kernel.sem", "250 32000 32 128", EVERY), 0);
        assert_int_equal(plan("kernel.sem", "1\n2", EVERY), -1);
        assert_string_equal(error.text, "linux.sysctl.kernel.sem: the value has a line break");
        assert_int_equal(plan("kernel.sem", "1\r", EVERY), -1);
        assert_int_equal(plan("kernel.domainname", "\nx", EVERY), -1);
}

static void set_in_new_namespaces(void *arg)
{
        int proc = open("/proc", O_PATH | O_CLOEXEC);
        char text[32];

        (void)arg;
        child_unshare(CLONE_NEWNET | CLONE_NEWIPC);
        assert_int_equal(plan("net.ipv4.ip_forward", "1", EVERY), 0);
        assert_int_equal(sysctl_child(&planned, proc, &error), 0);
        assert_true(file_peek(proc, "sys/net/ipv4/ip_forward", text, sizeof(text)) > 0);
        assert_string_equal(text, "1\n");
        assert_int_equal(plan("kernel/msgmax", "4321", EVERY), 0);
        assert_int_equal(sysctl_child(&planned, proc, &error), 0);
        assert_true(file_peek(proc, "sys/kernel/msgmax", text, sizeof(text)) > 0);
        assert_string_equal(text, "4321\n");

        assert_int_equal(plan("net.ipv4.no_such_thing", "1", EVERY), 0);
        assert_int_equal(sysctl_child(&planned, proc, &error), -1);
        assert_string_equal(error.text,
                            "linux.sysctl.net.ipv4.no_such_thing: cannot open it: ENOENT");
        assert_int_equal(plan("net.ipv4.ip_forward", "maybe", EVERY), 0);
        assert_int_equal(sysctl_child(&planned, proc, &error), -1);
        assert_string_equal(error.text,
                            "linux.sysctl.net.ipv4.ip_forward: cannot set 'maybe': EINVAL");
}

static void parameters_are_set_in_the_callers_namespaces(void **state)
{
        char before[32], after[32];

        (void)state;
        NEEDS_ROOT();
        assert_true(file_peek(AT_FDCWD, "/proc/sys/kernel/msgmax", before, sizeof(before)) > 0);
        IN_CHILD(set_in_new_namespaces, NULL);
        assert_true(file_peek(AT_FDCWD, "/proc/sys/kernel/msgmax", after, sizeof(after)) > 0);
        assert_string_equal(before, after);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_parameter_needs_its_own_namespace),
                cmocka_unit_test(what_no_namespace_owns_is_refused),
                cmocka_unit_test(the_hostname_has_a_field_of_its_own),
                cmocka_unit_test(dots_and_slashes_both_separate),
                cmocka_unit_test(no_key_leads_elsewhere),
                cmocka_unit_test(a_value_is_one_line),
                cmocka_unit_test(parameters_are_set_in_the_callers_namespaces),
        };

        return RUN(tests);
}
