import { expect, test } from "bun:test";
import { SmolError } from "../errors.ts";
import { checkPlatform, platformScore } from "./platform.ts";

const amd64 = { os: "linux", architecture: "amd64" };
const arm64 = { os: "linux", architecture: "arm64" };

test("other names of a platform are the same platform, as to containerd", () => {
  for (const [declared, wanted] of [
    [{ os: "Linux", architecture: "x86_64" }, amd64],
    [{ os: "linux", architecture: "X86-64" }, amd64],
    [{ os: "LINUX", architecture: "AMD64", variant: "V1" }, amd64],
    [{ os: "linux", architecture: "aarch64" }, arm64],
    [{ os: "linux", architecture: "arm64", variant: "8" }, arm64],
    [
      { os: "linux", architecture: "armhf" },
      { os: "linux", architecture: "arm", variant: "v7" },
    ],
    [
      { os: "linux", architecture: "i386" },
      { os: "linux", architecture: "386" },
    ],
  ] as const) {
    expect([declared, platformScore(declared, wanted) > 0]).toEqual([declared, true]);
    expect(() => checkPlatform(declared, wanted, "")).not.toThrow();
  }
  for (const declared of [
    { os: "windows", architecture: "amd64" },
    { os: "linux", architecture: "x86" },
    { os: "linux", architecture: "i386" },
    { os: "linux", architecture: "toString" },
  ]) {
    expect([declared, platformScore(declared, amd64)]).toEqual([declared, 0]);
    expect(() => checkPlatform(declared, amd64, "")).toThrow(SmolError);
  }
});

test("the plain variant of an architecture is preferred, by whatever name", () => {
  const score = (variant?: string) => platformScore({ ...arm64, variant }, arm64);
  expect([score("v8"), score("8"), score(), score("v9")]).toEqual([4, 4, 3, 1]);
});
