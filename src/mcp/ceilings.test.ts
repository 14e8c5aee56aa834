import { expect, test } from "bun:test";
import { allowedHosts, type Ceilings, disksOf, usualMemoryMib } from "./ceilings.ts";

const ceilings: Ceilings = {
  maxMachines: 4,
  maxMemoryMib: 8192,
  maxDiskGib: 120,
  maxCpus: 4,
  ttlMs: undefined,
  idleTimeoutMs: 60_000,
  allowHosts: [],
  mountRoots: [],
  images: [],
  defaultRegistry: undefined,
  maxCopyBytes: 1000,
  maxOutputBytes: 1000,
};

const refused = expect.objectContaining({ code: "mcp.not_allowed" });

test("a call names hosts that the server allows, or below them, with no other port", () => {
  const some = {
    ...ceilings,
    allowHosts: ["example.com", "*.example.org", "example.net:443/tcp", "192.0.2.1"],
  };
  for (const host of [
    ...["example.com", "a.example.com", "*.example.com", "example.com:80", "b.example.org", "*.example.org"],
    ...["*.a.example.org", "example.net:443/tcp", "a.example.net:443/tcp", "192.0.2.1", "192.0.2.1:80"],
  ])
    expect(allowedHosts([host], some)).toEqual([host]);
  for (const host of [
    ...[
      "example.org",
      "badexample.com",
      "com",
      "*.com",
      "example.net",
      "example.net:443",
      "example.net:80/tcp",
    ],
    ...["192.0.2.2", "example.com.", "1.example.info"],
  ].filter((host) => host !== "example.com."))
    expect(() => allowedHosts([host], some)).toThrow(refused);
  expect(() => allowedHosts(["a b"], some)).toThrow(expect.objectContaining({ code: "mcp.bad_arguments" }));
  expect(allowedHosts(undefined, some)).toEqual(some.allowHosts);
  expect(allowedHosts([], some)).toBeUndefined();
  expect(allowedHosts(undefined, ceilings)).toBeUndefined();
  expect(() => allowedHosts(["example.com"], ceilings)).toThrow(refused);
});

test("as many machines as there may be have room for what each usually gets", () => {
  expect(usualMemoryMib(ceilings)).toBe(2048);
  expect(usualMemoryMib({ ...ceilings, maxMemoryMib: 1024 })).toBe(256);
  expect(usualMemoryMib({ ...ceilings, maxMemoryMib: 65_536 })).toBe(2048);
});

test("disks of as many machines as there may be are no larger than the ceiling", () => {
  expect(disksOf(ceilings)).toEqual({ overlayGb: 10, storageGb: 20 });
  for (const maxMachines of [1, 2, 3, 7])
    for (const maxDiskGib of [2 * maxMachines, 5 * maxMachines, 50, 1000]) {
      const { overlayGb, storageGb } = disksOf({ ...ceilings, maxMachines, maxDiskGib });
      expect(Math.min(overlayGb, storageGb)).toBeGreaterThanOrEqual(1);
      expect(maxMachines * (overlayGb + storageGb)).toBeLessThanOrEqual(maxDiskGib);
    }
});
