//! `poolkeeper dev --template`: the AWS::Cognito resources of a CloudFormation template.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{self, Program, call};

const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: local}
  Callbacks: {Type: CommaDelimitedList, Default: 'https://a.example.com/, https://b.example.com/'}
  Unset: {Type: String}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler}
  Pool:
    Type: AWS::Cognito::UserPool
    Properties:
      UserPoolName: !Sub '${Stage}-${AWS::Region}-pool'
      AutoVerifiedAttributes: [email]
      Policies: {PasswordPolicy: {MinimumLength: '10', RequireSymbols: 'false'}}
      LambdaConfig:
        PostConfirmation: !GetAtt Function.Arn
      KeyConfiguration: {KeyType: CUSTOMER_MANAGED_KEY}
      UserPoolTags:
        Stage: !Ref Stage
        Kept: !If [IsProduction, 'yes', !Ref 'AWS::NoValue']
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties:
      UserPoolId: !Ref Pool
      ClientName: !Join ['-', [!Ref Stage, web]]
      ExplicitAuthFlows: [ALLOW_USER_PASSWORD_AUTH, ALLOW_REFRESH_TOKEN_AUTH]
  Confidential:
    Type: AWS::Cognito::UserPoolClient
    Metadata: {Poolkeeper: {ClientId: chosenclient, ClientSecret: 'aSecretOfTheBackEnd0123456789abcdef'}}
    Properties: {UserPoolId: !Ref Pool, GenerateSecret: true, ClientName: !Ref Unset}
  Admins:
    Type: AWS::Cognito::UserPoolGroup
    Properties: {UserPoolId: !Ref Pool, GroupName: admins, Precedence: '3'}
  Ana:
    Type: AWS::Cognito::UserPoolUser
    Metadata: {Poolkeeper: {Password: First-Passw0rd, Sub: 0b9e6a4c-3f2d-4c58-9a57-2d1c3e4f5a6b}}
    Properties:
      UserPoolId: !Ref Pool
      Username: ana
      UserAttributes: [{Name: email, Value: ana@example.com}]
  AnaIsAdmin:
    Type: AWS::Cognito::UserPoolUserToGroupAttachment
    Properties: {UserPoolId: !Ref Pool, Username: !Ref Ana, GroupName: !Ref Admins}
  Elsewhere:
    Type: AWS::Cognito::UserPoolClient
    Properties: {UserPoolId: us-east-1_Elsewhere}
  OnlyInProduction:
    Type: AWS::Cognito::UserPoolClient
    Condition: IsProduction
    Properties: {UserPoolId: !Ref Pool}
  Identities:
    Type: AWS::Cognito::IdentityPool
    Properties: {AllowUnauthenticatedIdentities: false}
Outputs:
  PoolId: {Value: !Ref Pool}
  PoolArn: {Value: !GetAtt Pool.Arn}
  Issuer: {Value: !GetAtt Pool.ProviderURL}
  ClientId: {Value: !Ref Client}
  Secret: {Value: !GetAtt Confidential.ClientSecret}
  Hidden: {Condition: IsProduction, Value: x}
"#;

fn arguments<'a>(data: &'a str, template: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["dev", "--listen", "127.0.0.1:0", "--data-dir", data, "--template", template];
    arguments.extend(more);
    arguments
}

fn start(folder: &Path, template: &Path, more: &[&str]) -> Program {
    let data = folder.join("data");
    Program::start(&arguments(data.to_str().unwrap(), template.to_str().unwrap(), more), &[])
}

/// The value of an output.
fn output<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("  {name} = ")));
    line.unwrap_or_else(|| panic!("no output {name}: {text}"))
}

