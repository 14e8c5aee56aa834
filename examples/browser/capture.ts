/**
 * A picture of a web page, from a headless browser in a machine. The machine reaches the page's own server and nothing
 * else, and ends with this program, with whatever the page has done to the browser.
 *
 *     bun capture.ts BROWSER URL PICTURE.png
 *
 * BROWSER is an image with Chromium (`devtools.ts` has the names by which it is looked for), such as Debian with its
 * package `chromium`. A page of a server on this host's loopback is http://host.smolvm.internal:PORT/. Prints the page's
 * title.
 */
import { writeFile } from "node:fs/promises";
import { Machine, type NetworkPolicy } from "smolvm";
import { DevTools } from "./devtools.ts";

/** A browser has more processes than most programs, and each its own heap. */
const MEMORY_MIB = 2048;
/** What people wait for a page. */
const PAGE_LIMIT_MS = 120_000;
const SCREEN = { width: 1280, height: 800 };

const [image, address, picture] = process.argv.slice(2);
if (image === undefined || address === undefined || picture === undefined)
  throw new Error("usage: bun capture.ts BROWSER URL PICTURE.png");

await using machine = await Machine.create({
  image,
  cpus: 2,
  memoryMiB: MEMORY_MIB,
  network: networkOf(new URL(address)),
  // An image of this size has to be fetched first.
  startTimeoutMs: 300_000,
});
await using browser = await DevTools.start(machine);
const page = await browser.open(SCREEN);
const loaded = browser.event("Page.loadEventFired", page);
// What keeps the page from loading is said first.
loaded.catch(() => {});
const { errorText } = await browser.ask("Page.navigate", { url: address }, page);
if (errorText !== undefined) throw new Error(`${address}: ${errorText}`);
await within(PAGE_LIMIT_MS, loaded);
const { result } = await browser.ask("Runtime.evaluate", { expression: "document.title" }, page);
const { data } = await browser.ask("Page.captureScreenshot", { format: "png" }, page);
await writeFile(picture, Buffer.from(String(data), "base64"));
console.log((result as { value: string }).value);

/** What the page is served by; what it loads from elsewhere stays away. */
function networkOf({ hostname, port, protocol }: URL): NetworkPolicy {
  // A page that is its own address, `data:…`.
  if (hostname === "") return false;
  if (hostname === "host.smolvm.internal") return { hostLoopback: true };
  return { allowHosts: [`${hostname}:${port || (protocol === "https:" ? 443 : 80)}`] };
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${address} has not loaded after ${limitMs / 1000} s`)),
      limitMs,
    );
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
