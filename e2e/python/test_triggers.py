"""Every trigger with a handler as people write them, in Python, JavaScript and TypeScript, and what SDKs see of it."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jwt
import pytest
from botocore.exceptions import ClientError
from conftest import (
    NEW_PASSWORD,
    PASSWORD,
    SMS_CONFIGURATION,
    Pool,
    api_client,
    attributes,
    create_pool,
    fresh_name,
)
from handlers import ARN, HANDLERS, NODE, environment, sign_up_by_javascript, wait_until, without_ids
from login_pages import CALLBACK, Browser, give_domain, json_of, sent_on, sign_in_at
from support import Controls, Server

KEY = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
PHONE = "+15555550100"
ENVELOPE = {"version", "region", "userPoolId", "userName", "callerContext", "triggerSource"}
# Names as JavaScript has them; Python has the same with underscores.
TRIGGERS = """preSignUp postConfirmation customMessage preAuthentication postAuthentication tokenV1 tokenV2 tokenV3
    userMigration customEmailSender customSmsSender inboundFederation""".split()
CHALLENGES = ["defineAuthChallenge", "createAuthChallenge", "verifyAuthChallengeResponse"]
FUNCTIONS = {
    "python": [*TRIGGERS, "refuse", "broken"],
    "node": [*TRIGGERS, "refuse", "broken"],
    "typescript": [*TRIGGERS, *CHALLENGES],
}


@dataclass
class Language:
    """A server whose functions are written in one language."""

    name: str
    server: Server

    def __post_init__(self) -> None:
        self.api = api_client(self.server.endpoint)
        self.controls = Controls(self.server.endpoint)

    def pool(self, functions: dict[str, object], **settings: object) -> Pool:
        """A pool with these functions. A pair of version and name is for keys that have a version."""

        def named(function: object) -> object:
            if isinstance(function, tuple):
                return {"LambdaVersion": function[0], "LambdaArn": f"{ARN}{function[1]}"}
            return function if str(function).startswith("arn:") else f"{ARN}{function}"

        config = {key: named(function) for key, function in functions.items()}
        return create_pool(self.api, self.controls, LambdaConfig=config, **settings)


def entry(language: str, function: str, bundle: Path) -> str:
    """How a function is run."""
    if language == "python":
        handler = "triggers." + re.sub("([A-Z0-9]+)", r"_\1", function).lower().replace("_v_", "_v")
        ways = f'runtime = "python"\nfolder = "{HANDLERS}/python"\nhandler = "{handler}"'
    elif language == "node":
        ways = f'runtime = "node"\nfolder = "{NODE}"\nhandler = "triggers.{function}"'
    else:
        client = NODE / "node_modules/.bin/aws-lambda-ric"
        ways = f'command = ["{client}", "triggers.{function}"]\nfolder = "{bundle}"'
    return f'[[functions]]\narn = "{ARN}{function}"\n{ways}\n'


def compiled(folder: Path) -> None:
    """The typed handlers: checked by the compiler, made one file by esbuild."""
    output = folder / "triggers.js"
    check = ["tsc", "--project", str(NODE)]
    bundle = ["esbuild", "triggers.ts", "--bundle", "--platform=node", "--target=node20", f"--outfile={output}"]
    for program, *arguments in (check, bundle):
        command = [str(NODE / "node_modules/.bin" / program), *arguments]
        ran = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, f"{program}\n{ran.stdout}{ran.stderr}"


@pytest.fixture(scope="module", params=["python", "node", "typescript"])
def language(request: pytest.FixtureRequest, binary: str, tmp_path_factory) -> Iterator[Language]:
    """One server for each language; it must stop cleanly."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "typescript":
        compiled(folder)
    config = folder / "poolkeeper.toml"
    config.write_text("\n".join(entry(request.param, function, folder) for function in FUNCTIONS[request.param]))
    with Server(binary, folder / "data", config=config, environment=environment()) as server:
        yield Language(request.param, server)
        assert server.stop() == 0


