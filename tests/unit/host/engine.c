#include "fake.h"

#include "kenro/host/engine.h"

static struct err error;
static struct fake fake;
static struct engine_look in;
static struct engine g;

static int make(void **state)
{
        (void)state;
        fake_make(&fake);
        in = (struct engine_look){ .root = fake.root, .arena = test_arena() };
        return 0;
}

static int drop(void **state)
{
        (void)state;
        fake_remove(&fake);
        return 0;
}

static void look(enum engine_kind kind)
{
        if (engine_look(&in, kind, &g, &error) < 0)
                fail_msg("%s", error.text);
}

/* The runtime is executed at PATH (NULL: nowhere), and KENRO or not. */
static void assert_runtime(const char *name, const char *path, bool kenro)
{
        const struct engine_runtime *t = engine_runtime(&g, name);

        assert_non_null(t);
        if (path)
                assert_string_equal(t->path, path);
        else
                assert_null(t->path);
        assert_int_equal(t->kenro, kenro);
}

static void an_engine_without_files_has_what_it_knows_itself(void **state)
{
        (void)state;
        look(ENGINE_PODMAN);
        assert_null(g.program);
        assert_string_equal(g.chosen, "crun");
        assert_int_equal(g.runtimes.n, 0);

        fake_program(&fake, "usr/bin/podman");
        fake_program(&fake, "usr/sbin/runc");
        look(ENGINE_PODMAN);
        assert_string_equal(g.name, "podman");
        assert_string_equal(g.program, "/usr/bin/podman");
        assert_string_equal(g.chosen, "runc");
        assert_null(g.chosen_in);
        assert_runtime("runc", "/usr/sbin/runc", false);
        assert_int_equal(g.files.n, 0);
        assert_null(g.error);
}

static void a_link_to_kenro_is_kenro_by_any_name(void **state)
{
        struct stat st;

        (void)state;
        fake_program(&fake, "opt/other");
        fake_program(&fake, "usr/local/sbin/kenro");
        fake_link(&fake, "usr/bin/runc", "/opt/other");
        look(ENGINE_DOCKER);
        assert_runtime("runc", "/usr/bin/runc", false);

        assert_int_equal(fstatat(fake.root, "opt/other", &st, 0), 0);
        in.self_dev = st.st_dev; /* then that is this program */
        in.self_ino = st.st_ino;
        look(ENGINE_DOCKER);
        assert_runtime("runc", "/usr/bin/runc", true);

        in.self_ino = 0;
        fake_link(&fake, "usr/local/sbin/runc", "../../local/sbin/kenro");
        look(ENGINE_DOCKER);
        assert_runtime("runc", "/usr/local/sbin/runc", true);
}

static void later_files_of_podman_change_what_earlier_ones_say(void **state)
{
        (void)state;
        in.home = "/home/u";
        fake_program(&fake, "usr/sbin/kenro");
        fake_file(&fake, "usr/share/containers/containers.conf",
                  "[engine]\nruntime = 'crun'\nruntime_supports_json = ['a', 'kenro']\n"
                  "[engine.runtimes]\nkenro = ['/nosuch']\n");
        fake_file(&fake, "etc/containers/containers.conf.d/50-kenro.conf",
                  "[engine]\nruntime = 'kenro'\nruntime_supports_json = ['b', {append=true}]\n"
                  "runtime_supports_nocgroup = ['kenro']\nhooks_dir = ['x']\n"
                  "[engine.runtimes]\nkenro = ['/usr/local/sbin/kenro', '/usr/sbin/kenro']\n");
        fake_file(&fake, "etc/containers/containers.conf.d/none.txt", "no toml");
        look(ENGINE_PODMAN);
        assert_null(g.error);
        assert_int_equal(g.files.n, 2);
        assert_string_equal(g.chosen, "kenro");
        assert_string_equal(g.chosen_in, "/etc/containers/containers.conf.d/50-kenro.conf");
        assert_runtime("kenro", "/usr/sbin/kenro", true);
        assert_int_equal(g.json.n, 3);
        assert_string_equal(g.json.v[0], "b");
        assert_string_equal(g.json.v[2], "kenro");
        assert_int_equal(g.nocgroups.n, 1); /* and not the built-in ones */
        assert_string_equal(g.nocgroups.v[0], "kenro");

        fake_file(&fake, "home/u/.config/containers/containers.conf", "[engine]\nruntime='mine'");
        look(ENGINE_PODMAN);
        assert_string_equal(g.chosen, "mine");
        assert_runtime("mine", NULL, false);
        in.home = NULL;
        look(ENGINE_PODMAN);
        assert_string_equal(g.chosen, "kenro");
}

