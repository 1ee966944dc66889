"""Custom challenges, as one would deploy them to Lambda: nothing in here knows Poolkeeper."""

import logging
import os

import boto3

logger = logging.getLogger()
logger.setLevel(logging.INFO)

QUESTIONS = {"question": "What is the answer?", "language": "python"}


def handler(event, context):
    logger.info("%s of %s", event["triggerSource"], context.function_name)
    print("remaining:", context.get_remaining_time_in_millis() > 0, context.invoked_function_arn)
    return TRIGGERS[event["triggerSource"]](event)


def define(event):
    session = event["request"]["session"]
    answered = bool(session) and session[-1]["challengeResult"]
    event["response"]["issueTokens"] = answered
    event["response"]["failAuthentication"] = not answered and len(session) >= 2
    if not answered:
        event["response"]["challengeName"] = "CUSTOM_CHALLENGE"
    return event


def create(event):
    event["response"]["publicChallengeParameters"] = {**QUESTIONS, "secrets": ",".join(secrets())}
    event["response"]["privateChallengeParameters"] = {"answer": "größer als 41"}
    return event


def verify(event):
    request = event["request"]
    right = request["challengeAnswer"] == request["privateChallengeParameters"]["answer"]
    if right:
        note(event)
    event["response"]["answerCorrect"] = right
    return event


def note(event):
    """Handlers call the pool that called them."""
    boto3.client("cognito-idp").admin_update_user_attributes(
        UserPoolId=event["userPoolId"],
        Username=event["userName"],
        UserAttributes=[{"Name": "nickname", "Value": "answered"}],
    )


def secrets():
    return sorted(name for name in os.environ if name.startswith("POOLKEEPER_"))


TRIGGERS = {
    "DefineAuthChallenge_Authentication": define,
    "CreateAuthChallenge_Authentication": create,
    "VerifyAuthChallengeResponse_Authentication": verify,
}
