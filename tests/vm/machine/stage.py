"""Runs in a machine that will be saved, and goes on in every one that is resumed.

First all that would cost each session its time: units, modules, images of engines; a
machine with "kenro.bare" in its command line runs no engine and is not saved. Then the host says "go EPOCH SIZE", and sends an archive of that size: the agent is in it."""

import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest  # noqa: F401  the agent's, loaded already

CHANNEL = 3  # what the script that ran this has left open
AGENT = "/kenro/tests/vm/agent.py"
MODULES = """
    overlay fuse bridge br_netfilter veth dummy macvlan tun vxlan nf_tables nft_chain_nat nft_ct
    nft_compat nft_masq nft_reject_inet xt_addrtype xt_conntrack xt_MASQUERADE xt_comment xt_mark
    unix_diag inet_diag tcp_diag udp_diag netlink_diag af_packet_diag
""".split()
# A network, for engines that would tell their containers of the host's.
NETWORK = """
    ip link add outside type dummy
    ip address add 198.51.100.2/24 dev outside
    ip link set outside up
    ip route add default via 198.51.100.1
"""
# The image that tests give their engines.
LOAD = """
    cd /usr/local/lib/kenro-vm
    podman load --quiet --input busybox.tar
    docker load --quiet --input busybox.tar
    ctr image import busybox.tar
"""


def warm_up():
    shell("systemctl start containerd.service docker.service user@1000.service")
    shell(f"modprobe -a {' '.join(MODULES)}")
    shell(NETWORK)
    shell(LOAD)
    shell("systemctl is-system-running --wait")
    shell("criu check || :")  # what it needs of modules
    shell("sync")


def shell(script):
    begin = time.monotonic()
    subprocess.run(["sh", "-euc", script], check=True, stdin=subprocess.DEVNULL)
    step = f"{time.monotonic() - begin:.1f} s: {script.strip().splitlines()[0]}"
    print(f"<4>{step}", flush=True)  # 4 is a warning, which the console has
    os.write(CHANNEL, f"step {step}\n".encode())


def main():
    with open(CHANNEL, "r+b", buffering=0) as channel:
        try:
            if "kenro.bare" not in Path("/proc/cmdline").read_text().split():
                warm_up()
        except subprocess.CalledProcessError as e:
            channel.write(f"this failed: {e.cmd[-1]!r}\n".encode())
            raise
        channel.write(b"warm\n")
        line = b""
        while not line.endswith(b"\n"):
            line += channel.read(1)
        _, now, size = line.split()
        time.clock_settime(time.CLOCK_REALTIME, float(now))
        subprocess.run(f"head -c {int(size)} | tar -C /kenro -x", shell=True, check=True, stdin=channel)
    sys.argv = [AGENT, sys.argv[1]]
    sys.path.insert(0, os.path.dirname(AGENT))
    runpy.run_path(AGENT, run_name="__main__")


if __name__ == "__main__":
    main()
