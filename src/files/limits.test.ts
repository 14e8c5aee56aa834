/** What guests may cost the host: descriptors, handles, memory. */
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { Errno } from "./errno.ts";
import { TestVolume, type TestVolumeOptions } from "./files.fixture.ts";
import { MemoryBudget } from "./folder/inodes.ts";
import { Opcode } from "./wire/opcodes.ts";

const volumes: TestVolume[] = [];
function volume(options: TestVolumeOptions = {}): TestVolume {
  const made = new TestVolume(options);
  volumes.push(made);
  return made;
}
afterEach(() => {
  for (const made of volumes.splice(0)) made.stop();
});

test("many entries cost bounded descriptors", () => {
  const v = volume({ descriptors: 16 });
  for (let i = 0; i < 300; i++) mkdirSync(`${v.path}/d${i}`);
  for (let i = 0; i < 300; i++) {
    writeFileSync(`${v.path}/d${i}/f`, String(i));
    v.find(`d${i}/f`);
  }
  const open = readdirSync("/proc/self/fd").length;
  for (let round = 0; round < 2; round++)
    for (let i = 0; i < 300; i++) {
      const node = v.find(`d${i}/f`);
      const handle = v.open(node);
      expect(v.read(node, handle)).toBe(String(i));
      v.get(Opcode.release, node, handle, 0, 0, 0n);
    }
  expect(Math.abs(readdirSync("/proc/self/fd").length - open)).toBeLessThan(20);
});

test("handles are bounded", () => {
  const v = volume({ handles: 3 });
  const { node } = v.create(1, "a");
  v.open(node);
  v.open(node);
  expect(v.ask(Opcode.open, node, 0, 0).errno).toBe(Errno.ENFILE);
  expect(v.ask(Opcode.create, 1, 2, 0o644, 0, 0, "b").errno).toBe(Errno.ENFILE);
});

test("what guests know costs memory that is counted, over all volumes", () => {
  const memory = new MemoryBudget(100_000);
  const v = volume({ memory });
  const other = volume({ memory, path: v.path });
  const left = memory.left;
  for (let i = 0; i < 300; i++) writeFileSync(`${v.path}/${i}`, "");
  const look = (from: TestVolume, at: number) => from.ask(Opcode.lookup, 1, String(at)).errno;
  const answers = Array.from({ length: 300 }, (_, i) => look(i % 2 === 0 ? v : other, i));
  expect(new Set(answers)).toEqual(new Set([0, Errno.ENOMEM]));
  expect(answers.indexOf(Errno.ENOMEM)).toBeGreaterThan(100);
  expect(v.ask(Opcode.create, 1, 2, 0o644, 0, 0, "new").errno).toBe(Errno.ENOMEM);
  expect(existsSync(`${v.path}/new`)).toBe(false);
  v.get(Opcode.rename, 1, 1n, "0", "n".repeat(255));
  other.stop();
  volumes.pop();
  expect(look(v, 299)).toBe(0);
  v.ask(Opcode.forget, v.find("299"), 2n);
  for (let i = 2; i < 300; i += 2) if (answers[i] === 0) v.ask(Opcode.forget, v.find(String(i)), 2n);
  v.ask(Opcode.forget, v.find("n".repeat(255)), 2n);
  expect(v.folder.known).toBe(1);
  // The other's root went with it.
  expect(memory.left).toBe(left + 640);
});

test("without a handle left, no file is made, and none is known", () => {
  const v = volume({ handles: 1 });
  v.create(1, "a");
  expect(v.ask(Opcode.create, 1, 2, 0o644, 0, 0, "b").errno).toBe(Errno.ENFILE);
  expect(v.ask(Opcode.create, 1, 2, 0o644, 0, 0, "a").errno).toBe(Errno.ENFILE);
  expect(readdirSync(v.path)).toEqual(["a"]);
  expect(v.folder.known).toBe(2);
});

test("directories kept for their files are counted, and go with them", () => {
  const v = volume();
  mkdirSync(`${v.path}/a/b/c`, { recursive: true });
  const nodes = [v.find("a"), v.find("a/b"), v.find("a/b/c")];
  for (const node of nodes.slice(0, 2)) v.ask(Opcode.forget, node, 10n);
  expect(v.folder.known).toBe(4);
  v.ask(Opcode.forget, nodes[2] ?? 0, 1n);
  expect(v.folder.known).toBe(1);
});