in_plain_languages = pytest.mark.parametrize("language", ["python", "node"], indirect=True)


def user_of(pool: Pool, prefix: str = "user", **given: str) -> str:
    """A confirmed user with a mail address that is verified."""
    username = fresh_name(prefix)
    listed = {"email": f"{username}@example.com", "email_verified": "true", **given}
    pool.api.admin_create_user(
        UserPoolId=pool.id,
        Username=username,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in listed.items()],
    )
    pool.api.admin_set_user_password(UserPoolId=pool.id, Username=username, Password=PASSWORD, Permanent=True)
    return username


def sign_up(pool: Pool, username: str, email: str | None = None, **members: object) -> dict:
    """SignUp with whatever else the request shall have."""
    email = email or f"{username}@example.com"
    return pool.api.sign_up(
        ClientId=pool.client_id,
        Username=username,
        Password=PASSWORD,
        UserAttributes=[{"Name": "email", "Value": email}],
        **members,
    )


def sign_in(pool: Pool, username: str, password: str = PASSWORD, **members: object) -> dict:
    """USER_PASSWORD_AUTH with whatever else the request shall have."""
    return pool.api.initiate_auth(
        ClientId=pool.client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": username, "PASSWORD": password},
        **members,
    )


def shown(pool: Pool, username: str) -> dict[str, str]:
    """A user's status and attributes."""
    user = pool.api.admin_get_user(UserPoolId=pool.id, Username=username)
    return {"status": user["UserStatus"], **attributes(user["UserAttributes"])}


def claims(token: str) -> dict:
    """What a token says."""
    return jwt.decode(token, options={"verify_signature": False})


def refused(call: Callable[[], object]) -> tuple[str, str]:
    """Name and text of the error that a call ends with."""
    with pytest.raises(ClientError) as error:
        call()
    said = error.value.response["Error"]
    return said["Code"], without_ids(said["Message"])


def test_pre_sign_up_confirms_some_and_turns_others_away(language):
    pool = language.pool({"PreSignUp": "preSignUp"})
    invited, other, spam = fresh_name(), fresh_name(), fresh_name("spam")
    answer = sign_up(pool, invited, ValidationData=[{"Name": "invitation", "Value": "welcome"}])
    assert answer["UserConfirmed"] is True
    assert "CodeDeliveryDetails" not in answer
    assert shown(pool, invited)["email_verified"] == "true"
    assert "AccessToken" in pool.tokens(invited, PASSWORD)
    assert sign_up(pool, other)["UserConfirmed"] is False
    assert shown(pool, other)["status"] == "UNCONFIRMED"
    assert refused(lambda: sign_up(pool, spam, f"{spam}@spam.example")) == (
        "UserLambdaValidationException",
        "PreSignUp failed with error We know no spam.example.",
    )
    with pytest.raises(pool.api.exceptions.UserNotFoundException):
        shown(pool, spam)
    # Administrators invite whom they like, as long as the function lets them.
    assert refused(
        lambda: pool.api.admin_create_user(
            UserPoolId=pool.id, Username=spam, UserAttributes=[{"Name": "email", "Value": f"{spam}@spam.example"}]
        )
    ) == ("UserLambdaValidationException", "PreSignUp failed with error We know no spam.example.")


def test_post_confirmation_calls_the_pool(language):
    pool = language.pool({"PostConfirmation": "postConfirmation"})
    pool.api.create_group(UserPoolId=pool.id, GroupName="members")
    username = pool.confirmed_user()

    def groups() -> list[str]:
        listed = pool.api.admin_list_groups_for_user(UserPoolId=pool.id, Username=username)
        return [group["GroupName"] for group in listed["Groups"]]

    assert groups() == ["members"]
    assert claims(pool.tokens(username, PASSWORD)["IdToken"])["cognito:groups"] == ["members"]
    pool.api.admin_remove_user_from_group(UserPoolId=pool.id, Username=username, GroupName="members")
    pool.reset(username, pool.forgot(username))
    assert groups() == [], "the handler knows why it is called"


