"""boto3 and everything an administrator does with accounts: attributes, groups, searches, configuration, imports."""

from __future__ import annotations

import base64
import json
import time
import urllib.request

import pytest

from conftest import NEW_PASSWORD, PASSWORD, attributes, fresh_name, secret_hash

IMPORT_SECONDS = 30
ROLE = "arn:aws:iam::123456789012:role/import"


def admin_create(pool, username: str, values: dict[str, str]) -> None:
    """AdminCreateUser without a message."""
    pool.api.admin_create_user(
        UserPoolId=pool.id,
        Username=username,
        MessageAction="SUPPRESS",
        UserAttributes=[{"Name": name, "Value": value} for name, value in values.items()],
    )


def admin_attributes(pool, username: str) -> dict[str, str]:
    """What an administrator sees."""
    return attributes(pool.api.admin_get_user(UserPoolId=pool.id, Username=username)["UserAttributes"])


def found(pool, query: str) -> list[str]:
    """Usernames that a filter finds, over all pages."""
    pages = pool.api.get_paginator("list_users").paginate(
        UserPoolId=pool.id, Filter=query, PaginationConfig={"PageSize": 2}
    )
    return sorted(user["Username"] for page in pages for user in page["Users"])


def test_a_user_changes_and_verifies_the_address(make_pool):
    pool = make_pool(
        UserAttributeUpdateSettings={"AttributesRequireVerificationBeforeUpdate": ["email"]},
        AliasAttributes=["email"],
    )
    username = pool.confirmed_user("mover")
    token = pool.tokens(username, PASSWORD)["AccessToken"]
    new = f"{username}@new.example.com"
    sent = pool.api.update_user_attributes(
        AccessToken=token,
        UserAttributes=[{"Name": "email", "Value": new}, {"Name": "nickname", "Value": "Nick"}],
    )["CodeDeliveryDetailsList"]
    assert [(details["AttributeName"], details["DeliveryMedium"]) for details in sent] == [("email", "EMAIL")]
    before = attributes(pool.api.get_user(AccessToken=token)["UserAttributes"])
    assert (before["email"], before["email_verified"]) == (f"{username}@example.com", "true")
    assert before["nickname"] == "Nick"
    code = pool.controls.next_code(pool.id, username, "UpdateUserAttribute")
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    with pytest.raises(pool.api.exceptions.CodeMismatchException):
        pool.api.verify_user_attribute(AccessToken=token, AttributeName="email", Code=wrong)
    pool.api.verify_user_attribute(AccessToken=token, AttributeName="email", Code=code)
    after = attributes(pool.api.get_user(AccessToken=token)["UserAttributes"])
    assert (after["email"], after["email_verified"]) == (new, "true")
    assert pool.tokens(new, PASSWORD)["TokenType"] == "Bearer"
    with pytest.raises(pool.api.exceptions.UserNotFoundException):
        pool.tokens(f"{username}@example.com", PASSWORD)

    pool.api.delete_user_attributes(AccessToken=token, UserAttributeNames=["nickname"])
    assert "nickname" not in attributes(pool.api.get_user(AccessToken=token)["UserAttributes"])
    pool.api.delete_user(AccessToken=token)
    with pytest.raises(pool.api.exceptions.UserNotFoundException):
        pool.api.admin_get_user(UserPoolId=pool.id, Username=username)


def test_attributes_by_an_administrator(make_pool):
    pool = make_pool(
        Schema=[
            {"Name": "level", "AttributeDataType": "Number", "NumberAttributeConstraints": {"MaxValue": "9"}},
            {"Name": "badge", "AttributeDataType": "String", "Mutable": False},
        ]
    )
    username = fresh_name("staff")
    admin_create(pool, username, {"email": f"{username}@example.com", "custom:badge": "7"})

    def update(values: dict[str, str]) -> None:
        pool.api.admin_update_user_attributes(
            UserPoolId=pool.id,
            Username=username,
            UserAttributes=[{"Name": name, "Value": value} for name, value in values.items()],
        )

    update({"custom:level": "3", "email_verified": "true"})
    assert admin_attributes(pool, username)["custom:level"] == "3"
    for wrong in ({"custom:level": "10"}, {"custom:badge": "8"}, {"custom:unknown": "1"}, {"sub": "x"}):
        with pytest.raises(pool.api.exceptions.InvalidParameterException):
            update(wrong)
    pool.api.admin_delete_user_attributes(UserPoolId=pool.id, Username=username, UserAttributeNames=["custom:level"])
    assert "custom:level" not in admin_attributes(pool, username)


