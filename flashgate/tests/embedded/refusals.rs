//! What keeps `serve` from starting: each a message that names it, and an exit code of its own. Nothing is damaged.

use std::{fs, net::TcpListener, path::Path};

use crate::process::{Serve, flashgate, serve};

async fn refused(mut command: tokio::process::Command) -> (Option<i32>, String) {
    let output = command.output().await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A folder in which a deployment has been.
async fn used() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path()).await;
    assert_eq!(serve.stop().await, Some(0));
    folder
}

fn overwrite(file: &Path, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut content = fs::read(file).unwrap();
    content[at..at + bytes.len()].copy_from_slice(bytes);
    fs::write(file, &content).unwrap();
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_folder_is_refused_and_the_first_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = Serve::start(folder.path()).await;
    let (code, said) = refused(serve(folder.path())).await;
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("in use by process"), "{said}");
    assert_eq!(first.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_port_is_named_with_its_flag() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--http", "--grpc", "--gateway", "--worker", "--name-server-port"] {
        let mut command = flashgate();
        command.arg("serve").arg("--data-dir").arg(folder.path());
        for other in ["--http", "--grpc", "--gateway", "--worker"] {
            command.args([other, if other == flag { &port } else { "0" }]);
        }
        if flag == "--name-server-port" {
            command.args([flag, &port]);
        }
        let (code, said) = refused(command).await;
        assert_eq!(code, Some(6), "{flag}: {said}");
        assert!(said.contains(flag) && said.contains(&port), "{flag}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_cannot_be_written_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let (code, said) = refused(serve(&file.path().join("below"))).await;
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("below") && said.contains("--data-dir"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_file_and_a_newer_one_are_named_and_left_as_they_are() {
    for name in ["ledger.sqlite", "orders.sqlite"] {
        let folder = used().await;
        let file = folder.path().join(name);
        let whole = fs::read(&file).unwrap();
        // `PRAGMA user_version`, by the format of the file.
        let newer = overwrite(&file, 60, &[0, 0, 3, 231]);
        let (code, said) = refused(serve(folder.path())).await;
        assert_eq!(code, Some(11), "{said}");
        assert!(said.contains(name) && said.contains("999"), "{said}");
        assert_eq!(fs::read(&file).unwrap(), newer);

        // The header says what the file is; the pages after it are not what it says.
        fs::write(&file, &whole).unwrap();
        let damaged = overwrite(&file, 4_096, &[0xA5; 2_048]);
        let (code, said) = refused(serve(folder.path())).await;
        assert_eq!(code, Some(10), "{name}: {said}");
        assert!(said.contains(name), "{said}");
        assert_eq!(fs::read(&file).unwrap(), damaged);

        let noise = overwrite(&file, 0, &[0xA5; 512]);
        let (code, said) = refused(serve(folder.path())).await;
        assert_eq!(code, Some(10), "{name}: {said}");
        assert_eq!(fs::read(&file).unwrap(), noise);

        fs::write(&file, &whole).unwrap();
        assert_eq!(Serve::start(folder.path()).await.stop().await, Some(0), "mended, it goes on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_of_the_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("serve.toml");
    fs::write(&config, "[listen]\nhtpp = \"127.0.0.1:1\"\n").unwrap();
    let mut command = serve(folder.path());
    command.arg("--config").arg(&config);
    let (code, said) = refused(command).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("listen.htpp: unknown key"), "{said}");
    assert!(said.contains(config.to_str().unwrap()), "{said}");
    let mut command = serve(folder.path());
    command.env("FLASHGATE_SERVE__BROKER__PORT", "many");
    let (code, said) = refused(command).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("FLASHGATE_SERVE__BROKER__PORT"), "{said}");
    let mut check = flashgate();
    check.args(["config", "check"]).arg(&config);
    assert_eq!(refused(check).await.0, Some(2));
    let mut default = flashgate();
    let printed = default.args(["config", "default"]).output().await.unwrap().stdout;
    fs::write(&config, printed).unwrap();
    let mut check = flashgate();
    check.args(["config", "check"]).arg(&config);
    assert_eq!(refused(check).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_laid_over_the_file_and_flags_over_both() {
    let folder = tempfile::tempdir().unwrap();
    let taken = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [file, variable, flag] = taken.each_ref().map(|listener| listener.local_addr().unwrap().to_string());
    let config = folder.path().join("serve.toml");
    fs::write(&config, format!("[listen]\nhttp = \"{file}\"\n")).unwrap();
    let command = |more: &dyn Fn(&mut tokio::process::Command)| {
        let mut command = flashgate();
        command.args(["serve", "--config"]).arg(&config).arg("--data-dir").arg(folder.path().join("data"));
        more(&mut command);
        refused(command)
    };
    let with_variable = |command: &mut tokio::process::Command| {
        command.env("FLASHGATE_SERVE__LISTEN__HTTP", &variable);
    };
    let with_both = |command: &mut tokio::process::Command| {
        with_variable(command);
        command.args(["--http", &flag]);
    };
    // All three are taken: which one is tried, the message tells.
    for (asked, expected) in [
        (command(&|_| {}).await, &file),
        (command(&with_variable).await, &variable),
        (command(&with_both).await, &flag),
    ] {
        assert_eq!(asked.0, Some(6), "{}", asked.1);
        assert!(asked.1.contains(expected.as_str()), "{}", asked.1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_the_size_of_files_that_is_too_low_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let serve = serve(&folder.path().join("new"));
    let mut limited = tokio::process::Command::new("sh");
    limited.args(["-c", "ulimit -f 2048; exec \"$0\" \"$@\""]).arg(serve.as_std().get_program());
    limited.args(serve.as_std().get_args());
    let (code, said) = refused(limited).await;
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains("ulimit -f") && said.contains(" KiB at most"), "{said}");
}
