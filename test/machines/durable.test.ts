import { expect } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { useMachines } from "../support/machines.ts";
import { program } from "../support/program.ts";
import { onQemu } from "../support/register.ts";

/** Power cuts of the host: a record that a command has told of is on the disk, by what the kernel was asked to do. */

const home = useMachines();
const machines = `${home.env.XDG_DATA_HOME}/smolvm/machines`;

/** What a command has asked the kernel for, in order: flushes, new names, and its first words. */
async function traced(...words: readonly string[]): Promise<string[]> {
  const log = `${home.path}/tmp/trace`;
  const calls = "trace=fsync,fdatasync,rename,renameat,renameat2,write";
  const { exitCode } = await home.shell(
    `strace -f -y -o ${log} -e ${calls} ${program} machine ${words.join(" ")}`,
  );
  expect(exitCode).toBe(0);
  const lines = readFileSync(log, "utf8").split("\n");
  rmSync(log);
  return lines
    .flatMap((line) => {
      const flushed = line.match(/(?:fsync|fdatasync)\(\d+<(.*)>\) += 0$/)?.[1];
      const [, from, to] =
        line.match(/rename\w*\((?:AT_FDCWD[^,]*, )?"(.*?)", (?:AT_FDCWD[^,]*, )?"(.*?)"/) ?? [];
      if (flushed !== undefined) return [`flush ${flushed}`];
      if (from !== undefined) return [`${from} becomes ${to}`];
      return /write\(1</.test(line) ? ["tells"] : [];
    })
    .map((call) => call.replaceAll(`${machines}/`, "").replaceAll(/\.new-[0-9a-f]+/g, "NEW"));
}

onQemu("a new machine is on the disk, with its name, before anybody is told", async () => {
  expect(await traced("create", "web")).toEqual([
    "flush NEW/machine.json",
    "flush NEW",
    "NEW becomes web",
    `flush ${machines}`,
    "tells",
  ]);
});

onQemu("a change is there whole or not at all, and before anybody is told", async () => {
  expect(await traced("update", "web", "--label", "a=b")).toEqual([
    "flush web/machine.json.new",
    "web/machine.json.new becomes web/machine.json",
    "flush web",
    "tells",
  ]);
});
