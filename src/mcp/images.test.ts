import { expect, test } from "bun:test";
import { allowedImage, type ImageCeiling } from "./images.ts";

const refused = expect.objectContaining({ code: "mcp.not_allowed" });
const without: ImageCeiling = { images: [], defaultRegistry: undefined };

function expectRefused(ceiling: ImageCeiling, names: readonly string[]): void {
  for (const name of names) expect(() => allowedImage(name, ceiling)).toThrow(refused);
}

test("without a list there are the built-in image and Docker's official ones, by whichever of their names", () => {
  expect(allowedImage(undefined, without)).toBeNull();
  for (const image of [
    "alpine",
    "python:3.13-slim",
    "docker.io/library/node",
    `node@sha256:${"0".repeat(64)}`,
  ])
    expect(allowedImage(image, without)).toBe(image);
  expectRefused(without, [
    ...[
      "acme/python",
      "docker.io/acme/python",
      "ghcr.io/acme/app:1",
      "localhost:5000/library/python",
      "evil.test/x",
    ],
    ...[
      "docker.io.evil.test/library/python",
      "registry.test/docker.io/library/python",
      "sha256:0123456789ab",
    ],
    ...["/", "./x", "/srv/app.tar", "x.tar", "-"],
  ]);
  expect(() => allowedImage("http://evil.test/x", without)).toThrow(
    expect.objectContaining({ code: "registry.bad_reference" }),
  );
  // A name without a registry is of the host's own, which nobody has opened.
  expectRefused({ ...without, defaultRegistry: "registry.test" }, ["python", "library/python"]);
});

test("a list has names, paths and patterns, and the first that is no pattern where none is named", () => {
  const some = {
    ...without,
    images: ["*/tools/*:v?", "alpine:3.20", "/srv/app.tar", "python:*", "ghcr.io/acme/*"],
  };
  expect(allowedImage(undefined, some)).toBe("alpine:3.20");
  for (const image of [
    ...["alpine:3.20", "docker.io/library/alpine:3.20", "/srv/app.tar", "python", "python:3.13-slim"],
    ...["ghcr.io/acme/app:1", "ghcr.io/acme/deep/app"],
  ])
    expect(allowedImage(image, some)).toBe(image);
  expectRefused(some, [
    ...["alpine", "alpine:3.21", "/srv/other.tar", "/srv/app.tar:x", "-", "pythons:3", "acme/python:3"],
    ...["ghcr.io/acmes/app", "quay.io/ghcr.io/acme/app", "registry.test/tools/x:v1", "sha256:0123456789ab"],
  ]);
  const patterns = { ...without, images: ["python:*-slim"] };
  expect(allowedImage(undefined, patterns)).toBeNull();
  expect(allowedImage("python:3.13-slim", patterns)).toBe("python:3.13-slim");
  expectRefused(patterns, ["python:slim", "python:3.13", "python:3-slim-x"]);
  expect(allowedImage("registry.test/x/y", { ...without, images: ["*"] })).toBe("registry.test/x/y");
  expectRefused({ ...without, images: ["*"] }, ["/etc", "./x.tar", "-", "sha256:0123456789ab"]);
});

test("a pattern takes no longer than its text, whatever both are", () => {
  const images = [`${"*a".repeat(400)}*`, `${"a*".repeat(400)}b`];
  expectRefused({ ...without, images }, [`${"a".repeat(200)}`]);
});
