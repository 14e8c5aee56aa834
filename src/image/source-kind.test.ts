import { expect, test } from "bun:test";
import { isLocalImage, looksLikePath, splitArchiveTag } from "./source-kind.ts";

test.each([
  "./alpine",
  "../x",
  "/srv/image",
  "/",
  ".",
  "..",
  "./Root FS",
  "image.tar",
  "a/b.tar.gz",
  "x.tgz",
  "x.tar.zst",
  "x.tar.xz",
  "app.tar:v1",
  "./app.tar:ghcr.io/owner/app:v1",
])("%j is a path", (source) => {
  expect([looksLikePath(source), isLocalImage(source)]).toEqual([true, true]);
});

test.each([
  "",
  "alpine",
  "alpine:3.20",
  "alpine/edge",
  "saved",
  "Dockerfile",
  "Root FS",
  ".hidden",
  "ghcr.io/a/b",
  "localhost:5000/x",
  "a.b/c@sha256:00",
  "image.tar.bz2",
  "tar",
  "x.tarball",
])("%j is none, whatever lies in the working directory", (source) => {
  expect([looksLikePath(source), isLocalImage(source)]).toEqual([false, false]);
});

test("standard input is local, and no path", () => {
  expect([looksLikePath("-"), isLocalImage("-")]).toEqual([false, true]);
});

test.each([
  ["app.tar", "app.tar", undefined],
  ["app.tar:v1", "app.tar", "v1"],
  ["./d.tar:x/app.tar.gz:ghcr.io/a/b:1", "./d.tar", "x/app.tar.gz:ghcr.io/a/b:1"],
  ["./dir:x", "./dir:x", undefined],
  ["app.tar:", "app.tar:", undefined],
  ["app.tar:/x", "app.tar:/x", undefined],
  ["alpine:3.20", "alpine:3.20", undefined],
])("%j is the path %j with the tag %j", (source, path, tag) => {
  expect(splitArchiveTag(source)).toEqual({ path, tag });
});
