// amazon-cognito-identity-js: second factors, remembered devices, new passwords, and sign-out everywhere.

import assert from "node:assert/strict";
import test from "node:test";
import {
  AdminCreateUserCommand,
  AdminGetUserCommand,
  GetUserCommand,
  InitiateAuthCommand,
} from "@aws-sdk/client-cognito-identity-provider";
import { answered, called, frontEnd, preferred, register, sendCode, signIn } from "./identity.mjs";
import {
  authenticator,
  confirmedUser,
  createPool,
  freshName,
  newPassword,
  nextCode,
  password,
  requestsOf,
  send,
} from "./support.mjs";

const softwareToken = { SoftwareTokenMfaConfiguration: { Enabled: true } };
const srp = ["InitiateAuth USER_SRP_AUTH", "RespondToAuthChallenge PASSWORD_VERIFIER"];

/** Signs in where nothing but the password is asked for. */
async function signedIn(cognitoUser, secret = password) {
  const [step, session, confirm] = await signIn(cognitoUser, secret);
  assert.equal(step, "onSuccess");
  return { session, confirm };
}

test("sets an authenticator app up and signs in with it", async () => {
  const pool = await createPool({}, {}, { ...softwareToken, MfaConfiguration: "OPTIONAL" });
  const username = await confirmedUser(pool, "totp");
  const { user } = frontEnd(pool);
  const first = user(username);
  await signedIn(first);
  const [, secret] = await answered((callbacks) => first.associateSoftwareToken(callbacks));
  const app = authenticator(secret);
  const verify = (code) => answered((callbacks) => first.verifySoftwareToken(code, "phone", callbacks));
  await assert.rejects(verify(app.wrong), {
    code: "EnableSoftwareTokenMFAException",
    message: "Code mismatch and fail enable Software Token MFA",
  });
  const [, verified] = await verify(app.first);
  assert.equal(verified.Status, "SUCCESS");
  await called((done) => first.setUserMfaPreference(null, preferred, done));
  const data = await called((done) => first.getUserData(done, { bypassCache: true }));
  assert.equal(data.PreferredMfaSetting, "SOFTWARE_TOKEN_MFA");
  assert.deepEqual(data.UserMFASettingList, ["SOFTWARE_TOKEN_MFA"]);

  const second = user(username);
  const [step, name, parameters] = await signIn(second, password);
  assert.deepEqual([step, name], ["totpRequired", "SOFTWARE_TOKEN_MFA"]);
  assert.equal(parameters.FRIENDLY_DEVICE_NAME, "phone");
  await assert.rejects(sendCode(second, app.wrong), {
    code: "CodeMismatchException",
    message: "Invalid code received for user",
  });
  await assert.rejects(sendCode(second, app.first), {
    code: "ExpiredCodeException",
    message: "Your software token has already been used once.",
  });
  const [done, session] = await sendCode(second, app.second);
  assert.equal(done, "onSuccess");
  assert.equal(session.getAccessToken().payload.username, username);

  await called((finish) => second.setUserMfaPreference(null, { Enabled: false, PreferredMfa: false }, finish));
  await signedIn(user(username));
});

test("an authenticator app is set up within the sign-in where one is required", async () => {
  const pool = await createPool({}, {}, { ...softwareToken, MfaConfiguration: "ON" });
  const username = freshName("required");
  await send(AdminCreateUserCommand, {
    UserPoolId: pool.id,
    Username: username,
    TemporaryPassword: password,
    MessageAction: "SUPPRESS",
  });
  const { user } = frontEnd(pool);
  const first = user(username);
  assert.equal((await signIn(first, password))[0], "newPasswordRequired");
  const [step, name, parameters] = await answered((callbacks) =>
    first.completeNewPasswordChallenge(newPassword, {}, callbacks),
  );
  assert.deepEqual([step, name], ["mfaSetup", "MFA_SETUP"]);
  assert.deepEqual(JSON.parse(parameters.MFAS_CAN_SETUP), ["SOFTWARE_TOKEN_MFA"]);
  const [, secret] = await answered((callbacks) => first.associateSoftwareToken(callbacks));
  const app = authenticator(secret);
  const [done, session] = await answered((callbacks) => first.verifySoftwareToken(app.first, "phone", callbacks));
  assert.equal(done, "onSuccess");
  assert.ok(session.isValid());

  const second = user(username);
  assert.equal((await signIn(second, newPassword))[0], "totpRequired");
  assert.equal((await sendCode(second, app.second))[0], "onSuccess");
});

