#include "doctor.h"

static struct patient p;

static int make(void **state)
{
        (void)state;
        patient_make(&p);
        return 0;
}

static void a_host_that_is_ready_has_nothing_to_be_done(void **state)
{
        (void)state;
        for (const struct doctor_check *c = doctor_checks; c->name; c++) {
                const struct finding *f = judged(&p, c->name);

                assert_true(f->status == FINDING_OK || f->status == FINDING_INFO);
                assert_string_equal(f->fix, "");
                assert_true(f->text[0]);
        }
}

static void names_of_checks_are_stable(void **state)
{
        static const char *const names[] = {
                "kernel",  "caller",  "cgroup",     "controllers", "delegation", "systemd",
                "lsm",     "seccomp", "userns",     "subids",      "state",      "podman",
                "buildah", "docker",  "containerd", "crio",        "runtimes",
        };

        (void)state;
        for (size_t i = 0; i < COUNT(names); i++)
                assert_string_equal(doctor_checks[i].name, names[i]);
        assert_null(doctor_checks[COUNT(names)].name);
}

static void the_kernel_has_to_have_what_kenro_uses(void **state)
{
        const char *missing[] = { "openat2", "clone3" };

        (void)state;
        FINDS(&p, "kernel", "ok", "Linux 6.1.0", "");
        p.survey.no_calls = (struct strings){ missing, 2 };
        FINDS(&p, "kernel", "fail", "openat2, clone3", "seccomp filter");
        p.survey.no_calls.n = 0;
        p.survey.no_namespaces = (struct strings){ missing, 1 };
        FINDS(&p, "kernel", "fail", "namespaces that it does not have: openat2", "boot");
        p.doctor.host_error = "Linux 4.19 is too old, kenro needs 5.15";
        FINDS(&p, "kernel", "fail", "Linux 4.19 is too old", "5.15");
}

static void the_caller_is_named(void **state)
{
        (void)state;
        FINDS(&p, "caller", "info", "an ordinary user, uid 1000, u", "");
        p.in.uid = 0;
        FINDS(&p, "caller", "info", "root without the power", "");
        p.host.all_ids = false;
        FINDS(&p, "caller", "info", "root of a user namespace", "");
        patient_make(&p);
        patient_is_root(&p);
        FINDS(&p, "caller", "info", "root, uid 0", "");
}

static void without_cgroup2_nothing_works(void **state)
{
        (void)state;
        FINDS(&p, "cgroup", "ok", "cgroup2 at /sys/fs/cgroup, alone (pure); own group /g", "");
        p.survey.v1 = (char[]){ "memory" };
        FINDS(&p, "cgroup", "ok", "beside version 1 (hybrid)", "");
        p.in.cgroup = NULL;
        FINDS(&p, "cgroup", "fail", "no cgroup2", "mount -t cgroup2");
        FINDS(&p, "controllers", "info", "no cgroup2 tree", "");
}

static void missing_controllers_are_named_with_who_has_them(void **state)
{
        (void)state;
        FINDS(&p, "controllers", "ok", "cpuset cpu io memory pids", "");
        p.survey.enabled = (char[]){ "" };
        FINDS(&p, "controllers", "ok", "below the root: none yet", "");
        p.survey.controllers = (char[]){ "cpuset cpu io" };
        FINDS(&p, "controllers", "warn", "missing: memory pids", "cgroup_disable=");
        p.survey.v1 = (char[]){ "memory pids" };
        FINDS(&p, "controllers", "warn", "version 1 has memory pids", "unified_cgroup_hierarchy");
        p.survey.controllers = NULL;
        FINDS(&p, "controllers", "warn", "none", "");
}

static void an_ordinary_user_needs_a_delegated_group(void **state)
{
        (void)state;
        FINDS(&p, "delegation", "ok", "the own group is delegated: cpuset", "");
        p.survey.own.ours = false;
        FINDS(&p, "delegation", "warn", "no group is delegated", "user@1000.service");
        p.survey.manager = (struct survey_group){ (char[]){ "memory pids" }, true };
        FINDS(&p, "delegation", "warn", "user@.service is delegated: memory pids; missing: cpu io",
              "Delegate=cpu cpuset io memory pids");
        p.survey.controllers = (char[]){ "pids memory" }; /* nothing that could be delegated */
        FINDS(&p, "delegation", "ok", "memory pids", "");
        patient_is_root(&p);
        FINDS(&p, "delegation", "info", "root's", "");
}

static void systemd_needs_its_bus_and_the_helper(void **state)
{
        (void)state;
        FINDS(&p, "systemd", "ok", "its bus is there", "");
        p.survey.helper = false;
        FINDS(&p, "systemd", "warn", "/usr/libexec/helper, which is missing", "cgroupfs");
        p.survey.user_bus = false;
        FINDS(&p, "systemd", "warn", "this user's manager", "enable-linger");
        patient_is_root(&p);
        p.survey.system_bus = false;
        FINDS(&p, "systemd", "warn", "its bus is not there", "dbus.socket");
        p.survey.systemd = false;
        FINDS(&p, "systemd", "info", "cgroupfs", "");
}

