/* What this binary can do, whatever host it is on: features.md of the OCI
 * runtime specification. The lists come from the tables that decode. */
#include "kenro/cmd/cmd.h"
#include "kenro/json/json_write.h"
#include "kenro/part/mount_option.h"
#include "kenro/spec/spec_fields.h"

#include "config.h"

#include <linux/capability.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

static void names(struct json_out *o, const char *key, const struct name *table)
{
        json_key(o, key);
        json_list(o);
        for (; table->name; table++)
                if (*table->name)
                        json_str(o, table->name);
        json_list_end(o);
}

static void capabilities(struct json_out *o)
{
        json_key(o, "capabilities");
        json_list(o);
        for (cap_value_t cap = 0; cap <= CAP_LAST_CAP; cap++) {
                char *name = cap_to_name(cap);

                for (char *s = name; s && *s; s++)
                        if (*s >= 'a' && *s <= 'z')
                                *s = (char)(*s - 'a' + 'A');
                if (name)
                        json_str(o, name);
                cap_free(name);
        }
        json_list_end(o);
}

static void cgroup(struct json_out *o)
{
        json_key(o, "cgroup");
        json_map(o);
        json_key_bool(o, "v1", false);
        json_key_bool(o, "v2", true);
        json_key_bool(o, "systemd", KENRO_SYSTEMD);
        json_key_bool(o, "systemdUser", KENRO_SYSTEMD);
        json_key_bool(o, "rdma", true);
        json_map_end(o);
}

static void names_if(struct json_out *o, const char *key, const struct name *table,
                     bool (*wanted)(uint64_t value))
{
        json_key(o, key);
        json_list(o);
        for (; table->name; table++)
                if (wanted(table->value))
                        json_str(o, table->name);
        json_list_end(o);
}

static bool is_built_arch(uint64_t token)
{
        return seccomp_syscall_resolve_name_arch((uint32_t)token, "execve") != __NR_SCMP_ERROR;
}

static void seccomp(struct json_out *o)
{
        json_key(o, "seccomp");
        json_map(o);
        json_key_bool(o, "enabled", true);
        names(o, "actions", spec_seccomp_action_names);
        names(o, "operators", spec_seccomp_compare_names);
        names_if(o, "archs", spec_seccomp_arch_names, is_built_arch);
        names(o, "knownFlags", spec_seccomp_flag_names);
        names(o, "supportedFlags", spec_seccomp_flag_names);
        json_map_end(o);
}

static void enabled(struct json_out *o, const char *key, bool is)
{
        json_key(o, key);
        json_map(o);
        json_key_bool(o, "enabled", is);
        json_map_end(o);
}

static void intel_rdt(struct json_out *o)
{
        json_key(o, "intelRdt");
        json_map(o);
        json_key_bool(o, "enabled", true);
        json_key_bool(o, "schemata", true);
        json_key_bool(o, "monitoring", true);
        json_map_end(o);
}

static void memory_policy(struct json_out *o)
{
        json_key(o, "memoryPolicy");
        json_map(o);
        names(o, "modes", spec_memory_mode_names);
        names(o, "flags", spec_memory_flag_names);
        json_map_end(o);
}

/* Annotations that change how a container runs: for engines to hold back. */
static void unsafe_annotations(struct json_out *o)
{
        static const char *const keys[] = {
                "run.oci.keep_original_groups", "run.oci.mount_context_type",
                "org.systemd.property.", /* all that begin with it */
        };

        json_key(o, "potentiallyUnsafeConfigAnnotations");
        json_list(o);
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                json_str(o, keys[i]);
        json_list_end(o);
}

static void linux_part(struct json_out *o)
{
        json_key(o, "linux");
        json_map(o);
        names(o, "namespaces", spec_namespace_names);
        capabilities(o);
        cgroup(o);
        seccomp(o);
        enabled(o, "apparmor", true);
        enabled(o, "selinux", true);
        intel_rdt(o);
        memory_policy(o);
        json_key(o, "mountExtensions");
        json_map(o);
        enabled(o, "idmap", true);
        json_map_end(o);
        enabled(o, "netDevices", true);
        json_map_end(o);
}

int cmd_features(struct cli *c, struct err *e)
{
        const struct scmp_version *v = seccomp_version();
        struct json_out o;
        const char *text;
        char version[40];
        size_t len;

        (void)c;
        if (json_out_init(&o, true, e) < 0)
                return -1;
        snprintf(version, sizeof(version), "%u.%u.%u", v->major, v->minor, v->micro);
        json_map(&o);
        json_key_str(&o, "ociVersionMin", "1.0.0");
        json_key_str(&o, "ociVersionMax", KENRO_SPEC_VERSION);
        names(&o, "hooks", spec_hook_names);
        names(&o, "mountOptions", mount_option_names);
        linux_part(&o);
        json_key(&o, "annotations");
        json_map(&o);
        json_key_str(&o, "org.kenro.version", KENRO_VERSION);
        json_key_str(&o, "org.kenro.commit", KENRO_COMMIT);
        json_key_str(&o, "io.github.seccomp.libseccomp.version", version);
        json_map_end(&o);
        unsafe_annotations(&o);
        json_map_end(&o);
        text = json_text(&o, &len, e);
        return text ? cmd_print(text, len, e) : -1;
}
