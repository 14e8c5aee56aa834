import { expect, test } from "bun:test";
import { licenceBundle } from "./licences.ts";

test("a text that several components share appears once, below all their names", () => {
  const bundle = licenceBundle([
    { title: "left 1.0", text: "MIT\n" },
    { title: "right 2.0", text: "MIT" },
    { title: "other 3.0", text: "BSD" },
    { title: "left 1.0", text: "MIT" },
  ]);
  expect(bundle.match(/MIT/g)).toHaveLength(1);
  expect(bundle).toContain("left 1.0\nright 2.0\n===");
  expect(bundle.indexOf("other 3.0")).toBeLessThan(bundle.indexOf("BSD"));
});
