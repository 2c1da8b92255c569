/* The process document of `exec --process`, from the file to the plan. */
#include "fuzz.h"

#include "kenro/part/caps.h"
#include "kenro/policy/fill.h"
#include "kenro/spec/spec_fields.h"
#include "kenro/spec/spec_load.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int file;

/* What the container was made with bounds what is executed in it. */
static const char *bounding[] = { "CAP_CHOWN", "CAP_KILL", "CAP_SYS_ADMIN" };
static struct spec_capabilities ceiling = { .bounding = { bounding, 3 } };
static const struct spec_process container = { .no_new_privileges = true,
                                               .capabilities = &ceiling };
static struct spec_linux container_linux;
static const struct spec container_spec = { .linux_ = &container_linux };
static struct id_mapping mapping = { 0, 100000, 65536 };
static const struct id_mappings mappings = { &mapping, 1 };

static bool is_bounded(const struct spec_process *p)
{
        uint64_t bits = 0;

        for (size_t i = 0; i < 3; i++)
                bits |= caps_bit(bounding[i], false);
        for (size_t i = 0; p->capabilities && i < p->capabilities->ambient.n; i++)
                if (!(caps_bit(p->capabilities->ambient.v[i], false) & bits))
                        return false;
        return p->no_new_privileges;
}

static void plan(struct spec_process *p, struct arena *a, struct arena *scratch)
{
        const struct process_input in = { .process = p,
                                          .container = &container_spec,
                                          .uids = &mappings,
                                          .gids = &mappings,
                                          .host = &fuzz_host,
                                          .own_user = true,
                                          .exec = true };
        struct process_plan r;
        struct err e = { 0 };

        if (fill_exec(p, &container, a, &e) < 0 || plan_process(&in, a, scratch, &r, &e) < 0) {
                fuzz_check_error(&e);
                HOLDS(e.text[0], NULL);
                return;
        }
        HOLDS(is_bounded(p), NULL);
        HOLDS(r.caps.no_new_privs, NULL);
        HOLDS(((r.caps.bounding | r.caps.permitted) &
               ~(caps_bit("CAP_CHOWN", false) | caps_bit("CAP_KILL", false) |
                 caps_bit("CAP_SYS_ADMIN", false))) == 0,
              NULL);
        fuzz_check_process(p, &r);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc;
        (void)argv;
        fuzz_quiet();
        file = fuzz_file("process.json", NULL);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct spec_process p, again;
        struct json_source src = { .text = (const char *)data, .len = size };
        struct err e = { 0 }, other = { 0 };
        struct arena a, scratch;
        char name[40];
        int r;

        snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
        src.name = name;
        HOLDS(arena_init(&a, PLAN_BYTES_MAX, &e) == 0, NULL);
        HOLDS(arena_init(&scratch, FUZZ_SCRATCH_BYTES_MAX, &e) == 0, NULL);
        fuzz_file_set(file, data, size);
        r = spec_load_process(name, &a, &p, &e);
        HOLDS(spec_load_process(name, &a, &again, &other) == r, e.text);
        if (r < 0) {
                fuzz_check_error(&e);
                fuzz_check_place(&src, &e);
                fuzz_check_same_error(&e, &other);
        } else {
                fuzz_check_same(&spec_process_shape, &p, &again);
                plan(&p, &a, &scratch);
        }
        arena_release(&a);
        arena_release(&scratch);
        return 0;
}
