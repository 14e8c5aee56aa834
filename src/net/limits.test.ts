import { expect, test } from "bun:test";
import { MAX_CONNECTIONS, roomFor } from "./limits.ts";

test("whatever a process may open, a part of it is not the network's", () => {
  for (const descriptors of [20, 64, 100, 256, 1024, 4096, 65_536, 1_048_576]) {
    const { connections, udpFlows, echoFlows, questionSockets } = roomFor(descriptors);
    const taken = connections + udpFlows + echoFlows + questionSockets;
    expect(descriptors - taken).toBeGreaterThanOrEqual(Math.min(256, descriptors / 2 - 4));
    expect(Math.min(connections, udpFlows, echoFlows, questionSockets)).toBeGreaterThan(0);
  }
  expect(roomFor(Number.POSITIVE_INFINITY).connections).toBe(MAX_CONNECTIONS);
});
