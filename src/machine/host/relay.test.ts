import { describe, expect, test } from "bun:test";
import type { GuestExec } from "../../guest/index.ts";
import { Channel, type Stream, StreamFailure } from "../../protocol/index.ts";
import { connectionPair } from "../../protocol/protocol.fixture.ts";
import { type Agent, type Asked, fakeGuest, fields } from "../machine.fixture.ts";
import { relayExec } from "./relay.ts";

const exec: GuestExec = { root: "main", argv: ["cat"], env: [], stdin: true };

interface Setup {
  /** What the client opened: its end of the work. */
  readonly client: Stream;
  readonly asked: string[];
  close(): void;
}

/** A client's stream that is relayed to an agent written in the test. */
async function relayed(
  serve: (asked: Asked) => void,
  rootMade: Promise<unknown> = Promise.resolve(),
): Promise<Setup> {
  const { guest, asked } = await fakeGuest(serve);
  const { opener } = await connectionPair((stream) => {
    void relayExec(stream, exec, { exec: (request) => guest.exec(request), rootMade });
  });
  return {
    client: opener.open({ method: "exec" }),
    asked,
    close() {
      opener.close();
      guest.close();
    },
  };
}

const accept = (stream: Agent) => stream.accept(fields().int(1, 9).finish());
const finish = (stream: Agent, exitCode: number) => stream.finish(fields().int(1, exitCode).finish());

async function collect(stream: Stream, channel: number): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const chunk of stream.read(channel)) parts.push(chunk);
  return Buffer.concat(parts).toString();
}

describe("a relayed process", () => {
  test("gets its input, and its output and result come back", async () => {
    const { client, close } = await relayed(async ({ stream }) => {
      accept(stream);
      for await (const chunk of stream.read(Channel.stdin)) await stream.write(Channel.stdout, chunk);
      await stream.write(Channel.stderr, Buffer.from("end"));
      finish(stream, 3);
    });
    const input = "x".repeat(1_000_000);
    void client.write(Channel.stdin, Buffer.from(input)).then(() => client.end(Channel.stdin));
    const [output, errors] = await Promise.all([collect(client, 1), collect(client, 2)]);
    expect(output === input).toBe(true);
    expect(errors).toBe("end");
    expect(await client.accepted).toEqual({ pid: 9 });
    expect(await client.result).toEqual({ exitCode: 3 });
    close();
  });

  test("that asked for the end of the machine says so", async () => {
    const { client, close } = await relayed(({ stream }) => {
      accept(stream);
      stream.finish(fields().int(3, 2).finish());
    });
    expect(await client.result).toEqual({ halted: "poweroff" });
    close();
  });

  test("gets the signals and sizes that came before it ran, in order", async () => {
    const { client, close } = await relayed(({ stream }) => {
      const controls: string[] = [];
      stream.onControl = (message) => {
        controls.push(Buffer.from(message).toString("hex"));
        if (controls.length === 3)
          stream.write(1, Buffer.from(controls.join())).then(() => finish(stream, 0));
      };
      // Not before the client's messages are here.
      setTimeout(() => accept(stream), 50);
    });
    client.control({ type: "signal", signal: 2 });
    client.control({ type: "resize", columns: 80, rows: 24 });
    await client.accepted;
    client.control({ type: "signal", signal: 15 });
    expect(await collect(client, 1)).toBe("0100000102,02000001500300000118,010000010f");
    close();
  });

  test("is killed when its client gives up, also before it runs", async () => {
    const { client, close } = await relayed(({ stream }) => {
      stream.onCancel = () => stream.fail({ code: "exec.failed", message: "given up" });
    });
    client.cancel();
    expect(await client.result.catch((e: unknown) => e)).toMatchObject({ code: "exec.failed" });
    close();
  });

  test("that cannot start is the client's to know: code and message", async () => {
    const { client, close } = await relayed(({ stream }) =>
      stream.fail({ code: "exec.not_found", message: "cat: no" }),
    );
    expect(await client.result.catch((e: unknown) => e)).toMatchObject({
      code: "exec.not_found",
      message: "cat: no",
    });
    close();
  });

  test("is asked for again when its root was made again, with all of its input", async () => {
    const made = Promise.withResolvers<void>();
    const { client, asked, close } = await relayed(async ({ stream }) => {
      if (asked.length === 1) {
        stream.fail({ code: "exec.no_root", message: "not made" });
        made.resolve();
        return;
      }
      accept(stream);
      for await (const chunk of stream.read(0)) await stream.write(1, chunk);
      finish(stream, 0);
    }, made.promise);
    void client.write(0, Buffer.from("input")).then(() => client.end(0));
    expect(await collect(client, 1)).toBe("input");
    expect(asked).toEqual(["exec cat", "exec cat"]);
    close();
  });

  test("without a root says why there is none", async () => {
    const why = Promise.reject(new StreamFailure({ code: "step.failed", message: "mount /dev/vdb: no" }));
    why.catch(() => {});
    const { client, asked, close } = await relayed(
      ({ stream }) => stream.fail({ code: "exec.no_root", message: "the root could not be made" }),
      why,
    );
    expect(await client.result.catch((e: unknown) => e)).toMatchObject({ code: "step.failed" });
    expect(asked).toEqual(["exec cat"]);
    close();
  });

  test("of a guest that breaks the protocol, or is gone, is lost", async () => {
    const broken = await relayed(({ stream }) => {
      accept(stream);
      stream.finish(fields().int(1, 999).finish());
    });
    expect(await broken.client.result.catch((e: unknown) => e)).toMatchObject({
      code: "machine.lost",
      message: expect.stringContaining("broke the protocol"),
    });
    broken.close();
    const { guest } = await fakeGuest(() => guest.close());
    const { opener } = await connectionPair((stream) => {
      void relayExec(stream, exec, { exec: (request) => guest.exec(request), rootMade: Promise.resolve() });
    });
    const error = await opener.open({ method: "exec" }).result.catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "machine.lost", message: "the machine ended unexpectedly" });
    opener.close();
  });

  test("is ended by a message that cannot be, and no other work of its client is", async () => {
    const cancelled = Promise.withResolvers<void>();
    const { guest } = await fakeGuest(({ stream }) => {
      accept(stream);
      stream.onCancel = () => cancelled.resolve();
      stream.onControl = () => finish(stream, 7);
    });
    const { opener } = await connectionPair((stream) => {
      void relayExec(stream, exec, { exec: (request) => guest.exec(request), rootMade: Promise.resolve() });
    });
    const [one, other] = [opener.open({ method: "exec" }), opener.open({ method: "exec" })];
    await Promise.all([one.accepted, other.accepted]);
    one.control({ type: "signal", signal: 65 });
    expect(await one.result.catch((error: unknown) => error)).toMatchObject({ code: "exec.bad_request" });
    await cancelled.promise;
    other.control({ type: "signal", signal: 15 });
    expect(await other.result).toEqual({ exitCode: 7 });
    opener.close();
    guest.close();
  });

  test("floods nobody: output waits in the guest while the client does not read", async () => {
    let written = 0;
    const { client, close } = await relayed(async ({ stream }) => {
      accept(stream);
      for (; written < 10_000_000; written += 65_536) await stream.write(1, new Uint8Array(65_536));
    });
    await client.accepted;
    await Bun.sleep(200);
    // A window towards the client, one towards this process, and what is on its way.
    expect(written).toBeLessThan(1_500_000);
    close();
  });
});