test("a user with two second factors chooses one", async () => {
  const messages = {
    SmsConfiguration: { SnsCallerArn: "arn:aws:iam::123456789012:role/sms", ExternalId: "sms" },
  };
  const pool = await createPool(
    {},
    { ...messages, AutoVerifiedAttributes: ["email", "phone_number"] },
    { ...softwareToken, SmsMfaConfiguration: messages, MfaConfiguration: "OPTIONAL" },
  );
  const username = freshName("chooser");
  await send(AdminCreateUserCommand, {
    UserPoolId: pool.id,
    Username: username,
    TemporaryPassword: password,
    MessageAction: "SUPPRESS",
    UserAttributes: [
      { Name: "phone_number", Value: "+12065550108" },
      { Name: "phone_number_verified", Value: "true" },
    ],
  });
  const { user } = frontEnd(pool);
  const first = user(username);
  assert.equal((await signIn(first, password))[0], "newPasswordRequired");
  await answered((callbacks) => first.completeNewPasswordChallenge(newPassword, {}, callbacks));
  const app = await register(first, { Enabled: true, PreferredMfa: false });
  await called((done) => first.setUserMfaPreference({ Enabled: true, PreferredMfa: false }, null, done));

  const choose = (cognitoUser, kind) =>
    answered((callbacks) => cognitoUser.sendMFASelectionAnswer(kind, callbacks));
  const byText = user(username);
  const [step, , parameters] = await signIn(byText, newPassword);
  assert.equal(step, "selectMFAType");
  assert.deepEqual(JSON.parse(parameters.MFAS_CAN_CHOOSE).sort(), ["SMS_MFA", "SOFTWARE_TOKEN_MFA"]);
  const [asked, , delivery] = await choose(byText, "SMS_MFA");
  assert.equal(asked, "mfaRequired");
  assert.equal(delivery.CODE_DELIVERY_DELIVERY_MEDIUM, "SMS");
  assert.equal(delivery.CODE_DELIVERY_DESTINATION, "+*******0108");
  const code = await nextCode(pool, username, "Authentication");
  const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, "0");
  await assert.rejects(sendCode(byText, wrong, "SMS_MFA"), {
    code: "CodeMismatchException",
    message: "Invalid code or auth state for the user.",
  });
  assert.equal((await sendCode(byText, code, "SMS_MFA"))[0], "onSuccess");

  const byApp = user(username);
  assert.equal((await signIn(byApp, newPassword))[0], "selectMFAType");
  assert.equal((await choose(byApp, "SOFTWARE_TOKEN_MFA"))[0], "totpRequired");
  assert.equal((await sendCode(byApp, app.second))[0], "onSuccess");
});

test("a remembered device stands in for the second factor", async () => {
  const pool = await createPool(
    {},
    { DeviceConfiguration: { ChallengeRequiredOnNewDevice: true, DeviceOnlyRememberedOnUserPrompt: true } },
    { ...softwareToken, MfaConfiguration: "OPTIONAL" },
  );
  const username = await confirmedUser(pool, "device");
  const { user } = frontEnd(pool);
  const first = user(username);
  const { session, confirm } = await signedIn(first);
  assert.equal(confirm, true, "the user is to be asked whether to remember the device");
  const key = session.getAccessToken().payload.device_key;
  assert.match(key, /^us-east-1_[0-9a-f-]{36}$/);
  const app = await register(first);

  // Known, but not remembered yet: the second factor is due.
  const second = user(username);
  second.getCachedDeviceKeyAndPassword();
  assert.equal(second.deviceKey, key);
  assert.equal((await signIn(second, password))[0], "totpRequired");
  const [done, again, unasked] = await sendCode(second, app.second);
  assert.deepEqual([done, unasked], ["onSuccess", undefined], "a known device is not confirmed again");
  assert.equal(again.getAccessToken().payload.device_key, key);
  assert.equal((await answered((callbacks) => second.setDeviceStatusRemembered(callbacks)))[1], "SUCCESS");

  const third = user(username);
  third.getCachedDeviceKeyAndPassword();
  const asked = await requestsOf(async () => {
    const { session: remembered } = await signedIn(third);
    assert.equal(remembered.getAccessToken().payload.device_key, key);
  });
  assert.deepEqual(asked, [
    ...srp,
    "RespondToAuthChallenge DEVICE_SRP_AUTH",
    "RespondToAuthChallenge DEVICE_PASSWORD_VERIFIER",
  ]);
  const [, { Devices: devices }] = await answered((callbacks) => third.listDevices(10, null, callbacks));
  assert.deepEqual(devices.map((device) => device.DeviceKey), [key]);
  const [, { Device: device }] = await answered((callbacks) => third.getDevice(callbacks));
  const attributes = Object.fromEntries(device.DeviceAttributes.map(({ Name, Value }) => [Name, Value]));
  assert.ok(attributes.device_name.length > 0);
  const kept = third.getSignInUserSession();
  const renewed = await called((finish) => third.refreshSession(kept.getRefreshToken(), finish));
  assert.equal(renewed.getAccessToken().payload.device_key, key);
  assert.notEqual(renewed.getAccessToken().payload.jti, kept.getAccessToken().payload.jti);

  // A browser that does not know the key, and one whose key was stolen without its password.
  assert.equal((await signIn(frontEnd(pool).user(username), password))[0], "totpRequired");
  const thief = frontEnd(pool).user(username);
  Object.assign(thief, { deviceKey: key, deviceGroupKey: third.deviceGroupKey, randomPassword: "guess" });
  await assert.rejects(signIn(thief, password), {
    code: "NotAuthorizedException",
    message: "Incorrect username or password.",
  });

  // Forgotten behind this browser's back: it is told so, drops the key and goes on without.
  await answered((callbacks) => third.forgetSpecificDevice(key, callbacks));
  const fourth = user(username);
  let step;
  const retried = await requestsOf(async () => {
    [step] = await signIn(fourth, password);
  });
  assert.equal(step, "totpRequired");
  assert.deepEqual(retried, [...srp, srp[1]]);
  assert.equal(fourth.deviceKey, null);
});

