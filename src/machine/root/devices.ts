import { MountFlag, type Step } from "../../guest/index.ts";
import { mountAt, safe } from "./kernel-mounts.ts";

const CHARACTER = 0o020000;
const BLOCK = 0o060000;

/** Group `disk` of Debian, Alpine, Fedora and what descends from them. Nobody is in it unless root says so. */
const DISK_GROUP = 6;
/** Group `tty`, likewise: what grantpt(3) and devpts expect. */
const TTY_GROUP = 5;

/** As many loop devices as need no thought; those beyond are a `mknod` away. The kernel itself makes 8. */
const LOOPS = 16;

/** path, permissions, major and minor number (Documentation/admin-guide/devices.txt). */
const characters: readonly [path: string, mode: number, major: number, minor: number][] = [
  ["/dev/null", 0o666, 1, 3],
  ["/dev/zero", 0o666, 1, 5],
  ["/dev/full", 0o666, 1, 7],
  ["/dev/random", 0o666, 1, 8],
  ["/dev/urandom", 0o666, 1, 9],
  ["/dev/tty", 0o666, 5, 0],
  // Opening these two gives no right over anything that exists; without them every user of FUSE or a VPN needs root.
  ["/dev/fuse", 0o666, 10, 229],
  ["/dev/net/tun", 0o666, 10, 200],
  // As the kernel's devtmpfs has it: root writes; reading is judged by kernel.dmesg_restrict.
  ["/dev/kmsg", 0o644, 1, 11],
];

const console: Step = { kind: "write", path: "/dev/console", content: "", mode: 0o600 };

const links: Record<string, string> = {
  "/dev/ptmx": "pts/ptmx",
  "/dev/fd": "/proc/self/fd",
  "/dev/stdin": "/proc/self/fd/0",
  "/dev/stdout": "/proc/self/fd/1",
  "/dev/stderr": "/proc/self/fd/2",
  "/dev/core": "/proc/kcore",
};

/**
 * Of a GPU, as Linux numbers the first one. Programs that draw open the render node, which gives no right over anything
 * but what they draw themselves; the other one is for who has a screen.
 */
const gpuNodes: readonly Step[] = [
  { kind: "mkdir", path: "/dev/dri", mode: 0o755 },
  { kind: "node", path: "/dev/dri/card0", mode: CHARACTER | 0o600, major: 226, minor: 0 },
  { kind: "node", path: "/dev/dri/renderD128", mode: CHARACTER | 0o666, major: 226, minor: 128 },
];

/**
 * A /dev with docker's devices and those of a machine of one's own. The machine's disks and the agent's channel have no
 * node here: only root, who can make nodes, gets at them.
 *
 * @param terminal the first process has one: /dev/console is where the agent then mounts it. Without a
 *   terminal there is no such file, as in docker; a program that finds it would take it for one.
 */
export function makeDevices({ terminal, gpu }: { terminal: boolean; gpu: boolean }): Step[] {
  return [
    mountAt("/dev", "tmpfs", MountFlag.noSuid, "mode=0755,size=64m,nr_inodes=4k"),
    { kind: "mkdir", path: "/dev/net", mode: 0o755 },
    ...characters.map(
      ([path, mode, major, minor]): Step => ({ kind: "node", path, mode: CHARACTER | mode, major, minor }),
    ),
    {
      kind: "node",
      path: "/dev/loop-control",
      mode: CHARACTER | 0o660,
      gid: DISK_GROUP,
      major: 10,
      minor: 237,
    },
    ...Array.from(
      { length: LOOPS },
      (_, minor): Step => ({
        kind: "node",
        path: `/dev/loop${minor}`,
        mode: BLOCK | 0o660,
        gid: DISK_GROUP,
        major: 7,
        minor,
      }),
    ),
    ...(gpu ? gpuNodes : []),
    ...(terminal ? [console] : []),
    ...Object.entries(links).map(([path, target]): Step => ({ kind: "symlink", path, target })),
    mountAt(
      "/dev/pts",
      "devpts",
      MountFlag.noSuid | MountFlag.noExec,
      `newinstance,ptmxmode=0666,mode=0620,gid=${TTY_GROUP}`,
    ),
    // Half of the memory at most, tmpfs's own limit: docker's 64 MiB is what browsers and databases crash on.
    mountAt("/dev/shm", "tmpfs", safe, "mode=1777"),
    mountAt("/dev/mqueue", "mqueue", safe),
  ];
}
