import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { MountFlag, type Step, StepFlag } from "../../src/guest/index.ts";
import { planRoot, type RootInput } from "../../src/machine/root/index.ts";

const applets =
  "cat chmod chown cut dd df echo env false find grep head hostname id kill ln ls mkdir mkfifo mknod mount mv nc od ps pwd readlink rm seq setsid sh sleep sort " +
  "stat stty tail touch tr true tty umount wc yes";

const files: Record<string, string> = {
  "etc/passwd":
    "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\nodd line\nnohome:x:7:7::\nbad:x:-1:0::/:\n",
  "etc/group": "root:x:0:\nstaff:x:50:root,app\nappgroup:x:1001:\nextra:x:60:app\n",
  "bin/junk": "\0\0junk",
  "bin/orphan": "#!/no/such/interpreter\n",
  "bin/plain": "not executable",
};

/** A program that tests need. @throws Error that names the package */
export function which(program: string, packageName: string): string {
  const path = Bun.which(program);
  if (path === null) throw new Error(`${program} is missing: install the package ${packageName}`);
  return path;
}

/** A small root filesystem; `extra` adds or replaces files. */
export function makeRoot(path: string, extra: Record<string, string> = {}): void {
  mkdirSync(`${path}/bin`, { recursive: true });
  copyFileSync(which("busybox", "busybox-static"), `${path}/bin/busybox`);
  for (const applet of applets.split(" ")) symlinkSync("busybox", `${path}/bin/${applet}`);
  for (const [name, text] of Object.entries({ ...files, ...extra })) {
    mkdirSync(dirname(`${path}/${name}`), { recursive: true });
    writeFileSync(`${path}/${name}`, text);
  }
  for (const name of ["busybox", "junk", "orphan"]) chmodSync(`${path}/bin/${name}`, 0o755);
}

const machine: RootInput = {
  name: "smolvm",
  bare: false,
  volumes: [],
  initSystem: false,
  terminal: false,
  gpu: false,
  memoryMib: 512,
  pids: null,
  ephemeral: false,
  shares: [],
  tmpfs: [],
  disks: {
    image: "image",
    overlay: { device: "overlay", grow: false },
    storage: { device: "storage", grow: false },
  },
};

/**
 * The product's own steps, with a directory in the place of image and overlay and a tmpfs in that of the
 * storage disk. The kernel is that of whoever runs the tests: its settings are left alone.
 */
export function stepsFor(root: string, changes: Partial<RootInput> = {}): Step[] {
  return planRoot({ ...machine, ...changes }).steps.flatMap((step) => {
    if (step.kind === "grow") return [];
    if (step.kind === "write" && step.path.startsWith("/proc/sys/")) return [];
    if (step.kind !== "mount") return [step];
    if (step.type === "erofs") return [];
    if (step.type === "ext4") return [{ ...step, source: "disk", type: "tmpfs", data: "mode=0755" }];
    if (step.type !== "overlay") return [step];
    return [bindMount(root, step.path)];
  });
}

export function bindMount(source: string, path: string): Step {
  return { kind: "mount", source, path, mountFlags: MountFlag.bind, flags: StepFlag.makeDirectory };
}