#[test]
fn a_template_becomes_pools_and_says_what_it_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("shop.yaml");
    fs::write(&template, TEMPLATE).unwrap();
    let mut seen: Option<(String, Value)> = None;
    for _ in 0..2 {
        let mut program = start(folder.path(), &template, &[]);
        let address = program.address();
        let text = program.output_until("Secret is left out");
        let (pool, client) = (output(&text, "PoolId"), output(&text, "ClientId"));
        assert_eq!(output(&text, "PoolArn"), format!("arn:aws:cognito-idp:us-east-1:000000000000:userpool/{pool}"));
        assert_eq!(output(&text, "Issuer"), format!("{address}/{pool}"));
        assert!(!text.contains("Hidden") && !text.contains("aSecretOf"), "{text}");
        for (start, left_out) in [
            ("  Function:", "Resources: 1 of AWS::Serverless::Function"),
            (
                "        PostConfirmation",
                "Resources.Pool.Properties.LambdaConfig.PostConfirmation: it refers to Function (AWS::Serverless::Function), which is not made here",
            ),
            (
                "      KeyConfiguration:",
                "Resources.Pool.Properties.KeyConfiguration: KeyConfiguration CUSTOMER_MANAGED_KEY is not supported by this Poolkeeper version yet.",
            ),
            (
                "    Properties: {UserPoolId: !Ref Pool, GenerateSecret",
                "Resources.Confidential.Properties.ClientName: the parameter Unset has no default: give it with --parameter Unset=VALUE",
            ),
            ("  Elsewhere:", "Resources.Elsewhere.Properties: its UserPoolId names no user pool of this template"),
            ("  Identities:", "Resources.Identities: AWS::Cognito::IdentityPool is not made from templates"),
        ] {
            let line = 1 + TEMPLATE.lines().position(|line| line.starts_with(start)).unwrap();
            let expected = format!("left out: {}:{line}: {left_out}", template.display());
            assert!(text.contains(&expected), "{expected}: {text}");
        }
        let parameters = json!({"USERNAME": "ana", "PASSWORD": "First-Passw0rd"});
        let body = json!({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": parameters});
        let (status, tokens) = call(&address, "InitiateAuth", &body);
        assert_eq!(status, 200, "{tokens}");
        let (_, described) = call(&address, "DescribeUserPool", &json!({"UserPoolId": pool}));
        let described = described["UserPool"].clone();
        assert_eq!(described["Name"], "local-us-east-1-pool");
        assert_eq!(described["UserPoolTags"], json!({"Stage": "local"}));
        let policy = &described["Policies"]["PasswordPolicy"];
        assert_eq!((&policy["MinimumLength"], &policy["RequireSymbols"]), (&json!(10), &json!(false)));
        let (_, web) = call(&address, "DescribeUserPoolClient", &json!({"UserPoolId": pool, "ClientId": client}));
        assert_eq!(web["UserPoolClient"]["ClientName"], "local-web");
        let chosen = json!({"UserPoolId": pool, "ClientId": "chosenclient"});
        let (_, secret) = call(&address, "DescribeUserPoolClient", &chosen);
        assert_eq!(secret["UserPoolClient"]["ClientSecret"], "aSecretOfTheBackEnd0123456789abcdef");
        assert_eq!(secret["UserPoolClient"]["ClientName"], "shop-Confidential");
        let (_, groups) = call(&address, "AdminListGroupsForUser", &json!({"UserPoolId": pool, "Username": "ana"}));
        assert_eq!(groups["Groups"][0]["Precedence"], 3);
        let (_, clients) = call(&address, "ListUserPoolClients", &json!({"UserPoolId": pool}));
        assert_eq!(clients["UserPoolClients"].as_array().unwrap().len(), 2);
        // The second start finds everything as it is.
        match seen.take() {
            None => {
                assert!(text.contains("2 clients made; 1 group made; 1 user made; 1 user pool made"), "{text}");
                seen = Some((text.clone(), described));
            }
            Some((_, before)) => {
                assert!(text.contains("nothing changed, 5 as they were"), "{text}");
                assert_eq!(described, before);
            }
        }
        assert_eq!(program.stop(), Some(0));
    }
}

#[test]
fn parameters_are_given_and_json_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("Stack.template.json");
    // As `cdk synth` writes it.
    let text = json!({
        "Resources": {
            "UserPool6BA7E5F2": {
                "Type": "AWS::Cognito::UserPool",
                "Properties": {
                    "UserPoolName": {"Fn::Join": ["", [{"Ref": "Stage"}, "-", {"Ref": "AWS::AccountId"}]]},
                    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": true},
                },
                "UpdateReplacePolicy": "Retain",
                "Metadata": {"aws:cdk:path": "Stack/UserPool/Resource", "Poolkeeper": {"Id": "eu-west-1_Chosen001"}},
            },
            "CDKMetadata": {"Type": "AWS::CDK::Metadata", "Properties": {"Analytics": "v2"}},
        },
        "Parameters": {
            "Stage": {"Type": "String"},
            "BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/version"},
        },
        "Outputs": {"Id": {"Value": {"Ref": "UserPool6BA7E5F2"}}},
    });
    fs::write(&template, serde_json::to_string_pretty(&text).unwrap()).unwrap();
    let mut program = start(folder.path(), &template, &["--parameter", "Stage=test"]);
    let address = program.address();
    assert_eq!(output(&program.output_until("Id = "), "Id"), "eu-west-1_Chosen001");
    let (_, pool) = call(&address, "DescribeUserPool", &json!({"UserPoolId": "eu-west-1_Chosen001"}));
    assert_eq!(pool["UserPool"]["Name"], "test-000000000000");
    assert_eq!(pool["UserPool"]["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true);
    assert_eq!(program.stop(), Some(0));
}

#[test]
fn faults_are_named_by_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("t.yaml");
    let data = folder.path().join("data");
    let (shown, data) = (template.display().to_string(), data.to_str().unwrap());
    for (text, more, expected) in [
        ("Foo: 1\n", None, ":1: Resources: this is missing"),
        ("Resources:\n  Pool:\n    Properties: {}\n", None, ":2: Resources.Pool.Type: this is missing"),
        (
            "Resources:\n  Pool:\n    Type: AWS::Cognito::UserPool\n    Properties:\n      Policies: {PasswordPolicy: {MinimumLength: many}}\n",
            None,
            ":5: Resources.Pool.Properties.Policies.PasswordPolicy.MinimumLength: this must be a number",
        ),
        (
            "Resources:\n  Pool:\n    Type: AWS::Cognito::UserPool\n    Metadata: {Poolkeeper: {Sub: x}}\n",
            None,
            ":4: Resources.Pool.Metadata.Poolkeeper.Sub: there is no such key; possible are Id",
        ),
        (
            "Resources:\n  Pool:\n    Type: AWS::Cognito::UserPool\n    Properties:\n      DeletionProtection: MAYBE\n",
            None,
            ":5: Resources.Pool.Properties.DeletionProtection: CreateUserPool answered InvalidParameterException",
        ),
        (
            "Resources: {}\nParameters:\n  A: {Type: String}\n",
            Some("B=1"),
            ":3: Parameters: the template has no parameter B",
        ),
        ("Resources: [\n", None, ":"),
    ] {
        fs::write(&template, text).unwrap();
        let more: Vec<&str> = more.into_iter().flat_map(|value| ["--parameter", value]).collect();
        let (code, output, error) = support::run(&arguments(data, &shown, &more), &[]);
        assert_eq!((code, output.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains(&format!("{shown}{expected}")), "{expected}: {error}");
    }
}
