// What browsers and resource servers need: CORS, and tokens that aws-jwt-verify accepts.

import assert from "node:assert/strict";
import test from "node:test";
import { InitiateAuthCommand } from "@aws-sdk/client-cognito-identity-provider";
import { JwtExpiredError, JwtInvalidIssuerError, JwtInvalidSignatureError } from "aws-jwt-verify/error";
import { confirmedUser, createPool, endpoint, password, send } from "./support.mjs";
import { verifierOf } from "./verifier.mjs";

const pool = await createPool();
const username = await confirmedUser(pool, "web");
const { AuthenticationResult: tokens } = await send(InitiateAuthCommand, {
  ClientId: pool.clientId,
  AuthFlow: "USER_PASSWORD_AUTH",
  AuthParameters: { USERNAME: username, PASSWORD: password },
});

function verifier(properties) {
  return verifierOf({ issuer: pool.issuer, jwksUri: `${pool.issuer}/.well-known/jwks.json`, ...properties });
}

test("aws-jwt-verify accepts the ID token", async () => {
  const claims = await verifier({ audience: pool.clientId }).verify(tokens.IdToken);
  assert.equal(claims.token_use, "id");
  assert.equal(claims["cognito:username"], username);
  assert.equal(claims.email_verified, true);
});

test("aws-jwt-verify accepts the access token", async () => {
  const claims = await verifier({ audience: null }).verify(tokens.AccessToken);
  assert.equal(claims.token_use, "access");
  assert.equal(claims.scope, "aws.cognito.signin.user.admin");
  assert.equal(claims.client_id, pool.clientId);
  assert.equal(claims.username, username);
});

test("aws-jwt-verify refuses what it should", async () => {
  const [head, body, signature] = tokens.AccessToken.split(".");
  const broken = `${head}.${body}.${signature[0] === "A" ? "B" : "A"}${signature.slice(1)}`;
  await assert.rejects(verifier({ audience: null }).verify(broken), JwtInvalidSignatureError);
  await assert.rejects(
    verifier({ audience: null, issuer: `${endpoint}/us-east-1_AnotherOn` }).verify(tokens.AccessToken),
    JwtInvalidIssuerError,
  );
  // As if two hours had passed: the token has an end.
  await assert.rejects(
    verifier({ audience: null, graceSeconds: -7200 }).verify(tokens.AccessToken),
    JwtExpiredError,
  );
});

test("a browser may ask before it posts", async () => {
  const asked = "content-type,x-amz-target,x-amz-user-agent,cache-control,amz-sdk-invocation-id,amz-sdk-request";
  const answer = await fetch(`${endpoint}/`, {
    method: "OPTIONS",
    headers: {
      Origin: "http://localhost:3000",
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": asked,
    },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  assert.match(answer.headers.get("access-control-allow-methods"), /POST/);
  const allowed = answer.headers.get("access-control-allow-headers").toLowerCase().split(/\s*,\s*/);
  for (const header of asked.split(",")) assert.ok(allowed.includes(header), `${header} in ${allowed}`);
});

for (const [name, body, status] of [
  ["answers", { ClientId: pool.clientId, Username: username }, 200],
  ["errors", { ClientId: "a".repeat(26), Username: username }, 400],
]) {
  test(`a browser may read ${name}`, async () => {
    const answer = await fetch(`${endpoint}/`, {
      method: "POST",
      headers: {
        Origin: "http://localhost:3000",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "AWSCognitoIdentityProviderService.ForgotPassword",
      },
      body: JSON.stringify(body),
    });
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    const exposed = answer.headers.get("access-control-expose-headers").toLowerCase();
    for (const header of ["x-amzn-requestid", "x-amzn-errortype"]) assert.ok(exposed.includes(header), exposed);
    await answer.json();
  });
}

test("a browser may read the keys", async () => {
  const answer = await fetch(`${pool.issuer}/.well-known/jwks.json`, { headers: { Origin: "http://localhost:3000" } });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
});
