/** For tests: writes a log on a small disk until it is full, and once more when there is room: `bun full-disk.fixture.ts LOG`. */
import { rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { WorkloadLog } from "./index.ts";
import { textOf } from "./logs.fixture.ts";

async function main(path: string): Promise<void> {
  const filler = `${dirname(path)}/filler`;
  writeFileSync(filler, new Uint8Array(128 * 1024));
  const troubles: string[] = [];
  const log = new WorkloadLog(path, { onTrouble: (text) => troubles.push(text) });
  let written = 0;
  const write = async (text: string) => {
    written += text.length;
    await log.write("stdout", Buffer.from(text));
  };
  for (let line = 0; line < 10_000; line++) await write(`line ${line}\n`);
  await log.flushed();
  rmSync(filler);
  await write("after\n");
  await log.close();
  const notes: string[] = [];
  const text = await textOf(path, { onNote: (note) => notes.push(note) });
  console.log(JSON.stringify({ troubles, notes, written, read: text.length, text }));
}

void main(Bun.argv[2] as string);