def test_custom_messages_are_in_the_inbox(language):
    pool = language.pool({"CustomMessage": "customMessage"}, SmsConfiguration=SMS_CONFIGURATION)
    for metadata, greeting in [({}, "Welcome"), ({"ClientMetadata": {"language": "de"}}, "Schön, dass du da bist")]:
        username = fresh_name()
        sign_up(pool, username, **metadata)
        message = pool.controls.next_message(pool.id, username, "SignUp")
        assert message["subject"] == f"{greeting}!"
        assert message["body"] == f"<p>{greeting}. Your code is <b>{message['code']}</b>.</p>"
        pool.api.confirm_sign_up(ClientId=pool.client_id, Username=username, ConfirmationCode=message["code"])
    pool.api.forgot_password(ClientId=pool.client_id, Username=username)
    message = pool.controls.next_message(pool.id, username, "ForgotPassword")
    assert "Welcome" not in message["body"] and message["code"] in message["body"], "the pool's own words"
    for medium, name, value in [("EMAIL", "email", "invited@example.com"), ("SMS", "phone_number", PHONE)]:
        username = fresh_name("invited")
        pool.api.admin_create_user(
            UserPoolId=pool.id,
            Username=username,
            TemporaryPassword="Tempor4ry-one",
            DesiredDeliveryMediums=[medium],
            UserAttributes=[{"Name": name, "Value": value}],
        )
        message = pool.controls.next_message(pool.id, username, "AdminCreateUser")
        if medium == "EMAIL":
            assert message["subject"] == "You are invited"
            assert message["body"] == f"Sign in as {username} with Tempor4ry-one."
        else:
            assert message["body"] == f"{username}, Tempor4ry-one"


def test_pre_authentication_turns_away_by_validation_data(language):
    pool = language.pool({"PreAuthentication": "preAuthentication"})
    username = user_of(pool)
    for metadata in ({}, {"ClientMetadata": {"country": "somewhere"}}):
        assert "AccessToken" in sign_in(pool, username, **metadata)["AuthenticationResult"]
    for password in (PASSWORD, "Wrong-password-9"):
        assert refused(lambda p=password: sign_in(pool, username, p, ClientMetadata={"country": "nowhere"})) == (
            "UserLambdaValidationException",
            "PreAuthentication failed with error Nobody signs in from nowhere.",
        )


def test_post_authentication_changes_the_user_who_signs_in(language):
    pool = language.pool({"PostAuthentication": "postAuthentication"})
    username = user_of(pool)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        sign_in(pool, username, "Wrong-password-9")
    assert "nickname" not in shown(pool, username), "nobody has signed in"
    tokens = sign_in(pool, username)["AuthenticationResult"]
    assert shown(pool, username)["nickname"] == "new device: false"
    user = pool.api.get_user(AccessToken=tokens["AccessToken"])
    assert attributes(user["UserAttributes"])["nickname"] == "new device: false"


def test_tokens_by_the_first_version(language):
    pool = language.pool({"PreTokenGeneration": "tokenV1"})
    username = user_of(pool)
    pool.api.create_group(UserPoolId=pool.id, GroupName="readers")
    pool.api.admin_add_user_to_group(UserPoolId=pool.id, Username=username, GroupName="readers")
    signed_in = pool.tokens(username, PASSWORD)
    renewed = pool.api.get_tokens_from_refresh_token(ClientId=pool.client_id, RefreshToken=signed_in["RefreshToken"])
    for tokens in (signed_in, renewed["AuthenticationResult"]):
        identity, access = claims(tokens["IdToken"]), claims(tokens["AccessToken"])
        assert identity["plan"] == "gold"
        assert "email" not in identity
        assert identity["cognito:groups"] == access["cognito:groups"] == ["readers", "guests"]
        assert "plan" not in access


