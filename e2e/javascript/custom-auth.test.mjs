// CUSTOM_AUTH as front-ends use it: what functions ask comes alone, after the password, or after a second factor.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { after } from "node:test";
import { AdminCreateUserCommand, GetUserCommand } from "@aws-sdk/client-cognito-identity-provider";
import { AuthenticationDetails } from "amazon-cognito-identity-js";
import {
  confirmSignIn,
  fetchAuthSession,
  fetchDevices,
  getCurrentUser,
  rememberDevice,
  signIn,
  signOut,
} from "aws-amplify/auth";
import { answer, lambdaConfig, startFunctions } from "./challenges.mjs";
import { newDirectory, startServer } from "./server.mjs";

// The server that all suites share knows no functions.
const functions = await startFunctions();
const directory = await newDirectory("custom-auth");
await writeFile(join(directory, "poolkeeper.toml"), functions.configuration);
const server = await startServer(directory, "--config", join(directory, "poolkeeper.toml"));
after(async () => {
  support.client.destroy();
  await server.stop();
  functions.stop();
});
// These are loaded when it is known, as it is the server that they speak to.
process.env.POOLKEEPER_ENDPOINT = server.endpoint;
const support = await import("./support.mjs");
const identity = await import("./identity.mjs");
const amplify = await import("./amplify.mjs");
const { confirmedUser, freshName, newPassword, password, requestsOf, send } = support;
const { answered } = identity;
const { next, step } = amplify;

const customOnly = { ExplicitAuthFlows: ["ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"] };
const hidesUnknown = { ...customOnly, PreventUserExistenceErrors: "ENABLED" };
const asking = { LambdaConfig: lambdaConfig("question") };
const optional = { SoftwareTokenMfaConfiguration: { Enabled: true }, MfaConfiguration: "OPTIONAL" };
const devices = { DeviceConfiguration: { ChallengeRequiredOnNewDevice: true, DeviceOnlyRememberedOnUserPrompt: true } };
const begin = "InitiateAuth CUSTOM_AUTH";
const prove = "RespondToAuthChallenge PASSWORD_VERIFIER";
const reply = "RespondToAuthChallenge CUSTOM_CHALLENGE";
const deviceProof = ["RespondToAuthChallenge DEVICE_SRP_AUTH", "RespondToAuthChallenge DEVICE_PASSWORD_VERIFIER"];
const incorrect = "Incorrect username or password.";
const invalidSession = "Invalid session for the user.";
const usedSession = "Invalid session for the user, session can only be used once.";
const withoutPassword = { authFlowType: "CUSTOM_WITHOUT_SRP" };
const withPassword = { authFlowType: "CUSTOM_WITH_SRP" };

/** What a client sees of the question. */
function question(username, left) {
  return { USERNAME: username, question: "Wie groß?", left: String(left) };
}

/** An entry of `session`, where the functions read what was answered so far. */
function entry(challengeName, challengeResult = true, challengeMetadata = null) {
  return { challengeName, challengeResult, challengeMetadata };
}

const begun = [entry("SRP_A"), entry("PASSWORD_VERIFIER")];
const wrong = entry("CUSTOM_CHALLENGE", false, "QUESTION_1");
const right = entry("CUSTOM_CHALLENGE", true, "QUESTION_2");

/** The part of an event's name that says which function it is for. */
function kind({ triggerSource }) {
  return triggerSource.split("_")[0];
}

/** `session` of each question what comes next, since the last time. */
function sessions() {
  const defined = functions.take().filter((event) => kind(event) === "DefineAuthChallenge");
  return defined.map(({ request }) => request.session);
}

/** The functions called since the last time, each with its clientMetadata. */
function metadata() {
  return functions.take().map((event) => [kind(event), event.request.clientMetadata]);
}

/** A pool whose functions ask the question, and its user of amazon-cognito-identity-js. */
async function identityScene(prefix, clientSettings = customOnly, poolSettings = asking, mfa = undefined) {
  const pool = await support.createPool(clientSettings, poolSettings, mfa);
  const username = await confirmedUser(pool, prefix);
  functions.take();
  return { pool, username, ...identity.frontEnd(pool) };
}

/** Begins without a password. */
function initiate(cognitoUser, more = {}) {
  const details = new AuthenticationDetails({ Username: cognitoUser.getUsername(), ...more });
  return answered((callbacks) => cognitoUser.initiateAuth(details, callbacks));
}

/** Begins with the password. */
function initiateBySrp(cognitoUser, secret = password, more = {}) {
  cognitoUser.setAuthenticationFlowType("CUSTOM_AUTH");
  return identity.signIn(cognitoUser, secret, more);
}

function sendAnswer(cognitoUser, text, clientMetadata = undefined) {
  return answered((callbacks) => cognitoUser.sendCustomChallengeAnswer(text, callbacks, clientMetadata));
}

