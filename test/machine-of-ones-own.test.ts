import { describe, expect } from "bun:test";
import { testImages } from "./support/images.ts";
import { onBoth, onQemu, useHome } from "./support/register.ts";

/** What a program may do in a machine of one's own that it may not on a shared host: ports, limits, devices, groups. */

const home = useHome();
const images = await testImages();
const shell = (script: string, user = "0", options: readonly string[] = []) =>
  home.run(["-c", script], {
    options: ["--image", images.archive, "--entrypoint", "/bin/sh", "-u", user, "-w", "/", ...options],
  });

describe("a user without privileges", () => {
  onBoth("listens on port 80, and may send pings", async () => {
    // busybox's own ping wants a raw socket; the range is what the kernel asks for the other kind.
    const script = `
      cd /dev/shm && echo hello > page && httpd -p 127.0.0.1:80 -h . && wget -q -O - http://127.0.0.1/page
      tr '\\t' ' ' < /proc/sys/net/ipv4/ping_group_range`;
    expect(await shell(script, "1000")).toMatchObject({ output: "hello\n0 2147483647\n", exitCode: 0 });
  });

  onQemu("has the limits of a machine of its own", async () => {
    const script =
      "ulimit -n; ulimit -Hn; ulimit -u; ulimit -l; ulimit -c; ulimit -Hc; cat /proc/sys/vm/max_map_count";
    expect((await shell(script, "1000")).output).toBe(
      "1024\n524288\nunlimited\nunlimited\n0\nunlimited\n1048576\n",
    );
    const limited = await shell("ulimit -n; ulimit -l", "0", ["--ulimit", "nofile=77:88"]);
    expect(limited.output).toBe("77\nunlimited\n");
  });

  onQemu("opens what is for everybody, and nothing of the system's", async () => {
    const script = `
      : <> /dev/fuse && : <> /dev/net/tun && echo opened
      for path in /dev/loop-control /dev/loop0; do (: < $path) && echo "opened $path"; done 2>/dev/null
      ls /dev | grep -E '^(vd|vport|hvc|mem|port)'
      mknod /tmp/disk b 254 0 2>/dev/null && echo "made a node"
      for path in $(find /sys -type f 2>/dev/null | head -n 3000); do [ -w $path ] && echo "may write $path"; done
      echo done`;
    expect(await shell(script, "1000")).toMatchObject({ output: "opened\ndone\n", exitCode: 0 });
  });
});

describe("root", () => {
  onQemu("mounts an image by a loop device", async () => {
    const script = `
      dd if=/dev/zero of=/tmp/image bs=1M count=8 2>/dev/null && mke2fs -F /tmp/image >/dev/null 2>&1 &&
      mkdir /tmp/mounted && mount -o loop /tmp/image /tmp/mounted && echo x > /tmp/mounted/file &&
      umount /tmp/mounted && mount -o loop,ro /tmp/image /tmp/mounted && cat /tmp/mounted/file && losetup -a | wc -l`;
    expect(await shell(script)).toMatchObject({ output: "x\n1\n", exitCode: 0 });
  });

  onQemu("makes groups with all controllers, below its own, whose limits it cannot raise", async () => {
    const script = `
      cat /proc/self/cgroup; cd /sys/fs/cgroup && mkdir all
      for one in cpu cpuset io memory pids; do echo +$one > cgroup.subtree_control || exit 1; done
      mkdir all/below && echo 67108864 > all/memory.max && echo 50 > all/pids.max && echo "10000 100000" > all/cpu.max
      for one in cpu cpuset io memory pids; do grep -c -w $one all/cgroup.controllers; done | sort -u
      (echo 1000000000000 > memory.max) 2>/dev/null || echo kept`;
    expect(await shell(script)).toMatchObject({ output: "0::/init\n1\nkept\n", exitCode: 0 });
  });

  onQemu("may turn the knobs of its kernel, and mount", async () => {
    const script = `
      echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward
      mkdir /tmp/a /tmp/b && touch /tmp/a/f && mount --bind /tmp/a /tmp/b && ls /tmp/b
      echo message > /dev/kmsg && dmesg | grep -c message`;
    expect(await shell(script)).toMatchObject({ output: "1\nf\n1\n", exitCode: 0 });
  });

  onQemu("with a terminal finds it at /dev/console, and without one nothing", async () => {
    expect((await shell("ls /dev/console 2>/dev/null; echo $?")).output).toBe("1\n");
    const script = "[ -c /dev/console ] && echo here > /dev/console";
    expect((await shell(script, "0", ["-t"])).output).toBe("here\r\n");
  });
});
