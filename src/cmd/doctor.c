/* doctor: whether this host is ready, one line for each thing that matters. It reads and
 * changes nothing. */
#include "kenro/cmd/doctor.h"
#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/cmd/cmd.h"
#include "kenro/json/json_write.h"
#include "kenro/part/idmap_helper.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct doctor_options {
        bool json;
};

/* clang-format off */
const struct option_row doctor_rows[] = {
        { "json", 0, OPTION_FLAG, offsetof(struct doctor_options, json), NULL,
          "print a JSON object" },
        { 0 },
};
/* clang-format on */

struct report {
        struct doctor doctor;
        struct survey survey;
        struct survey_in in;
        struct host host;
        struct host_cgroup cgroup;
        unsigned warnings, failures;
};

/* Where nothing of it works there is the more to be said. */
static int examine(struct cli *c, struct report *r, struct err *e)
{
        autoclose int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct err why = { 0 };
        struct stat self;
        char line[ERR_TEXT_MAX];

        if (root < 0)
                return err_sys(e, errno, "cannot open /");
        r->doctor = (struct doctor){ .survey = &r->survey, .in = &r->in, .host = &r->host };
        if (host_probe(&r->host, &why) < 0) {
                err_line(&why, line, sizeof(line));
                r->host.rootless = geteuid() != 0;
                r->doctor.host_error = arena_strndup(c->arena, line, strlen(line), e);
        }
        r->in = (struct survey_in){
                .root = root,
                .uid = geteuid(),
                .group = r->host.cgroup,
                .state = c->root,
                .run = getenv("XDG_RUNTIME_DIR"),
                .path = getenv("PATH"),
                .helper = KENRO_SYSTEMD_HELPER,
                .map_directories = idmap_helper_directories,
                .arena = c->arena,
        };
        if (host_cgroup(&r->cgroup, c->arena, &why) == 0)
                r->in.cgroup = r->cgroup.mount;
        if (stat("/proc/self/exe", &self) == 0) {
                r->in.self_dev = self.st_dev;
                r->in.self_ino = self.st_ino;
        }
        return survey(&r->in, &r->survey, e);
}

static void count(struct report *r, enum finding_status s)
{
        r->warnings += s == FINDING_WARN;
        r->failures += s == FINDING_FAIL;
}

static int print_text(struct report *r, struct err *e)
{
        for (const struct doctor_check *c = doctor_checks; c->name; c++) {
                struct finding f;

                doctor_judge(&r->doctor, c, &f);
                count(r, f.status);
                printf("%-4s  %-11s  %s\n", finding_status_name(f.status), c->name, f.text);
                if (f.fix[0])
                        printf("%19s%s\n", "-> ", f.fix);
        }
        printf("%s: failures: %u, warnings: %u\n", r->failures ? "not ready" : "ready", r->failures,
               r->warnings);
        return fflush(stdout) == 0 ? 0 : err_sys(e, errno, "cannot write to standard output");
}

/* As it may be shown: the words are those of files. */
static void key_text(struct json_out *o, const char *key, const char *text)
{
        struct err e;
        char *copy = text ? arena_strndup(&o->memory, text, strlen(text), &e) : NULL;

        if (copy)
                log_clean(copy);
        json_key_str(o, key, copy);
}

static void write_checks(struct json_out *o, struct report *r)
{
        json_key(o, "checks");
        json_list(o);
        for (const struct doctor_check *c = doctor_checks; c->name; c++) {
                struct finding f;

                doctor_judge(&r->doctor, c, &f);
                count(r, f.status);
                json_map(o);
                json_key_str(o, "name", c->name);
                json_key_str(o, "status", finding_status_name(f.status));
                json_key_str(o, "found", f.text);
                if (f.fix[0])
                        json_key_str(o, "fix", f.fix);
                json_map_end(o);
        }
        json_list_end(o);
}

static void write_engine(struct json_out *o, const struct engine *g)
{
        json_map(o);
        json_key_str(o, "name", g->name);
        key_text(o, "program", g->program);
        json_key(o, "files");
        json_list(o);
        for (size_t i = 0; i < g->files.n; i++)
                json_str(o, g->files.v[i]);
        json_list_end(o);
        key_text(o, "default", g->chosen);
        json_key(o, "runtimes");
        json_list(o);
        for (size_t i = 0; i < g->runtimes.n; i++) {
                const struct engine_runtime *t = &g->runtimes.v[i];

                json_map(o);
                key_text(o, "name", t->name);
                key_text(o, "path", t->path);
                key_text(o, "file", t->file);
                json_key_bool(o, "kenro", t->kenro);
                json_map_end(o);
        }
        json_list_end(o);
        json_map_end(o);
}

static int print_json(struct report *r, struct err *e)
{
        struct json_out o;
        const char *text;
        size_t len;

        if (json_out_init(&o, true, e) < 0)
                return -1;
        json_map(&o);
        json_key_str(&o, "version", KENRO_VERSION);
        json_key_str(&o, "commit", KENRO_COMMIT);
        write_checks(&o, r);
        json_key_uint(&o, "failures", r->failures);
        json_key_uint(&o, "warnings", r->warnings);
        json_key(&o, "engines");
        json_list(&o);
        for (int kind = 0; kind < ENGINE_KINDS; kind++)
                if (r->survey.engines[kind].program)
                        write_engine(&o, &r->survey.engines[kind]);
        json_list_end(&o);
        json_map_end(&o);
        text = json_text(&o, &len, e);
        return text ? cmd_print(text, len, e) : -1;
}

int cmd_doctor(struct cli *c, struct err *e)
{
        const struct doctor_options *o = c->options;
        struct report *r = ARENA_NEW(c->arena, struct report, 1, e);

        if (!r || examine(c, r, e) < 0 || (o->json ? print_json(r, e) : print_text(r, e)) < 0)
                return -1;
        return r->failures ? EXIT_FAILED : 0;
}
