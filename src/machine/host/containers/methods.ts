/** What clients can ask of a machine's containers. */
import type { Stream } from "../../../protocol/index.ts";
import type { LastingMachine } from "../lasting.ts";

type Method = (machine: { readonly lasting: LastingMachine | undefined }, stream: Stream) => Promise<void>;

const method =
  (name: keyof typeof import("./serve.ts")["serveContainers"]): Method =>
  async (machine, stream) =>
    await (await import("./serve.ts")).serveContainers[name](machine, stream);

/** Few machines have containers: what serves them is loaded when somebody asks. */
export const containerMethods: Readonly<Record<string, Method>> = {
  containerCreate: method("containerCreate"),
  containerStart: method("containerStart"),
  containerStop: method("containerStop"),
  containerRemove: method("containerRemove"),
  containerExec: method("containerExec"),
};
