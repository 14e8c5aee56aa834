import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { decideGpu, type GpuHost } from "./decide.ts";
import { describeGpuHost, renderNodes } from "./host.ts";
import { requireGpu } from "./index.ts";

const directory = mkdtempSync(`${tmpdir()}/smolvm-gpu-`);
afterAll(() => rmSync(directory, { recursive: true }));

/** A host on which it works. */
const good: GpuHost = {
  platform: "linux",
  plain: false,
  hasDriver: true,
  renderNodes: [
    { path: "/dev/dri/renderD128", usable: false },
    { path: "/dev/dri/renderD129", usable: true },
  ],
  tryDevice: async () => undefined,
};

describe("what is decided", () => {
  test.each<[string, Partial<GpuHost>, object]>([
    ["the first GPU that may be opened", {}, { works: true, renderNode: "/dev/dri/renderD129" }],
    ["a card alone needs no GPU", { plain: true, renderNodes: [] }, { works: true, renderNode: null }],
    ["macOS", { platform: "darwin" }, { works: false, reason: "only Linux hosts can lend theirs" }],
    [
      "a kernel without the driver",
      { hasDriver: false, plain: true },
      {
        ...{ works: false, reason: "the kernel of this build of smolvm has no driver for one" },
        fix: "use a released build, or ./dev build",
      },
    ],
    [
      "a host without a GPU",
      { renderNodes: [] },
      {
        works: false,
        reason: "this host has no GPU with a driver of the kernel's (no /dev/dri/renderD*)",
        fix: "run what needs the GPU on the host, and reach it from the machine with --allow-host-loopback",
      },
    ],
    [
      "a user who may not open it",
      { renderNodes: [{ path: "/dev/dri/renderD128", usable: false }] },
      {
        ...{ works: false, reason: "no permission to open /dev/dri/renderD128" },
        fix: "sudo usermod -aG render $USER, then log in again",
      },
    ],
    [
      "an engine that cannot",
      { tryDevice: async (node) => ({ reason: `no device for ${node}`, fix: "install it" }) },
      { works: false, reason: "no device for /dev/dri/renderD129", fix: "install it" },
    ],
  ])("%s", async (_, changes, verdict) => {
    expect(await decideGpu({ ...good, ...changes })).toMatchObject(verdict);
  });
});

describe("what is found out about this host", () => {
  test("GPUs by number, and who may open them", () => {
    for (const name of ["renderD129", "renderD1000", "renderD128", "card0", "renderD", "by-path"])
      writeFileSync(`${directory}/${name}`, "", { mode: 0o600 });
    expect(renderNodes(directory)).toEqual(
      [128, 129, 1000].map((number) => ({ path: `${directory}/renderD${number}`, usable: true })),
    );
    expect(renderNodes(`${directory}/nowhere`)).toEqual([]);
  });

  test("whether a kernel has the driver; what SMOLVM_GPU says", async () => {
    const [without, kernel] = [`${directory}/without`, `${directory}/kernel`];
    writeFileSync(without, "\0virtio_blk\0");
    writeFileSync(kernel, "\0virtio_gpu\0");
    expect(await describeGpuHost("qemu", { env: {}, kernel: without })).toMatchObject({ hasDriver: false });
    expect(await describeGpuHost("qemu", { env: { SMOLVM_GPU: "2d" }, kernel })).toMatchObject({
      ...{ hasDriver: true, plain: true },
    });
    const wrong = describeGpuHost("qemu", { env: { SMOLVM_GPU: "3d" }, kernel });
    expect(wrong).rejects.toMatchObject({ code: "engine.bad_gpu" });
  });

  test("QEMU is tried with the device: a card alone works, a GPU that is not there does not", async () => {
    const kernel = `${directory}/kernel`;
    const env = { PATH: process.env.PATH };
    const plain = await requireGpu("qemu", 7, { env: { ...env, SMOLVM_GPU: "2d" }, kernel });
    expect(plain).toEqual({ vramMib: 7, renderNode: null });
    const { tryQemuGpu } = await import("./qemu.ts");
    expect(await tryQemuGpu(env, "/dev/dri/renderD9999")).toMatchObject({
      reason: expect.stringMatching(/^QEMU cannot start our machine with one: (?!\(qemu\)|qemu-system)./),
      fix: expect.stringContaining("virglrenderer"),
    });
  });

  test("a refusal says that it is the host, and what to do", async () => {
    const kernel = `${directory}/without`;
    expect(requireGpu("qemu", 1, { env: {}, kernel })).rejects.toMatchObject({
      code: "engine.no_gpu",
      message: expect.stringMatching(/^machines on qemu are without GPU support on this host: the kernel /),
      hint: "use a released build, or ./dev build",
    });
  });

  test("libkrun says whether it has one, and which library it misses", async () => {
    const { tryKrunGpu } = await import("./krun.ts");
    writeFileSync(`${directory}/libkrun.so.1`, "no library");
    const node = "/dev/dri/renderD128";
    expect(tryKrunGpu(`${directory}/libkrun.so.1`, node)?.reason).toStartWith(
      "this libkrun cannot be loaded: ",
    );
    expect(tryKrunGpu(undefined, node)?.reason).toBe("this build of smolvm has no libkrun");
    expect(tryKrunGpu(`${directory}/libkrun.so.1`, null)?.fix).toBe("take --engine qemu");
  });
});