test("identity-js: a wrong answer, then the right one, without a password", async () => {
  const { username, user } = await identityScene("asked");
  const first = user(username);
  const asked = await requestsOf(async () => {
    assert.deepEqual(await initiate(first), ["customChallenge", question(username, 3)]);
    assert.deepEqual(await sendAnswer(first, "kleiner"), ["customChallenge", question(username, 2)]);
    const [done, session] = await sendAnswer(first, answer);
    assert.equal(done, "onSuccess");
    const AccessToken = session.getAccessToken().getJwtToken();
    assert.equal((await send(GetUserCommand, { AccessToken })).Username, username);
  });
  assert.deepEqual(asked, [begin, reply, reply]);
  assert.deepEqual(sessions(), [[], [wrong], [wrong, right]]);

  const second = user(username);
  await initiate(second);
  assert.equal((await sendAnswer(second, answer))[0], "onSuccess");
});

test("identity-js: three wrong answers end the sign-in, and no session lives on", async () => {
  const { username, user } = await identityScene("guesser");
  const first = user(username);
  await initiate(first);
  const old = first.Session;
  for (const left of [2, 1]) {
    assert.deepEqual(await sendAnswer(first, "kleiner"), ["customChallenge", question(username, left)]);
  }
  await assert.rejects(sendAnswer(first, "kleiner"), { code: "NotAuthorizedException", message: incorrect });
  await assert.rejects(sendAnswer(first, answer), { code: "NotAuthorizedException", message: invalidSession });
  first.Session = old;
  await assert.rejects(sendAnswer(first, answer), { code: "NotAuthorizedException", message: usedSession });
  assert.equal(sessions().length, 4, "the functions are not asked about sessions that are over");
  await initiate(first);
  assert.equal((await sendAnswer(first, answer))[0], "onSuccess");
});

test("identity-js: the question comes after the password", async () => {
  const { username, user } = await identityScene("second");
  const first = user(username);
  await assert.rejects(initiateBySrp(first, newPassword), { code: "NotAuthorizedException", message: incorrect });
  assert.deepEqual(sessions(), [[entry("SRP_A")]]);
  const asked = await requestsOf(async () => {
    assert.deepEqual(await initiateBySrp(first), ["customChallenge", question(username, 3)]);
    assert.deepEqual(await sendAnswer(first, "kleiner"), ["customChallenge", question(username, 2)]);
    assert.equal((await sendAnswer(first, answer))[0], "onSuccess");
  });
  assert.deepEqual(asked, [begin, prove, reply, reply]);
  assert.deepEqual(sessions(), [[entry("SRP_A")], begun, [...begun, wrong], [...begun, wrong, right]]);
});

test("identity-js: a temporary password is replaced before the question comes", async () => {
  const { pool, user } = await identityScene("invited");
  const username = freshName("invited");
  const given = { UserPoolId: pool.id, Username: username, TemporaryPassword: password, MessageAction: "SUPPRESS" };
  await send(AdminCreateUserCommand, given);
  const first = user(username);
  assert.equal((await initiateBySrp(first))[0], "newPasswordRequired");
  const [asked, parameters] = await answered((callbacks) =>
    first.completeNewPasswordChallenge(newPassword, {}, callbacks),
  );
  assert.deepEqual([asked, parameters], ["customChallenge", question(username, 3)]);
  assert.equal((await sendAnswer(first, answer))[0], "onSuccess");
  assert.deepEqual(sessions()[1], [...begun, entry("NEW_PASSWORD_REQUIRED")]);
  const second = user(username);
  assert.equal((await initiateBySrp(second, newPassword))[0], "customChallenge");
});

test("identity-js: a second factor comes after the password", async () => {
  // After a code, this client understands nothing but tokens: here the functions want the password alone.
  const passwordOnly = { LambdaConfig: lambdaConfig("password") };
  const { username, user } = await identityScene("factor", customOnly, passwordOnly, optional);
  const first = user(username);
  assert.equal((await initiateBySrp(first))[0], "onSuccess");
  const app = await identity.register(first);
  functions.take();
  const second = user(username);
  assert.deepEqual((await initiateBySrp(second)).slice(0, 2), ["totpRequired", "SOFTWARE_TOKEN_MFA"]);
  await assert.rejects(identity.sendCode(second, app.wrong), { code: "CodeMismatchException" });
  assert.deepEqual(sessions(), [[entry("SRP_A")]], "the functions wait for the code");
  assert.equal((await identity.sendCode(second, app.second))[0], "onSuccess");
  assert.deepEqual(sessions(), [[...begun, entry("SOFTWARE_TOKEN_MFA")]]);
  // Nor do these functions let anybody in without the password.
  await assert.rejects(initiate(user(username)), { code: "NotAuthorizedException", message: incorrect });
});

