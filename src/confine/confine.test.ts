import { expect, test } from "bun:test";
import {
  type ConfineMode,
  chooseConfinement,
  type HostLayers,
  hasSandbox,
  reportLayers,
  reportProcesses,
  summarizeLayers,
} from "./index.ts";
import { requireLayers } from "./report.ts";

/** On a host without a launcher, where nothing has to be tried. */
const choose = (wishes: { mode?: ConfineMode; env?: string; settings?: ConfineMode }) =>
  chooseConfinement({
    mode: wishes.mode,
    env: { SMOLVM_CONFINE: wishes.env },
    settings: async () => wishes.settings ?? "auto",
    launcher: undefined,
    cacheDir: "/nowhere",
  });

test("a start's own wish wins over the environment's, and that over the settings'", async () => {
  expect(await choose({})).toEqual({ mode: "auto", host: null });
  expect((await choose({ settings: "off" })).mode).toBe("off");
  expect((await choose({ env: "", settings: "off" })).mode).toBe("off");
  expect((await choose({ env: "auto", settings: "require" })).mode).toBe("auto");
  expect((await choose({ mode: "off", env: "require", settings: "require" })).mode).toBe("off");
});

test("who requires everything, whichever way, gets no start without it", () => {
  for (const wishes of [{ mode: "require" }, { env: "require" }, { settings: "require" }] as const)
    expect(choose(wishes)).rejects.toThrow(expect.objectContaining({ code: "confine.missing" }));
});

test("a word that is no mode is an error, not the default", () => {
  expect(choose({ env: "on" })).rejects.toThrow(expect.objectContaining({ code: "confine.bad_mode" }));
});

const host: HostLayers = {
  ...{ landlock: 7, seccomp: "watched", namespaces: "root", user: "unneeded", cgroup: "/cgroup" },
  reasons: {},
};

test("a line says what is in force and what is not", () => {
  const line = (changes: Partial<HostLayers>, mode: ConfineMode = "auto") =>
    summarizeLayers({ mode, host: { ...host, ...changes } });
  expect(line({})).toBe("landlock, seccomp, namespaces, cgroup (auto)");
  expect(line({ landlock: 0, namespaces: "bare" })).toBe(
    "seccomp, cgroup; without landlock, namespaces (auto)",
  );
  expect(line({ user: "own" })).toBe("landlock, seccomp, namespaces, user, cgroup (auto)");
  expect(line({ user: "none" })).toBe("landlock, seccomp, namespaces, cgroup; without user (auto)");
  expect(line({}, "off")).toBe("no layer; without landlock, seccomp, namespaces (off)");
});

test("on macOS there is one layer, which is the VM's", () => {
  const layers = (mode: ConfineMode) => reportLayers({ mode, host: null }, "darwin");
  expect(layers("auto")).toMatchObject([{ name: "sandbox", inForce: true }]);
  expect(layers("off")).toMatchObject([{ name: "sandbox", inForce: false }]);
  expect(hasSandbox({ mode: "auto", host: null }, "linux")).toBe(false);
});

test("the machine's process and its file server are told by themselves, and required too", () => {
  const inForce = (changes: Partial<HostLayers>, mode: ConfineMode = "auto") =>
    reportProcesses({ mode, host: { ...host, ...changes } }).map((one) => one.inForce);
  expect(inForce({})).toEqual([true, true]);
  expect(inForce({}, "off")).toEqual([false, false]);
  expect(inForce({ seccomp: "none" })).toEqual([false, false]);
  expect(inForce({ landlock: 1 })).toEqual([true, false]);
  expect(() => requireLayers({ mode: "require", host })).not.toThrow();
  expect(() => requireLayers({ mode: "require", host: { ...host, landlock: 1 } })).toThrow(
    "this host cannot confine the machine as required: files (landlock: version 1 does not let guests move files",
  );
});
