import { describe, expect, test } from "bun:test";
import { MAX_SLOT, type Step, StepFlag } from "../../guest/index.ts";
import { encodeStep } from "../../guest/steps.ts";
import { rootInput as input } from "../machine.fixture.ts";
import {
  type ContainerRootInput,
  explainSkipped,
  hasToBeFirst,
  hostnameOf,
  isInitSystem,
  MAX_BINDS,
  planContainer,
  planDepot,
  planRoot,
  type RootInput,
  stopSignalOf,
  withDefaultLimits,
} from "./index.ts";

const flagNames = Object.entries(StepFlag);

/** A step as one line: what it does, then what it does it with. */
function line({ kind, flags, ...rest }: Step & { flags?: number | undefined }): string {
  const values = Object.entries(rest)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => (key === "path" ? String(value) : `${key}=${shown(key, value)}`));
  const words = flagNames.filter(([, bit]) => ((flags ?? 0) & bit) !== 0).map(([name]) => name);
  return [kind, ...values, ...words].join(" ");
}

function shown(key: string, value: unknown): string {
  if (key === "mode") return `0${Number(value).toString(8)}`;
  return typeof value === "string" && /[\s]/.test(value) ? JSON.stringify(value) : String(value);
}

/** The steps behind `enter`, which see the image; without /dev and what is the same everywhere. */
const inside = (changes: Partial<RootInput> = {}) => {
  const { steps } = planRoot({ ...input, ...changes });
  const entered = steps.findIndex(({ kind }) => kind === "enter");
  return steps
    .slice(entered + 1)
    .map(line)
    .filter((text) => !text.includes("/dev/") && !text.startsWith("mount /dev"));
};