test("identity-js: a remembered device is proven after the answer", async () => {
  const { username, user } = await identityScene("device", customOnly, { ...asking, ...devices });
  const first = user(username);
  await initiate(first);
  const [done, session, confirm] = await sendAnswer(first, answer);
  assert.deepEqual([done, confirm], ["onSuccess", true]);
  const { device_key: key } = session.getAccessToken().payload;
  assert.equal((await answered((callbacks) => first.setDeviceStatusRemembered(callbacks)))[1], "SUCCESS");
  const second = user(username);
  const asked = await requestsOf(async () => {
    await initiate(second);
    const [, again] = await sendAnswer(second, answer);
    assert.equal(again.getAccessToken().payload.device_key, key);
  });
  assert.deepEqual(asked, [begin, reply, ...deviceProof]);
});

test("identity-js: functions read what the client tells them with an answer, not at the start", async () => {
  const { username, user } = await identityScene("told");
  const first = user(username);
  const ClientMetadata = { from: "start" };
  await initiate(first, { ClientMetadata });
  assert.deepEqual(metadata(), [["DefineAuthChallenge", undefined], ["CreateAuthChallenge", undefined]]);
  await sendAnswer(first, "kleiner", { from: "wrong" });
  const goesOn = ["VerifyAuthChallengeResponse", "DefineAuthChallenge", "CreateAuthChallenge"];
  assert.deepEqual(metadata(), goesOn.map((name) => [name, { from: "wrong" }]));
  const [, session] = await sendAnswer(first, answer, { from: "right", "größe": "42" });
  const ends = ["VerifyAuthChallengeResponse", "DefineAuthChallenge", "PostAuthentication", "TokenGeneration"];
  assert.deepEqual(metadata(), ends.map((name) => [name, { from: "right", "größe": "42" }]));
  assert.equal(session.getIdToken().payload.from, "right");

  // This client sends the same with the start and with the proof of the password.
  await initiateBySrp(user(username), password, { ClientMetadata });
  assert.deepEqual(metadata(), [
    ["DefineAuthChallenge", undefined],
    ["DefineAuthChallenge", ClientMetadata],
    ["CreateAuthChallenge", ClientMetadata],
  ]);
});

test("identity-js: what a function throws is told, and ends the sign-in", async () => {
  const { username, user } = await identityScene("thrown");
  const first = user(username);
  await initiate(first);
  await assert.rejects(sendAnswer(first, "throw"), {
    code: "UserLambdaValidationException",
    message: "VerifyAuthChallengeResponse failed with error No questions today.",
  });
  await assert.rejects(sendAnswer(first, answer), { code: "NotAuthorizedException", message: invalidSession });
});

test("identity-js: who does not exist is asked the same, and let in by no answer", async () => {
  const { username, user } = await identityScene("known", hidesUnknown);
  const stranger = freshName("stranger");
  for (const [name, userNotFound] of [[username, false], [stranger, true]]) {
    const first = user(name);
    assert.deepEqual(await initiate(first), ["customChallenge", question(name, 3)]);
    assert.deepEqual(await sendAnswer(first, "kleiner"), ["customChallenge", question(name, 2)]);
    assert.deepEqual(new Set(functions.take().map(({ request }) => request.userNotFound)), new Set([userNotFound]));
    if (userNotFound) {
      await assert.rejects(sendAnswer(first, answer), { code: "NotAuthorizedException", message: incorrect });
    } else {
      assert.equal((await sendAnswer(first, answer))[0], "onSuccess");
    }
    functions.take();
  }
});

/** A pool that Amplify is configured for, whose functions ask the question, and its user. */
async function amplifyScene(prefix, poolSettings = asking, mfa = undefined) {
  const pool = await amplify.configuredPool(customOnly, poolSettings, mfa);
  const username = await confirmedUser(pool, prefix);
  functions.take();
  return username;
}

/** Amplify's step for the question. */
function questionStep(username, left) {
  return { signInStep: "CONFIRM_SIGN_IN_WITH_CUSTOM_CHALLENGE", additionalInfo: question(username, left) };
}

function confirm(challengeResponse, clientMetadata = undefined) {
  return next(confirmSignIn({ challengeResponse, options: { clientMetadata } }));
}

test("Amplify: a wrong answer, then the right one, without a password", async () => {
  const username = await amplifyScene("asked");
  const asked = await requestsOf(async () => {
    assert.deepEqual(await next(signIn({ username, options: withoutPassword })), questionStep(username, 3));
    assert.deepEqual(await confirm("kleiner"), questionStep(username, 2));
    assert.deepEqual(await confirm(answer), { signInStep: "DONE" });
  });
  assert.deepEqual(asked, [begin, reply, reply]);
  const { username: name, signInDetails } = await getCurrentUser();
  assert.deepEqual([name, signInDetails], [username, { loginId: username, ...withoutPassword }]);
  const { jti } = await amplify.claims();
  assert.notEqual((await amplify.claims({ forceRefresh: true })).jti, jti);
  await signOut();
  await signIn({ username, options: withoutPassword });
  assert.deepEqual(await confirm(answer), { signInStep: "DONE" });
  await signOut();
});

