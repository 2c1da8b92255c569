#include "unit.h"

#include "kenro/plan/label.h"

static const struct host with = { .selinux = true }, without = { 0 };
static struct mount_plan mounts;
static struct err error;

#define LABEL "system_u:object_r:container_file_t:s0:c1,c2"

/* Plan the entries of MOUNTS and label them; MORE is behind them. */
static int label(const char *list, const char *more, const struct host *h)
{
        char text[2048];
        struct spec *s;
        const struct bundle nowhere = { "/nowhere", -1 };

        snprintf(text, sizeof(text), "'linux': {'mountLabel': '" LABEL "'}, 'mounts': [%s]%s%s",
                 list, *more ? "," : "", more);
        s = test_spec(text);
        if (mount_plan(s, &nowhere, "/", test_arena(), &mounts, &error) < 0)
                fail_msg("%s", error.text);
        return label_mounts(s, h, &mounts, test_arena(), &error);
}

/* The value of the option KEY of what is mounted at DEST, or NULL. */
static const char *option(const char *dest, const char *key)
{
        for (size_t i = 0; i < mounts.n; i++) {
                const struct mount_entry *m = &mounts.v[i];

                if (strcmp(m->dest, dest) != 0)
                        continue;
                for (size_t k = 0; k < m->o.n_param; k++)
                        if (strcmp(m->o.param[k].key, key) == 0)
                                return m->o.param[k].value;
                return NULL;
        }
        fail_msg("nothing is mounted at %s", dest);
        return NULL;
}

#define ENTRY(type, dest, options)                                                                 \
        "{'type': '" type "', 'destination': '" dest "', 'options': [" options "]}"

static void a_file_system_of_its_own_gets_the_label(void **state)
{
        (void)state;
        assert_int_equal(label(ENTRY("tmpfs", "/a", "'size=1m'") "," ENTRY("devpts", "/dev/pts",
                                                                           ""),
                               "", &with),
                         0);
        assert_string_equal(option("/a", "context"), LABEL);
        assert_string_equal(option("/a", "size"), "1m");
        assert_string_equal(option("/dev/pts", "context"), LABEL);
        assert_string_equal(option("/dev", "context"), LABEL); /* kenro's own */
        assert_string_equal(option("/dev", "mode"), "755");
}

static void what_cannot_have_one_does_not_get_it(void **state)
{
        (void)state;
        assert_int_equal(label(ENTRY("proc", "/proc", "") "," ENTRY("sysfs", "/sys", "") "," ENTRY(
                                       "cgroup", "/sys/fs/cgroup", "") "," ENTRY("mqueue",
                                                                                 "/dev/mqueue", ""),
                               "", &with),
                         0);
        assert_null(option("/proc", "context"));
        assert_null(option("/sys", "context"));
        assert_null(option("/sys/fs/cgroup", "context"));
        assert_null(option("/dev/mqueue", "context"));
        for (size_t i = 0; i < mounts.n; i++)
                if (strcmp(mounts.v[i].dest, "/dev/mqueue") == 0)
                        assert_string_equal(mounts.v[i].label, LABEL);
                else
                        assert_null(mounts.v[i].label);
}

static void an_option_of_the_entry_itself_stays_alone(void **state)
{
        (void)state;
        assert_int_equal(label(ENTRY("tmpfs", "/a", "'rootcontext=x:y:z'"), "", &with), 0);
        assert_string_equal(option("/a", "rootcontext"), "x:y:z");
        assert_null(option("/a", "context"));
}

static void an_annotation_names_another_option(void **state)
{
        (void)state;
        assert_int_equal(label(ENTRY("tmpfs", "/a", ""),
                               "'annotations': {'run.oci.mount_context_type': 'rootcontext'}",
                               &with),
                         0);
        assert_string_equal(option("/a", "rootcontext"), LABEL);
        assert_null(option("/a", "context"));
        assert_int_equal(label(ENTRY("tmpfs", "/a", ""),
                               "'annotations': {'run.oci.mount_context_type': 'x'}", &with),
                         -1);
        assert_string_equal(error.text,
                            "annotations: run.oci.mount_context_type: 'x' is not one of: context, "
                            "fscontext, defcontext, rootcontext");
}

static void a_label_needs_selinux(void **state)
{
        (void)state;
        assert_int_equal(label("", "", &without), -1);
        assert_string_equal(error.text, "linux.mountLabel: SELinux is not enabled on this host");
        assert_string_equal(label_of_mounts(test_spec("'linux': {'mountLabel': 'a'}")), "a");
        assert_null(label_of_mounts(test_spec("'linux': {'mountLabel': ''}")));
        assert_null(label_of_mounts(test_spec("'linux': {}")));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_system_of_its_own_gets_the_label),
                cmocka_unit_test(what_cannot_have_one_does_not_get_it),
                cmocka_unit_test(an_option_of_the_entry_itself_stays_alone),
                cmocka_unit_test(an_annotation_names_another_option),
                cmocka_unit_test(a_label_needs_selinux),
        };

        return RUN(tests);
}
