import { expect, test } from "bun:test";
import { Refused } from "./errors.ts";
import { followerSlots, Slots, streamSlots } from "./slots.ts";

test("of so many as there are each is given once, and again when it was given back", () => {
  const slots = new Slots(2, (most) => new Refused("UNAVAILABLE", `${most} at once`));
  const [first] = [slots.take(), slots.take()];
  expect(() => slots.take()).toThrow("2 at once");
  first();
  // Who gives back twice gives nobody else's.
  first();
  slots.take();
  expect(() => slots.take()).toThrow("2 at once");
});

test("streams and followers have limits of their own, with the codes that clients know", () => {
  const codeAt = (slots: Slots, most: number) => {
    for (let count = 0; count < most; count++) slots.take();
    try {
      slots.take();
    } catch (error) {
      return error instanceof Refused ? error.code : error;
    }
  };
  expect(codeAt(streamSlots(), 512)).toBe("UNAVAILABLE");
  expect(codeAt(followerSlots(), 256)).toBe("CONFLICT");
});
