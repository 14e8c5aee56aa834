/** Cases of the suite (suite.ts): what a machine tells while it runs, and what becomes of it. */
import assert from "node:assert/strict";
import { InvalidStateError, type LogEntry, Machine, type MonitorEvent } from "../../sdk/src/index.ts";
import { rejects, SMALL } from "./cases.ts";

/** Until there is one that fits, or no more. */
async function until<T>(items: AsyncIterable<T>, fits: (item: T) => boolean): Promise<T[]> {
  const seen: T[] = [];
  for await (const item of items) {
    seen.push(item);
    if (fits(item)) break;
  }
  return seen;
}

export const lifeCases: Record<string, () => Promise<void>> = {
  "its log is there as it comes and afterwards; what happens to it is told until it ends": async () => {
    const script = "echo begun; echo oops >&2; while ! [ -e /go ]; do sleep 0.1; done; echo done; exit 3";
    const machine = await Machine.create({ ...SMALL, ports: [8000], command: ["sh", "-c", script] });
    const events: MonitorEvent[] = [];
    const monitor = machine.monitor();
    assert.equal((await monitor.next()).value?.type, "watching");
    const notRunning = (waiting: Promise<void>) => rejects(waiting, InvalidStateError, "machine.not_running");
    const waiting = notRunning(machine.waitForPort(8000, { timeoutMs: 300_000 }));
    const watching = (async () => {
      for await (const event of monitor) {
        events.push(event);
        if (event.type === "gave_up") await machine.stop();
      }
    })();
    const isLast = ({ text }: LogEntry) => text === "done";
    const following = until(machine.logs({ follow: true }), isLast);
    await machine.fs.writeFile("/go", "");
    const followed = await following;
    assert.deepEqual(
      followed.map(({ stream, text }) => [stream, text]).sort(),
      [
        ["stderr", "oops"],
        ["stdout", "begun"],
        ["stdout", "done"],
      ].sort(),
    );
    await watching;
    assert.deepEqual(
      events.map(({ type }) => type),
      ["ended", "gave_up"],
    );
    assert.match(String(events[0]?.reason), /exit code 3/);
    await waiting;
    await notRunning(machine.waitForPort(8000));
    const { workload } = (await machine.refresh()).info;
    assert.deepEqual([workload?.running, workload?.exitCode, workload?.command.at(-1)], [false, 3, script]);
    const console_ = await until(machine.logs({ source: "console" }), () => true);
    assert.equal(console_[0]?.stream, "console");
    const [last] = await until(machine.logs({ tail: 1 }), () => false);
    assert.equal(last?.text, "done");
    assert.ok(last.time.getTime() >= machine.info.createdAt.getTime() - 1000);
    await machine.delete();
  },
};
