#include "unit.h"

#include "kenro/base/sys.h"
#include "kenro/spec/spec_fields.h"
#include "kenro/spec/spec_load.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct spec spec;
static struct err error;

static int parse(const char *text)
{
        struct json_source src = { "config.json", text, strlen(text), test_arena(), false };

        memset(&error, 0, sizeof(error));
        return spec_parse(&src, &spec, &error);
}

#define HEAD "{\"ociVersion\": \"1.2.1\", \"root\": {\"path\": \"rootfs\"}, "
#define LINUX(inside) HEAD "\"linux\": {" inside "}}"
#define PROCESS(inside) HEAD "\"linux\": {}, \"process\": {\"cwd\": \"/\", " inside "}}"

#define REFUSES(input, message)                                                                    \
        do {                                                                                       \
                assert_int_equal(parse(input), -1);                                                \
                assert_string_equal(error.text + strcspn(error.text, " ") + 1, message);           \
        } while (0)

static void names_become_the_kernels_values(void **state)
{
        (void)state;
        assert_int_equal(
                parse(HEAD "\"process\": {\"cwd\": \"/\", \"args\": [\"sh\"], \"rlimits\": ["
                           "{\"type\": \"RLIMIT_NOFILE\", \"soft\": 1, \"hard\": 2}]},"
                           "\"linux\": {\"namespaces\": [{\"type\": \"network\", \"path\": \"/n\"},"
                           "{\"type\": \"pid\"}], \"rootfsPropagation\": \"rslave\","
                           "\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ERRNO\"}}}"),
                0);
        assert_int_equal(spec.process->rlimits.v[0].type.v, RLIMIT_NOFILE);
        assert_string_equal(spec_namespace(&spec, CLONE_NEWNET)->path, "/n");
        assert_true(spec_namespace_new(&spec, CLONE_NEWPID));
        assert_false(spec_namespace_new(&spec, CLONE_NEWNET));
        assert_null(spec_namespace(&spec, CLONE_NEWUTS));
        assert_int_equal(spec.linux_->rootfs_propagation.v, MS_SLAVE | MS_REC);
        assert_int_equal(spec.linux_->seccomp->default_action.v, SECCOMP_RET_ERRNO);
}

static void only_version_1_is_accepted(void **state)
{
        (void)state;
        assert_int_equal(parse("{\"ociVersion\": \"1.3.0-rc.1+dev\", \"root\": {\"path\": \"r\"},"
                               "\"linux\": {}}"),
                         0);
        REFUSES("{\"ociVersion\": \"7.0.0\"}", "ociVersion: 7.0.0 is not supported, only 1.x is");
        REFUSES("{\"ociVersion\": \"1.0\"}", "ociVersion: '1.0' is not a version like 1.3.0");
        REFUSES("{\"ociVersion\": \"01.0.0\"}", "ociVersion: '01.0.0' is not a version like 1.3.0");
        REFUSES("{\"ociVersion\": \"1.0.0-\"}", "ociVersion: '1.0.0-' is not a version like 1.3.0");
        REFUSES("{\"ociVersion\": \"1.0.0\"}", "'root' is required");
        REFUSES(HEAD "\"x\": 1}", "'linux' is required");
        REFUSES(HEAD "\"vm\": {}}", "vm: kenro runs no virtual machines");
}

static void namespaces_are_checked(void **state)
{
        (void)state;
        REFUSES(LINUX("\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"pid\"}]"),
                "linux.namespaces[1].type: 'pid' is already listed");
        REFUSES(LINUX("\"namespaces\": [{\"type\": \"pid\", \"path\": \"run/x\"}]"),
                "linux.namespaces[0].path: 'run/x' is not an absolute path");
        REFUSES(LINUX("\"namespaces\": [{\"type\": \"nett\"}]"),
                "linux.namespaces[0].type: 'nett' is not one of: pid, network, mount, ipc, uts, "
                "user, cgroup, time");
        REFUSES(LINUX("\"uidMappings\": [{\"containerID\": 0, \"hostID\": 1, \"size\": 1}]"),
                "linux.uidMappings: needs a user namespace in linux.namespaces");
        REFUSES(LINUX("\"namespaces\": [{\"type\": \"user\"}]"),
                "linux.namespaces: a new user namespace needs linux.uidMappings");
        REFUSES(LINUX("\"timeOffsets\": {\"boottime\": {\"secs\": 1}}"),
                "linux.timeOffsets: needs a new time namespace");
        REFUSES(LINUX("\"timeOffsets\": {\"wall\": {\"secs\": 1}}"),
                "linux.timeOffsets.wall: no such clock, there are monotonic and boottime");
        REFUSES(HEAD "\"linux\": {}, \"hostname\": \"x\"}",
                "hostname: needs a uts namespace, or the host would be renamed");
}

