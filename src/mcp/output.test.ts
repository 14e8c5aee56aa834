import { expect, test } from "bun:test";
import { seededRandom } from "../../test/support/random.ts";
import { Bounded, shares } from "./output.ts";

test("what is short is whole; of what is long the beginning and the end are kept, and how much is missing", () => {
  const random = seededRandom("bounded output");
  for (let round = 0; round < 200; round++) {
    const limit = 10 + Math.floor(random() * 100);
    const all = Array.from({ length: Math.floor(random() * 400) }, (_, at) => String(at % 10)).join("");
    const output = new Bounded(limit);
    for (let at = 0; at < all.length; ) {
      const end = at + 1 + Math.floor(random() * 30);
      output.add(Buffer.from(all.slice(at, end)));
      at = end;
    }
    const shown = 4 + Math.floor(random() * (limit - 4));
    const text = output.text(shown);
    expect(output.total).toBe(all.length);
    expect(output.isWhole).toBe(all.length <= limit);
    if (all.length <= shown) {
      expect(text).toBe(all);
      continue;
    }
    const [head = "", tail = ""] = text.split(/\n\[… \d+ bytes left out …\]\n/);
    expect(head.length + tail.length).toBe(shown);
    expect([all.startsWith(head), all.endsWith(tail)]).toEqual([true, true]);
    expect(text).toContain(`… ${all.length - shown} bytes`);
  }
});

test("two outputs share the room of a result: what one does not need, the other one has", () => {
  expect(shares(10, 10, 100)).toEqual({ stdout: 90, stderr: 90 });
  expect(shares(1000, 10, 100)).toEqual({ stdout: 90, stderr: 50 });
  expect(shares(1000, 1000, 100)).toEqual({ stdout: 50, stderr: 50 });
});
