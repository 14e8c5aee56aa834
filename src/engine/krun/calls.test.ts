import { expect, test } from "bun:test";
import { krunCalls, krunWords } from "./calls.ts";

const spec = {
  ...{ cpus: 1, memoryMib: 64, kernel: "/k", commandLine: [], disks: [], shares: [] },
  ...{ agentSocket: "/a", agentPort: 6000, ephemeral: true },
};
const connections = { console: "fd:1", agent: "fd:10", card: 11 };

test("a GPU is a call with its flags and the bytes of its memory, and none where nobody asked for one", () => {
  const words = (gpu?: { vramMib: number; renderNode: string }) =>
    krunWords(krunCalls({ ...spec, gpu }, "quiet", connections)).join(" ");
  expect(words()).not.toContain("gpu");
  // EGL, THREAD_SYNC, ASYNC_FENCE_CB and DRM of virglrenderer.h; 4 GiB.
  expect(words({ vramMib: 4096, renderNode: "/dev/dri/renderD128" })).toContain(
    "; krun_set_gpu_options2 @ 1283 4294967296 ; krun_disable_implicit_vsock @ ;",
  );
});
