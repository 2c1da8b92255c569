/* kenro-systemd: the one program of kenro's that talks to systemd, by its library. It is
 * run by kenro only, with a socket as its standard input, and does what it is asked for
 * there: see part/systemd_helper. It decides nothing. */
#include "property.h"

#include "kenro/base/fd.h"
#include "kenro/base/fields.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { JOB_SECONDS = 30, CALL_SECONDS = 30, READY_SECONDS = 10, ANSWER_BYTES = 1024 };

#define SECOND 1000000ull
#define DESTINATION "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"

static void unref_message(sd_bus_message **m)
{
        (void)sd_bus_message_unref(*m);
}

static void unref_slot(sd_bus_slot **slot)
{
        (void)sd_bus_slot_unref(*slot);
}

#define autoerror __attribute__((cleanup(sd_bus_error_free))) sd_bus_error
#define autounref __attribute__((cleanup(unref_message)))
#define autounmatch __attribute__((cleanup(unref_slot)))

/* One request. */
struct ask {
        sd_bus *bus;
        const char *what, *unit;
        struct fields_left *rest;
};

/* ---- the bus --------------------------------------------------------------------------- */

static uint64_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec / 1000;
}

/* To be connected is not to be answered: the library alone would wait for 90 s. */
static int wait_ready(sd_bus *bus)
{
        uint64_t end = now() + READY_SECONDS * SECOND;
        int r;

        while ((r = sd_bus_is_ready(bus)) == 0) {
                r = sd_bus_process(bus, NULL);
                if (r == 0 && now() >= end)
                        return -ETIMEDOUT;
                if (r == 0)
                        r = sd_bus_wait(bus, end - now());
                if (r < 0 && r != -EINTR)
                        return r;
        }
        return r < 0 ? r : 0;
}

static int open_shared(bool user, sd_bus **ret)
{
        int r = user ? sd_bus_open_user(ret) : sd_bus_open_system(ret);

        if (r < 0) {
                *ret = NULL;
                return r;
        }
        r = wait_ready(*ret);
        if (r < 0)
                *ret = sd_bus_close_unref(*ret);
        return r;
}

/* systemd's own socket, root's or the user's alone, where there is no bus. */
static int open_private(bool user, sd_bus **ret)
{
        const char *run = getenv("XDG_RUNTIME_DIR");
        char address[PATH_MAX];
        int r;

        if (user && (!run || run[0] != '/' || strpbrk(run, ",;%")))
                return -ENOENT;
        snprintf(address, sizeof(address), "unix:path=%s/systemd/private", user ? run : "/run");
        r = sd_bus_new(ret);
        if (r >= 0)
                r = sd_bus_set_address(*ret, address);
        if (r >= 0)
                r = sd_bus_start(*ret);
        return r < 0 ? r : wait_ready(*ret);
}

/* The library proves who it is by the socket alone, without a number: in a user namespace
 * any number would be wrong. */
static int open_bus(bool user, sd_bus **bus, struct err *e)
{
        char names[2][24];
        int second, r = open_shared(user, bus);

        if (r == -ENOMEDIUM)
                r = -ENOENT; /* no variable says where it is */
        if (r < 0) {
                second = open_private(user, bus);
                if (second < 0) {
                        err_set(e, "the %s does not answer: its bus: %s, its own socket: %s",
                                user ? "user's manager" : "system's manager",
                                errno_name(-r, names[0]), errno_name(-second, names[1]));
                        return err_hint(e,
                                        user ? "DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR must "
                                               "lead to it; loginctl enable-linger keeps it"
                                             : "if systemd is not this host's init, use the "
                                               "manager cgroupfs");
                }
        }
        (void)sd_bus_set_method_call_timeout(*bus, CALL_SECONDS * SECOND); /* or the usual 25 s */
        return 0;
}

static int failed(const struct ask *a, const sd_bus_error *error, int r, struct err *e)
{
        char name[24];

        if (error->message)
                return err_set(e, "cannot %s %.200s: %s", a->what, a->unit, error->message);
        return err_set(e, "cannot %s %.200s: %s", a->what, a->unit, errno_name(-r, name));
}

#define IS_ERROR(error, name) (sd_bus_error_has_name((error), DESTINATION "." name) != 0)

/* ---- jobs ------------------------------------------------------------------------------ */

