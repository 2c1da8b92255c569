#include "doctor.h"

static struct patient p;
static struct engine *podman, *docker;
static struct engine_runtime runtimes[3];
static const char *lists[] = { "crun", "kenro" };

/* Podman knows kenro and crun, takes crun unasked, and has kenro in its lists. */
static int make(void **state)
{
        (void)state;
        patient_make(&p);
        patient_is_root(&p);
        podman = &p.survey.engines[ENGINE_PODMAN];
        docker = &p.survey.engines[ENGINE_DOCKER];
        runtimes[0] = (struct engine_runtime){
                .name = "kenro", .path = "/sbin/kenro", .file = "/etc/a.conf", .kenro = true
        };
        runtimes[1] = (struct engine_runtime){ .name = "crun", .path = "/bin/crun" };
        *podman = (struct engine){ .name = "podman",
                                   .program = "/usr/bin/podman",
                                   .chosen = "crun",
                                   .json = { lists, 2 },
                                   .nocgroups = { lists, 2 },
                                   .runtimes = { runtimes, 2 } };
        *docker = (struct engine){ .name = "docker",
                                   .program = "/usr/bin/dockerd",
                                   .chosen = "crun",
                                   .runtimes = { runtimes, 2 } };
        return 0;
}

static void an_engine_that_is_not_there_is_no_trouble(void **state)
{
        (void)state;
        FINDS(&p, "crio", "info", "not installed", "");
        podman->program = NULL;
        podman->error = "x";
        FINDS(&p, "podman", "info", "not installed", "");
}

static void an_engine_tells_by_which_name_kenro_is_had(void **state)
{
        (void)state;
        FINDS(&p, "podman", "ok",
              "/usr/bin/podman; kenro can be asked for, as kenro; the default is crun", "");
        podman->chosen = "kenro";
        FINDS(&p, "podman", "ok", "kenro is the default, as kenro", "");
        runtimes[1].kenro = true; /* a link */
        FINDS(&p, "docker", "ok", "kenro is the default, as kenro, crun", "");
}

static void an_engine_that_does_not_know_kenro_is_told_how(void **state)
{
        (void)state;
        runtimes[0] = runtimes[1];
        FINDS(&p, "podman", "warn", "kenro is not registered; the default is crun",
              "/kenro/engines/podman.conf into /etc/containers/containers.conf.d/kenro.conf");
        FINDS(&p, "docker", "warn", "not registered",
              "docker.json into /etc/docker/daemon.json, then systemctl reload docker");
        p.survey.engines[ENGINE_CONTAINERD] = *docker;
        FINDS(&p, "containerd", "warn", "not registered", "containerd-1.7.toml");
        p.survey.engines[ENGINE_CRIO] = *docker;
        FINDS(&p, "crio", "warn", "not registered", "crio.conf.d/10-kenro.conf");
        p.survey.engines[ENGINE_BUILDAH] = *docker;
        FINDS(&p, "buildah", "warn", "not registered", "containers.conf.d/kenro.conf");
}

static void a_program_that_is_not_there_is_a_failure(void **state)
{
        (void)state;
        runtimes[0].path = NULL;
        runtimes[0].kenro = false;
        FINDS(&p, "podman", "fail",
              "kenro is configured in /etc/a.conf, and its program is not there",
              "correct the path");
        runtimes[0].name = "other"; /* nobody asks for that one */
        FINDS(&p, "podman", "warn", "not registered", "");
        podman->chosen = "other";
        FINDS(&p, "podman", "fail", "other is configured in", "");
}

static void files_that_cannot_be_read_are_told(void **state)
{
        (void)state;
        podman->error = "/etc/a.conf:1: x\033[2J";
        FINDS(&p, "podman", "fail", "/etc/a.conf:1: x?[2J", "correct that file");
        p.in.uid = 1000;
        FINDS(&p, "podman", "warn", "/etc/a.conf:1: x", "look as root");
        podman->error = NULL;
        podman->mistaken = "/etc/a.conf says version 3";
        FINDS(&p, "podman", "warn", "says version 3", "name the plugin");
}

static void daemons_are_no_business_of_an_ordinary_user(void **state)
{
        (void)state;
        p.in.uid = 1000;
        docker->error = "/etc/docker/daemon.json: EACCES";
        runtimes[0] = runtimes[1];
        FINDS(&p, "docker", "info", "daemon.json: EACCES; kenro is not registered", "");
        FINDS(&p, "podman", "warn", "kenro is not registered", "podman.conf");
}

static void podman_has_lists_of_names(void **state)
{
        (void)state;
        podman->json.n = 1;
        FINDS(&p, "podman", "warn", "kenro is not in runtime_supports_json", "podman.conf");
        podman->nocgroups.n = 1;
        FINDS(&p, "podman", "warn", "not in runtime_supports_json nor in runtime_supports_nocgroup",
              "--cgroups=disabled");
        docker->json.n = 0;
        FINDS(&p, "docker", "ok", "kenro can be asked for", "");
}

static void other_runtimes_in_reach_are_a_warning(void **state)
{
        (void)state;
        FINDS(&p, "runtimes", "ok", "no other OCI runtime is in reach", "");
        p.survey.runtimes.v = runtimes;
        p.survey.runtimes.n = 2;
        FINDS(&p, "runtimes", "warn", "kenro itself: /sbin/kenro; not kenro: /bin/crun", "links");
        p.survey.runtimes.n = 1;
        FINDS(&p, "runtimes", "ok", "kenro itself: /sbin/kenro; no other", "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, make)
        const struct CMUnitTest tests[] = {
                TEST(an_engine_that_is_not_there_is_no_trouble),
                TEST(an_engine_tells_by_which_name_kenro_is_had),
                TEST(an_engine_that_does_not_know_kenro_is_told_how),
                TEST(a_program_that_is_not_there_is_a_failure),
                TEST(files_that_cannot_be_read_are_told),
                TEST(daemons_are_no_business_of_an_ordinary_user),
                TEST(podman_has_lists_of_names),
                TEST(other_runtimes_in_reach_are_a_warning),
        };

        return RUN(tests);
}
