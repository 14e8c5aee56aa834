import { openApiDocument } from "../../src/serve/document.ts";
import { allRoutes } from "../../src/serve/routes/all.ts";

/** Where Debian's package `chromium` puts it; `./dev soak` installs it. */
const CHROMIUM = "/usr/bin/chromium";

const PHONE = { width: 390, height: 844 };

/** A list as it is in the page, of the page's `expression`. */
const ask = <T>(view: Bun.WebView, expression: string) => view.evaluate(expression) as Promise<T>;

/**
 * Opens the documentation page of a server in a real browser.
 *
 * @returns how many operations it shows
 * @throws Error when it is not what people should see
 */
export async function lookAtPage(url: string): Promise<number> {
  const said: string[] = [];
  // What breaks the page's policy, or is not there, is an error of the console.
  const console = (type: string, ...words: unknown[]) => void said.push(`${type}: ${words.join(" ")}`);
  // Chromium's own sandbox does not start as root; this page is our own.
  const backend = { type: "chrome" as const, url: false as const, path: CHROMIUM, argv: ["--no-sandbox"] };
  const view = new Bun.WebView({ backend, ...PHONE, console });
  try {
    await view.navigate(`${url}/docs`);
    const { paths } = openApiDocument(allRoutes) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const ids = Object.values(paths).flatMap((methods) =>
      Object.values(methods).map((one) => one.operationId),
    );
    const shown = await ask<string[]>(
      view,
      "[...document.querySelectorAll('details[id]')].map((one) => one.id)",
    );
    const missing = ids.filter((id) => !shown.includes(id));
    if (missing.length > 0) throw new Error(`the page does not show ${missing.join(", ")}`);
    const loaded = await ask<number>(view, "performance.getEntriesByType('resource').length");
    if (loaded > 0) throw new Error(`the page loads ${loaded} things from elsewhere`);
    for (const id of ["createMachine", "execStream"]) {
      const text = `document.querySelector('#${id}').innerText`;
      const closed = await ask<string>(view, text);
      await view.scrollTo(`#${id} > summary`);
      await view.click(`#${id} > summary`);
      const open = await ask<string>(view, text);
      if (open.length < closed.length + 100) throw new Error(`${id} does not open: ${open}`);
    }
    const width = await ask<number>(view, "document.documentElement.scrollWidth");
    if (width > PHONE.width)
      throw new Error(`the page is ${width} pixels wide on a screen of ${PHONE.width}`);
    if (said.length > 0) throw new Error(`the page made the browser say ${said.join("; ")}`);
    return shown.length;
  } finally {
    view.close();
  }
}
