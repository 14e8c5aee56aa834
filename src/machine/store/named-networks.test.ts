import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Paths } from "../../config/paths.ts";
import { SmolError } from "../../errors.ts";
import {
  joinNamedNetwork,
  MAX_MEMBERS,
  type Membership,
  networkMembers,
  sweepNamedNetworks,
} from "./named-networks.ts";

const data = mkdtempSync(join(tmpdir(), "smolvm-networks-"));
afterAll(() => rmSync(data, { recursive: true, force: true }));
const paths: Paths = { data, cache: data, config: data, runtime: data };
const numbers = { first: 1, last: 254 };
const joins = (machine: string, network = "team") => joinNamedNetwork(paths, network, machine, numbers);

test("members have different numbers, and one that comes back has its own again", () => {
  const few = { first: 1, last: 3 };
  const all = ["a", "b", "c"].map((machine) => joinNamedNetwork(paths, "few", machine, few));
  expect(all.map(({ number }) => number).sort()).toEqual([1, 2, 3]);
  const b = all[1] as Membership;
  b.leave();
  expect(networkMembers(paths, "few").map(({ machine }) => machine)).not.toContain("b");
  const again = joinNamedNetwork(paths, "few", "b", few);
  expect(again.number).toBe(b.number);
  for (const member of [all[0] as Membership, all[2] as Membership, again]) member.leave();
  expect(networkMembers(paths, "few")).toEqual([]);
  expect(existsSync(`${data}/networks`)).toBe(false);
});

test("one too many is refused, and fits into another network", () => {
  const all = Array.from({ length: MAX_MEMBERS }, (_, i) => joins(`m${i}`));
  try {
    joins("one-more");
    throw new Error("it was let in");
  } catch (error) {
    expect(error).toBeInstanceOf(SmolError);
    expect((error as SmolError).code).toBe("network.full");
  }
  all.push(joins("one-more", "other"));
  for (const member of all) member.leave();
});

/** Joins in a process of its own, says its number, and stays until it is killed. */
const JOIN = `
import { joinNamedNetwork } from ${JSON.stringify(join(import.meta.dir, "named-networks.ts"))};
const [data, machine] = process.argv.slice(1);
const paths = { data, cache: data, config: data, runtime: data };
console.log(joinNamedNetwork(paths, "team", machine, { first: 1, last: 254 }).number);
setInterval(() => {}, 1e6);`;

function joiner(machine: string) {
  const child = Bun.spawn([process.execPath, "-e", JOIN, data, machine], { stdout: "pipe" });
  const number = async () => {
    const { value } = await child.stdout.getReader().read();
    return Number(Buffer.from(value ?? []).toString());
  };
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  return { number: number(), kill };
}

test("processes that join at once have different numbers; killed ones are no members, and are swept", async () => {
  const children = ["p", "q", "r", "s"].map(joiner);
  const taken = await Promise.all(children.map(({ number }) => number));
  expect(new Set(taken).size).toBe(4);
  expect(taken.every((number) => number >= 1 && number <= 254)).toBe(true);
  const [p, ...others] = children;
  await p?.kill();
  expect(
    networkMembers(paths, "team")
      .map(({ machine }) => machine)
      .sort(),
  ).toEqual(["q", "r", "s"]);
  // Its place is free for it again.
  const again = joins("p");
  expect(again.number).toBe(taken[0] as number);
  for (const child of others) await child.kill();
  again.leave();
  expect(readdirSync(`${data}/networks/team`).length).toBe(3);
  sweepNamedNetworks(paths);
  expect(existsSync(`${data}/networks`)).toBe(false);
}, 60_000);
