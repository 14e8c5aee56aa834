import { expect, test } from "bun:test";
import { parseMount, parseTmpfs, parseVolume, parseVolumeTarget } from "./mount.ts";

const bind = { kind: "bind", readOnly: false } as const;

test.each([
  ["./src:/src", { ...bind, source: "./src", target: "/src" }],
  [".:/workspace", { ...bind, source: ".", target: "/workspace" }],
  ["/a:b:/c/:ro", { ...bind, source: "/a:b", target: "/c", readOnly: true }],
  ["/a:/x//y/../z/.:rw", { ...bind, source: "/a", target: "/x/z" }],
  ["./src:/src:overlay", { kind: "overlay", source: "./src", target: "/src", readOnly: false }],
  ["data:/var/lib/db", { kind: "volume", source: "data", target: "/var/lib/db", readOnly: false }],
] as const)("volume %j", (text, expected) => {
  expect(parseVolume(text)).toEqual(expected);
});

test.each([
  "",
  "/a",
  "/a:b",
  ":/b",
  "/a:/b:rx",
  "data:/b:overlay",
  "/a:/",
  "/a:/b/..",
  "/a:/proc",
  "~/x:/x",
  "s3://bucket/x:/x",
  "a b:/x",
  "a\0/b:/x",
])("no volume: %j", (text) => {
  expect(parseVolume(text)).toHaveProperty("wrong");
});

test("tmpfs", () => {
  expect(parseTmpfs("/t")).toEqual({ target: "/t", sizeBytes: null, mode: 0o1777, exec: false });
  expect(parseTmpfs("/t:size=64m,mode=700,exec,rw,nosuid")).toEqual({
    target: "/t",
    sizeBytes: 64 * 1024 ** 2,
    mode: 0o700,
    exec: true,
  });
  for (const text of ["t", "/", "/t:size=x", "/t:size=1", "/t:mode=8", "/t:suid", "/t:a:b"])
    expect(parseTmpfs(text)).toHaveProperty("wrong");
});

test("docker's --mount", () => {
  expect(parseMount("type=bind,source=/a,target=/b,readonly")).toEqual({
    volume: { ...bind, source: "/a", target: "/b", readOnly: true },
  });
  expect(parseMount("src=data,dst=/b")).toEqual({
    volume: { kind: "volume", source: "data", target: "/b", readOnly: false },
  });
  expect(parseMount("type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=0700")).toEqual({
    tmpfs: { target: "/t", sizeBytes: 1024 ** 2, mode: 0o700, exec: false },
  });
  for (const text of [
    "",
    "type=bind,target=/b",
    "type=npipe,source=/a,target=/b",
    "type=volume,source=/a,target=/b",
  ])
    expect(parseMount(text)).toHaveProperty("wrong");
  expect(parseMount("type=bind,source=/a,target=/b,readonly=maybe")).toHaveProperty("wrong");
  expect(parseMount("type=bind,source=/a,target=/b,propagation=x")).toHaveProperty("wrong");
});

test("what is taken away is named as it was given, or by its place", () => {
  expect(parseVolumeTarget("/b/")).toBe("/b");
  expect(parseVolumeTarget("./a:/b:ro")).toBe("/b");
  expect(parseVolumeTarget("b")).toHaveProperty("wrong");
});
