import { expect, test } from "bun:test";
import { Judge } from "./judge.ts";
import type { FlowPolicy } from "./types.ts";

const flow = {
  protocol: "tcp",
  source: { address: "100.96.0.2", port: 1 },
  destination: { address: "203.0.113.1", port: 80 },
} as const;

test("whatever a policy throws means no, and is told", async () => {
  const troubles: unknown[] = [];
  const bug = new Error("bug");
  const fail = () => {
    throw bug;
  };
  const failing: FlowPolicy = { decide: fail, inspect: fail, closed: fail };
  const judge = new Judge(failing, (error) => void troubles.push(error));
  const judged = await judge.decide(flow);
  expect(judged.decision.allow).toBe(false);
  expect(judge.inspect(flow, new Uint8Array(1), false)).toMatchObject({ allow: false });
  judged.tell({ how: "denied", sent: 0, received: 0 });
  const late = await new Judge({ ...failing, decide: () => Promise.reject(bug) }, () => {}).decide(flow);
  expect(late.decision.allow).toBe(false);
  expect(troubles).toEqual([bug, bug, bug]);
});
