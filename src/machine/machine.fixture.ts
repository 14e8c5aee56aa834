/** For tests of the machine process's parts: an agent that is written in the test, over a real socket. */
import { FieldReader, FieldWriter } from "../guest/fields.ts";
import { guestWithAgent } from "../guest/guest.fixture.ts";
import type { Guest } from "../guest/index.ts";
import type { RootInput } from "./root/index.ts";

/** The root of a machine with an image, and nothing else that was asked for. */
export const rootInput: RootInput = {
  name: "vm-1",
  bare: false,
  volumes: [],
  initSystem: false,
  terminal: false,
  gpu: false,
  memoryMib: 512,
  pids: null,
  ephemeral: false,
  shares: [],
  tmpfs: [],
  disks: {
    image: "/dev/vdb",
    overlay: { device: "/dev/vdc", grow: false },
    storage: { device: "/dev/vdd", grow: true },
  },
};

/** Verbs of requests, as docs/protocol.md numbers them. */
const verbs: Readonly<Record<number, string>> = { 1: "exec", 2: "root", 8: "watch", 9: "clock" };

export type Agent = Parameters<Parameters<typeof guestWithAgent>[0]>[0];

/** One request, as the agent got it. */
export interface Asked {
  readonly verb: string;
  readonly fields: FieldReader;
  readonly stream: Agent;
}

/** A guest that answers each request with `answer`; `asked` says what came, in order: a verb and its first texts. */
export async function fakeGuest(answer: (asked: Asked) => void): Promise<{ guest: Guest; asked: string[] }> {
  const asked: string[] = [];
  const { guest } = await guestWithAgent((stream) => {
    const fields = new FieldReader(stream.request.subarray(1), "request");
    const verb = verbs[stream.request[0] ?? 0] ?? "?";
    const words = verb === "exec" ? fields.all(2).map((word) => Buffer.from(word).toString()) : [];
    asked.push([verb, ...words].join(" "));
    answer({ verb, fields, stream });
  });
  return { guest, asked };
}

export const fields = (): FieldWriter => new FieldWriter();

/** Lets a process run and end with this exit code. */
export function runs(stream: Agent, exitCode = 0): void {
  stream.accept(fields().int(1, 2).finish());
  stream.finish(fields().int(1, exitCode).finish());
}
