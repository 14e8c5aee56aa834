import { describe, expect, test } from "bun:test";
import { mergeEnvironment, planWorkload } from "./workload.ts";

const image = {
  entrypoint: ["/entry"],
  cmd: ["serve"],
  env: ["PATH=/image/bin", "A=1"],
  workdir: "/srv",
  user: "app",
};
const request = {
  command: [],
  entrypoint: undefined,
  env: [],
  workdir: undefined,
  user: undefined,
  rlimits: [],
  tty: false,
  interactive: false,
};

describe("planWorkload", () => {
  test("uses the image's own words", () => {
    expect(planWorkload(request, image, "box")).toEqual({
      argv: ["/entry", "serve"],
      env: ["PATH=/image/bin", "HOSTNAME=box", "A=1"],
      cwd: "/srv",
      user: "app",
      stdin: false,
      rlimits: [],
    });
  });

  test.each([
    [{ command: ["x", "-y"] }, ["/entry", "x", "-y"]],
    [{ entrypoint: "/other" }, ["/other"]],
    [{ entrypoint: "/other", command: ["x"] }, ["/other", "x"]],
    [{ entrypoint: "", command: ["x"] }, ["x"]],
    [{ entrypoint: "" }, ["/bin/sh"]],
  ])("%j runs %j", (changes, argv) => {
    expect(planWorkload({ ...request, ...changes }, image, "box").argv).toEqual(argv);
  });

  test("refuses a relative working directory", () => {
    expect(() => planWorkload({ ...request, workdir: "srv" }, image, "box")).toThrow("must be absolute: srv");
  });
});

test("later environment entries win and empty names are dropped", () => {
  expect(mergeEnvironment(["A=1", "B=2"], ["=x", "A=3="])).toEqual(["A=3=", "B=2"]);
});
