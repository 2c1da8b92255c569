/* state.json: whatever it holds is refused or read, and what was read survives
 * being written. */
#include "fuzz.h"

#include "kenro/run/state.h"

#include <string.h>
#include <unistd.h>

static int file, dir, copy_dir;

static void check_text(const char *a, const char *b)
{
        HOLDS(strcmp(a, b) == 0, a);
}

static void check_same(const struct state *a, const struct state *b)
{
        HOLDS(a->version == b->version && a->pid == b->pid, NULL);
        HOLDS(a->start_time == b->start_time && a->namespaces == b->namespaces, NULL);
        HOLDS(a->cgroup_made == b->cgroup_made, NULL);
        HOLDS(a->chroot == b->chroot && a->no_process == b->no_process, NULL);
        HOLDS(a->own_user == b->own_user && a->annotations.n == b->annotations.n, NULL);
        check_text(a->oci_version, b->oci_version);
        check_text(a->id, b->id);
        check_text(a->bundle, b->bundle);
        check_text(a->rootfs, b->rootfs);
        check_text(a->cgroup, b->cgroup);
        check_text(a->created, b->created);
        for (size_t i = 0; i < a->annotations.n; i++) {
                check_text(a->annotations.v[i].key, b->annotations.v[i].key);
                check_text(a->annotations.v[i].value, b->annotations.v[i].value);
        }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc;
        (void)argv;
        fuzz_quiet();
        file = fuzz_file("state.json", &dir);
        close(fuzz_file("state.json", &copy_dir));
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct state s, copy;
        struct err e = { 0 };
        struct arena a;
        int r;

        HOLDS(arena_init(&a, PLAN_BYTES_MAX, &e) == 0, NULL);
        fuzz_file_set(file, data, size);
        r = state_load(dir, &a, &s, &e);
        HOLDS(r == 0 || r == -1, NULL);
        if (r < 0) {
                fuzz_check_error(&e);
                HOLDS(e.text[0], NULL);
        } else {
                HOLDS(s.version == STATE_VERSION && s.pid <= INT32_MAX, NULL);
                HOLDS(state_store(copy_dir, &s, &e) == 0, e.text);
                HOLDS(state_load(copy_dir, &a, &copy, &e) == 0, e.text);
                check_same(&s, &copy);
        }
        arena_release(&a);
        return 0;
}