def test_groups_and_what_tokens_say_of_them(pool):
    username = pool.confirmed_user("member")
    names = [fresh_name("group") for _ in range(3)]
    for precedence, name in enumerate(names):
        pool.api.create_group(
            UserPoolId=pool.id, GroupName=name, Precedence=precedence, RoleArn=f"arn:aws:iam::123456789012:role/{name}"
        )
        pool.api.admin_add_user_to_group(UserPoolId=pool.id, Username=username, GroupName=name)
    with pytest.raises(pool.api.exceptions.GroupExistsException):
        pool.api.create_group(UserPoolId=pool.id, GroupName=names[0])
    listed = pool.api.admin_list_groups_for_user(UserPoolId=pool.id, Username=username)["Groups"]
    assert sorted(group["GroupName"] for group in listed) == sorted(names)
    tokens = pool.tokens(username, PASSWORD)
    claims = [_claims(tokens[kind]) for kind in ("IdToken", "AccessToken")]
    assert all(sorted(claim["cognito:groups"]) == sorted(names) for claim in claims)
    assert claims[0]["cognito:preferred_role"].endswith(names[0])
    assert len(claims[0]["cognito:roles"]) == 3

    members = pool.api.list_users_in_group(UserPoolId=pool.id, GroupName=names[0])["Users"]
    assert [user["Username"] for user in members] == [username]
    pool.api.update_group(UserPoolId=pool.id, GroupName=names[0], Description="first")
    assert pool.api.get_group(UserPoolId=pool.id, GroupName=names[0])["Group"]["Description"] == "first"
    pool.api.admin_remove_user_from_group(UserPoolId=pool.id, Username=username, GroupName=names[0])
    pool.api.delete_group(UserPoolId=pool.id, GroupName=names[1])
    left = pool.api.admin_list_groups_for_user(UserPoolId=pool.id, Username=username)["Groups"]
    assert [group["GroupName"] for group in left] == names[2:]


def test_users_are_found(make_pool):
    pool = make_pool()
    for number, name in enumerate(["Anna", "Annalena", 'Bert "B" Bird', "anna"]):
        admin_create(pool, f"u{number}", {"email": f"u{number}@example.com", "name": name})
        if number == 3:
            pool.api.admin_disable_user(UserPoolId=pool.id, Username=f"u{number}")
    assert found(pool, 'name = "Anna"') == ["u0", "u3"]
    assert found(pool, 'name ^= "Anna"') == ["u0", "u1", "u3"]
    assert found(pool, 'name="Bert \\"B\\" Bird"') == ["u2"]
    assert found(pool, '"email" ^= "u"') == ["u0", "u1", "u2", "u3"]
    assert found(pool, 'username = "u1"') == ["u1"]
    assert found(pool, 'username ^= "u"') == ["u0", "u1", "u2", "u3"]
    assert found(pool, 'status = "Disabled"') == ["u3"]
    assert found(pool, 'status = "Enabled"') == ["u0", "u1", "u2"]
    assert found(pool, 'cognito:user_status = "FORCE_CHANGE_PASSWORD"') == ["u0", "u1", "u2", "u3"]
    assert found(pool, 'cognito:user_status = "CONFIRMED"') == []
    for wrong in ('name = Anna', 'nickname = "x"', 'name = "a" and email = "b"'):
        with pytest.raises(pool.api.exceptions.InvalidParameterException):
            found(pool, wrong)
    page = pool.api.list_users(UserPoolId=pool.id, AttributesToGet=["email"], Filter='email = "u0@example.com"')["Users"]
    assert attributes(page[0]["Attributes"]) == {"email": "u0@example.com"}