static void mappings_do_not_overlap(void **state)
{
        (void)state;
        REFUSES(LINUX("\"uidMappings\": [{\"containerID\": 0, \"hostID\": 1000, \"size\": 10},"
                      "{\"containerID\": 9, \"hostID\": 5000, \"size\": 1}]"),
                "linux.uidMappings[1]: overlaps with entry 0");
        REFUSES(LINUX("\"gidMappings\": [{\"containerID\": 0, \"hostID\": 0, \"size\": 0}]"),
                "linux.gidMappings[0].size: is 0");
        REFUSES(LINUX("\"gidMappings\": [{\"containerID\": 0, \"hostID\": 4294967295,"
                      " \"size\": 1}]"),
                "linux.gidMappings[0].size: the range ends beyond id 4294967294");
}

static void a_process_is_checked(void **state)
{
        (void)state;
        assert_int_equal(parse(PROCESS("\"args\": [\"sh\"]")), 0);
        REFUSES(PROCESS("\"args\": []"), "process.args: at least one, not empty, is required");
        REFUSES(PROCESS("\"args\": [\"\"]"), "process.args: at least one, not empty, is required");
        REFUSES(HEAD "\"linux\": {}, \"process\": {\"cwd\": \"tmp\", \"args\": [\"sh\"]}}",
                "process.cwd: 'tmp' is not an absolute path");
        REFUSES(PROCESS("\"args\": [\"sh\"], \"user\": {\"uid\": 4294967295, \"gid\": 0}"),
                "process.user.uid: 4294967295 is not a whole number 0..4294967294");
        REFUSES(PROCESS("\"args\": [\"sh\"], \"rlimits\": ["
                        "{\"type\": \"RLIMIT_CORE\", \"soft\": 0, \"hard\": 0},"
                        "{\"type\": \"RLIMIT_CORE\", \"soft\": 0, \"hard\": 0}]"),
                "process.rlimits[1].type: 'RLIMIT_CORE' is already listed");
        REFUSES(PROCESS("\"args\": [\"sh\"], \"rlimits\": ["
                        "{\"type\": \"RLIMIT_CORE\", \"soft\": 2, \"hard\": 1}]"),
                "process.rlimits[0].soft: is larger than hard");
}

static void seccomp_is_checked(void **state)
{
        (void)state;
        REFUSES(LINUX("\"seccomp\": {\"defaultAction\": \"SCMP_ACT_KILL\","
                      " \"defaultErrnoRet\": 1}"),
                "linux.seccomp.defaultErrnoRet: SCMP_ACT_KILL takes no errno");
        REFUSES(LINUX("\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
                      "{\"names\": [], \"action\": \"SCMP_ACT_ERRNO\"}]}"),
                "linux.seccomp.syscalls[0].names: at least one name is required");
        REFUSES(LINUX("\"seccomp\": {\"defaultAction\": \"SCMP_ACT_ALLOW\","
                      " \"listenerMetadata\": \"x\"}"),
                "linux.seccomp.listenerMetadata: needs listenerPath");
}

static void a_missing_file_and_a_fifo_are_no_hang(void **state)
{
        char dir[] = "/tmp/kenro-unit-XXXXXX";
        struct spec_file file;
        int fd;

        (void)state;
        assert_non_null(mkdtemp(dir));
        fd = open(dir, O_PATH | O_CLOEXEC);
        assert_int_equal(spec_load(fd, "config.json", true, test_arena(), &file, &error), -1);
        assert_string_equal(error.text, "JSON specification file config.json not found");
        assert_int_equal(mkfifoat(fd, "config.json", 0600), 0);
        assert_int_equal(spec_load(fd, "config.json", true, test_arena(), &file, &error), -1);
        assert_string_equal(error.text, "config.json is not a regular file");
        unlinkat(fd, "config.json", 0);
        rmdir(dir);
        close(fd);
}

/* The decoder marks fields in 64 bits. */
static void count_fields(const struct json_shape *shape, size_t *total, int depth)
{
        size_t n = 0;

        assert_true(depth < JSON_DEPTH_MAX);
        for (const struct json_field *f = shape->fields; f->kind != J_END; f++, n++) {
                assert_true(f->kind == J_SKIP || f->offset < shape->size);
                if (f->kind == J_ENUM || f->elem == J_ENUM)
                        assert_non_null(f->names);
                if (f->shape)
                        count_fields(f->shape, total, depth + 1);
        }
        assert_true(n <= 64);
        *total += n;
}

static void the_tables_cover_the_specification(void **state)
{
        size_t total = 0;

        (void)state;
        count_fields(&spec_shape, &total, 0);
        assert_true(total >= 220);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_become_the_kernels_values),
                cmocka_unit_test(only_version_1_is_accepted),
                cmocka_unit_test(namespaces_are_checked),
                cmocka_unit_test(mappings_do_not_overlap),
                cmocka_unit_test(a_process_is_checked),
                cmocka_unit_test(seccomp_is_checked),
                cmocka_unit_test(a_missing_file_and_a_fifo_are_no_hang),
                cmocka_unit_test(the_tables_cover_the_specification),
        };

        return RUN(tests);
}