describe("the steps of a machine with an image", () => {
  const { steps } = planRoot(input);
  const entered = steps.findIndex(({ kind }) => kind === "enter");

  test("on the system's side: the kernel's settings, disks, files for /etc", () => {
    expect(steps.slice(0, entered + 1).map(line)).toMatchInlineSnapshot(`
      [
        "write /proc/sys/net/ipv4/ip_unprivileged_port_start content=0 optional",
        "write /proc/sys/net/ipv4/ping_group_range content="0 2147483647" optional",
        "write /proc/sys/vm/max_map_count content=1048576 optional",
        "write /proc/sys/kernel/pid_max content=32768 optional",
        "write /proc/sys/kernel/pid_max content=4194304 optional",
        "write /proc/sys/kernel/threads-max content=8192 optional",
        "write /proc/sys/fs/inotify/max_user_watches content=524288 optional",
        "write /proc/sys/fs/inotify/max_user_instances content=1024 optional",
        "write /proc/sys/fs/aio-max-nr content=1048576 optional",
        "write /proc/sys/fs/file-max content=9223372036854775807 optional",
        "mount source=/dev/vdb /run/main/image type=erofs mountFlags=1 makeDirectory",
        "mount source=/dev/vdc /run/main/overlay type=ext4 data=errors=remount-ro,no_prefetch_block_bitmaps,discard makeDirectory",
        "mkdir /run/main/overlay/upper mode=0755",
        "mkdir /run/main/overlay/work mode=0755",
        "mount source=overlay /run/main/root type=overlay data=lowerdir=/run/main/image:/beneath/image,upperdir=/run/main/overlay/upper,workdir=/run/main/overlay/work,redirect_dir=on,metacopy=on,index=off,xino=off makeDirectory",
        "mount source=/dev/vdd /run/main/storage type=ext4 data=errors=remount-ro,no_prefetch_block_bitmaps,discard makeDirectory",
        "grow /run/main/storage source=/dev/vdd optional",
        "mkdir /run/main/storage/workspace mode=0755",
        "hold /run/main/storage slot=3",
        "hold /run/main/storage/workspace slot=4",
        "mount source=etc /run/main/etc type=tmpfs mountFlags=14 data=size=1m,nr_inodes=16,mode=0755 makeDirectory",
        "write /run/main/etc/hosts content="127.0.0.1\\tlocalhost\\n127.0.1.1\\tvm-1\\n::1\\tlocalhost ip6-localhost ip6-loopback\\nfe00::\\tip6-localnet\\nff00::\\tip6-mcastprefix\\nff02::1\\tip6-allnodes\\nff02::2\\tip6-allrouters\\n" mode=0644",
        "hold /run/main/etc/hosts slot=0",
        "write /run/main/etc/hostname content="vm-1\\n" mode=0644",
        "hold /run/main/etc/hostname slot=1",
        "write /run/main/etc/resolv.conf content= mode=0644",
        "hold /run/main/etc/resolv.conf slot=2",
        "enter /run/main/root",
      ]
    `);
  });

  test("inside: mounts, /etc, storage", () => {
    expect(inside()).toMatchInlineSnapshot(`
      [
        "mount source=sysfs /sys type=sysfs mountFlags=14 makeDirectory",
        "mount source=cgroup2 /sys/fs/cgroup type=cgroup2 mountFlags=14",
        "mount source=tmpfs /dev type=tmpfs mountFlags=2 data=mode=0755,size=64m,nr_inodes=4k makeDirectory",
        "mkdir /etc mode=0755 optional",
        "attach slot=0 /etc/hosts makeFile optional",
        "attach slot=1 /etc/hostname makeFile optional",
        "attach slot=2 /etc/resolv.conf makeFile optional",
        "symlink /etc/mtab target=/proc/mounts optional ifAbsent",
        "fill /workspace slot=4 directoryOnly",
        "fill /storage slot=3 directoryOnly once",
        "attach slot=3 /storage makeDirectory directoryOnly",
        "attach slot=4 /workspace makeDirectory directoryOnly",
      ]
    `);
  });

  test("devices: docker's and those of a machine of one's own, none of the machine's disks", () => {
    const nodes = steps
      .filter((step) => step.kind === "node" || ("path" in step && /^\/dev\b/.test(step.path)))
      .map(line)
      .filter((text) => !/loop([2-9]|1\d) /.test(text));
    expect(nodes).toMatchInlineSnapshot(`
      [
        "mount source=tmpfs /dev type=tmpfs mountFlags=2 data=mode=0755,size=64m,nr_inodes=4k makeDirectory",
        "mkdir /dev/net mode=0755",
        "node /dev/null mode=020666 major=1 minor=3",
        "node /dev/zero mode=020666 major=1 minor=5",
        "node /dev/full mode=020666 major=1 minor=7",
        "node /dev/random mode=020666 major=1 minor=8",
        "node /dev/urandom mode=020666 major=1 minor=9",
        "node /dev/tty mode=020666 major=5 minor=0",
        "node /dev/fuse mode=020666 major=10 minor=229",
        "node /dev/net/tun mode=020666 major=10 minor=200",
        "node /dev/kmsg mode=020644 major=1 minor=11",
        "node /dev/loop-control mode=020660 gid=6 major=10 minor=237",
        "node /dev/loop0 mode=060660 gid=6 major=7 minor=0",
        "node /dev/loop1 mode=060660 gid=6 major=7 minor=1",
        "symlink /dev/ptmx target=pts/ptmx",
        "symlink /dev/fd target=/proc/self/fd",
        "symlink /dev/stdin target=/proc/self/fd/0",
        "symlink /dev/stdout target=/proc/self/fd/1",
        "symlink /dev/stderr target=/proc/self/fd/2",
        "symlink /dev/core target=/proc/kcore",
        "mount source=devpts /dev/pts type=devpts mountFlags=10 data=newinstance,ptmxmode=0666,mode=0620,gid=5 makeDirectory",
        "mount source=tmpfs /dev/shm type=tmpfs mountFlags=14 data=mode=1777 makeDirectory",
        "mount source=mqueue /dev/mqueue type=mqueue mountFlags=14 makeDirectory",
      ]
    `);
  });

  test("can be sent: slots exist, and all of them take a few KiB", () => {
    for (const step of steps) if ("slot" in step) expect(step.slot).toBeWithin(0, MAX_SLOT + 1);
    expect(steps.reduce((sum, step) => sum + encodeStep(step).length, 0)).toBeLessThan(16 * 1024);
  });

  test("nothing that an image can break ends the start, but /sys, /dev and a full storage disk", () => {
    const { steps } = planRoot({ ...input, initSystem: true, volumes: ["/data"] });
    const fatal = steps.slice(steps.findIndex(({ kind }) => kind === "enter") + 1).filter((step) => {
      const flags = "flags" in step ? (step.flags ?? 0) : 0;
      return (flags & StepFlag.optional) === 0 && "path" in step && !/^\/(dev|sys)\b/.test(step.path);
    });
    expect(fatal.map(line)).toMatchInlineSnapshot(`
      [
        "fill /workspace slot=4 directoryOnly",
        "fill /storage slot=3 directoryOnly once",
        "attach slot=3 /storage makeDirectory directoryOnly",
        "attach slot=4 /workspace makeDirectory directoryOnly",
      ]
    `);
  });
});