/* The one that is waited for, and how it has ended. */
struct job {
        char path[256];
        char result[32];
};

static int on_removed(sd_bus_message *m, void *data, sd_bus_error *ignored)
{
        struct job *j = data;
        const char *path, *unit, *result;
        uint32_t id;

        (void)ignored;
        if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) >= 0 &&
            strcmp(path, j->path) == 0)
                snprintf(j->result, sizeof(j->result), "%s", result);
        return 0;
}

static int wait_for(const struct ask *a, const struct job *j, struct err *e)
{
        uint64_t end = now() + JOB_SECONDS * SECOND;

        while (!j->result[0]) {
                int r = sd_bus_process(a->bus, NULL);

                if (r == 0 && now() >= end)
                        return err_set(e, "cannot %s %.200s: the job has not ended after %d s",
                                       a->what, a->unit, JOB_SECONDS);
                if (r == 0)
                        r = sd_bus_wait(a->bus, end - now());
                if (r < 0 && r != -EINTR)
                        return err_sys(e, -r, "cannot %s %.200s: the connection is lost", a->what,
                                       a->unit);
        }
        if (strcmp(j->result, "done") == 0)
                return 0;
        return err_set(e, "cannot %s %.200s: the job has ended as '%s'", a->what, a->unit,
                       j->result);
}

/* Signals that come before the call is answered are kept for wait_for, which knows the
 * job. */
static int call_job(const struct ask *a, sd_bus_message *m, struct job *j, sd_bus_error *error)
{
        autounref sd_bus_message *reply = NULL;
        const char *path;
        int r = sd_bus_call(a->bus, m, 0, error, &reply);

        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0 && (size_t)snprintf(j->path, sizeof(j->path), "%s", path) >= sizeof(j->path))
                return -ENAMETOOLONG;
        return r;
}

static int match_jobs(const struct ask *a, struct job *j, sd_bus_slot **slot, struct err *e)
{
        int r = sd_bus_match_signal(a->bus, slot, DESTINATION, OBJECT, MANAGER, "JobRemoved",
                                    on_removed, j);

        return r < 0 ? err_sys(e, -r, "cannot listen for systemd's jobs") : 0;
}

static void reset_failed(const struct ask *a)
{
        (void)sd_bus_call_method(a->bus, DESTINATION, OBJECT, MANAGER, "ResetFailedUnit", NULL,
                                 NULL, "s", a->unit); /* mostly there is nothing to reset */
}

/* ---- requests -------------------------------------------------------------------------- */

static int new_call(const struct ask *a, const char *method, sd_bus_message **m, struct err *e)
{
        int r = sd_bus_message_new_method_call(a->bus, m, DESTINATION, OBJECT, MANAGER, method);

        return r < 0 ? err_sys(e, -r, "cannot make a message") : 0;
}

/* Returns 1 if there is such a unit already. */
static int start_once(const struct ask *a, unsigned pid, struct job *j, struct err *e)
{
        autounref sd_bus_message *m = NULL;
        autoerror error = SD_BUS_ERROR_NULL;
        struct fields_left properties = *a->rest;
        int r;

        if (new_call(a, "StartTransientUnit", &m, e) < 0)
                return -1;
        r = sd_bus_message_append(m, "ss", a->unit, "fail");
        if (r < 0)
                return failed(a, &error, r, e);
        if (property_append_all(a->bus, m, &properties, pid, e) < 0)
                return -1;
        r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = call_job(a, m, j, &error);
        if (r >= 0)
                return 0;
        failed(a, &error, r, e);
        return IS_ERROR(&error, "UnitExists") ? 1 : -1;
}

static int stop(const struct ask *a, struct err *e)
{
        autounmatch sd_bus_slot *slot = NULL;
        autounref sd_bus_message *m = NULL;
        autoerror error = SD_BUS_ERROR_NULL;
        struct job j = { .path = "" };
        int r;

        if (match_jobs(a, &j, &slot, e) < 0 || new_call(a, "StopUnit", &m, e) < 0)
                return -1;
        r = sd_bus_message_append(m, "ss", a->unit, "replace");
        if (r >= 0)
                r = call_job(a, m, &j, &error);
        if (r < 0)
                return IS_ERROR(&error, "NoSuchUnit") ? 0 : failed(a, &error, r, e);
        if (wait_for(a, &j, e) < 0)
                return -1;
        reset_failed(a);
        return 0;
}