test("a device is remembered at once where nobody is to be asked", async () => {
  const pool = await createPool(
    {},
    { DeviceConfiguration: { ChallengeRequiredOnNewDevice: true, DeviceOnlyRememberedOnUserPrompt: false } },
    { ...softwareToken, MfaConfiguration: "OPTIONAL" },
  );
  const username = await confirmedUser(pool, "at-once");
  const { user } = frontEnd(pool);
  const first = user(username);
  assert.equal((await signedIn(first)).confirm, undefined);
  const app = await register(first);
  await signedIn(user(username));
  assert.equal((await answered((callbacks) => first.setDeviceStatusNotRemembered(callbacks)))[1], "SUCCESS");
  const second = user(username);
  assert.equal((await signIn(second, password))[0], "totpRequired");
  assert.equal((await sendCode(second, app.second))[0], "onSuccess");
});

test("a temporary password is replaced and missing attributes are given", async () => {
  const pool = await createPool({}, { Schema: [{ Name: "name", Required: true, Mutable: true }] });
  const username = freshName("invited");
  await send(AdminCreateUserCommand, {
    UserPoolId: pool.id,
    Username: username,
    TemporaryPassword: password,
    MessageAction: "SUPPRESS",
    UserAttributes: [{ Name: "email", Value: `${username}@example.com` }],
  });
  const { user } = frontEnd(pool);
  const first = user(username);
  const [step, attributes, required] = await signIn(first, password);
  assert.equal(step, "newPasswordRequired");
  assert.equal(attributes.email, `${username}@example.com`);
  assert.deepEqual(required, ["name"]);
  const complete = (secret, given) =>
    answered((callbacks) => first.completeNewPasswordChallenge(secret, given, callbacks));
  await assert.rejects(complete(newPassword, {}), {
    code: "InvalidParameterException",
    message: "Invalid attributes given, name is missing",
  });
  await assert.rejects(complete("short", { name: "Ann" }), { code: "InvalidPasswordException" });
  const [done, session] = await complete(newPassword, { name: "Ann" });
  assert.equal(done, "onSuccess");
  assert.equal(session.getIdToken().payload.name, "Ann");
  const stored = await send(AdminGetUserCommand, { UserPoolId: pool.id, Username: username });
  assert.equal(stored.UserStatus, "CONFIRMED");
  await assert.rejects(signIn(user(username), password), { code: "NotAuthorizedException" });
  await signedIn(user(username), newPassword);
});

test("signs out everywhere, or here alone", async () => {
  const pool = await createPool();
  const username = await confirmedUser(pool, "leaver");
  const [here, there] = [frontEnd(pool).user(username), frontEnd(pool).user(username)];
  const { session: mine } = await signedIn(here);
  const { session: other } = await signedIn(there);
  // Not by the library's own refresh: it tries for five seconds before it says that it was refused.
  const refresh = (session) =>
    send(InitiateAuthCommand, {
      ClientId: pool.clientId,
      AuthFlow: "REFRESH_TOKEN_AUTH",
      AuthParameters: { REFRESH_TOKEN: session.getRefreshToken().getToken() },
    });
  const read = (session) => send(GetUserCommand, { AccessToken: session.getAccessToken().getJwtToken() });
  const refused = { name: "NotAuthorizedException", message: "Access Token has been revoked" };

  await called((done) => here.signOut(done));
  await assert.rejects(read(mine), refused);
  assert.equal((await read(other)).Username, username);

  const { session: back } = await signedIn(here);
  await answered((callbacks) => here.globalSignOut(callbacks));
  for (const session of [back, other]) {
    await assert.rejects(read(session), refused);
    await assert.rejects(refresh(session), { ...refused, message: "Refresh Token has been revoked" });
  }
  const { session: anew } = await signedIn(there);
  assert.equal((await read(anew)).Username, username);
});