describe("the steps of a container", () => {
  const container: ContainerRootInput = {
    id: "0123456789ab",
    imageId: `sha256:${"c0ffee00".repeat(8)}`,
    volumes: ["/data"],
    binds: [
      { source: "", target: "/all", readOnly: true },
      { source: "workspace/x", target: "/x", readOnly: false },
    ],
    initSystem: false,
    memoryMib: 512,
    pids: null,
    storage: "/dev/vdd",
  };
  const plan = planContainer(container);
  const main = new Set(planRoot(input).steps.map(line));

  test("are those of a machine, but for where image and changes are, and what is bound", () => {
    expect(
      plan.steps.map(line).filter((text) => !main.has(text) && !text.includes("/etc/")),
    ).toMatchInlineSnapshot(`
        [
          "mount source=/dev/vdd /run/ct-0123456789ab/storage type=ext4 data=errors=remount-ro,no_prefetch_block_bitmaps,discard mountFlags=256 makeDirectory",
          "mount source=/run/ct-0123456789ab/storage/.smolvm/images/c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00.erofs /run/ct-0123456789ab/image type=erofs mountFlags=1 makeDirectory",
          "mkdir /run/ct-0123456789ab/storage/.smolvm/containers/0123456789ab/upper mode=0755",
          "mkdir /run/ct-0123456789ab/storage/.smolvm/containers/0123456789ab/work mode=0755",
          "mount source=overlay /run/ct-0123456789ab/root type=overlay data=lowerdir=/run/ct-0123456789ab/image:/beneath/image,upperdir=/run/ct-0123456789ab/storage/.smolvm/containers/0123456789ab/upper,workdir=/run/ct-0123456789ab/storage/.smolvm/containers/0123456789ab/work,redirect_dir=on,metacopy=on,index=off,xino=off makeDirectory",
          "mkdir /run/ct-0123456789ab/storage",
          "hold /run/ct-0123456789ab/storage slot=6",
          "mkdir /run/ct-0123456789ab/storage/workspace/x",
          "hold /run/ct-0123456789ab/storage/workspace/x slot=7",
          "mount source=etc /run/ct-0123456789ab/etc type=tmpfs mountFlags=14 data=size=1m,nr_inodes=16,mode=0755 makeDirectory",
          "enter /run/ct-0123456789ab/root",
          "attach slot=6 /all mountFlags=2097153 makeDirectory",
          "attach slot=7 /x mountFlags=2097152 makeDirectory",
          "mkdir /data mode=0755 optional",
        ]
      `);
  });

  test("can be sent, with as many volumes as there may be", () => {
    const binds = Array.from({ length: MAX_BINDS }, (_, at) => ({
      source: `s${at}`,
      target: `/t${at}`,
      readOnly: false,
    }));
    const { name, steps } = planContainer({ ...container, binds });
    expect(name).toMatch(/^[\w-]{1,64}$/);
    for (const step of steps) if ("slot" in step) expect(step.slot).toBeWithin(0, MAX_SLOT + 1);
    expect(new Set(steps.flatMap((step) => (step.kind === "hold" ? [step.slot] : []))).size).toBe(
      3 + MAX_BINDS,
    );
    expect(steps.reduce((sum, step) => sum + encodeStep(step).length, 0)).toBeLessThan(16 * 1024);
  });

  test("limits are the machine's; an init system is at home in the root's own cgroup", () => {
    const { cgroup, reservedBytes, home } = planRoot(input);
    expect(plan).toMatchObject({
      name: "ct-0123456789ab",
      hostname: "0123456789ab",
      cgroup,
      reservedBytes,
      home,
    });
    expect(planContainer({ ...container, initSystem: true }).home).toBeUndefined();
  });

  test("the depot is the system's root with the storage disk, without links", () => {
    expect(planDepot("/dev/vdd").steps.map(line)).toMatchInlineSnapshot(`
      [
        "mount source=/dev/vdd /run/depot/storage type=ext4 data=errors=remount-ro,no_prefetch_block_bitmaps,discard mountFlags=256 makeDirectory",
        "mkdir /run/depot/storage/.smolvm mode=0700",
        "mkdir /run/depot/storage/.smolvm/images mode=0700",
        "mkdir /run/depot/storage/.smolvm/containers mode=0700",
      ]
    `);
  });
});

