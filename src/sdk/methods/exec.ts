/** Work in a machine for clients that do not connect to it themselves: streams, passed on in both directions. */
import { SmolError } from "../../errors.ts";
import { connectMachine, execEnvironment } from "../../machine/index.ts";
import { Channel, type JsonRequest, type Stream, StreamFailure } from "../../protocol/index.ts";
import type { Asked } from "../child.ts";
import { checked, execParams, machineParams, secretsOf } from "../params.ts";

export async function runProcess(asked: Asked): Promise<unknown> {
  const { name, secrets, env, ...request } = checked(execParams, asked.params);
  const all = await execEnvironment(asked.serving.context, name, { env, secrets: secretsOf(secrets) });
  return await relay(asked, name, { method: "exec", params: { ...request, env: all } });
}

/** What only the machine's owner says. */
const OWNERS = new Set(["start", "disown"]);

export async function passOn(asked: Asked): Promise<unknown> {
  const { name, method } = checked(machineParams, asked.params);
  if (OWNERS.has(method)) throw new SmolError("machine.unsupported", `${method} is not for clients`);
  return await relay(asked, name, { method, params: asked.params.params });
}

async function relay(
  { stream: client, signal, serving }: Asked,
  name: string,
  request: JsonRequest,
): Promise<unknown> {
  const machine = await connectMachine(serving.context, name);
  try {
    const work = machine.open(request);
    signal.addEventListener("abort", () => work.cancel(), { once: true });
    if (signal.aborted) work.cancel();
    work.onEvent = (event) => client.event(event);
    client.onControl = (message) => work.control(message);
    work.accepted.then(
      (info) => info !== undefined && client.accept(info),
      () => {},
    );
    void forward(client, work, Channel.stdin);
    const outputs = [Channel.stdout, Channel.stderr].map((channel) => forward(work, client, channel));
    try {
      return await work.result;
    } finally {
      await Promise.all(outputs);
    }
  } catch (error) {
    if (error instanceof StreamFailure || error instanceof SmolError) throw error;
    throw new SmolError("machine.lost", "the machine ended unexpectedly", { cause: error });
  } finally {
    machine.close();
  }
}

async function forward(from: Stream, to: Stream, channel: number): Promise<void> {
  for await (const chunk of from.read(channel)) await to.write(channel, chunk);
  to.end(channel);
}