static void podmans_runtime_may_be_a_path(void **state)
{
        (void)state;
        fake_program(&fake, "opt/kenro");
        fake_file(&fake, "etc/containers/containers.conf", "[engine]\nruntime = '/opt/kenro'\n");
        look(ENGINE_BUILDAH);
        assert_string_equal(g.chosen, "/opt/kenro");
        assert_runtime("/opt/kenro", "/opt/kenro", true);
}

static void docker_has_runtimes_and_shims(void **state)
{
        (void)state;
        fake_program(&fake, "usr/local/sbin/kenro");
        fake_program(&fake, "usr/bin/dockerd");
        fake_file(&fake, "etc/docker/daemon.json",
                  "{\"storage-driver\": \"overlay2\", \"default-runtime\": \"k\", \"runtimes\": {"
                  "\"k\": {\"path\": \"/usr/local/sbin/kenro\", \"runtimeArgs\": [\"--debug\"]},"
                  "\"s\": {\"runtimeType\": \"io.containerd.runc.v2\","
                  "        \"options\": {\"BinaryName\": \"/usr/local/sbin/kenro\"}},"
                  "\"gone\": {\"path\": \"/nosuch\"},"
                  "\"name\": {\"path\": \"kenro\"},"
                  "\"kata\": {\"runtimeType\": \"io.containerd.kata.v2\"}}}");
        look(ENGINE_DOCKER);
        assert_null(g.error);
        assert_string_equal(g.program, "/usr/bin/dockerd");
        assert_string_equal(g.chosen, "k");
        assert_runtime("k", "/usr/local/sbin/kenro", true);
        assert_runtime("s", "/usr/local/sbin/kenro", true);
        assert_runtime("name", "/usr/local/sbin/kenro", true);
        assert_runtime("gone", NULL, false);
        assert_runtime("kata", NULL, false);
        fake_file(&fake, "etc/docker/daemon.json", " \n");
        look(ENGINE_DOCKER);
        assert_null(g.error);
        assert_string_equal(g.chosen, "runc");
}

#define HANDLER(plugin, name)                                                                      \
        "[plugins.'" plugin "'.containerd.runtimes." name "]\nruntime_type = "                     \
        "'io.containerd.runc.v2'\n[plugins.'" plugin "'.containerd.runtimes." name ".options]\n"   \
        "BinaryName = '/usr/sbin/kenro'\n"

static void containerd_has_tables_by_version(void **state)
{
        (void)state;
        fake_program(&fake, "usr/sbin/kenro");
        fake_file(&fake, "etc/containerd/config.toml",
                  "version = 2\n"
                  "[plugins.'io.containerd.grpc.v1.cri'.containerd]\n"
                  "default_runtime_name = 'kenro'\n" HANDLER("io.containerd.grpc.v1.cri", "kenro"));
        look(ENGINE_CONTAINERD);
        assert_runtime("kenro", "/usr/sbin/kenro", true);
        assert_string_equal(g.chosen, "kenro");
        assert_null(g.mistaken);

        fake_file(&fake, "etc/containerd/config.toml",
                  "version = 3\n" HANDLER("io.containerd.cri.v1.runtime", "a")
                          HANDLER("io.containerd.grpc.v1.cri", "b"));
        look(ENGINE_CONTAINERD);
        assert_runtime("a", "/usr/sbin/kenro", true);
        assert_null(engine_runtime(&g, "b"));
        assert_string_equal(g.mistaken, "/etc/containerd/config.toml says version 3 and has a "
                                        "table of version 2");
        assert_string_equal(g.chosen, "runc");
}

