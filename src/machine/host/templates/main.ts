import { readFileSync, writeFileSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { leaseAssets } from "../../../assets/lease.ts";
import { messageOf } from "../../../errors.ts";
import { type MakeOrder, TemplateStore } from "../../template/index.ts";
import { makeTemplate } from "./make.ts";

/** It takes some five seconds of a processor; on a host whose processors are busy with others, ten times as long. */
const LIMIT_MS = 600_000;

/**
 * How often a maker looks whether the machine beside it is there, milliseconds: the end of a process that is nobody's child
 * is no event of this runtime. Whoever has the number afterwards keeps the maker for its limit at most.
 */
const LOOK_MS = 200;

/** Entry of the `__template` role; ends the process. Nobody is told anything: `smolvm doctor` has what failed. */
export async function runTemplateMaker(): Promise<never> {
  process.umask(0o077);
  stepBack(process.pid);
  const order = JSON.parse(readFileSync(0, "utf8")) as MakeOrder;
  if (order.beside !== undefined) endWith(order.beside);
  await Bun.sleep(order.delayMs);
  await makeUnlessThere(order).catch(() => {});
  // What it has started ends with it.
  process.exit(0);
}

async function makeUnlessThere(order: MakeOrder): Promise<void> {
  const store = new TemplateStore(order.paths.cache);
  // One at a time: who comes second does not wait, the next start asks again.
  const lock = store.tryLock();
  if (lock === undefined) return;
  const { name } = order;
  if (store.find(name) !== undefined || store.failure(name) !== undefined) return;
  const { kernel, system, launcher, memory } = order.files;
  const files = [kernel, system, launcher, memory].filter((path) => path !== undefined);
  if (leaseAssets(files) === undefined) return; // another version has pruned them
  const fail = (reason: string) => store.noteFailure(name, reason);
  const timer = setTimeout(() => {
    fail(`it was not made within ${LIMIT_MS / 1000} s`);
    process.exit(1);
  }, LIMIT_MS);
  try {
    store.tidy();
    if (!store.hasRoom()) throw new Error("there is too little room in the cache's file system");
    await makeTemplate(order, store, stepBack);
    store.tidy(name);
  } catch (error) {
    fail(messageOf(error));
  } finally {
    clearTimeout(timer);
    lock.release();
  }
}

/** What it has started ends with it. */
function endWith(pid: number): void {
  setInterval(() => {
    if (!runs(pid)) process.exit(0);
  }, LOOK_MS);
}

/** One that has ended may wait for a slow init to hear of it (proc(5), stat: Z). */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/** Others' work goes first: who has as much to do gets ten times as much of a processor. */
function stepBack(pid: number): void {
  const { PRIORITY_BELOW_NORMAL } = constants.priority;
  try {
    setPriority(pid, PRIORITY_BELOW_NORMAL);
    // Where Linux divides the processors between sessions, priorities hold within one only (sched(7), autogroup).
    writeFileSync(`/proc/${pid}/autogroup`, String(PRIORITY_BELOW_NORMAL));
  } catch {
    // It is slower for others then.
  }
}
