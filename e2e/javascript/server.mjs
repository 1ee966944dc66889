// The program itself, for test files that need a server of their own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** A new directory, for the data, the log and whatever else belongs to a server. */
export function newDirectory(prefix) {
  return mkdtemp(join(tmpdir(), `${prefix}-`));
}

/**
 * Starts the program on the data in this directory, with its output to be read line by line. It ends with this process
 * at the latest.
 */
export function run(directory, ...given) {
  const { PATH, HOME } = process.env;
  const log = join(directory, "log");
  const child = spawn(process.env.POOLKEEPER_BINARY, [...given, "--data-dir", join(directory, "data")], {
    env: { PATH, HOME },
    stdio: ["ignore", "pipe", openSync(log, "a")],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  return { child, log, exited: once(child, "exit"), lines: createInterface({ input: child.stdout }) };
}

/** Starts a server in `dev`, with these options, and answers its address and how to stop it. */
export async function startServer(directory, ...options) {
  const { child, log, exited, lines } = run(directory, "dev", "--listen", "127.0.0.1:0", ...options);
  const ended = exited.then(([code, signal]) => {
    const said = readFileSync(log, "utf8").slice(-4000);
    return { code, text: `the server ended with ${code ?? signal}\n${said}` };
  });
  const [first] = await Promise.race([once(lines, "line"), ended.then(({ text }) => assert.fail(text))]);
  const [endpoint] = first.match(/http:\/\/127\.0\.0\.1:\d+/);
  const stop = async () => {
    child.kill("SIGTERM");
    const { code, text } = await ended;
    assert.equal(code, 0, text);
  };
  return { endpoint, stop };
}
