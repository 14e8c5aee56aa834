import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { Api } from "../serve/api.ts";
import { SMALL, useMachines } from "../support/machines.ts";
import { onQemu } from "../support/register.ts";

/** From the flag to the guest's device. Nothing is drawn: that takes a host with a GPU. */

const home = useMachines();

interface Report {
  readonly engines: readonly {
    readonly name: string;
    readonly gpu: { readonly works: boolean; readonly reason: string; readonly fix: string | null } | null;
  }[];
}

onQemu(
  "a machine with a GPU has its files, which all of its users may open; one without has none",
  async () => {
    home.env.SMOLVM_GPU = "2d";
    try {
      await home.ok("create", "drawn", ...SMALL, "--gpu", "--gpu-vram", "64");
      await home.ok("start", "drawn");
    } finally {
      delete home.env.SMOLVM_GPU;
    }
    const { vmm_pid, ...state } = await home.state("drawn");
    expect(state).toMatchObject({ gpu: true, gpu_vram_mib: 64 });
    expect(readFileSync(`/proc/${vmm_pid}/cmdline`, "utf8")).toContain("virtio-gpu-device,max_hostmem=64M\0");
    const script = `
    stat -c '%n %a %t:%T' /dev/dri/*; cat /sys/class/drm/renderD128/dev /sys/class/drm/card0/dev
    su nobody -s /bin/sh -c ': <> /dev/dri/renderD128 && echo opened; (: < /dev/dri/card0) 2>/dev/null || echo kept'`;
    expect(await home.sh("drawn", script)).toBe(
      "/dev/dri/card0 600 e2:0\n/dev/dri/renderD128 666 e2:80\n226:128\n226:0\nopened\nkept\n",
    );
    await home.ok("stop", "drawn");
    await home.ok("update", "drawn", "--gpu=off");
    await home.ok("start", "drawn");
    expect(await home.state("drawn")).toMatchObject({ gpu: false, gpu_vram_mib: null });
    expect(await home.sh("drawn", "ls /dev/dri /sys/class/drm 2>/dev/null; echo done")).not.toContain(
      "render",
    );
    await home.ok("delete", "-f", "drawn");
  },
);

onQemu(
  "what this host cannot is refused with what doctor says, by the command line and over HTTP",
  async () => {
    const { output } = await home.smolvm(["doctor", "--json"]);
    const gpu = (JSON.parse(output) as Report).engines.find(({ name }) => name === "qemu")?.gpu;
    if (gpu === null || gpu === undefined) throw new Error("doctor says nothing about a GPU on qemu");
    const api = await Api.start(home);
    try {
      const json = { name: "over-http", cpus: 1, memoryMb: 256, gpu: true };
      const create = ["create", "typed", ...SMALL, "--gpu"];
      if (gpu.works) {
        await home.ok(...create);
        await api.ask("POST", "/api/v1/machines", { json });
        return;
      }
      const refused = {
        code: "engine.no_gpu",
        message: expect.stringContaining(`without GPU support on this host: ${gpu.reason}`),
      };
      expect(gpu.fix).not.toBeNull();
      for (const words of [create, ["run", ...SMALL, "--gpu", "--", "true"]])
        expect(await home.refusal(...words)).toMatchObject({ ...refused, hint: gpu.fix });
      expect(await api.refusal("POST", "/api/v1/machines", { json })).toMatchObject({
        ...{ status: 409, code: "CONFLICT" },
        error: expect.stringContaining(gpu.reason),
      });
      expect(await home.ok("ls", "--json")).toBe("[]\n");
    } finally {
      await api.stop();
      await home.deleteAll();
    }
  },
);
