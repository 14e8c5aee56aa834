import { expect, test } from "bun:test";
import { resolvePaths } from "./paths.ts";

test("XDG defaults below HOME", () => {
  const paths = resolvePaths({ HOME: "/home/u" }, 7);
  expect(paths).toEqual({
    data: "/home/u/.local/share/smolvm",
    cache: "/home/u/.cache/smolvm",
    config: "/home/u/.config/smolvm",
    runtime: expect.stringMatching(/^\/tmp\/smolvm-7-[0-9a-f]{8}$/),
  });
});

test("XDG variables win, relative ones are ignored", () => {
  const env = {
    HOME: "/h/",
    XDG_DATA_HOME: "/d",
    XDG_CACHE_HOME: "c",
    XDG_CONFIG_HOME: "/e",
    XDG_RUNTIME_DIR: "/run/user/7",
  };
  expect(resolvePaths(env, 7)).toEqual({
    data: "/d/smolvm",
    cache: "/h/.cache/smolvm",
    config: "/e/smolvm",
    runtime: expect.stringMatching(/^\/run\/user\/7\/smolvm-[0-9a-f]{8}$/),
  });
});

test("SMOLVM_DATA_DIR moves everything, and needs no HOME", () => {
  const paths = resolvePaths({ SMOLVM_DATA_DIR: "/x/" }, 7);
  expect(paths).toMatchObject({ data: "/x", cache: "/x/cache", config: "/x/config" });
  expect(paths.runtime).toMatch(/^\/tmp\/smolvm-7-[0-9a-f]+$/);
  expect(resolvePaths({ SMOLVM_DATA_DIR: "/y" }, 7).runtime).not.toBe(paths.runtime);
  expect(resolvePaths({ HOME: "/x" }, 7).runtime).not.toBe(resolvePaths({ HOME: "/y" }, 7).runtime);
});

test("no HOME, or a useless one, is a clear error", () => {
  const failure = (code: string, message: string) => expect.objectContaining({ code, message });
  expect(() => resolvePaths({}, 7)).toThrow(failure("config.no_home", "HOME is not set"));
  expect(() => resolvePaths({ HOME: "x" }, 7)).toThrow(
    failure("config.no_home", "HOME is not an absolute path: x"),
  );
  expect(() => resolvePaths({ SMOLVM_DATA_DIR: "x" }, 7)).toThrow(
    failure("config.relative_path", "SMOLVM_DATA_DIR is not an absolute path: x"),
  );
});

test("a runtime directory too long for socket addresses is not used", () => {
  expect(resolvePaths({ HOME: "/h", XDG_RUNTIME_DIR: `/${"r".repeat(80)}` }, 7).runtime).toMatch(
    /^\/tmp\/smolvm-7-/,
  );
});
