// Functions that ask questions at sign-in, as a webhook of this process: what they were told is here to be looked at.

import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";

const secret = "what the functions and the server know";
const arn = "arn:aws:lambda:us-east-1:123456789012:function:";
const tries = 3;
export const answer = "größer als 41";

/** What a pool is to say for its functions; `name` is one of those below that decide what comes next. */
export function lambdaConfig(name) {
  return {
    DefineAuthChallenge: `${arn}${name}`,
    CreateAuthChallenge: `${arn}create`,
    VerifyAuthChallengeResponse: `${arn}verify`,
    PreTokenGeneration: `${arn}claims`,
    PostAuthentication: `${arn}done`,
  };
}

/** What comes first: the password if the client begins with it. */
function beginning({ session }) {
  return session.at(-1)?.challengeName === "SRP_A" ? { challengeName: "PASSWORD_VERIFIER" } : undefined;
}

function asked({ session }) {
  return session.filter(({ challengeName }) => challengeName === "CUSTOM_CHALLENGE").length;
}

const functions = {
  /** A question that may be answered three times. */
  question(request) {
    const last = request.session.at(-1);
    if (last?.challengeName === "CUSTOM_CHALLENGE" && last.challengeResult) return { issueTokens: true };
    if (asked(request) >= tries) return { issueTokens: false, failAuthentication: true };
    return beginning(request) ?? { challengeName: "CUSTOM_CHALLENGE", issueTokens: false, failAuthentication: false };
  },

  /** Nothing but the password, and what the pool itself asks for after it. */
  password(request) {
    const proven = request.session.some(({ challengeName }) => challengeName === "PASSWORD_VERIFIER");
    return beginning(request) ?? { issueTokens: proven, failAuthentication: !proven };
  },

  create(request) {
    return {
      publicChallengeParameters: { question: "Wie groß?", left: String(tries - asked(request)) },
      privateChallengeParameters: { answer },
      challengeMetadata: `QUESTION_${asked(request) + 1}`,
    };
  },

  verify({ challengeAnswer, privateChallengeParameters }) {
    if (challengeAnswer === "throw") throw new Error("No questions today");
    return { answerCorrect: challengeAnswer === privateChallengeParameters.answer };
  },

  claims({ clientMetadata }) {
    return { claimsOverrideDetails: { claimsToAddOrOverride: { from: clientMetadata?.from ?? "nowhere" } } };
  },

  done() {
    return {};
  },
};

/** Whether a request comes from the server, as docs/functions.md says. */
function isSigned(headers, body) {
  const timestamp = headers["x-poolkeeper-timestamp"];
  const mac = createHmac("sha256", secret).update(`${timestamp}.`).update(body).digest("hex");
  const signature = Buffer.from(headers["x-poolkeeper-signature"] ?? "");
  const expected = Buffer.from(`v1=${mac}`);
  const isFresh = Math.abs(Date.now() / 1000 - Number(timestamp)) < 300;
  return isFresh && signature.length === expected.length && timingSafeEqual(signature, expected);
}

/** The functions, running: `configuration` says where, `told` is every event since it was last emptied by `take`. */
export async function startFunctions() {
  let told = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray());
    if (!isSigned(request.headers, body)) {
      response.writeHead(403).end();
      return;
    }
    const event = JSON.parse(body);
    told.push(structuredClone(event));
    const name = request.headers["x-poolkeeper-function"].slice(arn.length);
    try {
      event.response = functions[name](event.request);
      response.end(JSON.stringify(event));
    } catch ({ message }) {
      response.end(JSON.stringify({ errorMessage: message }));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const configuration = `
[[functions]]
arn = "${arn}*"
url = "http://127.0.0.1:${server.address().port}/"
kind = "webhook"
secret = "${secret}"
`;
  const take = () => {
    const taken = told;
    told = [];
    return taken;
  };
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { configuration, take, stop };
}