static void containerd_imports_files(void **state)
{
        (void)state;
        fake_program(&fake, "usr/sbin/kenro");
        fake_file(
                &fake, "etc/containerd/config.toml",
                "version = 2\nimports = ['/etc/containerd/conf.d/*.toml', 'one.toml', '/none']\n");
        fake_file(&fake, "etc/containerd/conf.d/k.toml",
                  "version = 2\n" HANDLER("io.containerd.grpc.v1.cri", "kenro"));
        fake_file(&fake, "etc/containerd/one.toml",
                  "version = 3\n" HANDLER("io.containerd.cri.v1.runtime", "other"));
        look(ENGINE_CONTAINERD);
        assert_null(g.error);
        assert_int_equal(g.files.n, 3);
        assert_runtime("kenro", "/usr/sbin/kenro", true);
        assert_runtime("other", "/usr/sbin/kenro", true);
}

static void crio_looks_up_a_handler_without_a_path(void **state)
{
        (void)state;
        fake_program(&fake, "usr/local/sbin/kenro");
        fake_program(&fake, "usr/bin/crio");
        fake_file(&fake, "etc/crio/crio.conf", "[crio.runtime]\ndefault_runtime = 'kenro'\n");
        fake_file(&fake, "etc/crio/crio.conf.d/10-kenro.conf",
                  "[crio.runtime.runtimes.kenro]\nruntime_type = 'oci'\n"
                  "[crio.runtime.runtimes.k]\nruntime_path = '/usr/local/sbin/kenro'\n"
                  "allowed_annotations = ['x']\n");
        look(ENGINE_CRIO);
        assert_runtime("kenro", "/usr/local/sbin/kenro", true);
        assert_runtime("k", "/usr/local/sbin/kenro", true);
        assert_string_equal(g.chosen, "kenro");
}

static void what_cannot_be_read_is_told_and_the_rest_is_read(void **state)
{
        (void)state;
        fake_program(&fake, "usr/sbin/kenro");
        fake_directories(&fake, "etc/containers/containers.conf.d/x");
        assert_int_equal(mkfifoat(fake.root, "etc/containers/containers.conf.d/a.conf", 0644), 0);
        fake_link(&fake, "etc/containers/containers.conf", "/dev/zero");
        fake_file(&fake, "dev/zero", "[engine\n\033[2J");
        fake_file(&fake, "etc/containers/containers.conf.d/b.conf",
                  "[engine.runtimes]\nkenro = ['/usr/sbin/kenro']\n");
        look(ENGINE_PODMAN);
        assert_string_equal(g.error,
                            "/etc/containers/containers.conf:1: expected ] behind the name of a "
                            "table");
        assert_runtime("kenro", "/usr/sbin/kenro", true);
        assert_int_equal(g.files.n, 3);

        fake_file(&fake, "etc/docker/daemon.json", "{\"runtimes\": 7}");
        look(ENGINE_DOCKER);
        assert_string_equal(g.error, "/etc/docker/daemon.json:1:14: runtimes: expected an object");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
        const struct CMUnitTest tests[] = {
                TEST(an_engine_without_files_has_what_it_knows_itself),
                TEST(a_link_to_kenro_is_kenro_by_any_name),
                TEST(later_files_of_podman_change_what_earlier_ones_say),
                TEST(podmans_runtime_may_be_a_path),
                TEST(docker_has_runtimes_and_shims),
                TEST(containerd_has_tables_by_version),
                TEST(containerd_imports_files),
                TEST(crio_looks_up_a_handler_without_a_path),
                TEST(what_cannot_be_read_is_told_and_the_rest_is_read),
        };

        return RUN(tests);
}