def test_tokens_by_the_second_version(language):
    pool = language.pool({"PreTokenGenerationConfig": ("V2_0", "tokenV2")})
    tokens = pool.tokens(user_of(pool), PASSWORD)
    identity, access = claims(tokens["IdToken"]), claims(tokens["AccessToken"])
    assert identity["plan"] == "gold"
    assert "email" not in identity and "tenant" not in identity
    assert access["tenant"] == "example.com"
    assert set(access["scope"].split()) == {"aws.cognito.signin.user.admin", "shop/buy"}
    assert pool.api.get_user(AccessToken=tokens["AccessToken"])["Username"] == access["username"]


def test_tokens_of_clients_by_the_third_version(language):
    pool = language.pool({"PreTokenGenerationConfig": ("V3_0", "tokenV3")})
    scopes = [{"ScopeName": name, "ScopeDescription": name} for name in ("read", "write")]
    pool.api.create_resource_server(UserPoolId=pool.id, Identifier="files", Name="Files", Scopes=scopes)
    machine = pool.api.create_user_pool_client(
        UserPoolId=pool.id,
        ClientName="machine",
        GenerateSecret=True,
        ExplicitAuthFlows=["ALLOW_CLIENT_TOKEN_AUTH"],
        AllowedOAuthScopes=["files/read", "files/write"],
    )["UserPoolClient"]
    credentials = {"ClientId": machine["ClientId"], "Secret": machine["ClientSecret"]}
    for metadata, tenant in [({}, "none"), ({"ClientMetadata": {"tenant": "acme"}}, "acme")]:
        answer = pool.api.get_client_token(**credentials, **metadata)
        token = claims(answer["ClientAuthenticationResult"]["AccessToken"])
        assert (token["scope"], token["tenant"]) == ("files/read", tenant)
    assert "tenant" not in claims(pool.tokens(user_of(pool), PASSWORD)["AccessToken"]), "users are another source"


def test_users_are_brought_along_from_elsewhere(language):
    pool = language.pool({"UserMigration": "userMigration"})
    assert refused(lambda: sign_in(pool, "olga", "wrong")) == (
        "UserLambdaValidationException",
        "UserMigration failed with error Bad password.",
    )
    with pytest.raises(pool.api.exceptions.UserNotFoundException):
        shown(pool, "olga")
    for _ in range(2):
        tokens = sign_in(pool, "olga", "old secret")["AuthenticationResult"]
        assert claims(tokens["IdToken"])["name"] == "Olga"
    user = shown(pool, "olga")
    assert (user["status"], user["email"], user["email_verified"]) == ("CONFIRMED", "olga@example.com", "true")
    with pytest.raises((pool.api.exceptions.UserNotFoundException, pool.api.exceptions.NotAuthorizedException)):
        sign_in(pool, "nobody", "old secret")


def test_users_are_brought_along_who_have_forgotten_their_passwords(language):
    pool = language.pool({"UserMigration": "userMigration"})
    code = pool.forgot("olga")
    assert shown(pool, "olga")["status"] == "RESET_REQUIRED"
    pool.reset("olga", code)
    assert "AccessToken" in pool.tokens("olga", NEW_PASSWORD)


@in_plain_languages
def test_all_together(language):
    plain = {"PreSignUp": "preSignUp", "PostConfirmation": "postConfirmation", "CustomMessage": "customMessage"}
    sign_ins = {"PreAuthentication": "preAuthentication", "PostAuthentication": "postAuthentication"}
    pool = language.pool({**plain, **sign_ins, "UserMigration": "userMigration", "PreTokenGeneration": "tokenV1"})
    pool.api.create_group(UserPoolId=pool.id, GroupName="members")
    username = fresh_name()
    assert sign_up(pool, username, ValidationData=[{"Name": "invitation", "Value": "welcome"}])["UserConfirmed"]
    assert pool.controls.messages(pool.id, username) == [], "there is nothing left to confirm"

    def sign_in_again(_: int) -> list[str]:
        tokens = sign_in(pool, username)["AuthenticationResult"]
        return claims(tokens["IdToken"])["cognito:groups"]

    # Each of them has the function write the user who is about to be written.
    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(sign_in_again, range(6))) == [["members", "guests"]] * 6
    assert shown(pool, username)["nickname"] == "new device: false"
    assert claims(sign_in(pool, "olga", "old secret")["AuthenticationResult"]["IdToken"])["plan"] == "gold"


