// Test reporter: one line a test, in the form that run.py counts (`ok - suite: name`).

import { basename } from "node:path";
import { inspect } from "node:util";

export default async function* lines(source) {
  for await (const event of source) {
    if (event.type !== "test:pass" && event.type !== "test:fail") {
      if (event.type === "test:stderr" || event.type === "test:stdout") yield event.data.message;
      continue;
    }
    const { name, file, details, skip, todo } = event.data;
    // Node reports each file as a test of its own as well; only a file that failed by itself is news.
    const isFile = name === file || name.endsWith(".test.mjs");
    if (isFile && event.type === "test:pass") continue;
    const suite = basename(file ?? name, ".test.mjs");
    const line = `${suite}: ${name} (${Math.round(details.duration_ms)} ms)\n`;
    if (skip !== undefined || todo !== undefined) {
      yield `skip - ${line}`;
    } else if (event.type === "test:pass") {
      yield `ok - ${line}`;
    } else if (isFile && details.error?.failureType === "subtestsFailed") {
      continue;
    } else {
      yield `not ok - ${line}${inspect(details.error?.cause ?? details.error)}\n`;
    }
  }
}
