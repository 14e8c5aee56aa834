import { afterAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Guest } from "../../guest/index.ts";
import { fakeGuest, fields, rootInput } from "../machine.fixture.ts";
import { limitDisks } from "./disk-limit.ts";

/** A guest's /sys, as far as it is looked at. */
const system = mkdtempSync(`${tmpdir()}/smolvm-disks-`);
const limits = `${system}/fs/cgroup/main/io.max`;
afterAll(() => rmSync(system, { recursive: true }));

beforeEach(() => {
  rmSync(system, { recursive: true });
  for (const [name, number] of [
    ["vdc", "254:32"],
    ["vdd", "254:48"],
  ]) {
    mkdirSync(`${system}/class/block/${name}`, { recursive: true });
    writeFileSync(`${system}/class/block/${name}/dev`, `${number}\n`);
  }
  mkdirSync(`${system}/fs/cgroup/main`, { recursive: true });
});

/** An agent that really runs what it is told to, by busybox's shell. */
async function guestWithShell(): Promise<Guest> {
  const { guest } = await fakeGuest(async ({ verb, fields: request, stream }) => {
    expect(verb).toBe("exec");
    // The system's root, not the workload's.
    expect(request.all(1)).toEqual([]);
    const words = request.all(2).map((word) => Buffer.from(word).toString().replaceAll("/sys", system));
    const { stderr, exitCode } = Bun.spawnSync(["busybox", ...words]);
    stream.accept(fields().int(1, 2).finish());
    await stream.write(2, stderr);
    stream.finish(fields().int(1, exitCode).finish());
  });
  return guest;
}

test("both writable disks are limited, by the numbers that the guest's kernel gives them, and freed again", async () => {
  const guest = await guestWithShell();
  await limitDisks(guest, "main", rootInput.disks, 10_000_000);
  await limitDisks(guest, "main", rootInput.disks, null);
  expect(readFileSync(limits, "utf8").split("\n")).toEqual([
    "254:32 rbps=10000000 wbps=10000000",
    "254:48 rbps=10000000 wbps=10000000",
    "254:32 rbps=max wbps=max",
    "254:48 rbps=max wbps=max",
    "",
  ]);
  guest.close();
});

test("a kernel without such limits is an error that says so", async () => {
  const guest = await guestWithShell();
  rmSync(`${system}/fs/cgroup/main`, { recursive: true });
  expect(await limitDisks(guest, "main", rootInput.disks, 1).catch((e: unknown) => e)).toMatchObject({
    code: "disk.no_limit",
    message: expect.stringContaining("cannot limit the bandwidth of the machine's disks"),
  });
  guest.close();
});

test("a disk that is not there is an error, and none behind it is limited", async () => {
  const guest = await guestWithShell();
  rmSync(`${system}/class/block/vdc`, { recursive: true });
  const error = await limitDisks(guest, "main", rootInput.disks, 1).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: "disk.no_limit" });
  expect(existsSync(limits)).toBe(false);
  guest.close();
});
