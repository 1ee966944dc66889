"""A handler with whom everything goes wrong that can: the user's name says what."""

import os
import subprocess
import sys
import time


def handler(event, context):
    fault = event["userName"].split("-")[0]
    response = event["response"]
    response.update({"challengeName": "CUSTOM_CHALLENGE", "issueTokens": False, "failAuthentication": False})
    if event["triggerSource"] == "CreateAuthChallenge_Authentication":
        response["publicChallengeParameters"] = {"pid": str(os.getpid())}
        response["privateChallengeParameters"] = {}
        return event
    if fault == "hang":
        time.sleep(3600)
    if fault == "crash":
        os._exit(129)
    if fault == "throw":
        raise ValueError("No, not you")
    if fault == "long":
        raise ValueError("x" * 100_000)
    if fault == "nothing":
        return None
    if fault == "garbage":
        return {"Response": {}}
    if fault == "set":
        return {1, 2}
    if fault == "print":
        for number in range(200_000):
            print("line", number)
    if fault == "fork":
        subprocess.Popen(["sleep", "3600"])
        sys.stdout.flush()
    return event
