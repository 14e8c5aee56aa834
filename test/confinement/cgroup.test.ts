import { afterAll, beforeAll, expect } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { assetPath } from "../../src/assets/index.ts";
import { type ConfinedProgram, type HostLayers, planLaunch } from "../../src/confine/index.ts";
import { NO_LAYERS } from "../../src/confine/types.ts";
import { onQemu, useHome } from "../support/register.ts";

/**
 * A cgroup for a VM. Hosts on which tests run have none to divide, as a rule; a machine has: the launcher and an attacker
 * run in it.
 */

const home = useHome();
const THREADS = 40;
const ADDRESS_SPACE = 2 ** 28;
let directory: string;

beforeAll(async () => {
  directory = mkdtempSync(`${tmpdir()}/smolvm-cgroup-`);
  const compiled = Bun.spawnSync([
    ...["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-static", "-o", `${directory}/attacker`],
    `${import.meta.dir}/attacker.c`,
  ]);
  if (!compiled.success) throw new Error(compiled.stderr.toString());
  mkdirSync(`${directory}/assets`);
  copyFileSync(await assetPath("launcher", `${directory}/assets`), `${directory}/launcher`);
  const all = { ...NO_LAYERS, cgroup: "/sys/fs/cgroup" };
  write("bomb", all, "threads", String(2 * THREADS));
  write("bomb-without", NO_LAYERS, "threads", String(2 * THREADS));
  write("wait", all, "wait", "-");
  write("nowhere", { ...all, cgroup: "/sys/fs/cgroup/nowhere" }, "nothing", "-");
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** An order for the launcher in the machine. */
function write(name: string, host: HostLayers, attempt: string, on: string): void {
  const program: ConfinedProgram = {
    profile: "qemu",
    command: ["/t/attacker", attempt, on],
    ...{ environment: [], paths: [], sockets: [] },
    ...{ addressSpaceBytes: ADDRESS_SPACE, fileBytes: 2 ** 20, threads: THREADS },
  };
  writeFileSync(`${directory}/${name}`, planLaunch(program, { mode: "auto", host }).bytes);
}

const SCRIPT = `
cd /sys/fs/cgroup; echo +memory +pids > cgroup.subtree_control
launch() { /t/launcher 3>/dev/null; }
left() { ls -d smolvm-* 2>/dev/null | wc -l; }
launch < /t/bomb-without; echo "without: $?"
launch < /t/bomb; echo "with: $?, left: $(left)"
launch < /t/nowhere 2>&1
mkfifo /in /out /err
# It goes on until its input ends, or its parent does.
begin() {
  (cat /t/wait -) < /in | sh -c '/t/launcher 3>/dev/null >/out 2>/err; :' & parent=$!
  exec 8>/in 6</out 7</err; read here <&6
}
begin; grep . smolvm-*/memory.max smolvm-*/pids.max smolvm-*/pids.current | cut -d/ -f2
exec 8>&-; cat <&7; wait; echo "ended, left: $(left)"
begin; kill -9 $parent; cat <&7; echo "killed, left: $(left)"
exec 8>&-`;

onQemu(
  "a VM has a cgroup with limits, which its warden removes, however the VM or its machine ends",
  async () => {
    const { output, stderr, exitCode } = await home.run(["sh", "-c", SCRIPT], {
      options: ["-v", `${directory}:/t:ro`],
    });
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(output.split("\n")).toEqual([
      "without: 0",
      "with: 7, left: 0",
      expect.stringMatching(/^smolvm-vmm-failed: .*"what":"cgroup".*"errno":2}$/),
      `memory.max:${ADDRESS_SPACE}`,
      `pids.max:${THREADS}`,
      "pids.current:1",
      "ended, left: 0",
      "killed, left: 0",
      "",
    ]);
  },
);
