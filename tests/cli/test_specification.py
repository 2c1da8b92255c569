"""What the specification asks of a runtime and no other test shows: one test for each
requirement. docs/conformance.md names the test of every requirement."""

from kenrotest import config, write_config


def mount_points(listing):
    """Without the root, in the kernel's order."""
    return [line.split()[4] for line in listing.splitlines()][1:]


def test_the_kernel_lists_mounts_in_the_order_of_the_configuration(kenro, bundle):
    c = config("/bin/cat", "/proc/self/mountinfo")
    c["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"})
    del c["linux"]["maskedPaths"], c["linux"]["readonlyPaths"]
    write_config(bundle, c)
    assert mount_points(kenro.ok("run", "-b", bundle, "c")) == \
        [m["destination"] for m in c["mounts"]]