static void lsms_are_named(void **state)
{
        (void)state;
        FINDS(&p, "lsm", "ok", "AppArmor is enabled", "");
        p.survey.selinux = true;
        FINDS(&p, "lsm", "ok", "AppArmor is enabled; SELinux is enabled, permissive", "");
        p.survey.apparmor = p.survey.selinux = false;
        FINDS(&p, "lsm", "info", "neither", "");
}

static void seccomp_has_to_have_the_actions(void **state)
{
        (void)state;
        FINDS(&p, "seccomp", "ok", "user_notif", "");
        p.survey.seccomp = (char[]){ "kill_process trap errno log allow" };
        FINDS(&p, "seccomp", "warn", "user_notif is missing", "SCMP_ACT_NOTIFY");
        p.survey.seccomp = (char[]){ "kill_thread trap errno allow" };
        FINDS(&p, "seccomp", "fail", "missing: kill_process log", "newer");
        p.survey.seccomp = NULL;
        FINDS(&p, "seccomp", "fail", "no seccomp", "CONFIG_SECCOMP_FILTER");
}

static void user_namespaces_matter_most_to_ordinary_users(void **state)
{
        (void)state;
        FINDS(&p, "userns", "ok", "at most 1000", "");
        p.survey.apparmor_restricts = 1;
        FINDS(&p, "userns", "warn", "by profile only", "userns,");
        p.survey.users_may_unshare = 0;
        FINDS(&p, "userns", "fail", "unprivileged_userns_clone is 0", "sysctl -w");
        p.survey.max_user_namespaces = 0;
        FINDS(&p, "userns", "fail", "none can be made", "max_user_namespaces=");
        patient_is_root(&p);
        FINDS(&p, "userns", "warn", "none can be made", "");
        p.survey.max_user_namespaces = -1;
        p.survey.users_may_unshare = -1;
        FINDS(&p, "userns", "ok", "no limit is known", "");
}

static void more_ids_take_files_and_programs(void **state)
{
        (void)state;
        FINDS(&p, "subids", "ok", "65536 users and 65536 groups", "");
        p.survey.newgidmap = false;
        FINDS(&p, "subids", "warn", "newgidmap is missing", "uidmap");
        p.survey.subgids = 0;
        FINDS(&p, "subids", "warn", "/etc/subgid", "usermod");
        patient_is_root(&p);
        FINDS(&p, "subids", "info", "root needs none", "");
}

static void the_state_directory_has_to_be_the_callers_alone(void **state)
{
        struct survey_state *s = &p.survey.state;

        (void)state;
        FINDS(&p, "state", "ok", "mode 1700, on a tmpfs", "");
        s->tmpfs = false;
        FINDS(&p, "state", "warn", "outlives a reboot", "tmpfs");
        s->mode = 01770;
        FINDS(&p, "state", "fail", "mode 1770: others may write", "chmod 0700 /run/user");
        s->uid = 1;
        FINDS(&p, "state", "fail", "belongs to uid 1", "--root");
        s->directory = false;
        FINDS(&p, "state", "fail", "is no directory", "remove");
        s->weak = "/run";
        FINDS(&p, "state", "fail", "others may rename what is in /run", "chmod go-w /run");
        *s = (struct survey_state){ .can_be_made = true };
        FINDS(&p, "state", "ok", "will be made", "");
        s->can_be_made = false;
        FINDS(&p, "state", "fail", "cannot make it", "XDG_RUNTIME_DIR");
}

static void nothing_is_said_of_what_cannot_be_read(void **state)
{
        (void)state;
        p.survey.blind = true;
        p.survey.seccomp = NULL;
        p.doctor.host_error = "/proc is not a procfs";
        FINDS(&p, "kernel", "fail", "/proc is not a procfs", "procfs");
        FINDS(&p, "seccomp", "info", "cannot be told", "");
        FINDS(&p, "docker", "info", "cannot be told", "");
        FINDS(&p, "caller", "info", "an ordinary user", "");
        p.in.uid = 0;
        FINDS(&p, "caller", "info", "root, of whatever", "");
}

static void control_characters_do_not_get_out(void **state)
{
        const struct finding *f;

        (void)state;
        p.in.state = "/x\033[2J\xc2\x9b\xff\n";
        f = judged(&p, "state");
        assert_non_null(strstr(f->text, "/x?[2J????"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, make)
        const struct CMUnitTest tests[] = {
                TEST(a_host_that_is_ready_has_nothing_to_be_done),
                TEST(names_of_checks_are_stable),
                TEST(the_kernel_has_to_have_what_kenro_uses),
                TEST(the_caller_is_named),
                TEST(without_cgroup2_nothing_works),
                TEST(missing_controllers_are_named_with_who_has_them),
                TEST(an_ordinary_user_needs_a_delegated_group),
                TEST(systemd_needs_its_bus_and_the_helper),
                TEST(lsms_are_named),
                TEST(seccomp_has_to_have_the_actions),
                TEST(user_namespaces_matter_most_to_ordinary_users),
                TEST(more_ids_take_files_and_programs),
                TEST(the_state_directory_has_to_be_the_callers_alone),
                TEST(nothing_is_said_of_what_cannot_be_read),
                TEST(control_characters_do_not_get_out),
        };

        return RUN(tests);
}
