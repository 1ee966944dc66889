// What the JavaScript suites share: the server's address, its inbox, a pool with a client, one user.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  CognitoIdentityProviderClient,
  ConfirmSignUpCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
  SignUpCommand,
} from "@aws-sdk/client-cognito-identity-provider";

assert.ok(process.env.POOLKEEPER_ENDPOINT, "POOLKEEPER_ENDPOINT names the running server");
export const endpoint = process.env.POOLKEEPER_ENDPOINT;
export const password = "Correct-horse-1";
export const newPassword = "Battery-staple-2";

const messageMilliseconds = 15_000;
const seen = new Set();

// Failures are not retried, so that a test sees the first answer.
export const client = new CognitoIdentityProviderClient({
  endpoint,
  region: "us-east-1",
  credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
  maxAttempts: 1,
});

/** Sends one command. */
export function send(Command, input) {
  return client.send(new Command(input));
}

/** A name no other test uses. */
export function freshName(prefix = "user") {
  return `${prefix}-${randomBytes(5).toString("hex")}`;
}

/** A pool that verifies email addresses, with an app client. */
export async function createPool(clientSettings = {}) {
  const pool = await send(CreateUserPoolCommand, { PoolName: freshName("pool"), AutoVerifiedAttributes: ["email"] });
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

/** Waits for the next message of this purpose to this user and returns its code. */
export async function nextCode(pool, username, purpose) {
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
      assert.match(fresh[0].code, /^[0-9]{6}$/);
      return fresh[0].code;
    }
    assert.ok(Date.now() < deadline, `no ${purpose} message to ${username}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
