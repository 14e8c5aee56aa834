import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { FIRST_USER } from "../../src/confine/user.ts";
import { useMachines } from "../support/machines.ts";

/** Machines of root's: each VM is a user of its own while it runs, whoever else is killed or started meanwhile. */

setDefaultTimeout(120_000);

const machines = useMachines();

interface Process {
  readonly user: number;
  readonly status: Readonly<Record<string, string>>;
}

/** Of a machine's VM, by the kernel. */
async function vmOf(name: string): Promise<Process> {
  const { vmm_pid } = await machines.state(name);
  const lines = readFileSync(`/proc/${vmm_pid}/status`, "utf8").matchAll(/^(\w+):(.*)$/gm);
  const status = Object.fromEntries(
    [...lines].map(([, key, value]) => [key, value?.trim().replaceAll("\t", " ")]),
  );
  const [user = ""] = status.Uid?.split(" ") ?? [];
  return { user: Number(user), status };
}

const lockOf = (user: number): string => `/run/smolvm-users/${user}`;

test("each VM of root's is a user of its own, with no group and no privilege, and its disks are that user's", async () => {
  expect(process.geteuid?.()).toBe(0);
  for (const name of ["first", "second"]) {
    await machines.create(name);
    await machines.ok("start", name);
  }
  const [first, second] = [await vmOf("first"), await vmOf("second")];
  for (const { user, status } of [first, second]) {
    expect(user).toBeGreaterThanOrEqual(FIRST_USER);
    expect(status).toMatchObject({
      ...{ Uid: `${user} ${user} ${user} ${user}`, Gid: `${user} ${user} ${user} ${user}`, Groups: "" },
      ...{ CapPrm: "0000000000000000", CapBnd: "0000000000000000", NoNewPrivs: "1", Seccomp: "2" },
    });
  }
  expect(second.user).not.toBe(first.user);
  const disk = `${machines.directoryOf("first")}/data/storage.ext4`;
  expect(statSync(disk)).toMatchObject({ uid: first.user });
  expect((await machines.state("first")).confinement?.layers).toContainEqual(
    expect.objectContaining({ name: "user", in_force: true }),
  );
  // The machine's process goes, and with it the VM and its claim; what it wrote stays root's to start again.
  await machines.sh("first", "echo kept > /kept && sync");
  process.kill(machines.processOf("first"), "SIGKILL");
  await machines.ok("start", "first");
  expect(await machines.sh("first", "cat /kept")).toBe("kept\n");
  const again = await vmOf("first");
  expect(again.user).not.toBe(second.user);
  await machines.ok("stop", "first");
  expect([existsSync(lockOf(again.user)), existsSync(lockOf(second.user))]).toEqual([false, true]);
});
