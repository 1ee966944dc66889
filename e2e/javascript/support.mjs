// What the JavaScript suites share: the server's address, its inbox, a pool with a client, one user.

import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import {
  CognitoIdentityProviderClient,
  ConfirmSignUpCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
  SetUserPoolMfaConfigCommand,
  SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";

assert.ok(process.env.POOLKEEPER_ENDPOINT, "POOLKEEPER_ENDPOINT names the running server");
export const endpoint = process.env.POOLKEEPER_ENDPOINT;
export const password = "Correct-horse-1";
export const newPassword = "Battery-staple-2";

const messageMilliseconds = 15_000;
const seen = new Set();

/** A client of the server there. Failures are not retried, so that a test sees the first answer. */
export function clientOf(endpoint) {
  return new CognitoIdentityProviderClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    maxAttempts: 1,
  });
}

export const client = clientOf(endpoint);

/** Sends one command. */
export function send(Command, input) {
  return client.send(new Command(input));
}

/** A name no other test uses. */
export function freshName(prefix = "user") {
  return `${prefix}-${randomBytes(5).toString("hex")}`;
}

/** A pool that verifies email addresses, with an app client; `mfa` is what SetUserPoolMfaConfig is to say. */
export async function createPool(clientSettings = {}, poolSettings = {}, mfa = undefined) {
  const pool = await send(CreateUserPoolCommand, {
    PoolName: freshName("pool"),
    AutoVerifiedAttributes: ["email"],
    ...poolSettings,
  });
  if (mfa !== undefined) await send(SetUserPoolMfaConfigCommand, { UserPoolId: pool.UserPool.Id, ...mfa });
  const made = await send(CreateUserPoolClientCommand, {
    UserPoolId: pool.UserPool.Id,
    ClientName: "app",
    ExplicitAuthFlows: ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    ...clientSettings,
  });
  return { id: pool.UserPool.Id, clientId: made.UserPoolClient.ClientId, issuer: `${endpoint}/${pool.UserPool.Id}` };
}

/** Signs a user up and confirms it with the code from the inbox. */
export async function confirmedUser(pool, prefix) {
  const username = freshName(prefix);
  await send(SignUpCommand, {
    ClientId: pool.clientId,
    Username: username,
    Password: password,
    UserAttributes: [{ Name: "email", Value: `${username}@example.com` }],
  });
  const code = await nextCode(pool, username, "SignUp");
  await send(ConfirmSignUpCommand, { ClientId: pool.clientId, Username: username, ConfirmationCode: code });
  return username;
}

/** Waits for the next message of this purpose to this user and returns its code of this many digits. */
export async function nextCode(pool, username, purpose, digits = 6) {
  const query = new URLSearchParams({ user_pool_id: pool.id, username, limit: "100" });
  const deadline = Date.now() + messageMilliseconds;
  for (;;) {
    const answer = await fetch(`${endpoint}/_poolkeeper/messages?${query}`);
    assert.equal(answer.status, 200);
    const { messages } = await answer.json();
    const fresh = messages.filter((message) => message.purpose === purpose && !seen.has(message.id));
    if (fresh.length > 0) {
      assert.equal(fresh.length, 1, `more than one new ${purpose} message to ${username}`);
      seen.add(fresh[0].id);
      assert.match(fresh[0].code, new RegExp(`^[0-9]{${digits}}$`));
      return fresh[0].code;
    }
    assert.ok(Date.now() < deadline, `no ${purpose} message to ${username}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Runs `work`, and returns what it asked the server for: each operation with the flow or challenge that it names. */
export async function requestsOf(work) {
  const asked = [];
  const original = globalThis.fetch;
  globalThis.fetch = (address, options) => {
    const operation = new Headers(options.headers).get("x-amz-target").split(".")[1];
    const { AuthFlow, ChallengeName } = JSON.parse(options.body);
    asked.push([operation, AuthFlow ?? ChallengeName].filter(Boolean).join(" "));
    return original(address, options);
  };
  try {
    await work();
  } finally {
    globalThis.fetch = original;
  }
  return asked;
}

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const stepMilliseconds = 30_000;

/** The code that an authenticator app shows for one step of its secret (RFC 6238: SHA-1, six digits). */
function totp(secret, step) {
  const bits = [...secret].map((letter) => base32.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/[01]{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const digest = createHmac("sha1", key).update(counter).digest();
  const number = digest.readUInt32BE(digest[19] & 15) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}

/**
 * An authenticator app with this secret. The server takes each code once, and codes of one step before and after its
 * own; so there are two codes, of this step and the next, which are good for the coming half minute.
 */
export function authenticator(secret) {
  assert.match(secret, /^[A-Z2-7]{16,}$/);
  const step = Math.floor(Date.now() / stepMilliseconds);
  const near = Array.from({ length: 8 }, (_, index) => totp(secret, step - 3 + index));
  const wrong = Array.from({ length: 9 }, (_, digit) => String(digit).repeat(6)).find((code) => !near.includes(code));
  return { first: totp(secret, step), second: totp(secret, step + 1), wrong };
}
