// What the page of these tests runs in the browser: an app of its own origin that speaks to the server by fetch and to
// authenticators by navigator.credentials; and Amplify, as a front-end would bundle it.

import { Amplify } from "aws-amplify";
import * as auth from "aws-amplify/auth";
import { ConsoleLogger } from "aws-amplify/utils";

// It warns that the endpoint is a custom one.
ConsoleLogger.LOG_LEVEL = "ERROR";

/** Calls one operation; `{ error }` holds what the server refused it with. */
async function call(endpoint, operation, input) {
  const answer = await fetch(`${endpoint}/`, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": `AWSCognitoIdentityProviderService.${operation}`,
    },
    body: JSON.stringify(input),
  });
  const text = await answer.text();
  const body = text === "" ? {} : JSON.parse(text);
  return answer.ok ? body : { error: `${body.__type}: ${body.message}` };
}

/** What navigator.credentials says, as JSON; `{ refused }` names the browser's own refusal. */
async function credential(work) {
  try {
    return (await work()).toJSON();
  } catch (error) {
    if (error instanceof DOMException) return { refused: error.name };
    throw error;
  }
}

function create(options) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return credential(() => navigator.credentials.create({ publicKey }));
}

function get(options) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  return credential(() => navigator.credentials.get({ publicKey }));
}

globalThis.app = { call, create, get, Amplify, auth };
document.title = "ready";