/* It may have been killed while systemd was at work, and the process that was to hold the
 * unit with it: then systemd waits for ever for the end of a unit that never had any. */
static bool is_alone(void)
{
        struct pollfd p = { .fd = STDIN_FILENO };

        return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static int start(const struct ask *a, struct err *e)
{
        autounmatch sd_bus_slot *slot = NULL;
        struct job j = { .path = "" };
        unsigned long long pid;
        struct err ignored;
        int r;

        if (fields_next_number(a->rest, INT_MAX, &pid) < 0)
                return err_set(e, "no process for the unit");
        if (match_jobs(a, &j, &slot, e) < 0)
                return -1;
        r = start_once(a, (unsigned)pid, &j, e);
        if (r == 1) {
                reset_failed(a); /* it may have failed long ago */
                r = start_once(a, (unsigned)pid, &j, e);
        }
        if (r == 1)
                return err_hint(e, "another container uses linux.cgroupsPath");
        if (r < 0)
                return -1;
        r = wait_for(a, &j, e);
        if (r < 0 || is_alone())
                (void)stop(a, &ignored);
        return r;
}

static int set(const struct ask *a, struct err *e)
{
        autounref sd_bus_message *m = NULL;
        autoerror error = SD_BUS_ERROR_NULL;
        int r;

        if (new_call(a, "SetUnitProperties", &m, e) < 0)
                return -1;
        r = sd_bus_message_append(m, "sb", a->unit, true);
        if (r >= 0 && property_append_all(a->bus, m, a->rest, 0, e) < 0)
                return -1;
        if (r >= 0)
                r = sd_bus_call(a->bus, m, 0, &error, NULL);
        return r < 0 ? failed(a, &error, r, e) : 0;
}

static int attach(const struct ask *a, struct err *e)
{
        autoerror error = SD_BUS_ERROR_NULL;
        unsigned long long pid;
        int r;

        if (fields_next_number(a->rest, INT_MAX, &pid) < 0)
                return err_set(e, "no process for the unit");
        r = sd_bus_call_method(a->bus, DESTINATION, OBJECT, MANAGER, "AttachProcessesToUnit",
                               &error, NULL, "ssau", a->unit, "", 1, (uint32_t)pid);
        return r < 0 ? failed(a, &error, r, e) : 0;
}

static int perform(struct fields_left *f, sd_bus **bus, struct err *e)
{
        static const struct {
                const char *name, *what;
                int (*run)(const struct ask *a, struct err *e);
        } kinds[] = { { "start", "start", start },
                      { "stop", "stop", stop },
                      { "set", "change", set },
                      { "attach", "move a process into", attach } };
        const char *kind = fields_next(f), *manager = fields_next(f), *unit = fields_next(f);
        struct ask a = { .unit = unit, .rest = f };

        if (!unit)
                return err_set(e, "a request that is none");
        if (!*bus && open_bus(strcmp(manager, "user") == 0, bus, e) < 0)
                return -1;
        a.bus = *bus;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
                if (strcmp(kinds[i].name, kind) == 0) {
                        a.what = kinds[i].what;
                        return kinds[i].run(&a, e);
                }
        return err_set(e, "'%.40s' is no request", kind);
}

static int answer(int result, const struct err *e)
{
        char text[ANSWER_BYTES];
        struct fields f = { text, 0, sizeof(text), false };
        struct err ignored;

        fields_add(&f, "%s", result < 0 ? "failed" : "done");
        if (result < 0) {
                fields_add(&f, "%s", e->text);
                fields_add(&f, "%s", e->hint);
        }
        return fd_send(STDIN_FILENO, text, f.len, -1, &ignored);
}

int main(void)
{
        char text[FIELDS_BYTES_MAX];
        sd_bus *bus = NULL;
        struct err e;
        int n;

        while ((n = fd_recv(STDIN_FILENO, text, sizeof(text), NULL, &e)) > 0) {
                struct fields_left f;

                fields_read(&f, text, (size_t)n);
                if (answer(perform(&f, &bus, &e), &e) < 0)
                        return 1;
        }
        if (n < 0)
                fprintf(stderr, "kenro-systemd: %s; it is run by kenro only\n", e.text);
        return n < 0;
}