test("/workspace of a bare machine is a link to the storage disk, filled with nothing", () => {
  expect(inside({ bare: true }).filter((text) => /workspace|storage/.test(text))).toMatchInlineSnapshot(`
    [
      "attach slot=3 /storage makeDirectory directoryOnly",
      "symlink /workspace target=/storage/workspace ifAbsent",
      "attach slot=4 /workspace directoryOnly",
    ]
  `);
});

test("VOLUME paths are made last, so that one below /workspace lies on the disk", () => {
  expect(inside({ volumes: ["/data", "/workspace/db"] }).slice(-2)).toMatchInlineSnapshot(`
    [
      "mkdir /data mode=0755 optional",
      "mkdir /workspace/db mode=0755 optional",
    ]
  `);
});

test("an init system gets tmpfs on /run and /run/lock, and a read-only /sys", () => {
  const { steps } = planRoot({ ...input, initSystem: true });
  const plain = new Set(planRoot(input).steps.map(line));
  expect(steps.map(line).filter((text) => !plain.has(text))).toMatchInlineSnapshot(`
    [
      "mount source=tmpfs /run/main/run type=tmpfs mountFlags=6 data=mode=0755 makeDirectory",
      "hold /run/main/run slot=5",
      "mount source=sysfs /sys type=sysfs mountFlags=15 makeDirectory",
      "fill /run slot=5 directoryOnly optional",
      "attach /run slot=5 makeDirectory directoryOnly optional",
      "mount source=tmpfs /run/lock type=tmpfs mountFlags=14 data=mode=1777,size=5m makeDirectory optional",
    ]
  `);
});

test("a command starts in a cgroup below the root's own, an init system in the root's own", () => {
  const home = (initSystem: boolean) => planRoot({ ...input, initSystem }).home;
  expect([home(false), home(true)]).toEqual(["init", undefined]);
});

test("/dev/console is there for a terminal only", () => {
  const paths = (terminal: boolean) =>
    planRoot({ ...input, terminal }).steps.flatMap((step) => ("path" in step ? [step.path] : []));
  expect([paths(true).includes("/dev/console"), paths(false).includes("/dev/console")]).toEqual([
    true,
    false,
  ]);
});