def test_client_secrets_change_without_a_gap(make_pool):
    pool = make_pool(client={"GenerateSecret": True})
    username = pool.confirmed_user("rotating")
    added = pool.api.add_user_pool_client_secret(UserPoolId=pool.id, ClientId=pool.client_id)
    new = added["ClientSecretDescriptor"]["ClientSecretValue"]
    listed = pool.api.list_user_pool_client_secrets(UserPoolId=pool.id, ClientId=pool.client_id)["ClientSecrets"]
    assert len(listed) == 2
    assert all("ClientSecretValue" not in item for item in listed)
    with pytest.raises(pool.api.exceptions.LimitExceededException):
        pool.api.add_user_pool_client_secret(UserPoolId=pool.id, ClientId=pool.client_id)

    def sign_in(secret: str) -> dict:
        return pool.api.initiate_auth(
            ClientId=pool.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={
                "USERNAME": username,
                "PASSWORD": PASSWORD,
                "SECRET_HASH": secret_hash(username, pool.client_id, secret),
            },
        )

    assert "AuthenticationResult" in sign_in(pool.secret)
    assert "AuthenticationResult" in sign_in(new)
    old_id = min(listed, key=lambda item: item["ClientSecretCreateDate"])["ClientSecretId"]
    new_id = added["ClientSecretDescriptor"]["ClientSecretId"]
    if old_id == new_id:
        old_id = next(item["ClientSecretId"] for item in listed if item["ClientSecretId"] != new_id)
    pool.api.delete_user_pool_client_secret(UserPoolId=pool.id, ClientId=pool.client_id, ClientSecretId=old_id)
    with pytest.raises(pool.api.exceptions.NotAuthorizedException, match="Unable to verify secret hash"):
        sign_in(pool.secret)
    assert "AuthenticationResult" in sign_in(new)


def test_what_a_pool_stores(make_pool):
    pool = make_pool(UserPoolTags={"team": "blue"})
    api = pool.api
    arn = api.describe_user_pool(UserPoolId=pool.id)["UserPool"]["Arn"]
    api.tag_resource(ResourceArn=arn, Tags={"stage": "test"})
    assert api.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"team": "blue", "stage": "test"}
    api.untag_resource(ResourceArn=arn, TagKeys=["team"])
    assert api.list_tags_for_resource(ResourceArn=arn)["Tags"] == {"stage": "test"}

    scopes = [{"ScopeName": "read", "ScopeDescription": "May read"}]
    api.create_resource_server(UserPoolId=pool.id, Identifier="https://orders.example.com", Name="orders", Scopes=scopes)
    servers = api.list_resource_servers(UserPoolId=pool.id, MaxResults=50)["ResourceServers"]
    assert [server["Identifier"] for server in servers] == ["https://orders.example.com"]
    api.update_resource_server(UserPoolId=pool.id, Identifier="https://orders.example.com", Name="orders 2")
    described = api.describe_resource_server(UserPoolId=pool.id, Identifier="https://orders.example.com")
    assert described["ResourceServer"]["Name"] == "orders 2"
    assert "Scopes" not in described["ResourceServer"]
    api.delete_resource_server(UserPoolId=pool.id, Identifier="https://orders.example.com")

    api.create_identity_provider(
        UserPoolId=pool.id,
        ProviderName="Corporate",
        ProviderType="OIDC",
        ProviderDetails={
            "client_id": "abc",
            "client_secret": "def",
            "attributes_request_method": "GET",
            "oidc_issuer": "https://login.example.com",
            "authorize_scopes": "openid email",
            "authorize_url": "https://login.example.com/authorize",
            "token_url": "https://login.example.com/token",
            "attributes_url": "https://login.example.com/userinfo",
            "jwks_uri": "https://login.example.com/jwks",
        },
        AttributeMapping={"email": "email"},
        IdpIdentifiers=["corp"],
    )
    by_identifier = api.get_identity_provider_by_identifier(UserPoolId=pool.id, IdpIdentifier="corp")
    assert by_identifier["IdentityProvider"]["ProviderName"] == "Corporate"
    providers = api.list_identity_providers(UserPoolId=pool.id)["Providers"]
    assert [provider["ProviderName"] for provider in providers] == ["Corporate"]
    username = pool.confirmed_user("linked")
    api.admin_link_provider_for_user(
        UserPoolId=pool.id,
        DestinationUser={"ProviderName": "Cognito", "ProviderAttributeValue": username},
        SourceUser={
            "ProviderName": "Corporate",
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": "42",
        },
    )
    identities = json.loads(admin_attributes(pool, username)["identities"])
    assert [(identity["providerName"], identity["userId"]) for identity in identities] == [("Corporate", "42")]
    api.admin_disable_provider_for_user(
        UserPoolId=pool.id,
        User={
            "ProviderName": "Corporate",
            "ProviderAttributeName": "Cognito_Subject",
            "ProviderAttributeValue": "42",
        },
    )
    assert "identities" not in admin_attributes(pool, username)
    api.delete_identity_provider(UserPoolId=pool.id, ProviderName="Corporate")

    prefix = fresh_name("login")
    api.create_user_pool_domain(UserPoolId=pool.id, Domain=prefix)
    assert api.describe_user_pool_domain(Domain=prefix)["DomainDescription"]["UserPoolId"] == pool.id
    assert api.describe_user_pool(UserPoolId=pool.id)["UserPool"]["Domain"] == prefix
    api.set_ui_customization(UserPoolId=pool.id, CSS=".banner-customizable { background-color: navy; }")
    assert "navy" in api.get_ui_customization(UserPoolId=pool.id)["UICustomization"]["CSS"]
    with pytest.raises(api.exceptions.InvalidParameterException, match="domain configured"):
        api.delete_user_pool(UserPoolId=pool.id)
    api.delete_user_pool_domain(UserPoolId=pool.id, Domain=prefix)
    assert api.describe_user_pool_domain(Domain=prefix)["DomainDescription"] == {}
    assert api.get_user_pool_mfa_config(UserPoolId=pool.id)["MfaConfiguration"] == "OFF"
    api.delete_user_pool(UserPoolId=pool.id)


