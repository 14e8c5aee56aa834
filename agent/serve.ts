import { checkClockRequest, failureOf, ProtocolError, type Stream } from "../src/protocol/index.ts";
import { serveExec } from "./exec.ts";
import { askHelper } from "./helper.ts";
import { encodeClockRequest, encodeShutdownRequest } from "./request.ts";

/** Runs what the host asks for on one stream. Whatever goes wrong ends that stream only. */
export function serveStream(stream: Stream): void {
  // In the same turn as the frame arrived, so that no control message is missed.
  dispatch(stream).catch((error: unknown) => {
    if (error instanceof ProtocolError)
      stream.fail({ code: `${stream.method}.bad_request`, message: error.message });
    else stream.fail(failureOf(error));
  });
}

async function dispatch(stream: Stream): Promise<void> {
  switch (stream.method) {
    case "exec":
      return serveExec(stream);
    case "clock":
      await askHelper(encodeClockRequest(checkClockRequest(stream.params)));
      return stream.finish();
    case "shutdown":
      await askHelper(encodeShutdownRequest());
      return stream.finish();
    default:
      stream.fail({
        code: "agent.unknown_method",
        message: `the agent has no method ${stream.method.slice(0, 100)}`,
      });
  }
}
