// amazon-cognito-identity-js: the library in front-ends (and inside older Amplify); it signs in by SRP.

import assert from "node:assert/strict";
import test from "node:test";
import { AuthenticationDetails, CognitoUserAttribute } from "amazon-cognito-identity-js";
import { called, frontEnd } from "./identity.mjs";
import { createPool, freshName, newPassword, nextCode, password } from "./support.mjs";

const pool = await createPool();
const thirdPassword = "Third-password-3";

const { userPool, user } = frontEnd(pool);

function signUp(username) {
  const email = new CognitoUserAttribute({ Name: "email", Value: `${username}@example.com` });
  return called((done) => userPool.signUp(username, password, [email], [], done));
}

async function confirmed(prefix) {
  const username = freshName(prefix);
  await signUp(username);
  const code = await nextCode(pool, username, "SignUp");
  assert.equal(await called((done) => user(username).confirmRegistration(code, true, done)), "SUCCESS");
  return username;
}

function authenticate(cognitoUser, secret) {
  const details = new AuthenticationDetails({ Username: cognitoUser.getUsername(), Password: secret });
  return new Promise((resolve, reject) => {
    cognitoUser.authenticateUser(details, {
      onSuccess: resolve,
      onFailure: reject,
      newPasswordRequired: () => reject(new Error("newPasswordRequired")),
      mfaRequired: () => reject(new Error("mfaRequired")),
    });
  });
}

test("signs up, confirms, signs in by SRP", async () => {
  const username = freshName("signup");
  const result = await signUp(username);
  assert.equal(result.userConfirmed, false);
  assert.equal(result.codeDeliveryDetails.DeliveryMedium, "EMAIL");
  const cognitoUser = user(username);
  await assert.rejects(authenticate(cognitoUser, password), { code: "UserNotConfirmedException" });
  const code = await nextCode(pool, username, "SignUp");
  await called((done) => cognitoUser.confirmRegistration(code, true, done));
  const session = await authenticate(cognitoUser, password);
  assert.ok(session.isValid());
  assert.equal(session.getIdToken().payload["cognito:username"], username);
  assert.equal(session.getAccessToken().payload.sub, result.userSub);
});

test("a wrong password is refused by SRP", async () => {
  const username = await confirmed("wrong");
  await assert.rejects(authenticate(user(username), newPassword), {
    code: "NotAuthorizedException",
    message: "Incorrect username or password.",
  });
});

test("recovers a password", async () => {
  const username = await confirmed("forgot");
  const cognitoUser = user(username);
  const sent = await new Promise((resolve, reject) =>
    cognitoUser.forgotPassword({ onSuccess: resolve, onFailure: reject, inputVerificationCode: resolve }),
  );
  assert.deepEqual(sent.CodeDeliveryDetails, {
    AttributeName: "email",
    DeliveryMedium: "EMAIL",
    Destination: "f***@e***",
  });
  const code = await nextCode(pool, username, "ForgotPassword");
  const confirm = (given) =>
    new Promise((resolve, reject) =>
      cognitoUser.confirmPassword(given, newPassword, { onSuccess: resolve, onFailure: reject }),
    );
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  await assert.rejects(confirm(wrong), { code: "CodeMismatchException" });
  assert.equal(await confirm(code), "SUCCESS");
  await assert.rejects(confirm(code), { code: "ExpiredCodeException" });
  assert.ok((await authenticate(cognitoUser, newPassword)).isValid());
  await assert.rejects(authenticate(user(username), password), { code: "NotAuthorizedException" });
});

test("reads attributes, changes the password, refreshes, signs out everywhere", async () => {
  const username = await confirmed("session");
  const cognitoUser = user(username);
  const session = await authenticate(cognitoUser, password);

  const attributes = await called((done) => cognitoUser.getUserAttributes(done));
  const byName = Object.fromEntries(attributes.map((item) => [item.getName(), item.getValue()]));
  assert.equal(byName.email, `${username}@example.com`);
  assert.equal(byName.email_verified, "true");
  assert.equal(byName.sub, session.getIdToken().payload.sub);

  await assert.rejects(
    called((done) => cognitoUser.changePassword(newPassword, thirdPassword, done)),
    { code: "NotAuthorizedException" },
  );
  assert.equal(await called((done) => cognitoUser.changePassword(password, newPassword, done)), "SUCCESS");

  const renewed = await called((done) => cognitoUser.refreshSession(session.getRefreshToken(), done));
  assert.ok(renewed.isValid());
  assert.notEqual(renewed.getAccessToken().getJwtToken(), session.getAccessToken().getJwtToken());
  assert.equal(renewed.getRefreshToken().getToken(), session.getRefreshToken().getToken());

  await new Promise((resolve, reject) => cognitoUser.globalSignOut({ onSuccess: resolve, onFailure: reject }));
  const again = user(username);
  assert.ok((await authenticate(again, newPassword)).isValid());
});

test("resends a code", async () => {
  const username = freshName("resend");
  await signUp(username);
  await nextCode(pool, username, "SignUp");
  const result = await called((done) => user(username).resendConfirmationCode(done));
  assert.equal(result.CodeDeliveryDetails.AttributeName, "email");
  const code = await nextCode(pool, username, "ResendCode");
  await called((done) => user(username).confirmRegistration(code, true, done));
});
