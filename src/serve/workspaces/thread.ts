import { packError } from "../../sent-error.ts";
import type { FromThread, WorkspaceOrder } from "./messages.ts";
import { workOn } from "./work.ts";

/** What a thread is to itself; the types know only what is common to all of them. */
declare const self: Worker;

/** The role of a thread that works on workspaces: one order, one answer. */
export function runWorkspaceThread(): void {
  const send = (message: FromThread) => self.postMessage(message);
  self.onmessage = async ({ data }: MessageEvent<WorkspaceOrder>) => {
    try {
      send({ kind: "done", outcome: await workOn(data) });
    } catch (error) {
      send({ kind: "failed", error: packError(error) });
    }
  };
  send({ kind: "ready" });
}