def test_senders_are_told_what_to_send(language):
    pool = language.pool(
        {
            "CustomEmailSender": ("V1_0", "customEmailSender"),
            "CustomSMSSender": ("V1_0", "customSmsSender"),
            "KMSKeyID": KEY,
        },
        SmsConfiguration=SMS_CONFIGURATION,
    )

    def told(begin: str, username: str) -> dict:
        """The event that the handler has printed."""

        def lines() -> list[str]:
            log = language.server.log(1_000_000).splitlines()
            return [line for line in log if f"{begin} {{" in line and f'"{username}"' in line]

        wait_until(f"the handler was told of {username}", lines)
        (line,) = lines()
        return json.JSONDecoder().raw_decode(line, line.index(f"{begin} {{") + len(begin) + 1)[0]

    for metadata in (None, {"language": "de"}):
        username = fresh_name()
        sign_up(pool, username, **({} if metadata is None else {"ClientMetadata": metadata}))
        event = told("mail", username)
        assert event["triggerSource"] == "CustomEmailSender_SignUp"
        assert event.keys() == ENVELOPE | {"request"}, "there is nothing to be answered"
        assert event["request"].keys() == {"type", "code", "clientMetadata", "userAttributes"}
        assert event["request"]["clientMetadata"] == metadata
        assert event["request"]["code"].startswith("AYADe")
        assert event["request"]["userAttributes"]["cognito:user_status"] == "UNCONFIRMED"
    username = fresh_name()
    pool.api.admin_create_user(
        UserPoolId=pool.id,
        Username=username,
        UserAttributes=[{"Name": "phone_number", "Value": PHONE}],
        DesiredDeliveryMediums=["SMS"],
        ClientMetadata={"language": "de"},
    )
    event = told("text", username)
    assert event["triggerSource"] == "CustomSMSSender_AdminCreateUser"
    assert event["callerContext"]["clientId"] == "CLIENT_ID_NOT_APPLICABLE"
    assert event["request"]["type"] == "customSMSSenderRequestV1"
    assert event["request"]["clientMetadata"] is None
    assert event["request"]["userAttributes"]["phone_number"] == PHONE


@pytest.mark.parametrize("language", ["typescript"], indirect=True)
def test_custom_challenges_by_typed_handlers(language):
    keys = ("DefineAuthChallenge", "CreateAuthChallenge", "VerifyAuthChallengeResponse")
    pool = language.pool(dict(zip(keys, CHALLENGES)), client={"ExplicitAuthFlows": ["ALLOW_CUSTOM_AUTH"]})
    username = user_of(pool)

    def answer(text: str) -> dict:
        begun = pool.api.initiate_auth(
            ClientId=pool.client_id, AuthFlow="CUSTOM_AUTH", AuthParameters={"USERNAME": username}
        )
        assert begun["ChallengeParameters"] == {"USERNAME": username, "question": "6 × 7"}
        return pool.api.respond_to_auth_challenge(
            ClientId=pool.client_id,
            ChallengeName="CUSTOM_CHALLENGE",
            Session=begun["Session"],
            ChallengeResponses={"USERNAME": username, "ANSWER": text},
        )

    assert "AccessToken" in answer("42")["AuthenticationResult"]
    with pytest.raises(pool.api.exceptions.NotAuthorizedException):
        answer("41")


