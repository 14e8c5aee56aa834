import { expect, test } from "bun:test";
import { decideStart } from "./decide.ts";

const fresh = {
  mode: "auto",
  never: undefined,
  found: false,
  failure: undefined,
  countStart: () => 2,
} as const;

test("a start without a template boots and has one made, later ones go on from it", () => {
  for (const mode of ["auto", "eager"] as const) {
    expect(decideStart({ ...fresh, mode })).toBe("make");
    expect(decideStart({ ...fresh, mode, found: true })).toBe("restore");
  }
});

test("what cannot be, or has failed a while ago, boots, and nothing is made", () => {
  for (const found of [true, false]) {
    expect(decideStart({ ...fresh, found, never: "krun boots" })).toBe("boot");
    expect(decideStart({ ...fresh, found, failure: "no room" })).toBe("boot");
    expect(decideStart({ ...fresh, found, mode: "off" })).toBe("boot");
  }
});

test("who requires a template is told why there is none", () => {
  const required = { ...fresh, mode: "require" } as const;
  expect(decideStart({ ...required, found: true })).toBe("restore");
  const refused = (more: object) => {
    try {
      return decideStart({ ...required, ...more });
    } catch (error) {
      return error;
    }
  };
  expect(refused({})).toMatchObject({ code: "engine.no_template" });
  expect(refused({ failure: "no room" })).toMatchObject({ message: expect.stringMatching("no room") });
  expect(refused({ never: "krun boots" })).toMatchObject({ message: expect.stringMatching("krun boots") });
});
