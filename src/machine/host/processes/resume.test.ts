import { expect, test } from "bun:test";
import fc from "fast-check";
import { Channel, type Connection } from "../../../protocol/index.ts";
import type { AttachedProcess, Offsets } from "./index.ts";
import type { OutputChannel } from "./output-buffer.ts";
import { attach, driven, exit, pattern } from "./processes.fixture.ts";

const { stdout, stderr } = Channel;

/** A client that reads some output and checks that it is what belongs there. */
class Reader {
  /** Of each channel, the missing bytes included. */
  since: Offsets = { stdout: 0, stderr: 0 };
  lost = 0;
  end: unknown;

  /** Attaches, reads at least so many bytes in all if they come, and leaves without notice. */
  async visit(
    connection: Connection,
    process: string,
    hold: string | undefined,
    budget: number,
    onAttached: () => void,
  ): Promise<void> {
    const client = attach(connection, { process, hold, since: this.since });
    client.onLost = (_, count) => {
      this.lost += count;
    };
    client.accepted.then(onAttached, () => {});
    let left = budget;
    const enough = () => {
      this.since = client.consumed ?? this.since;
      connection.close();
    };
    const reading = [stdout, stderr].map(async (channel) => {
      const position = () => (channel === stdout ? client.consumed?.stdout : client.consumed?.stderr) ?? 0;
      for await (const chunk of this.#checked(client, channel, position)) {
        if (left <= 0) return;
        left -= chunk.length;
        if (left <= 0) enough();
      }
    });
    const ended = client.result.then(
      (end) => {
        this.end = end;
      },
      () => {},
    );
    await Promise.all([...reading, ended]);
    if (left > 0) enough();
  }

  async *#checked(client: AttachedProcess, channel: OutputChannel, position: () => number) {
    for await (const chunk of client.read(channel)) {
      expect(Buffer.compare(chunk, pattern(channel, position(), chunk.length))).toBe(0);
      yield chunk;
    }
  }
}

test("whatever breaks whenever, a client that comes back gets each byte once, in order, or is told how many are gone", async () => {
  const write = fc.record({
    channel: fc.constantFrom<OutputChannel>(stdout, stderr),
    size: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 90_000 })),
  });
  const visit = fc.record({
    hold: fc.constantFrom("mine", undefined),
    budget: fc.integer({ min: 1, max: 400_000 }),
    pause: fc.nat(3),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(write, { maxLength: 200, size: "max" }),
      fc.array(visit, { maxLength: 12, size: "max" }),
      fc.boolean(),
      async (writes, visits, holds) => {
        // Who comes without a hold waits for the one that was left.
        const { agent, connect, process, id } = await driven({ lingerMs: holds ? undefined : 5 });
        const written = { [stdout]: 0, [stderr]: 0 };
        const here = Promise.withResolvers<void>();
        const writing = (async () => {
          // What comes before the client is there is nobody's.
          if (holds) await here.promise;
          for (const { channel, size } of writes) {
            await agent.write(channel, pattern(channel, written[channel], size));
            written[channel] += size;
          }
          exit(agent, 5);
        })();
        const reader = new Reader();
        const last = { hold: "mine", budget: Number.POSITIVE_INFINITY, pause: 0 };
        for (const { hold, budget, pause } of [...visits, last]) {
          for (let turn = 0; turn < pause; turn++) await Bun.sleep(0);
          await reader.visit(await connect(), id, holds ? "mine" : hold, budget, here.resolve);
        }
        await writing;
        expect(reader.since).toEqual({ stdout: written[stdout], stderr: written[stderr] });
        expect(reader.end).toEqual({ exitCode: 5 });
        // A client that has always held has missed nothing, however long it was away.
        if (holds) expect(reader.lost).toBe(0);
        expect(process.output.size).toBeLessThanOrEqual(1024 * 1024);
      },
    ),
    // Shrinking would take too long.
    { numRuns: 60, endOnFailure: true },
  );
}, 120_000);