def test_users_are_imported(pool):
    header = pool.api.get_csv_header(UserPoolId=pool.id)["CSVHeader"]
    names = [fresh_name("import") for _ in range(3)]

    def line(username: str, email: str) -> str:
        values = {
            "cognito:username": username,
            "email": email,
            "email_verified": "true" if email else "",
            "cognito:mfa_enabled": "false",
            "phone_number_verified": "false",
        }
        return ",".join(values.get(column, "") for column in header)

    rows = [",".join(header), *(line(name, f"{name}@example.com") for name in names), line(fresh_name("bad"), "")]
    job = pool.api.create_user_import_job(JobName="people", UserPoolId=pool.id, CloudWatchLogsRoleArn=ROLE)[
        "UserImportJob"
    ]
    assert job["Status"] == "Created"
    upload = urllib.request.Request(
        job["PreSignedUrl"],
        data="\n".join(rows).encode(),
        method="PUT",
        headers={"x-amz-server-side-encryption": "aws:kms", "Content-Type": "text/csv"},
    )
    with urllib.request.urlopen(upload, timeout=30) as answer:
        assert answer.status == 200
    started = pool.api.start_user_import_job(UserPoolId=pool.id, JobId=job["JobId"])["UserImportJob"]
    assert started["Status"] in ("Pending", "InProgress")
    deadline = time.monotonic() + IMPORT_SECONDS
    while True:
        job = pool.api.describe_user_import_job(UserPoolId=pool.id, JobId=job["JobId"])["UserImportJob"]
        if job["Status"] in ("Succeeded", "Failed", "Stopped"):
            break
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    counted = (job["Status"], job["ImportedUsers"], job["SkippedUsers"], job["FailedUsers"])
    assert counted == ("Succeeded", 3, 0, 1), job
    listed = pool.api.list_user_import_jobs(UserPoolId=pool.id, MaxResults=10)["UserImportJobs"]
    assert [item["JobId"] for item in listed] == [job["JobId"]]

    username = names[0]
    assert pool.api.admin_get_user(UserPoolId=pool.id, Username=username)["UserStatus"] == "RESET_REQUIRED"
    with pytest.raises(pool.api.exceptions.PasswordResetRequiredException):
        pool.sign_in(username, PASSWORD)
    pool.reset(username, pool.forgot(username))
    assert pool.tokens(username, NEW_PASSWORD)["TokenType"] == "Bearer"


def _claims(token: str) -> dict:
    """The claims of a token, unchecked."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
