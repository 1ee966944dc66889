//! What intrinsic functions stand for, without a server.

use serde_json::{Value as Json, json};
use service::Settings;

use super::Template;
use crate::{
    configuration::Configuration,
    mode::Mode,
    run,
    seed::{
        node::{Complaint, Node},
        read,
    },
};

const FRAME: &str = "
Parameters:
  Stage: {Type: String, Default: local}
  Numbers: {Type: List<Number>, Default: '1, 2'}
  Unset: {Type: String}
Conditions:
  IsLocal: !Equals [!Ref Stage, local]
  IsOther: !Not [!Condition IsLocal]
  Both: !And [!Condition IsLocal, !Condition IsOther]
  Either: !Or [!Condition IsLocal, !Condition IsOther]
  Circle: !Condition Circle
Mappings:
  Sizes: {local: {Length: 8}}
Resources:
  Pool: {Type: 'AWS::Cognito::UserPool', Metadata: {Poolkeeper: {Id: us-east-1_Chosen001}}}
  Client: {Type: 'AWS::Cognito::UserPoolClient', Properties: {UserPoolId: !Ref Pool, ClientName: !Ref Stage}}
  Group: {Type: 'AWS::Cognito::UserPoolGroup', Properties: {UserPoolId: !Ref Pool}}
  Snake: {Type: 'AWS::Cognito::UserPoolGroup', Properties: {UserPoolId: !Ref Pool, GroupName: !Ref Snake}}
  Bucket: {Type: 'AWS::S3::Bucket'}
Value:
";

fn settings() -> Settings {
    run::settings(Mode::Dev, &Configuration::default(), "http://127.0.0.1:9229".to_owned()).unwrap()
}

fn file(text: &str) -> Node {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stack.yaml");
    std::fs::write(&path, text).unwrap();
    read::file(&path).unwrap()
}

/// What a value stands for, and what was left out of it.
fn resolved(value: &str) -> (Option<Json>, Vec<Complaint>) {
    let (settings, file) = (settings(), file(&format!("{FRAME}  {value}\n")));
    let template = Template::new(&settings, &file, "stack", &[]).unwrap();
    let mut skipped = Vec::new();
    let node = template.scope.resolve(file.get("Value").unwrap(), "Value", &mut skipped);
    (node.map(|node| node.json()), skipped)
}

#[test]
fn functions_stand_for_values() {
    for (value, expected) in [
        ("!Ref Pool", json!("us-east-1_Chosen001")),
        ("!Ref Stage", json!("local")),
        ("!Ref Numbers", json!(["1", "2"])),
        ("!Ref Group", json!("stack-Group")),
        ("!Ref 'AWS::StackName'", json!("stack")),
        ("!Ref 'AWS::Partition'", json!("aws")),
        ("!GetAtt Pool.Arn", json!("arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_Chosen001")),
        ("{'Fn::GetAtt': [Pool, ProviderName]}", json!("127.0.0.1:9229/us-east-1_Chosen001")),
        ("!GetAtt Client.Name", json!("local")),
        (
            "!Sub '${Stage}/${Pool.UserPoolId}/${!Stage}/${AWS::Region}'",
            json!("local/us-east-1_Chosen001/${Stage}/us-east-1"),
        ),
        ("!Sub ['${x}-${Stage}', {x: !Ref Pool}]", json!("us-east-1_Chosen001-local")),
        ("!Join ['+', [a, !Ref Stage, 3]]", json!("a+local+3")),
        ("!Join [',', !Ref Numbers]", json!("1,2")),
        ("!Select [1, !Split ['-', a-b-c]]", json!("b")),
        ("!Select [0, [!Ref Stage]]", json!("local")),
        ("!FindInMap [Sizes, !Ref Stage, Length]", json!(8)),
        ("!If [IsLocal, {a: !Ref Stage}, no]", json!({"a": "local"})),
        ("!If [IsOther, yes, [1, !Ref Stage]]", json!([1, "local"])),
        ("[!If [Both, 1, 2], !If [Either, 1, 2]]", json!([2, 1])),
        ("{a: 1, b: !Ref 'AWS::NoValue', c: [!If [IsOther, x, !Ref 'AWS::NoValue'], y]}", json!({"a": 1, "c": ["y"]})),
    ] {
        assert_eq!(resolved(value), (Some(expected), Vec::new()), "{value}");
    }
}

#[test]
fn what_stands_for_nothing_is_left_out_and_told() {
    for (value, rest, key, reason) in [
        ("!GetAtt Bucket.Arn", None, "Value", "it refers to Bucket (AWS::S3::Bucket), which is not made here"),
        ("{a: 1, b: {c: !Ref Bucket}}", Some(json!({"a": 1, "b": {}})), "Value.b.c", "it refers to Bucket"),
        (
            "[x, !Ref Nothing]",
            Some(json!(["x"])),
            "Value[1]",
            "it refers to Nothing, which is no parameter or resource",
        ),
        ("!Join ['', [a, !Ref Unset]]", None, "Value", "the parameter Unset has no default: give it with --parameter"),
        ("!Sub 'a${Bucket}'", None, "Value", "it refers to Bucket"),
        ("!Sub 'a${Stage'", None, "Value", "a `${` in Fn::Sub has no `}`"),
        ("!ImportValue x", None, "Value", "Fn::ImportValue is not understood here"),
        ("!Ref Snake", None, "Value", "references lead too deep, or in a circle"),
        ("!If [Circle, a, b]", None, "Value", "references lead too deep, or in a circle"),
        ("!If [Unheard, a, b]", None, "Value", "there is no condition Unheard"),
        ("!Join [a]", None, "Value", "Fn::Join takes a list of 2 values"),
        ("!Select [7, [a]]", None, "Value", "Fn::Select chooses an item that is not there"),
        ("!FindInMap [Sizes, x, y]", None, "Value", "Mappings has no Sizes.x.y"),
        ("!GetAtt Client.ClientSecret", None, "Value", "a client's secret is not shown here"),
    ] {
        let (node, skipped) = resolved(value);
        assert_eq!(node, rest, "{value}");
        let [complaint] = skipped.as_slice() else { panic!("{value}: {skipped:?}") };
        assert!(complaint.key.starts_with(key) && complaint.reason.starts_with(reason), "{value}: {complaint:?}");
        // A circle is found where it closes.
        let is_here = complaint.line == FRAME.lines().count() + 1;
        assert!(is_here || reason.contains("circle"), "{value}: {complaint:?}");
    }
}

#[test]
fn derived_ids_are_the_same_for_the_same_names_only() {
    let (settings, file) = (settings(), file(FRAME));
    let id = |stack: &str, name: &str| Template::new(&settings, &file, stack, &[]).unwrap().scope.id(name).unwrap();
    assert_eq!(id("stack", "Pool"), "us-east-1_Chosen001");
    let client = id("stack", "Client");
    assert_eq!(client, id("stack", "Client"));
    assert_ne!(client, id("other", "Client"));
    assert!(client.len() == 26 && client.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
}

#[test]
fn the_stack_is_named_after_the_file() {
    for (path, name) in
        [("cdk.out/Shop.template.json", "Shop"), ("template.yaml", "template"), ("a/my stack.yml", "my-stack")]
    {
        assert_eq!(super::stack_name(std::path::Path::new(path)), name);
    }
}
