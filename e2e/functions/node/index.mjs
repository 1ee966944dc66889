// Custom challenges, as one would deploy them to Lambda: nothing in here knows Poolkeeper.

const triggers = {
  DefineAuthChallenge_Authentication(event) {
    const { session } = event.request;
    const answered = session.length > 0 && session.at(-1).challengeResult;
    event.response.issueTokens = answered;
    event.response.failAuthentication = !answered && session.length >= 2;
    if (!answered) event.response.challengeName = "CUSTOM_CHALLENGE";
  },

  CreateAuthChallenge_Authentication(event) {
    const secrets = Object.keys(process.env).filter((name) => name.startsWith("POOLKEEPER_"));
    event.response.publicChallengeParameters = {
      question: "What is the answer?",
      language: "node",
      secrets: secrets.join(),
    };
    event.response.privateChallengeParameters = { answer: "größer als 41" };
  },

  VerifyAuthChallengeResponse_Authentication(event) {
    const { challengeAnswer, privateChallengeParameters } = event.request;
    event.response.answerCorrect = challengeAnswer === privateChallengeParameters.answer;
  },
};

export const handler = async (event, context) => {
  console.log("%s of %s", event.triggerSource, context.functionName);
  await new Promise((resolve) => setTimeout(resolve, 1));
  if (event.userName.startsWith("throw")) throw new Error("No, not you");
  triggers[event.triggerSource](event);
  return event;
};