@in_plain_languages
def test_every_function_that_throws_is_heard(language):
    def text(key: str, source: str) -> tuple[str, str]:
        return "UserLambdaValidationException", f"{key} failed with error {source} is not for today."

    pool = language.pool({})
    unconfirmed, username = fresh_name("unconfirmed"), user_of(pool)
    sign_up(pool, unconfirmed)
    confirm = {"UserPoolId": pool.id, "Username": unconfirmed}
    calls = [
        ("PreSignUp", "PreSignUp_SignUp", lambda: sign_up(pool, fresh_name())),
        ("CustomMessage", "CustomMessage_SignUp", lambda: sign_up(pool, fresh_name())),
        ("CustomMessage", "CustomMessage_ForgotPassword", lambda: pool.forgot(username)),
        ("PreAuthentication", "PreAuthentication_Authentication", lambda: sign_in(pool, username)),
        ("PostAuthentication", "PostAuthentication_Authentication", lambda: sign_in(pool, username)),
        ("PreTokenGeneration", "TokenGeneration_Authentication", lambda: sign_in(pool, username)),
        ("UserMigration", "UserMigration_Authentication", lambda: sign_in(pool, "nobody")),
        ("PostConfirmation", "PostConfirmation_ConfirmSignUp", lambda: pool.api.admin_confirm_sign_up(**confirm)),
    ]
    for key, source, call in calls:
        config = {key: f"{ARN}refuse"}
        pool.api.update_user_pool(UserPoolId=pool.id, AutoVerifiedAttributes=["email"], LambdaConfig=config)
        assert refused(call) == text(key, source)
    # A function that throws when a password was forgotten knows nobody by that name.
    pool.api.update_user_pool(
        UserPoolId=pool.id, AutoVerifiedAttributes=["email"], LambdaConfig={"UserMigration": f"{ARN}refuse"}
    )
    nobody = f"Exception migrating user in app client {pool.client_id}"
    assert refused(lambda: pool.forgot("nobody")) == ("UserNotFoundException", nobody)
    assert shown(pool, unconfirmed)["status"] == "CONFIRMED", "what comes after the fact undoes nothing"


@in_plain_languages
def test_whatever_a_handler_does_is_one_of_three_errors(language):
    pool = language.pool({"PreSignUp": "broken"})
    threw, nonsense = "UserLambdaValidationException", "InvalidLambdaResponseException"
    unrecognizable = (nonsense, "Unrecognizable lambda output")
    ended = "RequestId: <id> Error: Runtime exited with error: exit status 3"
    for fault, error in {
        "throw": (threw, "PreSignUp failed with error No, not you!."),
        "exit": (threw, f"PreSignUp failed with error {ended}."),
        "nothing": (nonsense, "Invalid lambda function output : Invalid JSON"),
        "text": unrecognizable,
        "dropped": unrecognizable,
        "casing": unrecognizable,
        "type": unrecognizable,
    }.items():
        username = fresh_name(fault)
        assert refused(lambda name=username: sign_up(pool, name)) == error, fault
        with pytest.raises(pool.api.exceptions.UserNotFoundException):
            shown(pool, username)
        # The next one is well.
        assert sign_up(pool, fresh_name("fine"))["UserConfirmed"] is False


@pytest.mark.parametrize("language", ["node"], indirect=True)
def test_the_sdk_for_javascript_knows_the_three_errors(language):
    def error(name: str, message: str) -> dict:
        return {"name": name, "message": message, "fault": "client", "status": 400}

    pool = language.pool({"PreSignUp": "broken"})
    assert sign_up_by_javascript(pool, fresh_name("throw"), fresh_name("nothing"), fresh_name("fine")) == [
        error("UserLambdaValidationException", "PreSignUp failed with error No, not you!."),
        error("InvalidLambdaResponseException", "Invalid lambda function output : Invalid JSON"),
        {"confirmed": False},
    ]
    pool = language.pool({"PreSignUp": "nobody-runs-this"})
    unknown = "PreSignUp invocation failed due to error ResourceNotFoundException."
    assert sign_up_by_javascript(pool, fresh_name()) == [error("UnexpectedLambdaException", unknown)]


