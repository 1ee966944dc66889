//! `export` and `import`: a pool goes from one installation to another, and its users sign in there.

use std::{fs, path::PathBuf};

use serde_json::json;
use tempfile::TempDir;

use crate::support::{self, Program, call};

/// Data directories, keys and files of one test.
struct Scene(TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        scene.write("allowed.toml", "[beyond]\nexport_and_import = true\n");
        for key in ["recipient.key", "other.key"] {
            let (code, text, _) = support::run(&["keys", "generate-master"], &[]);
            assert_eq!(code, Some(0));
            scene.write(key, &text);
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn export(&self, pool: &str, key: &str, config: &str) -> (Option<i32>, String, String) {
        let (key, output, data) = (self.text(key), self.text("pool.export"), self.text("first"));
        let mut arguments = vec!["export", "--user-pool-id", pool, "--key", &key, "--output", &output];
        arguments.extend(["--data-dir", &data]);
        let config = self.text(config);
        if self.path(&config).exists() {
            arguments.extend(["--config", &config]);
        }
        support::run(&arguments, &[])
    }

    fn import(&self, key: &str) -> (Option<i32>, String, String) {
        let (key, input, data, config) =
            (self.text(key), self.text("pool.export"), self.text("second"), self.text("allowed.toml"));
        support::run(&["import", "--key", &key, "--input", &input, "--data-dir", &data, "--config", &config], &[])
    }
}

/// Signs in with a password; the status and the answer.
fn sign_in(address: &str, client: &str, password: &str) -> (u16, serde_json::Value) {
    let parameters = json!({"USERNAME": "anna", "PASSWORD": password});
    let request = json!({"ClientId": client, "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": parameters});
    call(address, "InitiateAuth", &request)
}

#[test]
fn a_pool_moves_and_its_users_sign_in_as_before() {
    let scene = Scene::new();
    let mut program = Program::dev(&scene.path("first"));
    let address = program.address();
    let (_, made) = call(&address, "CreateUserPool", &json!({"PoolName": "people"}));
    let pool = made.pointer("/UserPool/Id").unwrap().as_str().unwrap().to_owned();
    let flows = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"];
    let request = json!({"UserPoolId": pool, "ClientName": "app", "ExplicitAuthFlows": flows});
    let (_, made) = call(&address, "CreateUserPoolClient", &request);
    let client = made.pointer("/UserPoolClient/ClientId").unwrap().as_str().unwrap().to_owned();
    let request = json!({"UserPoolId": pool, "Username": "anna", "MessageAction": "SUPPRESS"});
    assert_eq!(call(&address, "AdminCreateUser", &request).0, 200);
    let request = json!({"UserPoolId": pool, "Username": "anna", "Password": "Correct-horse-1", "Permanent": true});
    assert_eq!(call(&address, "AdminSetUserPassword", &request).0, 200);

    // Nothing without permission, and nothing over what is there.
    let (code, _, error) = scene.export(&pool, "recipient.key", "none.toml");
    assert!(code == Some(1) && error.contains("`export_and_import = true` in the section [beyond]"), "{error}");
    scene.write("pool.export", "in the way");
    let (code, _, error) = scene.export(&pool, "recipient.key", "allowed.toml");
    assert!(code == Some(1) && error.contains("exists"), "{error}");
    fs::remove_file(scene.path("pool.export")).unwrap();
    let (code, _, error) = scene.export("eu-west-1_Nowhere11", "recipient.key", "allowed.toml");
    assert!(code == Some(1) && error.contains("there is no user pool eu-west-1_Nowhere11"), "{error}");

    // While the server is at work.
    let (code, told, error) = scene.export(&pool, "recipient.key", "allowed.toml");
    assert_eq!(code, Some(0), "{error}");
    assert!(told.contains(&pool) && told.contains("1 users"), "{told}");
    assert_eq!(program.stop(), Some(0));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(scene.path("pool.export")).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // Another installation, with a master key of its own.
    let mut program = Program::dev(&scene.path("second"));
    program.address();
    assert_eq!(program.stop(), Some(0));
    let (code, _, error) = scene.import("other.key");
    assert!(code == Some(1) && error.contains("written for another key"), "{error}");
    let (code, told, error) = scene.import("recipient.key");
    assert_eq!(code, Some(0), "{error}");
    assert!(told.contains(&pool) && told.contains("1 users"), "{told}");
    let (code, _, error) = scene.import("recipient.key");
    assert!(code == Some(1) && error.contains("exists here"), "{error}");

    let mut program = Program::dev(&scene.path("second"));
    let address = program.address();
    let (status, answer) = sign_in(&address, &client, "Correct-horse-1");
    assert_eq!(status, 200, "{answer}");
    assert!(answer.pointer("/AuthenticationResult/AccessToken").is_some(), "{answer}");
    assert_eq!(sign_in(&address, &client, "Wrong-horse-1").0, 400);
    assert_eq!(program.stop(), Some(0));
}
