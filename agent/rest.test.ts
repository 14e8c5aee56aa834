import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { FieldWriter } from "../src/guest/fields.ts";
import { encodeFrame, FrameType } from "../src/protocol/index.ts";
import { RawHost, startAgent, startGuest, type TestGuest } from "./testing/index.ts";

/** What rest does with devices is tried in VMs: test/machines/template.test.ts. The build machine's stay its own. */

// The first one compiles the agent.
setDefaultTimeout(120_000);

const REST = 13;
const hello = encodeFrame(FrameType.hello, 0, new FieldWriter().int(1, 4).finish()).slice();
const rest = (...devices: string[]) => new FieldWriter([REST]).texts(1, devices).finish();

/** An agent without roots, and a host that says what it likes. */
async function restingAgent() {
  const agent = await startAgent({ confined: true });
  const host = new RawHost(agent.transport);
  host.send(hello);
  return { agent, host };
}

describe("a guest at rest", () => {
  test("takes what comes next for another host's first words", async () => {
    const { agent, host } = await restingAgent();
    host.frame(FrameType.open, 7, rest());
    await host.until(() => host.ended === 1);
    // Streams begin with 1 again: on the old connection this would be a violation.
    host.send(hello);
    host.frame(FrameType.open, 1, new FieldWriter([99]).finish());
    expect(await host.until(() => host.ended === 2)).toBe("true");
    expect(host.frames.map(({ type, stream }) => [type, stream])).toEqual([
      [FrameType.hello, 0],
      [FrameType.result, 7],
      [FrameType.hello, 0],
      [FrameType.fail, 1],
    ]);
    await agent.stop();
  });

  test("does not go on with the connection that it had", async () => {
    const { agent, host } = await restingAgent();
    host.frame(FrameType.open, 1, rest());
    await host.until(() => host.ended === 1);
    host.frame(FrameType.open, 2, rest());
    await host.closed;
    await agent.exited;
    expect(agent.console()).toContain("no hello");
    await agent.stop();
  });

  test("cannot be had with a device that is not there, and works on then", async () => {
    const { agent, host } = await restingAgent();
    for (const [index, device] of ["block/none", "../x", "block/../x", "block", "net/a/b"].entries())
      host.frame(FrameType.open, index + 1, rest(device));
    host.frame(FrameType.open, 6, new FieldWriter([99]).finish());
    expect(await host.until(() => host.ended === 6)).toBe("true");
    expect(host.frames.slice(1).every(({ type }) => type === FrameType.fail)).toBe(true);
    await agent.stop();
  });
});

describe("with a root", () => {
  let it: TestGuest;
  beforeAll(async () => {
    it = await startGuest();
  });
  afterAll(() => it.stop());

  test("a guest has work, and does not rest", async () => {
    await expect(it.guest.rest([])).rejects.toMatchObject({ code: "agent.rest_failed" });
  });

  test("the kernel takes random bytes, as many as fit", async () => {
    await it.guest.entropy(randomBytes(64));
    await it.guest.entropy(randomBytes(512));
    for (const length of [0, 513]) {
      const refused = it.guest.entropy(randomBytes(length));
      await expect(refused).rejects.toMatchObject({ code: "agent.bad_request" });
    }
  });
});
