#include "kenro/part/netdev.h"

#include "netdev_link.h"

#include <errno.h>
#include <string.h>

/* What the kernel takes: dev_valid_name, and dev_alloc_name for a template. */
static int check_name(const char *name, bool template, struct err *e)
{
        const char *percent = strchr(name, '%');

        if (strlen(name) < IFNAMSIZ && *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            !strpbrk(name, "/: \t\n\v\f\r") &&
            (!percent || (template && percent[1] == 'd' && !strchr(percent + 1, '%'))))
                return 0;
        err_set(e, "'%.60s' is no name for a network device", name);
        return err_hint(e, "1 to 15 bytes without '/', ':' and blanks, not '.' or '..'%s",
                        template ? "; '%d' once, for a number" : "");
}

static int plan_one(const struct spec_net_device *d, struct netdev_plan *r, struct err *e)
{
        struct netdev_entry *n = &r->v[r->n];

        n->name = d->key;
        n->as = d->name && *d->name ? d->name : d->key;
        if (check_name(n->name, false, e) < 0)
                return -1;
        if (check_name(n->as, true, e) < 0)
                return err_in(e, "name");
        for (size_t i = 0; i < r->n && !strchr(n->as, '%'); i++)
                if (strcmp(r->v[i].as, n->as) == 0)
                        return err_set(e, "'%s' is already the name of %s", n->as, r->v[i].name);
        r->n++;
        return 0;
}

static int look_up(struct netlink *host, const char *name, struct err *e)
{
        struct netdev_link l;
        int r = netdev_link_get(host, name, 0, &l);

        if (r == -ENODEV)
                return err_set(e, "the host has no such network device");
        if (r < 0)
                return err_sys(e, -r, "cannot look at the network device");
        if (l.flags & IFF_LOOPBACK)
                return err_set(e, "a loopback device cannot be moved");
        return 0;
}

static int look_up_all(const struct netdev_plan *p, struct err *e)
{
        struct netlink host = NETLINK_INIT;
        int r = netlink_open(&host, -1, e);

        for (size_t i = 0; r == 0 && i < p->n; i++)
                if (look_up(&host, p->v[i].name, e) < 0)
                        r = err_in(e, "linux.netDevices.%s", p->v[i].name);
        netlink_close(&host);
        return r;
}

int netdev_plan(const struct spec *s, bool own, int join_fd, struct arena *a,
                struct netdev_plan *ret, struct err *e)
{
        const struct spec_linux *l = s->linux_;
        struct netdev_plan r = { .join_fd = join_fd };

        *ret = r;
        if (l->net_devices.n == 0)
                return 0;
        if (!own)
                return err_set(e, "linux.netDevices: needs a network namespace of the container's "
                                  "own in linux.namespaces");
        r.v = ARENA_NEW(a, struct netdev_entry, l->net_devices.n, e);
        if (!r.v)
                return -1;
        for (size_t i = 0; i < l->net_devices.n; i++)
                if (plan_one(&l->net_devices.v[i], &r, e) < 0)
                        return err_in(e, "linux.netDevices.%.60s", l->net_devices.v[i].key);
        if (look_up_all(&r, e) < 0)
                return -1;
        *ret = r;
        return 0;
}
