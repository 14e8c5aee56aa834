/** The OpenAPI document as a page for people: plain HTML that needs no script and nothing from elsewhere. */

type Json = Readonly<Record<string, unknown>>;

const html = (value: unknown): string =>
  String(value ?? "").replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}code,td{overflow-wrap:anywhere}
details{border:1px solid #8886;border-radius:6px;margin:.4rem 0;padding:.4rem .8rem}
summary{cursor:pointer}b.m{display:inline-block;min-width:4.5em}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #8884;padding:.25rem .5rem;text-align:left;vertical-align:top}
pre{overflow:auto}h2{margin-top:2rem;text-transform:capitalize}`;

/** @param document what `openApiDocument` makes */
export function documentationPage(document: Json): string {
  const { info, paths } = document as { info: Json; paths: Record<string, Record<string, Json>> };
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(operations.map(({ operation }) => (operation.tags as string[])[0] as string))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => (operation.tags as string[])[0] === tag);
    return `<h2 id="${html(tag)}">${html(tag)}</h2>${own.map(operationHtml).join("")}`;
  });
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>smolvm API</title>
<meta name="viewport" content="width=device-width"><style>${STYLE}</style></head><body>
<h1>smolvm API ${html(info.version)}</h1>
<p>For programs: <a href="/api-docs/openapi.json">openapi.json</a>. Failures are
<code>{"error","code","reason","hint"}</code>; each answer has an <code>x-trace-id</code>.</p>
${sections.join("\n")}</body></html>`;
}

function operationHtml({
  path,
  method,
  operation,
}: {
  path: string;
  method: string;
  operation: Json;
}): string {
  const { summary, description, parameters, requestBody, responses } = operation;
  return `<details id="${html(operation.operationId)}"><summary><b class="m">${html(method.toUpperCase())}</b>
<code>${html(path)}</code> ${html(summary)}</summary>
${description === undefined ? "" : `<p>${html(description)}</p>`}
${parametersHtml(parameters as readonly Json[])}
${requestBody === undefined ? "" : `<h4>Body</h4>${bodyHtml(requestBody as Json)}`}
<h4>Answers</h4>${answersHtml(responses as Record<string, Json>)}</details>`;
}

function parametersHtml(parameters: readonly Json[]): string {
  if (parameters.length === 0) return "";
  const rows = parameters.map(
    ({ name, in: where, required, description }) =>
      `<tr><td><code>${html(name)}</code></td><td>${html(where)}</td>` +
      `<td>${required ? "required" : ""}</td><td>${html(description)}</td></tr>`,
  );
  return `<table><tr><th>Parameter</th><th>In</th><th></th><th></th></tr>${rows.join("")}</table>`;
}

function bodyHtml({ content }: Json): string {
  return Object.entries(content as Record<string, { schema?: Json }>)
    .map(([type, { schema }]) => `<p><code>${html(type)}</code></p>${fieldsHtml(schema)}`)
    .join("");
}

function fieldsHtml(schema: Json | undefined): string {
  const properties = Object.entries((schema?.properties ?? {}) as Record<string, Json>);
  if (properties.length === 0) return "";
  const required = (schema?.required ?? []) as string[];
  const rows = properties.map(
    ([name, field]) =>
      `<tr><td><code>${html(name)}</code>${required.includes(name) ? " *" : ""}</td>` +
      `<td>${html(field.type ?? "")}</td><td>${html(field.description)}</td></tr>`,
  );
  return `<table>${rows.join("")}</table>`;
}

function answersHtml(responses: Record<string, Json>): string {
  const rows = Object.entries(responses).map(([status, { description, content }]) => {
    const schema = Object.values((content ?? {}) as Record<string, { schema?: Json }>)[0]?.schema;
    const shown =
      schema?.properties === undefined ? "" : `<pre>${html(JSON.stringify(schema, undefined, 1))}</pre>`;
    const details = shown === "" ? "" : `<details><summary>schema</summary>${shown}</details>`;
    return `<tr><td>${html(status)}</td><td>${html(description)}${details}</td></tr>`;
  });
  return `<table>${rows.join("")}</table>`;
}
