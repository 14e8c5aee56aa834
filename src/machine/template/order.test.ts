import { expect, test } from "bun:test";
import type { VmSpec } from "../../engine/index.ts";
import { blankSpec } from "./order.ts";

test("a blank VM has nothing of a machine but its size, and disks that can be written where its can", () => {
  const spec: VmSpec = {
    ...{ cpus: 2, memoryMib: 512, kernel: "/kernel", commandLine: ["ro"], shares: [], agentPort: 6000 },
    disks: [
      { path: "/machine/storage", readOnly: false },
      { path: "/system", readOnly: true },
      { path: "/image", readOnly: true, format: "vmdk" },
    ],
    card: { socket: "/machine/net", mac: "02:00:00:00:00:01" },
    ...{ agentSocket: "/machine/agent", ephemeral: false },
  };
  const blank = blankSpec(spec, "/system", {
    disk: (index) => `/making/${index}`,
    ...{ agentSocket: "/making/agent", cardSocket: "/making/net" },
  });
  expect(JSON.stringify(blank)).not.toMatch(/\/machine|\/image/);
  expect(blank).toMatchObject({ cpus: 2, memoryMib: 512, kernel: "/kernel", commandLine: ["ro"] });
  expect(blank.disks).toEqual([
    { path: "/making/0", readOnly: false },
    { path: "/system", readOnly: true },
    { path: "/making/2", readOnly: true },
  ]);
  const { card, ...without } = spec;
  expect(
    blankSpec(without, "/system", { disk: String, agentSocket: "", cardSocket: "" }).card,
  ).toBeUndefined();
});