@pytest.mark.parametrize("language", ["node"], indirect=True)
def test_a_handler_that_hangs_is_given_five_seconds(language):
    pool = language.pool({"PreSignUp": "broken"})
    username = fresh_name("hang")
    began = time.monotonic()
    assert refused(lambda: sign_up(pool, username)) == (
        "UnexpectedLambdaException",
        "PreSignUp invocation failed due to error Socket timeout while invoking Lambda function.",
    )
    assert 5 <= time.monotonic() - began < 8
    with pytest.raises(pool.api.exceptions.UserNotFoundException):
        shown(pool, username)
    assert sign_up(pool, fresh_name("fine"))["UserConfirmed"] is False


def test_inbound_federation_and_hosted_tokens_see_users_of_another_provider(language):
    oauth = {
        "AllowedOAuthFlowsUserPoolClient": True,
        "AllowedOAuthFlows": ["code"],
        "AllowedOAuthScopes": ["openid", "email", "profile"],
    }
    here = language.pool(
        {"InboundFederation": ("V1_0", "inboundFederation"), "PreTokenGeneration": "tokenV1"},
        client={"CallbackURLs": [CALLBACK], **oauth},
    )
    here_site = give_domain(here)
    # The provider is another pool.
    there = create_pool(
        language.api,
        language.controls,
        client={
            "GenerateSecret": True,
            "CallbackURLs": [f"{here_site}/oauth2/idpresponse"],
            "SupportedIdentityProviders": ["COGNITO"],
            **oauth,
        },
    )
    there_site = give_domain(there)
    username = user_of(there, "elsewhere")
    here.api.create_identity_provider(
        UserPoolId=here.id,
        ProviderName="There",
        ProviderType="OIDC",
        ProviderDetails={
            "client_id": there.client_id,
            "client_secret": there.secret,
            "authorize_scopes": "openid email profile",
            "attributes_request_method": "GET",
            "oidc_issuer": f"{language.server.endpoint}/{there.id}",
        },
        AttributeMapping={"email": "email", "nickname": "nick", "name": "never_there"},
    )
    here.api.update_user_pool_client(
        UserPoolId=here.id,
        ClientId=here.client_id,
        SupportedIdentityProviders=["There"],
        CallbackURLs=[CALLBACK],
        **oauth,
    )

    asked = {"client_id": here.client_id, "response_type": "code", "redirect_uri": CALLBACK, "state": "1"}
    authorize = f"{here_site}/oauth2/authorize?{urllib.parse.urlencode({**asked, 'identity_provider': 'There'})}"
    browser = Browser()
    at_provider = sent_on(browser, authorize)
    assert at_provider.startswith(f"{there_site}/oauth2/authorize?")
    back = sign_in_at(browser, sent_on(browser, at_provider), username, PASSWORD)
    assert back.startswith(f"{here_site}/oauth2/idpresponse?")
    said = urllib.parse.parse_qs(urllib.parse.urlsplit(sent_on(browser, back)).query)
    exchange = {
        "grant_type": "authorization_code",
        "client_id": here.client_id,
        "code": said["code"][0],
        "redirect_uri": CALLBACK,
    }
    tokens = json_of(browser.send(f"{here_site}/oauth2/token", exchange))
    told = claims(tokens["id_token"])
    sub = there.api.admin_get_user(UserPoolId=there.id, Username=username)["UserAttributes"][0]["Value"]
    assert told["cognito:username"].lower() == f"There_{sub}".lower()
    # What one function has said of the user, and the other of the tokens.
    assert (told["nickname"], told["plan"]) == (f"friend {username}", "gold")
    assert "name" not in told and "email" not in told
    assert f"{here.id}_There" in told["cognito:groups"]
    user = shown(here, told["cognito:username"])
    assert (user["status"], user["email"]) == ("EXTERNAL_PROVIDER", f"{username}@example.com")

    # The way back is good once, and in this browser.
    status, headers, _ = browser.send(back)
    assert status == 302 and headers["location"].startswith(f"{here_site}/error?")