test("Amplify: three wrong answers end the sign-in", async () => {
  const username = await amplifyScene("guesser");
  for (const [options, secret] of [[withoutPassword], [withPassword, password]]) {
    assert.deepEqual(await next(signIn({ username, password: secret, options })), questionStep(username, 3));
    for (const left of [2, 1]) assert.deepEqual(await confirm("kleiner"), questionStep(username, left));
    await assert.rejects(confirm("kleiner"), { name: "NotAuthorizedException", message: incorrect });
    await assert.rejects(confirm(answer), { name: "NotAuthorizedException", message: invalidSession });
    await assert.rejects(getCurrentUser(), { name: "UserUnAuthenticatedException" });
  }
});

test("Amplify: the question comes after the password", async () => {
  const username = await amplifyScene("second");
  const refused = signIn({ username, password: newPassword, options: withPassword });
  await assert.rejects(refused, { name: "NotAuthorizedException", message: incorrect });
  assert.deepEqual(sessions(), [[entry("SRP_A")]]);
  const asked = await requestsOf(async () => {
    const started = await next(signIn({ username, password, options: withPassword }));
    assert.deepEqual(started, questionStep(username, 3));
    assert.deepEqual(await confirm("kleiner"), questionStep(username, 2));
    assert.deepEqual(await confirm(answer), { signInStep: "DONE" });
  });
  assert.deepEqual(asked, [begin, prove, reply, reply]);
  assert.equal((await amplify.claims()).username, username);
  await signOut();
});

test("Amplify: password, second factor, question", async () => {
  const username = await amplifyScene("factor", asking, optional);
  await signIn({ username, options: withoutPassword });
  await confirm(answer);
  const app = await amplify.register();
  await signOut();
  functions.take();

  const begins = signIn({ username, password, options: withPassword });
  assert.equal(await step(begins), "CONFIRM_SIGN_IN_WITH_TOTP_CODE");
  await assert.rejects(confirm(app.wrong), { name: "CodeMismatchException" });
  assert.deepEqual(sessions(), [[entry("SRP_A")]], "the functions wait for the code");
  assert.deepEqual(await confirm(app.second), questionStep(username, 3));
  assert.deepEqual(await confirm(answer), { signInStep: "DONE" });
  const proven = [...begun, entry("SOFTWARE_TOKEN_MFA")];
  assert.deepEqual(sessions(), [proven, [...proven, entry("CUSTOM_CHALLENGE", true, "QUESTION_1")]]);
  await signOut();
});

test("Amplify: a remembered device is proven after the answer", async () => {
  const username = await amplifyScene("device", { ...asking, ...devices });
  await signIn({ username, options: withoutPassword });
  await confirm(answer);
  const { device_key: key } = await amplify.claims();
  await rememberDevice();
  assert.deepEqual((await fetchDevices()).map(({ id }) => id), [key]);
  await signOut();
  const asked = await requestsOf(async () => {
    await signIn({ username, options: withoutPassword });
    assert.deepEqual(await confirm(answer), { signInStep: "DONE" });
  });
  assert.deepEqual(asked, [begin, reply, ...deviceProof]);
  assert.equal((await amplify.claims()).device_key, key);
  await signOut();
});

test("Amplify: functions read what the client tells them with an answer, not at the start", async () => {
  const username = await amplifyScene("told");
  const clientMetadata = { from: "start" };
  await signIn({ username, options: { ...withoutPassword, clientMetadata } });
  assert.deepEqual(metadata(), [["DefineAuthChallenge", undefined], ["CreateAuthChallenge", undefined]]);
  await confirm(answer, { from: "answer" });
  const ends = ["VerifyAuthChallengeResponse", "DefineAuthChallenge", "PostAuthentication", "TokenGeneration"];
  assert.deepEqual(metadata(), ends.map((name) => [name, { from: "answer" }]));
  const { tokens } = await fetchAuthSession();
  assert.equal(tokens.idToken.payload.from, "answer");
  await signOut();

  // It sends the same with the start and with the proof of the password.
  await signIn({ username, password, options: { ...withPassword, clientMetadata } });
  assert.deepEqual(metadata(), [
    ["DefineAuthChallenge", undefined],
    ["DefineAuthChallenge", clientMetadata],
    ["CreateAuthChallenge", clientMetadata],
  ]);
  await confirm(answer);
  await signOut();
});
