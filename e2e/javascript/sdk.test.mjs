// @aws-sdk/client-cognito-identity-provider: the recovery story, and errors as the SDK's own classes.

import assert from "node:assert/strict";
import test from "node:test";
import {
  AdminCreateUserCommand,
  AdminGetUserCommand,
  CodeMismatchException,
  ConfirmForgotPasswordCommand,
  DescribeUserPoolCommand,
  ExpiredCodeException,
  ForgotPasswordCommand,
  GetUserCommand,
  InitiateAuthCommand,
  InvalidParameterException,
  InvalidPasswordException,
  NotAuthorizedException,
  paginateListUsers,
  ResourceNotFoundException,
  SignUpCommand,
  UserNotConfirmedException,
  UsernameExistsException,
  UserNotFoundException,
} from "@aws-sdk/client-cognito-identity-provider";
import { client, confirmedUser, createPool, freshName, newPassword, nextCode, password, send } from "./support.mjs";

const pool = await createPool();

function signIn(username, secret) {
  return send(InitiateAuthCommand, {
    ClientId: pool.clientId,
    AuthFlow: "USER_PASSWORD_AUTH",
    AuthParameters: { USERNAME: username, PASSWORD: secret },
  });
}

function reset(username, code, secret = newPassword) {
  return send(ConfirmForgotPasswordCommand, {
    ClientId: pool.clientId,
    Username: username,
    ConfirmationCode: code,
    Password: secret,
  });
}

/** Rejects with this class, and with this text if one is given. */
async function refused(promise, kind, text) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof kind, `${error.name}: ${error.message}`);
    assert.equal(error.name, kind.name);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.ok(error.$metadata.requestId, "a request id");
    if (text !== undefined) assert.equal(error.message, text);
    return true;
  });
}

test("recovery story", async () => {
  const username = await confirmedUser(pool, "story");
  const forgot = await send(ForgotPasswordCommand, { ClientId: pool.clientId, Username: username });
  assert.deepEqual(forgot.CodeDeliveryDetails, {
    AttributeName: "email",
    DeliveryMedium: "EMAIL",
    Destination: "s***@e***",
  });
  const code = await nextCode(pool, username, "ForgotPassword");
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  await refused(
    reset(username, wrong),
    CodeMismatchException,
    "Invalid verification code provided, please try again.",
  );
  await refused(
    reset(username, code, "short"),
    InvalidPasswordException,
    "Password does not conform to policy: Password not long enough",
  );
  await reset(username, code);
  await refused(
    reset(username, code),
    ExpiredCodeException,
    "Invalid code provided, please request a code again.",
  );
  await refused(signIn(username, password), NotAuthorizedException, "Incorrect username or password.");
  const { AuthenticationResult: tokens } = await signIn(username, newPassword);
  const user = await send(GetUserCommand, { AccessToken: tokens.AccessToken });
  assert.equal(user.Username, username);
  const refreshed = await send(InitiateAuthCommand, {
    ClientId: pool.clientId,
    AuthFlow: "REFRESH_TOKEN_AUTH",
    AuthParameters: { REFRESH_TOKEN: tokens.RefreshToken },
  });
  assert.equal(refreshed.AuthenticationResult.RefreshToken, undefined);
  const again = await send(GetUserCommand, { AccessToken: refreshed.AuthenticationResult.AccessToken });
  assert.equal(again.Username, username);
});

test("errors arrive as classes", async () => {
  const nobody = freshName("nobody");
  await refused(
    send(ForgotPasswordCommand, { ClientId: pool.clientId, Username: nobody }),
    UserNotFoundException,
    "Username/client id combination not found.",
  );
  await refused(
    send(AdminGetUserCommand, { UserPoolId: pool.id, Username: nobody }),
    UserNotFoundException,
    "User does not exist.",
  );
  await refused(
    send(DescribeUserPoolCommand, { UserPoolId: "us-east-1_AbCdEfGh1" }),
    ResourceNotFoundException,
    "User pool us-east-1_AbCdEfGh1 does not exist.",
  );
  const username = freshName("unconfirmed");
  const signUp = { ClientId: pool.clientId, Username: username, Password: password };
  await send(SignUpCommand, signUp);
  await refused(send(SignUpCommand, signUp), UsernameExistsException, "User already exists");
  await refused(signIn(username, password), UserNotConfirmedException, "User is not confirmed.");
  await refused(
    send(DescribeUserPoolCommand, { UserPoolId: "bad" }),
    InvalidParameterException,
    "1 validation error detected: Value 'bad' at 'userPoolId' failed to satisfy constraint: " +
      "Member must satisfy regular expression pattern: [\\w-]+_[0-9a-zA-Z]+",
  );
});

test("timestamps are dates and pages follow each other", async () => {
  const other = await createPool();
  const names = Array.from({ length: 5 }, (_, number) => `page-${number}`);
  for (const name of names) {
    const { User } = await send(AdminCreateUserCommand, {
      UserPoolId: other.id,
      Username: name,
      MessageAction: "SUPPRESS",
    });
    assert.ok(Math.abs(User.UserCreateDate.getTime() - Date.now()) < 60_000, String(User.UserCreateDate));
  }
  const found = [];
  let pages = 0;
  for await (const page of paginateListUsers({ client, pageSize: 2 }, { UserPoolId: other.id })) {
    pages += 1;
    found.push(...page.Users.map((user) => user.Username));
  }
  assert.deepEqual(found.sort(), names);
  assert.ok(pages >= 3, `${pages} pages`);
});
