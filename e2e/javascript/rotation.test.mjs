// New signing keys, as resource servers that check tokens with aws-jwt-verify live through them.

import assert from "node:assert/strict";
import test from "node:test";
import {
  AdminCreateUserCommand,
  AdminSetUserPasswordCommand,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
  GetUserCommand,
  InitiateAuthCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { KidNotFoundInJwksError } from "aws-jwt-verify/error";
import { newDirectory, run, startServer } from "./server.mjs";
import { clientOf, freshName, password } from "./support.mjs";
import { verifierOf } from "./verifier.mjs";

// Tokens are to name the same issuer wherever the server listens next.
const baseUrl = "http://tokens.example";
const directory = await newDirectory("rotation");
// Of the server that runs.
let endpoint;
let client;

/** Runs `work` with a server: signing keys are changed while there is none. */
async function withServer(work) {
  const server = await startServer(directory, "--base-url", baseUrl);
  endpoint = server.endpoint;
  client = clientOf(endpoint);
  try {
    return await work();
  } finally {
    client.destroy();
    await server.stop();
  }
}

function send(Command, input) {
  return client.send(new Command(input));
}

async function rotate(...more) {
  const { exited } = run(directory, "keys", "rotate-signing", "--all", ...more);
  assert.deepEqual(await exited, [0, null]);
}

test("tokens of before and after are good, until the old keys are withdrawn", async () => {
  const Username = freshName("rotated");
  let pool;
  const verifier = () => {
    const issuer = `${baseUrl}/${pool.id}`;
    const properties = { issuer, jwksUri: `${issuer}/.well-known/jwks.json`, audience: null };
    return verifierOf(properties, (uri) => uri.replace(baseUrl, endpoint));
  };
  const accepted = async (verifier, token) => assert.equal((await verifier.verify(token)).username, Username);
  const begin = async (AuthFlow, AuthParameters) => {
    const answer = await send(InitiateAuthCommand, { ClientId: pool.clientId, AuthFlow, AuthParameters });
    return answer.AuthenticationResult;
  };
  const signIn = () => begin("USER_PASSWORD_AUTH", { USERNAME: Username, PASSWORD: password });

  // Reads the keys once, and again when it meets one that it does not know.
  let resource;
  const old = await withServer(async () => {
    const { UserPool } = await send(CreateUserPoolCommand, { PoolName: "rotated" });
    const { UserPoolClient } = await send(CreateUserPoolClientCommand, {
      UserPoolId: UserPool.Id,
      ClientName: "app",
      ExplicitAuthFlows: ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    });
    pool = { id: UserPool.Id, clientId: UserPoolClient.ClientId };
    await send(AdminCreateUserCommand, { UserPoolId: pool.id, Username, MessageAction: "SUPPRESS" });
    await send(AdminSetUserPasswordCommand, {
      UserPoolId: pool.id,
      Username,
      Password: password,
      Permanent: true,
    });
    const tokens = await signIn();
    resource = verifier();
    await accepted(resource, tokens.AccessToken);
    return tokens;
  });

  await rotate();
  const next = await withServer(async () => {
    const tokens = await signIn();
    for (const token of [tokens.AccessToken, old.AccessToken]) {
      await accepted(resource, token);
      await accepted(verifier(), token);
      assert.equal((await send(GetUserCommand, { AccessToken: token })).Username, Username);
    }
    const kids = [old, tokens].map(({ AccessToken }) => JSON.parse(atob(AccessToken.split(".")[0])).kid);
    assert.notEqual(kids[0], kids[1]);
    return tokens;
  });

  await rotate("--withdraw");
  await withServer(async () => {
    for (const { AccessToken } of [old, next]) {
      await assert.rejects(verifier().verify(AccessToken), KidNotFoundInJwksError);
      await assert.rejects(send(GetUserCommand, { AccessToken }), { name: "NotAuthorizedException" });
    }
    const renewed = await begin("REFRESH_TOKEN_AUTH", { REFRESH_TOKEN: old.RefreshToken });
    await accepted(verifier(), renewed.AccessToken);
  });
});
