import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { assetPath } from "../../../assets/index.ts";
import { Starter } from "../../../confine/index.ts";
import { tryLayers } from "../../../confine/layers.ts";
import { type Part, pack } from "../../../files/files.fixture.ts";
import { IN_HEADER, Opcode, OUT_HEADER } from "../../../files/wire/opcodes.ts";
import { FileServer } from "./server.ts";

let path: string;
let server: FileServer;
beforeEach(() => {
  path = mkdtempSync(`${tmpdir()}/smolvm-server-`);
  server = new FileServer([], undefined);
});
afterEach(() => {
  server.kill();
  rmSync(path, { recursive: true, force: true });
});

const request = (opcode: number, node: bigint, ...parts: readonly Part[]): Buffer => {
  const body = pack(...parts);
  return Buffer.concat([pack(IN_HEADER + body.length, opcode, 1n, node, 0, 0, 1, 0), body]);
};

/** Asks one thing of a volume; the reply's body. */
async function answerOf(stream: Awaited<ReturnType<FileServer["open"]>>, bytes: Buffer): Promise<Buffer> {
  await stream.write(0, bytes);
  let reply = Buffer.alloc(0);
  for await (const chunk of stream.read(0)) {
    reply = Buffer.concat([reply, chunk]);
    if (reply.length >= 4 && reply.length >= reply.readUInt32LE(0)) break;
  }
  expect(reply.readInt32LE(4)).toBe(0);
  return reply.subarray(OUT_HEADER);
}

test("a confined server opens what it was started for, and no other folder that is asked for", async () => {
  const [given, other] = [`${path}/given`, `${path}/other`];
  for (const folder of [given, other]) {
    mkdirSync(folder);
    writeFileSync(`${folder}/a`, "text");
  }
  const launcher = await assetPath("launcher", `${path}/assets`);
  const confinement = { mode: "auto", host: await tryLayers(launcher) } as const;
  const program = openSync(process.execPath, "r");
  const starter = new Starter(launcher, program);
  closeSync(program);
  const volume = (path: string) => ({ path, isFile: false, readOnly: false });
  const confined = new FileServer([volume(given)], { starter, confinement });
  try {
    const errors: number[] = [];
    for (const folder of [given, other]) {
      const stream = await confined.open(volume(folder));
      await stream.accepted;
      await stream.write(0, request(Opcode.opendir, 1n, 0, 0));
      let reply = Buffer.alloc(0);
      for await (const chunk of stream.read(0)) {
        reply = Buffer.concat([reply, chunk]);
        if (reply.length >= OUT_HEADER) break;
      }
      errors.push(reply.readInt32LE(4));
    }
    expect(errors).toEqual([0, -13]);
    // For another run of the VM, when nothing else may be started.
    starter.seal();
    confined.kill();
    const again = new FileServer([volume(given)], { starter, confinement });
    await (await again.open(volume(given))).accepted;
    again.kill();
    // It is the one that was started before, whatever it is asked to be.
    const elsewhere = new FileServer([volume(other)], { starter, confinement });
    const stream = await elsewhere.open(volume(other));
    await stream.accepted;
    await stream.write(0, request(Opcode.opendir, 1n, 0, 0));
    let refused = Buffer.alloc(0);
    for await (const chunk of stream.read(0)) {
      refused = Buffer.concat([refused, chunk]);
      if (refused.length >= OUT_HEADER) break;
    }
    elsewhere.kill();
    expect(refused.readInt32LE(4)).toBe(-13);
  } finally {
    confined.kill();
  }
  expect(await confined.ended).toBe("its file server has ended");
});

test("a folder is served whatever characters its path has", async () => {
  const place = `${path}/ü/日本`;
  mkdirSync(place, { recursive: true });
  writeFileSync(`${place}/a`, "text");
  const stream = await server.open({ path: place, isFile: false, readOnly: true });
  await stream.accepted;
  const entry = await answerOf(stream, request(Opcode.lookup, 1n, "a"));
  expect(Number(entry.readBigUInt64LE(40 + 8))).toBe(4);
});

test("a guest that asks for much and takes nothing costs its file server little", async () => {
  writeFileSync(`${path}/big`, Buffer.alloc(200_000, "x"));
  const memory = (): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) * 1024;
  const stream = await server.open({ path: `${path}/big`, isFile: true, readOnly: true });
  await stream.accepted;
  const handle = (await answerOf(stream, request(Opcode.open, 1n, 0, 0))).readBigUInt64LE(0);
  const before = memory();
  const read = request(Opcode.read, 1n, handle, 0n, 131_072, 0, 0n, 0, 0);
  await stream.write(0, Buffer.concat(Array.from({ length: 2000 }, () => read)));
  // Another volume is served meanwhile; its answer comes when the requests before it have been looked at.
  const other = await server.open({ path, isFile: false, readOnly: true });
  await other.accepted;
  await answerOf(other, request(Opcode.lookup, 1n, "big"));
  expect(memory() - before).toBeLessThan(40_000_000);
});