test("memory and threads grow with the machine, within limits", () => {
  const figures = [64, 256, 512, 4096, 65_536].map((memoryMib) => {
    const { reservedBytes, cgroup, steps } = planRoot({ ...input, memoryMib });
    const threads = steps.find((step) => step.kind === "write" && step.path.endsWith("/threads-max"));
    return [
      memoryMib,
      Number(reservedBytes) / 1024 ** 2,
      ...(cgroup ?? []),
      (threads as { content: string }).content,
    ];
  });
  expect(figures).toMatchInlineSnapshot(`
    [
      [
        64,
        5,
        "pids.max=896",
        "1024",
      ],
      [
        256,
        8,
        "pids.max=3584",
        "4096",
      ],
      [
        512,
        12,
        "pids.max=7168",
        "8192",
      ],
      [
        4096,
        64,
        "pids.max=28672",
        "65536",
      ],
      [
        65536,
        64,
        "pids.max=28672",
        "1048576",
      ],
    ]
  `);
});

test("a machine has as many processes as were asked for, beside its first one, and as its memory allows", () => {
  const most = (memoryMib: number, pids: number | null) => planRoot({ ...input, memoryMib, pids }).cgroup;
  expect(most(512, 100)).toEqual(["pids.max=101"]);
  expect(most(512, 1)).toEqual(["pids.max=2"]);
  expect(most(64, 1_000_000)).toEqual(["pids.max=896"]);
});

test("skipped steps that concern the user are explained, others are not", () => {
  const sentences = planRoot(input).steps.map(explainSkipped).filter(Boolean);
  expect(sentences).toMatchInlineSnapshot(`
    [
      "the storage disk's filesystem could not grow to the disk, and keeps its size",
      "the image's /storage is no directory and stays as it is; of the storage disk only /workspace is there",
      "the image's /workspace is no directory and stays as it is; the storage disk is at /storage",
    ]
  `);
});

test.each([
  [["/sbin/init"], true],
  [["/usr/lib/systemd/systemd", "--unit=x"], true],
  [["/init"], true],
  [["/srv/init"], false],
  [["sh", "/init"], false],
  [[], false],
])("%j has to be the first process: %p", (argv, first) => {
  expect(hasToBeFirst(argv)).toBe(first);
});

test("what is an init system", () => {
  const yes = ["/sbin/init", "/usr/sbin/init", "/usr/local/sbin/init", "systemd", "/lib/systemd/systemd"];
  for (const program of yes) expect([program, isInitSystem([program, "x"])]).toEqual([program, true]);
  for (const program of ["/init", "init", "/bin/init", "sh", "", "/systemd/x", "systemd-run"])
    expect([program, isInitSystem([program])]).toEqual([program, false]);
  expect(isInitSystem([])).toBe(false);
});

test("which signal asks a machine to stop", () => {
  const number = (text: string | undefined, initSystem = false) => stopSignalOf(text, initSystem);
  expect(number(undefined)).toBe(15);
  expect(number(undefined, true)).toBe(37);
  expect(number("", true)).toBe(37);
  expect(number("SIGQUIT", true)).toBe(3);
  expect(
    ["QUIT", "quit", "3", "SIGRTMIN+3", "RTMIN", "SIGRTMAX-14", "64"].map((text) => number(text)),
  ).toEqual([3, 3, 3, 37, 34, 50, 64]);
  for (const text of [
    "SIGNOPE",
    "0",
    "65",
    "99",
    "SIGRTMIN-1",
    "SIGRTMAX+1",
    "RTMIN+",
    "SIG",
    "+3",
    "toString",
  ])
    expect([text, number(text)]).toEqual([text, 15]);
});

test("default limits stand back behind those that were asked for", () => {
  const asked = [{ name: "NOFILE", soft: 5, hard: 6 }];
  expect(withDefaultLimits(asked).map(({ name, soft, hard }) => `${name}=${soft}:${hard}`)).toEqual([
    "nproc=-1:-1",
    "memlock=-1:-1",
    "core=0:-1",
    "NOFILE=5:6",
  ]);
});

test("a machine's name becomes a host name that the kernel takes", () => {
  expect(hostnameOf("vm-1")).toBe("vm-1");
  expect(hostnameOf("x".repeat(128))).toBe("x".repeat(63));
  expect(hostnameOf(`${"x".repeat(61)}-_${"y".repeat(20)}`)).toBe("x".repeat(61));
});
